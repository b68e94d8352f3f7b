#include "master/queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/loop.h"
#include "common/spool_format.h"
#include "master/due_heap.h"
#include "master/group.h"
#include "master/queue_lanes.h"
#include "master/segments.h"
#include "master/slab.h"

/* The longest retry.max and lifetime there is (SP11): a cell that says more is not believed. */
#define WAIT_MAX_MS (2592000 * INT64_C(1000))

#define NOTE_BYTES 1024U /* what a note of unknown size counts for in its segment */

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
};

static const char *const state_names[QUEUE_STATE_COUNT] = {
    [QUEUE_READY] = "ready",   [QUEUE_OUT] = "delivering", [QUEUE_WAITING] = "deferred",
    [QUEUE_HELD] = "held",     [QUEUE_FAILED] = "failed",  [QUEUE_CHECKING] = "checking",
    [QUEUE_GONE] = "finished",
};

const char *queue_state_name(enum queue_state state)
{
    return state_names[state];
}

bool queue_state_parse(const char *name, enum queue_state *ret_state)
{
    for (unsigned i = 0; i < QUEUE_GONE; i++) {
        if (strcmp(name, state_names[i]) == 0) {
            *ret_state = (enum queue_state)i;
            return true;
        }
    }
    return false;
}

struct queue *queue_new(struct loop *loop, struct segments *segments)
{
    struct queue *queue = calloc(1, sizeof(*queue));

    if (queue == NULL)
        return NULL;
    queue->loop = loop;
    queue->segments = segments;
    TAILQ_INIT(&queue->turns);
    TAILQ_INIT(&queue->suspects);
    TAILQ_INIT(&queue->gone_twice);
    TAILQ_INIT(&queue->forgettable);
    TAILQ_INIT(&queue->list_jobs);
    for (unsigned i = 0; i < ID_SLOTS; i++)
        TAILQ_INIT(&queue->gone[i]);
    queue->slab = slab_new(sizeof(struct group), QUEUE_MAX_GROUPS);
    if (queue->slab == NULL)
        queue_free(&queue);
    return queue;
}

void queue_free(struct queue **queue)
{
    if (*queue == NULL)
        return;
    queue_end_lists(*queue);
    slab_free(&(*queue)->slab);
    hash_index_done(&(*queue)->index);
    due_heap_done(&(*queue)->waiting);
    queue_lanes_done(&(*queue)->lanes);
    free(*queue);
    *queue = NULL;
}

/* ---- states: enter() and leave() know the lists, move() is the one setter ---- */

static bool is_suspect(const struct group *group)
{
    return group->crashes > 0;
}

static void leave(struct queue *queue, struct group *group)
{
    struct lane *lane = group->lane;

    if (group->state == QUEUE_WAITING) {
        due_heap_remove(&queue->waiting, group);
    } else if (group->state == QUEUE_READY && group->ready_class == READY_CLASS_COUNT) {
        TAILQ_REMOVE(&queue->suspects, group, link);
    } else if (group->state == QUEUE_READY) {
        TAILQ_REMOVE(&lane->ready[group->ready_class], group, link);
        if (--lane->ready_count == 0)
            TAILQ_REMOVE(&queue->turns, lane, turn);
    }
}

static void enter_ready(struct queue *queue, struct group *group, bool at_head)
{
    struct lane *lane = group->lane;
    struct group_list *list = &queue->suspects;

    group->ready_class = READY_CLASS_COUNT;
    if (!is_suspect(group)) {
        group->ready_class = group->attempts == 0 ? READY_NEW : READY_DEFERRED;
        list = &lane->ready[group->ready_class];
        if (lane->ready_count++ == 0)
            TAILQ_INSERT_TAIL(&queue->turns, lane, turn);
    }
    if (at_head)
        TAILQ_INSERT_HEAD(list, group, link);
    else
        TAILQ_INSERT_TAIL(list, group, link);
}

static void count(struct queue *queue, struct group *group, enum queue_state state, int by)
{
    queue->counts[state] += (uint64_t)by;
    group->lane->counts[state] += (uint64_t)by;
}

static struct group_list *gone_list(struct queue *queue, const struct group *group)
{
    return group->may_be_twice ? &queue->gone_twice : &queue->gone[group->place.slot];
}

static void move(struct queue *queue, struct group *group, enum queue_state state, bool at_head)
{
    leave(queue, group);
    count(queue, group, group->state, -1);
    group->state = (uint8_t)state;
    count(queue, group, state, 1);
    if (state == QUEUE_READY)
        enter_ready(queue, group, at_head);
    else if (state == QUEUE_WAITING)
        due_heap_push(&queue->waiting, group);
    else if (state == QUEUE_GONE)
        TAILQ_INSERT_TAIL(gone_list(queue, group), group, link);
}

void queue_set_ready(struct queue *queue, struct group *group, bool at_head)
{
    move(queue, group, QUEUE_READY, at_head);
}

void queue_set_out(struct queue *queue, struct group *group)
{
    group->is_touched = true;
    move(queue, group, QUEUE_OUT, false);
}

void queue_set_held(struct queue *queue, struct group *group)
{
    move(queue, group, QUEUE_HELD, false);
}

void queue_set_failed(struct queue *queue, struct group *group)
{
    move(queue, group, QUEUE_FAILED, false);
}

void queue_set_checking(struct queue *queue, struct group *group)
{
    group->state_before = group->state;
    move(queue, group, QUEUE_CHECKING, false);
}

/* What waited keeps its time; what was out may go again. */
void queue_restore(struct queue *queue, struct group *group)
{
    enum queue_state before = (enum queue_state)group->state_before;

    move(queue, group, before == QUEUE_OUT ? QUEUE_READY : before, true);
}

void queue_set_waiting_ms(struct queue *queue, struct group *group, int64_t from_now_ms)
{
    group->due_ms = loop_now_ms(queue->loop) + from_now_ms;
    move(queue, group, QUEUE_WAITING, false);
}

void queue_set_waiting(struct queue *queue, struct group *group, uint32_t next_attempt_s)
{
    int64_t wait_ms = clock_from_epoch_s(next_attempt_s) - clock_wall_ms();

    if (wait_ms < 0)
        wait_ms = 0;
    if (wait_ms > WAIT_MAX_MS)
        wait_ms = WAIT_MAX_MS;
    group->next_attempt_s = next_attempt_s;
    queue_set_waiting_ms(queue, group, wait_ms);
}

/* ---- entries ---- */

static uint64_t key_of(uint64_t id, unsigned group)
{
    return hash_mix(id, group);
}

struct group *queue_group(const struct queue *queue, uint64_t id, unsigned group)
{
    struct hash_node *node = hash_index_first(&queue->index, key_of(id, group));

    for (; node != NULL; node = hash_index_next(node)) {
        struct group *found = (struct group *)node; /* the node is its first member */

        if (found->place.id == id && found->place.group == group)
            return found;
    }
    return NULL;
}

/* What a group counts for in its segment, which may be full for want of cells, too. */
static uint32_t weight_of(const struct group *group)
{
    return group->record_bytes > SPOOL_BYTES_PER_CELL ? group->record_bytes : SPOOL_BYTES_PER_CELL;
}

static void pin_record(struct queue *queue, const struct group *group)
{
    segments_pin(queue->segments, group->place.slot, group->place.segment, weight_of(group));
}

static void unpin_record(struct queue *queue, const struct group *group)
{
    segments_unpin(queue->segments, group->place.slot, group->place.segment, weight_of(group));
}

static void settle_new(struct queue *queue, struct group *group, unsigned flags)
{
    if ((flags & IPC_QUEUED_FAILED) != 0)
        queue_set_failed(queue, group);
    else if ((flags & IPC_QUEUED_HELD) != 0)
        queue_set_held(queue, group);
    else if (group->attempts > 0)
        queue_set_waiting(queue, group, group->next_attempt_s);
    else
        queue_set_ready(queue, group, false);
}

int queue_add(struct queue *queue, const struct ipc_mail_queued *queued)
{
    struct lane *lane;
    struct group *group;
    uint32_t number;

    if (queue_group(queue, queued->place.id, queued->place.group) != NULL)
        return -EEXIST;
    lane = queue_lane(queue, queued->profile);
    if (lane == NULL || due_heap_reserve(&queue->waiting, queue->total + 1) != 0 ||
        queue_lanes_reserve_rule(&queue->lanes, queued->rule) != 0)
        return -ENOMEM;
    group = slab_take(queue->slab, &number);
    if (group == NULL)
        return -ENOMEM;
    if (hash_index_insert(&queue->index, &group->node,
                          key_of(queued->place.id, queued->place.group)) != 0) {
        slab_give(queue->slab, number);
        return -ENOMEM;
    }
    group->number = number;
    group->place = queued->place;
    group->lane = lane;
    group->body_bytes = queued->body_bytes;
    group->rule = queued->rule;
    group->recipients = queued->recipients;
    group->received_s = queued->received_s;
    group->next_attempt_s = queued->next_attempt_s;
    group->attempts = queued->attempts;
    group->crashes = queued->crashes > UINT8_MAX ? UINT8_MAX : (uint8_t)queued->crashes;
    group->state = QUEUE_CHECKING;
    count(queue, group, QUEUE_CHECKING, 1);
    queue->total++;
    queue_lanes_count_rule(&queue->lanes, group->rule, 1);
    group->copy = (uint8_t)queued->copy;
    group->may_be_twice = (queued->flags & IPC_QUEUED_RECOVERED) != 0;
    group->record_bytes = queued->record_bytes;
    pin_record(queue, group);
    queue_set_note(queue, group, queued->note_slot, queued->note_segment, 0);
    settle_new(queue, group, queued->flags);
    return 0;
}

static void forget(struct queue *queue, struct group *group)
{
    leave(queue, group);
    count(queue, group, group->state, -1);
    hash_index_remove(&queue->index, &group->node);
    slab_give(queue->slab, group->number);
}

static bool may_come_back(const struct queue *queue, const struct group *group)
{
    return queue->scans[group->place.slot] > 0 ||
           (group->may_be_twice && (queue->is_incomplete || queue->scan_count > 0));
}

void queue_drop(struct queue *queue, struct group *group)
{
    unpin_record(queue, group);
    queue_set_note(queue, group, 0, 0, 0);
    queue_lanes_count_rule(&queue->lanes, group->rule, -1);
    queue->total--;
    if (may_come_back(queue, group))
        move(queue, group, QUEUE_GONE, false);
    else
        forget(queue, group);
}

static void forget_those_twice(struct queue *queue)
{
    if (!queue->is_incomplete && queue->scan_count == 0)
        TAILQ_CONCAT(&queue->forgettable, &queue->gone_twice, link);
}

void queue_scan_began(struct queue *queue, unsigned slot)
{
    queue->scans[slot]++;
    queue->scan_count++;
}

void queue_scan_ended(struct queue *queue, unsigned slot)
{
    queue->scan_count--;
    if (--queue->scans[slot] == 0)
        TAILQ_CONCAT(&queue->forgettable, &queue->gone[slot], link);
    forget_those_twice(queue);
}

void queue_set_complete(struct queue *queue, bool is_complete)
{
    queue->is_incomplete = !is_complete;
    forget_those_twice(queue);
}

int64_t queue_wake(struct queue *queue, size_t max)
{
    int64_t now_ms = loop_now_ms(queue->loop);
    struct group *group;

    for (size_t i = 0; i < max && !TAILQ_EMPTY(&queue->forgettable); i++) {
        group = TAILQ_FIRST(&queue->forgettable);
        TAILQ_REMOVE(&queue->forgettable, group, link);
        forget(queue, group);
    }
    while ((group = due_heap_first(&queue->waiting)) != NULL && group->due_ms <= now_ms) {
        if (max-- == 0)
            return 0;
        queue_set_ready(queue, group, false);
    }
    if (!TAILQ_EMPTY(&queue->forgettable))
        return 0;
    return group != NULL ? group->due_ms - now_ms : -1;
}

void queue_set_note(struct queue *queue, struct group *group, unsigned slot, uint32_t segment,
                    uint32_t bytes)
{
    const bool is_there = segment == group->note_segment && slot == group->note_slot;

    if (bytes == 0)
        bytes = is_there ? group->note_bytes : NOTE_BYTES;
    if (is_there && bytes == group->note_bytes)
        return;
    segments_pin(queue->segments, slot, segment, bytes);
    segments_unpin(queue->segments, group->note_slot, group->note_segment, group->note_bytes);
    group->note_slot = (uint16_t)slot;
    group->note_segment = segment;
    group->note_bytes = bytes;
}

void queue_set_place(struct queue *queue, struct group *group, const struct ipc_place *place,
                     unsigned copy, uint32_t record_bytes)
{
    const struct group was = *group;

    group->place = *place;
    group->copy = (uint8_t)copy;
    group->record_bytes = record_bytes;
    pin_record(queue, group);
    unpin_record(queue, &was);
}

int queue_set_profile(struct queue *queue, struct group *group, uint32_t profile)
{
    struct lane *lane = queue_lane(queue, profile);

    if (lane == NULL)
        return -ENOMEM;
    count(queue, group, group->state, -1);
    group->lane = lane;
    count(queue, group, group->state, 1);
    return 0;
}

/* ---- looking ---- */

struct group *queue_at(const struct queue *queue, uint32_t number)
{
    return slab_at(queue->slab, number);
}

uint32_t queue_numbers(const struct queue *queue)
{
    return slab_room(queue->slab);
}

struct lane *queue_lane(struct queue *queue, uint32_t profile)
{
    return queue_lanes_get(&queue->lanes, profile);
}

struct lane *queue_lane_known(const struct queue *queue, uint32_t profile)
{
    return queue_lanes_find(&queue->lanes, profile);
}

size_t queue_lane_count(const struct queue *queue)
{
    return queue->lanes.count;
}

struct lane *queue_lane_at(const struct queue *queue, size_t index)
{
    return queue->lanes.items[index];
}

struct lane_list *queue_turns(struct queue *queue)
{
    return &queue->turns;
}

struct group_list *queue_suspects(struct queue *queue)
{
    return &queue->suspects;
}

struct loop *queue_loop(const struct queue *queue)
{
    return queue->loop;
}

struct segments *queue_segments(const struct queue *queue)
{
    return queue->segments;
}

struct list_job_list *queue_list_jobs(struct queue *queue)
{
    return &queue->list_jobs;
}

uint64_t queue_state_count(const struct queue *queue, enum queue_state state)
{
    return queue->counts[state];
}

uint64_t queue_mail_count(uint32_t profile, uint32_t rule, void *arg)
{
    const struct queue *queue = arg;
    const struct lane *lane;
    uint64_t sum = 0;

    if (profile == 0)
        return rule == 0 ? queue->total : queue_lanes_rule_count(&queue->lanes, rule);
    lane = queue_lanes_find(&queue->lanes, profile);
    for (unsigned state = 0; lane != NULL && state < QUEUE_GONE; state++)
        sum += lane->counts[state];
    return sum;
}
