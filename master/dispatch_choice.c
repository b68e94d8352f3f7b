#include "master/dispatch_parts.h"

#include "master/group.h"
#include "master/route.h"
#include "master/worker.h"

bool dispatch_has_room(const struct dispatch *dispatch, const struct worker *worker,
                       const struct lane *lane)
{
    unsigned mine, free_for_lane;

    if (!worker_is_running(worker) || worker->is_alone_wanted ||
        worker->job_count >= IPC_JOBS_PER_WORKER)
        return false;
    if (queue_lane_count(dispatch->queue) <= 1)
        return true;
    mine = lane->out[worker->slot];
    free_for_lane = (IPC_JOBS_PER_WORKER - (worker->job_count - mine)) / 2;
    return mine < free_for_lane;
}

bool dispatch_any_room(const struct dispatch *dispatch, const struct lane *lane)
{
    for (unsigned slot = 0; slot < ID_SLOTS; slot++) {
        if (dispatch->workers->slots[slot] != NULL &&
            dispatch_has_room(dispatch, dispatch->workers->slots[slot], lane))
            return true;
    }
    return false;
}

static bool is_near_least(const struct worker *worker, const struct worker *least)
{
    return worker->job_count * 4 <= least->job_count * 5 + 4; /* 25 %, and one job is no load */
}

struct worker *dispatch_choose(struct dispatch *dispatch, const struct group *group, size_t start)
{
    const struct lane *lane = group->lane;
    struct worker *origin = dispatch->workers->slots[group->place.slot];
    struct worker *least = NULL, *with_idle = NULL;

    dispatch->first_slot = (dispatch->first_slot + 1) % ID_SLOTS;
    for (unsigned i = 0; i < ID_SLOTS; i++) {
        struct worker *worker = dispatch->workers->slots[(dispatch->first_slot + i) % ID_SLOTS];

        if (worker == NULL || !dispatch_has_room(dispatch, worker, lane))
            continue;
        if (least == NULL || worker->job_count < least->job_count)
            least = worker;
        if (route_idle(lane->route, worker->slot, start) == 0)
            continue;
        if (with_idle == NULL || worker == origin ||
            (with_idle != origin && worker->job_count < with_idle->job_count))
            with_idle = worker;
    }
    if (with_idle != NULL)
        return with_idle;
    if (origin != NULL && least != NULL && dispatch_has_room(dispatch, origin, lane) &&
        is_near_least(origin, least))
        return origin;
    return least;
}
