/* worker/delivery_settle.c: what an attempt leaves behind: the cell, then a note, then the outcome.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/channel.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/spool_format.h"
#include "worker/delivery_private.h"
#include "worker/directory.h"
#include "worker/message.h"
#include "worker/note.h"
#include "worker/retry.h"
#include "worker/spooler.h"

/* ---- reading ---- */

void job_read_recipients(struct job *job)
{
    const struct cell *cell = &job->message->cell;

    for (uint32_t i = 0; i < job->count; i++)
        job->recipients[i].state = (uint8_t)cell_recipient_get(cell, i);
    if (cell->note.segment == 0)
        return;
    job->note =
        note_read(job->delivery->cache, &cell->note, job->order.place.id, job->order.place.group);
    for (unsigned stage = STAGE_SCAN; stage < STAGE_RELAY; stage++)
        job->told[stage] =
            json_deep_copy(json_object_get(job->note, stage_name((enum stage)stage)));
}

/* ---- notes ---- */

static const char *outcome_name(const struct job *job)
{
    static const char *const names[IPC_OUTCOME_COUNT] = {
        [IPC_OUTCOME_DONE] = "delivered",
        [IPC_OUTCOME_FAILED] = "failed",
        [IPC_OUTCOME_DEFERRED] = "deferred",
        [IPC_OUTCOME_QUARANTINED] = "quarantined",
    };

    if (job->stage == JOB_SAVING)
        return "under way";
    if (job->outcome.outcome == IPC_OUTCOME_ADVANCED)
        return job->order.stage == STAGE_SCAN ? "scanned" : "uploaded";
    return names[job->outcome.outcome];
}

static void finish(struct job *job)
{
    const struct cell *cell = &job->message->cell;

    job->outcome.note_segment = cell->note.segment;
    job->outcome.note_slot = cell->note.slot;
    if (job->is_unrecorded)
        job->stage = JOB_RECORDING; /* ends when it is recorded */
    else
        job_end(job);
}

/* The server at hand is asked again then. */
static void end_without_trace(struct job *job)
{
    if (job->server >= 0)
        job->tried &= ~((uint64_t)1 << job->server);
    job->outcome.outcome = IPC_OUTCOME_NO_ROOM;
    job->outcome.recipients = job_count_open(job);
    finish(job);
}

/* Without its note nobody would know what was found, or where it was put: once more then, with the
 * same servers. */
static void settle_advance(struct job *job, int err, struct cell_note_place place)
{
    struct cell *cell = &job->message->cell;

    if (err < 0) {
        log_warning("delivery", "cannot keep what a stage came to: once more",
                    LOG_ID(job->order.place.id), LOG_STR("reason", strerror(-err)));
        job->outcome.note_bytes = 0;
        job->outcome.attempts = job->order.attempts;
        end_without_trace(job);
        return;
    }
    cell->flags |= job->advance;
    cell->attempts = 0; /* each stage has its own */
    cell->next_attempt_s = 0;
    if (place.segment != 0)
        cell->note = place;
    job_write_cell(job);
    finish(job);
}

static void tell_noted(const struct job *job)
{
    const struct cell_note_place *place = &job->message->cell.note;
    const struct ipc_mail_noted noted = {
        .job = job->order.job,
        .note_segment = place->segment,
        .note_slot = place->slot,
        .note_bytes = job->outcome.note_bytes,
    };

    channel_send(job->delivery->channel, IPC_MAIL_NOTED, &noted);
}

/* Else it would be begun and done again and again, until there is room for what is known of it. */
static void end_unsaved(struct job *job, int err)
{
    log_warning("delivery", "cannot keep what was begun: later", LOG_ID(job->order.place.id),
                LOG_STR("reason", strerror(-err)));
    job->outcome.note_bytes = 0;
    job->stage = JOB_VISITING;
    job_disconnect(job);
    job_settle_no_room(job, "no room to keep what was begun");
}

static void settle_save(struct job *job, int err, struct cell_note_place place)
{
    if (err < 0) {
        end_unsaved(job, err);
        return;
    }
    job->message->cell.note = place;
    job_write_cell(job);
    tell_noted(job);
    job->outcome.note_bytes = 0;
    job->stage = JOB_VISITING;
    if (job_may_go_on(job))
        job->saved(job);
}

static void on_note(int err, struct cell_note_place place, void *arg)
{
    struct job *job = arg;

    if (job->delivery == NULL) {
        job_forget(job);
        return;
    }
    if (job->stage == JOB_SAVING) {
        settle_save(job, err, place);
        return;
    }
    if (job->advance != 0) {
        settle_advance(job, err, place);
        return;
    }
    if (err == 0) {
        job->message->cell.note = place;
        job_write_cell(job);
    } else {
        job->outcome.note_bytes = 0;
        log_warning("delivery", "cannot write a note about a message", LOG_ID(job->order.place.id),
                    LOG_STR("reason", strerror(-err)));
    }
    finish(job);
}

/* The attempt ends when it is written. False: no memory, it ends now. */
static bool write_note(struct job *job)
{
    char *text = job_note_text(job, outcome_name(job));

    if (text == NULL)
        return false;
    job->outcome.note_bytes = (uint32_t)(sizeof(struct spool_note) + strlen(text));
    spooler_note(job->delivery->spooler, job->order.place.id, job->order.place.group,
                 job->message->cell.note, text, strlen(text), on_note, job);
    free(text);
    return true;
}

void job_save(struct job *job, job_saved_cb *done)
{
    job->stage = JOB_SAVING;
    job->saved = done;
    if (!write_note(job))
        end_unsaved(job, -ENOMEM);
}

/* ---- the end of an attempt ---- */

void job_advance(struct job *job, unsigned flags)
{
    static const struct cell_note_place nowhere;

    job->stage = JOB_NOTING;
    loop_timer_clear(job->deadline);
    job->advance = flags;
    job->outcome.outcome =
        (flags & CELL_QUARANTINED) != 0 ? IPC_OUTCOME_QUARANTINED : IPC_OUTCOME_ADVANCED;
    job->outcome.attempts = 0;
    job->outcome.recipients = job_count_open(job);
    if (job->told[job->order.stage] == NULL)
        settle_advance(job, 0, nowhere);
    else if (!write_note(job))
        settle_advance(job, -ENOMEM, nowhere);
}

void job_reject(struct job *job, const char *what)
{
    for (uint32_t i = 0; i < job->count; i++) {
        struct recipient *recipient = &job->recipients[i];

        if (recipient->state != CELL_RCPT_OPEN)
            continue;
        free(recipient->text);
        recipient->text = strdup(what);
        recipient->state = CELL_RCPT_REFUSED;
        recipient->code = 554;
        (void)strcpy(recipient->enhanced, "5.7.1");
        recipient->has_news = true;
    }
    job_settle(job);
}

/* Every server was asked, none failed, none can carry it: no later attempt would do better. */
static bool is_hopeless(const struct job *job)
{
    size_t servers = job->profile != NULL ? job->profile->profile->server_count : 0;
    uint64_t all = servers >= 64 ? ~(uint64_t)0 : ((uint64_t)1 << servers) - 1;

    return servers > 0 && job->unfit == all;
}

/* Whoever no reply was about shares what is known of the attempt as a whole. */
static void settle_the_rest(struct job *job)
{
    bool is_hopeless_now = is_hopeless(job);
    const char *why = job->why[0] != '\0' ? job->why : "no server was left to try";
    bool is_utf8 = job->lacks != NULL && strcmp(job->lacks, "SMTPUTF8") == 0;

    for (uint32_t i = 0; i < job->count; i++) {
        struct recipient *recipient = &job->recipients[i];

        if (recipient->state != CELL_RCPT_OPEN)
            continue;
        if (recipient->fate == FATE_NONE) {
            free(recipient->text);
            recipient->text = strdup(why);
            recipient->code = is_hopeless_now ? 554 : 0;
            recipient->server = (int8_t)(is_hopeless_now ? job->order.start : -1);
            (void)strcpy(recipient->enhanced, !is_hopeless_now ? "" : is_utf8 ? "5.6.7" : "5.6.3");
            if (is_hopeless_now)
                recipient->state = CELL_RCPT_REFUSED;
        } else if (recipient->fate == FATE_LOST && recipient->text == NULL) {
            recipient->text = strdup("the connection was lost after the end of data");
        }
        recipient->has_news = true;
    }
}

static void expire(struct job *job)
{
    for (uint32_t i = 0; i < job->count; i++) {
        if (job->recipients[i].state == CELL_RCPT_OPEN)
            job->recipients[i].state = CELL_RCPT_EXPIRED;
    }
}

/* The first of those who did not get it says why; the server may have taken it for others. */
static const char *why_not(const struct job *job, char out[400])
{
    for (uint32_t i = 0; i < job->count; i++) {
        const struct recipient *recipient = &job->recipients[i];
        const char *server = job_server_text(job, recipient->server);

        if (recipient->state == CELL_RCPT_DELIVERED || recipient->text == NULL)
            continue;
        if (recipient->server < 0)
            return recipient->text;
        if (recipient->code > 0)
            (void)snprintf(out, 400, "%.120s: %u %.260s", server, recipient->code, recipient->text);
        else
            (void)snprintf(out, 400, "%.120s: %.270s", server, recipient->text);
        return out;
    }
    return job->why;
}

static void log_end(const struct job *job, uint32_t open, int64_t wait_ms)
{
    const char *profile = job->profile != NULL ? job->profile->profile->name : NULL;
    const char *stage = job->order.stage != STAGE_RELAY ? stage_name(job->order.stage) : NULL;
    char why[400], tried[TRAIL_TEXT_SIZE];

    trail_text(&job->trail, job_profile(job), tried);
    if (job->outcome.outcome == IPC_OUTCOME_DEFERRED)
        log_info("delivery", "deferred", LOG_ID(job->order.place.id), LOG_STR("profile", profile),
                 LOG_STR("stage", stage), LOG_INT("recipients", open),
                 LOG_INT("attempts", job->outcome.attempts), LOG_INT("again_in_s", wait_ms / 1000),
                 LOG_STR("reason", why_not(job, why)), LOG_STR("tried", tried));
    else if (job->outcome.outcome == IPC_OUTCOME_FAILED)
        log_warning("delivery", "failed: kept and listed", LOG_ID(job->order.place.id),
                    LOG_STR("profile", profile), LOG_STR("stage", stage),
                    LOG_INT("attempts", job->outcome.attempts),
                    LOG_STR("reason", why_not(job, why)), LOG_STR("tried", tried));
}

/* The relay's counts for the stages before it, too (SP11). */
static const struct profile_retry *retry_of(const struct job *job)
{
    const struct worker_profile *relay =
        job->order.stage == STAGE_RELAY ? job->profile : job->relay;

    return relay != NULL ? &relay->profile->retry : &retry_default;
}

void job_settle(struct job *job)
{
    struct cell *cell = &job->message->cell;
    const struct profile_retry *retry = retry_of(job);
    int64_t now_ms = clock_wall_ms(), next_ms = now_ms;
    bool is_recorded = job->is_final;
    uint32_t open;

    job->stage = JOB_NOTING;
    loop_timer_clear(job->deadline);
    job->outcome.attempts = (uint16_t)(job->order.attempts + 1);
    settle_the_rest(job);
    open = job_count_open(job);
    if (open > 0 && !retry_next(retry, job->order.place.id, job->outcome.attempts,
                                job->message->received_ms, now_ms, &next_ms)) {
        expire(job);
        open = 0;
    }
    if (open > 0) {
        cell->attempts = job->outcome.attempts;
        cell->next_attempt_s = clock_to_epoch_s(next_ms + 999);
    } else if (!is_recorded) {
        job_make_final(job);
    }
    job->outcome.next_attempt_s = cell->next_attempt_s;
    job->outcome.recipients = open;
    job->outcome.outcome = open > 0                   ? IPC_OUTCOME_DEFERRED
                           : cell->stage == CELL_DONE ? IPC_OUTCOME_DONE
                                                      : IPC_OUTCOME_FAILED;
    if (!is_recorded)
        job_write_cell(job);
    log_end(job, open, next_ms - now_ms);
    if (job->outcome.outcome == IPC_OUTCOME_DONE || !write_note(job))
        finish(job);
}

/* Some reply, or a loss, was about a recipient and is not in the cell, or not as it was said: only
 * the end of an attempt keeps it. Without it who was lost would be sent to again at once (SP22). */
static bool has_judged(const struct job *job)
{
    for (uint32_t i = 0; i < job->count; i++) {
        const struct recipient *recipient = &job->recipients[i];

        if (recipient->fate != FATE_NONE ||
            (recipient->has_news && recipient->state == CELL_RCPT_REFUSED))
            return true;
    }
    return false;
}

void job_settle_no_room(struct job *job, const char *what)
{
    if (has_judged(job)) {
        job_trail(job, TRAIL_DEFERRED, 0, what);
        job_settle(job);
        return;
    }
    job->stage = JOB_NOTING;
    loop_timer_clear(job->deadline);
    end_without_trace(job);
}

void job_settle_busy(struct job *job, const char *what)
{
    job->outcome.flags |= IPC_OUTCOME_BUSY;
    job_settle_no_room(job, what);
}
