/* Dispatch against workers that are only the other ends of channels. */
#include <criterion/criterion.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/channel.h"
#include "common/clock.h"
#include "common/loop.h"
#include "common/profile.h"
#include "master/cells.h"
#include "master/dispatch.h"
#include "master/group.h"
#include "master/jobs.h"
#include "master/segments.h"
#include "master/worker.h"

enum { WORKERS = 4, JOBS_KEPT = 8192 };

static struct loop *loop;
static struct workers workers;
static struct segments *segments;
static struct queue *queue;
static struct dispatch *dispatch;
static unsigned cursor_moves, recalled, overruns;

static struct fake {
    struct channel *channel;
    struct ipc_mail_deliver jobs[JOBS_KEPT]; /* as they came, never taken out */
    size_t count, answered;
    unsigned cancels;
    uint64_t credit;
} fakes[WORKERS];

/* ---- cells: what the master reads of a lost job is what the test put here ---- */

static struct cell next_cell;
static int next_err;
static struct cell_item *asked;
static size_t asked_count;
static cells_done_cb *asked_done;
static void *asked_arg;

int cells_run(struct cells *cells, struct cell_item *items, size_t count, cells_done_cb *done,
              void *arg)
{
    (void)cells;
    asked = items;
    asked_count = count;
    asked_done = done;
    asked_arg = arg;
    return 0;
}

static void answer_cells(void)
{
    for (size_t i = 0; i < asked_count; i++) {
        asked[i].err = next_err;
        asked[i].cell = next_cell;
        if (asked[i].change.set_crashes)
            asked[i].cell.crashes = asked[i].change.crashes;
        if (asked[i].change.set_held)
            asked[i].cell.flags |= CELL_HELD;
    }
    asked_done(asked, asked_count, asked_arg);
    asked = NULL;
}

/* ---- fake workers ---- */

static void on_deliver(void *owner, const void *payload, int fd)
{
    struct fake *fake = owner;

    (void)fd;
    cr_assert_lt(fake->count, JOBS_KEPT);
    fake->jobs[fake->count++] = *(const struct ipc_mail_deliver *)payload;
}

static void on_cancel(void *owner, const void *payload, int fd)
{
    struct fake *fake = owner;

    (void)payload;
    (void)fd;
    fake->cancels++;
}

static void on_credit(void *owner, const void *payload, int fd)
{
    struct fake *fake = owner;

    (void)fd;
    fake->credit += ((const struct ipc_credit *)payload)->queued;
}

static void on_end(void *owner, int err)
{
    (void)owner;
    (void)err;
}

static channel_handler *const from_master[IPC_KIND_COUNT] = {
    [IPC_MAIL_DELIVER] = on_deliver, [IPC_MAIL_CANCEL] = on_cancel, [IPC_CREDIT] = on_credit
};
static channel_handler *const from_worker[IPC_KIND_COUNT];

static void count_move(void *arg)
{
    (void)arg;
    cursor_moves++;
}

static void count_recalled(uint64_t id, unsigned group, void *arg)
{
    (void)id;
    (void)group;
    (void)arg;
    recalled++;
}

static void count_overrun(struct worker *worker, void *arg)
{
    (void)worker;
    (void)arg;
    overruns++;
}

static void set_up(void)
{
    loop = workers.loop = loop_new();
    segments = segments_new(&workers);
    queue = queue_new(loop, segments);
    dispatch = dispatch_new(loop, queue, &workers, NULL);
    cr_assert_not_null(dispatch);
    *dispatch_hooks(dispatch) = (struct dispatch_hooks){ .on_cursor = count_move,
                                                         .on_recalled = count_recalled,
                                                         .on_overrun = count_overrun };
    for (unsigned slot = 0; slot < WORKERS; slot++) {
        struct worker *worker = workers_add(&workers, slot);
        int fds[2];

        cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
        worker->channel = channel_new(loop, fds[0], IPC_MASTER, from_worker, on_end, worker);
        worker->state = WORKER_RUNNING;
        fakes[slot].channel =
            channel_new(loop, fds[1], IPC_WORKER, from_master, on_end, &fakes[slot]);
    }
}

static void tear_down(void)
{
    dispatch_free(&dispatch);
    queue_free(&queue);
    for (unsigned slot = 0; slot < WORKERS; slot++) {
        worker_free(&workers.slots[slot]);
        channel_free(&fakes[slot].channel);
    }
    segments_free(&segments);
    loop_free(loop);
}

TestSuite(dispatch, .init = set_up, .fini = tear_down);

/* Only these run. */
static void keep_workers(unsigned count)
{
    for (unsigned slot = count; slot < WORKERS; slot++)
        workers.slots[slot]->state = WORKER_DOWN;
}

static void turns(void)
{
    for (int i = 0; i < 6; i++)
        loop_turn(loop, 2);
}

/* ---- profiles and mail ---- */

static void set_profile_of(uint32_t id, uint64_t version, enum profile_preference preference,
                           unsigned max_in_flight, const char *const *uris, size_t count)
{
    struct server_uri servers[8] = { 0 };
    struct profile profile = { .id = id,
                               .version = version,
                               .type = PROFILE_SMTP,
                               .servers = servers,
                               .server_count = count,
                               .preference = preference,
                               .max_in_flight = max_in_flight };

    for (size_t i = 0; i < count; i++)
        strcpy(servers[i].text, uris[i]);
    cr_assert_eq(dispatch_set_profile(dispatch, &profile, NULL), 0);
}

static const char *const three[] = { "smtp://a:25", "smtp://b:25", "smtp://c:25" };

static void set_profile(uint32_t id, enum profile_preference preference, unsigned max_in_flight)
{
    set_profile_of(id, 1, preference, max_in_flight, three, 3);
}

static uint64_t last_id;

static void queue_mail(uint32_t profile, unsigned origin, unsigned count, unsigned attempts)
{
    for (unsigned i = 0; i < count; i++) {
        const struct ipc_mail_queued queued = {
            .place = { .id = ++last_id, .segment = 1, .slot = (uint16_t)origin },
            .profile = profile,
            .rule = 1,
            .recipients = 1,
            .attempts = (uint16_t)attempts,
            .flags = attempts > 0 ? IPC_QUEUED_RECOVERED : 0,
        };

        cr_assert_eq(dispatch_queued(dispatch, workers.slots[origin], &queued), 0);
    }
}

static struct ipc_mail_outcome outcome_of(const struct ipc_mail_deliver *job,
                                          enum ipc_outcome outcome, int served)
{
    return (struct ipc_mail_outcome){ .place = job->place,
                                      .job = job->job,
                                      .version = job->version,
                                      .profile = job->profile,
                                      .outcome = (uint16_t)outcome,
                                      .attempts = (uint16_t)(job->attempts + 1),
                                      .served = (int16_t)served,
                                      .recipients = outcome == IPC_OUTCOME_DONE ? 0 : 1 };
}

static void answer(unsigned slot, const struct ipc_mail_deliver *job, enum ipc_outcome outcome,
                   int served)
{
    struct ipc_mail_outcome said = outcome_of(job, outcome, served);

    if (outcome == IPC_OUTCOME_DEFERRED)
        said.next_attempt_s = clock_to_epoch_s(clock_wall_ms()) + 600;
    cr_assert_eq(dispatch_outcome(dispatch, workers.slots[slot], &said), 0);
}

static size_t sent(void)
{
    size_t sum = 0;

    for (unsigned slot = 0; slot < WORKERS; slot++)
        sum += fakes[slot].count;
    return sum;
}

/* Everything that came is delivered by its start server, in the order in which it came. */
static void answer_all(void)
{
    for (unsigned slot = 0; slot < WORKERS; slot++) {
        struct fake *fake = &fakes[slot];

        while (fake->answered < fake->count) {
            const struct ipc_mail_deliver *job = &fake->jobs[fake->answered++];

            answer(slot, job, IPC_OUTCOME_DONE, job->start);
        }
    }
}

/* ---- order of servers ---- */

Test(dispatch, SP20_failover_starts_with_the_first)
{
    set_profile(1, PREFERENCE_FAILOVER, 100);
    queue_mail(1, 0, 10, 0);
    turns();
    cr_assert_eq(sent(), 10);
    for (unsigned slot = 0; slot < WORKERS; slot++) {
        for (size_t i = 0; i < fakes[slot].count; i++)
            cr_assert_eq(fakes[slot].jobs[i].start, 0);
    }
    cr_assert_eq(cursor_moves, 0);
}

Test(dispatch, SP21_one_by_one_strictly_in_turn)
{
    set_profile(1, PREFERENCE_ROUND_ROBIN, 100);
    keep_workers(1);
    for (unsigned i = 0; i < 7; i++) {
        cr_assert_eq(dispatch_next_start(dispatch, 1), (int)(i % 3));
        queue_mail(1, 0, 1, 0);
        turns();
        cr_assert_eq(fakes[0].count, i + 1);
        cr_assert_eq(fakes[0].jobs[i].start, i % 3);
        answer_all();
    }
    cr_assert_eq(cursor_moves, 7);
    cr_assert_eq(queue_mail_count(0, 0, queue), 0);
}

/* 3,000 over all workers at once, one server failing over half way: even to within one. */
Test(dispatch, SP21_parallel_over_all_workers_shares_exactly)
{
    unsigned served[3] = { 0 };
    size_t done = 0;

    set_profile(1, PREFERENCE_ROUND_ROBIN, 60);
    for (unsigned i = 0; i < 3000; i++)
        queue_mail(1, i % WORKERS, 1, 0);
    while (done < 3000) {
        loop_turn(loop, 2);
        for (unsigned slot = 0; slot < WORKERS; slot++) {
            struct fake *fake = &fakes[slot];

            for (; fake->answered < fake->count; fake->answered++, done++) {
                const struct ipc_mail_deliver *job = &fake->jobs[fake->answered];

                served[job->start]++;
                answer(slot, job, IPC_OUTCOME_DONE, job->start);
            }
        }
    }
    for (int i = 0; i < 3; i++)
        cr_assert_eq(served[i], 1000, "server %d: %u", i, served[i]);
}

Test(dispatch, SP21_the_others_share_a_dead_servers_part_evenly)
{
    unsigned served[3] = { 0 };
    size_t done = 0;

    set_profile(1, PREFERENCE_ROUND_ROBIN, 60);
    for (unsigned i = 0; i < 3000; i++)
        queue_mail(1, i % WORKERS, 1, 0);
    while (done < 3000) {
        loop_turn(loop, 2);
        for (unsigned slot = 0; slot < WORKERS; slot++) {
            struct fake *fake = &fakes[slot];

            for (; fake->answered < fake->count; fake->answered++, done++) {
                const struct ipc_mail_deliver *job = &fake->jobs[fake->answered];
                int by = job->start == 1 ? 2 : job->start;

                served[by]++;
                answer(slot, job, IPC_OUTCOME_DONE, by);
            }
        }
    }
    cr_assert_eq(served[1], 0);
    cr_assert_leq(abs((int)served[0] - (int)served[2]), 75, "%u and %u: beyond 5 %%", served[0],
                  served[2]);
}

Test(dispatch, SP21_an_edit_keeps_the_order)
{
    const char *const edited[] = { "smtp://a:25", "smtp://x:25", "smtp://b:25", "smtp://c:25" };

    set_profile(1, PREFERENCE_ROUND_ROBIN, 100);
    queue_mail(1, 0, 2, 0); /* a, b */
    turns();
    set_profile_of(1, 2, PREFERENCE_ROUND_ROBIN, 100, edited, 4);
    cr_assert_eq(dispatch_next_start(dispatch, 1), 3, "c follows b");
    queue_mail(1, 0, 1, 0);
    turns();
    for (unsigned slot = 0; slot < WORKERS; slot++) {
        for (size_t i = 0; i < fakes[slot].count; i++)
            cr_assert(fakes[slot].jobs[i].version == 1 || fakes[slot].jobs[i].start == 3);
    }
}

/* An outcome that speaks of the list before an edit is understood by that list. */
Test(dispatch, SP21_outcomes_speak_of_the_list_they_were_given)
{
    const char *const edited[] = { "smtp://c:25", "smtp://a:25", "smtp://b:25" };

    set_profile(1, PREFERENCE_ROUND_ROBIN, 100);
    keep_workers(1);
    queue_mail(1, 0, 1, 0);
    turns();
    set_profile_of(1, 2, PREFERENCE_ROUND_ROBIN, 100, edited, 3);
    answer(0, &fakes[0].jobs[0], IPC_OUTCOME_DONE, 1); /* b, in the old list, by failover */
    cr_assert_eq(dispatch_next_start(dispatch, 1), 0, "b has had its turn, so c");
}

/* ---- fairness ---- */

Test(dispatch, MQ0A_new_before_deferred_three_to_one)
{
    unsigned fresh = 0;

    set_profile(1, PREFERENCE_FAILOVER, 12);
    keep_workers(1);
    queue_mail(1, 0, 50, 1);
    queue_mail(1, 0, 50, 0);
    turns();
    cr_assert_eq(fakes[0].count, 12);
    for (size_t i = 0; i < 12; i++)
        fresh += fakes[0].jobs[i].attempts == 0 ? 1 : 0;
    cr_assert_eq(fresh, 9);
}

Test(dispatch, MQ0A_profiles_are_served_in_turn)
{
    unsigned of_second = 0;

    set_profile(1, PREFERENCE_FAILOVER, 1000);
    set_profile(2, PREFERENCE_FAILOVER, 1000);
    keep_workers(1);
    queue_mail(1, 0, 2000, 0);
    queue_mail(2, 0, 10, 0);
    turns();
    for (size_t i = 0; i < 20; i++)
        of_second += fakes[0].jobs[i].profile == 2 ? 1 : 0;
    cr_assert_eq(of_second, 10, "every other one, as long as there are any");
}

Test(dispatch, max_in_flight_holds)
{
    set_profile(1, PREFERENCE_FAILOVER, 5);
    queue_mail(1, 0, 50, 0);
    turns();
    cr_assert_eq(sent(), 5);
    cr_assert_eq(dispatch_in_flight(dispatch, 1), 5);
    answer_all();
    turns();
    cr_assert_eq(sent(), 10);
}

/* Two profiles whose servers hang, with all the room in the world, leave room for a third. */
Test(dispatch, SP25_hanging_profiles_leave_room_for_others)
{
    set_profile(1, PREFERENCE_FAILOVER, 10000);
    set_profile(2, PREFERENCE_FAILOVER, 10000);
    set_profile(3, PREFERENCE_FAILOVER, 10000);
    queue_mail(1, 0, 5000, 0);
    turns();
    queue_mail(2, 0, 5000, 0);
    turns();
    cr_assert_leq(dispatch_in_flight(dispatch, 1), WORKERS * IPC_JOBS_PER_WORKER / 2);
    queue_mail(3, 0, 20, 0);
    turns();
    cr_assert_eq(dispatch_in_flight(dispatch, 3), 20);
}

Test(dispatch, a_single_profile_may_use_all_credit_and_no_more)
{
    set_profile(1, PREFERENCE_FAILOVER, 10000);
    queue_mail(1, 0, 5000, 0);
    for (int i = 0; i < 10; i++)
        turns();
    cr_assert_eq(sent(), WORKERS * IPC_JOBS_PER_WORKER);
    for (unsigned slot = 0; slot < WORKERS; slot++)
        cr_assert_eq(workers.slots[slot]->job_count, IPC_JOBS_PER_WORKER);
}

Test(dispatch, credit_is_given_back_for_what_was_taken_in)
{
    set_profile(1, PREFERENCE_FAILOVER, 1);
    queue_mail(1, 2, 100, 0);
    turns();
    cr_assert_eq(fakes[2].credit, 100);
    cr_assert_eq(fakes[0].credit, 0);
}

/* ---- which worker ---- */

Test(dispatch, SP46_prefers_an_idle_connection)
{
    const struct ipc_connections idle = { .profile = 1, .server = 0, .idle = 1, .open = 1 };

    set_profile(1, PREFERENCE_FAILOVER, 100);
    dispatch_connections(dispatch, workers.slots[3], &idle);
    queue_mail(1, 0, 2, 0);
    turns();
    cr_assert_eq(fakes[3].count, 1, "one idle connection, one job for it");
    cr_assert_eq(fakes[0].count, 1, "the other goes to where the message is");
}

Test(dispatch, goes_to_its_origin_unless_that_is_busy)
{
    set_profile(1, PREFERENCE_FAILOVER, 1000);
    queue_mail(1, 1, 40, 0);
    turns();
    cr_assert_leq(fakes[1].count, 14, "its load stays near the others'");
    cr_assert_geq(fakes[1].count, 10);
}

Test(dispatch, nothing_goes_to_a_worker_that_is_not_running)
{
    set_profile(1, PREFERENCE_FAILOVER, 100);
    workers.slots[0]->state = WORKER_DRAINING;
    workers.slots[1]->state = WORKER_STARTING;
    queue_mail(1, 0, 10, 0);
    turns();
    cr_assert_eq(fakes[0].count + fakes[1].count, 0);
    cr_assert_eq(fakes[2].count + fakes[3].count, 10);
}

Test(dispatch, mail_of_an_unknown_profile_waits)
{
    queue_mail(9, 0, 3, 0);
    turns();
    cr_assert_eq(sent(), 0);
    set_profile(9, PREFERENCE_FAILOVER, 100);
    turns();
    cr_assert_eq(sent(), 3);
}

/* ---- outcomes ---- */

static const struct {
    enum ipc_outcome outcome;
    int state; /* -1: gone */
    unsigned attempts;
} ends[] = {
    { IPC_OUTCOME_DONE, -1, 0 },
    { IPC_OUTCOME_FAILED, QUEUE_FAILED, 1 },
    { IPC_OUTCOME_DEFERRED, QUEUE_WAITING, 1 },
    { IPC_OUTCOME_NO_ROOM, QUEUE_WAITING, 0 },
    { IPC_OUTCOME_NOT_HELD, QUEUE_WAITING, 0 },
};

Test(dispatch, every_outcome_has_its_state)
{
    cr_assert_eq(sizeof(ends) / sizeof(ends[0]), IPC_OUTCOME_COUNT);
    set_profile(1, PREFERENCE_FAILOVER, 100);
    keep_workers(1);
    for (size_t i = 0; i < IPC_OUTCOME_COUNT; i++) {
        const struct group *group;

        queue_mail(1, 0, 1, 0);
        turns();
        answer(0, &fakes[0].jobs[i], ends[i].outcome, -1);
        group = queue_group(queue, last_id, 0);
        if (ends[i].state < 0) {
            cr_assert_null(group);
            continue;
        }
        cr_assert_eq(group->state, ends[i].state, "outcome %zu", i);
        cr_assert_eq(group->attempts, ends[i].attempts, "outcome %zu", i);
        cr_assert_eq(segments_pins(segments, 0, 1), i, "still needed");
    }
}

Test(dispatch, no_room_comes_again_with_its_turn_and_what_was_tried)
{
    struct ipc_mail_outcome said;

    set_profile(1, PREFERENCE_ROUND_ROBIN, 100);
    keep_workers(1);
    queue_mail(1, 0, 2, 0);
    turns();
    said = outcome_of(&fakes[0].jobs[1], IPC_OUTCOME_NO_ROOM, -1);
    said.tried = 5;
    cr_assert_eq(dispatch_outcome(dispatch, workers.slots[0], &said), 0);
    for (int i = 0; i < 400 && fakes[0].count < 3; i++)
        loop_turn(loop, 10);
    cr_assert_eq(fakes[0].count, 3);
    cr_assert_eq(fakes[0].jobs[2].start, 1, "no new turn");
    cr_assert_eq(fakes[0].jobs[2].tried, 5);
    cr_assert_eq(dispatch_next_start(dispatch, 1), 2);
}

Test(dispatch, nonsense_is_told_from_what_is_late)
{
    struct ipc_mail_outcome said;

    set_profile(1, PREFERENCE_FAILOVER, 100);
    keep_workers(1);
    queue_mail(1, 0, 1, 0);
    turns();
    said = outcome_of(&fakes[0].jobs[0], IPC_OUTCOME_DONE, 0);
    said.outcome = IPC_OUTCOME_COUNT;
    cr_assert_eq(dispatch_outcome(dispatch, workers.slots[0], &said), -EBADMSG);
    said = outcome_of(&fakes[0].jobs[0], IPC_OUTCOME_DONE, 3);
    cr_assert_eq(dispatch_outcome(dispatch, workers.slots[0], &said), -EBADMSG, "no such server");
    said = outcome_of(&fakes[0].jobs[0], IPC_OUTCOME_DONE, -2);
    cr_assert_eq(dispatch_outcome(dispatch, workers.slots[0], &said), -EBADMSG);
    said = outcome_of(&fakes[0].jobs[0], IPC_OUTCOME_DONE, 0);
    said.place.id++;
    cr_assert_eq(dispatch_outcome(dispatch, workers.slots[0], &said), -EBADMSG);
    said = outcome_of(&fakes[0].jobs[0], IPC_OUTCOME_DONE, 0);
    cr_assert_eq(dispatch_outcome(dispatch, workers.slots[1], &said), -EBADMSG, "not its job");
    said.note_slot = ID_SLOTS;
    cr_assert_eq(dispatch_outcome(dispatch, workers.slots[0], &said), -EBADMSG);
    said = outcome_of(&fakes[0].jobs[0], IPC_OUTCOME_DONE, 0);
    cr_assert_eq(dispatch_outcome(dispatch, workers.slots[0], &said), 0);
    cr_assert_eq(dispatch_outcome(dispatch, workers.slots[0], &said), 0, "twice: ignored");
}

Test(dispatch, nonsense_about_queued_mail_is_refused)
{
    const struct ipc_mail_queued bad[] = {
        { .place = { .id = 0, .segment = 1 }, .profile = 1 },
        { .place = { .id = 1, .segment = 0 }, .profile = 1 },
        { .place = { .id = 1, .segment = 1, .slot = ID_SLOTS }, .profile = 1 },
        { .place = { .id = 1, .segment = 1 }, .note_slot = ID_SLOTS },
        { .place = { .id = 1, .segment = 1, .group = 1000 }, .profile = 1 },
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        cr_assert_eq(dispatch_queued(dispatch, workers.slots[0], &bad[i]), -EBADMSG, "%zu", i);
}

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
} cells_after[] = {
    { "untouched", { .stage = CELL_OPEN }, 0, QUEUE_READY },
    { "recorded as done before the outcome was heard", { .stage = CELL_DONE }, 0, -1 },
    { "deleted", { .stage = CELL_DELETED }, 0, -1 },
    { "failed", { .stage = CELL_FAILED, .attempts = 1 }, 0, QUEUE_FAILED },
    { "held", { .flags = CELL_HELD }, 0, QUEUE_HELD },
    { "deferred", { .attempts = 1, .next_attempt_s = UINT32_MAX }, 0, QUEUE_WAITING },
    { "unreadable", { .stage = CELL_OPEN }, -EIO, QUEUE_WAITING },
};

Test(dispatch, MQ03_what_a_dead_worker_had_goes_where_its_cell_says)
{
    set_profile(1, PREFERENCE_FAILOVER, 100);
    for (size_t i = 0; i < sizeof(cells_after) / sizeof(cells_after[0]); i++) {
        const struct group *group;

        keep_workers(1);
        workers.slots[0]->state = WORKER_RUNNING;
        queue_mail(1, 0, 1, 0);
        turns();
        lose(0, false);
        group = queue_group(queue, last_id, 0);
        cr_assert_eq(group->state, QUEUE_CHECKING, "%s: nothing before the cell is read",
                     cells_after[i].what);
        cr_assert_eq(asked_count, 1);
        cr_assert_not(asked[0].change.is_write);
        next_cell = cells_after[i].cell;
        next_err = cells_after[i].err;
        answer_cells();
        group = queue_group(queue, last_id, 0);
        if (cells_after[i].state < 0)
            cr_assert_null(group, "%s", cells_after[i].what);
        else
            cr_assert_eq(group->state, cells_after[i].state, "%s", cells_after[i].what);
        if (group != NULL)
            queue_set_held(queue, queue_group(queue, last_id, 0));
    }
    cr_assert_eq(dispatch_in_flight(dispatch, 1), 0);
}

Test(dispatch, MQ09_after_one_death_it_runs_alone)
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
    cr_assert_not(asked[0].change.set_held);
    answer_cells();
    queue_mail(1, 1, 3, 0);
    turns();
    cr_assert_eq(fakes[1].count, 1, "nothing beside the suspect");
    cr_assert_eq(fakes[1].jobs[0].place.id, 1);
    answer(1, &fakes[1].jobs[0], IPC_OUTCOME_DONE, 0);
    turns();
    cr_assert_eq(fakes[1].count, 4, "then the others");
}

Test(dispatch, MQ09_a_suspect_waits_for_an_empty_worker)
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

Test(dispatch, MQ09_after_two_deaths_it_is_held_and_all_else_goes_on)
{
    set_profile(1, PREFERENCE_FAILOVER, 100);
    keep_workers(2);
    queue_mail(1, 0, 1, 0);
    turns();
    lose(fakes[0].count > 0 ? 0 : 1, true);
    answer_cells();
    turns();
    cr_assert_eq(sent(), 2);
    lose(fakes[0].count > 0 && workers.slots[0]->state == WORKER_RUNNING ? 0 : 1, true);
    cr_assert(asked[0].change.set_held);
    answer_cells();
    cr_assert_eq(queue_group(queue, 1, 0)->state, QUEUE_HELD);
    workers.slots[2]->state = WORKER_RUNNING;
    queue_mail(1, 2, 5, 0);
    turns();
    cr_assert_eq(fakes[2].count, 5);
}

/* ---- recall ---- */

Test(dispatch, MQ06_a_recalled_group_is_told_of_once)
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

Test(dispatch, MQ06_a_recalled_group_of_a_dead_worker_is_told_of_after_its_cell_was_read)
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

Test(dispatch, stopped_gives_nothing_out_and_takes_outcomes_in)
{
    set_profile(1, PREFERENCE_FAILOVER, 1);
    keep_workers(1);
    queue_mail(1, 0, 2, 0);
    turns();
    dispatch_stop(dispatch);
    answer(0, &fakes[0].jobs[0], IPC_OUTCOME_DONE, 0);
    turns();
    cr_assert_eq(fakes[0].count, 1);
    cr_assert_eq(queue_mail_count(0, 0, queue), 1);
}

Test(dispatch, cursors_are_printed_for_the_file)
{
    char *text;

    set_profile(4, PREFERENCE_ROUND_ROBIN, 100);
    set_profile(5, PREFERENCE_FAILOVER, 100);
    queue_mail(4, 0, 1, 0);
    turns();
    text = dispatch_cursors(dispatch);
    cr_assert_eq(strncmp(text, "4 ", 2), 0);
    cr_assert_eq(strchr(text, '\n')[1], '\0', "no line for one without turns");
    free(text);
}
