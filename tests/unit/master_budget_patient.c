/* The budget of connections: patient wants, the connection test's (SP51). */
#include "budget_stage.h"

TestSuite(budget_patient, .init = setup, .fini = teardown, .timeout = 30);

static void want_patiently(unsigned slot, unsigned server, unsigned count)
{
    const struct ipc_lease_want want = {
        .server = server_uri_identity(uris[server]), .profile = 1, .count = count, .is_patient = 1
    };

    cr_assert_eq(budget_want(budget, workers.slots[slot], &want), 0);
    turns();
}

Test(budget_patient, SP49_SP51_a_test_gets_what_is_left)
{
    struct account *account = set_profile(1, 1, 2);

    want_patiently(0, 0, 1);
    cr_assert_eq(fakes[0].granted, 1u);
    cr_assert_eq(fakes[0].limit, 2u);
    cr_assert_eq(take_all(account, 1, 9), 1u, "it counts as any other");
}

Test(budget_patient, SP49_SP51_a_test_waits_where_no_lease_is)
{
    set_profile(1, 1, 1);
    want(0, 1);
    want_patiently(1, 0, 1);
    cr_assert_eq(fakes[1].granted + fakes[1].refused, 0u);
    cr_assert_eq(fakes[1].limit, 1u, "how many there are, for people");
    want(1, 1);
    cr_assert_eq(fakes[1].refused, 1u, "a delivery does not");
    give_back(0, 1, 0);
    cr_assert_eq(fakes[1].granted, 1u);
}

Test(budget_patient, SP49_SP51_a_test_that_was_given_up_waits_no_more)
{
    struct account *account = set_profile(1, 1, 1);

    want(0, 1);
    want_patiently(1, 0, 2);
    unwant(1, 1, true);
    cr_assert_eq(fakes[1].unwanted, 1u);
    unwant(1, 5, true);
    cr_assert_eq(fakes[1].unwanted, 2u);
    give_back(0, 1, 0);
    cr_assert_eq(fakes[1].granted, 0u);
    cr_assert_eq(take_all(account, 0, 9), 1u);
}

Test(budget_patient, SP49_SP51_an_idle_connection_makes_room_for_a_test_at_once)
{
    set_profile(1, 1, 2);
    want(0, 1);
    want(1, 1);
    (void)say_idle(1, 1);
    want_patiently(2, 0, 1);
    cr_assert_eq(fakes[1].reclaimed, 1u);
    cr_assert_eq(fakes[0].reclaimed, 0u);
    give_back(1, 1, 0);
    cr_assert_eq(fakes[2].granted, 1u);
}

Test(budget_patient, SP49_SP51_an_idle_connection_of_the_same_worker_makes_room_too)
{
    set_profile(1, 1, 1);
    want(0, 1);
    (void)say_idle(0, 1);
    want_patiently(0, 0, 1);
    cr_assert_eq(fakes[0].reclaimed, 1u);
    give_back(0, 1, 0);
    cr_assert_eq(fakes[0].granted, 2u);
}

Test(budget_patient, SP49_SP51_while_all_are_busy_the_next_that_ends_makes_room)
{
    set_profile(1, 1, 2);
    want(0, 1);
    want(1, 1);
    want_patiently(2, 0, 1);
    cr_assert_eq(fakes[0].reclaimed + fakes[1].reclaimed, 1u);
}

Test(budget_patient, SP49_SP51_another_is_called_back_when_that_one_takes_long)
{
    int64_t begun_ms = clock_mono_ms();

    set_profile(1, 1, 2);
    want(0, 1);
    want(1, 1);
    want_patiently(2, 0, 1);
    budget_tend(budget);
    turns();
    cr_assert_eq(fakes[0].reclaimed + fakes[1].reclaimed, 1u, "not at once");
    while (fakes[0].reclaimed + fakes[1].reclaimed < 2 && clock_mono_ms() - begun_ms < 5000) {
        budget_tend(budget);
        loop_turn(loop, 50);
    }
    cr_assert_eq(fakes[0].reclaimed, 1u);
    cr_assert_eq(fakes[1].reclaimed, 1u);
    cr_assert_geq(clock_mono_ms() - begun_ms, 990);
}

Test(budget_patient, SP49_SP51_that_other_one_is_called_from_who_has_most)
{
    int64_t begun_ms = clock_mono_ms();

    set_profile(1, 1, 4);
    want(0, 3);
    want(1, 1);
    want_patiently(2, 0, 1);
    cr_assert_eq(fakes[0].reclaimed, 1u);
    while (fakes[0].reclaimed + fakes[1].reclaimed < 2 && clock_mono_ms() - begun_ms < 5000) {
        budget_tend(budget);
        loop_turn(loop, 50);
    }
    cr_assert_eq(fakes[0].reclaimed, 2u);
}

Test(budget_patient, SP49_SP51_a_test_comes_before_deliveries_that_wait)
{
    set_profile(1, 1, 2);
    want(0, 1);
    want(1, 1);
    want(0, 1);
    want(1, 1);
    want_patiently(2, 0, 1);
    give_back(0, 1, 0);
    cr_assert_eq(fakes[2].granted, 1u);
    give_back(2, 1, 0);
    cr_assert_eq(fakes[0].granted + fakes[1].granted, 3u, "then it is their turn again");
}

Test(budget_patient, SP49_SP51_a_test_of_a_server_that_no_profile_has_needs_no_lease)
{
    set_profile(1, 1, 1);
    want_patiently(0, 1, 1);
    cr_assert_eq(fakes[0].unneeded, 1u);
    cr_assert_eq(fakes[0].granted + fakes[0].refused, 0u);
}

Test(budget_patient, SP49_SP51_a_test_ends_with_its_worker)
{
    struct account *account = set_profile(1, 1, 1);

    want(0, 1);
    want_patiently(1, 0, 1);
    want(0, 1);
    budget_worker_lost(budget, 1);
    give_back(0, 1, 0);
    cr_assert_eq(fakes[0].granted, 2u, "nobody is in the way of who waits");
    give_back(0, 1, 0);
    cr_assert_eq(take_all(account, 2, 9), 1u);
}
