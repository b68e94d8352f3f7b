/* Workers that are there and do not move (OP02). Nobody waits for a minute here: the time of the
 * last heartbeat is moved back instead. */
#include "tests/unit/supervisor_stage.h"

#include "master/supervisor_parts.h"

TestSuite(supervisor_stuck, .init = set_up, .fini = tear_down, .timeout = 60);

#define MINUTE_MS 60000

static void heard_all(unsigned count)
{
    WAIT_FOR(is_started);
    for (unsigned slot = 0; slot < count; slot++)
        WAIT_FOR(workers.slots[slot]->figures.accepted == 1);
}

static void set_silence(unsigned slot, int64_t ms)
{
    workers.slots[slot]->heartbeat_ms = loop_now_ms(loop) - ms;
}

static void note_passed(void *arg)
{
    *(bool *)arg = true;
}

/* The supervisor looks at all workers now, not in some seconds. */
static void look(void)
{
    bool is_past = false;
    struct loop_timer *behind = loop_timer_new(loop, note_passed, &is_past);

    loop_timer_set_ms(supervisor->tick, 0);
    loop_timer_set_ms(behind, 1);
    WAIT_FOR(is_past);
    loop_timer_free(&behind);
}

/* It, or the one before it: a successor may be there already. */
static bool is_killed(unsigned slot)
{
    const struct worker *worker = workers.slots[slot];

    return worker->is_stuck || strcmp(worker->last_exit, "killed: it was stuck") == 0;
}

Test(supervisor_stuck, OP02_without_a_heartbeat_for_60_s_it_is_killed_and_replaced)
{
    pid_t first, other;

    start(2, "silent");
    heard_all(2);
    first = workers.slots[0]->pid;
    other = workers.slots[1]->pid;
    set_silence(0, MINUTE_MS - 10000);
    look();
    cr_assert_not(is_killed(0), "after 50 s");
    set_silence(0, MINUTE_MS);
    look();
    cr_assert(is_killed(0));
    WAIT_FOR(workers.slots[0]->pid != first && running() == 2);
    cr_assert_eq(workers.slots[0]->restarts, 1);
    cr_assert_str_eq(workers.slots[0]->last_exit, "killed: it was stuck");
    cr_assert_not(workers.slots[0]->is_stuck, "its successor is not");
    cr_assert_eq(workers.slots[1]->pid, other);
}

Test(supervisor_stuck, OP02_the_supervisor_looks_by_itself)
{
    start(1, "silent");
    heard_all(1);
    set_silence(0, MINUTE_MS);
    WAIT_FOR(workers.slots[0]->restarts == 1);
}

Test(supervisor_stuck, OP02_not_while_a_disk_sync_hangs)
{
    start(1, "hung disk");
    heard_all(1);
    cr_assert_eq(workers.slots[0]->figures.disk_hangs, 1);
    set_silence(0, 60 * MINUTE_MS);
    look();
    cr_assert_not(is_killed(0));
    cr_assert_eq(running(), 1);
    workers.slots[0]->figures.disk_hangs = 0; /* the same silence without the reason for it */
    look();
    cr_assert(is_killed(0));
}

Test(supervisor_stuck, OP02_at_most_one_a_minute)
{
    start(3, "silent");
    heard_all(3);
    for (unsigned slot = 0; slot < 3; slot++)
        set_silence(slot, 2 * MINUTE_MS);
    look();
    cr_assert(is_killed(0));
    WAIT_FOR(workers.slots[0]->restarts == 1 && running() == 3);
    look();
    supervisor->last_stuck_ms -= MINUTE_MS - 10000;
    look();
    cr_assert(!is_killed(1) && !is_killed(2), "whatever kept all of them may be over soon");
    supervisor->last_stuck_ms -= 10000;
    look();
    cr_assert(is_killed(1) && !is_killed(2));
}

/* A deadline that was overrun shares the minute with the heartbeats. */
Test(supervisor_stuck, OP02_at_most_one_a_minute_for_whichever_reason)
{
    start(2, "silent");
    heard_all(2);
    supervisor_stuck(workers.slots[1], "a deadline was overrun");
    cr_assert(is_killed(1));
    set_silence(0, MINUTE_MS);
    look();
    cr_assert_not(is_killed(0));
}

Test(supervisor_stuck, OP02_one_that_drains_may_be_stuck_too)
{
    start(2, "busy"); /* it never becomes idle */
    heard_all(2);
    reload(1);
    cr_assert_eq(workers.slots[1]->state, WORKER_DRAINING);
    kill(workers.slots[1]->pid, SIGSTOP);
    set_silence(1, MINUTE_MS);
    look();
    WAIT_FOR(workers.slots[1] == NULL);
}

/* Killed as stuck while it held a message: counts as a death (MQ09). */
Test(supervisor_stuck, MQ09_a_message_that_holds_two_workers_up_is_held)
{
    start(1, "silent");
    heard_all(1);
    give_mail(1, 0, 1);
    for (uint32_t deaths = 1; deaths <= 2; deaths++) {
        WAIT_FOR(running() == 1 && workers.slots[0]->job_count == 1 &&
                 workers.slots[0]->figures.accepted == 1);
        supervisor->last_stuck_ms = 0;
        set_silence(0, MINUTE_MS);
        look();
        WAIT_FOR(queue_group(parts.queue, 1, 0)->crashes == deaths);
    }
    WAIT_FOR(queue_group(parts.queue, 1, 0)->state == QUEUE_HELD);
}

Test(supervisor_stuck, OP02_one_that_never_is_ready_is_killed)
{
    start(1, "mute");
    cr_assert_eq(workers.slots[0]->state, WORKER_STARTING);
    set_silence(0, 60 * MINUTE_MS);
    look();
    cr_assert_not(is_killed(0), "it has another limit");
    cr_assert(loop_timer_is_set(workers.slots[0]->timer), "30 s");
    loop_timer_set_ms(workers.slots[0]->timer, 0);
    WAIT_FOR(workers.slots[0]->restarts == 1);
    cr_assert_not_null(strstr(workers.slots[0]->last_exit, "signal 9"));
    cr_assert_not(is_started);
}

Test(supervisor_stuck, OP02_one_that_has_closed_its_channel_and_does_not_end_is_killed)
{
    start(1, "lingering");
    WAIT_FOR(workers.slots[0]->state == WORKER_RUNNING);
    WAIT_FOR(loop_timer_is_set(workers.slots[0]->timer)); /* 5 s for its last words */
    loop_timer_set_ms(workers.slots[0]->timer, 0);
    WAIT_FOR(workers.slots[0]->restarts == 1);
    cr_assert_not_null(strstr(workers.slots[0]->last_exit, "signal 9"));
}
