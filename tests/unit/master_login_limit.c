/* How often a wrong password may be tried, by a clock of the test's own. */
#include <criterion/criterion.h>

#include <stdio.h>

#include "master/control/login_limit.h"

#define TRIES     3
#define WINDOW_MS 60000

static struct login_limit *limit;
static unsigned retry_s;

static void start(void)
{
    const struct login_limit_rules rules = { TRIES, WINDOW_MS };

    limit = login_limit_new(&rules);
    cr_assert_not_null(limit);
}

static void stop(void)
{
    login_limit_free(&limit);
}

TestSuite(login_limit, .init = start, .fini = stop);

static bool take(const char *client, const char *name, int64_t now_ms)
{
    return login_limit_take(limit, client, name, now_ms, &retry_s);
}

static void fail(const char *client, const char *name, unsigned times, int64_t now_ms)
{
    for (unsigned i = 0; i < times; i++)
        cr_assert(take(client, name, now_ms), "%s, %u", client, i);
}

Test(login_limit, OP04_an_address_has_so_many_tries_in_a_window)
{
    fail("10.0.0.1", "alice", TRIES, 1000);
    cr_assert_not(take("10.0.0.1", "alice", 1000));
    cr_assert_eq(retry_s, 60);
    cr_assert_not(take("10.0.0.1", "bob", 31500), "whatever name is tried");
    cr_assert_eq(retry_s, 30, "%u", retry_s);
    cr_assert_not(take("10.0.0.1", NULL, 1000 + WINDOW_MS - 1));
    cr_assert_eq(retry_s, 1);
    cr_assert(take("10.0.0.2", "alice", 1000), "another address");
    fail("10.0.0.1", "alice", TRIES, 1000 + WINDOW_MS);
    cr_assert_not(take("10.0.0.1", "alice", 1000 + WINDOW_MS));
}

Test(login_limit, OP04_refused_tries_do_not_make_the_window_longer)
{
    fail("10.0.0.1", "alice", TRIES, 0);
    for (int64_t now_ms = 0; now_ms < WINDOW_MS; now_ms += 1000)
        cr_assert_not(take("10.0.0.1", "alice", now_ms));
    cr_assert(take("10.0.0.1", "alice", WINDOW_MS));
}

Test(login_limit, OP04_ipv6_counts_by_its_64_and_mapped_as_ipv4)
{
    fail("2001:db8:1:2::1", "a", 1, 0);
    fail("2001:db8:1:2:ffff::9", "b", 1, 0);
    fail("2001:db8:1:2::3", "c", 1, 0);
    cr_assert_not(take("2001:db8:1:2::4", "d", 0));
    cr_assert(take("2001:db8:1:3::4", "d", 0));
    fail("10.0.0.1", "a", 2, 0);
    fail("::ffff:10.0.0.1", "a", 1, 0);
    cr_assert_not(take("10.0.0.1", "a", 0));
}

Test(login_limit, OP04_what_is_no_address_is_one_client)
{
    fail("", "a", 1, 0);
    fail("somewhere", "a", 1, 0);
    fail("10.0.0.1:25", "a", 1, 0);
    cr_assert_not(take("", "a", 0));
}

Test(login_limit, OP04_what_is_given_back_was_no_failure)
{
    for (unsigned i = 0; i < 100; i++) {
        cr_assert(take("10.0.0.1", "alice", 0));
        login_limit_give_back(limit, "10.0.0.1", "alice", true, 0);
    }
    fail("10.0.0.1", "alice", TRIES, 0);
    cr_assert_not(take("10.0.0.1", "alice", 0));
}

/* Many at the same time get no more tries than one after the other. */
Test(login_limit, OP04_a_try_counts_from_its_beginning)
{
    fail("10.0.0.1", "alice", TRIES, 0);
    cr_assert_not(take("10.0.0.1", "alice", 0), "none of them is answered yet");
    login_limit_give_back(limit, "10.0.0.1", "alice", true, 0);
    cr_assert(take("10.0.0.1", "alice", 0));
}

/* Failures for alice from `count` addresses, as many as each may have. */
static void flood(unsigned count, int64_t now_ms)
{
    for (unsigned i = 0; i < count; i++) {
        char client[32];

        (void)snprintf(client, sizeof(client), "10.1.%u.%u", i / 256, i % 256);
        for (unsigned k = 0; k < TRIES; k++)
            (void)take(client, "alice", now_ms);
    }
}

Test(login_limit, OP04_one_address_locks_nobody_out)
{
    fail("10.0.0.1", "alice", TRIES, 0);
    cr_assert(take("10.0.0.2", "alice", 0));
    flood(LOGIN_LIMIT_PER_NAME - 2, 0);
    cr_assert(take("10.0.0.3", "alice", 0));
}

Test(login_limit, OP04_a_name_has_its_own_limit_over_all_addresses)
{
    flood(LOGIN_LIMIT_PER_NAME, 0);
    cr_assert_not(take("10.0.0.1", "alice", 0));
    cr_assert_eq(retry_s, 60);
    cr_assert(take("10.0.0.1", "bob", 0));
    cr_assert(take("10.0.0.1", "alice", WINDOW_MS));
}

Test(login_limit, OP04_who_logged_in_from_there_before_is_not_kept_out)
{
    cr_assert(take("10.0.0.1", "alice", 0));
    login_limit_give_back(limit, "10.0.0.1", "alice", true, 0);
    flood(200, 0);
    cr_assert_not(take("10.0.0.2", "alice", 0));
    fail("10.0.0.1", "alice", TRIES, 0);
    cr_assert_not(take("10.0.0.1", "alice", 0), "its own limit holds");
}

Test(login_limit, OP04_a_flood_of_addresses_forgets_the_oldest_only)
{
    fail("10.0.0.1", "alice", TRIES, 1);
    fail("10.0.0.2", "alice", TRIES, 5000);
    for (unsigned i = 0; i < LOGIN_LIMIT_ADDRESSES - 1; i++) {
        char client[32], name[16];

        (void)snprintf(client, sizeof(client), "10.2.%u.%u", i / 256, i % 256);
        (void)snprintf(name, sizeof(name), "n%u", i);
        cr_assert(take(client, name, 2000));
    }
    cr_assert(take("10.0.0.1", "bob", 5000), "the oldest had to leave");
    cr_assert_not(take("10.0.0.2", "bob", 5000));
}
