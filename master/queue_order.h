/* master/queue_order.h: what an operator orders about a queued message (MQ06).
 *
 * Every order is written to the groups' cells and synced before it is answered. A group that is
 * being delivered is asked back from its worker first: what is past its end of data, or is not
 * given back within QUEUE_ORDER_WAIT_MS, is answered QUEUE_TOO_LATE and left alone. */
#ifndef MASTER_QUEUE_ORDER_H
#define MASTER_QUEUE_ORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define QUEUE_ORDER_WAIT_MS 10000
#define QUEUE_ORDERS_MAX    1024 /* under way at once */

struct cells;
struct dispatch;
struct loop;
struct queue;
struct queue_orders;

enum queue_verb {
    QUEUE_HOLD,    /* not delivered until released */
    QUEUE_RELEASE, /* a held one: ready at once, its crash count forgotten; a quarantined one goes
                    * on as if the scan had allowed it */
    QUEUE_RETRY,   /* now; a failed one is opened again */
    QUEUE_REROUTE, /* by another profile, now; a failed one is opened again, a held one stays held
                    */
    QUEUE_RESCAN,  /* what is quarantined goes to its rule's scanner once more */
    QUEUE_DELETE,
    QUEUE_VERB_COUNT
};

enum queue_order_result {
    QUEUE_ORDER_DONE,
    QUEUE_NOT_FOUND,    /* no such message or group, or it is finished by now */
    QUEUE_TOO_LATE,     /* being delivered */
    QUEUE_NOT_IN_STATE, /* release of what is not held, retry of what is, hold of what failed */
    QUEUE_BUSY,         /* another order about it is under way, or too many are */
    QUEUE_DISK,         /* could not be written; nothing changed */
    QUEUE_ORDER_RESULT_COUNT
};

struct queue_order {
    enum queue_verb verb;
    uint64_t id;
    int group;               /* -1: all groups of the message */
    bool is_quarantine_only; /* what is in another state is not in its present state */
    uint32_t profile; /* QUEUE_REROUTE: where to; the caller checked that it is an smtp profile */
};

/* When some of a message's groups were done and others not, `done_count` is not 0 and `result` says
 * what stood in the way of the others. */
struct queue_order_answer {
    enum queue_order_result result;
    unsigned done_count;
    unsigned other_count;
    int err; /* negative errno with QUEUE_DISK */
};

/* Hooks itself onto dispatch. NULL: no memory. */
struct queue_orders *queue_orders_new(struct loop *loop, struct queue *queue, struct cells *cells,
                                      struct dispatch *dispatch);
/* Orders that wait for a worker end as QUEUE_BUSY, and new ones too; what is being written is
 * answered when the I/O thread is done with it. */
void queue_orders_stop(struct queue_orders *orders);
void queue_orders_free(struct queue_orders **orders); /* after the I/O thread has ended */

/* Runs exactly once, never from inside queue_order(). */
typedef void queue_order_cb(const struct queue_order_answer *answer, void *arg);
void queue_order(struct queue_orders *orders, const struct queue_order *order, queue_order_cb *done,
                 void *arg);

const char *queue_verb_name(enum queue_verb verb);                   /* "hold" ... */
const char *queue_order_result_text(enum queue_order_result result); /* for people */

#endif
