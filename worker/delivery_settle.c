/* worker/delivery_settle.c: what an attempt leaves behind: cell, note, outcome.
 *
 * The cell is written in the handler that read the final reply (MQ03). What else there is to tell
 * goes into a note; only when that is synced, or could not be written, the master hears of it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/loop.h"
#include "worker/delivery_private.h"
#include "worker/directory.h"
#include "worker/message.h"
#include "worker/note.h"
#include "worker/retry.h"
#include "worker/spooler.h"

/* ---- the cell ---- */

static void write_cell(struct job *job)
{
    int err = message_record(job->message);

    if (err < 0)
        log_alert("delivery", "cannot record what became of a message: it may be sent again",
                  LOG_ID(job->order.place.id), LOG_STR("reason", strerror(-err)));
    else
        spooler_state_touched(job->delivery->spooler, message_state_fd(job->message));
}

static uint32_t count_in(const struct job *job, enum cell_recipient state)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < job->count; i++)
        count += job->recipients[i].state == state;
    return count;
}

/* Brings the states that the cell has room for into it. True: something is new. */
static bool fill_cell(struct job *job)
{
    struct cell *cell = &job->message->cell;
    bool is_new = false;

    for (uint32_t i = 0; i < job->count && i < CELL_INLINE_RECIPIENTS; i++) {
        enum cell_recipient state = (enum cell_recipient)job->recipients[i].state;

        if (cell_recipient_get(cell, i) == state)
            continue;
        cell_recipient_set(cell, i, state);
        is_new = true;
    }
    return is_new;
}

/* Nobody is open any more: then the group is finished, well or badly. */
static bool is_finished(const struct job *job, enum cell_stage *ret_stage)
{
    if (count_in(job, CELL_RCPT_OPEN) > 0)
        return false;
    *ret_stage = count_in(job, CELL_RCPT_DELIVERED) == job->count ? CELL_DONE : CELL_FAILED;
    return true;
}

void job_read_recipients(struct job *job)
{
    const struct cell *cell = &job->message->cell;
    json_t *note;

    for (uint32_t i = 0; i < job->count && i < CELL_INLINE_RECIPIENTS; i++)
        job->recipients[i].state = (uint8_t)cell_recipient_get(cell, i);
    if (cell->note.segment == 0)
        return;
    note =
        note_read(job->delivery->cache, &cell->note, job->order.place.id, job->order.place.group);
    if (note != NULL)
        job_take_note(job, note);
    json_decref(note);
}

void job_record(struct job *job)
{
    struct cell *cell = &job->message->cell;
    bool is_new = fill_cell(job);

    if (cell->stage == CELL_OPEN && is_finished(job, &cell->stage)) {
        cell->attempts = (uint16_t)(job->order.attempts + 1);
        is_new = true;
    }
    if (is_new)
        write_cell(job);
}

/* ---- the note ---- */

static void on_note(int err, struct cell_note_place place, void *arg)
{
    struct job *job = arg;

    job->notes_under_way--;
    if (job->delivery == NULL || job->stage == JOB_OVER) {
        if (job->notes_under_way == 0)
            job_forget(job);
        return;
    }
    if (err == 0) {
        job->message->cell.note = place;
        write_cell(job);
        job->outcome.note_segment = place.segment;
        job->outcome.note_slot = place.slot;
    } else {
        log_warning("delivery", "cannot keep what happened to a message",
                    LOG_ID(job->order.place.id), LOG_STR("reason", strerror(-err)));
    }
    if (job->stage == JOB_NOTING && job->notes_under_way == 0)
        job_end(job);
}

static bool write_note(struct job *job, const char *outcome)
{
    const struct cell_note_place *last = &job->message->cell.note;
    json_t *previous =
        note_read(job->delivery->cache, last, job->order.place.id, job->order.place.group);
    char *text = job_note_text(job, previous, outcome);

    json_decref(previous);
    if (text == NULL)
        return false;
    job->notes_under_way++;
    spooler_note(job->delivery->spooler, job->order.place.id, job->order.place.group, *last, text,
                 strlen(text), on_note, job);
    free(text);
    return true;
}

void job_note_progress(struct job *job)
{
    if (job->count > CELL_INLINE_RECIPIENTS && job->notes_under_way == 0)
        (void)write_note(job, "under way");
}

/* ---- the end of an attempt ---- */

/* Every server of the profile lacks what the message needs: no later attempt will find another. */
static bool is_unfit_everywhere(const struct job *job)
{
    size_t count = job->profile != NULL ? job->profile->profile->server_count : 0;

    for (size_t i = 0; i < count; i++) {
        if ((job->unfit & (uint64_t)1 << i) == 0)
            return false;
    }
    return count > 0;
}

/* `state` for all that are open. An expired one keeps the last reply, which says why. */
static void give_up_open(struct job *job, enum cell_recipient state, unsigned code,
                         const char *enhanced, const char *text)
{
    for (uint32_t i = 0; i < job->count; i++) {
        struct recipient *recipient = &job->recipients[i];

        if (recipient->state != CELL_RCPT_OPEN)
            continue;
        recipient->state = (uint8_t)state;
        if (text == NULL)
            continue;
        free(recipient->text);
        recipient->text = strdup(text);
        recipient->code = (uint16_t)code;
        (void)strcpy(recipient->enhanced, enhanced);
    }
}

static const struct profile_retry *retry_of(const struct job *job)
{
    return job->profile != NULL ? &job->profile->profile->retry : &retry_default;
}

/* Whoever is open has a next attempt, or none. */
static void defer_or_give_up(struct job *job)
{
    struct cell *cell = &job->message->cell;
    int64_t now_ms = clock_wall_ms(), next_ms;

    cell->attempts =
        (uint16_t)(job->order.attempts < UINT16_MAX ? job->order.attempts + 1 : UINT16_MAX);
    if (is_unfit_everywhere(job))
        give_up_open(job, CELL_RCPT_REFUSED, 554, "5.6.3",
                     "no server of the profile takes this content, and it was not converted");
    else if (retry_next(retry_of(job), job->order.place.id, cell->attempts,
                        job->message->received_ms, now_ms, &next_ms))
        cell->next_attempt_s = clock_to_epoch_s(next_ms + 999);
    else
        give_up_open(job, CELL_RCPT_EXPIRED, 0, "", NULL);
}

static void log_end(const struct job *job, const char *what)
{
    char next[CLOCK_TEXT_SIZE];
    const struct cell *cell = &job->message->cell;
    bool is_deferred = cell->stage == CELL_OPEN;

    log_warning("delivery", what, LOG_ID(job->order.place.id),
                LOG_STR("profile", job->profile != NULL ? job->profile->profile->name : NULL),
                LOG_INT("attempts", cell->attempts), LOG_INT("open", job->outcome.recipients),
                LOG_STR("next", is_deferred
                                    ? clock_text(clock_from_epoch_s(cell->next_attempt_s), next)
                                    : NULL),
                LOG_STR("reason", job->why[0] != '\0' ? job->why : NULL));
}

void job_settle(struct job *job)
{
    struct cell *cell = &job->message->cell;
    bool was_final = cell->stage != CELL_OPEN;

    loop_timer_clear(job->deadline);
    job->server = -1;
    if (!was_final) {
        if (count_in(job, CELL_RCPT_OPEN) > 0)
            defer_or_give_up(job);
        (void)fill_cell(job);
        (void)is_finished(job, &cell->stage);
        write_cell(job);
    }
    job->outcome.attempts = cell->attempts;
    job->outcome.recipients = count_in(job, CELL_RCPT_OPEN);
    job->outcome.next_attempt_s = cell->next_attempt_s;
    job->outcome.note_segment = cell->note.segment;
    job->outcome.note_slot = cell->note.slot;
    if (cell->stage == CELL_DONE) {
        job->outcome.outcome = IPC_OUTCOME_DONE;
        job_end(job);
        return;
    }
    job->outcome.outcome = cell->stage == CELL_OPEN ? IPC_OUTCOME_DEFERRED : IPC_OUTCOME_FAILED;
    log_end(job, cell->stage == CELL_OPEN ? "deferred" : "failed: kept, nobody is told yet");
    job->stage = JOB_NOTING;
    if (!write_note(job, cell->stage == CELL_OPEN ? "deferred" : "failed") &&
        job->notes_under_way == 0)
        job_end(job);
}

void job_settle_no_room(struct job *job)
{
    loop_timer_clear(job->deadline);
    job->outcome.outcome = IPC_OUTCOME_NO_ROOM;
    job->outcome.attempts = job->order.attempts;
    job->outcome.recipients = count_in(job, CELL_RCPT_OPEN);
    job->outcome.note_segment = job->message->cell.note.segment;
    job->outcome.note_slot = job->message->cell.note.slot;
    job_end(job);
}
