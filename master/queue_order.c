#include "master/queue_order.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "common/clock.h"
#include "common/envelope.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/oom.h"
#include "master/cells.h"
#include "master/dispatch.h"
#include "master/group.h"
#include "master/settle.h"

/* One order on its way:
 *
 *   COLLECTING --> WRITING --> answered
 *
 * COLLECTING waits for groups that are out to come back; the others are in state QUEUE_CHECKING
 * from the start, so that nothing happens to them meanwhile. */
struct order {
    TAILQ_ENTRY(order) link;
    struct queue_orders *orders;
    struct queue_order what;
    struct loop_timer *limit;
    bool is_writing;
    unsigned out_count; /* asked back and not here yet */
    struct queue_order_answer answer;
    queue_order_cb *done;
    void *arg;
    size_t item_count;
    struct cell_item *items; /* room for all groups that the message had */
    bool *awaited;           /* by number of the group: asked back */
};

TAILQ_HEAD(order_list, order);

struct queue_orders {
    struct loop *loop;
    struct queue *queue;
    struct cells *cells;
    struct dispatch *dispatch;
    struct order_list list;
    unsigned count;
    bool is_stopped;
};

static const char *const verb_names[QUEUE_VERB_COUNT] = {
    [QUEUE_HOLD] = "hold",       [QUEUE_RELEASE] = "release", [QUEUE_RETRY] = "retry",
    [QUEUE_REROUTE] = "reroute", [QUEUE_RESCAN] = "rescan",   [QUEUE_DELETE] = "delete",
};

static const char *const result_texts[QUEUE_ORDER_RESULT_COUNT] = {
    [QUEUE_ORDER_DONE] = "done",
    [QUEUE_NOT_FOUND] = "no such message in the queue",
    [QUEUE_TOO_LATE] = "too late: being delivered",
    [QUEUE_NOT_IN_STATE] =
        "not in its present state: held and quarantined mail is released, other mail is not",
    [QUEUE_BUSY] = "another order is under way; try again",
    [QUEUE_DISK] = "could not be written; nothing changed",
};

const char *queue_verb_name(enum queue_verb verb)
{
    return verb_names[verb];
}

const char *queue_order_result_text(enum queue_order_result result)
{
    return result_texts[result];
}

static void on_recalled(uint64_t id, unsigned number, void *arg);

struct queue_orders *queue_orders_new(struct loop *loop, struct queue *queue, struct cells *cells,
                                      struct dispatch *dispatch)
{
    struct queue_orders *orders = calloc(1, sizeof(*orders));

    if (orders == NULL)
        return NULL;
    *orders =
        (struct queue_orders){ .loop = loop, .queue = queue, .cells = cells, .dispatch = dispatch };
    TAILQ_INIT(&orders->list);
    dispatch_hooks(dispatch)->on_recalled = on_recalled;
    dispatch_hooks(dispatch)->recalled_arg = orders;
    return orders;
}

/* ---- the end of an order ---- */

static void miss(struct order *order, enum queue_order_result why, unsigned count)
{
    order->answer.other_count += count;
    if (order->answer.result == QUEUE_ORDER_DONE)
        order->answer.result = why;
}

static void finish(struct order *order)
{
    struct queue_orders *orders = order->orders;

    TAILQ_REMOVE(&orders->list, order, link);
    orders->count--;
    order->done(&order->answer, order->arg);
    loop_timer_free(&order->limit);
    free(order->items);
    free(order->awaited);
    free(order);
}

void queue_orders_stop(struct queue_orders *orders)
{
    struct order *order, *next;

    orders->is_stopped = true;
    for (order = TAILQ_FIRST(&orders->list); order != NULL; order = next) {
        next = TAILQ_NEXT(order, link);
        if (order->is_writing)
            continue;
        miss(order, QUEUE_BUSY, 1);
        finish(order);
    }
}

void queue_orders_free(struct queue_orders **orders)
{
    if (*orders == NULL)
        return;
    queue_orders_stop(*orders);
    free(*orders);
    *orders = NULL;
}

/* ---- writing ---- */

static struct cell_change change_for(const struct queue_order *what)
{
    struct cell_change change = { .is_write = true };

    switch (what->verb) {
    case QUEUE_HOLD: change.set_flags = CELL_HELD; break;
    case QUEUE_RELEASE:
        change.clear_flags = CELL_HELD | CELL_QUARANTINED;
        change.set_crashes = true; /* to none */
        break;
    case QUEUE_REROUTE:
        change.profile = what->profile;
        change.reopen = true;
        break;
    case QUEUE_RETRY: change.reopen = true; break;
    case QUEUE_RESCAN: change.clear_flags = CELL_QUARANTINED | CELL_STAGES; break;
    case QUEUE_DELETE: change.remove = true; break;
    case QUEUE_VERB_COUNT: break;
    }
    if (what->verb != QUEUE_HOLD && what->verb != QUEUE_DELETE) {
        change.set_next_attempt = true;
        change.next_attempt_s = clock_to_epoch_s(clock_wall_ms());
    }
    return change;
}

static void on_written(struct cell_item *items, size_t count, void *arg)
{
    struct order *order = arg;
    struct queue_orders *orders = order->orders;

    for (size_t i = 0; i < count; i++) {
        struct group *group = queue_group(orders->queue, items[i].place.id, items[i].place.group);

        if (group == NULL || group->state != QUEUE_CHECKING)
            continue;
        if (items[i].err == 0) {
            bool was_done = items[i].cell.stage == CELL_DONE;

            if (items[i].cell.stage == CELL_DELETED)
                dispatch_discard(orders->dispatch, group);
            settle_by_cell(orders->queue, group, &items[i].cell);
            order->answer.done_count += was_done ? 0 : 1;
            if (was_done)
                miss(order, QUEUE_NOT_FOUND, 1);
            continue;
        }
        order->answer.err = items[i].err;
        miss(order, QUEUE_DISK, 1);
        queue_restore(orders->queue, group);
    }
    order->items = items;
    finish(order);
}

static void write_now(struct order *order)
{
    loop_timer_clear(order->limit);
    order->is_writing = true;
    if (order->item_count == 0) {
        finish(order);
        return;
    }
    if (cells_run(order->orders->cells, order->items, order->item_count, on_written, order) == 0) {
        order->items = NULL; /* they come back with the answer */
        return;
    }
    for (size_t i = 0; i < order->item_count; i++)
        order->items[i].err = -ENOMEM;
    on_written(order->items, order->item_count, order);
}

/* ---- collecting ---- */

static bool is_possible(const struct queue_order *what, enum queue_state state)
{
    if (what->is_quarantine_only && state != QUEUE_QUARANTINED)
        return false;
    switch (what->verb) {
    case QUEUE_HOLD: return state != QUEUE_FAILED && state != QUEUE_QUARANTINED;
    case QUEUE_RELEASE: return state == QUEUE_HELD || state == QUEUE_QUARANTINED;
    case QUEUE_RETRY: return state != QUEUE_HELD && state != QUEUE_QUARANTINED;
    case QUEUE_RESCAN: return state == QUEUE_QUARANTINED;
    case QUEUE_REROUTE:
    case QUEUE_DELETE:
    case QUEUE_VERB_COUNT: break;
    }
    return true;
}

static void take(struct order *order, struct group *group)
{
    if (!is_possible(&order->what, (enum queue_state)group->state)) {
        miss(order, QUEUE_NOT_IN_STATE, 1);
        return;
    }
    queue_set_checking(order->orders->queue, group);
    group->is_touched = true;
    order->items[order->item_count++] =
        (struct cell_item){ .place = group->place, .change = change_for(&order->what) };
}

static void consider(struct order *order, struct group *group)
{
    bool is_given_up_on = order->what.is_quarantine_only || order->what.verb == QUEUE_RELEASE ||
                          order->what.verb == QUEUE_RETRY || order->what.verb == QUEUE_RESCAN;

    switch ((enum queue_state)group->state) {
    case QUEUE_OUT:
        if (is_given_up_on || group->is_recalled) {
            miss(order, group->is_recalled ? QUEUE_BUSY : QUEUE_TOO_LATE, 1);
            return;
        }
        order->awaited[group->place.group] = true;
        order->out_count++;
        dispatch_recall(group);
        return;
    case QUEUE_CHECKING: miss(order, QUEUE_BUSY, 1); return;
    case QUEUE_GONE: miss(order, QUEUE_NOT_FOUND, 1); return;
    case QUEUE_READY:
    case QUEUE_WAITING:
    case QUEUE_HELD:
    case QUEUE_FAILED:
    case QUEUE_QUARANTINED: take(order, group); return;
    case QUEUE_STATE_COUNT: return;
    }
}

/* A group that was asked back has come to rest, wherever that is. */
static void on_recalled(uint64_t id, unsigned number, void *arg)
{
    struct queue_orders *orders = arg;
    struct order *order;

    TAILQ_FOREACH (order, &orders->list, link) {
        struct group *group;

        if (order->is_writing || order->what.id != id || !order->awaited[number])
            continue;
        order->awaited[number] = false;
        order->out_count--;
        group = queue_group(orders->queue, id, number);
        if (group == NULL || group->state == QUEUE_GONE)
            miss(order, QUEUE_TOO_LATE, 1); /* it was delivered */
        else
            consider(order, group);
        if (order->out_count == 0)
            loop_timer_set_ms(order->limit, 0); /* not from inside dispatch */
        return;
    }
}

/* All are here, or time is up: those that are still out are past their end of data. */
static void on_limit(void *arg)
{
    struct order *order = arg;

    for (unsigned number = 0; number < ENVELOPE_MAX_GROUPS; number++) {
        struct group *group;

        if (!order->awaited[number])
            continue;
        order->awaited[number] = false;
        miss(order, QUEUE_TOO_LATE, 1);
        group = queue_group(order->orders->queue, order->what.id, number);
        if (group != NULL)
            group->is_recalled = false;
    }
    order->out_count = 0;
    write_now(order);
}

static void collect(struct order *order)
{
    const struct queue_order *what = &order->what;
    unsigned first = what->group < 0 ? 0 : (unsigned)what->group;
    unsigned end = what->group < 0 ? ENVELOPE_MAX_GROUPS : first + 1;
    unsigned found = 0;

    for (unsigned number = first; number < end && number < ENVELOPE_MAX_GROUPS; number++) {
        struct group *group = queue_group(order->orders->queue, what->id, number);

        if (group == NULL || group->state == QUEUE_GONE)
            continue;
        found++;
        consider(order, group);
    }
    if (found == 0)
        miss(order, QUEUE_NOT_FOUND, 1);
}

static struct order *make_order(struct queue_orders *orders, const struct queue_order *what,
                                queue_order_cb *done, void *arg)
{
    struct order *order = calloc(1, sizeof(*order));

    if (order == NULL)
        return NULL;
    *order = (struct order){ .orders = orders, .what = *what, .done = done, .arg = arg };
    order->items = calloc(queue_find(orders->queue, what->id, NULL, 0) + 1, sizeof(*order->items));
    order->awaited = calloc(ENVELOPE_MAX_GROUPS, sizeof(*order->awaited));
    order->limit = loop_timer_new(orders->loop, on_limit, order);
    if (order->items != NULL && order->awaited != NULL && order->limit != NULL)
        return order;
    loop_timer_free(&order->limit);
    free(order->items);
    free(order->awaited);
    free(order);
    return NULL;
}

/* An order that cannot even be kept is answered all the same, at the next turn. */
struct refusal {
    queue_order_cb *done;
    void *arg;
};

static void on_refused(void *arg)
{
    struct refusal refusal = *(struct refusal *)arg;
    const struct queue_order_answer busy = { .result = QUEUE_BUSY, .other_count = 1 };

    free(arg);
    refusal.done(&busy, refusal.arg);
}

static void refuse(struct queue_orders *orders, queue_order_cb *done, void *arg)
{
    struct refusal *refusal = malloc(sizeof(*refusal));

    if (refusal == NULL)
        oom_exit("queue", "a refusal");
    *refusal = (struct refusal){ .done = done, .arg = arg };
    if (loop_post(orders->loop, on_refused, refusal) != 0)
        on_refused(refusal);
}

void queue_order(struct queue_orders *orders, const struct queue_order *what, queue_order_cb *done,
                 void *arg)
{
    struct order *order = NULL;

    if (!orders->is_stopped && orders->count < QUEUE_ORDERS_MAX)
        order = make_order(orders, what, done, arg);
    if (order == NULL) {
        refuse(orders, done, arg);
        return;
    }
    TAILQ_INSERT_TAIL(&orders->list, order, link);
    orders->count++;
    collect(order);
    loop_timer_set_ms(order->limit, order->out_count > 0 ? QUEUE_ORDER_WAIT_MS : 0);
}
