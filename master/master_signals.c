#include <signal.h>
#include <string.h>

#include "common/log.h"
#include "common/loop.h"
#include "master/alert_watch.h"
#include "master/budget.h"
#include "master/console_host.h"
#include "master/console_identity.h"
#include "master/dispatch.h"
#include "master/listeners.h"
#include "master/master_parts.h"
#include "master/registry.h"
#include "master/retention.h"
#include "master/supervisor.h"

/* Who stops a whole process group may well send the same signal twice. */
#define AGAIN_MS 2000

static void on_stopped(void *arg)
{
    struct master *master = arg;

    loop_stop(master->loop);
}

static void on_terminate(int number, void *arg)
{
    struct master *master = arg;

    if (master->is_stopping) {
        if (loop_now_ms(master->loop) - master->stopping_ms < AGAIN_MS)
            return;
        log_warning("master", "told to stop again: not waiting any longer",
                    LOG_STR("signal", strsignal(number)));
        loop_stop(master->loop);
        return;
    }
    master->is_stopping = true;
    master->stopping_ms = loop_now_ms(master->loop);
    log_info("master", "draining", LOG_STR("signal", strsignal(number)),
             LOG_INT("drain_time_s", master->conf->top_drain_time));
    console_host_stop(master->console);
    control_stop(master->control);
    supervisor_stop(master->supervisor, on_stopped, master);
}

/* What only a restart can change; saying so is better than silence. */
static bool is_changed(const char *a, const char *b)
{
    return strcmp(a, b) != 0;
}

static bool is_list_changed(const struct conf_list *a, const struct conf_list *b)
{
    if (a->count != b->count)
        return true;
    for (size_t i = 0; i < a->count; i++) {
        if (is_changed(a->items[i], b->items[i]))
            return true;
    }
    return false;
}

static void name_what_waits(const struct conf *old, const struct conf *new)
{
    const struct {
        const char *key;
        bool is_changed;
    } fixed[] = {
        { "state_dir", is_changed(old->top_state_dir, new->top_state_dir) },
        { "run_dir", is_changed(old->top_run_dir, new->top_run_dir) },
        { "key_file", is_changed(old->top_key_file, new->top_key_file) },
        { "smtp.listen", is_list_changed(&old->smtp_listen, &new->smtp_listen) },
        { "spool.segment_size", old->spool_segment_size != new->spool_segment_size },
    };

    for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++) {
        if (fixed[i].is_changed)
            log_warning("master", "a change that takes effect at the next start",
                        LOG_STR("key", fixed[i].key));
    }
}

static void on_reload(int number, void *arg)
{
    struct master *master = arg;
    struct conf *conf = NULL, *old = master->conf;
    struct reason why = { "" };

    (void)number;
    if (master->is_stopping)
        return;
    if (conf_load(master->conf_path, &conf, &why) != 0 || listeners_check(conf, &why) != 0 ||
        console_identity_check(conf, &why) != 0 ||
        master_open_log(conf, &master->log_fd, &why) != 0) {
        conf_free(&conf);
        log_error("master", "reload: nothing changed", LOG_STR("reason", why.text));
        return;
    }
    supervisor_set_log(master->supervisor, master->log_fd);
    name_what_waits(master->first_conf, conf);
    master->conf = conf;
    control_reload(master->control, conf);
    registry_reload(master->registry, conf);
    alert_watch_configure(master->alert_watch, conf);
    master_set_health(master, conf);
    retention_set(master->retention, conf->quarantine_retention);
    budget_set_raise_ms(dispatch_budget(master->dispatch), (int64_t)conf->pool_raise_after * 1000);
    console_host_reload(master->console, conf, master->log_fd);
    if (supervisor_reload(master->supervisor, conf, &why) != 0)
        log_error("master", "reload: not all workers are as the configuration says",
                  LOG_STR("reason", why.text));
    else
        log_info("master", "reloaded", LOG_INT("workers", conf_workers(conf)));
    if (old != master->first_conf)
        conf_free(&old);
}

int master_watch_signals(struct master *master)
{
    static const struct {
        int number;
        loop_signal_cb *cb;
    } watched[] = { { SIGTERM, on_terminate }, { SIGINT, on_terminate }, { SIGHUP, on_reload } };

    for (size_t i = 0; i < sizeof(watched) / sizeof(watched[0]); i++) {
        int err = loop_on_signal(master->loop, watched[i].number, watched[i].cb, master);

        if (err != 0)
            return err;
    }
    return 0;
}
