/* worker/delivery_begin.c: what a job is about, and whether anything stands in its way. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/conf.h"
#include "common/hook.h"
#include "common/id.h"
#include "common/log.h"
#include "common/shortage.h"
#include "worker/delivery_private.h"
#include "worker/directory.h"
#include "worker/message.h"
#include "worker/read_ahead.h"

static int make_recipients(struct job *job)
{
    const struct envelope_group *group = job->message->group;
    const struct envelope_recipient *from = &job->message->envelope->recipients[group->first];

    if (group->count > job->capacity) {
        free(job->recipients);
        free(job->batch);
        free(job->batch_of);
        job->recipients = calloc(group->count, sizeof(*job->recipients));
        job->batch = calloc(group->count, sizeof(*job->batch));
        job->batch_of = calloc(group->count, sizeof(*job->batch_of));
        job->capacity = group->count;
        if (job->recipients == NULL || job->batch == NULL || job->batch_of == NULL) {
            job->capacity = 0;
            return -ENOMEM;
        }
    }
    job->count = group->count;
    for (uint32_t i = 0; i < job->count; i++)
        job->recipients[i] = (struct recipient){ .address = from[i].address, .server = -1 };
    return 0;
}

const char *job_ehlo_name(const struct job *job)
{
    const char *own = job->profile->profile->ehlo_name;

    return own != NULL ? own : job->delivery->conf->top_hostname;
}

/* What stands in the way of trying at all (OP09). NULL: nothing. */
static const char *obstacle(const struct job *job, char out[160])
{
    const struct worker_profile *profile = job->profile;
    const struct rule *rule = directory_rule(job->delivery->directory, job->order.rule);
    const char *unbuilt;

    if (profile == NULL || profile->profile->version != job->order.version)
        return "this worker does not have the profile's present version";
    if (profile->profile->incomplete)
        return "the profile is incomplete: a secret that it needs was never entered";
    if (job->order.rule != 0 && rule == NULL)
        return "this worker does not know the message's rule";
    unbuilt = rule != NULL ? rule_unbuilt_protection(rule) : NULL;
    if (unbuilt == NULL && rule != NULL && job->order.stage == STAGE_RELAY &&
        stage_next(job->message->cell.flags, rule->core != 0, rule->vault != 0) != STAGE_RELAY)
        return "its rule asks for a scan or an upload that was not made yet";
    if (unbuilt == NULL)
        return NULL;
    (void)snprintf(out, 160, "the rule asks for %s, which this version cannot do yet", unbuilt);
    return out;
}

/* The job's recipients are not read yet: job_count_open() would take all for open. */
static uint32_t count_open(const struct message *message)
{
    uint32_t open = 0;

    for (uint32_t i = 0; i < message->group->count; i++)
        open += cell_recipient_get(&message->cell, i) == CELL_RCPT_OPEN;
    return open;
}

/* What is on disk counts more than what the master believes. Out of the quarantine comes only what
 * an operator's order has taken the flag from. */
static bool is_settled_already(struct job *job)
{
    static const enum ipc_outcome outcomes[CELL_STAGE_COUNT] = {
        [CELL_OPEN] = IPC_OUTCOME_QUARANTINED, [CELL_DONE] = IPC_OUTCOME_DONE,
        [CELL_FAILED] = IPC_OUTCOME_FAILED,    [CELL_DELETED] = IPC_OUTCOME_DONE,
        [CELL_MOVED] = IPC_OUTCOME_NOT_HELD,
    };
    const struct cell *cell = &job->message->cell;

    if (cell->stage == CELL_OPEN && (cell->flags & CELL_QUARANTINED) == 0)
        return false;
    job->outcome.outcome = (uint16_t)outcomes[cell->stage];
    job->outcome.attempts = cell->attempts;
    job->outcome.note_segment = cell->note.segment;
    job->outcome.note_slot = cell->note.slot;
    job->outcome.recipients = count_open(job->message);
    return true;
}

/* A name in the envelope that would say more than one line to a server: never sent. */
static bool is_clean(const char *address)
{
    for (; *address != '\0'; address++) {
        if ((unsigned char)*address < ' ' || *address == 0x7f)
            return false;
    }
    return true;
}

static int open_message(struct job *job)
{
    struct delivery *delivery = job->delivery;
    struct reason why = { "" };
    int err = message_open(delivery->cache, &job->order.place, &job->message, &why);

    if (err == 0)
        err = make_recipients(job);
    for (uint32_t i = 0; err == 0 && i < job->count; i++) {
        if (!is_clean(job->recipients[i].address))
            err = reason_set(&why, -EBADMSG, "a recipient has control characters in it");
    }
    if (err == 0 && !is_clean(job->message->envelope->sender))
        err = reason_set(&why, -EBADMSG, "the sender has control characters in it");
    if (err < 0)
        log_warning("delivery", "cannot read a message", LOG_ID(job->order.place.id),
                    LOG_STR("reason", why.text[0] != '\0' ? why.text : strerror(-err)));
    return err;
}

/* A rerouted one's, or the one at acceptance. */
static uint32_t relay_of(const struct job *job)
{
    const struct message *message = job->message;

    return message->cell.profile != 0 ? message->cell.profile : message->group->profile;
}

static const struct rule *rule_of(const struct job *job)
{
    return directory_rule(job->delivery->directory, job->order.rule);
}

/* It is read and is what was stored. */
static void begin_stage(struct job *job)
{
    struct delivery *delivery = job->delivery;
    char text[160];
    const char *why;

    hook_message("deliver", job->message->body, job->message->body_bytes);
    job->profile = directory_hold(delivery->directory, job->order.profile);
    if (job->order.stage != STAGE_RELAY)
        job->relay = directory_hold(delivery->directory, relay_of(job));
    job_read_recipients(job);
    why = obstacle(job, text);
    if (why != NULL)
        job_trail(job, TRAIL_UNBUILT, 0, why);
    if (why != NULL || !job_has_more(job))
        job_settle(job);
    else if (job->order.stage != STAGE_RELAY)
        job_take_apart(job);
    else if (outgoing_make(&job->outgoing, job->message, job->told, rule_of(job)) < 0)
        job_settle_no_room(job, "no memory for what is added to a message");
    else
        job_walk(job);
}

static void end_unread(struct job *job, int err)
{
    if (is_shortage(err))
        job->outcome.outcome = IPC_OUTCOME_NO_ROOM;
    job_end(job);
}

static void on_checked(int err, const char *why, void *arg)
{
    struct job *job = arg;

    job->check = NULL;
    if (err == 0) {
        begin_stage(job);
        return;
    }
    log_warning("delivery", "cannot read a message", LOG_ID(job->order.place.id),
                LOG_STR("reason", why));
    end_unread(job, err);
}

static void open_and_walk(struct job *job)
{
    struct reason why = { "" };
    int err = open_message(job);

    if (err < 0 || is_settled_already(job)) {
        end_unread(job, err);
        return;
    }
    job_trim(job);
    if (message_is_checked(job->message)) {
        begin_stage(job);
        return;
    }
    err = message_check(job->message, job->delivery->body_work, on_checked, job, &job->check, &why);
    if (err < 0) /* no memory, or no thread: not now */
        end_unread(job, -ENOMEM);
}

static void on_read(void *arg)
{
    struct job *job = arg;

    job->read_ahead = NULL;
    open_and_walk(job);
}

void job_begin(struct job *job)
{
    const struct ipc_place *place = &job->order.place;

    if (clock_wall_ms() - id_wall_ms(place->id) >= READ_AHEAD_AGE_MS)
        job->read_ahead = read_ahead_begin(job->delivery->spooler, place, on_read, job);
    if (job->read_ahead == NULL)
        open_and_walk(job);
}
