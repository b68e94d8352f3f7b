/* master/control/backend.h: the control API's view of the real modules of the master. */
#ifndef MASTER_CONTROL_BACKEND_H
#define MASTER_CONTROL_BACKEND_H

#include "master/control/control.h"

struct alerts;
struct dispatch;

/* All borrowed; they must live until control_free(). `status` may be NULL. */
struct control_modules {
    struct queue *queue;
    struct queue_orders *orders;
    struct querier *querier;
    struct prober *prober;
    struct dispatch *dispatch;
    struct workers *workers;
    struct alerts *alerts;
    json_t *(*status)(void *arg);
    void *arg; /* for `status` */
};

/* `modules` is kept as the backend's self. */
void backend_bind(struct control_backend *backend, struct control_modules *modules);

#endif
