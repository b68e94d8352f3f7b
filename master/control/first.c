/* master/control/first.c: the first account, by the code in the log. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/secret.h"
#include "master/control/access.h"
#include "master/control/call.h"
#include "master/control/control_private.h"
#include "master/control/routes.h"
#include "master/control/sign_in.h"

struct first {
    struct call *call;
    char *name;
};

static bool is_needed(const struct call *call)
{
    return registry_account_count(call->control->registry) == 0;
}

void serve_first_get(struct call *call)
{
    call_answer(call, 200, json_pack("{sb}", "needed", is_needed(call)));
}

static void refuse_not_needed(struct call *call)
{
    call_refuse(call, 409, "not_needed", "there is an account already: log in with it");
}

static void first_free(struct first *first)
{
    free(first->name);
    free(first);
}

static void on_stored(struct registry_answer *answer, void *arg)
{
    struct first *first = arg;
    struct call *call = first->call;
    const struct account *account = registry_account(call->control->registry, answer->id);

    access_look(call->control->access);
    if (answer->result == REGISTRY_OK && account)
        sign_in_answer(call, account);
    else if (answer->result == REGISTRY_STALE)
        refuse_not_needed(call);
    else
        call_refuse_registry(call, answer, "account", NULL);
    first_free(first);
}

static void on_hashed(const struct hasher_answer *answer, void *arg)
{
    struct first *first = arg;
    struct call *call = first->call;

    if (answer->err == 0) {
        registry_account_add(call->control->registry, first->name, ACCOUNT_ADMIN, answer->hash,
                             REGISTRY_ACCOUNT_FIRST, &call->actor, on_stored, first);
        return;
    }
    sign_in_refuse_hash(call, answer->err);
    first_free(first);
}

/* Takes `name` over. */
static void make_account(struct call *call, char *name, const char *password)
{
    struct first *first = calloc(1, sizeof(*first));
    int err = -ENOMEM;

    if (first) {
        *first = (struct first){ .call = call, .name = name };
        err = hasher_make(call->control->access->hasher, password, on_hashed, first);
    }
    if (err == 0)
        return;
    sign_in_refuse_hash(call, err);
    free(name);
    free(first);
}

/* False: the call was refused. */
static bool check_code(struct call *call)
{
    const char *code = json_string_value(json_object_get(call->body, "code"));

    if (!is_needed(call)) {
        refuse_not_needed(call);
        return false;
    }
    if (!sign_in_may_try(call, NULL))
        return false;
    if (!code || !first_code_is(&call->control->access->first, code)) {
        access_failed(call->control->access, "wrong code for the first account", NULL,
                      call->client);
        call_refuse(call, 401, "code", "the code is wrong: the newest one in the log counts");
        return false;
    }
    sign_in_give_back(call, NULL, false);
    return true;
}

void serve_first_post(struct call *call)
{
    static const char *const members[] = { "code", "name", "password", NULL };
    char password[ACCOUNT_PASSWORD_SIZE];
    struct problems problems;
    bool is_good;
    char *name;

    if (!check_code(call))
        return;
    if (problems_init(&problems) < 0) {
        call_refuse_memory(call);
        return;
    }
    account_refuse_unknown(call->body, members, &problems);
    name = account_read_name(call->body, &problems);
    (void)account_read_password(call->body, "password", name, password, &problems);
    is_good = !problems_any(&problems);
    if (is_good) {
        make_account(call, name, password);
    } else {
        call_refuse_invalid(call, &problems, "account");
        free(name);
    }
    secret_wipe(password, sizeof(password));
    problems_done(&problems);
}
