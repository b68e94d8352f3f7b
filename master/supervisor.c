#include "master/supervisor.h"
#include "master/budget.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/channel.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/memfd.h"
#include "common/oom.h"
#include "master/compactor.h"
#include "master/composer.h"
#include "master/dispatch.h"
#include "master/listeners.h"
#include "master/prober.h"
#include "master/pusher.h"
#include "master/querier.h"
#include "master/scans.h"
#include "master/segments.h"
#include "master/spawn.h"
#include "master/startup.h"
#include "master/supervisor_parts.h"
#include "master/tokens.h"
#include "master/worker.h"

#define TICK_MS          5000
#define READY_LIMIT_MS   30000
#define STUCK_MS         60000 /* OP02, as the next: at most one a minute */
#define STUCK_EVERY_MS   60000
#define BACKOFF_FIRST_MS 2000
#define BACKOFF_MAX_MS   60000
#define GOOD_LIFE_MS     60000
#define LAST_WORD_MS     5000 /* from the end of a channel to that of the process */

static void on_tick(void *arg);
static void on_child(int number, void *arg);
static void on_scanned(unsigned slot, void *arg);

int supervisor_new(struct loop *loop, const struct conf *conf, const char *worker_path, int log_fd,
                   const struct supervisor_parts *parts, struct supervisor **ret_supervisor,
                   struct reason *reterr_why)
{
    struct supervisor *s = calloc(1, sizeof(*s));

    if (s == NULL)
        return reason_set(reterr_why, -ENOMEM, "no memory for the supervisor");
    s->loop = loop;
    s->conf = conf;
    s->log_fd = log_fd;
    s->parts = *parts;
    s->parts.workers->wanted = conf_workers(conf);
    s->worker_path = strdup(worker_path);
    s->tick = loop_timer_new(loop, on_tick, s);
    s->scans = scans_new(loop, parts->workers, parts->queue, parts->segments, on_scanned, s);
    if (s->worker_path == NULL || s->tick == NULL || s->scans == NULL ||
        loop_on_signal(loop, SIGCHLD, on_child, s) != 0) {
        supervisor_free(&s);
        return reason_set(reterr_why, -ENOMEM, "no memory for the supervisor");
    }
    *ret_supervisor = s;
    return 0;
}

void supervisor_free(struct supervisor **supervisor)
{
    struct supervisor *s = *supervisor;

    if (s == NULL)
        return;
    for (unsigned slot = 0; slot < ID_SLOTS; slot++) {
        struct worker *worker = s->parts.workers->slots[slot];

        if (worker != NULL && worker->pid > 0) {
            kill(worker->pid, SIGKILL);
            (void)waitpid(worker->pid, NULL, 0);
        }
        worker_free(&s->parts.workers->slots[slot]);
    }
    scans_free(&s->scans);
    loop_timer_free(&s->tick);
    loop_timer_free(&s->close_timer);
    free(s->worker_path);
    free(s);
    *supervisor = NULL;
}

void supervisor_set_state(struct worker *worker, enum worker_state state)
{
    log_debug("supervisor", "worker", LOG_INT("slot", worker->slot),
              LOG_STR("from", worker_state_name(worker->state)),
              LOG_STR("to", worker_state_name(state)));
    worker->state = state;
    worker->since_wall_ms = clock_wall_ms();
}

/* ---- faults ---- */

static void kill_worker(struct worker *worker)
{
    supervisor_set_state(worker,
                         WORKER_DOWN); /* nothing is given to it, nothing of it is believed */
    if (worker->pid > 0)
        kill(worker->pid, SIGKILL);
}

void supervisor_fault(struct worker *worker, const char *what)
{
    if (worker->state == WORKER_DOWN)
        return;
    log_error("supervisor", "a worker is faulty and is killed", LOG_INT("slot", worker->slot),
              LOG_INT("pid", worker->pid), LOG_STR("reason", what));
    kill_worker(worker);
}

void supervisor_stuck(struct worker *worker, const char *what)
{
    struct supervisor *s = worker->supervisor;
    int64_t now_ms = loop_now_ms(s->loop);

    if (worker->state == WORKER_DOWN || worker->figures.disk_hangs != 0 ||
        (s->last_stuck_ms != 0 && now_ms - s->last_stuck_ms < STUCK_EVERY_MS))
        return;
    s->last_stuck_ms = now_ms;
    log_alert("supervisor", "a worker is stuck and is killed", LOG_INT("slot", worker->slot),
              LOG_INT("pid", worker->pid), LOG_STR("reason", what));
    worker->is_stuck = true;
    kill_worker(worker);
}

static void on_channel_end(void *owner, int err)
{
    struct worker *worker = owner;

    if (err < 0) {
        supervisor_fault(worker, strerror(-err));
        return;
    }
    /* It is ending; if it was told to, or has crashed, SIGCHLD is next. */
    loop_timer_set_ms(worker->timer, LAST_WORD_MS);
}

static void on_worker_timer(void *arg)
{
    struct worker *worker = arg;

    if (worker->pid == 0)
        supervisor_spawn(worker);
    else if (worker->state == WORKER_STARTING)
        supervisor_fault(worker, "not ready in time");
    else
        kill_worker(worker);
}

/* ---- start ---- */

static int64_t next_backoff(struct worker *worker, int64_t lived_ms)
{
    int64_t wait_ms;

    if (lived_ms >= GOOD_LIFE_MS)
        worker->backoff_ms = 0;
    wait_ms = worker->backoff_ms;
    worker->backoff_ms = wait_ms == 0 ? BACKOFF_FIRST_MS : 2 * wait_ms;
    if (worker->backoff_ms > BACKOFF_MAX_MS)
        worker->backoff_ms = BACKOFF_MAX_MS;
    return wait_ms;
}

void supervisor_spawn(struct worker *worker)
{
    struct supervisor *s = worker->supervisor;
    int fd, err;

    if (s->is_stopping || worker->is_unwanted || scans_is_under_way(s->scans, worker->slot))
        return; /* the end of the scan comes here again */
    err = spawn_process(s->worker_path, s->log_fd, &worker->pid, &fd);
    if (err == 0) {
        worker->channel =
            channel_new(s->loop, fd, IPC_MASTER, inbox_handlers, on_channel_end, worker);
        if (worker->channel == NULL) {
            close(fd); /* it reads the end of the channel and ends */
            err = -ENOMEM;
        }
    }
    if (err != 0) {
        log_error("supervisor", "cannot start a worker", LOG_INT("slot", worker->slot),
                  LOG_STR("reason", strerror(-err)));
        loop_timer_set_ms(worker->timer, next_backoff(worker, 0));
        return;
    }
    startup_record_worker(s->conf, worker->slot, worker->pid);
    worker->started_ms = loop_now_ms(s->loop);
    worker->heartbeat_ms = 0;
    worker->is_stuck = false;
    worker->figures = (struct ipc_heartbeat){ 0 };
    worker->cpu_percent = 0;
    worker->listeners_to_leave = 0;
    worker->running_count = 0;
    worker->rules_version = 0;
    worker->credit_owed = 0;
    supervisor_set_state(worker, WORKER_STARTING);
    loop_timer_set_ms(worker->timer, READY_LIMIT_MS);
}

int supervisor_configure(struct worker *worker, bool is_first)
{
    struct supervisor *s = worker->supervisor;
    char *text = conf_to_text(s->conf);
    const struct ipc_configure configure = {
        .slot = worker->slot,
        .worker_count = s->parts.workers->wanted,
        .first = is_first ? 1 : 0,
        .listener_count = (uint32_t)listeners_count(s->parts.listeners),
    };
    int fd = text != NULL ? memfd_seal("configuration", text, strlen(text)) : -ENOMEM;

    free(text);
    if (fd < 0)
        return fd;
    channel_send_fd(worker->channel, IPC_CONFIGURE, &configure, fd);
    return 0;
}

static void check_started(struct supervisor *s)
{
    unsigned running, wanted;

    workers_count(s->parts.workers, &running, &wanted);
    if (s->is_started || running < wanted)
        return;
    s->is_started = true;
    if (s->on_started != NULL)
        s->on_started(s->started_arg);
}

void supervisor_ready(struct worker *worker)
{
    struct supervisor *s = worker->supervisor;
    int err = supervisor_configure(worker, true);

    if (err == 0)
        err = pusher_push_all(s->parts.pusher, worker);
    if (err == 0)
        err = listeners_give(s->parts.listeners, worker->slot, worker->channel);
    if (err != 0) {
        supervisor_fault(worker, strerror(-err));
        return;
    }
    budget_worker_ready(dispatch_budget(s->parts.dispatch), worker);
    loop_timer_clear(worker->timer);
    worker->heartbeat_ms = loop_now_ms(s->loop);
    supervisor_set_state(worker, WORKER_RUNNING);
    scans_own_began(s->scans, worker);
    log_info("supervisor", "worker runs", LOG_INT("slot", worker->slot),
             LOG_INT("pid", worker->pid));
    segments_workers_changed(s->parts.segments);
    scans_worker_ready(s->scans);
    check_started(s);
}

int supervisor_open_slot(struct supervisor *s, unsigned slot, struct reason *reterr_why)
{
    struct worker *worker = s->parts.workers->slots[slot];
    int err = listeners_open(s->parts.listeners, slot, reterr_why);

    if (err != 0)
        return err;
    if (worker == NULL)
        worker = workers_add(s->parts.workers, slot);
    if (worker != NULL && worker->timer == NULL)
        worker->timer = loop_timer_new(s->loop, on_worker_timer, worker);
    if (worker == NULL || worker->timer == NULL)
        return reason_set(reterr_why, -ENOMEM, "no memory for worker %u", slot);
    worker->supervisor = s;
    worker->is_unwanted = false;
    scans_expect(s->scans, slot);
    if (worker->pid == 0)
        supervisor_spawn(worker);
    return 0;
}

int supervisor_start(struct supervisor *s, supervisor_cb *on_started, void *arg,
                     struct reason *reterr_why)
{
    char spool_dir[4096];

    s->on_started = on_started;
    s->started_arg = arg;
    snprintf(spool_dir, sizeof(spool_dir), "%s/spool", s->conf->top_state_dir);
    scans_find_surplus(s->scans, spool_dir, s->parts.workers->wanted);
    for (unsigned slot = 0; slot < s->parts.workers->wanted; slot++) {
        int err = supervisor_open_slot(s, slot, reterr_why);

        if (err != 0)
            return err;
    }
    loop_timer_set_ms(s->tick, TICK_MS);
    return 0;
}

/* ---- end ---- */

static bool is_crash(const struct worker *worker, int status)
{
    static const int crashes[] = { SIGSEGV, SIGABRT, SIGBUS, SIGSYS, SIGILL };

    for (size_t i = 0; i < sizeof(crashes) / sizeof(crashes[0]); i++) {
        if (WIFSIGNALED(status) && WTERMSIG(status) == crashes[i])
            return true;
    }
    return worker->is_stuck;
}

static void describe_end(const struct worker *worker, int status, char *out, size_t size)
{
    if (worker->is_stuck)
        snprintf(out, size, "killed: it was stuck");
    else if (WIFSIGNALED(status))
        snprintf(out, size, "killed by signal %d (%s)%s", WTERMSIG(status),
                 strsignal(WTERMSIG(status)),
                 WTERMSIG(status) == SIGKILL ? ": by the master, an operator, or for want of memory"
                                             : "");
    else if (WEXITSTATUS(status) == 127)
        snprintf(out, size, "its program could not be started");
    else if (WEXITSTATUS(status) == OOM_EXIT_STATUS)
        snprintf(out, size, "it ran out of memory");
    else
        snprintf(out, size, "exit status %d", WEXITSTATUS(status));
}

void supervisor_forget_slot(struct worker *worker)
{
    struct supervisor *s = worker->supervisor;
    unsigned slot = worker->slot;

    worker_free(&s->parts.workers->slots[slot]);
    scans_want(s->scans, slot); /* what it left is somebody else's from now on */
    segments_workers_changed(s->parts.segments);
    supervisor_grow(s);
}

static void plan_successor(struct worker *worker, int64_t lived_ms)
{
    struct supervisor *s = worker->supervisor;
    int64_t wait_ms = next_backoff(worker, lived_ms);

    if (s->is_stopping) {
        supervisor_check_stopped(s);
        return;
    }
    if (worker->is_unwanted) {
        supervisor_forget_slot(worker);
        return;
    }
    worker->restarts++;
    if (wait_ms > 0)
        scans_want(s->scans, worker->slot);
    loop_timer_set_ms(worker->timer, wait_ms);
}

static void bury(struct worker *worker, int status)
{
    struct supervisor *s = worker->supervisor;
    int64_t lived_ms = loop_now_ms(s->loop) - worker->started_ms;
    bool was_expected = worker->state == WORKER_DRAINING && WIFEXITED(status);

    if (worker->channel != NULL)
        channel_drain(worker->channel); /* what it said before it died counts */
    channel_free(&worker->channel);
    loop_timer_clear(worker->timer);
    describe_end(worker, status, worker->last_exit, sizeof(worker->last_exit));
    if (was_expected)
        log_info("supervisor", "worker has ended", LOG_INT("slot", worker->slot),
                 LOG_INT("pid", worker->pid));
    else
        log_error("supervisor", "worker has died", LOG_INT("slot", worker->slot),
                  LOG_INT("pid", worker->pid), LOG_STR("reason", worker->last_exit),
                  LOG_INT("jobs", worker->job_count), LOG_INT("lived_ms", lived_ms));
    worker->pid = 0;
    supervisor_set_state(worker, WORKER_DOWN);
    scans_expect(s->scans, worker->slot);
    dispatch_worker_lost(s->parts.dispatch, worker, is_crash(worker, status));
    segments_worker_gone(s->parts.segments, worker);
    compactor_worker_gone(s->parts.compactor, worker);
    prober_worker_gone(s->parts.prober, worker);
    querier_worker_gone(s->parts.querier, worker);
    composer_worker_gone(s->parts.composer, worker);
    tokens_worker_gone(s->parts.tokens, worker);
    scans_worker_gone(s->scans, worker);
    plan_successor(worker, lived_ms);
}

static void on_child(int number, void *arg)
{
    struct supervisor *s = arg;

    (void)number;
    for (unsigned slot = 0; slot < ID_SLOTS; slot++) {
        struct worker *worker = s->parts.workers->slots[slot];
        int status;

        if (worker != NULL && worker->pid > 0 && waitpid(worker->pid, &status, WNOHANG) > 0)
            bury(worker, status);
    }
}

/* The successor waited for another worker to be done with its slot. */
static void on_scanned(unsigned slot, void *arg)
{
    struct supervisor *s = arg;
    struct worker *worker = s->parts.workers->slots[slot];

    if (worker != NULL && worker->pid == 0 && !worker->is_unwanted &&
        !loop_timer_is_set(worker->timer))
        loop_timer_set_ms(worker->timer, 0);
}

/* ---- watch ---- */

static void on_tick(void *arg)
{
    struct supervisor *s = arg;
    int64_t now_ms = loop_now_ms(s->loop);

    loop_timer_set_ms(s->tick, TICK_MS);
    for (unsigned slot = 0; slot < ID_SLOTS; slot++) {
        struct worker *worker = s->parts.workers->slots[slot];

        if (worker == NULL || worker->pid == 0 || worker->heartbeat_ms == 0 ||
            (worker->state != WORKER_RUNNING && worker->state != WORKER_DRAINING))
            continue;
        if (now_ms - worker->heartbeat_ms >= STUCK_MS)
            supervisor_stuck(worker, "no heartbeat for 60 s");
    }
}

unsigned supervisor_open_scans(const struct supervisor *supervisor)
{
    return scans_open(supervisor->scans);
}
