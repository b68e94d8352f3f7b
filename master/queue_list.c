/* Looking through the queue for people: views, one message, a page of a list.
 *
 * A list walks the slab in slices and keeps the smallest `limit` keys that it met, in a heap with
 * the largest on top: a page costs one pass, whatever the size of the queue, and no turn is long.
 */
#include <errno.h>
#include <stdlib.h>

#include "common/envelope.h"
#include "common/loop.h"
#include "master/group.h"

#define LIST_JOBS_MAX 16
#define SLICE         8192U

struct list_job {
    TAILQ_ENTRY(list_job) link;
    struct queue *queue;
    struct loop_timer *timer;
    struct queue_filter filter;
    uint64_t after_id;
    unsigned after_group;
    uint32_t next; /* number in the slab */
    bool more;
    uint64_t total; /* that the filter fits, whatever the page */
    queue_list_cb *done;
    void *arg;
    size_t limit, count;
    struct queue_view found[]; /* a heap, the largest first */
};

void queue_view_of(const struct group *group, struct queue_view *ret_view)
{
    *ret_view = (struct queue_view){
        .place = group->place,
        .body_bytes = group->body_bytes,
        .profile = group->relay->profile,
        .stage_profile = group->lane->profile,
        .rule = group->rule,
        .recipients = group->recipients,
        .received_s = group->received_s,
        .next_attempt_s = group->next_attempt_s,
        .attempts = group->attempts,
        .crashes = group->crashes,
        .is_own = group->is_own,
        .state = (enum queue_state)group->state,
        .worker = group->state == QUEUE_OUT ? group->worker : -1,
    };
}

size_t queue_find(const struct queue *queue, uint64_t id, struct queue_view *ret_views, size_t max)
{
    size_t count = 0;

    for (unsigned i = 0; i < ENVELOPE_MAX_GROUPS; i++) {
        const struct group *group = queue_group(queue, id, i);

        if (group == NULL || group->state == QUEUE_GONE)
            continue;
        if (count < max)
            queue_view_of(group, &ret_views[count]);
        count++;
    }
    return count;
}

/* ---- one page ---- */

static int compare(uint64_t a_id, unsigned a_group, uint64_t b_id, unsigned b_group)
{
    if (a_id != b_id)
        return a_id < b_id ? -1 : 1;
    return a_group < b_group ? -1 : a_group > b_group;
}

static int compare_views(const void *a, const void *b)
{
    const struct queue_view *x = a, *y = b;

    return compare(x->place.id, x->place.group, y->place.id, y->place.group);
}

static void swap(struct queue_view *a, struct queue_view *b)
{
    struct queue_view kept = *a;

    *a = *b;
    *b = kept;
}

static void sift_down(struct list_job *job)
{
    for (size_t at = 0, child; (child = 2 * at + 1) < job->count; at = child) {
        if (child + 1 < job->count && compare_views(&job->found[child + 1], &job->found[child]) > 0)
            child++;
        if (compare_views(&job->found[at], &job->found[child]) >= 0)
            return;
        swap(&job->found[at], &job->found[child]);
    }
}

static void sift_up(struct list_job *job)
{
    for (size_t at = job->count - 1; at > 0; at = (at - 1) / 2) {
        if (compare_views(&job->found[at], &job->found[(at - 1) / 2]) <= 0)
            return;
        swap(&job->found[at], &job->found[(at - 1) / 2]);
    }
}

static bool is_wanted(const struct list_job *job, const struct group *group)
{
    const struct queue_filter *filter = &job->filter;

    return group->state != QUEUE_GONE &&
           (filter->profile == 0 || filter->profile == group->lane->profile ||
            filter->profile == group->relay->profile) &&
           (filter->rule == 0 || filter->rule == group->rule) &&
           (filter->states == 0 || (filter->states >> group->state & 1) != 0);
}

static void consider(struct list_job *job, const struct group *group)
{
    if (!is_wanted(job, group))
        return;
    job->total++;
    if (compare(group->place.id, group->place.group, job->after_id, job->after_group) <= 0)
        return;
    if (job->count < job->limit) {
        queue_view_of(group, &job->found[job->count++]);
        sift_up(job);
        return;
    }
    job->more = true;
    if (compare(group->place.id, group->place.group, job->found[0].place.id,
                job->found[0].place.group) < 0) {
        queue_view_of(group, &job->found[0]);
        sift_down(job);
    }
}

static void end_job(struct list_job *job)
{
    const struct queue_page page = {
        .views = job->found, .count = job->count, .more = job->more, .total = job->total
    };

    TAILQ_REMOVE(queue_list_jobs(job->queue), job, link);
    qsort(job->found, job->count, sizeof(job->found[0]), compare_views);
    job->done(&page, job->arg);
    loop_timer_free(&job->timer);
    free(job);
}

static void on_slice(void *arg)
{
    struct list_job *job = arg;
    uint32_t end = queue_numbers(job->queue);

    if (end - job->next > SLICE)
        end = job->next + SLICE;
    for (; job->next < end; job->next++) {
        const struct group *group = queue_at(job->queue, job->next);

        if (group != NULL)
            consider(job, group);
    }
    if (job->next < queue_numbers(job->queue))
        loop_timer_set_ms(job->timer, 0);
    else
        end_job(job);
}

int queue_list(struct queue *queue, const struct queue_filter *filter, uint64_t after_id,
               unsigned after_group, size_t limit, queue_list_cb *done, void *arg)
{
    struct list_job_list *jobs = queue_list_jobs(queue);
    struct list_job *job;
    unsigned count = 0;

    TAILQ_FOREACH (job, jobs, link)
        count++;
    if (count >= LIST_JOBS_MAX)
        return -EBUSY;
    if (limit > QUEUE_LIST_MAX)
        limit = QUEUE_LIST_MAX;
    if (limit == 0)
        limit = 1;
    job = calloc(1, sizeof(*job) + limit * sizeof(job->found[0]));
    if (job == NULL)
        return -ENOMEM;
    *job = (struct list_job){ .queue = queue,
                              .filter = *filter,
                              .after_id = after_id,
                              .after_group = after_group,
                              .limit = limit,
                              .done = done,
                              .arg = arg };
    job->timer = loop_timer_new(queue_loop(queue), on_slice, job);
    if (job->timer == NULL) {
        free(job);
        return -ENOMEM;
    }
    TAILQ_INSERT_TAIL(jobs, job, link);
    loop_timer_set_ms(job->timer, 0);
    return 0;
}

void queue_end_lists(struct queue *queue)
{
    struct list_job *job;

    while ((job = TAILQ_FIRST(queue_list_jobs(queue))) != NULL) {
        job->count = 0;
        job->total = 0;
        job->more = false;
        end_job(job);
    }
}
