#include "master/io_thread.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <unistd.h>

#include "common/loop.h"

struct job {
    STAILQ_ENTRY(job) link;
    io_work *work;
    io_done_cb *done;
    void *arg;
    int result;
};

STAILQ_HEAD(job_list, job);

struct io_thread {
    struct loop_watch *watch;
    int finished_fd; /* readable: something is in `finished`, or was a moment ago */
    pthread_t thread;

    pthread_mutex_t lock;
    pthread_cond_t wake;     /* something to do, or to end */
    pthread_cond_t progress; /* something is finished */
    struct job_list waiting; /* under the lock, as all below */
    struct job_list finished;
    unsigned waiting_count; /* the one at work included */
    bool is_stopping;
};

static struct job *take(struct job_list *list)
{
    struct job *job = STAILQ_FIRST(list);

    if (job != NULL)
        STAILQ_REMOVE_HEAD(list, link);
    return job;
}

/* ---- in the thread ---- */

static struct job *wait_for_job(struct io_thread *t)
{
    struct job *job;

    pthread_mutex_lock(&t->lock);
    while (STAILQ_EMPTY(&t->waiting) && !t->is_stopping)
        pthread_cond_wait(&t->wake, &t->lock);
    job = take(&t->waiting);
    pthread_mutex_unlock(&t->lock);
    return job;
}

static void finish(struct io_thread *t, struct job *job)
{
    uint64_t one = 1;
    bool was_empty;

    pthread_mutex_lock(&t->lock);
    was_empty = STAILQ_EMPTY(&t->finished);
    STAILQ_INSERT_TAIL(&t->finished, job, link);
    t->waiting_count--;
    pthread_cond_signal(&t->progress);
    pthread_mutex_unlock(&t->lock);
    if (was_empty)
        (void)!write(t->finished_fd, &one, sizeof(one));
}

static void *run(void *arg)
{
    struct io_thread *t = arg;
    struct job *job;

    while ((job = wait_for_job(t)) != NULL) {
        job->result = job->work(job->arg);
        finish(t, job);
    }
    return NULL;
}

/* ---- in the loop ---- */

/* Tells of what is finished by now; what is finished meanwhile is the next turn's. */
static void tell_finished(struct io_thread *t)
{
    struct job_list told = STAILQ_HEAD_INITIALIZER(told);
    struct job *job;

    pthread_mutex_lock(&t->lock);
    STAILQ_CONCAT(&told, &t->finished);
    pthread_mutex_unlock(&t->lock);
    while ((job = take(&told)) != NULL) {
        job->done(job->result, job->arg);
        free(job);
    }
}

static void on_finished(int fd, unsigned what, void *arg)
{
    uint64_t count;

    (void)what;
    (void)!read(fd, &count, sizeof(count));
    tell_finished(arg);
}

static void release(struct io_thread *t)
{
    loop_watch_free(&t->watch);
    if (t->finished_fd >= 0)
        close(t->finished_fd);
    pthread_cond_destroy(&t->progress);
    pthread_cond_destroy(&t->wake);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

/* Signals belong to the loop: the thread takes none. */
static int start(struct io_thread *t)
{
    sigset_t all, before;
    int err;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    err = pthread_create(&t->thread, NULL, run, t);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -err;
}

struct io_thread *io_thread_new(struct loop *loop)
{
    struct io_thread *t = calloc(1, sizeof(*t));

    if (t == NULL)
        return NULL;
    STAILQ_INIT(&t->waiting);
    STAILQ_INIT(&t->finished);
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->wake, NULL);
    pthread_cond_init(&t->progress, NULL);
    t->finished_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (t->finished_fd >= 0)
        t->watch = loop_watch_new(loop, t->finished_fd, on_finished, t);
    if (t->watch == NULL || start(t) < 0) {
        release(t);
        return NULL;
    }
    loop_watch_set(t->watch, LOOP_READ);
    return t;
}

/* Until nothing is waiting, at work or untold: a `done` may have given more. */
static void finish_all(struct io_thread *t)
{
    bool is_over;

    do {
        pthread_mutex_lock(&t->lock);
        while (t->waiting_count > 0 && STAILQ_EMPTY(&t->finished))
            pthread_cond_wait(&t->progress, &t->lock);
        is_over = t->waiting_count == 0 && STAILQ_EMPTY(&t->finished);
        pthread_mutex_unlock(&t->lock);
        tell_finished(t);
    } while (!is_over);
}

void io_thread_free(struct io_thread **thread)
{
    struct io_thread *t = *thread;

    if (t == NULL)
        return;
    finish_all(t);
    pthread_mutex_lock(&t->lock);
    t->is_stopping = true;
    pthread_cond_signal(&t->wake);
    pthread_mutex_unlock(&t->lock);
    pthread_join(t->thread, NULL);
    release(t);
    *thread = NULL;
}

int io_thread_run(struct io_thread *thread, io_work *work, io_done_cb *done, void *arg)
{
    struct job *job = malloc(sizeof(*job));

    if (job == NULL)
        return -ENOMEM;
    *job = (struct job){ .work = work, .done = done, .arg = arg };
    pthread_mutex_lock(&thread->lock);
    if (thread->waiting_count >= IO_THREAD_MAX_WAITING) {
        pthread_mutex_unlock(&thread->lock);
        free(job);
        return -ENOMEM;
    }
    STAILQ_INSERT_TAIL(&thread->waiting, job, link);
    thread->waiting_count++;
    pthread_cond_signal(&thread->wake);
    pthread_mutex_unlock(&thread->lock);
    return 0;
}
