#include "common/server_order.h"
#include "master/budget.h"
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

struct account *dispatch_account(const struct dispatch *dispatch, const struct group *group,
                                 size_t start)
{
    const struct route *route = group->lane->route;
    const struct server_list *servers = route->servers;
    uint64_t up = route_up(route);
    uint64_t out = group->kept_tried | ~(up != 0 ? up : UINT64_C(1) << start);
    int next = server_order_next(servers->count, start, out);

    return next >= 0
               ? budget_account(dispatch->budget, group->lane->profile, servers->identities[next])
               : NULL;
}

/* Those that could take it, each the best of its kind. */
struct candidates {
    struct worker *least; /* loaded */
    struct worker
        *with_idle; /* connections to the server that is next: the group's own, or least */
    struct worker *with_open; /* the same, in use */
};

static struct candidates look_round(struct dispatch *dispatch, const struct group *group,
                                    const struct account *account)
{
    const struct worker *origin = dispatch->workers->slots[group->place.slot];
    struct candidates best = { NULL, NULL, NULL };

    dispatch->first_slot = (dispatch->first_slot + 1) % ID_SLOTS;
    for (unsigned i = 0; i < ID_SLOTS; i++) {
        struct worker *worker = dispatch->workers->slots[(dispatch->first_slot + i) % ID_SLOTS];

        if (worker == NULL || !dispatch_has_room(dispatch, worker, group->lane))
            continue;
        if (best.least == NULL || worker->job_count < best.least->job_count)
            best.least = worker;
        if (account == NULL || budget_leases(account, worker->slot) == 0)
            continue;
        if (best.with_open == NULL || worker->job_count < best.with_open->job_count)
            best.with_open = worker;
        if (budget_idle(account, worker->slot) == 0)
            continue;
        if (best.with_idle == NULL || worker == origin ||
            (best.with_idle != origin && worker->job_count < best.with_idle->job_count))
            best.with_idle = worker;
    }
    return best;
}

struct worker *dispatch_choose(struct dispatch *dispatch, const struct group *group, size_t start)
{
    struct worker *origin = dispatch->workers->slots[group->place.slot];
    struct account *account = dispatch_account(dispatch, group, start);
    const struct candidates best = look_round(dispatch, group, account);

    if (best.with_idle != NULL)
        return best.with_idle;
    if (account != NULL && !budget_has_room(dispatch->budget, account)) {
        if (best.with_open == NULL)
            budget_want_idle(dispatch->budget, account);
        return best.with_open;
    }
    if (origin != NULL && best.least != NULL && dispatch_has_room(dispatch, origin, group->lane) &&
        is_near_least(origin, best.least))
        return origin;
    return best.least;
}
