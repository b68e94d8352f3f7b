#include "master/io_thread.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "common/loop.h"

struct io_item {
    struct io_item *next;
    io_work *work;
    io_done_cb *done;
    void *arg;
    int result;
};

struct io_queue {
    struct io_item *first, **last;
};

struct io_thread {
    struct loop *loop;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct io_queue todo, finished; /* under the lock */
    bool is_stopping;
};

static void queue_init(struct io_queue *queue)
{
    queue->first = NULL;
    queue->last = &queue->first;
}

static void queue_put(struct io_queue *queue, struct io_item *item)
{
    item->next = NULL;
    *queue->last = item;
    queue->last = &item->next;
}

static struct io_item *queue_take_all(struct io_queue *queue)
{
    struct io_item *all = queue->first;

    queue_init(queue);
    return all;
}

/* In the loop: tells the owners of all that is finished. */
static void tell_finished(void *arg)
{
    struct io_thread *thread = arg;
    struct io_item *item, *next;

    pthread_mutex_lock(&thread->lock);
    item = queue_take_all(&thread->finished);
    pthread_mutex_unlock(&thread->lock);
    for (; item != NULL; item = next) {
        next = item->next;
        item->done(item->result, item->arg);
        free(item);
    }
}

static void finish(struct io_thread *thread, struct io_item *item)
{
    bool was_empty;

    pthread_mutex_lock(&thread->lock);
    was_empty = thread->finished.first == NULL;
    queue_put(&thread->finished, item);
    pthread_mutex_unlock(&thread->lock);
    /* Without memory for the post the next item, or the end, tells of this one too. */
    if (was_empty)
        (void)loop_post(thread->loop, tell_finished, thread);
}

static void *run(void *arg)
{
    struct io_thread *thread = arg;

    for (;;) {
        struct io_item *item, *next;
        bool is_over;

        pthread_mutex_lock(&thread->lock);
        while (thread->todo.first == NULL && !thread->is_stopping)
            pthread_cond_wait(&thread->wake, &thread->lock);
        item = queue_take_all(&thread->todo);
        is_over = item == NULL;
        pthread_mutex_unlock(&thread->lock);
        if (is_over)
            return NULL;
        for (; item != NULL; item = next) {
            next = item->next;
            item->result = item->work(item->arg);
            finish(thread, item);
        }
    }
}

struct io_thread *io_thread_new(struct loop *loop)
{
    struct io_thread *thread = calloc(1, sizeof(*thread));

    if (thread == NULL)
        return NULL;
    thread->loop = loop;
    queue_init(&thread->todo);
    queue_init(&thread->finished);
    pthread_mutex_init(&thread->lock, NULL);
    pthread_cond_init(&thread->wake, NULL);
    if (pthread_create(&thread->thread, NULL, run, thread) != 0) {
        free(thread);
        return NULL;
    }
    return thread;
}

void io_thread_free(struct io_thread **thread)
{
    struct io_thread *t = *thread;

    if (t == NULL)
        return;
    *thread = NULL;
    pthread_mutex_lock(&t->lock);
    t->is_stopping = true;
    pthread_cond_signal(&t->wake);
    pthread_mutex_unlock(&t->lock);
    pthread_join(t->thread, NULL);
    tell_finished(t);
    pthread_cond_destroy(&t->wake);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

int io_thread_run(struct io_thread *thread, io_work *work, io_done_cb *done, void *arg)
{
    struct io_item *item = malloc(sizeof(*item));

    if (item == NULL)
        return -ENOMEM;
    *item = (struct io_item){ .work = work, .done = done, .arg = arg };
    pthread_mutex_lock(&thread->lock);
    queue_put(&thread->todo, item);
    pthread_cond_signal(&thread->wake);
    pthread_mutex_unlock(&thread->lock);
    return 0;
}
