/* master/queue.h: the schedule of everything that is to be delivered.
 *
 * One entry per group (the recipients of one message under one rule), at most 200 bytes, found by
 * (id, group). The queue is memory only: the spool is the truth, and a restart builds the queue
 * again from what the workers find there. Who may go next is decided by master/dispatch.h; what an
 * operator orders is carried out by master/queue_order.h. */
#ifndef MASTER_QUEUE_H
#define MASTER_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/ipc.h"
#include "common/stage.h"

/* Beyond QUEUE_FULL_GROUPS no credit is given back to workers: they stop accepting (451) long
 * before there could be QUEUE_MAX_GROUPS. */
#define QUEUE_FULL_GROUPS (1U << 24)
#define QUEUE_MAX_GROUPS  (1U << 25)

#define QUEUE_LIST_MAX 1000 /* entries in one answer */

struct loop;
struct queue;
struct rule;
struct segments;

enum queue_state {
    QUEUE_READY,       /* may go as soon as its profile has its turn */
    QUEUE_OUT,         /* a worker is delivering it */
    QUEUE_WAITING,     /* deferred until next_attempt_s */
    QUEUE_HELD,        /* by an operator, or because it killed workers */
    QUEUE_FAILED,      /* final; kept and listed */
    QUEUE_QUARANTINED, /* a scan blocked it: until an operator decides, or its time is over */
    QUEUE_CHECKING,    /* its cell is being read or written */
    QUEUE_GONE,        /* finished while its slot is being scanned; never shown */
    QUEUE_STATE_COUNT
};

/* So many workers died while they had a group: then it is held (MQ09). */
#define QUEUE_CRASHES_TO_HOLD 2

/* What is shown of a group. */
struct queue_view {
    struct ipc_place place;
    uint64_t body_bytes;
    uint32_t profile; /* the relay profile it travels by: the rule's, or where it was rerouted to */
    uint32_t rule;
    uint32_t recipients; /* not yet final */
    uint32_t received_s; /* since CLOCK_EPOCH_S, as the next */
    uint32_t next_attempt_s;
    uint16_t attempts;
    uint8_t crashes;
    bool is_own; /* the appliance made it itself */
    enum queue_state state;
    int worker;             /* slot of the worker that delivers it, -1: none */
    uint32_t stage_profile; /* that it goes through now: a core's, a vault's, or `profile` */
};

/* The rules as they are now, deleted ones included that mail still needs; NULL: no such rule. */
typedef const struct rule *queue_find_rule(uint32_t id, void *arg);

/* `segments` hears which spool segments are still needed. NULL: no memory. */
struct queue *queue_new(struct loop *loop, struct segments *segments);
/* By which mail comes to its stages (common/stage.h); without them all of it is only relayed. */
void queue_set_rules(struct queue *queue, queue_find_rule *find, void *arg);
void queue_free(struct queue **queue);     /* lists under way end empty */
void queue_end_lists(struct queue *queue); /* the same for those alone, before the end */

const char *queue_state_name(enum queue_state state); /* "ready", "delivering", "deferred" ... */
/* By that name; false if there is none. */
bool queue_state_parse(const char *name, enum queue_state *ret_state);

/* All groups of a message, in order of their number; returns how many there are, of which at most
 * `max` were written. */
size_t queue_find(const struct queue *queue, uint64_t id, struct queue_view *ret_views, size_t max);

struct queue_filter {
    uint32_t profile; /* of the stage or of the relay; 0: any, as the next */
    uint32_t rule;
    unsigned states; /* 1 << enum queue_state for each that is wanted; 0: any */
};

struct queue_page {
    const struct queue_view *views; /* borrowed */
    size_t count;
    bool more;      /* there are others after the last */
    uint64_t total; /* groups that the filter fits, on all pages */
};

/* Ordered by id, which is by age. The scan is cut over several turns of the loop; `done` runs once,
 * never from inside the call. */
typedef void queue_list_cb(const struct queue_page *page, void *arg);
/* Lists what comes after (after_id, after_group); 0, 0: from the first, as no message has id 0.
 * 0 or -ENOMEM, -EBUSY (too many lists under way; then `done` does not run). */
int queue_list(struct queue *queue, const struct queue_filter *filter, uint64_t after_id,
               unsigned after_group, size_t limit, queue_list_cb *done, void *arg);

/* How many groups there are. profile 0 and rule 0: in all; otherwise those that need the one that
 * is given (a registry_mail_count, with the queue as `arg`). */
uint64_t queue_mail_count(uint32_t profile, uint32_t rule, void *arg);
uint64_t queue_state_count(const struct queue *queue, enum queue_state state);

#endif
