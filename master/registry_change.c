/* master/registry_change.c: the one road of every change.
 *
 * submit -> (its turn) prepare -> I/O thread commits -> apply -> watchers -> done */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/loop.h"
#include "master/io_thread.h"
#include "master/registry_private.h"

struct request *request_new(struct registry *registry, request_prepare *prepare,
                            request_apply *apply, const struct registry_actor *actor,
                            registry_done_cb *done, void *arg)
{
    struct request *request = calloc(1, sizeof(*request));

    if (request == NULL)
        return NULL;
    if (problems_init(&request->answer.problems) < 0) {
        free(request);
        return NULL;
    }
    request->registry = registry;
    request->prepare = prepare;
    request->apply = apply;
    request->actor = *actor;
    request->done = done;
    request->arg = arg;
    return request;
}

static void free_changes(struct request *request)
{
    for (size_t i = 0; i < request->change_count; i++)
        free(request->changes[i].value);
    free(request->changes);
    request->changes = NULL;
    request->change_count = 0;
}

static void request_free(struct request *request)
{
    free_changes(request);
    json_decref(request->input);
    profile_free(&request->profile);
    registry_import_free(&request->import);
    rule_set_free(&request->rules);
    secret_wipe(&request->keys, sizeof(request->keys));
    problems_done(&request->answer.problems);
    free(request);
}

static void answer(struct request *request, enum registry_result result)
{
    request->answer.result = result;
    request->done(&request->answer, request->arg);
    request_free(request);
}

void request_submit(struct request *request)
{
    struct registry *registry = request->registry;

    TAILQ_INSERT_TAIL(&registry->waiting, request, link);
    registry->waiting_count++;
    if (registry->running == NULL)
        loop_timer_set_ms(registry->kick, 0);
}

void request_drop_all(struct registry *registry)
{
    struct request *request;

    while ((request = TAILQ_FIRST(&registry->waiting)) != NULL) {
        TAILQ_REMOVE(&registry->waiting, request, link);
        (void)reason_set(&request->answer.why, -ECANCELED, "the daemon is stopping");
        answer(request, REGISTRY_STORE);
    }
    registry->waiting_count = 0;
}

/* ---- the change set ---- */

void request_write(struct request *request, enum store_table table, const char *key, json_t *value)
{
    struct store_change *change;

    if (request->change_count == request->change_room) {
        size_t room = request->change_room * 2 + 8;
        struct store_change *grown = realloc(request->changes, room * sizeof(*grown));

        if (grown == NULL) {
            request->change_err = -ENOMEM;
            json_decref(value);
            return;
        }
        request->changes = grown;
        request->change_room = room;
    }
    change = &request->changes[request->change_count++];
    change->table = table;
    (void)snprintf(change->key, sizeof(change->key), "%s", key);
    change->value = NULL;
    if (value == NULL)
        return;
    change->value = json_dumps(value, JSON_COMPACT);
    if (change->value == NULL)
        request->change_err = -ENOMEM;
    json_decref(value);
}

void request_write_number(struct request *request, enum store_table table, uint64_t number,
                          json_t *value)
{
    char key[STORE_KEY_MAX + 1];

    if (value == NULL)
        request->change_err = -ENOMEM; /* numbers are deleted by request_write() with their key */
    store_number_key(number, key);
    request_write(request, table, key, value);
}

void request_audit(struct request *request, const char *what, const char *object,
                   const char *detail)
{
    char now[CLOCK_TEXT_SIZE];
    uint64_t number = ++request->registry->last_audit;

    clock_text(clock_wall_ms(), now);
    request_write_number(request, STORE_AUDIT, number,
                         json_pack("{si sI ss ss ss ss* ss*}", "v", REGISTRY_FORMAT, "number",
                                   (json_int_t)number, "time", now, "who", request->actor.text,
                                   "what", what, "object", object, "detail", detail));
}

uint32_t request_next_id(struct request *request)
{
    return ++request->registry->last_id;
}

uint64_t request_next_version(struct request *request)
{
    return ++request->registry->last_version;
}

/* ---- the road ---- */

static int commit(void *arg)
{
    struct request *request = arg;

    if (request->change_err != 0)
        return reason_set(&request->answer.why, request->change_err, "store: out of memory");
    if (request->work != NULL)
        return request->work(request);
    return store_commit(request->registry->store, request->changes, request->change_count,
                        &request->answer.why);
}

static void tell_watchers(struct registry *registry, const struct request *request)
{
    for (unsigned i = 0; i < registry->watcher_count; i++) {
        const struct registry_watcher *watcher = &registry->watchers[i];

        if (request->watch_profile != 0)
            watcher->cb(request->watch_profile, request->is_gone, watcher->arg);
        if (request->watch_rules)
            watcher->cb(0, false, watcher->arg);
    }
}

static void on_committed(int result, void *arg)
{
    struct request *request = arg;
    struct registry *registry = request->registry;

    registry->running = NULL;
    if (result == 0) {
        request->apply(registry, request);
        tell_watchers(registry, request);
    }
    answer(request, result == 0 ? REGISTRY_OK : REGISTRY_STORE);
    if (registry->running == NULL && registry->waiting_count > 0)
        loop_timer_set_ms(registry->kick, 0);
}

static void start_next(struct registry *registry)
{
    struct request *request = TAILQ_FIRST(&registry->waiting);
    enum registry_result result;

    if (request == NULL || registry->running != NULL)
        return;
    TAILQ_REMOVE(&registry->waiting, request, link);
    registry->waiting_count--;
    result = request->prepare(registry, request);
    if (result == REGISTRY_OK) {
        request_write(request, STORE_META, "counters",
                      json_pack("{si sI sI}", "v", REGISTRY_FORMAT, "id",
                                (json_int_t)registry->last_id, "version",
                                (json_int_t)registry->last_version));
        registry->running = request;
        if (io_thread_run(registry->io, commit, on_committed, request) == 0)
            return;
        registry->running = NULL;
        (void)reason_set(&request->answer.why, -ENOMEM, "out of memory");
        result = REGISTRY_STORE;
    }
    answer(request, result);
    if (registry->waiting_count > 0)
        loop_timer_set_ms(registry->kick, 0);
}

void registry_start_waiting(void *arg)
{
    start_next(arg);
}
