/* While no server of a profile takes mail, and when one is back: trials, probes, what waited
 * (SP23). */
#include "health_stage.h"

#include "master/dispatch_parts.h"

TestSuite(dispatch_trial, .init = set_up_health, .fini = tear_down, .timeout = 60);

/* ---- all are down ---- */

Test(dispatch_trial, SP23_all_down_the_others_wait_and_no_attempt_is_counted)
{
    set_servers(1, 100);
    open_first(-1);
    queue_mail(1, 0, 1000, 0);
    turns();
    cr_assert_eq(fakes[0].count, 3u);
    cr_assert_eq(queue_state_count(queue, QUEUE_READY), 1000u);
}

Test(dispatch_trial, SP23_one_trial_at_a_time_and_nothing_else_may_be_tried)
{
    const struct ipc_mail_deliver *trial;
    size_t before;

    set_servers(2, 100);
    open_first(1);
    for (unsigned i = 0; i < 3; i++)
        fail_one(1, -1);
    set_waits(FIRST_MS);
    set_profile_of(1, 2, PREFERENCE_FAILOVER, 100, three, 2); /* whoever saves wants it tried now */
    before = fakes[0].count;
    queue_mail(1, 0, 1000, 0);
    UNTIL(fakes[0].count == before + 2); /* one for each */
    for (unsigned i = 0; i < 2; i++) {
        trial = &fakes[0].jobs[before + i];
        cr_expect_eq(trial->start, i);
        cr_expect_eq(trial->skip | (uint64_t)1 << i, UINT64_MAX);
        cr_expect_not(trial->skip & (uint64_t)1 << i);
        cr_expect_eq(trial->is_trial, 1u);
        cr_expect_eq(state_of(i), HEALTH_TRYING);
    }
    turns();
    cr_assert_eq(fakes[0].count, before + 2, "until they are back");
    cr_assert_eq(fakes[0].probe_count, 0u);
    fails(&fakes[0].jobs[before], 0);
    defer(&fakes[0].jobs[before], 600);
    cr_assert_eq(state_of(0), HEALTH_DOWN);
    turns();
    cr_assert_eq(fakes[0].count, before + 2, "not at once");
    UNTIL(fakes[0].count == before + 3);
    cr_assert_eq(last_job()->start, 0);
}

static void open_and_try(void)
{
    set_waits(FIRST_MS);
    set_servers(1, 100);
    open_first(-1);
    queue_mail(1, 0, 10, 0);
    UNTIL(fakes[0].count == 4);
    cr_assert_eq(state_of(0), HEALTH_TRYING);
}

Test(dispatch_trial, SP23_a_trial_that_is_served_closes_it)
{
    open_and_try();
    serve(last_job(), 0);
    cr_assert_eq(state_of(0), HEALTH_WARMING);
    turns();
    cr_assert_eq(fakes[0].count, 4u + HEALTH_WARM_FIRST);
}

Test(dispatch_trial, SP23_a_trial_that_is_judged_closes_it_too)
{
    struct ipc_mail_outcome said;

    open_and_try();
    said = outcome_of(last_job(), IPC_OUTCOME_DEFERRED, 0);
    said.tried = 1;
    cr_assert_eq(dispatch_outcome(dispatch, workers.slots[0], &said), 0);
    cr_assert_eq(state_of(0), HEALTH_WARMING);
}

static const struct {
    const char *what;
    enum ipc_outcome outcome;
    uint64_t tried;
    uint16_t flags;
    unsigned failures;
    bool is_soon;
} trials[] = {
    { "no room", IPC_OUTCOME_NO_ROOM, 0, 0, 3, true },
    { "not held", IPC_OUTCOME_NOT_HELD, 0, 0, 3, true },
    { "cut by its deadline", IPC_OUTCOME_DEFERRED, 1, IPC_OUTCOME_CUT, 3, true },
    { "finished before", IPC_OUTCOME_DONE, 0, 0, 3, true },
    { "lost after the end of data", IPC_OUTCOME_DEFERRED, 1, IPC_OUTCOME_LOST, 4, false },
};

Test(dispatch_trial, SP23_what_else_may_come_of_a_trial)
{
    for (size_t i = 0; i < sizeof(trials) / sizeof(trials[0]); i++) {
        struct ipc_mail_outcome said;
        int64_t wait_ms;

        if (i > 0) {
            tear_down();
            memset(fakes, 0, sizeof(fakes));
            memset(&workers, 0, sizeof(workers));
            set_up_health();
        }
        open_and_try();
        said = outcome_of(last_job(), trials[i].outcome, -1);
        said.tried = trials[i].tried;
        said.flags = trials[i].flags;
        said.next_attempt_s = clock_to_epoch_s(clock_wall_ms()) + 600;
        cr_assert_eq(dispatch_outcome(dispatch, workers.slots[0], &said), 0);
        wait_ms = route()->states[0].health.next_ms - loop_now_ms(loop);
        cr_expect_eq(state_of(0), HEALTH_DOWN, "%s", trials[i].what);
        cr_expect_eq(route()->states[0].health.failures, trials[i].failures, "%s", trials[i].what);
        cr_expect_eq(wait_ms > HEALTH_AGAIN_MS / 2 && wait_ms <= HEALTH_AGAIN_MS, trials[i].is_soon,
                     "%s: %d", trials[i].what, (int)wait_ms);
        cr_expect_eq(route()->states[0].trial, 0u);
    }
}

Test(dispatch_trial, SP23_a_trial_that_is_lost_with_its_worker_says_nothing)
{
    open_and_try();
    dispatch_worker_lost(dispatch, workers.slots[0], false);
    cr_assert_eq(state_of(0), HEALTH_DOWN);
    cr_assert_eq(route()->states[0].health.failures, 3u);
    cr_assert_eq(route()->states[0].in_flight, 0u);
    answer_cells();
}

/* ---- probes ---- */

static void open_and_probe(void)
{
    set_waits(FIRST_MS);
    set_servers(2, 100);
    open_first(1);
    UNTIL(fakes[0].probe_count == 1);
    cr_assert_eq(state_of(0), HEALTH_TRYING);
}

Test(dispatch_trial, SP23_while_another_is_up_it_is_probed_without_mail)
{
    open_and_probe();
    cr_assert_eq(fakes[0].probes[0].profile, 1u);
    cr_assert_eq(fakes[0].probes[0].version, 1u);
    cr_assert_eq(fakes[0].probes[0].server, 0u);
    queue_mail(1, 0, 10, 0);
    turns();
    cr_assert_eq(last_job()->start, 1);
    answer_probe(IPC_WORD_ANSWERS);
    cr_assert_eq(state_of(0), HEALTH_WARMING);
    queue_mail(1, 0, 10, 0);
    turns();
    cr_assert_eq(fakes[0].jobs[13].start, 0);
    cr_assert_eq(fakes[0].jobs[14].start, 0);
    cr_assert_eq(fakes[0].jobs[15].start, 1, "a few at a time");
}

Test(dispatch_trial, SP23_probes_go_on_until_it_answers)
{
    open_and_probe();
    for (size_t i = 2; i < 5; i++) {
        answer_probe(i % 2 == 0 ? IPC_WORD_FAILED : IPC_WORD_UNDECIDED);
        UNTIL(fakes[0].probe_count == i);
    }
    cr_assert_str_eq(route()->states[0].health.why, "no banner");
    answer_probe(IPC_WORD_ANSWERS);
    answer_probe(IPC_WORD_FAILED); /* a second answer is nobody's */
    cr_assert_eq(state_of(0), HEALTH_WARMING);
}

Test(dispatch_trial, SP23_a_probe_can_find_that_our_password_is_refused)
{
    open_and_probe();
    answer_probe(IPC_WORD_REFUSES_LOGIN);
    cr_assert_eq(state_of(0), HEALTH_REFUSED);
}

Test(dispatch_trial, SP23_a_probe_that_ends_with_its_worker_is_asked_again)
{
    open_and_probe();
    dispatch_worker_lost(dispatch, workers.slots[0], false);
    cr_assert_eq(state_of(0), HEALTH_DOWN);
    UNTIL(fakes[0].probe_count == 2);
    answer_probe(IPC_WORD_ANSWERS);
    cr_assert_eq(state_of(0), HEALTH_WARMING);
}

Test(dispatch_trial, SP23_a_worker_that_does_not_answer_is_not_waited_for)
{
    struct route_server *server;

    open_and_probe();
    server = &route()->states[0];
    cr_assert_leq(dispatch->health.timer_ms, server->probe.until_ms);
    server->probe.until_ms = loop_now_ms(loop); /* its time is over */
    dispatch_health_on_timer(dispatch);
    cr_assert_eq(state_of(0), HEALTH_DOWN);
    cr_assert_eq(server->health.failures, 3u, "that says nothing about the server");
    answer_probe(IPC_WORD_ANSWERS); /* late */
    cr_assert_eq(state_of(0), HEALTH_DOWN);
    UNTIL(fakes[0].probe_count == 2);
}

Test(dispatch_trial, SP23_an_answer_counts_only_from_who_was_asked)
{
    struct ipc_health_probed probed = { .profile = 1, .word = IPC_WORD_ANSWERS };

    open_and_probe();
    probed.token = fakes[0].probes[0].token;
    cr_assert_eq(dispatch_probed(dispatch, workers.slots[1], &probed), 0);
    cr_assert_eq(state_of(0), HEALTH_TRYING);
}

Test(dispatch_trial, SP23_without_a_worker_the_probe_waits_for_one)
{
    set_waits(FIRST_MS);
    set_servers(2, 100);
    open_first(1);
    workers.slots[0]->state = WORKER_DOWN;
    UNTIL(route()->states[0].health.next_ms + 50 < loop_now_ms(loop));
    cr_assert_eq(state_of(0), HEALTH_DOWN);
    workers.slots[0]->state = WORKER_RUNNING;
    UNTIL(fakes[0].probe_count == 1);
}

Test(dispatch_trial, SP23_all_down_and_nothing_ready_it_is_probed_too)
{
    set_waits(FIRST_MS);
    set_servers(1, 100);
    open_first(-1);
    UNTIL(fakes[0].probe_count == 1);
    cr_assert_eq(fakes[0].count, 3u);
}

/* ---- back again ---- */

Test(dispatch_trial, SP23_deferred_mail_leaves_at_once_when_a_probe_succeeds)
{
    set_waits(FIRST_MS);
    set_servers(1, 100);
    queue_mail(1, 0, 20, 0);
    turns();
    for (size_t i = 0; i < 20; i++) {
        fails(&fakes[0].jobs[i], 0);
        defer(&fakes[0].jobs[i], 86400);
    }
    fail_one(0, -1);
    fail_one(0, -1);
    cr_assert_eq(queue_state_count(queue, QUEUE_WAITING), 22u);
    UNTIL(fakes[0].probe_count == 1);
    answer_probe(IPC_WORD_ANSWERS);
    UNTIL(fakes[0].count == 22 + HEALTH_WARM_FIRST);
    cr_assert_eq(queue_state_count(queue, QUEUE_WAITING), 0u);
    for (size_t at = 22; at < fakes[0].count; at++) { /* each that is served makes room for two */
        serve(&fakes[0].jobs[at], 0);
        turns();
    }
    cr_assert_eq(queue_mail_count(0, 0, queue), 0u);
}

Test(dispatch_trial, SP23_the_load_on_a_server_that_is_back_rises_slowly)
{
    set_servers(1, 100);
    open_first(-1);
    queue_mail(1, 0, 500, 0);
    cr_assert_eq(dispatch_enable(dispatch, 1, "smtp://a:25"), 0);
    turns();
    for (unsigned served = 0; served < 10; served++) {
        cr_assert_eq(dispatch_in_flight(dispatch, 1), HEALTH_WARM_FIRST + served);
        serve(&fakes[0].jobs[3 + served], 0);
        turns();
    }
}

Test(dispatch_trial, SP23_what_hangs_from_before_takes_no_room_of_a_server_that_is_back)
{
    set_servers(1, 100);
    queue_mail(1, 0, 20, 0); /* they hang there all the time */
    turns();
    for (unsigned i = 0; i < 3; i++) {
        queue_mail(1, 0, 1, 0);
        turns();
        fails(last_job(), 0);
        defer(last_job(), 86400);
    }
    cr_assert_eq(state_of(0), HEALTH_DOWN);
    cr_assert_eq(dispatch_enable(dispatch, 1, "smtp://a:25"), 0);
    UNTIL(fakes[0].count == 23 + HEALTH_WARM_FIRST);
    cr_assert_eq(route()->states[0].in_flight, 20u + HEALTH_WARM_FIRST);
}

/* A million groups are not looked at in one turn, and all that should be are ready at last. */
Test(dispatch_trial, SP23_the_walk_over_a_long_queue_is_cut_into_turns)
{
    enum { GROUPS = 20000 };
    struct ipc_mail_queued queued = {
        .place = { .segment = 1 },
        .profile = 1,
        .rule = 1,
        .recipients = 1,
        .attempts = 1,
        .next_attempt_s = clock_to_epoch_s(clock_wall_ms()) + 86400,
        .flags = IPC_QUEUED_RECOVERED,
    };
    unsigned walked = 0;

    set_servers(1, 100);
    for (queued.place.id = 1; queued.place.id <= GROUPS; queued.place.id++)
        cr_assert_eq(dispatch_queued(dispatch, workers.slots[0], &queued), 0);
    last_id = GROUPS;
    open_first(-1);
    cr_assert_eq(dispatch_enable(dispatch, 1, "smtp://a:25"), 0);
    for (uint64_t before = GROUPS + 3, now; before > 0; before = now) {
        loop_turn(loop, 1);
        now = queue_state_count(queue, QUEUE_WAITING);
        cr_assert_leq(before - now, 4096u, "in one turn");
        cr_assert_lt(walked++, 1000u);
    }
    cr_assert_geq(walked, 5u);
}

/* Its outcome was lost with its worker, and its cell does not say who was to blame. */
Test(dispatch_trial, SP23_what_a_lost_worker_had_deferred_is_released_too)
{
    set_servers(1, 100);
    queue_mail(1, 0, 1, 0);
    turns();
    next_cell = (struct cell){ .stage = CELL_OPEN,
                               .attempts = 1,
                               .next_attempt_s = clock_to_epoch_s(clock_wall_ms()) + 86400 };
    dispatch_worker_lost(dispatch, workers.slots[0], false);
    answer_cells();
    cr_assert_eq(queue_state_count(queue, QUEUE_WAITING), 1u);
    open_first(-1);
    cr_assert_eq(dispatch_enable(dispatch, 1, "smtp://a:25"), 0);
    UNTIL(queue_state_count(queue, QUEUE_WAITING) == 0);
}

/* A trial hangs at one server while another comes back: it need not wait for its next attempt. */
Test(dispatch_trial, SP23_who_missed_the_server_that_is_back_goes_there_at_once)
{
    const struct ipc_mail_deliver *trial;

    set_servers(2, 100);
    open_first(1);
    for (unsigned i = 0; i < 3; i++)
        fail_one(1, -1);
    set_waits(FIRST_MS);
    set_profile_of(1, 2, PREFERENCE_FAILOVER, 100, three, 2);
    queue_mail(1, 0, 1, 0);
    UNTIL(fakes[0].count == 7);
    trial = last_job();
    cr_assert_eq(trial->start, 0);
    cr_assert_eq(dispatch_enable(dispatch, 1, "smtp://b:25"), 0);
    UNTIL(queue_state_count(queue, QUEUE_WAITING) == 0);
    fails(trial, 0);
    defer(trial, 86400);
    cr_assert_eq(queue_state_count(queue, QUEUE_WAITING), 0u);
}

/* What a server has judged is not the servers' trouble, and what is held is an operator's. */
Test(dispatch_trial, SP23_only_what_servers_could_not_take_is_released)
{
    struct ipc_mail_outcome said;
    const struct ipc_mail_queued recovered = {
        .place = { .id = 99999, .segment = 1 },
        .profile = 1,
        .rule = 1,
        .recipients = 1,
        .attempts = 2,
        .next_attempt_s = clock_to_epoch_s(clock_wall_ms()) + 86400,
        .flags = IPC_QUEUED_RECOVERED,
    };

    set_servers(1, 100);
    set_profile_of(2, 1, PREFERENCE_FAILOVER, 100, three, 1);
    queue_mail(1, 0, 1, 0);
    queue_mail(2, 0, 1, 0);
    turns();
    said = outcome_of(&fakes[0].jobs[0], IPC_OUTCOME_DEFERRED, 0); /* greylisted */
    said.next_attempt_s = clock_to_epoch_s(clock_wall_ms()) + 86400;
    cr_assert_eq(dispatch_outcome(dispatch, workers.slots[0], &said), 0);
    defer(&fakes[0].jobs[1], 86400); /* another profile's */
    cr_assert_eq(dispatch_queued(dispatch, workers.slots[0], &recovered), 0);
    for (unsigned i = 0; i < 3; i++)
        fail_one(0, -1);
    cr_assert_eq(dispatch_enable(dispatch, 1, "smtp://a:25"), 0);
    UNTIL(queue_state_count(queue, QUEUE_WAITING) == 2);
    for (unsigned i = 0; i < 3; i++)
        turns();
    cr_assert_eq(queue_state_count(queue, QUEUE_WAITING), 2u, "the greylisted and the other's");
    cr_assert_eq(queue_group(queue, 99999, 0)->state == QUEUE_WAITING, false,
                 "of what was found after a restart nobody knows");
}
