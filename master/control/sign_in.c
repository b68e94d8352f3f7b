/* master/control/sign_in.c: logging in: by name and password.
 *
 * Whatever is wrong, the answer is the same and takes the same time: a name that there is not is
 * checked against a hash like any other. */
#include "master/control/sign_in.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/loop.h"
#include "common/names.h"
#include "common/secret.h"
#include "master/control/access.h"
#include "master/control/call.h"
#include "master/control/control_private.h"
#include "master/control/cookie.h"
#include "master/control/routes.h"

#define NAME_MAX_BYTES 1024 /* that somebody may type; an account's own has at most 256 */

struct attempt {
    struct call *call;
    uint32_t account; /* 0: there is none of this name */
    char *key;        /* the name as it is compared */
};

/* ---- what ways in have in common ---- */

bool sign_in_may_try(struct call *call, const char *key)
{
    unsigned retry_s = 0;

    if (login_limit_take(call->control->access->limit, call->client, key,
                         loop_now_ms(call->control->loop), &retry_s))
        return true;
    call_refuse_for_now(call, 429, "rate", retry_s, "too many failures: try again later");
    return false;
}

void sign_in_give_back(struct call *call, const char *key, bool is_login)
{
    login_limit_give_back(call->control->access->limit, call->client, key, is_login,
                          loop_now_ms(call->control->loop));
}

void sign_in_refuse_hash(struct call *call, int err)
{
    if (err == -EBUSY)
        call_refuse_for_now(call, 503, "busy", 2, "too many log in at the same time");
    else
        call_refuse(call, 503, "try-later", "the password could not be hashed: %s", strerror(-err));
}

static json_t *describe(struct call *call, const struct session *session,
                        const struct account *account)
{
    const struct session_rules *rules = sessions_rules(call->control->access->sessions);
    int64_t left_ms = session->began_ms + rules->max_ms - loop_now_ms(call->control->loop);
    char ends[CLOCK_TEXT_SIZE];

    return json_pack("{ss ss ss sI ss}", "account", account->name, "role",
                     account_role_name(account->role), "csrf", session->csrf, "idle_seconds",
                     (json_int_t)(rules->idle_ms / 1000), "ends",
                     clock_text(clock_wall_ms() + left_ms, ends));
}

static void set_cookie(struct call *call, const char *token)
{
    char cookie[COOKIE_SIZE];

    cookie_text(token, call->control->access->is_plain, cookie);
    http_request_set_header(call->request, "Set-Cookie", cookie);
    secret_wipe(cookie, sizeof(cookie));
}

void sign_in_answer(struct call *call, const struct account *account)
{
    struct access *access = call->control->access;
    char token[RANDOM_TOKEN_SIZE];
    const struct session *session;
    json_t *body;

    if (*call->session) /* the browser forgets its cookie for the new one */
        (void)sessions_end(access->sessions, call->session, SESSION_LOGGED_OUT);
    session = access_begin(access, account, call->client, token);
    if (!session) {
        call_refuse(call, 503, "try-later", "there is no randomness");
        return;
    }
    set_cookie(call, token);
    secret_wipe(token, sizeof(token));
    body = describe(call, session, account);
    if (body)
        call_answer(call, 201, body);
    else
        call_refuse_memory(call);
}

/* ---- POST /sessions ---- */

static void attempt_free(struct attempt *attempt)
{
    free(attempt->key);
    free(attempt);
}

/* The account if it is still the one whose password was checked. */
static const struct account *checked_account(const struct attempt *attempt, const char *hash)
{
    const struct account *account =
        attempt->account != 0 ? registry_account(attempt->call->control->registry, attempt->account)
                              : NULL;

    return account && strcmp(account->hash, hash) == 0 ? account : NULL;
}

static void on_checked(const struct hasher_answer *answer, void *arg)
{
    struct attempt *attempt = arg;
    struct call *call = attempt->call;
    const struct account *account = checked_account(attempt, answer->hash);

    if (answer->err < 0) {
        sign_in_give_back(call, attempt->key, false);
        sign_in_refuse_hash(call, answer->err);
    } else if (answer->matches && account) {
        sign_in_give_back(call, attempt->key, true);
        sign_in_answer(call, account);
    } else {
        access_failed(call->control->access, "log-in failed", account, call->client);
        call_refuse(call, 401, "login", "the name or the password is wrong");
    }
    attempt_free(attempt);
}

static void check(struct attempt *attempt, const char *typed)
{
    struct call *call = attempt->call;
    const struct account *account = registry_account(call->control->registry, attempt->account);
    char password[ACCOUNT_PASSWORD_SIZE];
    int err;

    if (names_compose(typed, false, password, sizeof(password)) < 0) {
        account = NULL; /* longer than any: it is checked as long as the others, in vain */
        *password = '\0';
    }
    err = hasher_check(call->control->access->hasher, password, account ? account->hash : NULL,
                       on_checked, attempt);
    secret_wipe(password, sizeof(password));
    if (err == 0)
        return;
    sign_in_give_back(call, attempt->key, false);
    sign_in_refuse_hash(call, err);
    attempt_free(attempt);
}

void serve_session_post(struct call *call)
{
    const char *name = json_string_value(json_object_get(call->body, "name"));
    const char *password = json_string_value(json_object_get(call->body, "password"));
    const struct account *account;
    struct attempt *attempt;

    if (!name || !password || json_object_size(call->body) != 2 || strlen(name) > NAME_MAX_BYTES) {
        call_refuse(call, 422, "invalid", "a name and a password are expected");
        return;
    }
    attempt = calloc(1, sizeof(*attempt));
    if (!attempt || !(attempt->key = names_key(name))) {
        free(attempt);
        call_refuse_memory(call);
        return;
    }
    attempt->call = call;
    account = registry_account_named(call->control->registry, name);
    attempt->account = account ? account->id : 0;
    if (sign_in_may_try(call, attempt->key))
        check(attempt, password);
    else
        attempt_free(attempt);
}

/* ---- /sessions/current ---- */

static const struct session *own_session(const struct call *call)
{
    return sessions_named(call->control->access->sessions, call->session);
}

void serve_current_get(struct call *call)
{
    const struct account *account = registry_account(call->control->registry, call->account);
    json_t *body = describe(call, own_session(call), account);

    if (body)
        call_answer(call, 200, body);
    else
        call_refuse_memory(call);
}

void serve_current_delete(struct call *call)
{
    (void)sessions_end(call->control->access->sessions, call->session, SESSION_LOGGED_OUT);
    set_cookie(call, NULL);
    call_answer(call, 204, NULL);
}
