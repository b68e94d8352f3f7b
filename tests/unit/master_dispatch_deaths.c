/* What becomes of jobs whose worker dies, hangs, or is told to give them back. */
#include "dispatch_stage.h"

#include "master/dispatch_parts.h"

TestSuite(dispatch_deaths, .init = set_up, .fini = tear_down);

/* ---- the end of a worker ---- */

static void lose(unsigned slot, bool is_crash)
{
    workers.slots[slot]->state = WORKER_DOWN;
    dispatch_worker_lost(dispatch, workers.slots[slot], is_crash);
}

static const struct {
    const char *what;
    struct cell cell;
    int err;
    int state;
    int told; /* enum ipc_outcome that counts, -1: it came to nothing */
} cells_after[] = {
    { "untouched", { .stage = CELL_OPEN }, 0, QUEUE_READY, -1 },
    { "recorded as done before the outcome was heard",
      { .stage = CELL_DONE },
      0,
      -1,
      IPC_OUTCOME_DONE },
    { "deleted", { .stage = CELL_DELETED }, 0, -1, -1 },
    { "failed", { .stage = CELL_FAILED, .attempts = 1 }, 0, QUEUE_FAILED, IPC_OUTCOME_FAILED },
    { "held", { .flags = CELL_HELD }, 0, QUEUE_HELD, -1 },
    { "quarantined", { .flags = CELL_QUARANTINED }, 0, QUEUE_QUARANTINED, IPC_OUTCOME_QUARANTINED },
    { "deferred",
      { .attempts = 1, .next_attempt_s = UINT32_MAX },
      0,
      QUEUE_WAITING,
      IPC_OUTCOME_DEFERRED },
    { "unreadable", { .stage = CELL_DONE }, -EIO, QUEUE_WAITING, -1 },
};

static unsigned told[IPC_OUTCOME_COUNT];

static void count_told(enum ipc_outcome outcome, void *arg)
{
    (void)arg;
    told[outcome]++;
}

static unsigned told_in_all(void)
{
    unsigned sum = 0;

    for (unsigned i = 0; i < IPC_OUTCOME_COUNT; i++)
        sum += told[i];
    return sum;
}

Test(dispatch_deaths, MQ03_what_a_dead_worker_had_goes_where_its_cell_says)
{
    set_profile(1, PREFERENCE_FAILOVER, 100);
    for (size_t i = 0; i < sizeof(cells_after) / sizeof(cells_after[0]); i++) {
        const struct group *group;

        memset(told, 0, sizeof(told));
        dispatch_hooks(dispatch)->on_outcome = count_told;
        keep_workers(1);
        workers.slots[0]->state = WORKER_RUNNING;
        queue_mail(1, 0, 1, 0);
        turns();
        lose(0, false);
        group = queue_group(queue, last_id, 0);
        cr_assert_eq(group->state, QUEUE_CHECKING, "%s: nothing before the cell is read",
                     cells_after[i].what);
        cr_assert(segments_is_held(segments), "its segment may be needed after all");
        cr_assert_eq(asked_count, 1);
        cr_assert_not(asked[0].change.is_write);
        next_cell = cells_after[i].cell;
        next_err = cells_after[i].err;
        answer_cells();
        cr_assert_not(segments_is_held(segments));
        group = queue_group(queue, last_id, 0);
        cr_assert_eq(told_in_all(), cells_after[i].told >= 0 ? 1 : 0, "%s", cells_after[i].what);
        if (cells_after[i].told >= 0)
            cr_assert_eq(told[cells_after[i].told], 1, "%s", cells_after[i].what);
        if (cells_after[i].state < 0)
            cr_assert_null(group, "%s", cells_after[i].what);
        else
            cr_assert_eq(group->state, cells_after[i].state, "%s", cells_after[i].what);
        if (group != NULL)
            queue_set_held(queue, queue_group(queue, last_id, 0));
    }
    cr_assert_eq(dispatch_in_flight(dispatch, 1), 0);
}

Test(dispatch_deaths, SP46_a_dead_worker_has_no_idle_connections)
{
    set_profile(1, PREFERENCE_FAILOVER, 100);
    give_connections(2, 1, 1);
    lose(2, false);
    workers.slots[2]->state = WORKER_RUNNING; /* its successor */
    queue_mail(1, 1, 1, 0);
    turns();
    cr_assert_eq(fakes[2].count, 0);
    cr_assert_eq(fakes[1].count, 1);
}

Test(dispatch_deaths, MQ09_after_one_death_it_runs_alone)
{
    next_cell = (struct cell){ 0 };
    next_err = 0;
    set_profile(1, PREFERENCE_FAILOVER, 100);
    keep_workers(1);
    queue_mail(1, 0, 1, 0);
    turns();
    workers.slots[1]->state = WORKER_RUNNING;
    lose(0, true);
    cr_assert(asked[0].change.is_write && asked[0].change.set_crashes);
    cr_assert_eq(asked[0].change.crashes, 1);
    cr_assert_eq(asked[0].change.set_flags, 0);
    answer_cells();
    queue_mail(1, 1, 3, 0);
    turns();
    cr_assert_eq(fakes[1].count, 1, "nothing beside the suspect");
    cr_assert_eq(fakes[1].jobs[0].place.id, 1);
    answer(1, &fakes[1].jobs[0], IPC_OUTCOME_DONE, 0);
    turns();
    cr_assert_eq(fakes[1].count, 4, "then the others");
}

Test(dispatch_deaths, MQ09_a_suspect_waits_for_an_empty_worker)
{
    set_profile(1, PREFERENCE_FAILOVER, 100);
    keep_workers(2);
    workers.slots[1]->state = WORKER_DOWN;
    queue_mail(1, 0, 1, 0);
    turns();
    workers.slots[1]->state = WORKER_RUNNING;
    queue_mail(1, 1, 1, 0);
    turns();
    cr_assert_eq(fakes[1].count, 1);
    lose(0, true);
    answer_cells();
    queue_mail(1, 1, 5, 0);
    turns();
    cr_assert_eq(fakes[1].count, 1, "being emptied");
    answer(1, &fakes[1].jobs[0], IPC_OUTCOME_DONE, 0);
    turns();
    cr_assert_eq(fakes[1].count, 2);
    cr_assert_eq(fakes[1].jobs[1].place.id, 1);
}

static unsigned told_held;

static void count_held(const struct group *group, void *arg)
{
    (void)arg;
    cr_assert_eq(group->crashes, QUEUE_CRASHES_TO_HOLD);
    told_held++;
}

Test(dispatch_deaths, MQ09_after_two_deaths_it_is_held_and_all_else_goes_on)
{
    dispatch_hooks(dispatch)->on_held = count_held;
    set_profile(1, PREFERENCE_FAILOVER, 100);
    keep_workers(2);
    queue_mail(1, 0, 1, 0);
    turns();
    lose(fakes[0].count > 0 ? 0 : 1, true);
    answer_cells();
    turns();
    cr_assert_eq(sent(), 2);
    lose(fakes[0].count > 0 && workers.slots[0]->state == WORKER_RUNNING ? 0 : 1, true);
    cr_assert_eq(asked[0].change.set_flags, CELL_HELD);
    answer_cells();
    cr_assert_eq(queue_group(queue, 1, 0)->state, QUEUE_HELD);
    cr_assert_eq(told_held, 1u);
    workers.slots[2]->state = WORKER_RUNNING;
    queue_mail(1, 2, 5, 0);
    turns();
    cr_assert_eq(fakes[2].count, 5);
}

/* After a restart an operator is still to decide; what he holds himself he knows of. */
Test(dispatch_deaths, MQ09_what_is_found_held_is_told_once_more)
{
    struct ipc_mail_queued queued = { .place = { .id = 9, .segment = 1 },
                                      .profile = 1,
                                      .recipients = 1,
                                      .flags = IPC_QUEUED_RECOVERED | IPC_QUEUED_HELD };

    dispatch_hooks(dispatch)->on_held = count_held;
    cr_assert_eq(dispatch_queued(dispatch, workers.slots[0], &queued), 0);
    cr_assert_eq(told_held, 0u);
    queued.place.id = 10;
    queued.crashes = 2;
    cr_assert_eq(dispatch_queued(dispatch, workers.slots[0], &queued), 0);
    cr_assert_eq(told_held, 1u);
}

/* One death, and the suspect is alone at worker 1 beside mail that waits for it. */
static void send_suspect(void)
{
    next_cell = (struct cell){ 0 };
    next_err = 0;
    set_profile(1, PREFERENCE_FAILOVER, 100);
    keep_workers(1);
    queue_mail(1, 0, 1, 0);
    turns();
    workers.slots[1]->state = WORKER_RUNNING;
    lose(0, true);
    answer_cells();
    queue_mail(1, 1, 3, 0);
    turns();
    cr_assert_eq(fakes[1].count, 1);
}

Test(dispatch_deaths, MQ09_what_came_back_is_no_suspect_any_more)
{
    send_suspect();
    cr_assert_eq(queue_group(queue, 1, 0)->crashes, 1);
    answer(1, &fakes[1].jobs[0], IPC_OUTCOME_DEFERRED, 0);
    cr_assert_eq(queue_group(queue, 1, 0)->crashes, 0);
}

Test(dispatch_deaths, MQ09_a_suspect_that_lives_long_stops_the_others_no_longer)
{
    send_suspect();
    dispatch->alone.since_ms -= 9000;
    turns();
    cr_assert_eq(fakes[1].count, 1, "after 9 s");
    dispatch->alone.since_ms -= 1000;
    turns();
    cr_assert_eq(fakes[1].count, 4, "after 10 s, though it is still out");
}

Test(dispatch_deaths, OP04_what_each_delivery_came_to_is_told_once)
{
    memset(told, 0, sizeof(told));
    dispatch_hooks(dispatch)->on_outcome = count_told;
    set_profile(1, PREFERENCE_FAILOVER, 100);
    keep_workers(1);
    queue_mail(1, 0, 2, 0);
    turns();
    answer(0, &fakes[0].jobs[0], IPC_OUTCOME_DONE, 0);
    cr_assert_eq(told[IPC_OUTCOME_DONE], 1);
    answer(0, &fakes[0].jobs[0], IPC_OUTCOME_DONE, 0); /* nobody has that job any more */
    cr_assert_eq(told[IPC_OUTCOME_DONE], 1);
    answer(0, &fakes[0].jobs[1], IPC_OUTCOME_DEFERRED, 0);
    cr_assert_eq(told[IPC_OUTCOME_DEFERRED], 1);
    cr_assert_eq(told_in_all(), 2);
}

/* ---- deadlines ---- */

static void look(void)
{
    loop_timer_set_ms(dispatch->watch, 0);
    turns();
}

Test(dispatch_deaths, OP02_a_job_is_cancelled_at_its_deadline_and_its_worker_told_of_if_it_keeps_it)
{
    struct job *job;

    set_profile(1, PREFERENCE_FAILOVER, 100);
    keep_workers(1);
    queue_mail(1, 0, 1, 0);
    turns();
    job = TAILQ_FIRST(&workers.slots[0]->jobs);
    job->sent_ms -= DISPATCH_DEADLINE_MS; /* the worker's own limit; it has some grace */
    look();
    cr_assert_eq(fakes[0].cancels, 0);
    job->sent_ms -= DISPATCH_GRACE_MS;
    look();
    cr_assert_eq(fakes[0].cancels, 1);
    job->cancelled_ms -= DISPATCH_CANCEL_MS - 5000;
    look();
    cr_assert_eq(overruns, 0, "it may be about to end");
    job->cancelled_ms -= 5000;
    look();
    cr_assert_eq(overruns, 1);
    cr_assert_eq(fakes[0].cancels, 1, "told once");
}

/* ---- recall ---- */

Test(dispatch_deaths, MQ06_a_recalled_group_is_told_of_once)
{
    set_profile(1, PREFERENCE_FAILOVER, 100);
    keep_workers(1);
    queue_mail(1, 0, 1, 0);
    turns();
    dispatch_recall(queue_group(queue, 1, 0));
    turns();
    cr_assert_eq(fakes[0].cancels, 1);
    cr_assert_eq(recalled, 0);
    answer(0, &fakes[0].jobs[0], IPC_OUTCOME_DEFERRED, -1);
    cr_assert_eq(recalled, 1);
    cr_assert_eq(queue_group(queue, 1, 0)->state, QUEUE_WAITING);
}

Test(dispatch_deaths, MQ06_a_recalled_group_of_a_dead_worker_is_told_of_after_its_cell_was_read)
{
    next_cell = (struct cell){ 0 };
    next_err = 0;
    set_profile(1, PREFERENCE_FAILOVER, 100);
    keep_workers(1);
    queue_mail(1, 0, 1, 0);
    turns();
    dispatch_recall(queue_group(queue, 1, 0));
    lose(0, false);
    cr_assert_eq(recalled, 0);
    answer_cells();
    cr_assert_eq(recalled, 1);
}
