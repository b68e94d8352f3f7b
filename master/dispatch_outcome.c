/* How jobs end: by an outcome, or by the end of the worker that had them. */
#include <errno.h>
#include <stdlib.h>

#include "common/envelope.h"
#include "common/log.h"
#include "master/budget.h"
#include "master/cells.h"
#include "master/dispatch_parts.h"
#include "master/group.h"
#include "master/jobs.h"
#include "master/ledger.h"
#include "master/route.h"
#include "master/segments.h"
#include "master/settle.h"
#include "master/slots.h"
#include "master/worker.h"

#define NO_ROOM_WAIT_MS 1000
#define BUSY_WAIT_MS    20 /* the word of whose leases came free may be on its way */
#define MISS_WAIT_MS    10000
#define MISSES_MAX      8 /* the wait doubles until then */
#define UNREAD_WAIT_MS  60000

/* What is not known must not be taken for finished. */
static void pin_for_good(struct dispatch *dispatch, const struct ipc_mail_queued *queued)
{
    struct segments *segments = queue_segments(dispatch->queue);

    segments_pin(segments, queued->place.slot, queued->place.segment, queued->record_bytes);
    segments_pin(segments, queued->note_slot, queued->note_segment, 0);
}

/* Not one that an operator holds. */
static void tell_held(const struct dispatch *dispatch, const struct group *group)
{
    if (group != NULL && group->state == QUEUE_HELD && group->crashes >= QUEUE_CRASHES_TO_HOLD &&
        dispatch->hooks.on_held != NULL)
        dispatch->hooks.on_held(group, dispatch->hooks.held_arg);
}

static void tell_outcome(const struct dispatch *dispatch, enum ipc_outcome outcome)
{
    if (dispatch->hooks.on_outcome != NULL)
        dispatch->hooks.on_outcome(outcome, dispatch->hooks.outcome_arg);
}

int dispatch_queued(struct dispatch *dispatch, struct worker *worker,
                    const struct ipc_mail_queued *queued)
{
    int err;

    if (queued->place.id == 0 || queued->place.slot >= ID_SLOTS || queued->place.segment == 0 ||
        queued->place.group >= ENVELOPE_MAX_GROUPS || queued->note_slot >= ID_SLOTS)
        return -EBADMSG;
    worker->credit_owed++;
    err = queue_add(dispatch->queue, queued);
    if (err == 0 && (queued->flags & IPC_QUEUED_HELD) != 0)
        tell_held(dispatch, queue_group(dispatch->queue, queued->place.id, queued->place.group));
    if (err == -EEXIST && dispatch->hooks.on_copy != NULL)
        dispatch->hooks.on_copy(queued, dispatch->hooks.copy_arg);
    if (err == -ENOMEM)
        pin_for_good(dispatch, queued);
    if (err == -ENOMEM && !dispatch->is_queue_short)
        log_alert("queue", "no memory for more queued mail: some waits on disk",
                  LOG_ID(queued->place.id));
    dispatch->is_queue_short = err == -ENOMEM;
    return err == -ENOMEM ? err : 0;
}

void dispatch_tell_recalled(struct dispatch *dispatch, struct group *group, uint64_t id,
                            unsigned number)
{
    if (group != NULL)
        group->is_recalled = false;
    if (dispatch->hooks.on_recalled != NULL)
        dispatch->hooks.on_recalled(id, number, dispatch->hooks.recalled_arg);
}

/* ---- outcomes ---- */

static void take_progress(struct dispatch *dispatch, struct group *group,
                          const struct ipc_mail_outcome *outcome)
{
    group->misses = 0;
    group->crashes = 0; /* it came back: whatever killed a worker, it was not this */
    if (outcome->attempts > group->attempts)
        group->attempts = outcome->attempts;
    group->recipients = outcome->recipients;
    queue_set_stages(group, outcome->stages);
    group->is_deferred_by_servers = outcome->served == -1;
    queue_set_note(dispatch->queue, group, outcome->note_slot, outcome->note_segment,
                   outcome->note_bytes);
}

static void take_no_room(struct dispatch *dispatch, struct group *group, const struct job *job,
                         const struct ipc_mail_outcome *outcome)
{
    group->has_kept_turn = true;
    group->kept_start = job->start;
    group->kept_version = job->servers->version;
    group->kept_tried = outcome->tried;
    queue_set_waiting_ms(dispatch->queue, group,
                         (outcome->flags & IPC_OUTCOME_BUSY) != 0 ? BUSY_WAIT_MS : NO_ROOM_WAIT_MS);
}

static void take_miss(struct dispatch *dispatch, struct group *group, const struct worker *worker)
{
    int64_t wait_ms = (int64_t)MISS_WAIT_MS << group->misses;

    if (group->misses < MISSES_MAX)
        group->misses++;
    log_warning("dispatch", "a worker could not read a queued message", LOG_ID(group->place.id),
                LOG_INT("slot", worker->slot), LOG_INT("again_in_s", wait_ms / 1000));
    queue_set_waiting_ms(dispatch->queue, group, wait_ms);
}

/* Each stage has its own attempts. */
static void take_advance(struct dispatch *dispatch, struct group *group,
                         const struct ipc_mail_outcome *outcome)
{
    take_progress(dispatch, group, outcome);
    group->attempts = 0;
    if (queue_restage(dispatch->queue, group) < 0)
        queue_set_waiting_ms(dispatch->queue, group, UNREAD_WAIT_MS);
    else
        queue_set_ready(dispatch->queue, group, false);
}

/* Of a scan or an upload: a server that answers and does not do it counts as up, and nothing else
 * would show that none is done. */
static void count_misfires(struct lane *lane, const struct ipc_mail_outcome *outcome)
{
    const bool is_stage = lane->route != NULL && lane->route->lifetime_s == 0;
    const bool has_failed =
        outcome->outcome == IPC_OUTCOME_DEFERRED || outcome->outcome == IPC_OUTCOME_FAILED;

    if (!is_stage)
        return;
    if (has_failed && outcome->served >= 0)
        lane->misfires++;
    else if (outcome->outcome == IPC_OUTCOME_ADVANCED ||
             outcome->outcome == IPC_OUTCOME_QUARANTINED)
        lane->misfires = 0;
}

/* The row of each outcome: what it makes of the group. */
static void settle(struct dispatch *dispatch, struct group *group, const struct job *job,
                   const struct ipc_mail_outcome *outcome)
{
    count_misfires(group->lane, outcome);
    tell_outcome(dispatch, (enum ipc_outcome)outcome->outcome);
    switch ((enum ipc_outcome)outcome->outcome) {
    case IPC_OUTCOME_DONE: queue_drop(dispatch->queue, group); return;
    case IPC_OUTCOME_FAILED:
        take_progress(dispatch, group, outcome);
        queue_set_failed(dispatch->queue, group);
        return;
    case IPC_OUTCOME_DEFERRED:
        take_progress(dispatch, group, outcome);
        if (group->is_deferred_by_servers && dispatch_health_has_come_back(job))
            queue_set_ready(dispatch->queue, group, false);
        else
            queue_set_waiting(dispatch->queue, group, outcome->next_attempt_s);
        return;
    case IPC_OUTCOME_NO_ROOM: take_no_room(dispatch, group, job, outcome); return;
    case IPC_OUTCOME_NOT_HELD: take_miss(dispatch, group, job->worker); return;
    case IPC_OUTCOME_ADVANCED: take_advance(dispatch, group, outcome); return;
    case IPC_OUTCOME_QUARANTINED:
        take_progress(dispatch, group, outcome);
        queue_set_quarantined(dispatch->queue, group);
        return;
    case IPC_OUTCOME_COUNT: break;
    }
}

static bool is_sane(const struct job *job, const struct ipc_mail_outcome *outcome)
{
    const struct ipc_place *sent = &job->group->place, *said = &outcome->place;

    return outcome->outcome < IPC_OUTCOME_COUNT && outcome->note_slot < ID_SLOTS &&
           said->id == sent->id && said->group == sent->group && said->slot == sent->slot &&
           said->segment == sent->segment && outcome->served >= -1 &&
           outcome->served < (int)job->servers->count;
}

static void count_service(struct dispatch *dispatch, const struct job *job, int served)
{
    struct route *route = job->group->lane->route;

    if (served < 0 || route == NULL)
        return;
    if (route_served(route, job->servers, job->start, (size_t)served) &&
        dispatch->hooks.on_cursor != NULL)
        dispatch->hooks.on_cursor(dispatch->hooks.cursor_arg);
}

/* SP22: it may arrive twice. */
static void list_loss(struct dispatch *dispatch, const struct job *job,
                      const struct ipc_mail_outcome *outcome)
{
    const struct route *route = job->group->lane->route;
    const struct route_server *server =
        route != NULL && outcome->served >= 0
            ? route_find(route, job->servers->identities[outcome->served])
            : NULL;

    if ((outcome->flags & IPC_OUTCOME_LOST) == 0)
        return;
    ledger_add(dispatch->ledger,
               &(struct ledger_loss){ .id = outcome->place.id,
                                      .group = outcome->place.group,
                                      .attempt = outcome->attempts,
                                      .profile = route != NULL ? route->name : NULL,
                                      .server = server != NULL ? server->uri : NULL });
}

int dispatch_noted(struct dispatch *dispatch, const struct worker *worker,
                   const struct ipc_mail_noted *noted)
{
    struct job *job = jobs_find(dispatch->jobs, noted->job);

    if (noted->note_slot >= ID_SLOTS || (job != NULL && job->worker != worker))
        return -EBADMSG;
    if (job != NULL)
        queue_set_note(dispatch->queue, job->group, noted->note_slot, noted->note_segment,
                       noted->note_bytes);
    return 0;
}

int dispatch_outcome(struct dispatch *dispatch, struct worker *worker,
                     const struct ipc_mail_outcome *outcome)
{
    struct job *job = jobs_find(dispatch->jobs, outcome->job);
    struct job ended;
    struct group *group;
    bool is_recalled;

    if (job == NULL) {
        log_warning("dispatch", "an outcome of a delivery that nobody has",
                    LOG_ID(outcome->place.id), LOG_INT("slot", worker->slot));
        return 0;
    }
    if (job->worker != worker || !is_sane(job, outcome))
        return -EBADMSG;
    group = job->group;
    is_recalled = group->is_recalled;
    count_service(dispatch, job, outcome->served);
    list_loss(dispatch, job, outcome);
    dispatch_health_ended(dispatch, job, outcome);
    ended = *job;
    server_list_hold(ended.servers);
    jobs_end(dispatch->jobs, job);
    dispatch_alone_ended(dispatch, ended.id);
    settle(dispatch, group, &ended, outcome);
    server_list_release(ended.servers);
    if (is_recalled)
        dispatch_tell_recalled(
            dispatch, queue_group(dispatch->queue, outcome->place.id, outcome->place.group),
            outcome->place.id, outcome->place.group);
    return 0;
}

/* ---- the end of a worker ---- */

/* Its worker wrote down what it came to, and died before it told. */
static void tell_unheard(const struct dispatch *dispatch, const struct group *group,
                         const struct cell *cell)
{
    if (cell->stage == CELL_DONE)
        tell_outcome(dispatch, IPC_OUTCOME_DONE);
    else if (cell->stage == CELL_FAILED)
        tell_outcome(dispatch, IPC_OUTCOME_FAILED);
    else if (cell->stage == CELL_OPEN && (cell->flags & CELL_QUARANTINED) != 0)
        tell_outcome(dispatch, IPC_OUTCOME_QUARANTINED);
    else if (cell->stage == CELL_OPEN && cell->attempts > group->attempts)
        tell_outcome(dispatch, IPC_OUTCOME_DEFERRED);
}

static void settle_lost(struct dispatch *dispatch, struct group *group,
                        const struct cell_item *item)
{
    if (item->err != 0) {
        log_warning("dispatch", "the state of a message could not be read", LOG_ID(item->place.id),
                    LOG_INT("errno", -item->err));
        group->crashes = item->change.set_crashes ? item->change.crashes : group->crashes;
        queue_set_waiting_ms(dispatch->queue, group, UNREAD_WAIT_MS);
        return;
    }
    if ((item->change.set_flags & CELL_HELD) != 0)
        log_alert("dispatch", "a message is held: workers died while they had it",
                  LOG_ID(group->place.id), LOG_INT("group", group->place.group),
                  LOG_INT("deaths", item->change.crashes));
    tell_unheard(dispatch, group, &item->cell);
    settle_by_cell(dispatch->queue, group, &item->cell);
    tell_held(dispatch, queue_group(dispatch->queue, item->place.id, item->place.group));
}

static void on_lost_read(struct cell_item *items, size_t count, void *arg)
{
    struct dispatch *dispatch = arg;

    for (size_t i = 0; i < count; i++) {
        const struct ipc_place *place = &items[i].place;
        struct group *group = queue_group(dispatch->queue, place->id, place->group);
        bool is_recalled;

        if (group == NULL || group->state != QUEUE_CHECKING)
            continue;
        is_recalled = group->is_recalled;
        settle_lost(dispatch, group, &items[i]);
        if (is_recalled)
            dispatch_tell_recalled(dispatch, queue_group(dispatch->queue, place->id, place->group),
                                   place->id, place->group);
    }
    free(items);
    segments_unhold(queue_segments(dispatch->queue));
}

static struct cell_change change_after(const struct group *group, bool is_crash)
{
    struct cell_change change = { 0 };

    if (!is_crash)
        return change;
    change.is_write = true;
    change.set_crashes = true;
    change.crashes = group->crashes < UINT8_MAX ? (uint8_t)(group->crashes + 1) : UINT8_MAX;
    if (change.crashes >= QUEUE_CRASHES_TO_HOLD)
        change.set_flags = CELL_HELD;
    return change;
}

void dispatch_worker_lost(struct dispatch *dispatch, struct worker *worker, bool is_crash)
{
    size_t count = worker->job_count, at = 0;
    struct cell_item *items = count > 0 ? calloc(count, sizeof(*items)) : NULL;
    struct job *job;

    while ((job = TAILQ_FIRST(&worker->jobs)) != NULL) {
        struct group *group = job->group;

        dispatch_health_ended(dispatch, job, NULL);
        jobs_end(dispatch->jobs, job);
        queue_set_checking(dispatch->queue, group);
        if (items != NULL)
            items[at++] = (struct cell_item){ .place = group->place,
                                              .change = change_after(group, is_crash) };
        else
            /* A worker reads the cell before it sends anything: late is all that this is. */
            queue_set_waiting_ms(dispatch->queue, group, UNREAD_WAIT_MS);
    }
    budget_worker_lost(dispatch->budget, worker->slot);
    slots_worker_lost(dispatch->slots, worker->slot);
    dispatch_alone_lost(dispatch, worker);
    dispatch_health_worker_lost(dispatch, worker);
    if (items == NULL)
        return;
    /* What it wrote last is known only when the cells have been read. */
    segments_hold(queue_segments(dispatch->queue));
    if (cells_run(dispatch->cells, items, count, on_lost_read, dispatch) != 0) {
        for (size_t i = 0; i < count; i++)
            items[i].err = -ENOMEM;
        on_lost_read(items, count, dispatch);
    }
}
