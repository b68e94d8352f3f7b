/* The pool's wishes: how many connections may be open, who waits for how long, and what is told to
 * the master. */
#include <errno.h>
#include <sys/resource.h>

#include "pool_world.h"

#define PLAIN "'pool': {'enabled': false}"

TestSuite(pool_turns, .init = world_setup, .fini = world_teardown, .timeout = 60);

/* ---- max_connections ---- */

Test(pool_turns, SP49_no_more_than_max_connections_are_open_to_one_server)
{
    static const struct {
        const char *more;
        unsigned most;
    } rows[] = {
        { PLAIN ", 'max_connections': 1", 1 },
        { POOLED ", 'max_connections': 3", 3 },
        { POOLED ", 'max_connections': 0", 8 }, /* no limit */
    };

    for (unsigned row = 0; row < 3; row++) {
        struct worker_profile *version = put_version(row + 1, 20, rows[row].more);
        struct wish wishes[8] = { 0 };
        unsigned got = 0;

        UNTIL(loop, smtp_pool_open_count(pool) == 0);
        for (unsigned i = 0; i < 8; i++)
            ask(&wishes[i], version, 0);
        cr_assert_eq(smtp_pool_open_to(pool, version, 0), rows[row].most);
        UNTIL(loop, peers[0]->open == rows[row].most);
        turn_a_while();
        for (unsigned i = 0; i < 8; i++)
            got += wishes[i].got;
        cr_assert_eq(got, rows[row].most);
        cr_assert_eq(peers[0]->open, rows[row].most);
        for (unsigned i = 0; i < 8; i++) {
            smtp_pool_give_up(&wishes[i].ticket);
            smtp_connection_free(&wishes[i].connection);
        }
    }
}

Test(pool_turns, SP49_each_server_has_its_own_number)
{
    struct worker_profile *version = put_version(1, 20, POOLED ", 'max_connections': 1");
    struct wish here = { 0 }, there = { 0 };

    get(&here, version, 0);
    get(&there, version, 1);
    cr_assert_eq(smtp_pool_open_to(pool, version, 0), 1u);
    cr_assert_eq(smtp_pool_open_to(pool, version, 1), 1u);
    cr_assert_eq(smtp_pool_open_count(pool), 2u);
}

Test(pool_turns, SP43_who_waits_is_served_in_turn_by_hand_over)
{
    struct worker_profile *version = put_version(1, 20, POOLED ", 'max_connections': 2");
    struct wish wishes[6] = { 0 };

    get(&wishes[0], version, 0);
    get(&wishes[1], version, 0);
    for (unsigned i = 2; i < 6; i++)
        ask(&wishes[i], version, 0);
    for (unsigned i = 0; i < 6; i++) {
        cr_assert_eq(wishes[i].got, 1u);
        cr_assert_eq(wishes[i].order, i + 1, "wish %u was number %u", i, wishes[i].order);
        give_back(&wishes[i]);
    }
    cr_assert_eq(peers[0]->connections, 2u);
}

Test(pool_turns, SP45_who_waits_is_served_in_turn_by_fresh_ones)
{
    struct worker_profile *version = put_version(1, 20, PLAIN ", 'max_connections': 2");
    struct wish wishes[6] = { 0 };

    for (unsigned i = 0; i < 6; i++)
        ask(&wishes[i], version, 0);
    for (unsigned i = 0; i < 6; i++) {
        UNTIL(loop, wishes[i].got == 1);
        cr_assert_not(wishes[i].is_reused);
        give_back(&wishes[i]);
    }
    for (unsigned i = 0; i < 6; i++)
        cr_assert_eq(wishes[i].order, i + 1, "wish %u was number %u", i, wishes[i].order);
    cr_assert_eq(peers[0]->connections, 6u);
    cr_assert_leq(peers[0]->most_open, 2u);
}

Test(pool_turns, SP49_a_newcomer_does_not_overtake_who_waits)
{
    struct worker_profile *version = put_version(1, 20, POOLED ", 'max_connections': 1");
    struct wish first = { 0 }, second = { 0 }, newcomer = { 0 };

    get(&first, version, 0);
    ask(&second, version, 0);
    smtp_connection_free(&first.connection); /* there is room, and nobody has been told yet */
    ask(&newcomer, version, 0);
    UNTIL(loop, second.got == 1);
    cr_assert_eq(newcomer.got, 0u);
    give_back(&second);
    cr_assert_eq(newcomer.got, 1u);
}

Test(pool_turns, SP49_one_that_fails_makes_room_for_the_next)
{
    struct worker_profile *version = put_version(1, 20, POOLED ", 'max_connections': 1");
    struct wish first = { 0 }, second = { 0 };

    peer_on(peers[0], "greeting", "554 not you", 1);
    ask(&first, version, 0);
    ask(&second, version, 0);
    UNTIL(loop, second.got == 1);
    cr_assert_eq(first.failed, 1u);
    cr_assert_not_null(strstr(first.text, "554 not you"), "%s", first.text);
    cr_assert_not(second.is_reused);
}

/* It was idle too late for who had looked: a name was being looked up meanwhile. */
Test(pool_turns, SP49_who_waits_is_not_kept_waiting_by_an_idle_one)
{
    struct worker_profile *version = put_version(1, 20, POOLED ", 'max_connections': 2");
    struct wish busy = { 0 }, idle = { 0 }, next = { 0 }, elsewhere = { 0 };

    get(&elsewhere, version, 1);
    give_back(&elsewhere);
    get(&busy, version, 0);
    get(&idle, version, 0);
    give_back(&idle);
    ask(&next, version, 0);
    UNTIL(loop, next.got == 1);
    cr_assert_not(next.is_reused, "who opens one asks for a fresh one");
    cr_assert_leq(peers[0]->most_open, 2u);
    cr_assert_eq(busy.lost, 0u);
    cr_assert_not_null(strstr(peers[0]->log, "QUIT|EHLO gw.test|"), "%s", peers[0]->log);
    cr_assert_eq(peers[1]->open, 1u, "nor is one of another server ended for it");
}

/* What a callback does to other profiles hides nobody who waits for them. */
static struct worker_profile *last_version;
static struct wish opened_meanwhile;

static void open_in_the_last(struct wish *wish)
{
    if (wish->failed > 0)
        ask(&opened_meanwhile, last_version, 0);
}

Test(pool_turns, SP49_nobody_is_forgotten_when_many_may_go_on)
{
    struct worker_profile *versions[3];
    struct wish busy[3] = { 0 }, waiting[3] = { 0 };

    for (unsigned i = 0; i < 3; i++) {
        versions[2 - i] = put_profile(10 + i, 1, 20, POOLED ", 'max_connections': 1");
        get(&busy[2 - i], versions[2 - i], 0);
    }
    last_version = versions[2];
    waiting[0].ticket.first = 1; /* has no such address: fails when its turn comes */
    waiting[0].then = open_in_the_last;
    for (unsigned i = 3; i-- > 0;)
        ask(&waiting[i], versions[i], 0);
    for (unsigned i = 0; i < 3; i++)
        smtp_connection_free(&busy[i].connection);
    UNTIL(loop, waiting[0].failed == 1 && waiting[1].got == 1 && waiting[2].got == 1);
    give_back(&waiting[2]);
    cr_assert_eq(opened_meanwhile.got, 1u);
}

/* ---- failures ---- */

Test(pool_turns, a_server_that_cannot_be_reached_fails)
{
    struct worker_profile *version = put_version(1, 20, POOLED);
    struct wish wish = { 0 };

    peer_stop(peers[0]);
    ask(&wish, version, 0);
    UNTIL(loop, wish.failed == 1);
    cr_assert_not_null(strstr(wish.text, "refused"), "%s", wish.text);
    cr_assert_eq(wish.got, 0u);
    UNTIL(loop, lender_at(version, 0)->out == 0);
    cr_assert_eq(smtp_pool_open_count(pool), 0u);
}

Test(pool_turns, without_an_address_to_begin_with_there_is_no_way)
{
    struct worker_profile *version = put_version(1, 20, POOLED);
    struct wish wish = { .ticket.first = 1 };

    cr_assert_eq(try_to_ask(&wish, version, 0), -EHOSTUNREACH);
    cr_assert_str_eq(wish.text, "no further address");
    cr_assert_eq(smtp_pool_open_count(pool), 0u);
    smtp_pool_give_up(&wish.ticket);
    turn_a_while();
    cr_assert_eq(wish.got + wish.failed, 0u);
}

Test(pool_turns, the_same_is_told_when_the_turn_has_come)
{
    struct worker_profile *version = put_version(1, 20, PLAIN ", 'max_connections': 1");
    struct wish first = { 0 }, second = { .ticket.first = 1 }, third = { 0 };

    get(&first, version, 0);
    ask(&second, version, 0);
    ask(&third, version, 0);
    give_back(&first);
    UNTIL(loop, third.got == 1);
    cr_assert_eq(second.failed, 1u);
    cr_assert_str_eq(second.text, "no further address");
    cr_assert_eq(second.event, SMTP_UNREACHABLE);
}

Test(pool_turns, so_is_a_shortage_of_ours_and_not_as_the_server_s_failure)
{
    struct worker_profile *version = put_version(1, 20, PLAIN ", 'max_connections': 1");
    struct wish first = { 0 }, second = { 0 };
    struct rlimit limit, low;

    get(&first, version, 0);
    ask(&second, version, 0);
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    low = (struct rlimit){ .rlim_cur = 3, .rlim_max = limit.rlim_max };
    smtp_connection_free(&first.connection);
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
    UNTIL(loop, second.failed == 1);
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    cr_assert_eq(second.event, SMTP_SHORT, "%s", second.text);
    cr_assert_not(second.is_busy);
}

/* "Too many connections" can only be meant if there is another one. */
Test(pool_turns, SP49_one_that_failed_does_not_count_any_more_when_that_is_told)
{
    struct worker_profile *version = put_version(1, 20, POOLED);
    struct wish alone = { 0 }, busy = { 0 }, second = { 0 };

    peer_on(peers[0], "greeting", "421 4.3.2 too many", 1);
    ask(&alone, version, 0);
    UNTIL(loop, alone.failed == 1);
    cr_assert_eq(alone.open_when_failed, 0u);
    get(&busy, version, 0);
    peer_on(peers[0], "greeting", "421 4.3.2 too many", 1);
    ask(&second, version, 0);
    UNTIL(loop, second.failed == 1);
    cr_assert_eq(second.open_when_failed, 1u);
}

/* ---- what the master hears ---- */

Test(pool_turns, SP46_what_changes_is_told_once_in_a_turn)
{
    struct worker_profile *version = put_version(1, 20, POOLED);
    struct wish wishes[3] = { 0 }, other = { 0 };

    get(&other, version, 1);
    for (unsigned i = 0; i < 3; i++)
        get(&wishes[i], version, 0);
    UNTIL(loop, is_told(0, 0, 3) && is_told(1, 0, 1));
    cr_assert_eq(told.last[0].profile, PROFILE);
    told.messages = 0;
    told.last[1].open = 99; /* nothing more is to be said of the other server */

    for (unsigned i = 0; i < 3; i++)
        give_back(&wishes[i]);
    cr_assert(take(&wishes[0], version, 0));
    turn_a_while();
    cr_assert(is_told(0, 2, 3));
    cr_assert_eq(told.messages, 1u);
    cr_assert_eq(told.last[1].open, 99u);
}

Test(pool_turns, SP46_nothing_is_told_when_nothing_changes)
{
    struct worker_profile *version = put_version(1, 20, POOLED);
    struct wish wish = { 0 };

    get(&wish, version, 0);
    UNTIL(loop, is_told(0, 0, 1));
    told.messages = 0;
    send_message(&wish);
    send_message(&wish);
    turn_a_while();
    cr_assert_eq(told.messages, 0u);
}

Test(pool_turns, SP46_one_that_is_opening_and_one_that_says_QUIT_are_open)
{
    struct worker_profile *version = put_version(1, 0, POOLED);
    struct wish wish = { 0 };

    peer_on(peers[0], "greeting", "", 1);
    peer_on(peers[0], "QUIT", "", 1);
    ask(&wish, version, 0);
    UNTIL(loop, is_told(0, 0, 1));
    UNTIL(loop, peers[0]->open == 1);
    cr_assert(peer_say(LIST_FIRST(&peers[0]->clients), "220 at last"));
    UNTIL(loop, wish.got == 1);
    give_back(&wish);
    UNTIL(loop, strstr(peers[0]->log, "QUIT|") != NULL);
    turn_a_while();
    cr_assert(is_told(0, 0, 1), "it is neither idle nor gone");
    cr_assert_eq(smtp_pool_open_to(pool, version, 0), 1u);
    peer_hang_up_all(peers[0]);
    UNTIL(loop, is_told(0, 0, 0));
}
