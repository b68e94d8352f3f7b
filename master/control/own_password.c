/* master/control/own_password.c: a new password for whoever is logged in, who shows the old one. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/names.h"
#include "common/secret.h"
#include "master/control/access.h"
#include "master/control/call.h"
#include "master/control/control_private.h"
#include "master/control/routes.h"
#include "master/control/sign_in.h"

struct change {
    struct call *call;
    char password[ACCOUNT_PASSWORD_SIZE]; /* the new one */
    char hash[HASHER_TEXT_SIZE];          /* of the old one */
    char *key;                            /* the account's name as it is compared */
};

static void change_free(struct change *change)
{
    secret_wipe(change->password, sizeof(change->password));
    free(change->key);
    free(change);
}

static void on_stored(struct registry_answer *answer, void *arg)
{
    struct change *change = arg;
    struct call *call = change->call;

    if (answer->result == REGISTRY_OK) {
        (void)sessions_end_account(call->control->access->sessions, call->account, call->session,
                                   SESSION_PASSWORD_CHANGED);
        call_answer(call, 204, NULL);
    } else {
        call_refuse_registry(call, answer, "password", NULL);
    }
    change_free(change);
}

static void give_up(struct change *change, int err)
{
    sign_in_refuse_hash(change->call, err);
    change_free(change);
}

static void on_made(const struct hasher_answer *answer, void *arg)
{
    struct change *change = arg;
    struct call *call = change->call;

    if (answer->err < 0)
        give_up(change, answer->err);
    else
        registry_account_password(call->control->registry, call->account, answer->hash,
                                  change->hash, &call->actor, on_stored, change);
}

static void refuse_wrong(struct call *call)
{
    const struct account *account = registry_account(call->control->registry, call->account);
    struct problems problems;

    access_failed(call->control->access, "wrong password for a new one", account, call->client);
    if (problems_init(&problems) < 0) {
        call_refuse_memory(call);
        return;
    }
    problem_add(&problems, "old", NULL, NULL, "is not the password of this account");
    call_refuse_invalid(call, &problems, "password");
    problems_done(&problems);
}

static void on_checked(const struct hasher_answer *answer, void *arg)
{
    struct change *change = arg;
    struct call *call = change->call;
    int err = answer->err;

    if (err == 0 && !answer->matches) {
        refuse_wrong(call);
        change_free(change);
        return;
    }
    sign_in_give_back(call, change->key, false);
    if (err == 0)
        err = hasher_make(call->control->access->hasher, change->password, on_made, change);
    if (err < 0)
        give_up(change, err);
}

/* `change` has the new password. */
static void check_old(struct change *change, const char *typed)
{
    struct call *call = change->call;
    const struct account *account = registry_account(call->control->registry, call->account);
    char password[ACCOUNT_PASSWORD_SIZE];
    int err;

    change->key = strdup(account->key);
    if (!change->key) {
        give_up(change, -ENOMEM);
        return;
    }
    if (!sign_in_may_try(call, change->key)) {
        change_free(change);
        return;
    }
    (void)snprintf(change->hash, sizeof(change->hash), "%s", account->hash);
    if (names_compose(typed, false, password, sizeof(password)) < 0)
        *password = '\0'; /* which is nobody's */
    err = hasher_check(call->control->access->hasher, password, change->hash, on_checked, change);
    secret_wipe(password, sizeof(password));
    if (err == 0)
        return;
    sign_in_give_back(call, change->key, false);
    give_up(change, err);
}

void serve_current_password(struct call *call)
{
    static const char *const members[] = { "old", "new", NULL };
    const struct account *account = registry_account(call->control->registry, call->account);
    const char *old = json_string_value(json_object_get(call->body, "old"));
    struct change *change = calloc(1, sizeof(*change));
    struct problems problems;

    if (!change || problems_init(&problems) < 0) {
        free(change);
        call_refuse_memory(call);
        return;
    }
    change->call = call;
    account_refuse_unknown(call->body, members, &problems);
    if (!old)
        problem_add(&problems, "old", NULL, NULL, "is missing, or no text");
    (void)account_read_password(call->body, "new", account->name, change->password, &problems);
    if (problems_any(&problems)) {
        call_refuse_invalid(call, &problems, "password");
        change_free(change);
    } else {
        check_old(change, old);
    }
    problems_done(&problems);
}
