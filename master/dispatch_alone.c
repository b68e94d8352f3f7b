/* What killed a worker before runs alone (MQ09): one suspect at a time, on a worker that is emptied
 * first. Neither the emptying nor the lonely time is unlimited, and after each suspect the others
 * have the worker for as long as it took, so that suspects with hanging servers stop nobody. */
#include "common/loop.h"
#include "master/dispatch_parts.h"
#include "master/group.h"
#include "master/jobs.h"
#include "master/worker.h"

#define EMPTY_MS 30000 /* then it goes beside what is still there */
#define ALONE_MS 10000 /* what has not killed its worker by then is probably innocent */

static struct group *first_suspect(const struct dispatch *dispatch)
{
    struct group *group;

    TAILQ_FOREACH (group, queue_suspects(dispatch->queue), link) {
        if (queue_stage_is_right(dispatch->queue, group) && group->lane->route != NULL &&
            dispatch_health_usable(dispatch, group->lane->route) != 0)
            return group;
    }
    return NULL;
}

static void let_go(struct dispatch *dispatch)
{
    if (dispatch->alone.worker != NULL)
        dispatch->alone.worker->is_alone_wanted = false;
    dispatch->alone.worker = NULL;
    dispatch->alone.job = 0;
}

static void rest(struct dispatch *dispatch)
{
    int64_t now_ms = loop_now_ms(dispatch->loop);

    dispatch->alone.rest_until_ms = now_ms + (now_ms - dispatch->alone.since_ms);
    let_go(dispatch);
}

static void send_suspect(struct dispatch *dispatch, struct group *group)
{
    struct worker *worker = dispatch->alone.worker;
    struct job *job = dispatch_send(dispatch, group, worker, dispatch_start_of(dispatch, group));

    if (job == NULL) {
        let_go(dispatch);
        return;
    }
    job->is_alone = true;
    dispatch->alone.job = job->id;
    dispatch->alone.since_ms = loop_now_ms(dispatch->loop);
}

void dispatch_alone_serve(struct dispatch *dispatch)
{
    int64_t now_ms = loop_now_ms(dispatch->loop);
    struct group *group;

    if (dispatch->alone.job != 0) {
        if (now_ms - dispatch->alone.since_ms >= ALONE_MS)
            rest(dispatch);
        return;
    }
    group = first_suspect(dispatch);
    if (group == NULL) {
        let_go(dispatch);
        return;
    }
    if (dispatch->alone.worker == NULL) {
        if (now_ms < dispatch->alone.rest_until_ms)
            return;
        dispatch->alone.worker = workers_least_loaded(dispatch->workers);
        if (dispatch->alone.worker == NULL)
            return;
        dispatch->alone.worker->is_alone_wanted = true;
        dispatch->alone.since_ms = now_ms;
    }
    if (!worker_is_running(dispatch->alone.worker))
        let_go(dispatch);
    else if (dispatch->alone.worker->job_count == 0 ||
             now_ms - dispatch->alone.since_ms >= EMPTY_MS)
        send_suspect(dispatch, group);
}

void dispatch_alone_ended(struct dispatch *dispatch, uint64_t job)
{
    if (dispatch->alone.job == job && job != 0)
        rest(dispatch);
}

void dispatch_alone_lost(struct dispatch *dispatch, const struct worker *worker)
{
    if (dispatch->alone.worker == worker)
        rest(dispatch);
}

bool dispatch_alone_is_busy(const struct dispatch *dispatch)
{
    return dispatch->alone.worker != NULL || first_suspect(dispatch) != NULL;
}
