#include "master/jobs.h"

#include <stdlib.h>

#include "common/ipc.h"
#include "master/group.h"
#include "master/route.h"
#include "master/slab.h"
#include "master/worker.h"

#define NUMBER_BITS 24

struct jobs {
    struct slab *slab;
    uint64_t serial;
};

struct jobs *jobs_new(void)
{
    struct jobs *jobs = calloc(1, sizeof(*jobs));

    if (jobs == NULL)
        return NULL;
    jobs->slab = slab_new(sizeof(struct job), (size_t)ID_SLOTS * IPC_JOBS_PER_WORKER);
    if (jobs->slab == NULL)
        jobs_free(&jobs);
    return jobs;
}

void jobs_free(struct jobs **jobs)
{
    if (*jobs == NULL)
        return;
    for (uint32_t i = 0; (*jobs)->slab != NULL && i < slab_room((*jobs)->slab); i++) {
        const struct job *job = slab_at((*jobs)->slab, i);

        if (job != NULL)
            server_list_release(job->servers);
    }
    slab_free(&(*jobs)->slab);
    free(*jobs);
    *jobs = NULL;
}

struct job *jobs_begin(struct jobs *jobs, struct group *group, struct worker *worker,
                       struct server_list *servers)
{
    uint32_t number;
    struct job *job = slab_take(jobs->slab, &number);

    if (job == NULL)
        return NULL;
    job->id = ++jobs->serial << NUMBER_BITS | number;
    job->group = group;
    job->worker = worker;
    job->servers = server_list_hold(servers);
    group->job = job;
    group->worker = (int16_t)worker->slot;
    group->lane->in_flight++;
    group->lane->out[worker->slot]++;
    worker->job_count++;
    TAILQ_INSERT_TAIL(&worker->jobs, job, link);
    return job;
}

struct job *jobs_find(const struct jobs *jobs, uint64_t id)
{
    struct job *job = slab_at(jobs->slab, (uint32_t)(id & ((1U << NUMBER_BITS) - 1)));

    return job != NULL && job->id == id ? job : NULL;
}

void jobs_end(struct jobs *jobs, struct job *job)
{
    struct lane *lane = job->group->lane;

    TAILQ_REMOVE(&job->worker->jobs, job, link);
    job->worker->job_count--;
    lane->in_flight--;
    lane->out[job->worker->slot]--;
    job->group->job = NULL;
    job->group->worker = -1;
    server_list_release(job->servers);
    slab_give(jobs->slab, (uint32_t)(job->id & ((1U << NUMBER_BITS) - 1)));
}
