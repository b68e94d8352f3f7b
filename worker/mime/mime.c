#include "worker/mime/mime.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "worker/sync_thread.h"

enum { IDLE_MS = 3600 * 1000 }; /* the thread need not wake by itself */

struct mime {
    struct loop *loop;
    struct mime_limits limits;
    struct sync_thread *thread; /* NULL until the first scan */
    struct mime_job *jobs;      /* all that are not over */
};

struct mime_job {
    struct sync_job job;            /* first */
    struct mime_job *next, **place; /* in mime->jobs */
    struct mime_body body;
    void *held;
    uint64_t chunk_bytes;
    atomic_bool is_cancelled;
    mime_done_cb *done;
    void *arg;
    /* what came of it */
    int err;
    struct mime_parts *parts;
    struct reason why;
};

/* ---- in the thread ---- */

static void scan(struct sync_job *sync, void *arg)
{
    struct mime_job *job = (struct mime_job *)sync;
    const struct mime *mime = arg;

    job->err = -ECANCELED;
    if (!atomic_load_explicit(&job->is_cancelled, memory_order_relaxed))
        job->err = mime_scan(job->body.data, job->body.bytes, &mime->limits, job->chunk_bytes,
                             &job->is_cancelled, &job->parts, &job->why);
}

/* Posts each as it is finished: the next may be a long one. */
static int64_t scan_all(struct sync_list *jobs, void *arg)
{
    const struct mime *mime = arg;
    struct sync_job *job;

    while ((job = sync_list_take(jobs)) != NULL) {
        struct sync_list finished = { 0 };

        job->work(job, arg);
        sync_list_add(&finished, job);
        sync_thread_post(mime->thread, &finished);
    }
    return IDLE_MS;
}

/* ---- in the loop ---- */

static void job_free(struct mime_job *job)
{
    *job->place = job->next;
    if (job->next != NULL)
        job->next->place = job->place;
    job->body.release(job->held);
    mime_parts_free(&job->parts);
    free(job);
}

static void on_finished(struct sync_job *sync)
{
    struct mime_job *job = (struct mime_job *)sync;
    mime_done_cb *done = job->done;
    struct mime_parts *parts = job->parts;
    const bool is_cancelled = atomic_load_explicit(&job->is_cancelled, memory_order_relaxed);
    const struct reason why = job->why;
    const int err = job->err;
    void *arg = job->arg;

    if (!is_cancelled)
        job->parts = NULL;
    job_free(job);
    if (!is_cancelled)
        done(err, parts, why.text, arg);
}

static struct mime_job *job_new(struct mime *mime, const struct mime_body *body)
{
    struct mime_job *job = calloc(1, sizeof(*job));

    if (job == NULL)
        return NULL;
    job->held = body->hold(body->arg);
    if (job->held == NULL) {
        free(job);
        return NULL;
    }
    job->job.work = scan;
    job->job.done = on_finished;
    job->body = *body;
    job->place = &mime->jobs;
    job->next = mime->jobs;
    if (job->next != NULL)
        job->next->place = &job->next;
    mime->jobs = job;
    return job;
}

struct mime *mime_new(struct loop *loop, const struct mime_limits *limits)
{
    struct mime *mime = calloc(1, sizeof(*mime));

    if (mime == NULL)
        return NULL;
    mime->loop = loop;
    mime->limits = *limits;
    return mime;
}

int mime_start(struct mime *mime, const struct mime_body *body, uint64_t chunk_bytes,
               mime_done_cb *done, void *arg, struct mime_job **ret_job, struct reason *reterr_why)
{
    struct sync_list jobs = { 0 };
    struct mime_job *job;
    int err = mime->thread != NULL ? 0 : sync_thread_new(mime->loop, scan_all, mime, &mime->thread);

    if (err < 0)
        return reason_set(reterr_why, err, "no thread for MIME: %s", strerror(-err));
    job = job_new(mime, body);
    if (job == NULL)
        return reason_set(reterr_why, -ENOMEM, "out of memory");
    job->chunk_bytes = chunk_bytes;
    job->done = done;
    job->arg = arg;
    *ret_job = job;
    sync_list_add(&jobs, &job->job);
    sync_thread_give(mime->thread, &jobs);
    return 0;
}

void mime_cancel(struct mime_job **job)
{
    if (*job == NULL)
        return;
    atomic_store_explicit(&(*job)->is_cancelled, true, memory_order_relaxed);
    *job = NULL;
}

void mime_free(struct mime **mime)
{
    struct mime *m = *mime;
    struct sync_list left;

    if (m == NULL)
        return;
    for (struct mime_job *job = m->jobs; job != NULL; job = job->next)
        atomic_store_explicit(&job->is_cancelled, true, memory_order_relaxed);
    if (m->thread != NULL)
        sync_thread_stop(m->thread, &left);
    while (m->jobs != NULL)
        job_free(m->jobs);
    sync_thread_free(&m->thread);
    free(m);
    *mime = NULL;
}
