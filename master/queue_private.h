/* master/queue_private.h: the queue's own. Entries come and go in queue.c; which state one is in,
 * and in which list it stands for that, is queue_states.c's, and in which lane, queue_stages.c's.
 */
#ifndef MASTER_QUEUE_PRIVATE_H
#define MASTER_QUEUE_PRIVATE_H

#include "master/due_heap.h"
#include "master/group.h"
#include "master/queue_lanes.h"

struct queue {
    struct loop *loop;
    struct segments *segments;
    struct slab *slab;
    struct hash_index index;
    struct due_heap waiting;
    struct queue_lanes lanes;
    struct lane_list turns;
    struct group_list suspects;
    struct group_list gone[ID_SLOTS], gone_twice; /* those that may be there twice */
    struct group_list forgettable;                /* gone, and no scan can bring them back */
    unsigned scans[ID_SLOTS], scan_count;         /* under way */
    bool is_incomplete;
    uint64_t counts[QUEUE_STATE_COUNT];
    uint64_t total;
    struct list_job_list list_jobs;
    queue_find_rule *find_rule; /* NULL: there are no stages but the relay */
    void *find_rule_arg;
};

/* Takes it out of the list of its state; the state stays. */
void queue_leave(struct queue *queue, struct group *group);
void queue_count(struct queue *queue, struct group *group, enum queue_state state, int by);
/* Into the list of its state, as the last. */
void queue_enter(struct queue *queue, struct group *group, bool in_front);
/* The one setter of states. `in_front` is for QUEUE_READY. */
void queue_move(struct queue *queue, struct group *group, enum queue_state state, bool in_front);

#endif
