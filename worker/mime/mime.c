#include "worker/mime/mime.h"

#include <errno.h>
#include <stdlib.h>

struct mime_job {
    struct body_task task; /* first */
    struct mime_limits limits;
    uint64_t chunk_bytes;
    mime_done_cb *done;
    void *arg;
    /* what came of it */
    struct mime_parts *parts;
    struct reason why;
};

/* In the thread. */
static int scan(struct body_task *task)
{
    struct mime_job *job = (struct mime_job *)task;

    return mime_scan(task->body.data, task->body.bytes, &job->limits, job->chunk_bytes,
                     &task->is_cancelled, &job->parts, &job->why);
}

static void on_dropped(struct body_task *task)
{
    struct mime_job *job = (struct mime_job *)task;

    mime_parts_free(&job->parts);
    free(job);
}

static void on_done(struct body_task *task, int err)
{
    struct mime_job *job = (struct mime_job *)task;
    struct mime_parts *parts = job->parts;
    mime_done_cb *done = job->done;
    const struct reason why = job->why;
    void *arg = job->arg;

    free(job);
    done(err, parts, why.text, arg);
}

int mime_start(struct body_work *work, const struct body_ref *body,
               const struct mime_limits *limits, uint64_t chunk_bytes, mime_done_cb *done,
               void *arg, struct mime_job **ret_job, struct reason *reterr_why)
{
    struct mime_job *job = calloc(1, sizeof(*job));
    int err;

    if (job == NULL)
        return reason_set(reterr_why, -ENOMEM, "out of memory");
    job->task.work = scan;
    job->task.done = on_done;
    job->task.drop = on_dropped;
    job->task.body = *body;
    job->limits = *limits;
    job->chunk_bytes = chunk_bytes;
    job->done = done;
    job->arg = arg;
    err = body_work_start(work, &job->task, reterr_why);
    if (err < 0)
        free(job);
    else
        *ret_job = job;
    return err;
}

void mime_cancel(struct mime_job **job)
{
    struct body_task *task = *job != NULL ? &(*job)->task : NULL;

    body_work_cancel(&task);
    *job = NULL;
}
