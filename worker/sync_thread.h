/* worker/sync_thread.h: a thread for what the loop must not wait for: a worker's disk, and the
 * reading of whole messages (worker/mime/mime.h).
 *
 * The loop gives it jobs; it takes all that are there at once and calls `round` with them, so that
 * what piled up during a sync shares the next one. A job that is finished is posted and its `done`
 * runs in the loop's thread. The lock is taken once per round and once per turn, not per job. */
#ifndef WORKER_SYNC_THREAD_H
#define WORKER_SYNC_THREAD_H

#include <stdint.h>

struct loop;
struct sync_thread;

/* Embedded as the first member in what is to be done. Belongs to the thread from give to post. */
struct sync_job {
    struct sync_job *next;
    void (*work)(struct sync_job *job, void *arg); /* in the thread, called by `round` */
    void (*done)(struct sync_job *job);            /* in the loop, after it was posted */
};

struct sync_list { /* in order; zeroed: empty */
    struct sync_job *first, *last;
};

void sync_list_add(struct sync_list *list, struct sync_job *job);
void sync_list_join(struct sync_list *list, struct sync_list *tail); /* empties `tail` */
struct sync_job *sync_list_take(struct sync_list *list);             /* NULL: empty */

/* Runs in the thread when jobs were given (they are in `jobs`, in order) or the time that it last
 * returned has passed: ms until the next call, 0 for at once. */
typedef int64_t sync_round(struct sync_list *jobs, void *arg);

/* 0 or a negative errno. */
int sync_thread_new(struct loop *loop, sync_round *round, void *arg,
                    struct sync_thread **ret_thread);

/* Lets the round under way end, runs `done` of what was posted, and leaves in `ret_left` the jobs
 * that no round has seen. */
void sync_thread_stop(struct sync_thread *thread, struct sync_list *ret_left);
void sync_thread_free(struct sync_thread **thread); /* after stop; NULL inside is allowed */

void sync_thread_give(struct sync_thread *thread, struct sync_list *jobs); /* by the loop */
void sync_thread_post(struct sync_thread *thread, struct sync_list *jobs); /* by the thread */

#endif
