/* Mail that waits because no server takes any expires all the same when its life is over (SP23,
 * MQ05), and goes on without a scan or an upload if its rule says so (SR05). What is on disk
 * decides, so a worker looks at it: with an order to leave all servers alone, which settles what is
 * due as an attempt does that found no server left to try.
 *
 * Each lane knows how old the oldest that waits in it can be. Only when that one may be due is the
 * queue walked, a slice in each turn, and the bound known anew. */
#include "common/channel.h"
#include "common/clock.h"
#include "common/loop.h"
#include "common/rule.h"
#include "master/dispatch_parts.h"
#include "master/group.h"
#include "master/jobs.h"
#include "master/route.h"
#include "master/worker.h"

#define LOOK_MS 2000
#define ROOM_MS 20    /* until there is room for more of them */
#define SLICE   2048U /* groups looked at in one turn */

static bool is_stuck(const struct lane *lane)
{
    return lane->route != NULL && lane->ready_count > 0 && route_up(lane->route) == 0;
}

/* The second in which it was received is over as well. */
static bool is_over(uint32_t received_s, unsigned lifetime_s, uint32_t now_s)
{
    return (uint64_t)received_s + lifetime_s < now_s;
}

/* Does mail wait for its relay here, or at a stage before it? Then it may be anybody's. */
static bool is_relay(const struct lane *lane)
{
    return lane->route->lifetime_s > 0;
}

static bool may_go(const struct dispatch *dispatch, const struct group *group, uint32_t now_s)
{
    const struct lane *relay = group->relay;
    const struct rule *rule = is_relay(group->lane) ? NULL : queue_rule(dispatch->queue, group);

    if (relay->route != NULL && is_over(group->received_s, relay->route->lifetime_s, now_s))
        return true;
    return rule != NULL && rule_goes_without(rule, queue_stage(dispatch->queue, group));
}

/* ---- the order ---- */

static struct worker *choose(const struct dispatch *dispatch, const struct group *group)
{
    struct worker *origin = dispatch->workers->slots[group->place.slot];

    if (origin != NULL && dispatch_has_room(dispatch, origin, group->lane))
        return origin;
    for (unsigned slot = 0; slot < ID_SLOTS; slot++) {
        struct worker *worker = dispatch->workers->slots[slot];

        if (worker != NULL && dispatch_has_room(dispatch, worker, group->lane))
            return worker;
    }
    return NULL;
}

/* It goes to no server, so it does not matter how much is in flight. False: not now. */
static bool order_end(struct dispatch *dispatch, struct group *group)
{
    const struct route *route = group->lane->route;
    struct worker *worker = choose(dispatch, group);
    struct ipc_mail_deliver deliver = { .place = group->place,
                                        .version = route->version,
                                        .skip = ~UINT64_C(0),
                                        .drained = route_drained(route),
                                        .refusing = route_refusing(route),
                                        .profile = group->lane->profile,
                                        .rule = group->rule,
                                        .deadline_ms = DISPATCH_DEADLINE_MS,
                                        .attempts = group->attempts,
                                        .stage = queue_stage(dispatch->queue, group) };
    struct job *job;

    job = worker != NULL ? jobs_begin(dispatch->jobs, group, worker, route->servers) : NULL;
    if (job == NULL)
        return false;
    job->sent_ms = loop_now_ms(dispatch->loop);
    deliver.job = job->id;
    queue_set_out(dispatch->queue, group);
    group->kept_tried = 0;
    channel_send(worker->channel, IPC_MAIL_DELIVER, &deliver);
    dispatch_watch(dispatch);
    return true;
}

/* ---- the walk ---- */

/* The bounds are known anew by its end: from what it meets, and what comes meanwhile. False: there
 * is nothing due. */
static bool begin(struct dispatch *dispatch)
{
    uint32_t now_s = clock_to_epoch_s(clock_wall_ms());
    bool is_any = false;

    for (size_t i = 0; i < queue_lane_count(dispatch->queue); i++) {
        struct lane *lane = queue_lane_at(dispatch->queue, i);

        lane->is_expiring =
            is_stuck(lane) &&
            (!is_relay(lane) || is_over(lane->oldest_s, lane->route->lifetime_s, now_s));
        if (lane->is_expiring)
            lane->oldest_s = UINT32_MAX;
        is_any |= lane->is_expiring;
    }
    dispatch->expiry.next = 0;
    return is_any;
}

/* False: it is due, and there is no room for it now. */
static bool look_at(struct dispatch *dispatch, struct group *group, uint32_t now_s)
{
    struct lane *lane = group->lane;

    if (!lane->is_expiring || group->state != QUEUE_READY ||
        group->ready_class == READY_CLASS_COUNT)
        return true;
    if (is_stuck(lane) && may_go(dispatch, group, now_s))
        return order_end(dispatch, group);
    if (group->received_s < lane->oldest_s)
        lane->oldest_s = group->received_s;
    return true;
}

/* In how many ms it goes on. */
static int64_t walk(struct dispatch *dispatch)
{
    uint32_t now_s = clock_to_epoch_s(clock_wall_ms()), numbers = queue_numbers(dispatch->queue);
    unsigned left = SLICE;

    for (; left > 0 && dispatch->expiry.next < numbers; left--, dispatch->expiry.next++) {
        struct group *group = queue_at(dispatch->queue, dispatch->expiry.next);

        if (group != NULL && !look_at(dispatch, group, now_s))
            return ROOM_MS;
    }
    dispatch->expiry.is_walking = dispatch->expiry.next < numbers;
    return dispatch->expiry.is_walking ? 0 : LOOK_MS;
}

void dispatch_expiry_on_timer(void *arg)
{
    struct dispatch *dispatch = arg;
    int64_t next_ms = LOOK_MS;

    if (dispatch->is_stopped)
        return;
    if (!dispatch->expiry.is_walking)
        dispatch->expiry.is_walking = begin(dispatch);
    if (dispatch->expiry.is_walking)
        next_ms = walk(dispatch);
    loop_timer_set_ms(dispatch->expiry.timer, next_ms);
}
