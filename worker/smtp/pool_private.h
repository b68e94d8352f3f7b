/* worker/smtp/pool_private.h: what pool.c (shelves, idle connections, what the master hears) and
 * pool_turns.c (opening connections, and who waits for one) share.
 *
 * A shelf stands for one profile version, its entries for the version's servers. A connection is
 * idle on its entry or lent to somebody; both are counted in `open` until its socket is closed. A
 * shelf holds its version, so that the version's address stays its name, and goes when the version
 * is retired and the last connection closed. */
#ifndef WORKER_SMTP_POOL_PRIVATE_H
#define WORKER_SMTP_POOL_PRIVATE_H

#include <stdint.h>

#include "worker/smtp/pool.h"

struct loop_timer;

struct smtp_pooled {
    LIST_ENTRY(smtp_pooled) link;
    TAILQ_ENTRY(smtp_pooled) idle;
    struct smtp_pool_entry *entry;
    struct smtp_connection *connection;
    struct smtp_ticket *ticket; /* for whom it is being opened, NULL: it has been */
    uint64_t idle_order;
    bool is_idle;
};

struct smtp_pool_entry { /* one server */
    struct smtp_pool_shelf *shelf;
    unsigned server;
    unsigned open, idle_count;
    TAILQ_HEAD(smtp_pool_idle_list, smtp_pooled) idle; /* the last one given back first */
    TAILQ_HEAD(, smtp_ticket) waiting;
    bool is_changed; /* since the master was told */
};

struct smtp_pool_shelf { /* one profile version */
    LIST_ENTRY(smtp_pool_shelf) link;
    struct smtp_pool *pool;
    struct worker_profile *profile;
    unsigned open, idle_count, waiting;
    bool is_changed;
    unsigned server_count;
    struct smtp_pool_entry entries[];
};

struct smtp_pool {
    struct loop *loop;
    struct channel *channel;
    struct loop_timer *wake;              /* somebody waits, and there is room now */
    LIST_HEAD(, smtp_pool_shelf) shelves; /* the one used last first */
    LIST_HEAD(, smtp_pooled) connections;
    unsigned open;
    uint64_t idle_order;
    bool is_changed;
};

static inline void smtp_pool_mark_changed(struct smtp_pool_entry *entry)
{
    entry->is_changed = entry->shelf->is_changed = entry->shelf->pool->is_changed = true;
}

/* ---- pool.c ---- */

/* The version's shelf, made if there is none. NULL: no memory. */
struct smtp_pool_shelf *smtp_pool_get_shelf(struct smtp_pool *pool, struct worker_profile *profile);
/* It is not idle any more. One that was not is allowed. */
void smtp_pool_leave_idle(struct smtp_pooled *pooled);
/* Says QUIT; counted until the socket is closed. */
void smtp_pool_dismiss(struct smtp_pooled *pooled);

/* ---- pool_turns.c ---- */

/* A wish is over: it waits no more, and no connection is opened for it. */
void smtp_pool_detach(struct smtp_ticket *ticket);
/* Somebody waits, and there is room now: the timer's callback, with the pool. */
void smtp_pool_on_wake(void *arg);

#endif
