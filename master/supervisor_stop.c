/* Draining: of all workers at the end, and of surplus ones when a reload wants fewer. */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "common/log.h"
#include "common/loop.h"
#include "master/compactor.h"
#include "master/dispatch.h"
#include "master/listeners.h"
#include "master/scans.h"
#include "master/supervisor_parts.h"
#include "master/worker.h"

#define DRAIN_GRACE_MS   5000   /* beyond drain_time, before a worker is killed */
#define LAST_SYNC_MS     10000  /* from DRAINED to the end of the process */
#define SURPLUS_LIMIT_MS 600000 /* for the sessions of a slot that is left out */
#define LEFT_OVER_MS     5000   /* for connections on their way to a socket that is left out */

/* ---- one worker ---- */

static void send_drain(struct worker *worker)
{
    const struct ipc_empty empty = { 0 };

    if (worker->is_drain_sent)
        return;
    worker->is_drain_sent = true;
    supervisor_set_state(worker, WORKER_DRAINING);
    channel_send(worker->channel, IPC_DRAIN, &empty);
    loop_timer_set_ms(worker->timer,
                      worker->supervisor->conf->top_drain_time * 1000 + DRAIN_GRACE_MS);
}

/* At the end of its channel a drained worker syncs what is left and ends; so does one that was
 * still starting, and its end is as expected. */
void supervisor_drained(struct worker *worker)
{
    if (worker->state == WORKER_STARTING)
        supervisor_set_state(worker, WORKER_DRAINING);
    channel_free(&worker->channel);
    loop_timer_set_ms(worker->timer, LAST_SYNC_MS);
}

/* ---- the end ---- */

void supervisor_check_stopped(struct supervisor *s)
{
    for (unsigned slot = 0; slot < ID_SLOTS; slot++) {
        if (s->parts.workers->slots[slot] != NULL && s->parts.workers->slots[slot]->pid > 0)
            return;
    }
    if (s->is_stopping && s->on_stopped != NULL) {
        supervisor_cb *stopped = s->on_stopped;

        s->on_stopped = NULL;
        stopped(s->stopped_arg);
    }
}

static void on_nobody_left(void *arg)
{
    supervisor_check_stopped(arg);
}

void supervisor_stop(struct supervisor *s, supervisor_cb *on_stopped, void *arg)
{
    if (s->is_stopping)
        return;
    s->is_stopping = true;
    s->on_stopped = on_stopped;
    s->stopped_arg = arg;
    dispatch_stop(s->parts.dispatch);
    compactor_stop(s->parts.compactor);
    for (unsigned slot = 0; slot < ID_SLOTS; slot++) {
        struct worker *worker = s->parts.workers->slots[slot];

        if (worker == NULL || worker->pid == 0)
            continue;
        if (worker->channel != NULL && worker->state != WORKER_STARTING)
            send_drain(worker);
        else if (worker->channel != NULL)
            supervisor_drained(worker); /* it has nothing yet */
    }
    /* Also when there is no worker at all: never from inside the call. */
    if (loop_post(s->loop, on_nobody_left, s) != 0)
        supervisor_check_stopped(s);
}

/* ---- fewer workers ---- */

static void stop_accepting_for_others(struct supervisor *s)
{
    for (unsigned slot = s->close_first; slot < s->close_end; slot++) {
        if (s->close_by != NULL && s->close_by->channel != NULL)
            listeners_take_back(s->parts.listeners, slot, s->close_by->channel);
        listeners_close(s->parts.listeners, slot);
    }
    s->close_end = s->close_first;
    s->close_by = NULL;
}

static void on_left_over(void *arg)
{
    struct supervisor *s = arg;
    struct reason why;

    stop_accepting_for_others(s);
    /* All that is open is wanted again: the kernel's own choice is as good, and cheaper. */
    if (listeners_limit(s->parts.listeners, s->parts.workers->wanted, &why) != 0)
        log_error("supervisor", why.text, LOG_INT("workers", s->parts.workers->wanted));
}

static void leave_out(struct supervisor *s, unsigned slot)
{
    struct worker *worker = s->parts.workers->slots[slot];

    if (worker == NULL)
        return;
    worker->is_unwanted = true;
    if (worker->pid == 0) {
        supervisor_forget_slot(worker);
        return;
    }
    if (worker->channel == NULL || worker->state == WORKER_DOWN)
        return;
    if (worker->state == WORKER_STARTING) {
        supervisor_drained(worker);
        return;
    }
    listeners_take_back(s->parts.listeners, slot, worker->channel);
    worker->listeners_to_leave += (unsigned)listeners_count(s->parts.listeners);
    supervisor_set_state(worker, WORKER_DRAINING);
    worker->leave_by_ms = loop_now_ms(s->loop) + SURPLUS_LIMIT_MS;
}

/* Before it has left its sockets, which it empties first, it may still get something. */
static bool is_done(const struct worker *worker)
{
    return worker->figures.listeners_left >= worker->listeners_to_leave &&
           worker->figures.connections_in == 0 && worker->job_count == 0;
}

/* A worker that is to go may finish its sessions and deliveries; then it is told to drain. */
void supervisor_heard(struct worker *worker)
{
    if (worker->state != WORKER_DRAINING || worker->is_drain_sent)
        return;
    if (is_done(worker) || loop_now_ms(worker->supervisor->loop) >= worker->leave_by_ms)
        send_drain(worker);
}

static int shrink(struct supervisor *s, unsigned wanted, unsigned before, struct reason *reterr_why)
{
    int err = listeners_limit(s->parts.listeners, wanted, reterr_why);

    if (err != 0)
        return err;
    s->parts.workers->wanted = wanted;
    if (s->close_first == s->close_end) { /* otherwise more join those of an earlier reload */
        s->close_end = before;
        s->close_by =
            worker_is_running(s->parts.workers->slots[0]) ? s->parts.workers->slots[0] : NULL;
    }
    s->close_first = wanted;
    for (unsigned slot = wanted; slot < before; slot++) {
        if (s->close_by != NULL &&
            listeners_give(s->parts.listeners, slot, s->close_by->channel) != 0)
            log_error("supervisor", "connections that wait for a slot that is left out are lost",
                      LOG_INT("slot", slot));
        leave_out(s, slot);
    }
    loop_timer_set_ms(s->close_timer, LEFT_OVER_MS);
    return 0;
}

/* ---- more workers ---- */

/* The slot is in use again before its sockets were closed. */
static void end_leaving_out(struct supervisor *s, unsigned slot)
{
    if (slot != s->close_first || s->close_first == s->close_end)
        return;
    if (s->close_by != NULL && s->close_by->channel != NULL)
        listeners_take_back(s->parts.listeners, slot, s->close_by->channel);
    s->close_first++;
}

/* One that was to leave and has not been told to drain yet: it stays. */
static bool keep(struct worker *worker)
{
    const struct supervisor *s = worker->supervisor;
    struct reason why;

    if (worker->state != WORKER_DRAINING || worker->is_drain_sent || worker->channel == NULL ||
        listeners_open(s->parts.listeners, worker->slot, &why) != 0 ||
        listeners_give(s->parts.listeners, worker->slot, worker->channel) != 0)
        return false;
    worker->is_unwanted = false;
    supervisor_set_state(worker, WORKER_RUNNING);
    return true;
}

/* Slot by slot, upwards: one that is still being left has to wait for its process to end. */
static int grow(struct supervisor *s, struct reason *reterr_why)
{
    const unsigned target = conf_workers(s->conf), before = s->parts.workers->wanted;
    int err = 0;

    while (s->parts.workers->wanted < target) {
        unsigned slot = s->parts.workers->wanted;
        struct worker *leaving = s->parts.workers->slots[slot];

        if (leaving != NULL && leaving->pid > 0) {
            if (!keep(leaving))
                break; /* its end comes here again */
        } else if ((err = supervisor_open_slot(s, slot, reterr_why)) != 0) {
            break;
        }
        end_leaving_out(s, slot);
        s->parts.workers->wanted++;
    }
    if (s->parts.workers->wanted > before && err == 0)
        err = listeners_limit(s->parts.listeners, s->parts.workers->wanted, reterr_why);
    return err;
}

void supervisor_grow(struct supervisor *s)
{
    struct reason why;

    if (!s->is_stopping && grow(s, &why) != 0)
        log_error("supervisor", why.text, LOG_INT("workers", s->parts.workers->wanted));
}

/* ---- reload ---- */

void supervisor_set_log(struct supervisor *s, int log_fd)
{
    s->log_fd = log_fd;
}

static int resize(struct supervisor *s, struct reason *reterr_why)
{
    unsigned wanted = conf_workers(s->conf), before = s->parts.workers->wanted;
    int err = wanted < before ? shrink(s, wanted, before, reterr_why) : grow(s, reterr_why);

    if (err == 0 && s->parts.workers->wanted < wanted)
        log_info("supervisor", "more workers follow when those that leave have ended",
                 LOG_INT("workers", s->parts.workers->wanted), LOG_INT("wanted", wanted));
    return err;
}

int supervisor_reload(struct supervisor *s, const struct conf *conf, struct reason *reterr_why)
{
    int err;

    if (s->is_stopping)
        return reason_set(reterr_why, -EBUSY, "the daemon is stopping");
    if (s->close_timer == NULL)
        s->close_timer = loop_timer_new(s->loop, on_left_over, s);
    if (s->close_timer == NULL)
        return reason_set(reterr_why, -ENOMEM, "no memory");
    s->conf = conf;
    err = resize(s, reterr_why);
    for (unsigned slot = 0; slot < ID_SLOTS; slot++) {
        struct worker *worker = s->parts.workers->slots[slot];

        if (worker_is_running(worker) && supervisor_configure(worker, false) != 0)
            supervisor_fault(worker, "it could not be given the new configuration");
    }
    return err;
}
