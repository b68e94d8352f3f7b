#include "master/control/sessions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/secret.h"

struct place {
    struct session session;
    struct token_digest digest;
};

struct sessions {
    struct session_rules rules;
    session_ended_cb *ended;
    void *arg;
    size_t count;
    struct place places[SESSIONS_MAX]; /* in the order of their log-ins */
};

const char *session_end_name(enum session_end why)
{
    static const char *const names[SESSION_END_COUNT] = {
        [SESSION_LOGGED_OUT] = "logged out",
        [SESSION_IDLE] = "not used for too long",
        [SESSION_TOO_OLD] = "its longest time was over",
        [SESSION_PUSHED_OUT] = "too many newer ones",
        [SESSION_ENDED_BY_ADMIN] = "ended by an administrator",
        [SESSION_PASSWORD_CHANGED] = "the password was changed",
        [SESSION_ROLE_CHANGED] = "the role was changed",
        [SESSION_ACCOUNT_DELETED] = "the account was deleted",
    };

    return names[why];
}

struct sessions *sessions_new(const struct session_rules *rules, session_ended_cb *ended, void *arg)
{
    struct sessions *sessions = calloc(1, sizeof(*sessions));

    if (sessions == NULL)
        return NULL;
    sessions->rules = *rules;
    sessions->ended = ended;
    sessions->arg = arg;
    return sessions;
}

void sessions_free(struct sessions **sessions)
{
    if (*sessions == NULL)
        return;
    secret_wipe(*sessions, sizeof(**sessions));
    free(*sessions);
    *sessions = NULL;
}

void sessions_set_rules(struct sessions *sessions, const struct session_rules *rules)
{
    sessions->rules = *rules;
}

const struct session_rules *sessions_rules(const struct sessions *sessions)
{
    return &sessions->rules;
}

/* ---- ends ---- */

static void end_at(struct sessions *sessions, size_t index, enum session_end why)
{
    struct place *place = &sessions->places[index];

    sessions->ended(&place->session, why, sessions->arg);
    sessions->count--;
    memmove(place, place + 1, (sessions->count - index) * sizeof(*place));
    secret_wipe(&sessions->places[sessions->count], sizeof(*place));
}

static bool is_over(const struct sessions *sessions, const struct session *session, int64_t now_ms,
                    enum session_end *ret_why)
{
    *ret_why = SESSION_TOO_OLD;
    if (now_ms - session->began_ms >= sessions->rules.max_ms)
        return true;
    *ret_why = SESSION_IDLE;
    return now_ms - session->used_ms >= sessions->rules.idle_ms;
}

void sessions_expire(struct sessions *sessions, int64_t now_ms)
{
    size_t i = 0;

    while (i < sessions->count) {
        enum session_end why;

        if (is_over(sessions, &sessions->places[i].session, now_ms, &why))
            end_at(sessions, i, why);
        else
            i++;
    }
}

bool sessions_end(struct sessions *sessions, const char *id, enum session_end why)
{
    for (size_t i = 0; i < sessions->count; i++) {
        if (strcmp(sessions->places[i].session.id, id) == 0) {
            end_at(sessions, i, why);
            return true;
        }
    }
    return false;
}

unsigned sessions_end_account(struct sessions *sessions, uint32_t account, const char *but,
                              enum session_end why)
{
    unsigned ended = 0;
    size_t i = 0;

    while (i < sessions->count) {
        const struct session *session = &sessions->places[i].session;

        if (session->account == account && (but == NULL || strcmp(session->id, but) != 0)) {
            end_at(sessions, i, why);
            ended++;
        } else {
            i++;
        }
    }
    return ended;
}

/* ---- beginning ---- */

/* The oldest of the account leaves if it has too many, then the oldest of all if these are. */
static void make_room(struct sessions *sessions, uint32_t account)
{
    size_t oldest = sessions->count;
    unsigned of_account = 0;

    for (size_t i = sessions->count; i-- > 0;) {
        if (sessions->places[i].session.account == account) {
            of_account++;
            oldest = i;
        }
    }
    if (of_account >= SESSIONS_MAX_PER_ACCOUNT)
        end_at(sessions, oldest, SESSION_PUSHED_OUT);
    if (sessions->count == SESSIONS_MAX)
        end_at(sessions, 0, SESSION_PUSHED_OUT);
}

static int fill(struct place *place, char *out_token)
{
    uint64_t number;
    int err = random_bytes(&number, sizeof(number));

    if (err == 0)
        err = random_token(place->session.csrf);
    if (err == 0)
        err = random_token(out_token);
    if (err == 0)
        err = token_digest(out_token, &place->digest);
    (void)snprintf(place->session.id, sizeof(place->session.id), "%016llx",
                   (unsigned long long)number);
    return err;
}

const struct session *sessions_begin(struct sessions *sessions, uint32_t account, const char *name,
                                     const char *client, int64_t now_ms,
                                     char out_token[RANDOM_TOKEN_SIZE])
{
    struct place place = { .session = {
                               .account = account, .began_ms = now_ms, .used_ms = now_ms } };

    if (fill(&place, out_token) < 0)
        return NULL;
    (void)snprintf(place.session.name, sizeof(place.session.name), "%s", name);
    (void)snprintf(place.session.client, sizeof(place.session.client), "%s", client);
    sessions_expire(sessions, now_ms);
    make_room(sessions, account);
    sessions->places[sessions->count] = place;
    return &sessions->places[sessions->count++].session;
}

/* ---- use ---- */

const struct session *sessions_find(struct sessions *sessions, const char *token, int64_t now_ms)
{
    const struct session *found = NULL;
    struct token_digest digest;

    sessions_expire(sessions, now_ms);
    if (token_digest(token, &digest) < 0)
        return NULL;
    for (size_t i = 0; i < sessions->count; i++) {
        if (token_digest_equal(&sessions->places[i].digest, &digest))
            found = &sessions->places[i].session;
    }
    return found;
}

void sessions_touch(struct sessions *sessions, const struct session *session, int64_t now_ms)
{
    for (size_t i = 0; i < sessions->count; i++) {
        if (&sessions->places[i].session == session)
            sessions->places[i].session.used_ms = now_ms;
    }
}

const struct session *sessions_named(const struct sessions *sessions, const char *id)
{
    for (size_t i = 0; i < sessions->count; i++) {
        if (strcmp(sessions->places[i].session.id, id) == 0)
            return &sessions->places[i].session;
    }
    return NULL;
}

size_t sessions_count(const struct sessions *sessions)
{
    return sessions->count;
}

const struct session *sessions_at(const struct sessions *sessions, size_t index)
{
    return &sessions->places[index].session;
}
