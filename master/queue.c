#include "master/queue.h"

#include <errno.h>
#include <stdlib.h>

#include "common/loop.h"
#include "common/spool_format.h"
#include "master/queue_private.h"
#include "master/segments.h"
#include "master/slab.h"

#define NOTE_BYTES 1024U /* what a note of unknown size counts for in its segment */

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
    else if ((flags & IPC_QUEUED_QUARANTINED) != 0)
        queue_set_quarantined(queue, group);
    else if ((flags & IPC_QUEUED_HELD) != 0)
        queue_set_held(queue, group);
    else if (group->attempts > 0)
        queue_set_waiting(queue, group, group->next_attempt_s);
    else
        queue_set_ready(queue, group, group->is_own); /* MQ0A: behind no others' mail */
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
    group->lane = group->relay = lane;
    group->stages = (uint8_t)(queued->stages & CELL_STAGES);
    group->body_bytes = queued->body_bytes;
    group->rule = queued->rule;
    group->recipients = queued->recipients;
    group->received_s = queued->received_s;
    group->next_attempt_s = queued->next_attempt_s;
    group->attempts = queued->attempts;
    group->is_deferred_by_servers = queued->attempts > 0; /* for all that is known */
    group->crashes = queued->crashes > UINT8_MAX ? UINT8_MAX : (uint8_t)queued->crashes;
    group->state = QUEUE_CHECKING;
    queue_count(queue, group, QUEUE_CHECKING, 1);
    queue->total++;
    queue_lanes_count_rule(&queue->lanes, group->rule, 1);
    group->copy = (uint8_t)queued->copy;
    group->is_own = (queued->flags & IPC_QUEUED_OWN) != 0;
    group->may_be_twice = (queued->flags & IPC_QUEUED_RECOVERED) != 0;
    group->record_bytes = queued->record_bytes;
    pin_record(queue, group);
    queue_set_note(queue, group, queued->note_slot, queued->note_segment, 0);
    (void)queue_restage(queue, group); /* else when it is its turn */
    settle_new(queue, group, queued->flags);
    return 0;
}

static void forget(struct queue *queue, struct group *group)
{
    queue_leave(queue, group);
    queue_count(queue, group, group->state, -1);
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
        queue_move(queue, group, QUEUE_GONE, false);
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
        queue_set_ready(queue, group, group->has_kept_turn); /* one that found no room, say */
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
    return lane != NULL ? sum + lane->elsewhere : 0;
}
