/* worker/delivery_trim.c: what a large message was read of need not stay in this process: the
 * kernel has it. Without that the worker would seem to be as large as all that it has mapped and
 * read. */
#include "common/clock.h"
#include "common/loop.h"
#include "worker/delivery_private.h"
#include "worker/message.h"
#include "worker/segment_cache.h"

#define TRIM_BYTES (16U << 20) /* of a body from which on it is done */
#define TRIM_MS    20          /* a checksum is made of some gigabytes in a second */
#define PIECE      (1U << 20)  /* giving back a page takes microseconds, and there may be many */
#define TURN_US    1000

static bool is_to_be_trimmed(const struct job *job)
{
    return job->message != NULL && job->message->body_bytes >= TRIM_BYTES;
}

void job_trim(struct job *job)
{
    if (is_to_be_trimmed(job) && !loop_timer_is_set(job->delivery->trim_timer))
        loop_timer_set_ms(job->delivery->trim_timer, TRIM_MS);
}

/* From where the last turn stopped; false: time is up before the end. */
static bool trim_until(struct job *job, int64_t until_us)
{
    const char *body = job->message->body;
    size_t whole = job->message->body_bytes;

    while (job->trimmed_bytes < whole) {
        size_t left = whole - job->trimmed_bytes;

        if (clock_mono_us() >= until_us)
            return false;
        segment_forget(body + job->trimmed_bytes, left < PIECE ? left : PIECE);
        job->trimmed_bytes += left < PIECE ? left : PIECE;
    }
    job->trimmed_bytes = 0;
    return true;
}

/* What is being read just now is there again at once. */
void delivery_on_trim_timer(void *arg)
{
    struct delivery *delivery = arg;
    int64_t until_us = clock_mono_us() + TURN_US;
    bool is_any = false;
    struct job *job;

    TAILQ_FOREACH (job, &delivery->jobs, link) {
        if (!is_to_be_trimmed(job))
            continue;
        is_any = true;
        if (!trim_until(job, until_us)) {
            loop_timer_set_ms(delivery->trim_timer, 0);
            return;
        }
    }
    if (is_any)
        loop_timer_set_ms(delivery->trim_timer, TRIM_MS);
}
