/* worker/delivery_note.c: the way of a message in words, as it is kept beside the cell. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "common/clock.h"
#include "common/loop.h"
#include "common/spool_format.h"
#include "worker/delivery_private.h"
#include "worker/directory.h"
#include "worker/note.h"

#define TEXT_MAX 200 /* of a reply, in a note */

const char *job_server_text(const struct job *job, int server)
{
    if (job->profile == NULL || server < 0 || (size_t)server >= job->profile->profile->server_count)
        return "";
    return job->profile->profile->servers[server].text;
}

/* Replies are printable ASCII; anything else that is not UTF-8 would be no JSON. */
static json_t *shown(const char *text)
{
    char cut[TEXT_MAX + 1];
    json_t *json;

    (void)snprintf(cut, sizeof(cut), "%s", text);
    json = json_string(cut);
    for (char *c = cut; json == NULL && *c != '\0'; c++)
        *c = (unsigned char)*c < 0x80 ? *c : '?';
    return json != NULL ? json : json_string(cut);
}

static void set_text(json_t *object, const char *key, const char *text)
{
    if (text != NULL && text[0] != '\0')
        (void)json_object_set_new(object, key, shown(text));
}

void job_trail(struct job *job, int kind, unsigned code, const char *what)
{
    static const char *const results[TRAIL_KIND_COUNT] = {
        [TRAIL_FAILED] = "server failed",   [TRAIL_UNFIT] = "passed by",
        [TRAIL_UNBUILT] = "cannot be done", [TRAIL_DEFERRED] = "deferred",
        [TRAIL_REFUSED] = "refused",        [TRAIL_LOST] = "lost after the end of data",
        [TRAIL_DELIVERED] = "delivered",
    };
    json_t *entry = json_object();
    int64_t now_ms = loop_now_ms(job->delivery->loop);

    if (job->trail == NULL)
        job->trail = json_array();
    (void)snprintf(job->why, sizeof(job->why), "%.120s%s%.270s", job_server_text(job, job->server),
                   job->server >= 0 ? ": " : "", what);
    set_text(entry, "server", job_server_text(job, job->server));
    (void)json_object_set_new(entry, "result", json_string(results[kind]));
    if (code != 0)
        (void)json_object_set_new(entry, "code", json_integer((json_int_t)code));
    set_text(entry, "text", what);
    if (job->server >= 0 && job->server_began_ms != 0)
        (void)json_object_set_new(entry, "ms", json_integer(now_ms - job->server_began_ms));
    if (json_array_size(job->trail) < DELIVERY_TRAIL_MAX)
        (void)json_array_append_new(job->trail, entry);
    else
        json_decref(entry);
}

/* ---- the note ---- */

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
    (void)json_object_set_new(attempt, "ms", json_integer(took_ms));
    (void)json_object_set_new(attempt, "outcome", json_string(outcome));
    if (job->outcome.outcome == IPC_OUTCOME_DEFERRED) {
        clock_text(clock_from_epoch_s(job->outcome.next_attempt_s), text);
        (void)json_object_set_new(attempt, "next", json_string(text));
    }
    (void)json_object_set(attempt, "tried", job->trail);
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

static void drop_half(json_t *list)
{
    for (size_t left = json_array_size(list) / 2; json_array_size(list) > left;)
        (void)json_array_remove(list, json_array_size(list) - 1);
}

/* What does not fit is left out, the least important first: old attempts, then replies. */
char *job_note_text(struct job *job, const char *outcome)
{
    json_t *attempts = attempts_of(job, outcome), *note = json_object();
    char *text;

    (void)json_object_set_new(note, "attempts", attempts);
    (void)json_object_set_new(note, "recipients", recipients_of(job));
    while ((text = json_dumps(note, JSON_COMPACT)) != NULL && strlen(text) > SPOOL_NOTE_MAX) {
        json_t *recipients = json_object_get(note, "recipients");

        free(text);
        text = NULL;
        if (json_array_size(attempts) > 1)
            (void)json_array_remove(attempts, 0);
        else if (json_array_size(recipients) > 0)
            drop_half(recipients);
        else
            break;
    }
    json_decref(note);
    return text;
}
