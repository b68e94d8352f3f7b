/* tests/unit/dispatch_stage.h: dispatch against workers that are only the other ends of channels,
 * and against cells that say what the test put there. Included once per test executable. */
#ifndef TESTS_UNIT_DISPATCH_STAGE_H
#define TESTS_UNIT_DISPATCH_STAGE_H

#include <criterion/criterion.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/channel.h"
#include "common/clock.h"
#include "common/loop.h"
#include "common/profile.h"
#include "common/server_uri.h"
#include "master/budget.h"
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
    struct ipc_health_probe probes[100]; /* the same */
    size_t probe_count;
    unsigned cancels;
    unsigned reclaimed;
    struct ipc_server_bears bears; /* the last */
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

static inline void answer_cells(void)
{
    for (size_t i = 0; i < asked_count; i++) {
        asked[i].err = next_err;
        asked[i].cell = next_cell;
        if (asked[i].change.set_crashes)
            asked[i].cell.crashes = asked[i].change.crashes;
        asked[i].cell.flags |= asked[i].change.set_flags;
    }
    asked_done(asked, asked_count, asked_arg);
    asked = NULL;
}

/* ---- fake workers ---- */

static inline void on_deliver(void *owner, const void *payload, int fd)
{
    struct fake *fake = owner;

    (void)fd;
    cr_assert_lt(fake->count, JOBS_KEPT);
    fake->jobs[fake->count++] = *(const struct ipc_mail_deliver *)payload;
}

static inline void on_cancel(void *owner, const void *payload, int fd)
{
    struct fake *fake = owner;

    (void)payload;
    (void)fd;
    fake->cancels++;
}

static inline void on_probe(void *owner, const void *payload, int fd)
{
    struct fake *fake = owner;

    (void)fd;
    cr_assert_lt(fake->probe_count, 100u);
    fake->probes[fake->probe_count++] = *(const struct ipc_health_probe *)payload;
}

static inline void on_credit(void *owner, const void *payload, int fd)
{
    struct fake *fake = owner;

    (void)fd;
    fake->credit += ((const struct ipc_credit *)payload)->queued;
}

static inline void on_reclaim(void *owner, const void *payload, int fd)
{
    struct fake *fake = owner;

    (void)fd;
    fake->reclaimed += ((const struct ipc_reclaim *)payload)->count;
}

static inline void on_bears(void *owner, const void *payload, int fd)
{
    struct fake *fake = owner;

    (void)fd;
    fake->bears = *(const struct ipc_server_bears *)payload;
}

static inline void on_end(void *owner, int err)
{
    (void)owner;
    (void)err;
}

static channel_handler *const from_master[IPC_KIND_COUNT] = {
    [IPC_MAIL_DELIVER] = on_deliver, [IPC_MAIL_CANCEL] = on_cancel, [IPC_CREDIT] = on_credit,
    [IPC_RECLAIM] = on_reclaim,      [IPC_SERVER_BEARS] = on_bears, [IPC_HEALTH_PROBE] = on_probe
};
static channel_handler *const from_worker[IPC_KIND_COUNT];

static inline void count_move(void *arg)
{
    (void)arg;
    cursor_moves++;
}

static inline void count_recalled(uint64_t id, unsigned group, void *arg)
{
    (void)id;
    (void)group;
    (void)arg;
    recalled++;
}

static inline void count_overrun(struct worker *worker, void *arg)
{
    (void)worker;
    (void)arg;
    overruns++;
}

static inline void set_up(void)
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

static inline void tear_down(void)
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

/* Only these run. */
static inline void keep_workers(unsigned count)
{
    for (unsigned slot = count; slot < WORKERS; slot++)
        workers.slots[slot]->state = WORKER_DOWN;
}

static inline void turns(void)
{
    for (int i = 0; i < 6; i++)
        loop_turn(loop, 2);
}

/* ---- profiles and mail ---- */

static uint32_t lifetime_s = 432000, age_s; /* of mail: what it may reach, and has */

static inline void set_profile_of(uint32_t id, uint64_t version, enum profile_preference preference,
                                  unsigned max_in_flight, const char *const *uris, size_t count)
{
    struct server_uri servers[8] = { 0 };
    char name[16];
    struct profile profile = { .id = id,
                               .name = name,
                               .version = version,
                               .type = PROFILE_SMTP,
                               .servers = servers,
                               .server_count = count,
                               .preference = preference,
                               .retry = { .lifetime_s = lifetime_s },
                               .max_in_flight = max_in_flight };

    snprintf(name, sizeof(name), "p%u", id);
    for (size_t i = 0; i < count; i++)
        strcpy(servers[i].text, uris[i]);
    cr_assert_eq(dispatch_set_profile(dispatch, &profile, NULL), 0);
}

static const char *const three[] = { "smtp://a:25", "smtp://b:25", "smtp://c:25" };

static inline void set_profile(uint32_t id, enum profile_preference preference,
                               unsigned max_in_flight)
{
    set_profile_of(id, 1, preference, max_in_flight, three, 3);
}

/* This worker has so many connections open to the first of the three, all idle. */
static inline void give_connections(unsigned slot, uint32_t profile, unsigned count)
{
    const struct ipc_connections said = { .server = server_uri_identity(three[0]),
                                          .profile = profile,
                                          .idle = (uint16_t)count,
                                          .open = (uint16_t)count };
    struct budget *budget = dispatch_budget(dispatch);
    struct account *account = budget_account(budget, profile, said.server);

    for (unsigned i = 0; i < count; i++)
        cr_assert(budget_take(budget, account, slot));
    budget_connections(budget, workers.slots[slot], &said);
}

static uint64_t last_id;

static inline void queue_mail(uint32_t profile, unsigned origin, unsigned count, unsigned attempts)
{
    for (unsigned i = 0; i < count; i++) {
        const struct ipc_mail_queued queued = {
            .place = { .id = ++last_id, .segment = 1, .slot = (uint16_t)origin },
            .profile = profile,
            .rule = 1,
            .recipients = 1,
            .received_s = clock_to_epoch_s(clock_wall_ms()) - age_s,
            .attempts = (uint16_t)attempts,
            .flags = attempts > 0 ? IPC_QUEUED_RECOVERED : 0,
        };

        cr_assert_eq(dispatch_queued(dispatch, workers.slots[origin], &queued), 0);
    }
}

static inline struct ipc_mail_outcome outcome_of(const struct ipc_mail_deliver *job,
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

static inline void answer(unsigned slot, const struct ipc_mail_deliver *job,
                          enum ipc_outcome outcome, int served)
{
    struct ipc_mail_outcome said = outcome_of(job, outcome, served);

    if (outcome == IPC_OUTCOME_DEFERRED)
        said.next_attempt_s = clock_to_epoch_s(clock_wall_ms()) + 600;
    cr_assert_eq(dispatch_outcome(dispatch, workers.slots[slot], &said), 0);
}

static inline size_t sent(void)
{
    size_t sum = 0;

    for (unsigned slot = 0; slot < WORKERS; slot++)
        sum += fakes[slot].count;
    return sum;
}

/* Everything that came is delivered by its start server, in the order in which it came. */
static inline void answer_all(void)
{
    for (unsigned slot = 0; slot < WORKERS; slot++) {
        struct fake *fake = &fakes[slot];

        while (fake->answered < fake->count) {
            const struct ipc_mail_deliver *job = &fake->jobs[fake->answered++];

            answer(slot, job, IPC_OUTCOME_DONE, job->start);
        }
    }
}

#endif
