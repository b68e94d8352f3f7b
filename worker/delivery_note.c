/* worker/delivery_note.c: the way of a message in words, as it is kept beside the cell. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "common/auto.h"
#include "common/clock.h"
#include "common/loop.h"
#include "common/spool_format.h"
#include "worker/delivery_private.h"
#include "worker/directory.h"
#include "worker/note.h"

const struct profile *job_profile(const struct job *job)
{
    return job->profile != NULL ? job->profile->profile : NULL;
}

const char *job_server_text(const struct job *job, int server)
{
    const struct profile *profile = job_profile(job);

    if (profile == NULL || server < 0 || (size_t)server >= profile->server_count)
        return "";
    return profile->servers[server].text;
}

static void set_text(json_t *object, const char *key, const char *text)
{
    if (text != NULL && text[0] != '\0')
        (void)json_object_set_new(object, key, trail_shown(text));
}

static json_t *recipient_entry(const struct job *job, const struct recipient *recipient)
{
    static const char *const states[] = { "open", "delivered", "refused", "expired" };
    json_t *entry = json_object();

    (void)json_object_set_new(entry, "address", json_string(recipient->address));
    (void)json_object_set_new(entry, "state", json_string(states[recipient->state & 3]));
    if (recipient->code != 0)
        (void)json_object_set_new(entry, "code", json_integer(recipient->code));
    set_text(entry, "enhanced", recipient->enhanced);
    set_text(entry, "text", recipient->text);
    set_text(entry, "server", job_server_text(job, recipient->server));
    return entry;
}

/* Those with news first-hand, the others as the last note had them. */
static json_t *recipients_of(const struct job *job)
{
    json_t *list = json_array(), *earlier = json_object(), *entry;
    size_t i;

    json_array_foreach (json_object_get(job->note, "recipients"), i, entry) {
        const char *address = json_string_value(json_object_get(entry, "address"));

        if (address != NULL)
            (void)json_object_set(earlier, address, entry);
    }
    for (uint32_t n = 0; n < job->count; n++) {
        const struct recipient *recipient = &job->recipients[n];

        if (recipient->has_news)
            (void)json_array_append_new(list, recipient_entry(job, recipient));
        else if ((entry = json_object_get(earlier, recipient->address)) != NULL)
            (void)json_array_append(list, entry);
    }
    json_decref(earlier);
    return list;
}

static json_t *attempt_of(const struct job *job, const char *outcome)
{
    json_t *attempt = json_object();
    char text[CLOCK_TEXT_SIZE];
    int64_t took_ms = loop_now_ms(job->delivery->loop) - job->began_ms;

    clock_text(clock_wall_ms() - took_ms, text);
    (void)json_object_set_new(attempt, "time", json_string(text));
    (void)json_object_set_new(attempt, "number", json_integer(job->order.attempts + 1));
    set_text(attempt, "start", job_server_text(job, job->order.start));
    if (job->order.stage != STAGE_RELAY)
        (void)json_object_set_new(attempt, "stage",
                                  json_string(stage_name((enum stage)job->order.stage)));
    (void)json_object_set_new(attempt, "ms", json_integer(took_ms));
    (void)json_object_set_new(attempt, "outcome", json_string(outcome));
    if (job->outcome.outcome == IPC_OUTCOME_DEFERRED) {
        clock_text(clock_from_epoch_s(job->outcome.next_attempt_s), text);
        (void)json_object_set_new(attempt, "next", json_string(text));
    }
    if (job->order.is_trial)
        (void)json_object_set_new(attempt, "trial", json_true());
    (void)json_object_set_new(attempt, "tried", trail_json(&job->trail, job_profile(job)));
    return attempt;
}

static json_t *attempts_of(const struct job *job, const char *outcome)
{
    json_t *list = json_copy(json_object_get(job->note, "attempts"));

    if (!json_is_array(list)) {
        json_decref(list);
        list = json_array();
    }
    (void)json_array_append_new(list, attempt_of(job, outcome));
    while (json_array_size(list) > NOTE_ATTEMPTS_MAX)
        (void)json_array_remove(list, 0);
    return list;
}

/* A member of every file that a scan or an upload tells of. */
static void drop_member(const json_t *note, const char *member)
{
    for (unsigned stage = STAGE_SCAN; stage < STAGE_RELAY; stage++) {
        const json_t *told = json_object_get(note, stage_name((enum stage)stage));
        json_t *file;
        size_t i;

        json_array_foreach (json_object_get(told, "files"), i, file)
            (void)json_object_del(file, member);
    }
}

static void drop_files(const json_t *note)
{
    for (unsigned stage = STAGE_SCAN; stage < STAGE_RELAY; stage++)
        (void)json_object_del(json_object_get(note, stage_name((enum stage)stage)), "files");
}

static void drop_half(json_t *list)
{
    for (size_t left = json_array_size(list) / 2; json_array_size(list) > left;)
        (void)json_array_remove(list, json_array_size(list) - 1);
}

/* Leaves out what is least important. False: there is nothing left to leave out. */
static bool make_shorter(const json_t *note, unsigned *dropped)
{
    static const char *const members[] = { "reason", "name", "url" };
    json_t *attempts = json_object_get(note, "attempts");
    json_t *recipients = json_object_get(note, "recipients");

    if (json_array_size(attempts) > 1)
        (void)json_array_remove(attempts, 0);
    else if (json_array_size(recipients) > 0)
        drop_half(recipients);
    else if (*dropped < ARRAY_LEN(members))
        drop_member(note, members[(*dropped)++]);
    else if ((*dropped)++ == ARRAY_LEN(members))
        drop_files(note);
    else
        return false;
    return true;
}

/* What does not fit is left out: old attempts, then replies, then words about files, which may be
 * thousands, and at last the files. */
char *job_note_text(struct job *job, const char *outcome)
{
    json_t *note = json_object();
    unsigned dropped = 0;
    char *text;

    (void)json_object_set_new(note, "attempts", attempts_of(job, outcome));
    (void)json_object_set_new(note, "recipients", recipients_of(job));
    for (unsigned stage = STAGE_SCAN; stage < STAGE_RELAY; stage++) {
        if (job->told[stage] != NULL)
            (void)json_object_set(note, stage_name((enum stage)stage), job->told[stage]);
    }
    while ((text = json_dumps(note, JSON_COMPACT)) != NULL && strlen(text) > SPOOL_NOTE_MAX &&
           make_shorter(note, &dropped))
        free(text);
    json_decref(note);
    return text;
}
