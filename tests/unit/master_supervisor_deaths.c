/* What the death of a worker changes: what it may have left, and when the next one starts (OP02).
 */
#include <sys/wait.h>

#include "tests/unit/supervisor_stage.h"

#include "master/scans.h"
#include "master/supervisor_parts.h"

TestSuite(supervisor_deaths, .init = set_up, .fini = tear_down, .timeout = 60);

#define GOOD_LIFE_MS 60000

/* Returns when the master has buried it. */
static void kill_first(void)
{
    const uint64_t before = workers.slots[0]->restarts;

    kill(workers.slots[0]->pid, SIGKILL);
    WAIT_FOR(workers.slots[0]->restarts == before + 1);
}

Test(supervisor_deaths, MQ02_no_segment_is_used_again_until_what_it_left_is_known)
{
    start(1, "");
    WAIT_FOR(is_started && !segments_is_held(parts.segments));
    kill_first();
    cr_assert(segments_is_held(parts.segments));
    WAIT_FOR(running() == 1 && !segments_is_held(parts.segments));
}

Test(supervisor_deaths, what_it_was_asked_to_let_go_of_it_has_let_go_of)
{
    const struct ipc_segment_sealed sealed = { .slot = 1, .segment = 5, .bytes = 4096 };

    start(2, "");
    WAIT_FOR(is_started && !segments_is_held(parts.segments));
    segments_sealed(parts.segments, &sealed); /* nobody needs it: both are asked */
    kill_first();
    WAIT_FOR(running() == 2);
    cr_assert_eq(segments_released(parts.segments, workers.slots[0], 1, 5), -EBADMSG,
                 "its successor was not asked");
    cr_assert_eq(segments_released(parts.segments, workers.slots[1], 1, 5), 0);
}

/* Which finds it in its scan: who was to hand it back, or had been told to use it, is gone. */
Test(supervisor_deaths, MQ02_what_nobody_needs_is_handed_to_its_successor_when_that_has_said_so)
{
    const struct ipc_segment_sealed sealed = { .slot = 0, .segment = 5, .bytes = 4096 };

    start(1, "");
    WAIT_FOR(is_started && !segments_is_held(parts.segments));
    segments_sealed(parts.segments, &sealed);
    kill_first(); /* who was the last to be asked */
    WAIT_FOR(running() == 1 && !segments_is_held(parts.segments));
    cr_assert_eq(segments_released(parts.segments, workers.slots[0], 0, 5), -EBADMSG);
    cr_assert_null(queue_group(parts.queue, REUSED_ID + 5, 0));
    segments_sealed(parts.segments, &sealed);
    cr_assert_eq(segments_released(parts.segments, workers.slots[0], 0, 5), 0);
    WAIT_FOR(queue_group(parts.queue, REUSED_ID + 5, 0) != NULL);
}

Test(supervisor_deaths, MQ02_what_it_said_last_counts)
{
    siginfo_t end;
    pid_t first;

    start(1, "");
    WAIT_FOR(is_started);
    first = workers.slots[0]->pid;
    give_mail(1, 0, RULE_OF_LAST_WORDS);
    WAIT_FOR(workers.slots[0]->job_count == 1);
    /* Its end and its words come in one turn. */
    cr_assert_eq(waitid(P_PID, (id_t)first, &end, WEXITED | WNOWAIT), 0);
    WAIT_FOR(workers.slots[0]->pid != first);
    queue_set_held(parts.queue, queue_group(parts.queue, 1, 0)); /* one death is enough */
    for (unsigned i = 0; i < LAST_WORDS; i++)
        cr_assert_not_null(queue_group(parts.queue, LAST_WORDS_ID + i, 0), "word %u", i);
    WAIT_FOR(running() == 1 && workers.slots[0]->figures.accepted == 1);
    cr_assert_eq(workers.slots[0]->restarts, 1, "no credit for them goes to its successor");
}

Test(supervisor_deaths, MQ09_kill_9_makes_no_message_a_suspect)
{
    start(1, "silent");
    WAIT_FOR(is_started);
    give_mail(1, 0, 1);
    WAIT_FOR(workers.slots[0]->job_count == 1);
    kill_first();
    WAIT_FOR(running() == 1 && workers.slots[0]->job_count == 1);
    cr_assert_eq(queue_group(parts.queue, 1, 0)->crashes, 0);
}

Test(supervisor_deaths, OP02_after_a_good_life_the_next_one_starts_at_once_again)
{
    start(1, "");
    WAIT_FOR(is_started);
    workers.slots[0]->backoff_ms = 32000;
    workers.slots[0]->started_ms -= GOOD_LIFE_MS;
    kill_first();
    WAIT_FOR(running() == 1);
    cr_assert_eq(workers.slots[0]->backoff_ms, 2000);
}

Test(supervisor_deaths, OP02_nobody_is_held_back_for_more_than_a_minute)
{
    start(1, "");
    WAIT_FOR(is_started);
    workers.slots[0]->backoff_ms = 60000;
    kill_first();
    cr_assert_eq(workers.slots[0]->backoff_ms, 60000);
    cr_assert_eq(workers.slots[0]->pid, 0);
}

/* Two would write to the slot: who scans it may remove what is empty. */
Test(supervisor_deaths, OP02_it_does_not_start_while_another_scans_its_slot)
{
    start(2, "slow");
    WAIT_FOR(is_started && !segments_is_held(parts.segments));
    workers.slots[0]->backoff_ms = 60000;
    kill_first();
    WAIT_FOR(scans_is_under_way(supervisor->scans, 0));
    loop_timer_set_ms(workers.slots[0]->timer, 0); /* as if the minute was over */
    WAIT_FOR(workers.slots[0]->pid != 0);
    cr_assert_not(scans_is_under_way(supervisor->scans, 0));
    cr_assert_not_null(queue_group(parts.queue, 1000, 0), "all that the scan found is known");
}
