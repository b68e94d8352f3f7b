/* Mail that waits while no server of its profile takes any: its life ends in time (SP23, MQ05). */
#include "health_stage.h"

enum { LIFETIME_S = 600, LOOKED_MS = 3000 /* it has been looked for what is due, surely */ };

static void set_up_expiry(void)
{
    set_up_health();
    lifetime_s = LIFETIME_S;
}

TestSuite(dispatch_expiry, .init = set_up_expiry, .fini = tear_down, .timeout = 60);

static void queue_old_mail(uint32_t profile, unsigned count, uint32_t age)
{
    age_s = age;
    queue_mail(profile, 0, count, 0);
    age_s = 0;
}

static void look_for_a_while(void)
{
    int64_t until_ms = clock_mono_ms() + LOOKED_MS;

    while (clock_mono_ms() < until_ms)
        loop_turn(loop, 10);
}

static void end_all(size_t from)
{
    for (size_t i = from; i < fakes[0].count; i++) {
        struct ipc_mail_outcome said = outcome_of(&fakes[0].jobs[i], IPC_OUTCOME_FAILED, -1);

        cr_assert_eq(dispatch_outcome(dispatch, workers.slots[0], &said), 0);
    }
}

Test(dispatch_expiry, SP23_MQ05_what_is_too_old_goes_to_a_worker_and_to_no_server)
{
    set_servers(2, 100);
    open_first(1);
    for (unsigned i = 0; i < 3; i++)
        fail_one(1, -1);
    queue_old_mail(1, 2, LIFETIME_S + 5);
    queue_old_mail(1, 3, LIFETIME_S - 60);
    turns();
    cr_assert_eq(fakes[0].count, 6u);
    UNTIL(fakes[0].count == 8);
    for (unsigned i = 6; i < 8; i++) {
        const struct ipc_mail_deliver *order = &fakes[0].jobs[i];

        cr_expect_eq(order->skip, UINT64_MAX);
        cr_expect_eq(order->is_trial, 0u);
        cr_expect_eq(order->leased, 0u);
        cr_expect_eq(order->version, 1u);
        cr_expect_eq(order->profile, 1u);
        cr_expect_eq(order->rule, 1u);
        cr_expect_eq(order->attempts, 0u);
        cr_expect_gt(order->deadline_ms, 0u);
    }
    end_all(6);
    cr_assert_eq(queue_state_count(queue, QUEUE_FAILED), 2u);
    cr_assert_eq(state_of(0), HEALTH_DOWN, "it says nothing about servers");
    cr_assert_eq(state_of(1), HEALTH_DOWN);
    look_for_a_while();
    cr_assert_eq(fakes[0].count, 8u, "the others have time");
}

Test(dispatch_expiry, SP23_MQ05_what_grows_old_while_it_waits_is_found)
{
    int64_t begun_ms;

    set_servers(1, 100);
    open_first(-1);
    queue_old_mail(1, 1, LIFETIME_S + 5);
    queue_old_mail(1, 1, LIFETIME_S - 5);
    begun_ms = clock_mono_ms();
    UNTIL(fakes[0].count == 4);
    cr_assert_leq(clock_mono_ms() - begun_ms, 4000);
    UNTIL(fakes[0].count == 5);
    cr_assert_geq(clock_mono_ms() - begun_ms, 4900);
    cr_assert_leq(clock_mono_ms() - begun_ms, 9000);
}

Test(dispatch_expiry, SP23_MQ05_nobody_knows_how_long_mail_without_a_profile_may_wait)
{
    queue_old_mail(9, 1, 100 * LIFETIME_S);
    look_for_a_while();
    cr_assert_eq(fakes[0].count, 0u);
    cr_assert_eq(queue_state_count(queue, QUEUE_READY), 1u);
}

Test(dispatch_expiry, SP23_MQ05_drained_servers_keep_nothing_alive)
{
    set_servers(1, 100);
    cr_assert_eq(dispatch_drain(dispatch, 1, three[0]), 0);
    queue_old_mail(1, 1, LIFETIME_S + 5);
    UNTIL(fakes[0].count == 1);
    cr_assert_eq(last_job()->skip, UINT64_MAX);
    cr_assert_eq(last_job()->drained, 1u);
}

Test(dispatch_expiry, SP23_MQ05_what_is_too_old_has_its_last_attempt_while_a_server_is_up)
{
    set_servers(2, 100);
    open_first(1);
    queue_old_mail(1, 1, LIFETIME_S + 5);
    turns();
    cr_assert_eq(fakes[0].count, 4u);
    cr_assert_eq(last_job()->skip & 3, 1u);
}

Test(dispatch_expiry, SP23_MQ05_the_mail_of_other_profiles_is_left_alone)
{
    set_servers(1, 100);
    set_profile_of(2, 1, PREFERENCE_FAILOVER, 1, three + 1, 1);
    open_first(-1);
    queue_old_mail(2, 3, LIFETIME_S + 5); /* one goes, the others wait for it */
    turns();
    cr_assert_eq(fakes[0].count, 4u);
    queue_old_mail(1, 1, LIFETIME_S + 5);
    UNTIL(fakes[0].count == 5);
    look_for_a_while();
    cr_assert_eq(fakes[0].count, 5u);
    cr_assert_eq(last_job()->profile, 1u);
}

Test(dispatch_expiry, SP23_MQ05_more_than_workers_have_room_for_end_one_after_the_other)
{
    const unsigned count = IPC_JOBS_PER_WORKER + 100;
    int64_t begun_ms;

    set_servers(1, 10);
    open_first(-1);
    queue_old_mail(1, count, LIFETIME_S + 5);
    UNTIL(fakes[0].count == 3 + IPC_JOBS_PER_WORKER);
    turns();
    cr_assert_eq(fakes[0].count, 3u + IPC_JOBS_PER_WORKER);
    begun_ms = clock_mono_ms();
    end_all(3);
    UNTIL(fakes[0].count == 3 + count);
    cr_assert_lt(clock_mono_ms() - begun_ms, 1000, "as soon as there is room");
}

Test(dispatch_expiry, SP23_MQ05_a_worker_that_dies_over_it_leaves_it_to_the_next)
{
    set_servers(1, 100);
    open_first(-1);
    queue_old_mail(1, 1, LIFETIME_S + 5);
    UNTIL(fakes[0].count == 4);
    dispatch_worker_lost(dispatch, workers.slots[0], false);
    answer_cells();
    UNTIL(fakes[0].count == 5);
    cr_assert_eq(last_job()->skip, UINT64_MAX);
}
