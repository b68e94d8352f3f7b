/* worker/delivery_note.c: what is told of an attempt, as JSON (worker/note.h has the shape). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/loop.h"
#include "common/profile.h"
#include "common/spool_format.h"
#include "worker/delivery_private.h"
#include "worker/directory.h"
#include "worker/message.h"
#include "worker/note.h"

/* Recipients with something to tell, of which a note has room for so many. */
#define TOLD_RECIPIENTS_MAX 200
#define TOLD_TEXT_MAX       300

static const char *const trail_names[TRAIL_KIND_COUNT] = {
    [TRAIL_FAILED] = "server failed", [TRAIL_UNFIT] = "not able",
    [TRAIL_UNBUILT] = "not tried",    [TRAIL_DEFERRED] = "deferred",
    [TRAIL_REFUSED] = "refused",      [TRAIL_LOST] = "lost after the end of data",
    [TRAIL_DELIVERED] = "delivered",
};

static const char *const state_names[] = {
    [CELL_RCPT_OPEN] = "open",
    [CELL_RCPT_DELIVERED] = "delivered",
    [CELL_RCPT_REFUSED] = "refused",
    [CELL_RCPT_EXPIRED] = "expired",
};

const char *job_server_text(const struct job *job, int server)
{
    const struct profile *profile = job->profile != NULL ? job->profile->profile : NULL;

    if (profile == NULL || server < 0 || (size_t)server >= profile->server_count)
        return "";
    return profile->servers[server].text;
}

void job_trail(struct job *job, int kind, unsigned code, const char *what)
{
    const char *server = job_server_text(job, job->server);
    int64_t ms =
        job->server_began_ms > 0 ? loop_now_ms(job->delivery->loop) - job->server_began_ms : 0;
    json_t *entry;

    (void)snprintf(job->why, sizeof(job->why), "%.120s%s%.270s", server,
                   *server != '\0' ? ": " : "", what);
    if (job->trail == NULL)
        job->trail = json_array();
    if (json_array_size(job->trail) >= DELIVERY_TRAIL_MAX)
        return;
    entry = json_pack("{ss* ss ss* sI}", "server", *server != '\0' ? server : NULL, "result",
                      trail_names[kind], "text", what, "ms", (json_int_t)ms);
    if (code != 0)
        (void)json_object_set_new(entry, "code", json_integer(code));
    (void)json_array_append_new(job->trail, entry);
}

/* ---- reading what an earlier attempt left ---- */

static void take_states(struct job *job, const char *states)
{
    for (uint32_t i = 0; i < job->count && states[i] != '\0'; i++) {
        if (i >= CELL_INLINE_RECIPIENTS && states[i] >= '0' && states[i] <= '3')
            job->recipients[i].state = (uint8_t)(states[i] - '0');
    }
}

static void take_reply(struct job *job, const json_t *entry)
{
    const char *address = json_string_value(json_object_get(entry, "address"));
    const char *text = json_string_value(json_object_get(entry, "text"));
    const char *enhanced = json_string_value(json_object_get(entry, "enhanced"));

    for (uint32_t i = 0; i < job->count && address != NULL && text != NULL; i++) {
        struct recipient *recipient = &job->recipients[i];

        if (strcmp(recipient->address, address) != 0 || recipient->text != NULL)
            continue;
        recipient->text = strdup(text);
        recipient->code = (uint16_t)json_integer_value(json_object_get(entry, "code"));
        if (enhanced != NULL)
            (void)snprintf(recipient->enhanced, sizeof(recipient->enhanced), "%s", enhanced);
        return;
    }
}

void job_take_note(struct job *job, const json_t *note)
{
    const char *states = json_string_value(json_object_get(note, "states"));
    size_t index;
    const json_t *entry;

    if (states != NULL)
        take_states(job, states);
    json_array_foreach (json_object_get(note, "recipients"), index, entry)
        take_reply(job, entry);
}

/* ---- writing ---- */

static json_t *attempts_so_far(const json_t *previous)
{
    const json_t *old = json_object_get(previous, "attempts");
    size_t count = json_array_size(old);
    json_t *attempts = json_array();

    for (size_t i = count >= NOTE_ATTEMPTS_MAX ? count - (NOTE_ATTEMPTS_MAX - 1) : 0; i < count;
         i++)
        (void)json_array_append(attempts, json_array_get(old, i));
    return attempts;
}

static json_t *this_attempt(const struct job *job, const char *outcome)
{
    int64_t took_ms = loop_now_ms(job->delivery->loop) - job->began_ms;
    char time[CLOCK_TEXT_SIZE];

    clock_text(clock_wall_ms() - took_ms, time);
    return json_pack("{ss ss ss* sI sI sI sO*}", "time", time, "outcome", outcome, "start",
                     job->profile != NULL ? job_server_text(job, job->order.start) : NULL, "ms",
                     (json_int_t)took_ms, "connect_ms", (json_int_t)job->phase_connect_ms,
                     "handshake_ms", (json_int_t)job->phase_handshake_ms, "tried", job->trail);
}

static json_t *tell_recipient(const struct job *job, const struct recipient *recipient)
{
    char text[TOLD_TEXT_MAX + 1] = "";
    json_t *entry = json_pack("{ss* ss}", "address", recipient->address, "state",
                              state_names[recipient->state]);

    if (entry == NULL)
        return NULL; /* an address that is not UTF-8: its state is in the cell or in `states` */
    if (recipient->text != NULL)
        (void)snprintf(text, sizeof(text), "%s", recipient->text);
    if (recipient->code != 0)
        (void)json_object_set_new(entry, "code", json_integer(recipient->code));
    if (recipient->enhanced[0] != '\0')
        (void)json_object_set_new(entry, "enhanced", json_string(recipient->enhanced));
    if (text[0] != '\0')
        (void)json_object_set_new(entry, "text", json_string(text));
    if (recipient->server >= 0)
        (void)json_object_set_new(entry, "server",
                                  json_string(job_server_text(job, recipient->server)));
    return entry;
}

static json_t *tell_recipients(const struct job *job)
{
    json_t *list = json_array();

    for (uint32_t i = 0; i < job->count && json_array_size(list) < TOLD_RECIPIENTS_MAX; i++) {
        const struct recipient *recipient = &job->recipients[i];
        json_t *entry;

        if (recipient->text == NULL && recipient->code == 0)
            continue;
        entry = tell_recipient(job, recipient);
        if (entry != NULL)
            (void)json_array_append_new(list, entry);
    }
    return list;
}

/* One digit each, enum cell_recipient: for those that the cell has no room for. */
static json_t *all_states(const struct job *job)
{
    char *states = job->count > CELL_INLINE_RECIPIENTS ? malloc(job->count + 1) : NULL;
    json_t *json;

    if (states == NULL)
        return NULL;
    for (uint32_t i = 0; i < job->count; i++)
        states[i] = (char)('0' + job->recipients[i].state);
    states[job->count] = '\0';
    json = json_string(states);
    free(states);
    return json;
}

char *job_note_text(struct job *job, const json_t *previous, const char *outcome)
{
    json_t *attempts = attempts_so_far(previous), *note;
    char *text;

    (void)json_array_append_new(attempts, this_attempt(job, outcome));
    note = json_pack("{so so so*}", "attempts", attempts, "recipients", tell_recipients(job),
                     "states", all_states(job));
    text = json_dumps(note, JSON_COMPACT);
    /* Eight attempts with a hundred entries each do not fit; the last one alone does. */
    while (text != NULL && strlen(text) > SPOOL_NOTE_MAX && json_array_size(attempts) > 1) {
        free(text);
        (void)json_array_remove(attempts, 0);
        text = json_dumps(note, JSON_COMPACT);
    }
    json_decref(note);
    return text;
}
