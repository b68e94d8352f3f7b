/* worker/delivery_trim.c: what a large message was read of need not stay in this process: the
 * kernel has it. Without that the worker would seem to be as large as all that it has mapped and
 * read. */
#include "common/loop.h"
#include "worker/delivery_private.h"
#include "worker/message.h"
#include "worker/segment_cache.h"

#define TRIM_BYTES (16U << 20) /* of a body from which on it is done */
#define TRIM_MS    20          /* a checksum is made of some gigabytes in a second */

static bool is_to_be_trimmed(const struct job *job)
{
    return job->message != NULL && job->message->body_bytes >= TRIM_BYTES;
}

void job_trim(struct job *job)
{
    if (is_to_be_trimmed(job) && !loop_timer_is_set(job->delivery->trim_timer))
        loop_timer_set_ms(job->delivery->trim_timer, TRIM_MS);
}

/* What is being read just now is there again at once. */
void delivery_on_trim_timer(void *arg)
{
    struct delivery *delivery = arg;
    struct job *job;
    bool is_any = false;

    TAILQ_FOREACH (job, &delivery->jobs, link) {
        if (!is_to_be_trimmed(job))
            continue;
        segment_forget(job->message->body, job->message->body_bytes);
        is_any = true;
    }
    if (is_any)
        loop_timer_set_ms(delivery->trim_timer, TRIM_MS);
}
