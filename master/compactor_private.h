/* master/compactor_private.h: what the compactor's files share: compactor.c (runs, from the choice
 * of a segment to its end) and compactor_copies.c (records that are found twice). */
#ifndef MASTER_COMPACTOR_PRIVATE_H
#define MASTER_COMPACTOR_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "common/ipc.h"
#include "master/compactor.h"

struct group;
struct loop_timer;

/*   WALKING --> OUT --> over
 *                |
 *                +--> ORPHANED --> over */
enum run_state {
    RUN_WALKING,  /* the groups are being collected */
    RUN_OUT,      /* the worker is at it */
    RUN_ORPHANED, /* the worker is gone: what it did is known when its slot was scanned */
};

struct run {
    TAILQ_ENTRY(run) link;
    struct ipc_segment what;
    enum run_state state;
    uint16_t worker;          /* slot of the one that does it */
    uint32_t next;            /* group to be looked at */
    struct ipc_place *places; /* `reserved` is the group's number */
    size_t count, room;
    bool is_young; /* what is ready there is about to leave by itself */
    bool is_cut;   /* there are more than one run takes */
    bool is_short; /* of memory */
};

TAILQ_HEAD(run_list, run);

struct compactor {
    struct loop *loop;
    struct queue *queue;
    struct segments *segments;
    struct workers *workers;
    struct cells *cells;
    struct loop_timer *timer;
    struct run_list runs;
    int64_t ready_ms;
    bool is_stopped;
};

/* The run that has this group, NULL: none. */
struct run *compactor_run_of(const struct compactor *compactor, const struct group *group);

static inline bool compactor_is_same_place(const struct ipc_place *a, const struct ipc_place *b)
{
    return a->id == b->id && a->group == b->group && a->slot == b->slot &&
           a->segment == b->segment && a->offset == b->offset;
}

#endif
