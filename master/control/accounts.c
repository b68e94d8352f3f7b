/* master/control/accounts.c: accounts of the console, for administrators and posternctl.
 *
 * What the console asks for never takes the last administrator away; whoever may use the control
 * socket may do that too, as he can always make another. A new password, another role and the end
 * of an account end its sessions at once. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/secret.h"
#include "master/control/access.h"
#include "master/control/call.h"
#include "master/control/control_private.h"
#include "master/control/routes.h"
#include "master/control/sign_in.h"

struct order {
    struct call *call;
    uint32_t id;
    char *name;
    enum account_role role; /* that it gets; of a put also: that it had */
    enum account_role role_before;
};

static enum registry_account_how how_of(const struct call *call)
{
    return call->door == DOOR_CONSOLE ? REGISTRY_ACCOUNT_KEEP_ADMIN : REGISTRY_ACCOUNT_FREELY;
}

/* ---- shown ---- */

static void answer_account(struct call *call, int status, uint32_t id)
{
    const struct account *account = registry_account(call->control->registry, id);
    json_t *body = account ? account_to_json(account) : NULL;

    if (!account) {
        call_refuse(call, 404, "not_found", "there is no account %u", id);
        return;
    }
    call_set_version(call, account->version);
    if (body)
        call_answer(call, status, body);
    else
        call_refuse_memory(call);
}

void serve_accounts_get(struct call *call)
{
    const struct registry *registry = call->control->registry;
    const char *name = http_request_query(call->request, "name");
    const struct account *only = name ? registry_account_named(registry, name) : NULL;
    json_t *list = json_array();

    for (size_t i = 0; i < registry_account_count(registry); i++) {
        const struct account *account = registry_account_at(registry, i);

        if (name && account != only)
            continue;
        if (json_array_append_new(list, account_to_json(account)) < 0) {
            json_decref(list);
            call_refuse_memory(call);
            return;
        }
    }
    call_answer(call, 200, json_pack("{s:o}", "accounts", list));
}

void serve_account_get(struct call *call)
{
    uint32_t id = call_number(call, "account");

    if (id != 0)
        answer_account(call, 200, id);
}

/* ---- orders ---- */

/* NULL: refused. */
static struct order *order_new(struct call *call, uint32_t id)
{
    struct order *order = calloc(1, sizeof(*order));

    if (!order) {
        call_refuse_memory(call);
        return NULL;
    }
    order->call = call;
    order->id = id;
    return order;
}

static void order_free(struct order *order)
{
    free(order->name);
    free(order);
}

/* False: refused, and freed. */
static bool has_passed(struct order *order, const struct problems *problems)
{
    if (!problems_any(problems))
        return true;
    call_refuse_invalid(order->call, problems, "account");
    order_free(order);
    return false;
}

static void give_up(struct order *order, int err)
{
    sign_in_refuse_hash(order->call, err);
    order_free(order);
}

/* Of the account that the order is about; the one who asks keeps his own. */
static void end_sessions(const struct order *order, enum session_end why)
{
    const struct call *call = order->call;

    (void)sessions_end_account(call->control->access->sessions, order->id,
                               why == SESSION_PASSWORD_CHANGED ? call->session : NULL, why);
}

/* ---- POST /accounts ---- */

static void on_added(struct registry_answer *answer, void *arg)
{
    struct order *order = arg;

    access_look(order->call->control->access);
    if (answer->result == REGISTRY_OK)
        answer_account(order->call, 201, answer->id);
    else
        call_refuse_registry(order->call, answer, "account", NULL);
    order_free(order);
}

static void on_hashed_for_new(const struct hasher_answer *answer, void *arg)
{
    struct order *order = arg;
    struct call *call = order->call;

    if (answer->err < 0)
        give_up(order, answer->err);
    else
        registry_account_add(call->control->registry, order->name, order->role, answer->hash,
                             REGISTRY_ACCOUNT_FREELY, &call->actor, on_added, order);
}

static void read_new(struct order *order, char *password, struct problems *problems)
{
    static const char *const members[] = { "name", "role", "password", NULL };
    const json_t *body = order->call->body;

    account_refuse_unknown(body, members, problems);
    order->name = account_read_name(body, problems);
    (void)account_read_role(body, &order->role, problems);
    (void)account_read_password(body, "password", order->name, password, problems);
    if (order->name)
        (void)registry_account_check(order->call->control->registry, 0, order->name, problems);
}

void serve_account_post(struct call *call)
{
    struct order *order = order_new(call, 0);
    char password[ACCOUNT_PASSWORD_SIZE] = "";
    struct problems problems;
    int err;

    if (!order)
        return;
    if (problems_init(&problems) < 0) {
        order_free(order);
        call_refuse_memory(call);
        return;
    }
    read_new(order, password, &problems);
    if (has_passed(order, &problems)) {
        err = hasher_make(call->control->access->hasher, password, on_hashed_for_new, order);
        if (err < 0)
            give_up(order, err);
    }
    secret_wipe(password, sizeof(password));
    problems_done(&problems);
}

/* ---- PUT /accounts/{id} ---- */

static void on_put(struct registry_answer *answer, void *arg)
{
    struct order *order = arg;

    if (answer->result == REGISTRY_OK) {
        if (order->role != order->role_before)
            end_sessions(order, SESSION_ROLE_CHANGED);
        answer_account(order->call, 200, order->id);
    } else {
        call_refuse_registry(order->call, answer, "account", NULL);
    }
    order_free(order);
}

/* The version that the body names, or else If-Match. False: they are not the same, or none. */
static bool read_version(const struct call *call, uint64_t *ret_version, struct problems *problems)
{
    const json_t *value = json_object_get(call->body, "version");

    *ret_version = call->if_match;
    if (!value)
        return true;
    if (!json_is_integer(value) || json_integer_value(value) <= 0) {
        problem_add(problems, "version", value, "as it was shown, or left out",
                    "is not a number of ours");
        return true;
    }
    *ret_version = (uint64_t)json_integer_value(value);
    return call->if_match == 0 || call->if_match == *ret_version;
}

/* The account as it is now; NULL: refused. */
static const struct account *find(struct call *call)
{
    uint32_t id = call_number(call, "account");
    const struct account *account = id != 0 ? registry_account(call->control->registry, id) : NULL;

    if (id != 0 && !account)
        call_refuse(call, 404, "not_found", "there is no account %u", id);
    return account;
}

static void read_changed(struct order *order, struct problems *problems)
{
    static const char *const members[] = { "name",    "role",    "id",         "version",
                                           "created", "changed", "last_login", NULL };
    const json_t *body = order->call->body;

    account_refuse_unknown(body, members, problems);
    order->name = account_read_name(body, problems);
    (void)account_read_role(body, &order->role, problems);
    if (order->name)
        (void)registry_account_check(order->call->control->registry, order->id, order->name,
                                     problems);
}

void serve_account_put(struct call *call)
{
    const struct account *account = call_has_precondition(call) ? find(call) : NULL;
    struct order *order = account ? order_new(call, account->id) : NULL;
    struct problems problems;
    uint64_t version;

    if (!order)
        return;
    order->role_before = account->role;
    if (problems_init(&problems) < 0) {
        order_free(order);
        call_refuse_memory(call);
        return;
    }
    read_changed(order, &problems);
    if (!read_version(call, &version, &problems)) {
        call_refuse(call, 412, "stale", "If-Match and \"version\" are not the same");
        order_free(order);
    } else if (has_passed(order, &problems)) {
        registry_account_put(call->control->registry, order->id, order->name, order->role, version,
                             how_of(call), &call->actor, on_put, order);
    }
    problems_done(&problems);
}

/* ---- DELETE /accounts/{id} ---- */

static void on_deleted(struct registry_answer *answer, void *arg)
{
    struct order *order = arg;

    if (answer->result == REGISTRY_OK) {
        end_sessions(order, SESSION_ACCOUNT_DELETED);
        access_look(order->call->control->access);
        call_answer(order->call, 204, NULL);
    } else {
        call_refuse_registry(order->call, answer, "account", NULL);
    }
    order_free(order);
}

void serve_account_delete(struct call *call)
{
    const struct account *account = find(call);
    struct order *order = account ? order_new(call, account->id) : NULL;

    if (order)
        registry_account_delete(call->control->registry, order->id, call->if_match, how_of(call),
                                &call->actor, on_deleted, order);
}

/* ---- POST /accounts/{id}/password ---- */

static void on_password(struct registry_answer *answer, void *arg)
{
    struct order *order = arg;

    if (answer->result == REGISTRY_OK) {
        end_sessions(order, SESSION_PASSWORD_CHANGED);
        call_answer(order->call, 204, NULL);
    } else {
        call_refuse_registry(order->call, answer, "account", NULL);
    }
    order_free(order);
}

static void on_hashed_for_password(const struct hasher_answer *answer, void *arg)
{
    struct order *order = arg;
    struct call *call = order->call;

    if (answer->err < 0)
        give_up(order, answer->err);
    else
        registry_account_password(call->control->registry, order->id, answer->hash, NULL,
                                  &call->actor, on_password, order);
}

void serve_account_password(struct call *call)
{
    static const char *const members[] = { "password", NULL };
    const struct account *account = find(call);
    struct order *order = account ? order_new(call, account->id) : NULL;
    char password[ACCOUNT_PASSWORD_SIZE] = "";
    struct problems problems;
    int err;

    if (!order)
        return;
    if (problems_init(&problems) < 0) {
        order_free(order);
        call_refuse_memory(call);
        return;
    }
    account_refuse_unknown(call->body, members, &problems);
    (void)account_read_password(call->body, "password", account->name, password, &problems);
    if (has_passed(order, &problems)) {
        err = hasher_make(call->control->access->hasher, password, on_hashed_for_password, order);
        if (err < 0)
            give_up(order, err);
    }
    secret_wipe(password, sizeof(password));
    problems_done(&problems);
}
