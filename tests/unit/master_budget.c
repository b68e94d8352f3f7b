/* The budget of connections: who may open one, who waits, who is refused, and what comes free. */
#include "budget_stage.h"

TestSuite(budget, .init = setup, .fini = teardown, .timeout = 30);

/* ---- the limit ---- */

Test(budget, SP49_no_more_than_max_connections_over_all_workers)
{
    struct account *account = set_profile(1, 2, 5);

    cr_assert_eq(take_all(account, 0, 2), 2u);
    cr_assert_eq(take_all(account, 1, 9), 3u);
    cr_assert_not(budget_has_room(budget, account));
    cr_assert_eq(budget_others(account, 1), 2u);
    give_back(0, 1, 0);
    cr_assert(budget_has_room(budget, account));
    cr_assert_eq(take_all(account, 2, 9), 1u);
}

Test(budget, SP49_zero_is_no_limit)
{
    cr_assert_eq(take_all(set_profile(1, 1, 0), 0, 1000), 1000u);
}

Test(budget, SP49_each_server_and_each_profile_has_its_own)
{
    struct account *mine = set_profile(1, 2, 1), *other = set_profile(2, 2, 1);

    cr_assert_eq(take_all(mine, 0, 9), 1u);
    cr_assert_eq(take_all(other, 0, 9), 1u);
    cr_assert_eq(want_from(0, 1, 1), 0);
    turns();
    cr_assert_eq(fakes[0].granted, 1u);
}

/* ---- asking ---- */

Test(budget, SP49_who_asks_gets_what_is_left)
{
    set_profile(1, 1, 3);
    want(0, 2);
    cr_assert_eq(fakes[0].granted, 2u);
    cr_assert_eq(fakes[0].others, 0u);
    want(1, 1);
    cr_assert_eq(fakes[1].granted, 1u);
    cr_assert_eq(fakes[1].others, 2u, "so that it knows that others are open");
}

Test(budget, SP49_who_has_none_is_refused_at_once)
{
    set_profile(1, 1, 1);
    want(0, 1);
    want(1, 3);
    cr_assert_eq(fakes[1].refused, 3u);
    cr_assert_eq(fakes[1].granted, 0u);
    give_back(0, 1, 0);
    cr_assert_eq(fakes[1].granted, 0u, "its deliveries have gone back to the master");
}

Test(budget, SP49_who_has_some_waits_and_is_served_in_turn)
{
    set_profile(1, 1, 3);
    want(0, 1);
    want(1, 1);
    want(2, 1);
    want(0, 2);
    want(1, 2);
    cr_assert_eq(fakes[0].refused + fakes[1].refused, 0u);
    give_back(2, 1, 0);
    cr_assert_eq(fakes[0].granted, 2u);
    give_back(0, 1, 0);
    cr_assert_eq(fakes[1].granted, 2u, "one each");
    give_back(1, 1, 0);
    cr_assert_eq(fakes[0].granted, 3u, "then the next");
}

/* Others may keep theirs for as long as they have work. */
Test(budget, SP49_who_has_none_left_is_refused_what_he_waits_for)
{
    struct account *account = set_profile(1, 1, 3);

    want(0, 2);
    want(1, 1);
    want(0, 5);
    want(1, 2);
    give_back(1, 1, 0); /* called back, say: the other's turn */
    cr_assert_eq(fakes[0].granted, 3u);
    cr_assert_eq(fakes[1].refused, 2u);
    give_back(0, 3, 0);
    cr_assert_eq(fakes[1].granted, 1u, "it waits no more");
    cr_assert_eq(budget_leases(account, 0), 3u, "the other does");
}

/* Its deliveries have taken over each other's connections. */
Test(budget, SP49_what_is_withdrawn_is_not_waited_for)
{
    set_profile(1, 1, 1);
    want(0, 1);
    want(0, 3);
    unwant(0, 2, false);
    cr_assert_eq(fakes[0].unwanted, 2u);
    unwant(0, 5, true);
    cr_assert_eq(fakes[0].unwanted, 2u, "of the patient kind there is none");
    unwant(0, 5, false);
    cr_assert_eq(fakes[0].unwanted, 3u, "all that was left");
    give_back(0, 1, 0);
    cr_assert_eq(fakes[0].granted, 1u);
    want(1, 1);
    cr_assert_eq(fakes[1].granted, 1u);
}

Test(budget, SP49_what_a_dead_worker_had_or_waited_for_is_free)
{
    struct account *account = set_profile(1, 1, 2);

    want(0, 1);
    want(1, 1);
    want(0, 5);
    want(1, 1);
    budget_worker_lost(budget, 0);
    turns();
    cr_assert_eq(fakes[1].granted, 2u);
    cr_assert_eq(budget_leases(account, 0), 0u);
    give_back(1, 2, 0);
    want(2, 1);
    cr_assert_eq(fakes[2].granted, 1u, "nobody waits any more");
    cr_assert_eq(take_all(account, 2, 9), 1u);
}

Test(budget, SP46_who_comes_in_a_dead_worker_s_place_has_no_connections)
{
    struct account *account = set_profile(1, 1, 2);

    want(0, 1);
    (void)say_idle(0, 1);
    set_profile(1, 1, 1);
    budget_worker_lost(budget, 0);
    cr_assert_eq(budget_idle(account, 0), 0u);
    cr_assert_eq(say_idle(0, 1), 1);
}

/* It was drained: it holds what it has until its process has ended, and cannot be spoken to. */
Test(budget, OP02_a_worker_whose_channel_has_ended_is_neither_served_nor_called)
{
    struct account *account = set_profile(1, 1, 2);

    want(0, 1);
    want(1, 1);
    want(1, 1);
    (void)say_idle(1, 1);
    end_channel(1);
    set_profile(1, 1, 1);
    give_back(0, 1, 0);
    set_profile(1, 1, 2);
    cr_assert_eq(take_all(account, 2, 9), 1u);
    budget_worker_lost(budget, 1);
    cr_assert_eq(take_all(account, 2, 9), 1u);
}

Test(budget, nobody_gives_back_what_he_does_not_have)
{
    set_profile(1, 1, 2);
    cr_assert_eq(back_from(0, 1, 0), -EBADMSG);
    want(0, 1);
    cr_assert_eq(back_from(0, 2, 0), -EBADMSG);
    cr_assert_eq(back_from(0, 1, 0), 0);
    cr_assert_eq(back_from(0, 1, 0), -EBADMSG, "once");
    budget_drop_profile(budget, 1);
    cr_assert_eq(back_from(0, 0, 1), -EBADMSG, "no profile has that server");
}

Test(budget, nobody_wants_none_or_more_than_he_has_deliveries)
{
    const unsigned most = IPC_JOBS_PER_WORKER + IPC_PROBES_MAX; /* and tests of connections */

    set_profile(1, 1, 1);
    cr_assert_eq(want_from(0, 0, 0), -EBADMSG);
    cr_assert_eq(want_from(0, 0, most + 1), -EBADMSG);
    cr_assert_eq(want_from(0, 1, most + 1), -EBADMSG, "nor of an unknown server");
    want(0, 1);
    want(0, most);
    cr_assert_eq(want_from(0, 0, 1), -EBADMSG, "nor in all");
    cr_assert_eq(want_from(0, 0, UINT32_MAX), -EBADMSG);
}

Test(budget, SP49_what_was_never_known_is_refused)
{
    cr_assert_eq(want_from(0, 0, 2), 0);
    turns();
    cr_assert_eq(fakes[0].refused, 2u);
    cr_assert_eq(say_idle(0, 1), 0, "nor are its connections anybody's");
}

Test(budget, SP46_changes_are_reckoned_from_what_was_said_last)
{
    struct account *account = set_profile(1, 1, 9);

    cr_assert_eq(say_idle(0, 2), 2);
    budget_use_idle(account, 0);
    cr_assert_eq(budget_idle(account, 0), 1u, "one is promised to a job");
    cr_assert_eq(say_idle(0, 1), -1);
    cr_assert_eq(budget_idle(account, 0), 1u);
}

/* ---- edits ---- */

Test(budget, SP49_a_server_that_the_profile_has_no_more_is_refused_and_its_leases_counted)
{
    struct account *account;

    set_profile(1, 2, 2);
    cr_assert_eq(want_from(0, 1, 2), 0);
    turns();
    set_profile(1, 1, 2);
    cr_assert_eq(want_from(0, 1, 1), 0);
    turns();
    cr_assert_eq(fakes[0].granted, 2u);
    cr_assert_eq(fakes[0].refused, 1u);
    set_profile(1, 2, 2);
    account = budget_account(budget, 1, server_uri_identity(uris[1]));
    cr_assert_eq(take_all(account, 1, 9), 0u, "they are still open");
    cr_assert_eq(want_from(0, 1, 1), 0);
    turns();
    cr_assert_eq(fakes[0].refused, 1u, "it may wait again");
    budget_worker_lost(budget, 0);
    cr_assert_eq(take_all(account, 1, 9), 2u);
}

Test(budget, SP49_a_deleted_profile_s_account_goes_with_its_last_lease)
{
    uint64_t server = server_uri_identity(uris[0]);

    set_profile(1, 1, 2);
    want(0, 1);
    budget_drop_profile(budget, 1);
    cr_assert_not_null(budget_account(budget, 1, server));
    cr_assert_eq(back_from(0, 1, 0), 0);
    cr_assert_null(budget_account(budget, 1, server));
    set_profile(1, 1, 2);
    want(0, 1);
    budget_drop_profile(budget, 1);
    budget_worker_lost(budget, 0);
    cr_assert_null(budget_account(budget, 1, server), "or with who had it");
}

Test(budget, SP49_an_account_outlives_its_connections)
{
    struct account *account = set_profile(1, 1, 20);

    want(0, 1);
    give_back(0, 1, 1);
    cr_assert_eq(budget_account(budget, 1, server_uri_identity(uris[0])), account);
    cr_assert_eq(take_all(account, 0, 9), 1u, "and what was learnt them, too");
}

Test(budget, SP49_a_raised_limit_serves_who_waits)
{
    set_profile(1, 1, 1);
    want(0, 1);
    want(0, 2);
    set_profile(1, 1, 2);
    turns();
    cr_assert_eq(fakes[0].granted, 2u);
}

Test(budget, SP49_a_lowered_limit_calls_idle_ones_back_first)
{
    set_profile(1, 1, 6);
    want(0, 3);
    want(1, 3);
    (void)say_idle(1, 2);
    set_profile(1, 1, 3);
    turns();
    cr_assert_eq(fakes[1].reclaimed, 2u);
    cr_assert_eq(fakes[0].reclaimed, 1u);
    set_profile(1, 1, 3);
    turns();
    cr_assert_eq(fakes[0].reclaimed + fakes[1].reclaimed, 3u, "once");
    set_profile(1, 1, 1);
    turns();
    cr_assert_eq(fakes[0].reclaimed + fakes[1].reclaimed, 5u);
    cr_assert_leq(fakes[1].reclaimed, 3u, "nobody is called for more than he has");
    cr_assert_leq(fakes[0].reclaimed, 3u);
}

Test(budget, SP49_what_was_called_back_and_came_can_be_called_back_again)
{
    set_profile(1, 1, 4);
    want(0, 4);
    set_profile(1, 1, 2);
    give_back(0, 2, 0);
    cr_assert_eq(fakes[0].reclaimed, 2u);
    set_profile(1, 1, 1);
    turns();
    cr_assert_eq(fakes[0].reclaimed, 3u);
}

/* ---- patience ---- */

Test(budget, SP49_who_waits_long_is_served_from_others_idle_connections)
{
    int64_t begun_ms = clock_mono_ms();

    set_profile(1, 1, 2);
    want(0, 1);
    want(1, 1);
    (void)say_idle(1, 1);
    want(0, 1);
    budget_tend(budget);
    turns();
    cr_assert_eq(fakes[1].reclaimed, 0u, "not at once: it may come by itself");
    while (fakes[1].reclaimed == 0 && clock_mono_ms() - begun_ms < 5000) {
        budget_tend(budget);
        loop_turn(loop, 50);
    }
    cr_assert_eq(fakes[1].reclaimed, 1u);
    cr_assert_geq(clock_mono_ms() - begun_ms, 990);
    budget_tend(budget);
    turns();
    cr_assert_eq(fakes[1].reclaimed, 1u, "it has no more of them");
}

/* Until an idle connection of that worker is ended for who waits. */
static void tend_until_reclaimed(unsigned slot, unsigned more)
{
    int64_t begun_ms = clock_mono_ms();

    while (fakes[slot].reclaimed == 0 && clock_mono_ms() - begun_ms < 5000) {
        if (more > 0)
            want(0, more);
        budget_tend(budget);
        loop_turn(loop, 50);
    }
    cr_assert_eq(fakes[slot].reclaimed, 1u);
}

Test(budget, SP49_who_asks_for_more_has_waited_nonetheless)
{
    set_profile(1, 1, 2);
    want(0, 1);
    want(1, 1);
    (void)say_idle(1, 1);
    tend_until_reclaimed(1, 1);
}

Test(budget, SP49_who_was_served_can_wait_again)
{
    int64_t begun_ms;

    set_profile(1, 1, 3);
    for (unsigned slot = 0; slot < 3; slot++)
        want(slot, 1);
    (void)say_idle(1, 1);
    want(0, 2);
    begun_ms = clock_mono_ms();
    while (clock_mono_ms() - begun_ms < 500)
        loop_turn(loop, 50);
    begun_ms = clock_mono_ms();
    give_back(2, 1, 0);
    cr_assert_eq(fakes[0].granted, 2u);
    tend_until_reclaimed(1, 0);
    cr_assert_geq(clock_mono_ms() - begun_ms, 990);
}

/* His deliveries got connections from each other since: nobody waits there, only the want is left.
 */
Test(budget, SP49_what_somebody_once_wanted_does_not_keep_his_idle_connections_from_who_waits)
{
    int64_t begun_ms = clock_mono_ms();

    set_profile(1, 1, 2);
    want(0, 1);
    want(1, 1);
    want(1, 1);
    want(0, 1);
    (void)say_idle(1, 1);
    while (fakes[1].reclaimed == 0 && clock_mono_ms() - begun_ms < 5000) {
        budget_tend(budget);
        loop_turn(loop, 50);
    }
    cr_assert_eq(fakes[1].reclaimed, 1u);
}

/* Whoever waits gives up his own by himself. */
Test(budget, SP49_idle_ones_are_ended_where_nobody_waits)
{
    set_profile(1, 1, 3);
    for (unsigned slot = 0; slot < 3; slot++)
        want(slot, 1);
    want(0, 1);
    (void)say_idle(0, 1);
    (void)say_idle(2, 1);
    tend_until_reclaimed(2, 0);
    cr_assert_eq(fakes[0].reclaimed, 0u);
}
