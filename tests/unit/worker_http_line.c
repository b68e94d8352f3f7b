/* Many HTTP requests at once, and those that nobody wants any more: the line in which they wait,
 * cancelling at every stage, the end of everything, and what is left then. */
#include "http_stage.h"

static void setup(void)
{
    http_stage_begin(NULL);
    web = web_new(loop, NULL);
}

TestSuite(http_line, .init = setup, .fini = http_stage_end, .timeout = 60);

#define MANY 100

static struct asked *many[MANY];

static unsigned told_of(unsigned count)
{
    unsigned told = 0;

    for (unsigned i = 0; i < count; i++)
        told += many[i]->told;
    return told;
}

static void start_many(unsigned count, const char *const *hosts, unsigned host_count)
{
    for (unsigned i = 0; i < count; i++) {
        many[i] = asked_new("http", hosts[i % host_count], "/");
        asked_start(many[i]);
    }
}

static void free_many(unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        asked_free(&many[i]);
}

static const char *const one_host[] = { "web.test" };
static const char *const five_hosts[] = { "web.test", "other.test", "third.test", "fourth.test",
                                          "fifth.test" };

/* ---- the line ---- */

Test(http_line, a_hundred_to_one_host_take_turns_on_its_connections)
{
    start_many(MANY, one_host, 1);
    UNTIL(told_of(MANY) == MANY);
    for (unsigned i = 0; i < MANY; i++)
        cr_expect_eq(many[i]->event, HTTP_ANSWERED, "%s", many[i]->why);
    cr_expect_eq(web->requests, (unsigned)MANY);
    cr_expect_eq(web->most_open, (unsigned)HTTP_PER_HOST);
    cr_expect_eq(web->connections, (unsigned)HTTP_PER_HOST);
    free_many(MANY);
}

Test(http_line, no_more_than_so_many_are_under_way_in_all)
{
    web_on(web, "/", "", -1);
    start_many(MANY, five_hosts, 5);
    UNTIL(web->requests == HTTP_AT_ONCE);
    for (unsigned i = 0; i < 20; i++)
        loop_turn(loop, 1);
    cr_expect_eq(web->requests, (unsigned)HTTP_AT_ONCE);
    cr_expect_eq(web->most_open, (unsigned)HTTP_AT_ONCE);
    web->rule_count = 0;
    web_hang_up_all(web);
    UNTIL(told_of(MANY) == MANY);
    cr_expect_leq(web->most_open, (unsigned)HTTP_AT_ONCE);
    free_many(MANY);
}

Test(http_line, not_many_connections_are_kept)
{
    web_on(web, "/", "", -1);
    start_many(HTTP_AT_ONCE, five_hosts, 5);
    UNTIL(web->requests == HTTP_AT_ONCE);
    web_say_all(web, WEB_OK);
    UNTIL(told_of(HTTP_AT_ONCE) == HTTP_AT_ONCE);
    UNTIL(web->open <= HTTP_KEPT_MAX);
    cr_expect_gt(web->open, 0u);
    free_many(HTTP_AT_ONCE);
}

Test(http_line, a_host_that_is_full_is_in_nobodys_way)
{
    struct asked *other = asked_new("http", "other.test", "/quick");

    web_on(web, "/", "", -1);
    start_many(20, one_host, 1);
    asked_run(other);
    cr_expect_eq(other->event, HTTP_ANSWERED, "%s", other->why);
    cr_expect_eq(told_of(20), 0u);
    asked_free(&other);
    free_many(20);
}

Test(http_line, the_deadline_runs_while_a_request_waits)
{
    struct asked *late = asked_new("http", "web.test", "/late");

    web_on(web, "/", "", -1);
    start_many(HTTP_PER_HOST, one_host, 1);
    late->request.total_ms = 200;
    asked_run(late);
    expect_event(late, HTTP_TIMED_OUT, "its turn did not come within 200 ms");
    cr_expect_eq(web->requests, (unsigned)HTTP_PER_HOST);
    asked_free(&late);
    free_many(HTTP_PER_HOST);
}

Test(http_line, the_line_has_an_end)
{
    struct asked *asked = asked_new("http", "web.test", "/");
    struct http_job *jobs[HTTP_WAITING_MAX + 1] = { NULL };
    struct reason why = { "" };

    for (unsigned i = 0; i < HTTP_WAITING_MAX; i++)
        cr_assert_eq(http_start(http, &asked->request, asked_done, asked, &jobs[i], &why), 0);
    cr_expect_eq(
        http_start(http, &asked->request, asked_done, asked, &jobs[HTTP_WAITING_MAX], &why),
        -ENOBUFS);
    http_cancel(&jobs[7]);
    cr_expect_eq(http_start(http, &asked->request, asked_done, asked, &jobs[7], &why), 0);
    for (unsigned i = 0; i < HTTP_WAITING_MAX; i++)
        http_cancel(&jobs[i]);
    asked_free(&asked);
}

/* ---- cancelling ---- */

/* Nothing more is heard of it, and the next one is answered as if it had never been. */
static void expect_cancelled(struct asked *asked)
{
    struct asked *after;

    http_cancel(&asked->job);
    cr_expect_null(asked->job);
    http_cancel(&asked->job);
    after = asked_new("http", "web.test", "/after");
    asked_run(after);
    cr_expect_eq(after->event, HTTP_ANSWERED, "%s", after->why);
    cr_expect_eq(asked->told, 0u);
    asked_free(&after);
    asked_free(&asked);
}

Test(http_line, cancelled_while_it_waits)
{
    struct asked *asked = asked_new("http", "web.test", "/");

    asked_start(asked);
    expect_cancelled(asked);
    cr_expect_eq(web->requests, 1u);
}

Test(http_line, cancelled_while_its_name_is_asked_for)
{
    struct asked *asked = asked_new("http", "silent.test", "/");

    asked_start(asked);
    UNTIL(names->asked > 0);
    expect_cancelled(asked);
}

Test(http_line, cancelled_while_it_shakes_hands)
{
    struct asked *asked = asked_new("https", "web.test", "/");

    asked_start(asked);
    UNTIL(web->open == 1);
    for (unsigned i = 0; i < 5; i++)
        loop_turn(loop, 1);
    expect_cancelled(asked);
    UNTIL(web->open == 1);
}

Test(http_line, cancelled_before_its_answer)
{
    struct asked *asked = asked_new("http", "web.test", "/");

    web_on(web, "/", "", -1);
    asked_start(asked);
    UNTIL(web->requests == 1);
    expect_cancelled(asked);
    cr_expect_eq(web->connections, 2u, "its connection is not used again");
    UNTIL(web->open == 1);
}

Test(http_line, cancelled_within_its_answer)
{
    struct asked *asked = asked_new("http", "web.test", "/");

    web_on(web, "/", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", -1);
    asked_start(asked);
    UNTIL(web->requests == 1);
    for (unsigned i = 0; i < 5; i++)
        loop_turn(loop, 1);
    expect_cancelled(asked);
    cr_expect_eq(web->connections, 2u);
}

Test(http_line, room_that_is_given_up_is_for_who_waits)
{
    struct asked *next = asked_new("http", "web.test", "/next");

    web_on(web, "/", "", -1);
    start_many(HTTP_PER_HOST, one_host, 1);
    asked_start(next);
    UNTIL(web->requests == HTTP_PER_HOST);
    http_cancel(&many[0]->job);
    UNTIL(next->told == 1);
    cr_expect_eq(next->event, HTTP_ANSWERED);
    asked_free(&next);
    free_many(HTTP_PER_HOST);
}

/* Nothing else happens that the line could go on with. */
Test(http_line, room_that_is_given_up_before_a_connection_too)
{
    static const char *const silent[] = { "silent.test" };
    struct asked *next = asked_new("http", "silent.test", "/");

    start_many(HTTP_PER_HOST, silent, 1);
    next->request.total_ms = 300;
    asked_start(next);
    UNTIL(names->asked > 0);
    http_cancel(&many[0]->job);
    UNTIL(next->told == 1);
    expect_event(next, HTTP_TIMED_OUT, "no answer within 300 ms");
    asked_free(&next);
    free_many(HTTP_PER_HOST);
}

/* ---- inside callbacks ---- */

static void cancel_other(struct asked *asked)
{
    struct asked *other = asked->with;

    http_cancel(&other->job);
}

static void start_other(struct asked *asked)
{
    asked_start(asked->with);
}

/* `first` ends and does away with `other`, which is on its way then. */
static void expect_other_cancelled(const char *first_host, const char *other_host,
                                   const char *other_target)
{
    struct asked *first = asked_new("http", first_host, "/");
    struct asked *other = asked_new("http", other_host, other_target);

    web_on(web, "/silence", "", -1);
    first->then = cancel_other;
    first->with = other;
    asked_start(first);
    asked_start(other);
    UNTIL(first->told == 1);
    for (unsigned i = 0; i < 5; i++)
        loop_turn(loop, 1);
    cr_expect_eq(other->told, 0u);
    cr_expect_null(other->job);
    asked_free(&first);
    asked_free(&other);
}

Test(http_line, a_callback_may_cancel_others_at_any_stage)
{
    struct asked *known;

    expect_other_cancelled("web.test", "web.test", "/silence");
    expect_other_cancelled("web.test", "silent.test", "/");
    expect_other_cancelled("nowhere.test", "nowhere.test", "/"); /* both wait for the name */
    expect_other_cancelled("nowhere.test", "nowhere.test", "/"); /* both have ended */
    known = get("/");
    cr_expect_eq(known->event, HTTP_ANSWERED);
    asked_free(&known);
}

Test(http_line, a_callback_may_cancel_who_waits_in_line)
{
    struct asked *first = asked_new("http", "web.test", "/first");

    first->then = cancel_other;
    asked_start(first);
    web_on(web, "/", "", -1);
    start_many(HTTP_PER_HOST, one_host, 1);
    first->with = many[HTTP_PER_HOST - 1];
    UNTIL(first->told == 1);
    cr_expect_null(many[HTTP_PER_HOST - 1]->job);
    free_many(HTTP_PER_HOST);
    asked_free(&first);
}

Test(http_line, a_callback_may_start_another)
{
    struct asked *first = asked_new("http", "nowhere.test", "/");
    struct asked *second = asked_new("http", "nowhere.test", "/");
    struct asked *third = asked_new("http", "web.test", "/");

    first->then = second->then = start_other;
    first->with = second;
    second->with = third;
    asked_start(first);
    UNTIL(third->told == 1);
    cr_expect_eq(first->told, 1u);
    cr_expect_eq(second->told, 1u);
    cr_expect_eq(third->event, HTTP_ANSWERED, "%s", third->why);
    asked_free(&first);
    asked_free(&second);
    asked_free(&third);
}

/* ---- the end ---- */

static unsigned descriptors(void)
{
    return count_entries("/proc/self/fd");
}

/* The resolver's own wait until its server is given up. */
Test(http_line, nothing_is_left_of_jobs_at_every_stage)
{
    static const char *const targets[] = { "/", "/silence", "/half", "/" };
    struct asked *asked[6];
    struct reason why = { "" };
    unsigned before;

    http_free(&http);
    before = descriptors();
    cr_assert_eq(http_new(loop, resolver, "", &http, &why), 0, "%s", why.text);
    web_on(web, "/silence", "", -1);
    web_on(web, "/half", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", -1);
    for (unsigned i = 0; i < 4; i++) {
        asked[i] = asked_new(i == 3 ? "https" : "http", "web.test", targets[i]);
        asked_start(asked[i]);
    }
    asked[4] = asked_new("http", "silent.test", "/");
    asked_start(asked[4]);
    UNTIL(web->open == 4 && asked[0]->told == 1 && web->requests == 3);
    asked[5] = asked_new("http", "web.test", "/");
    asked_start(asked[5]);
    http_free(&http);
    UNTIL(web->open == 0);
    UNTIL(descriptors() == before);
    for (unsigned i = 0; i < 6; i++) {
        cr_expect_eq(asked[i]->told, i == 0 ? 1u : 0u);
        asked[i]->job = NULL;
        asked_free(&asked[i]);
    }
}

Test(http_line, no_descriptor_is_lost_to_requests_that_fail)
{
    static const char *const says[] = { "!close", "!reset", "nonsense!close",
                                        "HTTP/1.1 200 OK\r\n!close",
                                        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf!reset" };
    unsigned before = 0;

    for (unsigned round = 0; round < 20; round++) {
        for (size_t i = 0; i < sizeof(says) / sizeof(says[0]); i++) {
            struct asked *asked;

            web->rule_count = 0;
            web_on(web, "/", says[i], -1);
            asked = get("/");
            cr_expect_neq(asked->event, HTTP_ANSWERED, "%s", says[i]);
            asked_free(&asked);
        }
        UNTIL(web->open == 0);
        if (round == 0)
            before = descriptors();
    }
    cr_expect_eq(descriptors(), before);
}

/* By a name, with its look-up, and to an address. */
Test(http_line, there_is_no_thread)
{
    static const char *const hosts[] = { "silent.test", "web.test", "both.test", "127.0.0.1",
                                         "127.1",       "WEB.test", "web.test.", "[::1]" };
    const unsigned threads = count_entries("/proc/self/task");
    struct asked *asked[8];

    web_on(web, "/", "", -1);
    for (unsigned i = 0; i < 8; i++) {
        asked[i] = asked_new("http", hosts[i], "/");
        asked_start(asked[i]);
    }
    UNTIL(web->requests == 6 && asked[7]->told == 1);
    cr_expect_eq(count_entries("/proc/self/task"), threads);
    for (unsigned i = 0; i < 8; i++)
        asked_free(&asked[i]);
}
