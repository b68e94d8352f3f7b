#include "master/master.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/oom.h"
#include "common/process.h"
#include "master/alert_file.h"
#include "master/alert_files.h"
#include "master/alert_post.h"
#include "master/alert_watch.h"
#include "master/alerts.h"
#include "master/budget.h"
#include "master/cells.h"
#include "master/compactor.h"
#include "master/composer.h"
#include "master/console_host.h"
#include "master/cursor_file.h"
#include "master/dispatch.h"
#include "master/health.h"
#include "master/io_thread.h"
#include "master/listeners.h"
#include "master/master_parts.h"
#include "master/pusher.h"
#include "master/registry.h"
#include "master/retention.h"
#include "master/segments.h"
#include "master/spawn.h"
#include "master/startup.h"
#include "master/stats.h"
#include "master/supervisor.h"
#include "master/tokens.h"

#define START_LIMIT_MS 15000

/* ---- log ---- */

static int open_log_file(const char *target, struct reason *reterr_why)
{
    int fd = open(target, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);

    return fd >= 0 ? fd
                   : reason_set(reterr_why, -errno, "log.target: cannot open %s: %s", target,
                                strerror(errno));
}

int master_open_log(const struct conf *conf, int *log_fd, struct reason *reterr_why)
{
    bool is_file = strcmp(conf->log_target, "stderr") != 0;
    int fd = is_file ? open_log_file(conf->log_target, reterr_why) : STDERR_FILENO;
    enum log_level level = LOG_LEVEL_INFO;

    if (fd < 0)
        return fd;
    if (!log_level_parse(conf->log_level, &level)) {
        if (is_file)
            close(fd);
        return reason_set(reterr_why, -EINVAL, "log.level: \"%s\" is none", conf->log_level);
    }
    log_flush();
    log_open("master", fd);
    log_set_level(level);
    log_set_format(strcmp(conf->log_format, "json") == 0 ? LOG_FORMAT_JSON : LOG_FORMAT_LOGFMT);
    if (*log_fd > STDERR_FILENO)
        close(*log_fd);
    *log_fd = fd;
    return 0;
}

static void on_turn_end_log(void *arg)
{
    (void)arg;
    log_flush();
}

/* ---- parts ---- */

static void on_cursor(void *arg)
{
    struct master *master = arg;

    cursor_file_touch(master->cursors, master->dispatch);
}

static void on_overrun(struct worker *worker, void *arg)
{
    (void)arg;
    supervisor_stuck(worker, "it keeps a delivery beyond its deadline");
}

static void on_copy(const struct ipc_mail_queued *queued, void *arg)
{
    compactor_found_copy(arg, queued);
}

static void on_outcome(enum ipc_outcome outcome, void *arg)
{
    stats_outcome(arg, outcome, clock_wall_ms());
}

void master_set_health(struct master *master, const struct conf *conf)
{
    const struct health_rules rules = { .failures = (unsigned)conf->health_failures,
                                        .probe_first_ms = conf->health_probe_first * 1000,
                                        .probe_max_ms = conf->health_probe_max * 1000 };

    dispatch_set_health(master->dispatch, &rules);
}

/* Parts that need no disk and no name: only memory can be missing. */
static int make_memory_parts(struct master *master, struct reason *why)
{
    char spool_dir[4096];

    snprintf(spool_dir, sizeof(spool_dir), "%s/spool", master->conf->top_state_dir);
    master->segments = segments_new(&master->workers);
    master->cells = cells_new(master->io, spool_dir);
    if (master->segments == NULL || master->cells == NULL)
        return reason_set(why, -ENOMEM, "no memory");
    master->queue = queue_new(master->loop, master->segments);
    if (master->queue == NULL)
        return reason_set(why, -ENOMEM, "no memory");
    master->dispatch = dispatch_new(master->loop, master->queue, &master->workers, master->cells);
    if (master->dispatch == NULL)
        return reason_set(why, -ENOMEM, "no memory");
    master->compactor = compactor_new(master->loop, master->queue, master->segments,
                                      &master->workers, master->cells);
    master->cursors = cursor_file_new(master->loop, master->io, master->conf->top_state_dir);
    master->orders = queue_orders_new(master->loop, master->queue, master->cells, master->dispatch);
    if (master->orders != NULL)
        master->retention = retention_new(master->loop, master->queue, master->orders);
    master->prober = prober_new(master->loop, &master->workers);
    master->querier = querier_new(master->loop, &master->workers);
    master->composer = composer_new(master->loop, &master->workers);
    if (master->cursors == NULL || master->orders == NULL || master->prober == NULL ||
        master->querier == NULL || master->composer == NULL || master->compactor == NULL ||
        master->retention == NULL)
        return reason_set(why, -ENOMEM, "no memory");
    master_set_health(master, master->conf);
    retention_set(master->retention, master->conf->quarantine_retention);
    budget_set_raise_ms(dispatch_budget(master->dispatch),
                        (int64_t)master->conf->pool_raise_after * 1000);
    dispatch_hooks(master->dispatch)->on_cursor = on_cursor;
    dispatch_hooks(master->dispatch)->cursor_arg = master;
    dispatch_hooks(master->dispatch)->on_overrun = on_overrun;
    dispatch_hooks(master->dispatch)->on_copy = on_copy;
    dispatch_hooks(master->dispatch)->copy_arg = master->compactor;
    dispatch_hooks(master->dispatch)->on_outcome = on_outcome;
    dispatch_hooks(master->dispatch)->outcome_arg = master->stats;
    return 0;
}

static void on_held(const struct group *group, void *arg)
{
    alert_watch_held(arg, group);
}

/* What looks for alerts and sends them; the registry says to whom. */
static int make_alerts(struct master *master, struct reason *why)
{
    const struct alert_post_parts post = { .loop = master->loop,
                                           .alerts = master->alerts,
                                           .registry = master->registry,
                                           .queue = master->queue,
                                           .composer = master->composer };
    struct alert_watch_parts watch = { .loop = master->loop,
                                       .alerts = master->alerts,
                                       .registry = master->registry,
                                       .queue = master->queue,
                                       .stats = master->stats };
    char spool_dir[4096];

    snprintf(spool_dir, sizeof(spool_dir), "%s/spool", master->conf->top_state_dir);
    master->alert_file = alert_file_new(master->io, master->alerts, master->conf->top_state_dir);
    watch.file = master->alert_file;
    watch.files = master->alert_files = alert_files_new(master->io, spool_dir);
    watch.post = master->alert_post = alert_post_new(&post, master->conf->top_hostname);
    if (watch.file == NULL || watch.files == NULL || watch.post == NULL)
        return reason_set(why, -ENOMEM, "no memory");
    master->alert_watch = alert_watch_new(&watch, master->conf);
    if (master->alert_watch == NULL)
        return reason_set(why, -ENOMEM, "no memory");
    dispatch_hooks(master->dispatch)->on_held = on_held;
    dispatch_hooks(master->dispatch)->held_arg = master->alert_watch;
    return 0;
}

/* While some slot is still to be scanned the queue knows less than there is. */
static uint64_t count_mail(uint32_t profile, uint32_t rule, void *arg)
{
    const struct master *master = arg;

    if (master->supervisor == NULL || supervisor_open_scans(master->supervisor) > 0)
        return REGISTRY_MAIL_UNKNOWN;
    return queue_mail_count(profile, rule, master->queue);
}

static const struct rule *find_rule(uint32_t id, void *arg)
{
    return registry_rule(arg, id);
}

static int bind_registry(struct master *master, struct reason *why)
{
    int err = registry_open(master->loop, master->io, master->conf, &master->registry, why);

    if (err != 0)
        return err;
    registry_set_mail_count(master->registry, count_mail, master);
    queue_set_rules(master->queue, find_rule, master->registry);
    for (size_t i = 0; i < registry_profile_count(master->registry); i++) {
        const struct profile *profile = registry_profile_at(master->registry, i);

        err = dispatch_set_profile(master->dispatch, profile,
                                   cursor_file_saved(master->cursors, profile->id));
        if (err != 0)
            return reason_set(why, err, "no memory");
    }
    master->tokens = tokens_new(master->loop, &master->workers);
    if (master->tokens == NULL)
        return reason_set(why, -ENOMEM, "no memory");
    master->pusher =
        pusher_new(master->registry, &master->workers, master->dispatch, master->tokens);
    if (master->pusher == NULL)
        return reason_set(why, -ENOMEM, "no memory");
    for (size_t i = 0; i < registry_profile_count(master->registry); i++)
        pusher_drain(master->pusher, registry_profile_at(master->registry, i));
    return 0;
}

static int make_supervisor(struct master *master, struct reason *why)
{
    char worker_path[4096];
    struct supervisor_parts parts;
    int err = spawn_find("postern-worker", worker_path, sizeof(worker_path), why);

    if (err == 0)
        err = listeners_new(master->conf, &master->listeners, why);
    if (err != 0)
        return err;
    parts = (struct supervisor_parts){ .workers = &master->workers,
                                       .queue = master->queue,
                                       .dispatch = master->dispatch,
                                       .segments = master->segments,
                                       .compactor = master->compactor,
                                       .prober = master->prober,
                                       .querier = master->querier,
                                       .composer = master->composer,
                                       .pusher = master->pusher,
                                       .tokens = master->tokens,
                                       .listeners = master->listeners,
                                       .alerts = master->alerts,
                                       .stats = master->stats };
    return supervisor_new(master->loop, master->conf, worker_path, master->log_fd, &parts,
                          &master->supervisor, why);
}

static const char *console_path(void *arg)
{
    const struct master *master = arg;

    return control_console_path(master->control);
}

static int make_parts(struct master *master, struct reason *why)
{
    struct control_backend backend;
    int err = startup_lock(master->conf, &master->lock_fd, why);

    if (err == 0)
        err = startup_wait_for_old_workers(master->conf, why);
    if (err != 0)
        return err;
    master->alerts = alerts_new();
    master->stats = stats_new(clock_wall_ms());
    master->loop = loop_new();
    if (master->alerts == NULL || master->stats == NULL || master->loop == NULL)
        return reason_set(why, -ENOMEM, "no memory");
    master->workers.loop = master->loop;
    master->io = io_thread_new(master->loop);
    if (master->io == NULL || master_watch_signals(master) != 0)
        return reason_set(why, -ENOMEM, "cannot start the I/O thread");
    err = make_memory_parts(master, why);
    if (err == 0)
        err = bind_registry(master, why);
    if (err == 0)
        err = make_alerts(master, why);
    if (err == 0)
        err = make_supervisor(master, why);
    if (err != 0)
        return err;
    backend = master_backend(master);
    err =
        control_new(master->loop, master->conf, master->registry, &backend, &master->control, why);
    loop_at_turn_end(master->loop, on_turn_end_log, NULL);
    if (err == 0) {
        master->console =
            console_host_new(master->loop, master->conf, master->log_fd, console_path, master);
        if (master->console == NULL)
            err = reason_set(why, -ENOMEM, "no memory");
    }
    return err != 0 ? err : startup_write_pid(master->conf, why);
}

/* ---- the end: what is under way is answered first, then everything goes in opposite order ---- */

static int no_work(void *arg)
{
    (void)arg;
    return 0;
}

static void on_io_reached(int result, void *arg)
{
    bool *is_reached = arg;

    (void)result;
    *is_reached = true;
}

/* Until all that was given to the I/O thread so far is done and answered. */
static void let_io_finish(struct master *master)
{
    bool is_reached = false;

    if (master->io == NULL || io_thread_run(master->io, no_work, on_io_reached, &is_reached) != 0)
        return;
    while (!is_reached)
        loop_turn(master->loop, 100);
}

static void answer_what_is_open(struct master *master)
{
    if (master->dispatch != NULL)
        dispatch_hooks(master->dispatch)->on_held = NULL;
    alert_watch_free(&master->alert_watch);
    if (master->control != NULL)
        control_stop(master->control);
    prober_free(&master->prober);
    querier_free(&master->querier);
    composer_free(&master->composer);
    if (master->orders != NULL)
        queue_orders_stop(master->orders);
    if (master->queue != NULL)
        queue_end_lists(master->queue);
    /* A change that waited for another one is given to the thread when that one is done. */
    for (unsigned i = 0; i < 3; i++)
        let_io_finish(master);
    if (master->registry != NULL)
        registry_stop(master->registry);
    for (unsigned i = 0; master->control != NULL && i < 3; i++)
        loop_turn(master->loop, 0); /* the last answers leave */
    control_free(&master->control);
    io_thread_free(&master->io);
    if (master->alert_file != NULL)
        alert_file_write(master->alert_file);
    alert_file_free(&master->alert_file);
    alert_files_free(&master->alert_files);
    alert_post_free(&master->alert_post);
    retention_free(&master->retention);
    queue_orders_free(&master->orders);
}

static void free_parts(struct master *master)
{
    answer_what_is_open(master);
    if (master->cursors != NULL && master->dispatch != NULL && master->pusher != NULL)
        cursor_file_sync(master->cursors, master->dispatch);
    console_host_free(&master->console);
    supervisor_free(&master->supervisor);
    listeners_free(&master->listeners);
    pusher_free(&master->pusher);
    tokens_free(&master->tokens);
    registry_free(&master->registry);
    cursor_file_free(&master->cursors);
    dispatch_free(&master->dispatch);
    compactor_free(&master->compactor);
    queue_free(&master->queue);
    cells_free(&master->cells);
    segments_free(&master->segments);
    loop_free(master->loop);
    alerts_free(&master->alerts);
    stats_free(&master->stats);
    if (master->lock_fd >= 0) {
        startup_remove_pid(master->first_conf);
        close(master->lock_fd);
    }
}

/* ---- the run ---- */

static void on_started(void *arg)
{
    struct master *master = arg;

    log_info("master", "started", LOG_INT("workers", master->workers.wanted),
             LOG_INT("pid", getpid()));
    startup_report(&master->report_fd, 0, NULL);
}

/* Some worker does not come up: what runs goes on, and who started it is told. */
static void on_start_limit(void *arg)
{
    struct master *master = arg;
    unsigned running, wanted;

    if (master->report_fd < 0)
        return;
    workers_count(&master->workers, &running, &wanted);
    log_error("master", "not all workers have come up", LOG_INT("running", running),
              LOG_INT("workers", wanted));
    startup_report(&master->report_fd, running > 0 ? 0 : 1, "no worker comes up: see the log");
}

static int run(struct master *master, struct reason *why)
{
    struct loop_timer *limit;
    int err = make_parts(master, why);

    if (err != 0)
        return err;
    limit = loop_timer_new(master->loop, on_start_limit, master);
    if (limit == NULL)
        return reason_set(why, -ENOMEM, "no memory");
    loop_timer_set_ms(limit, START_LIMIT_MS);
    err = supervisor_start(master->supervisor, on_started, master, why);
    if (err == 0)
        console_host_start(master->console);
    if (err == 0)
        loop_run(master->loop);
    loop_timer_free(&limit);
    return err;
}

int master_run(struct conf *conf, const char *conf_path, int report_fd)
{
    struct master *master = calloc(1, sizeof(*master));
    struct reason why = { "" };
    int err;

    if (master == NULL)
        oom_exit("master", "its parts");
    master->conf = conf;
    master->first_conf = conf;
    master->conf_path = conf_path;
    master->report_fd = report_fd;
    master->log_fd = STDERR_FILENO;
    master->lock_fd = -1;
    master->started_wall_ms = clock_wall_ms();
    loop_guard_memory(); /* what the control API is sent holds secrets */
    err = process_harden(&why);
    if (err == 0)
        err = master_open_log(conf, &master->log_fd, &why);
    if (err == 0)
        err = run(master, &why);
    if (err != 0)
        log_error("master", "cannot start", LOG_STR("reason", why.text));
    startup_report(&master->report_fd, 1, err != 0 ? why.text : "stopped before it had started");
    free_parts(master);
    log_info("master", "ended", LOG_INT("pid", getpid()));
    log_flush();
    if (master->conf != master->first_conf)
        conf_free(&master->conf);
    conf_free(&master->first_conf);
    free(master);
    return err != 0 ? 1 : 0;
}
