/* Leases as the pool sees them: used, given back, asked for, refused, called back (SP49). */
#include "pool_world.h"

#include "common/clock.h"

#define PLAIN "'pool': {'enabled': false}"

static struct worker_profile *version;

static void setup(void)
{
    world_setup();
    version = put_version(1, 20, POOLED);
}

TestSuite(pool_leases, .init = setup, .fini = world_teardown, .timeout = 60);

/* Without a lease that came with a delivery. */
static void ask_without(struct wish *wish)
{
    is_coming_without = true;
    ask(wish, version, 0);
    is_coming_without = false;
}

static void reclaim(unsigned count)
{
    const struct ipc_reclaim order = { .server = identity_of(version, 0),
                                       .profile = PROFILE,
                                       .count = count };

    channel_send(master, IPC_RECLAIM, &order);
    turn_a_while();
}

Test(pool_leases, SP49_one_that_is_not_used_goes_back_at_the_end_of_the_turn)
{
    struct lender *lender = lender_at(version, 0);

    cr_assert(lend(lender));
    smtp_pool_add_lease(pool, PROFILE, identity_of(version, 0), 0);
    turn_a_while();
    cr_assert_eq(lender->out, 0u);
    cr_assert_eq(told.messages, 0u, "no connection has come or gone");
}

Test(pool_leases, SP49_a_connection_keeps_its_lease_until_the_server_has_ended_it)
{
    struct lender *lender = lender_at(version, 0);
    struct wish wish = { 0 };

    peer_on(peers[0], "QUIT", "", 1);
    version = put_version(2, 0, POOLED);
    get(&wish, version, 0);
    give_back(&wish);
    UNTIL(loop, strstr(peers[0]->log, "QUIT|") != NULL);
    turn_a_while();
    cr_assert_eq(lender->out, 1u);
    peer_hang_up_all(peers[0]);
    UNTIL(loop, lender->out == 0);
}

Test(pool_leases, SP49_a_reply_to_QUIT_is_not_its_end)
{
    struct lender *lender = lender_at(version, 0);
    struct wish wish = { 0 };

    peer_on(peers[0], "QUIT", "221 2.0.0 bye, in a moment", 1);
    version = put_version(2, 0, POOLED);
    get(&wish, version, 0);
    give_back(&wish);
    UNTIL(loop, strstr(peers[0]->log, "QUIT|") != NULL);
    turn_a_while();
    cr_assert_eq(lender->out, 1u);
    peer_hang_up_all(peers[0]);
    UNTIL(loop, lender->out == 0);
}

Test(pool_leases, SP49_nor_is_it_waited_for_longer_than_two_seconds)
{
    struct lender *lender = lender_at(version, 0);
    struct wish wish = { 0 };
    int64_t begun_ms;

    peer_on(peers[0], "QUIT", "", 1);
    version = put_version(2, 0, POOLED);
    get(&wish, version, 0);
    give_back(&wish);
    begun_ms = clock_mono_ms();
    UNTIL(loop, lender->out == 0);
    cr_assert_geq(clock_mono_ms() - begun_ms, SMTP_QUIT_WAIT_MS - 20);
}

Test(pool_leases, SP49_who_has_none_asks)
{
    struct wish wish = { 0 };

    ask_without(&wish);
    UNTIL(loop, wish.got == 1);
    turn_a_while();
    cr_assert_eq(lender_at(version, 0)->out, 1u);
    cr_assert_eq(lender_at(version, 0)->wants, 1u);
}

Test(pool_leases, SP49_who_waits_is_served_by_a_lease_that_comes_with_another)
{
    struct wish wish = { 0 };
    struct lender *lender = lender_at(version, 0);

    lender->limit = 1;
    cr_assert(lend(lender));
    ask_without(&wish);
    UNTIL(loop, lender->wanted == 1);
    smtp_pool_add_lease(pool, PROFILE, identity_of(version, 0), 0);
    UNTIL(loop, wish.got == 1);
}

/* Others' connections would be ended for it. */
Test(pool_leases, SP49_what_nobody_waits_for_any_more_is_withdrawn)
{
    struct lender *lender = lender_at(version, 0);
    struct wish wishes[3] = { 0 };

    lender->limit = 1;
    get(&wishes[0], version, 0);
    ask_without(&wishes[1]);
    ask_without(&wishes[2]);
    UNTIL(loop, lender->wanted == 2);
    give_back(&wishes[0]);
    UNTIL(loop, wishes[1].got == 1);
    UNTIL(loop, lender->wanted == 1);
    cr_assert_eq(lender->unwants, 1u, "the other's still is waited for");
    give_back(&wishes[1]);
    UNTIL(loop, wishes[2].got == 1);
    UNTIL(loop, lender->wanted == 0);
    cr_assert_eq(lender->unwants, 2u);
    cr_assert_eq(lender->out, 1u);
}

Test(pool_leases, SP49_who_is_refused_fails_and_nothing_was_tried)
{
    struct wish wishes[2] = { 0 };

    is_refusing = true;
    ask_without(&wishes[0]);
    ask_without(&wishes[1]);
    UNTIL(loop, wishes[0].failed == 1 && wishes[1].failed == 1);
    cr_assert_str_eq(wishes[0].text, "no connection to it is free");
    cr_assert(wishes[0].is_busy, "it may have its turn later");
    turn_a_while();
    cr_assert_eq(peers[0]->connections, 0u);
    cr_assert_eq(lender_at(version, 0)->wanted, 0u);
}

static void ask_once_more(struct wish *wish)
{
    is_refusing = false;
    if (wish->got + wish->failed == 1)
        ask_without(wish);
}

Test(pool_leases, SP49_who_asks_while_others_are_refused_has_his_own_answer)
{
    struct wish wish = { .then = ask_once_more };

    is_refusing = true;
    ask_without(&wish);
    UNTIL(loop, wish.failed == 1);
    UNTIL(loop, wish.got == 1);
    cr_assert_eq(wish.failed, 1u);
}

static struct wish *other_one;

static void give_up_the_other(struct wish *wish)
{
    (void)wish;
    smtp_pool_give_up(&other_one->ticket);
}

/* A lease has come for it, and its turn with it, when another's callback gives it up. */
Test(pool_leases, SP49_what_came_for_one_that_is_given_up_goes_back)
{
    struct wish wish = { .ticket.first = 1, .then = give_up_the_other }, other = { 0 };

    other_one = &other;
    lender_at(version, 0)->limit = lender_at(version, 1)->limit = 1;
    cr_assert(lend(lender_at(version, 0)) && lend(lender_at(version, 1)));
    is_coming_without = true;
    ask(&other, version, 0);
    ask(&wish, version, 1); /* has no such address: fails when its turn comes */
    UNTIL(loop, lender_at(version, 0)->wanted == 1 && lender_at(version, 1)->wanted == 1);
    for (unsigned i = 0; i < 2; i++) {
        lender_at(version, i)->out = 0;
        serve_lender(lender_at(version, i));
    }
    UNTIL(loop, wish.failed == 1);
    turn_a_while();
    cr_assert_eq(other.got + other.failed, 0u);
    cr_assert_eq(lender_at(version, 0)->out, 0u);
    cr_assert_eq(lender_at(version, 1)->out, 0u);
}

Test(pool_leases, SP49_who_is_given_up_while_others_are_refused_hears_nothing)
{
    struct wish wish = { .then = give_up_the_other }, other = { 0 };

    other_one = &other;
    is_refusing = true;
    ask_without(&wish);
    ask_without(&other);
    UNTIL(loop, wish.failed == 1);
    turn_a_while();
    cr_assert_eq(other.got + other.failed, 0u);
    cr_assert_eq(lender_at(version, 0)->out, 0u);
}

Test(pool_leases, SP49_only_as_many_are_asked_for_as_wait)
{
    struct wish wishes[4] = { 0 };

    version = put_version(2, 20, POOLED ", 'max_connections': 1");
    for (unsigned i = 0; i < 4; i++)
        ask(&wishes[i], version, 0);
    UNTIL(loop, wishes[0].got == 1);
    turn_a_while();
    cr_assert_eq(lender_at(version, 0)->wanted, 3u);
    for (unsigned i = 1; i < 4; i++) {
        give_back(&wishes[i - 1]);
        cr_assert_eq(wishes[i].got, 1u, "handed over");
    }
    turn_a_while();
    cr_assert_eq(lender_at(version, 0)->wanted, 3u, "not once more for the same wish");
    give_back(&wishes[3]);
    turn_a_while();
    lender_at(version, 0)->limit = 9;
    serve_lender(lender_at(version, 0));
    turn_a_while();
    cr_assert_eq(lender_at(version, 0)->out, 1u, "what comes too late goes back");
}

Test(pool_leases, SP49_with_pooling_off_who_waits_gets_the_lease_of_who_ended)
{
    struct wish first = { 0 }, second = { 0 };

    version = put_version(2, 20, PLAIN ", 'max_connections': 1");
    get(&first, version, 0);
    ask(&second, version, 0);
    give_back(&first);
    UNTIL(loop, second.got == 1);
    cr_assert_eq(peers[0]->connections, 2u);
    cr_assert_not(second.is_reused);
    cr_assert_eq(lender_at(version, 0)->out, 1u);
}

Test(pool_leases, SP49_the_oldest_idle_one_is_given_up_when_the_master_calls)
{
    struct wish wishes[3] = { 0 };
    struct smtp_connection *kept;

    for (unsigned i = 0; i < 3; i++)
        get(&wishes[i], version, 0);
    kept = wishes[2].connection;
    for (unsigned i = 0; i < 3; i++)
        give_back(&wishes[i]);
    reclaim(2);
    UNTIL(loop, lender_at(version, 0)->out == 1);
    cr_assert(take(&wishes[0], version, 0));
    cr_assert_eq(wishes[0].connection, kept, "what was used last");
    cr_assert_not(take(&wishes[1], version, 0));
}

Test(pool_leases, SP49_what_went_before_does_not_count_for_the_next_call)
{
    struct lender *lender = lender_at(version, 0);
    struct wish wishes[2] = { 0 };

    get(&wishes[0], version, 0);
    give_back(&wishes[0]);
    reclaim(1);
    UNTIL(loop, lender->out == 0);
    for (unsigned i = 0; i < 2; i++)
        get(&wishes[i], version, 0);
    for (unsigned i = 0; i < 2; i++)
        give_back(&wishes[i]);
    reclaim(1);
    UNTIL(loop, lender->out == 1);
    reclaim(1);
    UNTIL(loop, lender->out == 0);
}

Test(pool_leases, SP49_what_is_in_use_goes_back_when_it_is_done)
{
    struct wish busy = { 0 }, waits = { 0 };

    version = put_version(2, 20, POOLED ", 'max_connections': 1");
    get(&busy, version, 0);
    ask(&waits, version, 0);
    reclaim(1);
    cr_assert_eq(busy.lost, 0u);
    lender_at(version, 0)->limit = 0;
    lender_at(version, 0)->wanted = 0;
    give_back(&busy);
    cr_assert_eq(waits.got, 0u, "not handed over: the master has another use for it");
    UNTIL(loop, lender_at(version, 0)->out == 0);
    smtp_pool_give_up(&waits.ticket);
}

Test(pool_leases, SP49_more_than_there_are_cannot_be_called_back)
{
    struct wish wish = { 0 };

    get(&wish, version, 0);
    give_back(&wish);
    reclaim(7);
    UNTIL(loop, lender_at(version, 0)->out == 0);
    get(&wish, version, 0);
    give_back(&wish);
    turn_a_while();
    cr_assert(take(&wish, version, 0), "that is over");
}

static void say_too_many(struct wish *wish)
{
    smtp_pool_too_many(pool, wish->version, wish->server);
}

Test(pool_leases, SP49_too_many_is_told_with_the_lease_that_it_cost)
{
    struct lender *lender = lender_at(version, 0);
    struct wish wish = { 0 };

    peer_on(peers[0], "greeting", "421 4.3.2 too many connections", 1);
    ask(&wish, version, 0);
    UNTIL(loop, wish.failed == 1);
    smtp_pool_too_many(pool, version, 0);
    turn_a_while();
    cr_assert_eq(lender->too_many, 1u);
    cr_assert_eq(lender->out, 0u);
    get(&wish, version, 0);
    turn_a_while();
    cr_assert_eq(lender->too_many, 1u, "once");
}

/* Else whoever waits would be refused with it. */
Test(pool_leases, SP49_what_the_server_does_not_bear_is_not_kept_for_who_waits)
{
    struct lender *lender = lender_at(version, 0);
    struct wish busy = { 0 }, refused = { 0 }, waits = { 0 };

    get(&busy, version, 0);
    peer_on(peers[0], "greeting", "421 4.3.2 too many connections", 1);
    lender->limit = 2;
    ask(&refused, version, 0);
    ask(&waits, version, 0);
    refused.then = say_too_many;
    UNTIL(loop, refused.failed == 1);
    lender->limit = 1;
    turn_a_while();
    cr_assert_eq(lender->out, 1u);
    cr_assert_eq(waits.got, 0u);
    give_back(&busy);
    cr_assert_eq(waits.got, 1u);
}

Test(pool_leases, SP49_what_others_have_open_counts_as_open)
{
    struct wish wish = { 0 }, more = { 0 };

    cr_assert_eq(smtp_pool_open_to(pool, version, 0), 0u);
    cr_assert(lend(lender_at(version, 0)));
    smtp_pool_add_lease(pool, PROFILE, identity_of(version, 0), 4);
    get(&wish, version, 0);
    cr_assert_eq(smtp_pool_open_to(pool, version, 0), 1u, "the last word counts");
    lender_at(version, 0)->out++;
    smtp_pool_add_lease(pool, PROFILE, identity_of(version, 0), 4);
    cr_assert_eq(smtp_pool_open_to(pool, version, 0), 5u);
    UNTIL(loop, lender_at(version, 0)->out == 1);
    lender_at(version, 0)->others = 3;
    ask_without(&more);
    UNTIL(loop, more.got == 1);
    cr_assert_eq(smtp_pool_open_to(pool, version, 0), 5u, "two here, three there");
}
