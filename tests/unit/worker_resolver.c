/* The resolver against a tiny name server on loopback, in the same loop. */
#include "name_server.h"

#include <errno.h>

#include "common/clock.h"
#include "common/conf.h"
#include "worker/resolver.h"

static struct loop *loop;
static struct resolver *resolver;
static struct name_server *names;

/* What the name server knows. */
static const struct name_row zone[] = {
    { .name = "both.test",
      .v4 = { "192.0.2.1", "192.0.2.2", "192.0.2.3" },
      .v6 = { "2001:db8::1", "2001:db8::2" } },
    { .name = "four.test", .v4 = { "192.0.2.9" } },
    { .name = "six.test", .v6 = { "2001:db8::9" } },
    { .name = "empty.test" },
    { .name = "broken.test", .code = SERVFAIL },
    { .name = "silent.test", .is_silent = true },
    { .name = "garbage.test", .is_garbage = true },
    { .name = NULL },
};

static void setup(void)
{
    char *items[1];
    struct conf conf = { .resolver_timeout = 1, .resolver_servers = { items, 1 } };
    struct reason why;

    loop = loop_new();
    names = name_server_new(loop, zone);
    items[0] = names->text;
    cr_assert_eq(resolver_new(loop, &conf, &resolver, &why), 0, "%s", why.text);
}

static void teardown(void)
{
    resolver_free(&resolver);
    name_server_free(&names);
    loop_free(loop);
}

TestSuite(resolver, .init = setup, .fini = teardown, .timeout = 30);

struct waiter {
    struct resolver_query *query;
    struct resolver_answer *answer;
    char why[400];
    unsigned told;
    bool is_inside;
};

static void on_done(struct resolver_answer *answer, const char *why, void *arg)
{
    struct waiter *waiter = arg;

    cr_assert_not(waiter->is_inside);
    waiter->told++;
    waiter->query = NULL;
    if (answer != NULL)
        waiter->answer = resolver_answer_hold(answer);
    else
        snprintf(waiter->why, sizeof(waiter->why), "%s", why);
}

static int ask(struct waiter *waiter, const char *host)
{
    struct reason why = { "" };
    int got;

    waiter->is_inside = true;
    got = resolver_lookup(resolver, host, on_done, waiter, &waiter->answer, &waiter->query, &why);
    waiter->is_inside = false;
    if (got < 0)
        snprintf(waiter->why, sizeof(waiter->why), "%s", why.text);
    return got;
}

static void wait_for(const struct waiter *waiter)
{
    int64_t limit = clock_mono_ms() + 10000;

    while (waiter->told == 0) {
        cr_assert_lt(clock_mono_ms(), limit, "never answered");
        loop_turn(loop, 10);
    }
}

/* "192.0.2.1 [2001:db8::1]", ports left out. */
static const char *list(const struct resolver_answer *answer)
{
    static char text[1024];
    size_t used = 0;

    text[0] = '\0';
    for (unsigned i = 0; answer != NULL && i < answer->count; i++) {
        char one[ADDRESS_TEXT_SIZE];

        used += (size_t)sprintf(text + used, "%s%s", i > 0 ? " " : "",
                                address_host_text(&answer->addresses[i].sa, one));
    }
    return text;
}

Test(resolver, SP17_both_families_are_asked_and_interleaved)
{
    struct waiter waiter = { 0 };
    unsigned switches = 0;

    cr_assert_eq(ask(&waiter, "both.test"), 0);
    wait_for(&waiter);
    cr_assert_not_null(waiter.answer);
    cr_assert_eq(waiter.answer->count, 5u, "%s", list(waiter.answer));
    cr_assert_eq(names->asked, 2u, "A and AAAA");
    for (unsigned i = 1; i < 5; i++)
        switches += waiter.answer->addresses[i].sa.sa_family !=
                    waiter.answer->addresses[i - 1].sa.sa_family;
    cr_assert_geq(switches, 3u, "%s", list(waiter.answer));
    resolver_answer_release(waiter.answer);
}

Test(resolver, SP17_one_family_is_enough)
{
    struct waiter four = { 0 }, six = { 0 };

    ask(&four, "four.test");
    ask(&six, "six.test");
    wait_for(&four);
    wait_for(&six);
    cr_assert_str_eq(list(four.answer), "192.0.2.9");
    cr_assert_str_eq(list(six.answer), "2001:db8::9");
    resolver_answer_release(four.answer);
    resolver_answer_release(six.answer);
}

Test(resolver, literal_addresses_need_no_query)
{
    static const char *const hosts[] = { "192.0.2.77", "2001:db8::77", "::1" };

    for (unsigned i = 0; i < 3; i++) {
        struct waiter waiter = { 0 };

        cr_assert_eq(ask(&waiter, hosts[i]), 1);
        cr_assert_str_eq(list(waiter.answer), hosts[i]);
        resolver_answer_release(waiter.answer);
    }
    cr_assert_eq(names->asked, 0u);
}

Test(resolver, localhost_needs_no_name_server)
{
    struct waiter waiter = { 0 };
    int got = ask(&waiter, "localhost");

    if (got == 0)
        wait_for(&waiter);
    cr_assert_not_null(waiter.answer, "%s", waiter.why);
    cr_assert_not_null(strstr(list(waiter.answer), "127.0.0.1"));
    cr_assert_eq(names->asked, 0u);
    resolver_answer_release(waiter.answer);
}

Test(resolver, an_answer_is_kept_for_its_time)
{
    struct waiter first = { 0 }, second = { 0 };

    ask(&first, "four.test");
    wait_for(&first);
    names->asked = 0;
    cr_assert_eq(ask(&second, "four.test"), 1);
    cr_assert_eq(second.answer, first.answer, "shared, not copied");
    cr_assert_eq(names->asked, 0u);
    resolver_answer_release(first.answer);
    resolver_answer_release(second.answer);
}

Test(resolver, failures_are_told_in_words_and_kept_for_a_while)
{
    static const struct {
        const char *host, *why;
    } rows[] = {
        { "unknown.test", "no such name" },
        { "empty.test", "the name has no address" },
        { "broken.test", "the name servers failed or cannot be reached" },
    };

    for (unsigned i = 0; i < 3; i++) {
        struct waiter first = { 0 }, second = { 0 };

        cr_assert_eq(ask(&first, rows[i].host), 0);
        wait_for(&first);
        cr_expect_null(first.answer);
        cr_expect_str_eq(first.why, rows[i].why, "%s: %s", rows[i].host, first.why);
        names->asked = 0;
        cr_expect_eq(ask(&second, rows[i].host), -ENOENT);
        cr_expect_str_eq(second.why, first.why);
        cr_expect_eq(names->asked, 0u);
    }
}

Test(resolver, a_silent_name_server_is_given_up_at_the_deadline)
{
    struct waiter waiter = { 0 };
    int64_t begun = clock_mono_ms(), took;

    ask(&waiter, "silent.test");
    wait_for(&waiter);
    took = clock_mono_ms() - begun;
    cr_assert_null(waiter.answer);
    cr_assert_str_eq(waiter.why, "the name servers do not answer");
    cr_assert_leq(took, 1500, "took %ld ms", (long)took);
}

Test(resolver, garbage_is_no_answer)
{
    struct waiter waiter = { 0 };

    ask(&waiter, "garbage.test");
    wait_for(&waiter);
    cr_assert_null(waiter.answer);
    cr_assert_neq(waiter.why[0], '\0');
}

Test(resolver, the_same_name_is_asked_once_for_all_who_wait)
{
    struct waiter waiters[10] = { 0 };

    for (unsigned i = 0; i < 10; i++)
        cr_assert_eq(ask(&waiters[i], "four.test"), 0);
    for (unsigned i = 0; i < 10; i++) {
        wait_for(&waiters[i]);
        cr_assert_eq(waiters[i].told, 1u);
        resolver_answer_release(waiters[i].answer);
    }
    cr_assert_eq(names->asked, 2u, "A and AAAA, once");
}

Test(resolver, who_cancelled_is_not_told)
{
    struct waiter gone = { 0 }, stays = { 0 };

    ask(&gone, "four.test");
    ask(&stays, "four.test");
    resolver_cancel(&gone.query);
    cr_assert_null(gone.query);
    wait_for(&stays);
    cr_assert_eq(gone.told, 0u);
    resolver_answer_release(stays.answer);
}

Test(resolver, ends_while_queries_are_under_way)
{
    struct waiter waiter = { 0 };

    cr_assert_eq(ask(&waiter, "silent.test"), 0);
    resolver_free(&resolver);
    cr_assert_eq(waiter.told, 0u);
}

Test(resolver, the_cache_is_bounded)
{
    for (unsigned i = 0; i < RESOLVER_NAMES_MAX + 50; i++) {
        struct waiter waiter = { 0 };
        char host[32];

        snprintf(host, sizeof(host), "n%u.test", i);
        if (ask(&waiter, host) == 0)
            wait_for(&waiter);
        cr_assert_str_eq(waiter.why, "no such name");
    }
    names->asked = 0;
    for (unsigned i = 0; i < 2; i++) {
        struct waiter waiter = { 0 };

        /* The first made room for the last; the last is still known. */
        cr_assert_eq(ask(&waiter, i == 0 ? "n1073.test" : "n0.test"), i == 0 ? -ENOENT : 0);
        if (i == 1)
            wait_for(&waiter);
    }
}

Test(resolver, a_server_that_is_no_address_is_refused)
{
    char name[] = "ns.example.net", *items[1] = { name };
    struct conf conf = { .resolver_timeout = 1, .resolver_servers = { items, 1 } };
    struct resolver *other = NULL;
    struct reason why;

    cr_assert_eq(resolver_new(loop, &conf, &other, &why), -EINVAL);
    cr_assert_not_null(strstr(why.text, "ns.example.net"));
}
