/* Which servers mail is given to while some are down, and what deliveries say about them (SP23). */
#include "health_stage.h"

TestSuite(dispatch_health, .init = set_up_health, .fini = tear_down, .timeout = 60);

/* ---- a server that is down, while another is up ---- */

Test(dispatch_health, SP23_after_three_failures_no_message_goes_there)
{
    set_servers(2, 100);
    open_first(1);
    queue_mail(1, 0, 50, 0);
    turns();
    cr_assert_eq(fakes[0].count, 53u);
    for (size_t i = 3; i < 53; i++) {
        cr_assert_eq(fakes[0].jobs[i].start, 1);
        cr_assert(fakes[0].jobs[i].skip & 1, "not even as the last resort");
        cr_assert_not(fakes[0].jobs[i].skip & 2);
        cr_assert_eq(fakes[0].jobs[i].drained | fakes[0].jobs[i].refusing |
                         fakes[0].jobs[i].doubted | fakes[0].jobs[i].is_trial,
                     0u, "it is down, and no more");
    }
}

Test(dispatch_health, SP23_what_failed_last_is_shown_one_message_at_a_time)
{
    set_servers(2, 100);
    queue_mail(1, 0, 20, 0);
    turns();
    cr_assert_eq(fakes[0].count, 20u);
    for (size_t i = 0; i < 20; i++) { /* all were on their way when it died */
        cr_assert_eq(fakes[0].jobs[i].start, 0);
        fails(&fakes[0].jobs[i], 0);
    }
    cr_assert_eq(route()->states[0].health.failures, 1u, "they count once");
    queue_mail(1, 0, 20, 0);
    turns();
    cr_assert_eq(fakes[0].jobs[20].start, 0);
    for (size_t i = 21; i < 40; i++) {
        cr_assert_eq(fakes[0].jobs[i].start, 1);
        cr_assert_eq(fakes[0].jobs[i].doubted, 1u, "which is why");
    }
}

/* What hangs there since before the failure keeps nobody from finding out how it is. */
Test(dispatch_health, SP23_what_hangs_from_before_does_not_count)
{
    set_servers(1, 100);
    queue_mail(1, 0, 6, 0);
    turns();
    fails(&fakes[0].jobs[5], 0);
    defer(&fakes[0].jobs[5], 86400);
    queue_mail(1, 0, 10, 0);
    turns();
    cr_assert_eq(fakes[0].count, 7u, "one");
    serve(&fakes[0].jobs[0], 0); /* an old one that was good after all */
    turns();
    cr_assert_eq(fakes[0].count, 16u, "all");
}

Test(dispatch_health, SP23_a_success_clears_it)
{
    set_servers(2, 100);
    fail_one(0, 1);
    fail_one(0, 1);
    queue_mail(1, 0, 1, 0);
    turns();
    serve(last_job(), 0);
    fail_one(0, 1);
    fail_one(0, 1);
    cr_assert_eq(state_of(0), HEALTH_DOUBTED);
}

Test(dispatch_health, SP23_failures_elsewhere_on_the_way_count_too)
{
    set_servers(2, 100);
    for (unsigned i = 0; i < 3; i++) {
        queue_mail(1, 0, 1, 0);
        turns();
        fails(last_job(), 1); /* passed on from somewhere */
        serve(last_job(), 0);
    }
    cr_assert_eq(state_of(1), HEALTH_DOWN);
    cr_assert_eq(state_of(0), HEALTH_UP);
}

Test(dispatch_health, SP23_a_failure_told_twice_counts_once)
{
    set_servers(1, 100);
    queue_mail(1, 0, 1, 0);
    turns();
    for (unsigned i = 0; i < 5; i++)
        fails(last_job(), 0);
    cr_assert_eq(route()->states[0].health.failures, 1u);
}

Test(dispatch_health, SP22_a_loss_after_the_end_of_data_says_neither)
{
    set_servers(2, 100);
    fail_one(0, 1);
    queue_mail(1, 0, 1, 0);
    turns();
    struct ipc_mail_outcome said = outcome_of(last_job(), IPC_OUTCOME_DEFERRED, 0);
    said.flags = IPC_OUTCOME_LOST;
    said.next_attempt_s = clock_to_epoch_s(clock_wall_ms()) + 600;
    cr_assert_eq(dispatch_outcome(dispatch, workers.slots[0], &said), 0);
    cr_assert_eq(state_of(0), HEALTH_DOUBTED);
    cr_assert_eq(route()->states[0].health.failures, 1u);
}

Test(dispatch_health, SP49_no_room_says_nothing)
{
    set_servers(1, 100);
    for (unsigned i = 0; i < 10; i++) {
        queue_mail(1, 0, 1, 0);
        turns();
        answer(0, last_job(), IPC_OUTCOME_NO_ROOM, -1);
    }
    cr_assert_eq(state_of(0), HEALTH_UP);
}

Test(dispatch_health, SP23_a_refused_password_opens_at_once_until_the_profile_is_saved)
{
    struct ipc_server_failed failed;

    set_waits(FIRST_MS);
    set_servers(2, 100);
    queue_mail(1, 0, 1, 0);
    turns();
    failed = failure_of(last_job(), 0);
    failed.word = IPC_WORD_REFUSES_LOGIN;
    cr_assert_eq(dispatch_server_failed(dispatch, workers.slots[0], &failed), 0);
    serve(last_job(), 1);
    cr_assert_eq(state_of(0), HEALTH_REFUSED);
    for (int64_t end_ms = clock_mono_ms() + 3 * FIRST_MS; clock_mono_ms() < end_ms;)
        loop_turn(loop, 5);
    cr_assert_eq(fakes[0].probe_count, 0u);
    set_profile_of(1, 2, PREFERENCE_FAILOVER, 100, three, 2);
    cr_assert_eq(state_of(0), HEALTH_WARMING);
}

/* A job that used what the profile said before it was saved. */
Test(dispatch_health, SP23_the_old_password_refuses_nothing_of_the_new_version)
{
    struct ipc_server_failed failed;

    set_servers(2, 100);
    queue_mail(1, 0, 1, 0);
    turns();
    set_profile_of(1, 2, PREFERENCE_FAILOVER, 100, three, 2);
    failed = failure_of(last_job(), 0);
    failed.word = IPC_WORD_REFUSES_LOGIN;
    cr_assert_eq(dispatch_server_failed(dispatch, workers.slots[0], &failed), 0);
    cr_assert_neq(state_of(0), HEALTH_REFUSED);
}

/* ---- what no sane worker says ---- */

Test(dispatch_health, what_a_worker_says_is_checked)
{
    struct ipc_server_failed failed;
    struct ipc_health_probed probed = { .profile = 1, .word = IPC_WORD_COUNT };

    set_servers(2, 100);
    queue_mail(1, 0, 1, 0);
    turns();
    failed = failure_of(last_job(), 0);
    failed.server = 2;
    cr_expect_eq(dispatch_server_failed(dispatch, workers.slots[0], &failed), -EBADMSG);
    failed = failure_of(last_job(), 0);
    failed.word = IPC_WORD_ANSWERS;
    cr_expect_eq(dispatch_server_failed(dispatch, workers.slots[0], &failed), -EBADMSG);
    failed = failure_of(last_job(), 0);
    memset(failed.text, 'x', sizeof(failed.text));
    cr_expect_eq(dispatch_server_failed(dispatch, workers.slots[0], &failed), -EBADMSG);
    failed = failure_of(last_job(), 0);
    cr_expect_eq(dispatch_server_failed(dispatch, workers.slots[1], &failed), -EBADMSG);
    failed.job++;
    cr_expect_eq(dispatch_server_failed(dispatch, workers.slots[0], &failed), 0, "late");
    cr_expect_eq(dispatch_probed(dispatch, workers.slots[0], &probed), -EBADMSG);
    probed.word = IPC_WORD_ANSWERS;
    memset(probed.text, 'x', sizeof(probed.text));
    cr_expect_eq(dispatch_probed(dispatch, workers.slots[0], &probed), -EBADMSG);
    probed.text[0] = '\0';
    probed.text[sizeof(probed.text) - 1] = '\0';
    cr_expect_eq(dispatch_probed(dispatch, workers.slots[0], &probed), 0, "nobody waits for it");
    cr_expect_eq(state_of(0), HEALTH_UP);
}

/* ---- edits ---- */

Test(dispatch_health, SP23_health_survives_an_edit_of_the_list)
{
    const char *const edited[] = { "smtp://x:25", "smtp://b:25", "smtp://a:25" };

    set_servers(2, 100);
    open_first(1);
    set_profile_of(1, 2, PREFERENCE_FAILOVER, 100, edited, 3);
    cr_assert_eq(state_of(0), HEALTH_UP);
    cr_assert_eq(state_of(1), HEALTH_UP);
    cr_assert_eq(state_of(2), HEALTH_DOWN);
}

Test(dispatch_health, SP23_an_outcome_speaks_of_the_list_it_was_given)
{
    const char *const edited[] = { "smtp://b:25", "smtp://a:25" };

    set_servers(2, 100);
    fail_one(0, 1);
    fail_one(0, 1);
    queue_mail(1, 0, 1, 0);
    turns();
    set_profile_of(1, 2, PREFERENCE_FAILOVER, 100, edited, 2);
    fails(last_job(), 0);
    cr_assert_eq(state_of(1), HEALTH_DOWN);
    cr_assert_eq(state_of(0), HEALTH_UP);
    serve(last_job(), 1);
    set_profile_of(1, 3, PREFERENCE_FAILOVER, 100, edited, 1); /* it leaves the list */
    queue_mail(1, 0, 1, 0);
    turns();
    cr_assert_eq(last_job()->start, 0);
}

/* ---- turns (SP21) ---- */

/* Whatever fails, comes back and is out meanwhile: the two that stay well end within one. */
Test(dispatch_health, SP21_healthy_servers_share_exactly_across_opening_and_closing)
{
    unsigned served[3] = { 0 }, round = 0;
    bool is_dead = false;

    set_profile(1, PREFERENCE_ROUND_ROBIN, 8);
    queue_mail(1, 0, 3000, 0);
    while (served[0] + served[1] + served[2] < 3000) {
        struct fake *fake = &fakes[0];

        loop_turn(loop, 1);
        is_dead = round++ / 20 % 2 == 1;
        for (; fake->answered < fake->count; fake->answered++) {
            const struct ipc_mail_deliver *job = &fake->jobs[fake->answered];
            int by = job->start;

            if (by == 1 && is_dead) {
                fails(job, 1);
                by = 2;
            }
            serve(job, by);
            served[by]++;
        }
        if (!is_dead && state_of(1) == HEALTH_DOWN)
            cr_assert_eq(dispatch_enable(dispatch, 1, "smtp://b:25"), 0);
    }
    cr_assert_gt(served[1], 0u);
    cr_assert_leq(abs((int)served[0] - (int)served[2]), 1, "%u, %u, %u", served[0], served[1],
                  served[2]);
}

/* ---- drained ---- */

Test(dispatch_health, SP23_a_drained_server_is_given_nothing_even_if_all_others_are_down)
{
    set_servers(2, 100);
    cr_assert_eq(dispatch_drain(dispatch, 1, "smtp://b:25"), 0);
    open_first(-1);
    queue_mail(1, 0, 10, 0);
    turns();
    cr_assert_eq(fakes[0].count, 3u);
    cr_assert(last_job()->skip & 2, "nor as the next one");
    cr_assert_eq(last_job()->drained, 2u);
    cr_assert_eq(dispatch_enable(dispatch, 1, "smtp://b:25"), 0);
    UNTIL(fakes[0].count == 16); /* and what had failed */
    for (size_t i = 3; i < 16; i++)
        cr_assert_eq(fakes[0].jobs[i].start, 1);
}

Test(dispatch_health, SP23_what_is_there_when_it_is_drained_comes_to_its_end)
{
    set_servers(1, 100);
    queue_mail(1, 0, 5, 0);
    turns();
    cr_assert_eq(dispatch_drain(dispatch, 1, "smtp://a:25"), 0);
    queue_mail(1, 0, 5, 0);
    turns();
    cr_assert_eq(fakes[0].count, 5u);
    cr_assert_eq(fakes[0].cancels, 0u);
    answer_all();
    turns();
    cr_assert_eq(queue_mail_count(0, 0, queue), 5u);
    cr_assert_eq(queue_state_count(queue, QUEUE_READY), 5u);
}

Test(dispatch_health, SP23_a_drained_server_is_not_probed)
{
    set_waits(FIRST_MS);
    set_servers(2, 100);
    open_first(1);
    cr_assert_eq(dispatch_drain(dispatch, 1, "smtp://a:25"), 0);
    for (int64_t end_ms = clock_mono_ms() + 4 * FIRST_MS; clock_mono_ms() < end_ms;)
        loop_turn(loop, 5);
    cr_assert_eq(fakes[0].probe_count, 0u);
}

Test(dispatch_health, SP23_only_servers_of_the_profile_can_be_drained)
{
    set_servers(1, 100);
    cr_assert_eq(dispatch_drain(dispatch, 1, "smtp://b:25"), -ENOENT);
    cr_assert_eq(dispatch_drain(dispatch, 2, "smtp://a:25"), -ENOENT);
    cr_assert_eq(dispatch_enable(dispatch, 1, "smtp://b:25"), -ENOENT);
}

/* ---- beside the rest ---- */

Test(dispatch_health, MQ09_a_suspect_waits_for_a_server_as_well)
{
    set_servers(1, 100);
    open_first(-1);
    queue_mail(1, 0, 1, 0);
    queue_group(queue, last_id, 0)->crashes = 1;
    queue_set_ready(queue, queue_group(queue, last_id, 0), false);
    turns();
    cr_assert_eq(fakes[0].count, 3u);
    cr_assert_eq(dispatch_enable(dispatch, 1, "smtp://a:25"), 0);
    UNTIL(fakes[0].count == 4);
}

Test(dispatch_health, SP49_a_kept_turn_at_a_server_that_is_down_by_now_goes_elsewhere)
{
    struct ipc_mail_outcome said;

    set_servers(3, 100);
    queue_mail(1, 0, 1, 0);
    turns();
    said = outcome_of(last_job(), IPC_OUTCOME_NO_ROOM, -1);
    said.tried = 2; /* b has failed in this attempt */
    cr_assert_eq(dispatch_outcome(dispatch, workers.slots[0], &said), 0);
    open_first(2);
    UNTIL(fakes[0].count == 5);
    cr_assert_eq(last_job()->start, 2, "neither the one that is down nor the one that was tried");
    cr_assert_eq(last_job()->tried, 2u);
}

Test(dispatch_health, SR06_the_next_start_is_a_server_that_takes_mail)
{
    set_servers(2, 100);
    cr_assert_eq(dispatch_next_start(dispatch, 1), 0);
    open_first(1);
    cr_assert_eq(dispatch_next_start(dispatch, 1), 1);
}
