#include "worker/sync_thread.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/loop.h"

struct sync_thread {
    struct loop_watch *watch;
    sync_round *round;
    void *arg;
    pthread_t thread;
    bool is_started;
    int posted_fd;

    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct sync_list given, posted;
    bool is_asleep, is_stopping;
};

void sync_list_add(struct sync_list *list, struct sync_job *job)
{
    job->next = NULL;
    if (list->first == NULL)
        list->first = job;
    else
        list->last->next = job;
    list->last = job;
}

void sync_list_join(struct sync_list *list, struct sync_list *tail)
{
    if (tail->first == NULL)
        return;
    if (list->first == NULL)
        list->first = tail->first;
    else
        list->last->next = tail->first;
    list->last = tail->last;
    *tail = (struct sync_list){ 0 };
}

struct sync_job *sync_list_take(struct sync_list *list)
{
    struct sync_job *job = list->first;

    if (job != NULL)
        list->first = job->next;
    return job;
}

/* ---- in the thread ---- */

static struct timespec to_timespec(int64_t mono_ms)
{
    return (struct timespec){ .tv_sec = mono_ms / 1000, .tv_nsec = mono_ms % 1000 * 1000000 };
}

/* With the lock held: waits for jobs, for the end, or until the time has come. */
static void wait_for_work(struct sync_thread *thread, int64_t until_ms)
{
    const struct timespec until = to_timespec(until_ms);

    thread->is_asleep = true;
    while (thread->given.first == NULL && !thread->is_stopping) {
        if (pthread_cond_timedwait(&thread->wake, &thread->lock, &until) == ETIMEDOUT)
            break;
    }
    thread->is_asleep = false;
}

static void *run(void *arg)
{
    struct sync_thread *thread = arg;
    int64_t wait_ms = 0;

    pthread_mutex_lock(&thread->lock);
    while (!thread->is_stopping) {
        struct sync_list jobs;

        if (wait_ms > 0)
            wait_for_work(thread, clock_mono_ms() + wait_ms);
        if (thread->is_stopping)
            break;
        jobs = thread->given;
        thread->given = (struct sync_list){ 0 };
        pthread_mutex_unlock(&thread->lock);
        wait_ms = thread->round(&jobs, thread->arg);
        pthread_mutex_lock(&thread->lock);
    }
    pthread_mutex_unlock(&thread->lock);
    return NULL;
}

void sync_thread_post(struct sync_thread *thread, struct sync_list *jobs)
{
    const uint64_t one = 1;
    bool was_empty;

    if (jobs->first == NULL)
        return;
    pthread_mutex_lock(&thread->lock);
    was_empty = thread->posted.first == NULL;
    sync_list_join(&thread->posted, jobs);
    pthread_mutex_unlock(&thread->lock);
    if (was_empty)
        (void)!write(thread->posted_fd, &one, sizeof(one));
}

/* ---- in the loop ---- */

static void run_posted(struct sync_thread *thread)
{
    struct sync_list jobs;
    struct sync_job *job;

    pthread_mutex_lock(&thread->lock);
    jobs = thread->posted;
    thread->posted = (struct sync_list){ 0 };
    pthread_mutex_unlock(&thread->lock);
    while ((job = sync_list_take(&jobs)) != NULL)
        job->done(job);
}

static void on_posted(int fd, unsigned what, void *arg)
{
    uint64_t count;

    (void)what;
    (void)!read(fd, &count, sizeof(count));
    run_posted(arg);
}

void sync_thread_give(struct sync_thread *thread, struct sync_list *jobs)
{
    bool is_asleep;

    if (jobs->first == NULL)
        return;
    pthread_mutex_lock(&thread->lock);
    sync_list_join(&thread->given, jobs);
    is_asleep = thread->is_asleep;
    pthread_mutex_unlock(&thread->lock);
    if (is_asleep)
        pthread_cond_signal(&thread->wake);
}

static int start(struct sync_thread *thread)
{
    sigset_t all, before;
    int err;

    /* Signals are the loop's. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    err = pthread_create(&thread->thread, NULL, run, thread);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    thread->is_started = err == 0;
    return -err;
}

int sync_thread_new(struct loop *loop, sync_round *round, void *arg,
                    struct sync_thread **ret_thread)
{
    struct sync_thread *thread = calloc(1, sizeof(*thread));
    pthread_condattr_t attr;
    int err = -ENOMEM;

    *ret_thread = thread; /* before the start: the first round may need it */
    if (thread == NULL)
        return -ENOMEM;
    thread->round = round;
    thread->arg = arg;
    pthread_mutex_init(&thread->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&thread->wake, &attr);
    pthread_condattr_destroy(&attr);
    thread->posted_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (thread->posted_fd >= 0)
        thread->watch = loop_watch_new(loop, thread->posted_fd, on_posted, thread);
    if (thread->watch != NULL) {
        loop_watch_set(thread->watch, LOOP_READ);
        err = start(thread);
    }
    if (err < 0)
        sync_thread_free(ret_thread);
    return err;
}

void sync_thread_stop(struct sync_thread *thread, struct sync_list *ret_left)
{
    if (thread->is_started) {
        pthread_mutex_lock(&thread->lock);
        thread->is_stopping = true;
        pthread_mutex_unlock(&thread->lock);
        pthread_cond_signal(&thread->wake);
        pthread_join(thread->thread, NULL);
        thread->is_started = false;
    }
    run_posted(thread);
    *ret_left = thread->given;
    thread->given = (struct sync_list){ 0 };
}

void sync_thread_free(struct sync_thread **thread)
{
    struct sync_thread *t = *thread;

    if (t == NULL)
        return;
    loop_watch_free(&t->watch);
    if (t->posted_fd >= 0)
        close(t->posted_fd);
    pthread_cond_destroy(&t->wake);
    pthread_mutex_destroy(&t->lock);
    free(t);
    *thread = NULL;
}
