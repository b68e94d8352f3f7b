#include "master/retention.h"

#include <stdlib.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/loop.h"
#include "master/group.h"
#include "master/queue_order.h"

#define LOOK_MS 60000
#define SLICE   2048U /* groups looked at in one turn */
#define ORDERS  64U   /* under way at once */
#define WAIT_MS 100   /* until some of them have ended */

struct retention {
    struct loop *loop; /* NULL: its owner has let it go, and orders are still under way */
    struct queue *queue;
    struct queue_orders *orders;
    struct loop_timer *timer;
    int64_t keep_s;
    uint32_t next; /* number of the group that is looked at next */
    unsigned under_way;
};

static void on_ordered(const struct queue_order_answer *answer, void *arg)
{
    struct retention *retention = arg;

    retention->under_way--;
    if (answer->result == QUEUE_DISK)
        log_warning("retention", "a quarantined message could not be deleted: it is tried again",
                    LOG_INT("errno", -answer->err));
    if (retention->loop == NULL && retention->under_way == 0)
        free(retention);
}

static void drop(struct retention *retention, const struct group *group)
{
    const struct queue_order order = {
        .verb = QUEUE_DELETE,
        .id = group->place.id,
        .group = group->place.group,
        .is_quarantine_only = true,
    };

    log_info("retention", "a quarantined message is deleted: it was kept long enough",
             LOG_ID(group->place.id), LOG_INT("group", group->place.group));
    retention->under_way++;
    queue_order(retention->orders, &order, on_ordered, retention);
}

/* In how many ms it goes on. */
static int64_t walk(struct retention *retention)
{
    const uint32_t now_s = clock_to_epoch_s(clock_wall_ms());
    const uint32_t numbers = queue_numbers(retention->queue);

    for (unsigned left = SLICE; left > 0 && retention->next < numbers; left--) {
        const struct group *group = queue_at(retention->queue, retention->next);

        if (group != NULL && group->state == QUEUE_QUARANTINED &&
            (int64_t)now_s - group->received_s >= retention->keep_s) {
            if (retention->under_way >= ORDERS)
                return WAIT_MS;
            drop(retention, group);
        }
        retention->next++;
    }
    return retention->next < numbers ? 0 : LOOK_MS;
}

static void on_timer(void *arg)
{
    struct retention *retention = arg;

    if (retention->next >= queue_numbers(retention->queue))
        retention->next = 0;
    if (retention->keep_s > 0 && queue_state_count(retention->queue, QUEUE_QUARANTINED) > 0)
        loop_timer_set_ms(retention->timer, walk(retention));
    else
        loop_timer_set_ms(retention->timer, LOOK_MS);
}

void retention_set(struct retention *retention, int64_t keep_s)
{
    retention->keep_s = keep_s;
    retention->next = 0;
    loop_timer_set_ms(retention->timer, 0);
}

struct retention *retention_new(struct loop *loop, struct queue *queue, struct queue_orders *orders)
{
    struct retention *retention = calloc(1, sizeof(*retention));

    if (retention == NULL)
        return NULL;
    *retention = (struct retention){ .loop = loop, .queue = queue, .orders = orders };
    retention->timer = loop_timer_new(loop, on_timer, retention);
    if (retention->timer == NULL)
        retention_free(&retention);
    return retention;
}

void retention_free(struct retention **retention)
{
    struct retention *r = *retention;

    *retention = NULL;
    if (r == NULL)
        return;
    loop_timer_free(&r->timer);
    r->loop = NULL;
    if (r->under_way == 0) /* else with the last answer */
        free(r);
}
