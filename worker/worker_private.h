/* worker/worker_private.h: the worker as its two files see it: worker.c (parts, heartbeat, end) and
 * orders.c (what the master says). */
#ifndef WORKER_WORKER_PRIVATE_H
#define WORKER_WORKER_PRIVATE_H

#include <stdbool.h>

#include "common/channel.h"
#include "common/ipc.h"
#include "worker/worker.h"

struct conf;
struct loop_timer;

struct worker {
    struct loop *loop;
    struct channel *channel;
    struct conf *conf;     /* the one the parts were made with */
    struct conf *reloaded; /* the one in force for ingress and log, NULL: the first still is */
    struct directory *directory;
    struct segment_cache *cache;
    struct spooler *spooler;
    struct resolver *resolver;
    struct tls_keeper *keeper;
    struct http *http;
    struct tokens *tokens;
    struct smtp_pool *pool;
    struct body_work *body_work;
    struct delivery *delivery;
    struct discards *discards;
    struct ingress *ingress;
    struct prober *prober;
    struct health_prober *health;
    struct query *query;
    struct composer *composer;
    struct loop_timer *heartbeat, *last_wait;
    unsigned slot;
    bool is_draining, is_ingress_empty, is_delivery_empty;
    int status;
};

/* Indexed by kind, for channel_new(); the owner is the struct worker. */
extern channel_handler *const worker_orders[IPC_KIND_COUNT];

/* The only way out on trouble of our own: the master sees the end and starts a successor. */
void worker_give_up(struct worker *worker, const char *what, const char *reason);

/* The first time it makes the parts, later it is a reload. `fd` is closed. */
void worker_configure(struct worker *worker, const struct ipc_configure *order, int fd);

/* Cuts what may be cut; DRAINED follows when nothing is left. */
void worker_drain(struct worker *worker);

#endif
