/* worker/body_work.h: what takes long over the body of a stored message, in a thread of its own:
 * the loop's turns are short (reading it for MIME, checking its checksum).
 *
 * One thread, made with the first task, does one after the other. The body is held from the start
 * of a task until the thread is through with it, also when it is cancelled: so cancelling never
 * waits.
 */
#ifndef WORKER_BODY_WORK_H
#define WORKER_BODY_WORK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "common/reason.h"
#include "worker/sync_thread.h"

struct body_work;
struct loop;

struct body_ref {
    const char *data;
    size_t bytes;
    /* Keeps the memory: what hold() returns is given to release() once, in the loop, maybe long
     * after a cancel. NULL from hold(): no memory. */
    void *(*hold)(void *arg);
    void (*release)(void *held);
    void *arg;
};

/* Embedded as the first member in what is to be done. */
struct body_task {
    struct sync_job job; /* private, as all up to `work` */
    struct body_task *next, **place;
    struct body_work *owner;
    void *held;
    int err;
    atomic_bool is_cancelled;

    /* In the thread; looks at `is_cancelled` now and then. 0 or a negative errno. */
    int (*work)(struct body_task *task);
    /* In the loop, never from inside body_work_start(); frees the task. One of the two. */
    void (*done)(struct body_task *task, int err);
    void (*drop)(struct body_task *task); /* it was cancelled */
    struct body_ref body;
};

/* NULL: no memory. */
struct body_work *body_work_new(struct loop *loop);
/* Waits for the thread, which ends soon; what is left is dropped. NULL inside is allowed. */
void body_work_free(struct body_work **work);

/* `task` is all zero but for its last part. 0, -ENOMEM, -EAGAIN: no thread; then it is still the
 * caller's. */
int body_work_start(struct body_work *work, struct body_task *task, struct reason *reterr_why);
/* NULL inside is allowed; sets NULL. */
void body_work_cancel(struct body_task **task);

#endif
