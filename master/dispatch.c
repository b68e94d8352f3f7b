#include "master/dispatch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/channel.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/profile.h"
#include "master/budget.h"
#include "master/dispatch_parts.h"
#include "master/group.h"
#include "master/jobs.h"
#include "master/ledger.h"
#include "master/route.h"
#include "master/slots.h"
#include "master/worker.h"

#define NEW_PER_DEFERRED 3    /* MQ0A */
#define WAKE_PER_TURN    4096 /* bounds on what one turn of the loop does */
#define SEND_PER_TURN    2048
#define WATCH_MS         1000

static void on_turn_end(void *arg);
static void on_watch(void *arg);

/* The end of this turn does the work. */
static void on_wake(void *arg)
{
    (void)arg;
}

struct dispatch *dispatch_new(struct loop *loop, struct queue *queue, struct workers *workers,
                              struct cells *cells)
{
    struct dispatch *dispatch = calloc(1, sizeof(*dispatch));

    if (dispatch == NULL)
        return NULL;
    *dispatch = (struct dispatch){ .loop = loop,
                                   .queue = queue,
                                   .workers = workers,
                                   .cells = cells,
                                   .health.rules = { .failures = 3, 10000, 60000 } };
    dispatch->jobs = jobs_new();
    dispatch->budget = budget_new(loop, workers);
    dispatch->slots = slots_new(workers);
    dispatch->ledger = ledger_new();
    dispatch->wake = loop_timer_new(loop, on_wake, dispatch);
    dispatch->watch = loop_timer_new(loop, on_watch, dispatch);
    dispatch->health.timer = loop_timer_new(loop, dispatch_health_on_timer, dispatch);
    dispatch->release.timer = loop_timer_new(loop, dispatch_release_on_timer, dispatch);
    dispatch->expiry.timer = loop_timer_new(loop, dispatch_expiry_on_timer, dispatch);
    dispatch->restage.timer = loop_timer_new(loop, dispatch_restage_on_timer, dispatch);
    loop_at_turn_end(loop, on_turn_end, dispatch);
    if (dispatch->jobs == NULL || dispatch->budget == NULL || dispatch->slots == NULL ||
        dispatch->ledger == NULL || dispatch->wake == NULL || dispatch->watch == NULL ||
        dispatch->health.timer == NULL || dispatch->release.timer == NULL ||
        dispatch->expiry.timer == NULL || dispatch->restage.timer == NULL)
        dispatch_free(&dispatch);
    else
        dispatch_expiry_on_timer(dispatch);
    return dispatch;
}

void dispatch_free(struct dispatch **dispatch)
{
    struct dispatch *d = *dispatch;

    if (d == NULL)
        return;
    loop_forget_turn_end(d->loop, on_turn_end, d);
    loop_timer_free(&d->wake);
    loop_timer_free(&d->watch);
    loop_timer_free(&d->health.timer);
    loop_timer_free(&d->release.timer);
    loop_timer_free(&d->expiry.timer);
    loop_timer_free(&d->restage.timer);
    for (size_t i = 0; i < queue_lane_count(d->queue); i++)
        route_free(&queue_lane_at(d->queue, i)->route);
    jobs_free(&d->jobs);
    budget_free(&d->budget);
    slots_free(&d->slots);
    ledger_free(&d->ledger);
    free(d);
    *dispatch = NULL;
}

struct dispatch_hooks *dispatch_hooks(struct dispatch *dispatch)
{
    return &dispatch->hooks;
}

void dispatch_stop(struct dispatch *dispatch)
{
    dispatch->is_stopped = true;
}

/* ---- profiles ---- */

int dispatch_set_profile(struct dispatch *dispatch, const struct profile *profile,
                         const struct cursor *saved)
{
    struct lane *lane;
    int err;

    lane = queue_lane(dispatch->queue, profile->id);
    if (lane == NULL || budget_set_profile(dispatch->budget, profile) != 0 ||
        slots_set_profile(dispatch->slots, profile) != 0)
        return -ENOMEM;
    if (lane->route == NULL) {
        lane->route = route_new(profile, saved);
        return lane->route != NULL ? 0 : -ENOMEM;
    }
    err = route_update(lane->route, profile);
    if (err == 0)
        dispatch_health_saved(dispatch, lane);
    return err;
}

void dispatch_drop_profile(struct dispatch *dispatch, uint32_t profile)
{
    struct lane *lane = queue_lane_known(dispatch->queue, profile);

    if (lane != NULL)
        route_free(&lane->route);
    budget_drop_profile(dispatch->budget, profile);
    slots_drop_profile(dispatch->slots, profile);
}

int dispatch_next_start(const struct dispatch *dispatch, uint32_t profile)
{
    const struct lane *lane = queue_lane_known(dispatch->queue, profile);

    uint64_t open;

    if (lane == NULL || lane->route == NULL)
        return -ENOENT;
    open = route_open(lane->route);
    if (open == 0)
        open = route_up(lane->route);
    return (int)route_next_start(lane->route, open != 0 ? open : CURSOR_ALL);
}

unsigned dispatch_in_flight(const struct dispatch *dispatch, uint32_t profile)
{
    const struct lane *lane = queue_lane_known(dispatch->queue, profile);

    return lane != NULL ? lane->in_flight : 0;
}

struct budget *dispatch_budget(const struct dispatch *dispatch)
{
    return dispatch->budget;
}

struct ledger *dispatch_ledger(const struct dispatch *dispatch)
{
    return dispatch->ledger;
}

struct slots *dispatch_slots(const struct dispatch *dispatch)
{
    return dispatch->slots;
}

char *dispatch_cursors(const struct dispatch *dispatch)
{
    char *text = NULL, line[CURSOR_TEXT_MAX];
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);

    if (out == NULL)
        return NULL;
    for (size_t i = 0; i < queue_lane_count(dispatch->queue); i++) {
        const struct lane *lane = queue_lane_at(dispatch->queue, i);

        if (lane->route == NULL || lane->route->cursor.last == 0)
            continue;
        (void)cursor_print(&lane->route->cursor, line, sizeof(line));
        fprintf(out, "%u %s\n", lane->profile, line);
    }
    if (fclose(out) != 0) {
        free(text);
        return NULL;
    }
    return text;
}

/* ---- sending ---- */

size_t dispatch_start_of(struct dispatch *dispatch, struct group *group)
{
    struct route *route = group->lane->route;
    bool is_kept = group->has_kept_turn && group->kept_version == route->version;
    uint64_t last = route->cursor.last, usable = dispatch_health_usable(dispatch, route);
    size_t start;

    group->has_kept_turn = false;
    if (is_kept && (usable >> group->kept_start & 1) != 0 && route_up(route) != 0)
        return group->kept_start;
    if (!is_kept || route_up(route) == 0)
        group->kept_tried = 0;
    if ((usable & ~group->kept_tried) != 0)
        usable &= ~group->kept_tried;
    start = route_take_start(route, usable);
    if (route->cursor.last != last && dispatch->hooks.on_cursor != NULL)
        dispatch->hooks.on_cursor(dispatch->hooks.cursor_arg);
    return start;
}

/* An idle connection is there for it, or a lease for one that it may open, or else it waits at the
 * worker for one that is in use. */
static void give_connection(const struct dispatch *dispatch, const struct group *group,
                            const struct worker *worker, struct ipc_mail_deliver *deliver)
{
    struct account *account = dispatch_account(dispatch, group, deliver->start);

    if (account == NULL)
        return;
    if (budget_idle(account, worker->slot) > 0)
        budget_use_idle(account, worker->slot);
    else if (budget_take(dispatch->budget, account, worker->slot))
        deliver->leased = budget_server(account);
    deliver->others = budget_others(account, worker->slot);
}

void dispatch_watch(struct dispatch *dispatch)
{
    if (!loop_timer_is_set(dispatch->watch))
        loop_timer_set_ms(dispatch->watch, WATCH_MS);
}

struct job *dispatch_send(struct dispatch *dispatch, struct group *group, struct worker *worker,
                          size_t start)
{
    struct route *route = group->lane->route;
    struct job *job = jobs_begin(dispatch->jobs, group, worker, route->servers);
    struct ipc_mail_deliver deliver;

    if (job == NULL)
        return NULL;
    job->start = (uint16_t)start;
    job->sent_ms = loop_now_ms(dispatch->loop);
    queue_set_out(dispatch->queue, group);
    deliver = (struct ipc_mail_deliver){ .place = group->place,
                                         .job = job->id,
                                         .version = route->version,
                                         .tried = group->kept_tried,
                                         .profile = group->lane->profile,
                                         .rule = group->rule,
                                         .deadline_ms = DISPATCH_DEADLINE_MS,
                                         .start = (uint16_t)start,
                                         .attempts = group->attempts,
                                         .stage = queue_stage(dispatch->queue, group) };
    dispatch_health_sent(dispatch, job, &deliver);
    give_connection(dispatch, group, worker, &deliver);
    group->kept_tried = 0;
    channel_send(worker->channel, IPC_MAIL_DELIVER, &deliver);
    dispatch_watch(dispatch);
    return job;
}

static struct group *pick(struct lane *lane)
{
    struct group *fresh = TAILQ_FIRST(&lane->ready[READY_NEW]);
    struct group *deferred = TAILQ_FIRST(&lane->ready[READY_DEFERRED]);

    return fresh != NULL && (deferred == NULL || lane->new_streak < NEW_PER_DEFERRED) ? fresh
                                                                                      : deferred;
}

static void count_pick(struct lane *lane, bool is_new)
{
    if (!is_new)
        lane->new_streak = 0;
    else if (lane->new_streak < NEW_PER_DEFERRED)
        lane->new_streak++;
}

/* The turn that was taken for it waits with it. */
static void keep_turn(struct group *group, size_t start)
{
    group->has_kept_turn = true;
    group->kept_start = (uint16_t)start;
    group->kept_version = group->lane->route->version;
}

static bool serve_one(struct dispatch *dispatch, struct lane *lane)
{
    struct worker *worker;
    struct group *group;
    bool is_new;
    size_t start;
    int moved;

    if (lane->route == NULL || lane->in_flight >= lane->route->max_in_flight ||
        dispatch_health_usable(dispatch, lane->route) == 0 || !dispatch_any_room(dispatch, lane))
        return false;
    group = pick(lane);
    moved = queue_restage(dispatch->queue, group);
    if (moved != 0)
        return moved > 0; /* its rule was changed a moment ago */
    is_new = group->ready_class == READY_NEW;
    start = dispatch_start_of(dispatch, group);
    worker = dispatch_choose(dispatch, group, start);
    if (worker == NULL || dispatch_send(dispatch, group, worker, start) == NULL) {
        keep_turn(group, start);
        return false;
    }
    count_pick(lane, is_new);
    return true;
}

/* One group of each profile in turn, until nobody can go on. False: there is more to do. */
static bool serve_turns(struct dispatch *dispatch)
{
    struct lane_list *turns = queue_turns(dispatch->queue);
    size_t lanes = queue_lane_count(dispatch->queue), stuck = 0;
    unsigned budget = SEND_PER_TURN;
    struct lane *lane;

    while ((lane = TAILQ_FIRST(turns)) != NULL && stuck < lanes) {
        if (budget-- == 0)
            return false;
        TAILQ_REMOVE(turns, lane, turn);
        TAILQ_INSERT_TAIL(turns, lane, turn);
        stuck = serve_one(dispatch, lane) ? 0 : stuck + 1;
    }
    return true;
}

static void give_credit(struct dispatch *dispatch)
{
    if (queue_mail_count(0, 0, dispatch->queue) >= QUEUE_FULL_GROUPS)
        return;
    for (unsigned slot = 0; slot < ID_SLOTS; slot++) {
        struct worker *worker = dispatch->workers->slots[slot];

        if (worker == NULL || worker->credit_owed == 0 || worker->channel == NULL)
            continue;
        channel_send(worker->channel, IPC_CREDIT,
                     &(struct ipc_credit){ .queued = worker->credit_owed });
        worker->credit_owed = 0;
    }
}

static void on_turn_end(void *arg)
{
    struct dispatch *dispatch = arg;
    int64_t next_ms;

    give_credit(dispatch);
    if (dispatch->is_stopped)
        return;
    next_ms = queue_wake(dispatch->queue, WAKE_PER_TURN);
    dispatch_alone_serve(dispatch);
    if (!serve_turns(dispatch))
        next_ms = 0;
    if (next_ms >= 0)
        loop_timer_set_ms(dispatch->wake, next_ms);
    if (dispatch_alone_is_busy(dispatch))
        dispatch_watch(dispatch);
}

/* ---- deadlines ---- */

/* Jobs of a worker are in the order in which they were sent, so the first one is the oldest. */
static bool watch_worker(struct worker *worker, int64_t now_ms)
{
    struct job *job;

    TAILQ_FOREACH (job, &worker->jobs, link) {
        if (now_ms - job->sent_ms < DISPATCH_DEADLINE_MS + DISPATCH_GRACE_MS)
            break;
        if (job->cancelled_ms == 0) {
            job->cancelled_ms = now_ms;
            channel_send(worker->channel, IPC_MAIL_CANCEL,
                         &(struct ipc_mail_cancel){ .job = job->id });
        } else if (now_ms - job->cancelled_ms >= DISPATCH_CANCEL_MS) {
            log_error("dispatch", "a worker keeps a delivery beyond its deadline",
                      LOG_ID(job->group->place.id), LOG_INT("slot", worker->slot));
            return false;
        }
    }
    return true;
}

static void on_watch(void *arg)
{
    struct dispatch *dispatch = arg;
    int64_t now_ms = loop_now_ms(dispatch->loop);
    bool is_any = false;

    for (unsigned slot = 0; slot < ID_SLOTS; slot++) {
        struct worker *worker = dispatch->workers->slots[slot];

        if (worker == NULL || worker->channel == NULL || worker->job_count == 0)
            continue;
        is_any = true;
        if (!watch_worker(worker, now_ms) && dispatch->hooks.on_overrun != NULL)
            dispatch->hooks.on_overrun(worker, dispatch->hooks.overrun_arg);
    }
    budget_tend(dispatch->budget);
    if (is_any || dispatch_alone_is_busy(dispatch))
        loop_timer_set_ms(dispatch->watch, WATCH_MS);
}

void dispatch_discard(const struct dispatch *dispatch, const struct group *group)
{
    struct worker *worker = workers_least_loaded(dispatch->workers);
    const struct ipc_upload_discard order = { .place = group->place,
                                              .profile = group->lane->profile };

    if (group->note_segment != 0 && queue_stage(dispatch->queue, group) == STAGE_UPLOAD &&
        worker_is_running(worker))
        channel_send(worker->channel, IPC_UPLOAD_DISCARD, &order);
}

void dispatch_recall(struct group *group)
{
    group->is_recalled = true;
    channel_send(group->job->worker->channel, IPC_MAIL_CANCEL,
                 &(struct ipc_mail_cancel){ .job = group->job->id });
}
