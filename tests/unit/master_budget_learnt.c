/* The budget of connections: what servers teach, by "too many connections" and by the connections
 * that they end. */
#include "budget_stage.h"

TestSuite(budget_learnt, .init = setup, .fini = teardown, .timeout = 30);

/* ---- too many connections ---- */

Test(budget_learnt, SP49_the_connections_that_were_not_refused_are_what_a_server_bears)
{
    struct account *account = set_profile(1, 1, 20);

    cr_assert_eq(take_all(account, 0, 4), 4u);
    cr_assert_eq(take_all(account, 1, 4), 4u);
    for (unsigned i = 0; i < 5; i++)
        give_back(i % 2, 1, 1);
    cr_assert_not(budget_has_room(budget, account));
    give_back(0, 1, 0);
    cr_assert_eq(take_all(account, 2, 9), 1u, "three are open, three may be");
}

Test(budget_learnt, SP49_one_that_is_still_closing_is_not_counted_as_borne)
{
    struct account *account = set_profile(1, 1, 20);

    cr_assert_eq(take_all(account, 0, 4), 4u);
    give_back(0, 0, 1);
    give_back(0, 1, 0);
    cr_assert_not(budget_has_room(budget, account));
    give_back(0, 1, 0);
    cr_assert_eq(take_all(account, 0, 9), 1u);
}

Test(budget_learnt, SP49_one_is_always_borne)
{
    struct account *account = set_profile(1, 1, 20);

    want(0, 1);
    give_back(0, 1, 1);
    cr_assert_eq(take_all(account, 0, 9), 1u);
}

Test(budget_learnt, SP49_what_was_learnt_rises_slowly_up_to_what_is_configured)
{
    struct account *account = set_profile(1, 1, 3);
    int64_t begun_ms;

    budget_set_raise_ms(budget, 200);
    want(0, 2);
    give_back(0, 1, 1);
    cr_assert_not(budget_has_room(budget, account));
    begun_ms = clock_mono_ms();
    while (!budget_has_room(budget, account) && clock_mono_ms() - begun_ms < 5000)
        loop_turn(loop, 20);
    cr_assert_geq(clock_mono_ms() - begun_ms, 150);
    while (clock_mono_ms() - begun_ms < 1500)
        loop_turn(loop, 50);
    cr_assert_eq(take_all(account, 0, 9), 2u);
}

Test(budget_learnt, SP49_a_limit_is_learnt_also_where_none_is_configured)
{
    struct account *account = set_profile(1, 1, 0);

    cr_assert_eq(take_all(account, 0, 10), 10u);
    give_back(0, 1, 1);
    cr_assert_not(budget_has_room(budget, account));
}

/* ---- how long connections live ---- */

static void end_one(void)
{
    const struct ipc_server_ended told = {
        .server = server_uri_identity(uris[0]), .profile = 1, .idle_ms = 900, .age_ms = 0
    };

    cr_assert_eq(budget_ended(budget, &told), 0);
    turns();
}

Test(budget_learnt, SP49_what_three_ends_say_is_told_to_all_and_to_who_comes_later)
{
    set_profile(1, 1, 20);
    end_one();
    end_one();
    cr_assert_eq(fakes[0].bears.idle_ms, 0u);
    end_one();
    cr_assert_eq(fakes[0].bears.idle_ms, 765u);
    cr_assert_eq(fakes[2].bears.idle_ms, 765u);
    fakes[2].bears.idle_ms = 0;
    budget_worker_ready(budget, workers.slots[2]);
    turns();
    cr_assert_eq(fakes[2].bears.idle_ms, 765u);
}

Test(budget_learnt, SP49_what_was_learnt_of_lives_rises_slowly)
{
    int64_t begun_ms = clock_mono_ms();

    set_profile(1, 1, 20);
    budget_set_raise_ms(budget, 200);
    for (unsigned i = 0; i < 3; i++)
        end_one();
    while (fakes[1].bears.idle_ms < 800 && clock_mono_ms() - begun_ms < 5000) {
        budget_tend(budget);
        loop_turn(loop, 20);
    }
    cr_assert_geq(fakes[1].bears.idle_ms, 803u);
    cr_assert_geq(clock_mono_ms() - begun_ms, 150);
}
