/* master/control/backend.c: the control API's view of the real modules of the master. */
#include "master/control/backend.h"

#include "master/alerts.h"
#include "master/dispatch.h"
#include "master/workers.h"

static size_t find(void *self, uint64_t id, struct queue_view *ret_views, size_t max)
{
    return queue_find(((struct control_modules *)self)->queue, id, ret_views, max);
}

static int list(void *self, const struct queue_filter *filter, uint64_t after_id,
                unsigned after_group, size_t limit, queue_list_cb *done, void *arg)
{
    return queue_list(((struct control_modules *)self)->queue, filter, after_id, after_group, limit,
                      done, arg);
}

static uint64_t state_count(void *self, enum queue_state state)
{
    return queue_state_count(((struct control_modules *)self)->queue, state);
}

static void order(void *self, const struct queue_order *wanted, queue_order_cb *done, void *arg)
{
    queue_order(((struct control_modules *)self)->orders, wanted, done, arg);
}

static int query(void *self, const struct ipc_place *places, size_t count, bool detail,
                 querier_done_cb *done, void *arg)
{
    return querier_ask(((struct control_modules *)self)->querier, places, count, detail, done, arg);
}

static int probe(void *self, const struct profile *profile, prober_step_cb *on_step,
                 prober_done_cb *done, void *arg, uint64_t *ret_token)
{
    return prober_start(((struct control_modules *)self)->prober, profile, on_step, done, arg,
                        ret_token);
}

static void probe_forget(void *self, uint64_t token)
{
    prober_forget(((struct control_modules *)self)->prober, token);
}

static int next_start(void *self, uint32_t profile)
{
    return dispatch_next_start(((struct control_modules *)self)->dispatch, profile);
}

static json_t *shown_workers(void *self)
{
    return workers_shown(((struct control_modules *)self)->workers);
}

static void count_workers(void *self, unsigned *ret_running, unsigned *ret_wanted)
{
    workers_count(((struct control_modules *)self)->workers, ret_running, ret_wanted);
}

static json_t *shown_alerts(void *self)
{
    return alerts_shown(((struct control_modules *)self)->alerts);
}

static json_t *status(void *self)
{
    struct control_modules *modules = self;

    return modules->status ? modules->status(modules->arg) : NULL;
}

void backend_bind(struct control_backend *backend, struct control_modules *modules)
{
    *backend = (struct control_backend){ .self = modules,
                                         .queue_find = find,
                                         .queue_list = list,
                                         .queue_state_count = state_count,
                                         .queue_order = order,
                                         .query = query,
                                         .probe = probe,
                                         .probe_forget = probe_forget,
                                         .next_start = next_start,
                                         .workers = shown_workers,
                                         .workers_count = count_workers,
                                         .alerts = shown_alerts,
                                         .status = status };
}
