#include "worker/body_work.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { IDLE_MS = 3600 * 1000 }; /* the thread need not wake by itself */

struct body_work {
    struct loop *loop;
    struct sync_thread *thread; /* NULL until the first task */
    struct body_task *tasks;    /* all that are not over */
};

static bool is_cancelled(const struct body_task *task)
{
    return atomic_load_explicit(&task->is_cancelled, memory_order_relaxed);
}

/* ---- in the thread ---- */

static void do_one(struct sync_job *job, void *arg)
{
    struct body_task *task = (struct body_task *)job;

    (void)arg;
    task->err = is_cancelled(task) ? -ECANCELED : task->work(task);
}

/* Posts each as it is finished: the next may be a long one. */
static int64_t do_all(struct sync_list *jobs, void *arg)
{
    const struct body_work *work = arg;
    struct sync_job *job;

    while ((job = sync_list_take(jobs)) != NULL) {
        struct sync_list finished = { 0 };

        job->work(job, arg);
        sync_list_add(&finished, job);
        sync_thread_post(work->thread, &finished);
    }
    return IDLE_MS;
}

/* ---- in the loop ---- */

static void leave(struct body_task *task)
{
    *task->place = task->next;
    if (task->next != NULL)
        task->next->place = task->place;
    task->body.release(task->held);
}

static void on_finished(struct sync_job *job)
{
    struct body_task *task = (struct body_task *)job;

    leave(task);
    if (is_cancelled(task))
        task->drop(task);
    else
        task->done(task, task->err);
}

struct body_work *body_work_new(struct loop *loop)
{
    struct body_work *work = calloc(1, sizeof(*work));

    if (work != NULL)
        work->loop = loop;
    return work;
}

int body_work_start(struct body_work *work, struct body_task *task, struct reason *reterr_why)
{
    struct sync_list jobs = { 0 };
    int err = work->thread != NULL ? 0 : sync_thread_new(work->loop, do_all, work, &work->thread);

    if (err < 0)
        return reason_set(reterr_why, err, "no thread for reading: %s", strerror(-err));
    task->held = task->body.hold(task->body.arg);
    if (task->held == NULL)
        return reason_set(reterr_why, -ENOMEM, "out of memory");
    task->job = (struct sync_job){ .work = do_one, .done = on_finished };
    task->owner = work;
    task->place = &work->tasks;
    task->next = work->tasks;
    if (task->next != NULL)
        task->next->place = &task->next;
    work->tasks = task;
    sync_list_add(&jobs, &task->job);
    sync_thread_give(work->thread, &jobs);
    return 0;
}

void body_work_cancel(struct body_task **task)
{
    if (*task != NULL)
        atomic_store_explicit(&(*task)->is_cancelled, true, memory_order_relaxed);
    *task = NULL;
}

void body_work_free(struct body_work **work)
{
    struct body_work *w = *work;
    struct body_task *task;
    struct sync_list left;

    *work = NULL;
    if (w == NULL)
        return;
    for (task = w->tasks; task != NULL; task = task->next)
        atomic_store_explicit(&task->is_cancelled, true, memory_order_relaxed);
    if (w->thread != NULL)
        sync_thread_stop(w->thread, &left);
    while ((task = w->tasks) != NULL) {
        leave(task);
        task->drop(task);
    }
    sync_thread_free(&w->thread);
    free(w);
}
