/* master/registry_account.c: accounts of the console: found, put, deleted; who logged in.
 *
 * They are no part of the state that workers, rules and imports are about: a log-in makes no import
 * stale. One record each; ids and versions have a counter of their own (docs/store.md). They never
 * leave by an export. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/names.h"
#include "master/registry_private.h"

#define COUNTERS "accounts" /* in the table meta */

static struct account *account_at(const struct registry *registry, size_t index)
{
    return registry->accounts.items[index];
}

size_t registry_account_count(const struct registry *registry)
{
    return registry->accounts.count;
}

const struct account *registry_account_at(const struct registry *registry, size_t index)
{
    return account_at(registry, index);
}

/* The count of the list: there is none. */
static size_t find(const struct registry *registry, uint32_t id)
{
    size_t i = 0;

    while (i < registry->accounts.count && account_at(registry, i)->id != id)
        i++;
    return i;
}

const struct account *registry_account(const struct registry *registry, uint32_t id)
{
    size_t at = find(registry, id);

    return at < registry->accounts.count ? account_at(registry, at) : NULL;
}

static const struct account *find_key(const struct registry *registry, const char *key)
{
    for (size_t i = 0; i < registry->accounts.count; i++) {
        if (strcmp(account_at(registry, i)->key, key) == 0)
            return account_at(registry, i);
    }
    return NULL;
}

const struct account *registry_account_named(const struct registry *registry, const char *name)
{
    char *key = names_key(name);
    const struct account *found = key != NULL ? find_key(registry, key) : NULL;

    free(key);
    return found;
}

unsigned registry_account_admins(const struct registry *registry)
{
    unsigned count = 0;

    for (size_t i = 0; i < registry->accounts.count; i++)
        count += account_at(registry, i)->role == ACCOUNT_ADMIN;
    return count;
}

/* ---- a change ---- */

static enum registry_result short_of_memory(struct request *request)
{
    return request_fail(request, REGISTRY_STORE, -ENOMEM, "out of memory");
}

/* When the store has it there is no way back: there must be room in the list before. */
static int make_room(struct pointers *list)
{
    if (pointers_insert(list, list->count, NULL) < 0)
        return -ENOMEM;
    pointers_remove(list, list->count - 1);
    return 0;
}

static void write_account(struct request *request)
{
    request_write_number(request, STORE_ACCOUNTS, request->account->id,
                         account_to_record(request->account, REGISTRY_FORMAT));
}

/* The account gets its number and its version, and is written. */
static enum registry_result write_next(struct registry *registry, struct request *request)
{
    struct account *account = request->account;
    uint32_t last = registry->last_account;

    if (account->id == 0 && last == UINT32_MAX)
        return request_fail(request, REGISTRY_STORE, -EOVERFLOW, "no id is left");
    if (make_room(&registry->accounts) < 0)
        return short_of_memory(request);
    if (account->id == 0)
        account->id = ++last;
    account->version = registry->last_account_version + 1;
    account->changed_ms = clock_wall_ms();
    if (account->created_ms == 0)
        account->created_ms = account->changed_ms;
    request->answer.id = account->id;
    request->answer.version = account->version;
    write_account(request);
    request_write(request, STORE_META, REGISTRY_ACCOUNT_COUNTERS,
                  json_pack("{si sI sI}", "v", REGISTRY_FORMAT, "account", (json_int_t)last,
                            "version", (json_int_t)account->version));
    return REGISTRY_OK;
}

/* In order of names. */
static void insert(struct registry *registry, struct account *account)
{
    size_t at = 0;

    while (at < registry->accounts.count && strcmp(account_at(registry, at)->key, account->key) < 0)
        at++;
    (void)pointers_insert(&registry->accounts, at, account); /* there is room */
}

int registry_take_account(struct registry *registry, struct account *account)
{
    if (find_key(registry, account->key) != NULL)
        return -EEXIST;
    if (make_room(&registry->accounts) < 0)
        return -ENOMEM;
    insert(registry, account);
    return 0;
}

/* Present and next change places: what is not current any more is freed with the request. */
static void after_write(struct registry *registry, struct request *request)
{
    struct account *next = request->account;
    size_t at = find(registry, next->id);

    if (!request->is_committed)
        return;
    request->account = NULL;
    if (at < registry->accounts.count) {
        request->account = account_at(registry, at);
        pointers_remove(&registry->accounts, at);
    }
    insert(registry, next);
    if (next->id > registry->last_account)
        registry->last_account = next->id;
    if (next->version > registry->last_account_version)
        registry->last_account_version = next->version;
}

static bool check_free(const struct registry *registry, uint32_t id, const char *name,
                       struct problems *problems)
{
    const struct account *other = registry_account_named(registry, name);

    if (other == NULL || other->id == id)
        return true;
    problem_add(problems, "name", NULL, NULL, "there is an account of this name");
    return false;
}

bool registry_account_check(const struct registry *registry, uint32_t id, const char *name,
                            struct problems *problems)
{
    if (id != 0 || registry->accounts.count < REGISTRY_MAX_ACCOUNTS)
        return check_free(registry, id, name, problems);
    problem_add(problems, "", NULL, NULL, "there are %u accounts already", REGISTRY_MAX_ACCOUNTS);
    return false;
}

/* NULL with the result: it is not there, or not the one that was read. */
static const struct account *present(struct registry *registry, struct request *request,
                                     enum registry_result *ret_result)
{
    const struct account *now = registry_account(registry, request->id);

    *ret_result = now == NULL ? REGISTRY_NOT_FOUND : REGISTRY_STALE;
    if (now == NULL || (request->if_match != 0 && request->if_match != now->version))
        return NULL;
    *ret_result = REGISTRY_OK;
    return now;
}

/* What comes after `now`: what was asked for takes its place, with what stays of it. */
static bool succeed(struct request *request, const struct account *now, const char *name,
                    enum account_role role, const char *hash)
{
    struct account *next = account_new(name, role, hash);

    if (next == NULL)
        return false;
    next->id = now->id;
    next->version = now->version;
    next->created_ms = now->created_ms;
    next->changed_ms = now->changed_ms;
    next->last_login_ms = now->last_login_ms;
    account_free(&request->account);
    request->account = next;
    return true;
}

static bool would_lose_admin(const struct registry *registry, const struct request *request,
                             const struct account *now)
{
    return request->account_how == REGISTRY_ACCOUNT_KEEP_ADMIN && now->role == ACCOUNT_ADMIN &&
           registry_account_admins(registry) == 1;
}

/* ---- add ---- */

static enum registry_result prepare_add(struct registry *registry, struct request *request)
{
    const struct account *account = request->account;
    char detail[32];

    if (account == NULL)
        return short_of_memory(request);
    if (request->account_how == REGISTRY_ACCOUNT_FIRST && registry->accounts.count > 0)
        return REGISTRY_STALE;
    if (!registry_account_check(registry, 0, account->name, &request->answer.problems))
        return REGISTRY_INVALID;
    (void)snprintf(detail, sizeof(detail), "role: %s", account_role_name(account->role));
    request_audit(request, "account created", account->name, detail);
    return write_next(registry, request);
}

void registry_account_add(struct registry *registry, const char *name, enum account_role role,
                          const char *hash, enum registry_account_how how,
                          const struct registry_actor *actor, registry_done_cb *done, void *arg)
{
    struct request *request = request_new(registry, prepare_add, actor, done, arg);

    request->account = account_new(name, role, hash);
    request->account_how = how;
    request->after = after_write;
    request_submit(request);
}

/* ---- put ---- */

static enum registry_result prepare_put(struct registry *registry, struct request *request)
{
    const struct account *wanted = request->account;
    enum registry_result result;
    const struct account *now = present(registry, request, &result);
    json_t *before, *after;
    char detail[64];

    if (now == NULL)
        return result;
    if (wanted == NULL)
        return short_of_memory(request);
    if (wanted->role != ACCOUNT_ADMIN && would_lose_admin(registry, request, now))
        return REGISTRY_LAST_ADMIN;
    if (!registry_account_check(registry, now->id, wanted->name, &request->answer.problems))
        return REGISTRY_INVALID;
    if (!succeed(request, now, wanted->name, wanted->role, now->hash))
        return short_of_memory(request);
    before = account_to_json(now);
    after = account_to_json(request->account);
    audit_describe(before, after, detail, sizeof(detail));
    json_decref(before);
    json_decref(after);
    request_audit(request, "account changed", now->name, detail);
    return write_next(registry, request);
}

void registry_account_put(struct registry *registry, uint32_t id, const char *name,
                          enum account_role role, uint64_t if_match, enum registry_account_how how,
                          const struct registry_actor *actor, registry_done_cb *done, void *arg)
{
    struct request *request = request_new(registry, prepare_put, actor, done, arg);

    request->id = id;
    request->if_match = if_match;
    request->account = account_new(name, role, "");
    request->account_how = how;
    request->after = after_write;
    request_submit(request);
}

/* ---- password ---- */

static enum registry_result prepare_password(struct registry *registry, struct request *request)
{
    const struct account *wanted = request->account;
    enum registry_result result;
    const struct account *now = present(registry, request, &result);
    const char *expected = json_string_value(request->input);

    if (now == NULL)
        return result;
    if (expected != NULL && strcmp(expected, now->hash) != 0)
        return REGISTRY_STALE;
    if (wanted == NULL || !succeed(request, now, now->name, now->role, wanted->hash))
        return short_of_memory(request);
    request_audit(request, "password changed", now->name, NULL);
    return write_next(registry, request);
}

void registry_account_password(struct registry *registry, uint32_t id, const char *hash,
                               const char *expected, const struct registry_actor *actor,
                               registry_done_cb *done, void *arg)
{
    struct request *request = request_new(registry, prepare_password, actor, done, arg);

    request->id = id;
    request->account = account_new("", ACCOUNT_VIEWER, hash);
    request->input = expected != NULL ? json_string(expected) : NULL;
    request->after = after_write;
    request_submit(request);
}

/* ---- delete ---- */

static enum registry_result prepare_delete(struct registry *registry, struct request *request)
{
    enum registry_result result;
    const struct account *now = present(registry, request, &result);

    if (now == NULL)
        return result;
    if (would_lose_admin(registry, request, now))
        return REGISTRY_LAST_ADMIN;
    request_delete_number(request, STORE_ACCOUNTS, now->id);
    request_audit(request, "account deleted", now->name, NULL);
    return REGISTRY_OK;
}

static void after_delete(struct registry *registry, struct request *request)
{
    size_t at = find(registry, request->id);

    if (!request->is_committed || at == registry->accounts.count)
        return;
    request->account = account_at(registry, at);
    pointers_remove(&registry->accounts, at);
}

void registry_account_delete(struct registry *registry, uint32_t id, uint64_t if_match,
                             enum registry_account_how how, const struct registry_actor *actor,
                             registry_done_cb *done, void *arg)
{
    struct request *request = request_new(registry, prepare_delete, actor, done, arg);

    request->id = id;
    request->if_match = if_match;
    request->account_how = how;
    request->after = after_delete;
    request_submit(request);
}

/* ---- log-ins ---- */

/* The version stays: nobody's edit is stale because of a log-in. */
static enum registry_result prepare_login(struct registry *registry, struct request *request)
{
    const struct account *now = registry_account(registry, request->id);

    if (now == NULL) /* deleted meanwhile: the entry is all there is to write */
        return REGISTRY_OK;
    if (make_room(&registry->accounts) < 0 ||
        !succeed(request, now, now->name, now->role, now->hash))
        return short_of_memory(request);
    request->account->last_login_ms = request->login_ms;
    request->after = after_write;
    write_account(request);
    return REGISTRY_OK;
}

void registry_account_login(struct registry *registry, uint32_t id, const char *detail,
                            const struct registry_actor *actor)
{
    const struct account *now = registry_account(registry, id);
    struct request *request = request_new(registry, prepare_login, actor, NULL, NULL);

    request->id = id;
    request->login_ms = clock_wall_ms();
    request_audit(request, "logged in", now != NULL ? now->name : "", detail);
    request_submit(request);
}
