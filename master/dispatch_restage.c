/* Rules have changed: what is queued may have other stages now, or go through other profiles, and
 * what waits for a server that is down would never find out. The whole queue is looked through, a
 * slice in each turn; what is out finds its lane when it comes back. */
#include "common/loop.h"
#include "master/dispatch_parts.h"
#include "master/group.h"

#define SLICE    2048U /* groups looked at in one turn */
#define AGAIN_MS 1000  /* for want of memory */

void dispatch_rules_changed(struct dispatch *dispatch)
{
    dispatch->restage.next = 0;
    loop_timer_set_ms(dispatch->restage.timer, 0);
}

void dispatch_restage_on_timer(void *arg)
{
    struct dispatch *dispatch = arg;
    const uint32_t numbers = queue_numbers(dispatch->queue);

    for (unsigned left = SLICE; left > 0 && dispatch->restage.next < numbers; left--) {
        struct group *group = queue_at(dispatch->queue, dispatch->restage.next);

        if (group != NULL && group->state != QUEUE_OUT && group->state != QUEUE_GONE &&
            queue_restage(dispatch->queue, group) < 0) {
            loop_timer_set_ms(dispatch->restage.timer, AGAIN_MS);
            return;
        }
        dispatch->restage.next++;
    }
    if (dispatch->restage.next < numbers)
        loop_timer_set_ms(dispatch->restage.timer, 0);
}
