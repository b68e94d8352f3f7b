/* master/control/control.h: the control API: HTTP and JSON on <run_dir>/control.sock and, for the
 * console, on <run_dir>/console.sock (OP03).
 *
 * Who may connect to the first is an administrator. To the second only the daemon itself connects,
 * for its console: what comes in there is anybody's word until a session's cookie says more.
 *
 * It checks who asks, finds the route (routes.c has the list, docs/openapi.yaml the description),
 * and answers from the registry and from what a struct control_backend gives it of the queue, the
 * workers and the connection tests. It decides nothing about mail.
 *
 * To end: control_stop() (connection tests under way are given up, nobody new gets in), then end
 * what the backend and the registry have under way, so that their callbacks have run, let the loop
 * turn so that the last answers leave, and control_free(). */
#ifndef MASTER_CONTROL_CONTROL_H
#define MASTER_CONTROL_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "common/conf.h"
#include "common/reason.h"
#include "master/composer.h"
#include "master/prober.h"
#include "master/querier.h"
#include "master/queue.h"
#include "master/queue_order.h"

struct control;
struct loop;
struct registry;

/* Over which socket a request came. */
enum control_door { DOOR_CONTROL, DOOR_CONSOLE, CONTROL_DOOR_COUNT };

/* What the API needs of the master beside the registry. Each does what the function of the same
 * name in master/queue.h, queue_order.h, querier.h, prober.h, dispatch.h, health_shown.h,
 * workers.h, alerts.h or stats.h does; master/backend.c binds it to those. Every callback comes
 * exactly once and has its deadline there.
 */
struct control_backend {
    void *self;

    size_t (*queue_find)(void *self, uint64_t id, struct queue_view *ret_views, size_t max);
    int (*queue_list)(void *self, const struct queue_filter *filter, uint64_t after_id,
                      unsigned after_group, size_t limit, queue_list_cb *done, void *arg);
    uint64_t (*queue_state_count)(void *self, enum queue_state state);
    void (*queue_order)(void *self, const struct queue_order *order, queue_order_cb *done,
                        void *arg);
    int (*compose)(void *self, const struct composer_mail *mail, composer_done_cb *done, void *arg);
    int (*query)(void *self, const struct ipc_place *places, size_t count, bool detail,
                 querier_done_cb *done, void *arg);

    int (*probe)(void *self, const struct profile *profile, prober_step_cb *on_step,
                 prober_done_cb *done, void *arg, uint64_t *ret_token);
    void (*probe_forget)(void *self, uint64_t token);

    int (*next_start)(void *self, uint32_t profile);
    json_t *(*pool)(void *self, uint32_t profile);
    json_t *(*servers)(void *self, uint32_t profile);
    json_t *(*server_warnings)(void *self);
    void (*server_drain)(void *self, uint32_t profile, const char *uri, bool is_drain);
    json_t *(*workers)(void *self);
    void (*workers_count)(void *self, unsigned *ret_running, unsigned *ret_wanted);
    json_t *(*alerts)(void *self);
    /* stats_shown() with "queue" {"length", "oldest_age_s", "oldest": id}; the two are null while
     * nothing waits, or before the queue was walked once. */
    json_t *(*stats)(void *self, unsigned minutes, unsigned step);
    int (*alert_test)(void *self, composer_done_cb *done, void *arg); /* alert_post_test() */
    json_t *(*ambiguous)(void *self, size_t limit);                   /* ledger_shown() */
    /* More members for `status`: what only the master's main knows (longest turn, limits). May be
     * NULL. */
    json_t *(*status)(void *self);
};

/* `backend` is copied, its functions may be called until control_free(). The sockets are made here.
 * 0 or a negative errno with the reason. */
int control_new(struct loop *loop, const struct conf *conf, struct registry *registry,
                const struct control_backend *backend, struct control **ret_control,
                struct reason *reterr_why);

/* After a reload: who may connect is looked up again. The sockets stay where they are. */
void control_reload(struct control *control, const struct conf *conf);

/* Where the console's requests go: good until control_stop(), then NULL. */
const char *control_console_path(const struct control *control);

void control_stop(struct control *control);
void control_free(struct control **control); /* NULL inside is allowed */

#endif
