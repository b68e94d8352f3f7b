/* The states of a group, and the lists that go with them. */
#include <string.h>

#include "common/clock.h"
#include "common/loop.h"
#include "master/queue_private.h"

/* The longest retry.max and lifetime there is (SP11): a cell that says more is not believed. */
#define WAIT_MAX_MS (2592000 * INT64_C(1000))

static const char *const state_names[QUEUE_STATE_COUNT] = {
    [QUEUE_READY] = "ready",
    [QUEUE_OUT] = "delivering",
    [QUEUE_WAITING] = "deferred",
    [QUEUE_HELD] = "held",
    [QUEUE_FAILED] = "failed",
    [QUEUE_CHECKING] = "checking",
    [QUEUE_QUARANTINED] = "quarantined",
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

/* ---- lists ---- */

static bool is_suspect(const struct group *group)
{
    return group->crashes > 0;
}

void queue_leave(struct queue *queue, struct group *group)
{
    struct lane *lane = group->lane;

    if (group->state == QUEUE_WAITING) {
        due_heap_remove(&queue->waiting, group);
    } else if (group->state == QUEUE_READY && group->ready_class == READY_CLASS_COUNT) {
        TAILQ_REMOVE(&queue->suspects, group, link);
    } else if (group->state == QUEUE_READY) {
        if (lane->put_back[group->ready_class] == group) /* all before it were put back, too */
            lane->put_back[group->ready_class] = TAILQ_PREV(group, group_list, link);
        TAILQ_REMOVE(&lane->ready[group->ready_class], group, link);
        if (--lane->ready_count == 0)
            TAILQ_REMOVE(&queue->turns, lane, turn);
    }
}

/* Many come back one after the other, from a segment that was emptied, say: they keep their order.
 */
static void put_in_front(struct lane *lane, struct group *group)
{
    struct group **last = &lane->put_back[group->ready_class];

    if (*last != NULL)
        TAILQ_INSERT_AFTER(&lane->ready[group->ready_class], *last, group, link);
    else
        TAILQ_INSERT_HEAD(&lane->ready[group->ready_class], group, link);
    *last = group;
}

static void enter_ready(struct queue *queue, struct group *group, bool in_front)
{
    struct lane *lane = group->lane;

    if (is_suspect(group)) {
        group->ready_class = READY_CLASS_COUNT;
        TAILQ_INSERT_TAIL(&queue->suspects, group, link);
        return;
    }
    group->ready_class = group->attempts == 0 ? READY_NEW : READY_DEFERRED;
    if (lane->ready_count++ == 0)
        TAILQ_INSERT_TAIL(&queue->turns, lane, turn);
    if (group->received_s < lane->oldest_s)
        lane->oldest_s = group->received_s;
    if (in_front)
        put_in_front(lane, group);
    else
        TAILQ_INSERT_TAIL(&lane->ready[group->ready_class], group, link);
}

void queue_count(struct queue *queue, struct group *group, enum queue_state state, int by)
{
    queue->counts[state] += (uint64_t)by;
    group->lane->counts[state] += (uint64_t)by;
    if (group->relay != group->lane && state != QUEUE_GONE)
        group->relay->elsewhere += (uint64_t)by;
}

static struct group_list *gone_list(struct queue *queue, const struct group *group)
{
    return group->may_be_twice ? &queue->gone_twice : &queue->gone[group->place.slot];
}

void queue_enter(struct queue *queue, struct group *group, bool in_front)
{
    if (group->state == QUEUE_READY)
        enter_ready(queue, group, in_front);
    else if (group->state == QUEUE_WAITING)
        due_heap_push(&queue->waiting, group);
    else if (group->state == QUEUE_GONE)
        TAILQ_INSERT_TAIL(gone_list(queue, group), group, link);
}

void queue_move(struct queue *queue, struct group *group, enum queue_state state, bool in_front)
{
    queue_leave(queue, group);
    queue_count(queue, group, group->state, -1);
    group->state = (uint8_t)state;
    queue_count(queue, group, state, 1);
    queue_enter(queue, group, in_front);
}

/* ---- the setters ---- */

void queue_set_ready(struct queue *queue, struct group *group, bool in_front)
{
    queue_move(queue, group, QUEUE_READY, in_front);
}

void queue_set_out(struct queue *queue, struct group *group)
{
    group->is_touched = true;
    queue_move(queue, group, QUEUE_OUT, false);
}

void queue_set_held(struct queue *queue, struct group *group)
{
    queue_move(queue, group, QUEUE_HELD, false);
}

void queue_set_failed(struct queue *queue, struct group *group)
{
    queue_move(queue, group, QUEUE_FAILED, false);
}

void queue_set_quarantined(struct queue *queue, struct group *group)
{
    queue_move(queue, group, QUEUE_QUARANTINED, false);
}

void queue_set_checking(struct queue *queue, struct group *group)
{
    group->state_before = group->state;
    queue_move(queue, group, QUEUE_CHECKING, false);
}

/* What waited keeps its time; what was out may go again. */
void queue_restore(struct queue *queue, struct group *group)
{
    enum queue_state before = (enum queue_state)group->state_before;

    queue_move(queue, group, before == QUEUE_OUT ? QUEUE_READY : before, true);
}

void queue_set_waiting_ms(struct queue *queue, struct group *group, int64_t from_now_ms)
{
    group->due_ms = loop_now_ms(queue->loop) + from_now_ms;
    queue_move(queue, group, QUEUE_WAITING, false);
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
