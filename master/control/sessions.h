/* master/control/sessions.h: who is logged in at the console.
 *
 * In memory only: a restart ends all. Of a session's token its digest is kept, no more. A session
 * ends when nobody used it for `idle_ms`, at `max_ms` after its log-in whatever happens, when too
 * many are there (the oldest leaves), and when it is told to. Every time is monotonic and comes
 * from the caller. */
#ifndef MASTER_CONTROL_SESSIONS_H
#define MASTER_CONTROL_SESSIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/random_token.h"
#include "master/account.h"

struct sessions;

#define SESSIONS_MAX             256U
#define SESSIONS_MAX_PER_ACCOUNT 16U
#define SESSION_ID_SIZE          17
#define SESSION_CLIENT_SIZE      64

struct session_rules {
    int64_t idle_ms, max_ms;
};

enum session_end {
    SESSION_LOGGED_OUT,
    SESSION_IDLE,
    SESSION_TOO_OLD,
    SESSION_PUSHED_OUT, /* by newer ones */
    SESSION_ENDED_BY_ADMIN,
    SESSION_PASSWORD_CHANGED,
    SESSION_ROLE_CHANGED,
    SESSION_ACCOUNT_DELETED,
    SESSION_END_COUNT
};

struct session {
    char id[SESSION_ID_SIZE];     /* names it in lists; opens nothing */
    char csrf[RANDOM_TOKEN_SIZE]; /* what a page must show to change anything */
    uint32_t account;
    char name[4 * ACCOUNT_NAME_CHARS + 1]; /* the account's, when it logged in */
    char client[SESSION_CLIENT_SIZE];      /* that it was logged in from */
    int64_t began_ms, used_ms;
};

const char *session_end_name(enum session_end why);

/* Runs when a session is about to leave, from inside the call that ends it. */
typedef void session_ended_cb(const struct session *session, enum session_end why, void *arg);

/* NULL: memory is short. */
struct sessions *sessions_new(const struct session_rules *rules, session_ended_cb *ended,
                              void *arg);
void sessions_free(struct sessions **sessions); /* nobody is told; NULL inside is allowed */
void sessions_set_rules(struct sessions *sessions, const struct session_rules *rules);
const struct session_rules *sessions_rules(const struct sessions *sessions);

/* `out_token` is for the cookie and kept nowhere. NULL: no randomness. A session is good until one
 * is ended; the next two calls may end some. */
const struct session *sessions_begin(struct sessions *sessions, uint32_t account, const char *name,
                                     const char *client, int64_t now_ms,
                                     char out_token[RANDOM_TOKEN_SIZE]);

/* NULL: it is no session (any more). */
const struct session *sessions_find(struct sessions *sessions, const char *token, int64_t now_ms);

/* Somebody used it: its idle time begins anew. */
void sessions_touch(struct sessions *sessions, const struct session *session, int64_t now_ms);

/* Those that are over leave. */
void sessions_expire(struct sessions *sessions, int64_t now_ms);

/* False: there is none of this id. */
bool sessions_end(struct sessions *sessions, const char *id, enum session_end why);
/* All of an account but `but` (NULL: all). How many. */
unsigned sessions_end_account(struct sessions *sessions, uint32_t account, const char *but,
                              enum session_end why);

/* At an index: in the order of their log-ins. */
const struct session *sessions_named(const struct sessions *sessions, const char *id); /* or NULL */
size_t sessions_count(const struct sessions *sessions);
const struct session *sessions_at(const struct sessions *sessions, size_t index);

#endif
