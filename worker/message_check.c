/* worker/message_check.c: is a large body what was stored? Asked of the thread for it: the whole of
 * it has to be read. */
#include "worker/message.h"

#include <errno.h>
#include <stdlib.h>

#include <xxhash.h>

#include "worker/body_work.h"
#include "worker/segment_cache.h"
#include "worker/spooler.h"

#define PIECE_BYTES (8U << 20) /* between two looks whether it is still wanted */

struct message_check {
    struct body_task task;   /* first */
    struct segment *segment; /* held by the task */
    uint64_t incarnation, sum, offset;
    message_checked_cb *done;
    void *arg;
};

bool message_is_checked(const struct message *message)
{
    return message->body_bytes <= SPOOLER_SMALL_BYTES ||
           segment_is_checked(message->segment, message->offset);
}

/* In the thread. */
static int check(struct body_task *task)
{
    const struct message_check *job = (const struct message_check *)task;
    XXH3_state_t *state = XXH3_createState();
    uint64_t sum;
    size_t at = 0;

    if (state == NULL)
        return -ENOMEM;
    (void)XXH3_64bits_reset_withSeed(state, job->incarnation);
    while (at < task->body.bytes &&
           !atomic_load_explicit(&task->is_cancelled, memory_order_relaxed)) {
        const size_t left = task->body.bytes - at;
        const size_t bytes = left < PIECE_BYTES ? left : PIECE_BYTES;

        (void)XXH3_64bits_update(state, task->body.data + at, bytes);
        at += bytes;
    }
    sum = XXH3_64bits_digest(state);
    XXH3_freeState(state);
    return at < task->body.bytes ? -ECANCELED : sum == job->sum ? 0 : -EBADMSG;
}

static void on_dropped(struct body_task *task)
{
    free(task);
}

/* The message may be gone; whoever asked holds its segment. */
static void on_done(struct body_task *task, int err)
{
    struct message_check *job = (struct message_check *)task;
    message_checked_cb *done = job->done;
    void *arg = job->arg;

    if (err == 0)
        segment_set_checked(job->segment, job->offset);
    free(job);
    done(err, err == -EBADMSG ? "the body is damaged" : "out of memory", arg);
}

int message_check(struct message *message, struct body_work *work, message_checked_cb *done,
                  void *arg, struct message_check **ret_check, struct reason *reterr_why)
{
    struct message_check *job = calloc(1, sizeof(*job));
    int err;

    if (job == NULL)
        return reason_set(reterr_why, -ENOMEM, "out of memory");
    job->task.work = check;
    job->task.done = on_done;
    job->task.drop = on_dropped;
    job->task.body = message_body_ref(message);
    job->segment = message->segment;
    job->incarnation = segment_incarnation(message->segment);
    job->sum = message->body_sum;
    job->offset = message->offset;
    job->done = done;
    job->arg = arg;
    err = body_work_start(work, &job->task, reterr_why);
    if (err < 0)
        free(job);
    else
        *ret_check = job;
    return err;
}

void message_check_cancel(struct message_check **check)
{
    struct body_task *task = *check != NULL ? &(*check)->task : NULL;

    body_work_cancel(&task);
    *check = NULL;
}
