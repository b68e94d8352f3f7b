/* The pool's wishes: how many connections may be open, who waits for how long, what is told to the
 * master, and every way in which a wish or the pool can end. */
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

/* A delivery that began before an edit goes on with its version: it has its turn like any other. */
Test(pool_turns, SP47_SP49_who_waits_with_the_old_version_has_its_turn)
{
    struct worker_profile *old, *version;
    struct wish busy = { 0 }, late = { 0 }, next = { 0 };

    old = directory_share(put_version(1, 20, POOLED ", 'max_connections': 1"));
    version = put_version(2, 20, POOLED ", 'max_connections': 1");
    get(&busy, version, 0);
    ask(&late, old, 0);
    ask(&next, version, 0);
    give_back(&busy);
    UNTIL(loop, late.got == 1);
    cr_assert_not(late.is_reused);
    cr_assert_eq(next.got, 0u);
    give_back(&late);
    UNTIL(loop, next.got == 1);
    cr_assert_not(next.is_reused);

    ask(&late, old, 0);
    turn_a_while();
    give_back(&next);
    UNTIL(loop, late.got == 2);
    give_back(&late);
    UNTIL(loop, old->holders == 1);
    directory_release(old);
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

/* They are connections to the same server, whatever the version. */
Test(pool_turns, SP47_a_retired_version_s_connections_are_told_until_they_are_gone)
{
    struct worker_profile *next;
    struct wish idle = { 0 }, busy = { 0 }, fresh = { 0 };
    struct worker_profile *version = put_version(1, 20, POOLED);

    get(&idle, version, 0);
    get(&busy, version, 0);
    give_back(&idle);
    UNTIL(loop, is_told(0, 1, 2));
    next = put_version(2, 20, POOLED);
    UNTIL(loop, is_told(0, 0, 1));
    get(&fresh, next, 0);
    UNTIL(loop, is_told(0, 0, 2));
    give_back(&busy);
    UNTIL(loop, is_told(0, 0, 1));
    cr_assert_eq(lender_at(next, 0)->out, 1u);
}

/* ---- giving up ---- */

Test(pool_turns, a_wish_may_be_given_up_in_each_phase_of_opening)
{
    static const struct {
        const char *silent_at;    /* NULL: given up at once, while it is connecting */
        const char *heard, *last; /* by the server, until then and in the end */
    } rows[] = {
        { NULL, "", "<eof>|" },
        { "greeting", "", "QUIT|" },
        { "EHLO", "EHLO gw.test|", "EHLO gw.test|QUIT|" },
    };
    struct worker_profile *version = put_version(1, 20, POOLED);

    for (unsigned i = 0; i < 3; i++) {
        struct wish wish = { 0 };
        unsigned before = peers[0]->connections;

        peers[0]->rule_count = 0;
        peers[0]->log[0] = '\0';
        if (rows[i].silent_at != NULL)
            peer_on(peers[0], rows[i].silent_at, "", 1);
        ask(&wish, version, 0);
        if (rows[i].silent_at != NULL)
            UNTIL(loop, peers[0]->connections > before && smtp_pool_open_count(pool) == 1 &&
                            strcmp(peers[0]->log, rows[i].heard) == 0);
        smtp_pool_give_up(&wish.ticket);
        smtp_pool_give_up(&wish.ticket); /* once more does no harm */
        UNTIL(loop, strcmp(peers[0]->log, rows[i].last) == 0 && peers[0]->open == 0);
        UNTIL(loop, smtp_pool_open_to(pool, version, 0) == 0);
        cr_assert_eq(wish.got + wish.failed, 0u, "row %u: not a word", i);
    }
}

Test(pool_turns, one_given_up_while_it_waits_leaves_the_order_of_the_others)
{
    struct worker_profile *version = put_version(1, 20, POOLED ", 'max_connections': 1");
    struct wish wishes[5] = { 0 };

    get(&wishes[0], version, 0);
    for (unsigned i = 1; i < 5; i++)
        ask(&wishes[i], version, 0);
    smtp_pool_give_up(&wishes[1].ticket);
    smtp_pool_give_up(&wishes[3].ticket);
    smtp_pool_give_up(&wishes[3].ticket);
    give_back(&wishes[0]);
    cr_assert_eq(wishes[2].got, 1u);
    give_back(&wishes[2]);
    cr_assert_eq(wishes[4].got, 1u);
    give_back(&wishes[4]);
    turn_a_while();
    cr_assert_eq(wishes[1].got + wishes[1].failed + wishes[3].got + wishes[3].failed, 0u);
    cr_assert(take(&wishes[0], version, 0), "nobody waits any longer: it is idle");
}

Test(pool_turns, one_given_up_while_it_opens_lets_the_next_in)
{
    struct worker_profile *version = put_version(1, 20, POOLED ", 'max_connections': 1");
    struct wish first = { 0 }, second = { 0 };

    peer_on(peers[0], "greeting", "", 1);
    ask(&first, version, 0);
    ask(&second, version, 0);
    UNTIL(loop, peers[0]->open == 1);
    smtp_pool_give_up(&first.ticket);
    UNTIL(loop, second.got == 1);
    cr_assert_eq(first.got + first.failed, 0u);
}

static void give_up_inside(struct wish *wish)
{
    smtp_pool_give_up(&wish->ticket);
}

Test(pool_turns, a_wish_that_is_over_may_be_given_up)
{
    struct worker_profile *version = put_version(1, 20, POOLED);
    struct wish never = { 0 }, inside = { .then = give_up_inside }, failed = inside;

    smtp_pool_give_up(&never.ticket);
    get(&inside, version, 0);
    smtp_pool_give_up(&inside.ticket);
    send_message(&inside);
    peer_on(peers[0], "greeting", "554 no", 1);
    ask(&failed, version, 0);
    UNTIL(loop, failed.failed == 1);
    smtp_pool_give_up(&failed.ticket);
    cr_assert_eq(smtp_pool_open_count(pool), 1u);
}

static void ask_again(struct wish *wish)
{
    if (wish->got == 0)
        ask(wish, wish->version, 1);
}

/* As a delivery does that goes on to the next server. */
Test(pool_turns, a_wish_may_ask_again_when_it_has_failed)
{
    struct worker_profile *version = put_version(1, 20, POOLED);
    struct wish wish = { .then = ask_again };

    peer_on(peers[0], "greeting", "554 no", 1);
    ask(&wish, version, 0);
    UNTIL(loop, wish.got == 1);
    cr_assert_eq(wish.failed, 1u);
    cr_assert_eq(peers[1]->open, 1u);
}

/* ---- the end ---- */

Test(pool_turns, a_pool_that_held_nothing_is_freed)
{
    smtp_pool_free(&pool);
    cr_assert_null(pool);
    smtp_pool_free(&pool);
    pool = smtp_pool_new(loop, channel, NULL);
}

Test(pool_turns, its_end_cuts_whatever_is_open_and_nobody_hears_of_it)
{
    struct worker_profile *version = put_version(1, 20, POOLED ", 'max_connections': 5");
    struct wish idle = { 0 }, busy = { 0 }, kept = { 0 }, quits = { 0 }, opens = { 0 },
                waits = { 0 };

    get(&busy, version, 0);
    get(&kept, version, 0);
    get(&quits, version, 0);
    get(&idle, version, 0);
    peer_on(peers[0], "MAIL", "", -1);
    peer_on(peers[0], "QUIT", "", -1);
    peer_on(peers[0], "greeting", "", -1);
    begin_to_send(&busy);
    smtp_connection_quit(quits.connection);
    give_back(&idle);
    ask(&opens, version, 0);
    UNTIL(loop, peers[0]->open == 5);
    version->profile->max_connections = 4; /* so that one waits although another is idle */
    ask(&waits, version, 0);
    UNTIL(loop, strstr(peers[0]->log, "QUIT|") != NULL && strstr(peers[0]->log, "MAIL") != NULL);

    version = directory_share(version);
    told.messages = 0;
    smtp_pool_free(&pool);
    cr_assert_eq(version->holders, 2u);
    directory_release(version);
    UNTIL(loop, peers[0]->open == 0);
    turn_a_while();
    cr_assert_eq(opens.got + opens.failed + waits.got + waits.failed, 0u);
    cr_assert_eq(busy.lost + kept.lost + quits.lost + idle.lost + busy.sent, 0u);
    smtp_pool_give_up(&opens.ticket);
    smtp_pool_give_up(&waits.ticket);
    directory_watch(directory, NULL, NULL);
}
