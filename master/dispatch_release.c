/* A server answers again: the mail of its profile that was deferred because servers failed is ready
 * at once (SP23). The queue may be long, so the walk over it is cut into slices of one turn each;
 * the load on the server rises slowly because health gives it only a few deliveries at first. */
#include "common/log.h"
#include "common/loop.h"
#include "master/dispatch_parts.h"
#include "master/group.h"

#define SLICE 2048U /* groups looked at in one turn */

void dispatch_release(struct dispatch *dispatch, struct lane *lane)
{
    if (lane->counts[QUEUE_WAITING] == 0)
        return;
    lane->is_release_wanted = true;
    if (!loop_timer_is_set(dispatch->release.timer))
        loop_timer_set_ms(dispatch->release.timer, 0);
}

/* Those that are wanted now are released by this walk; who comes later waits for the next. False:
 * nobody. */
static bool begin(struct dispatch *dispatch)
{
    bool is_any = false;

    for (size_t i = 0; i < queue_lane_count(dispatch->queue); i++) {
        struct lane *lane = queue_lane_at(dispatch->queue, i);

        lane->is_releasing = lane->is_release_wanted;
        lane->is_release_wanted = false;
        is_any |= lane->is_releasing;
    }
    dispatch->release.next = 0;
    dispatch->release.count = 0;
    return is_any;
}

static void end(struct dispatch *dispatch)
{
    if (dispatch->release.count > 0)
        log_info("health", "deferred mail is ready again",
                 LOG_INT("groups", (int64_t)dispatch->release.count));
    dispatch->release.is_walking = false;
}

static void look_at(struct dispatch *dispatch, struct group *group)
{
    if (group->state != QUEUE_WAITING || !group->is_deferred_by_servers ||
        !group->lane->is_releasing)
        return;
    queue_set_ready(dispatch->queue, group, false);
    dispatch->release.count++;
}

void dispatch_release_on_timer(void *arg)
{
    struct dispatch *dispatch = arg;
    uint32_t numbers = queue_numbers(dispatch->queue), end_at;

    if (!dispatch->release.is_walking)
        dispatch->release.is_walking = begin(dispatch);
    if (!dispatch->release.is_walking)
        return;
    end_at = dispatch->release.next + SLICE < numbers ? dispatch->release.next + SLICE : numbers;
    for (; dispatch->release.next < end_at; dispatch->release.next++) {
        struct group *group = queue_at(dispatch->queue, dispatch->release.next);

        if (group != NULL)
            look_at(dispatch, group);
    }
    if (dispatch->release.next >= numbers)
        end(dispatch);
    loop_timer_set_ms(dispatch->release.timer, 0); /* until nobody is wanted */
}
