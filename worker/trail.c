#include "worker/trail.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/profile.h"

#define SHOWN_MAX 200 /* of a reply, in a note */

struct result_row {
    const char *name; /* in JSON */
    const char *text; /* in a sentence: "smtp://a:25 <text>" */
};

static const struct result_row results[TRAIL_RESULT_COUNT] = {
    [TRAIL_FAILED] = { "server failed", "failed" },
    [TRAIL_UNFIT] = { "passed by", "cannot carry it" },
    [TRAIL_UNBUILT] = { "cannot be done", "cannot be used" },
    [TRAIL_DEFERRED] = { "deferred", "deferred it" },
    [TRAIL_REFUSED] = { "refused", "refused it" },
    [TRAIL_LOST] = { "lost after the end of data", "was lost after the end of data" },
    [TRAIL_DELIVERED] = { "delivered", "took it" },
    [TRAIL_DONE] = { "done", "has done it" },
    [TRAIL_BLOCKED] = { "blocked", "blocks it" },
    [TRAIL_DOWN] = { "passed over: down", "is down" },
    [TRAIL_REFUSES_LOGIN] = { "passed over: refuses our login", "refuses our login" },
    [TRAIL_DRAINED] = { "passed over: drained", "is drained" },
    [TRAIL_DOUBTED] = { "put last: it failed lately", "failed lately" },
    [TRAIL_TRIED_BEFORE] = { "tried before in this attempt", "was tried before" },
};

/* ---- keeping ---- */

static bool make_room(struct trail *trail)
{
    size_t room = trail->room == 0 ? 4 : 2 * trail->room;
    struct trail_step *grown;

    if (trail->count >= TRAIL_STEPS_MAX)
        return false;
    if (trail->count < trail->room)
        return true;
    grown = reallocarray(trail->steps, room, sizeof(*grown));
    if (grown == NULL)
        return false;
    trail->steps = grown;
    trail->room = room;
    return true;
}

static char *copy(const char *text)
{
    return text != NULL && text[0] != '\0' ? strdup(text) : NULL;
}

void trail_add(struct trail *trail, const struct trail_step *step)
{
    struct trail_step *kept;

    if (!make_room(trail))
        return;
    kept = &trail->steps[trail->count++];
    *kept = *step;
    kept->text = copy(step->text);
    kept->tls = copy(step->tls);
}

void trail_clear(struct trail *trail)
{
    for (size_t i = 0; i < trail->count; i++) {
        free((char *)trail->steps[i].text);
        free((char *)trail->steps[i].tls);
    }
    free(trail->steps);
    *trail = (struct trail){ 0 };
}

/* ---- as JSON ---- */

const char *trail_pool_name(enum trail_pool pool)
{
    static const char *const names[TRAIL_POOL_COUNT] = {
        [TRAIL_POOL_HIT] = "hit",
        [TRAIL_POOL_HANDED_OVER] = "handed_over",
        [TRAIL_POOL_MISS] = "miss",
        [TRAIL_POOL_MISS_OFF] = "miss_off",
        [TRAIL_POOL_MISS_STALE] = "miss_stale",
    };

    return names[pool];
}

/* Replies are printable ASCII; anything else that is not UTF-8 would be no JSON. */
json_t *trail_shown(const char *text)
{
    char cut[SHOWN_MAX + 1];
    json_t *json;

    (void)snprintf(cut, sizeof(cut), "%s", text);
    json = json_string(cut);
    for (char *c = cut; json == NULL && *c != '\0'; c++)
        *c = (unsigned char)*c < 0x80 ? *c : '?';
    return json != NULL ? json : json_string(cut);
}

static const char *server_of(const struct trail_step *step, const struct profile *profile)
{
    bool is_known =
        profile != NULL && step->server >= 0 && (size_t)step->server < profile->server_count;

    return is_known ? profile->servers[step->server].text : NULL;
}

static void set_text(json_t *object, const char *key, const char *text)
{
    if (text != NULL)
        (void)json_object_set_new(object, key, trail_shown(text));
}

static void set_number(json_t *object, const char *key, int64_t value)
{
    if (value > 0)
        (void)json_object_set_new(object, key, json_integer(value));
}

static json_t *step_json(const struct trail_step *step, const struct profile *profile)
{
    json_t *entry = json_object();

    set_text(entry, "server", server_of(step, profile));
    set_text(entry, "result", results[step->result].name);
    set_number(entry, "code", step->code);
    set_text(entry, "text", step->text);
    if (step->took_ms >= 0)
        (void)json_object_set_new(entry, "ms", json_integer(step->took_ms));
    set_text(entry, "pool", trail_pool_name(step->pool));
    set_text(entry, "tls", step->tls);
    set_number(entry, "lookup_ms", step->times.lookup_ms);
    set_number(entry, "wait_ms", step->times.wait_ms);
    set_number(entry, "connect_ms", step->times.connect_ms);
    set_number(entry, "handshake_ms", step->times.handshake_ms);
    set_number(entry, "envelope_ms", step->times.envelope_ms);
    set_number(entry, "data_ms", step->times.data_ms);
    return entry;
}

json_t *trail_json(const struct trail *trail, const struct profile *profile)
{
    json_t *list = json_array();

    for (size_t i = 0; i < trail->count; i++)
        (void)json_array_append_new(list, step_json(&trail->steps[i], profile));
    return list;
}

/* ---- as text ---- */

static void add_text(char out[TRAIL_TEXT_SIZE], size_t *at, const char *text)
{
    int written = snprintf(out + *at, TRAIL_TEXT_SIZE - *at, "%s", text);

    *at += written < 0 ? 0 : (size_t)written;
    if (*at >= TRAIL_TEXT_SIZE)
        *at = TRAIL_TEXT_SIZE - 1;
}

void trail_text(const struct trail *trail, const struct profile *profile, char out[TRAIL_TEXT_SIZE])
{
    char part[64];
    size_t at = 0;

    out[0] = '\0';
    for (size_t i = 0; i < trail->count; i++) {
        const struct trail_step *step = &trail->steps[i];
        const char *server = server_of(step, profile);

        add_text(out, &at, i > 0 ? "; " : "");
        add_text(out, &at, server != NULL ? server : "it");
        add_text(out, &at, " ");
        add_text(out, &at, results[step->result].text);
        if (step->took_ms >= 0) {
            (void)snprintf(part, sizeof(part), " after %lld ms", (long long)step->took_ms);
            add_text(out, &at, part);
        }
        if (step->text == NULL)
            continue;
        add_text(out, &at, ": ");
        add_text(out, &at, step->text);
    }
}
