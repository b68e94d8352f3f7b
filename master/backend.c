/* What the control API sees of the master: each call goes to the part that knows. */
#include <unistd.h>

#include "common/clock.h"
#include "common/id.h"
#include "common/loop.h"
#include "common/process.h"
#include "master/alert_files.h"
#include "master/alert_post.h"
#include "master/alert_watch.h"
#include "master/alerts.h"
#include "master/conf_shown.h"
#include "master/console_host.h"
#include "master/dispatch.h"
#include "master/health_shown.h"
#include "master/ledger.h"
#include "master/master_parts.h"
#include "master/pool_shown.h"
#include "master/stats.h"
#include "master/supervisor.h"

static size_t find(void *self, uint64_t id, struct queue_view *ret_views, size_t max)
{
    const struct master *master = self;

    return queue_find(master->queue, id, ret_views, max);
}

static int list(void *self, const struct queue_filter *filter, uint64_t after_id,
                unsigned after_group, size_t limit, queue_list_cb *done, void *arg)
{
    struct master *master = self;

    return queue_list(master->queue, filter, after_id, after_group, limit, done, arg);
}

static uint64_t state_count(void *self, enum queue_state state)
{
    const struct master *master = self;

    return queue_state_count(master->queue, state);
}

static void order(void *self, const struct queue_order *what, queue_order_cb *done, void *arg)
{
    struct master *master = self;

    queue_order(master->orders, what, done, arg);
}

static int compose(void *self, const struct composer_mail *mail, composer_done_cb *done, void *arg)
{
    struct master *master = self;

    return composer_send(master->composer, mail, done, arg);
}

static int query(void *self, const struct ipc_place *places, size_t count, bool detail,
                 querier_done_cb *done, void *arg)
{
    struct master *master = self;

    return querier_ask(master->querier, places, count, detail, done, arg);
}

static int probe(void *self, const struct profile *profile, prober_step_cb *on_step,
                 prober_done_cb *done, void *arg, uint64_t *ret_token)
{
    struct master *master = self;

    return prober_start(master->prober, profile, on_step, done, arg, ret_token);
}

static void probe_forget(void *self, uint64_t token)
{
    struct master *master = self;

    prober_forget(master->prober, token);
}

static int next_start(void *self, uint32_t profile)
{
    const struct master *master = self;

    return dispatch_next_start(master->dispatch, profile);
}

static json_t *pool(void *self, uint32_t profile)
{
    const struct master *master = self;

    return pool_shown(master->dispatch, profile);
}

static json_t *servers(void *self, uint32_t profile)
{
    const struct master *master = self;

    return health_shown(master->queue, profile);
}

static json_t *server_warnings(void *self)
{
    const struct master *master = self;

    return health_warnings(master->queue);
}

static void server_drain(void *self, uint32_t profile, const char *uri, bool is_drain)
{
    struct master *master = self;

    /* One that left the profile meanwhile is nothing to order about. */
    if (is_drain)
        (void)dispatch_drain(master->dispatch, profile, uri);
    else
        (void)dispatch_enable(master->dispatch, profile, uri);
}

static json_t *workers(void *self)
{
    const struct master *master = self;

    return workers_shown(&master->workers);
}

static void count_workers(void *self, unsigned *ret_running, unsigned *ret_wanted)
{
    const struct master *master = self;

    workers_count(&master->workers, ret_running, ret_wanted);
}

static json_t *alerts(void *self)
{
    const struct master *master = self;

    return alerts_shown(master->alerts);
}

/* Nobody waits for less than no time, whatever becomes of the clock. */
static json_t *queue_now(const struct master *master, int64_t now_ms)
{
    struct alert_queue queue = { 0 };
    char id[ID_TEXT_SIZE];
    int64_t age_ms;

    if (master->alert_watch != NULL) /* the last answers leave when it is gone already */
        alert_watch_queue(master->alert_watch, &queue);
    if (queue.oldest_id == 0)
        return json_pack("{s:I, s:n, s:n}", "length", (json_int_t)queue.length, "oldest_age_s",
                         "oldest");
    age_ms = now_ms - clock_from_epoch_s(queue.received_s);
    return json_pack("{s:I, s:I, s:s}", "length", (json_int_t)queue.length, "oldest_age_s",
                     (json_int_t)(age_ms > 0 ? age_ms / 1000 : 0), "oldest",
                     id_text(queue.oldest_id, id));
}

static json_t *stats(void *self, unsigned minutes, unsigned step)
{
    const struct master *master = self;
    const int64_t now_ms = clock_wall_ms();
    json_t *shown = stats_shown(master->stats, minutes, step, now_ms);

    (void)json_object_set_new(shown, "queue", queue_now(master, now_ms));
    return shown;
}

static int alert_test(void *self, composer_done_cb *done, void *arg)
{
    struct master *master = self;

    return alert_post_test(master->alert_post, done, arg);
}

static json_t *ambiguous(void *self, size_t limit)
{
    const struct master *master = self;

    return ledger_shown(dispatch_ledger(master->dispatch), master->queue, limit);
}

static json_t *status(void *self)
{
    const struct master *master = self;
    char since[CLOCK_TEXT_SIZE];

    return json_pack("{s:s, s:i, s:s, s:I, s:I, s:b, s:i, s:I, s:o, s:o}", "version",
                     POSTERN_VERSION, "pid", (int)getpid(), "since",
                     clock_text(master->started_wall_ms, since), "longest_turn_us",
                     (json_int_t)loop_take_longest_turn_us(master->loop), "max_descriptors",
                     (json_int_t)process_nofile(), "stopping", master->is_stopping ? 1 : 0,
                     "slots_to_scan", (int)supervisor_open_scans(master->supervisor), "ambiguous",
                     (json_int_t)ledger_count(dispatch_ledger(master->dispatch)), "console",
                     console_host_shown(master->console), "configuration",
                     conf_shown(master->conf, master->conf_path,
                                alert_files_look(master->alert_files, loop_now_ms(master->loop))));
}

struct control_backend master_backend(struct master *master)
{
    return (struct control_backend){ .self = master,
                                     .queue_find = find,
                                     .queue_list = list,
                                     .queue_state_count = state_count,
                                     .queue_order = order,
                                     .compose = compose,
                                     .query = query,
                                     .probe = probe,
                                     .probe_forget = probe_forget,
                                     .next_start = next_start,
                                     .pool = pool,
                                     .servers = servers,
                                     .server_warnings = server_warnings,
                                     .server_drain = server_drain,
                                     .workers = workers,
                                     .workers_count = count_workers,
                                     .alerts = alerts,
                                     .stats = stats,
                                     .alert_test = alert_test,
                                     .ambiguous = ambiguous,
                                     .status = status };
}
