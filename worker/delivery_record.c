/* worker/delivery_record.c: outcomes into cells (MQ03), and what happens when that cannot be done.
 *
 * A job whose cell could not be written does not end: the master would take its outcome for safe.
 * Until it is written, once a second is tried, this worker delivers nothing more: what has not sent
 * its end of data is given back, and so is what comes. */
#include <string.h>

#include "common/log.h"
#include "common/loop.h"
#include "worker/delivery_private.h"
#include "worker/message.h"
#include "worker/spooler.h"

#define AGAIN_MS 1000

uint32_t job_count_open(const struct job *job)
{
    uint32_t open = 0;

    for (uint32_t i = 0; i < job->count; i++)
        open += job->recipients[i].state == CELL_RCPT_OPEN;
    return open;
}

static bool is_all_delivered(const struct job *job)
{
    for (uint32_t i = 0; i < job->count; i++) {
        if (job->recipients[i].state != CELL_RCPT_DELIVERED)
            return false;
    }
    return true;
}

/* ---- the pause ---- */

static void begin_pause(struct job *job, int err)
{
    struct delivery *delivery = job->delivery;

    if (job->is_unrecorded)
        return;
    job->is_unrecorded = true;
    if (delivery->unrecorded++ > 0)
        return;
    log_alert("delivery", "an outcome cannot be recorded: this worker's deliveries pause",
              LOG_ID(job->order.place.id), LOG_STR("reason", strerror(-err)));
    loop_timer_set_ms(delivery->record_timer, AGAIN_MS);
    /* Not from inside a job's own handler: the others' turn comes with the loop's. */
    loop_timer_set_ms(delivery->pause_timer, 0);
}

static void end_pause(struct job *job)
{
    struct delivery *delivery = job->delivery;

    if (!job->is_unrecorded)
        return;
    job->is_unrecorded = false;
    if (--delivery->unrecorded == 0)
        log_warning("delivery", "outcomes can be recorded again: deliveries go on",
                    LOG_ID(job->order.place.id));
}

/* ---- writing ---- */

void job_write_cell(struct job *job)
{
    struct cell *cell = &job->message->cell;
    int err;

    for (uint32_t i = 0; i < job->count; i++)
        cell_recipient_set(cell, i, (enum cell_recipient)job->recipients[i].state);
    cell->crashes = 0; /* whatever killed a worker, it was not this */
    err = message_record(job->message);
    if (err < 0)
        begin_pause(job, err);
    else
        end_pause(job);
    spooler_state_touched(job->delivery->spooler, &job->message->place,
                          message_state_fd(job->message));
    job->has_changed = false;
}

/* Nobody is left: the group's end belongs into the same write as the reply that brought it. */
void job_make_final(struct job *job)
{
    struct cell *cell = &job->message->cell;

    cell->stage = is_all_delivered(job) ? CELL_DONE : CELL_FAILED;
    cell->attempts = (uint16_t)(job->order.attempts + 1);
    cell->next_attempt_s = 0;
    job->is_final = true;
}

void job_record(struct job *job)
{
    if (!job->has_changed)
        return;
    if (job_count_open(job) == 0)
        job_make_final(job);
    job_write_cell(job);
}

/* ---- again ---- */

void delivery_on_record_timer(void *arg)
{
    struct delivery *delivery = arg;
    struct job *job, *next;

    for (job = TAILQ_FIRST(&delivery->jobs); job != NULL; job = next) {
        next = TAILQ_NEXT(job, link);
        if (!job->is_unrecorded)
            continue;
        job_write_cell(job);
        if (!job->is_unrecorded && job->stage == JOB_RECORDING)
            job_end(job);
    }
    if (delivery->unrecorded > 0)
        loop_timer_set_ms(delivery->record_timer, AGAIN_MS);
}
