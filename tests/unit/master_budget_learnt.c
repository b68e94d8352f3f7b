/* The budget of connections: what servers teach, by "too many connections" and by the connections
 * that they end. */
#include "budget_stage.h"

#include <stdio.h>
#include <unistd.h>

#include "common/log.h"

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

Test(budget_learnt, SP49_more_may_be_refused_than_there_are)
{
    struct account *account = set_profile(1, 1, 20);

    cr_assert_eq(take_all(account, 0, 3), 3u);
    give_back(0, 1, 9);
    cr_assert_not(budget_has_room(budget, account));
    give_back(0, 2, 0);
    cr_assert_eq(take_all(account, 0, 9), 1u);
}

/* Those that came before the limit was learnt are still there when another is refused. */
Test(budget_learnt, SP49_a_refusal_never_raises_the_limit)
{
    struct account *account = set_profile(1, 1, 20);

    cr_assert_eq(take_all(account, 0, 8), 8u);
    give_back(0, 1, 6); /* two of the seven were not refused */
    give_back(0, 1, 1);
    give_back(0, 4, 0);
    cr_assert_not(budget_has_room(budget, account));
    give_back(0, 1, 0);
    cr_assert_eq(take_all(account, 0, 9), 1u);
}

Test(budget_learnt, SP49_a_newcomer_does_not_overtake_who_waits)
{
    struct account *account = set_profile(1, 1, 4);
    int64_t begun_ms = clock_mono_ms();

    budget_set_raise_ms(budget, 200);
    want(0, 1);
    want(1, 2);
    give_back(1, 1, 1);
    want(0, 1);
    while (!budget_has_room(budget, account) && clock_mono_ms() - begun_ms < 5000)
        loop_turn(loop, 20);
    want(1, 1);
    cr_assert_eq(fakes[1].granted, 2u);
    budget_tend(budget);
    turns();
    cr_assert_eq(fakes[0].granted, 2u, "the limit has risen: it is served");
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

static void end(uint32_t idle_ms, uint32_t age_ms, uint32_t messages)
{
    const struct ipc_server_ended told = { .server = server_uri_identity(uris[0]),
                                           .profile = 1,
                                           .idle_ms = idle_ms,
                                           .age_ms = age_ms,
                                           .messages = messages };

    budget_ended(budget, &told);
    turns();
}

static void end_one(void)
{
    end(900, 0, 0);
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
    cr_assert_eq(fakes[1].bears_count, 1u);
    end_one();
    cr_assert_eq(fakes[1].bears_count, 1u, "that is known");
}

/* Else the first that it hears would be no configuration, and it would give up. */
Test(budget_learnt, SP49_one_that_starts_is_told_when_it_is_ready)
{
    set_profile(1, 1, 20);
    workers.slots[1]->state = WORKER_STARTING;
    for (unsigned i = 0; i < 3; i++)
        end_one();
    cr_assert_eq(fakes[0].bears_count, 1u);
    cr_assert_eq(fakes[1].bears_count, 0u);
    budget_worker_ready(budget, workers.slots[1]);
    turns();
    cr_assert_eq(fakes[1].bears.idle_ms, 765u);
}

Test(budget_learnt, SP49_nothing_is_told_of_servers_of_which_nothing_is_known)
{
    end_one(); /* nor is it learnt of one that no profile has */
    end_one();
    end_one();
    set_profile(1, 1, 20);
    budget_worker_ready(budget, workers.slots[0]);
    budget_tend(budget);
    turns();
    cr_assert_eq(fakes[0].bears_count, 0u);
}

/* Ages need connections that follow each other, which take their time. */
static void end_aged(uint32_t age_ms)
{
    int64_t begun_ms = clock_mono_ms();

    while (clock_mono_ms() - begun_ms < age_ms + 5)
        loop_turn(loop, 20);
    end(0, age_ms, 1);
}

Test(budget_learnt, SP49_messages_and_age_are_told_beside_what_was_known)
{
    set_profile(1, 1, 20);
    for (unsigned i = 0; i < 3; i++)
        end(0, 0, 7);
    cr_assert_eq(fakes[1].bears.messages, 7u);
    for (unsigned i = 0; i < 3; i++)
        end_aged(500);
    cr_assert_eq(fakes[1].bears.age_ms, 425u);
    cr_assert_eq(fakes[1].bears.messages, 7u);
    cr_assert_eq(fakes[1].bears.profile, 1u);
    cr_assert_eq(fakes[1].bears.server, server_uri_identity(uris[0]));
    cr_assert_eq(fakes[1].bears_count, 2u);
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

/* ---- what people are told ---- */

static unsigned count_logged(FILE *file, const char *what)
{
    char line[1024];
    unsigned count = 0;

    log_flush();
    rewind(file);
    while (fgets(line, sizeof(line), file) != NULL)
        count += strstr(line, what) != NULL;
    return count;
}

Test(budget_learnt, SP49_what_was_learnt_is_logged_once)
{
    FILE *file = tmpfile();

    log_open("test", fileno(file));
    log_set_level(LOG_LEVEL_INFO);
    set_profile(1, 1, 20);
    want(0, 3);
    for (unsigned i = 0; i < 2; i++)
        give_back(0, 1, 1);
    for (unsigned i = 0; i < 3; i++)
        budget_tend(budget);
    cr_expect_eq(count_logged(file, "takes fewer connections"), 1u, "not for each refusal");
    give_back(0, 0, 1);
    budget_tend(budget);
    cr_expect_eq(count_logged(file, "takes fewer connections"), 2u);
    for (unsigned i = 0; i < 6; i++)
        end_one();
    cr_expect_eq(count_logged(file, "lets connections live"), 1u);
    log_open("test", STDERR_FILENO);
    fclose(file);
}
