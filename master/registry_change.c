/* master/registry_change.c: the one road of every change.
 *
 *   submit -> (its turn) prepare: a draft -> I/O thread: records, commit -> the draft is current
 *          -> watchers -> done
 *
 * One request is under way at a time, so that what it was checked against is what it replaces, and
 * the I/O thread may read the present state: nobody else changes it meanwhile. */
#include <errno.h>
#include <stdlib.h>

#include "common/log.h"
#include "common/loop.h"
#include "common/oom.h"
#include "master/io_thread.h"
#include "master/registry_private.h"

struct request *request_new(struct registry *registry, request_prepare *prepare,
                            const struct registry_actor *actor, registry_done_cb *done, void *arg)
{
    struct request *request = calloc(1, sizeof(*request));

    if (request == NULL || problems_init(&request->answer.problems) < 0)
        oom_exit("registry", "a change");
    request->registry = registry;
    request->prepare = prepare;
    request->work = request_store;
    request->done = done;
    request->arg = arg;
    if (actor != NULL)
        request->actor = *actor;
    return request;
}

void request_free(struct request *request)
{
    for (size_t i = 0; i < request->change_count; i++)
        free(request->changes[i].value);
    free(request->changes);
    draft_free(&request->draft, request->is_committed);
    json_decref(request->audit);
    json_decref(request->input);
    json_decref(request->drained);
    profile_free(&request->profile);
    account_free(&request->account);
    registry_import_free(&request->import);
    registry_import_free(&request->answer.import);
    secret_wipe(&request->keys, sizeof(request->keys));
    problems_done(&request->answer.problems);
    free(request);
}

static void log_unwritten(const struct request *request)
{
    const json_t *entry = json_array_get(request->audit, 0);

    log_error("registry", "an audit entry could not be written",
              LOG_STR("who", request->actor.text),
              LOG_STR("what", json_string_value(json_object_get(entry, "what"))),
              LOG_STR("object", json_string_value(json_object_get(entry, "object"))),
              LOG_STR("reason", request->answer.why.text));
}

static void tell(struct request *request)
{
    if (request->done != NULL)
        request->done(&request->answer, request->arg);
    else if (request->answer.result != REGISTRY_OK && request->audit != NULL)
        log_unwritten(request);
}

static void answer(struct request *request, enum registry_result result)
{
    request->answer.result = result;
    tell(request);
    request_free(request);
}

enum registry_result request_fail(struct request *request, enum registry_result result, int err,
                                  const char *text)
{
    (void)reason_set(&request->answer.why, err, "%s", text);
    return result;
}

static bool read_number(const json_t *input, const char *name, json_int_t max, json_int_t *ret,
                        struct problems *problems)
{
    const json_t *value = json_object_get(input, name);

    *ret = 0;
    if (value == NULL || json_is_null(value))
        return true;
    *ret = json_integer_value(value);
    if (json_is_integer(value) && *ret >= 0 && *ret <= max)
        return true;
    problem_add(problems, name, value, "as it was shown, or left out", "is not a number of ours");
    return false;
}

bool registry_read_numbers(const json_t *input, uint32_t *ret_id, uint64_t *ret_version,
                           struct problems *problems)
{
    json_int_t id, version;
    bool good = read_number(input, "id", UINT32_MAX, &id, problems);

    good &= read_number(input, "version", INT64_MAX, &version, problems);
    *ret_id = (uint32_t)id;
    *ret_version = (uint64_t)version;
    return good;
}

enum registry_result request_check_version(struct request *request, uint64_t present)
{
    uint64_t named;
    uint32_t id;

    if (!registry_read_numbers(request->input, &id, &named, &request->answer.problems))
        return REGISTRY_INVALID;
    if ((named != 0 && named != present) ||
        (request->if_match != 0 && request->if_match != present))
        return REGISTRY_STALE;
    return REGISTRY_OK;
}

/* An audit entry tells of what was done already: it waits longer than a change. */
static bool is_too_late_or_many(const struct request *request)
{
    const struct registry *registry = request->registry;

    if (request->done == NULL)
        return registry->waiting_count >= 10 * REGISTRY_MAX_WAITING;
    return registry->is_stopping || registry->waiting_count >= REGISTRY_MAX_WAITING;
}

void request_submit(struct request *request)
{
    struct registry *registry = request->registry;

    request->is_refused = is_too_late_or_many(request);
    TAILQ_INSERT_TAIL(&registry->waiting, request, link);
    registry->waiting_count++;
    if (registry->running == NULL)
        loop_timer_set_ms(registry->kick, 0);
}

static struct request *take_waiting(struct registry *registry)
{
    struct request *request = TAILQ_FIRST(&registry->waiting);

    if (request == NULL)
        return NULL;
    TAILQ_REMOVE(&registry->waiting, request, link);
    registry->waiting_count--;
    return request;
}

static void refuse(struct request *request)
{
    const char *why = request->registry->is_stopping ? "Postern is stopping"
                                                     : "too many changes wait to be stored";

    answer(request, request_fail(request, REGISTRY_STORE, -EBUSY, why));
}

void registry_stop(struct registry *registry)
{
    struct request *request, *next;

    registry->is_stopping = true;
    registry_announce_rest(registry);
    for (request = TAILQ_FIRST(&registry->waiting); request != NULL; request = next) {
        next = TAILQ_NEXT(request, link);
        if (request->done == NULL)
            continue;
        TAILQ_REMOVE(&registry->waiting, request, link);
        registry->waiting_count--;
        refuse(request);
    }
}

/* What was done is written down, even when nothing is done any more. */
void registry_write_last_audit(struct registry *registry)
{
    struct request *request;

    while ((request = take_waiting(registry)) != NULL) {
        if (request->audit != NULL && request_store(request) == 0)
            registry->last_audit = request->last_audit;
        request_free(request);
    }
}

/* ---- the road ---- */

int request_commit(struct request *request)
{
    int err = store_commit(request->registry->store, request->changes, request->change_count,
                           &request->answer.why);

    request->is_committed = err == 0;
    return err;
}

int request_store(struct request *request)
{
    int err = request_write_all(request);

    return err == 0 ? request_commit(request) : err;
}

static int work_in_thread(void *arg)
{
    struct request *request = arg;

    return request->work(request);
}

/* What was present is freed with the draft. */
void request_make_current(struct request *request)
{
    struct registry *registry = request->registry;
    struct draft *draft = request->draft;
    struct registry_state before = registry->now;

    registry->last_audit = request->last_audit;
    if (draft == NULL)
        return;
    registry->now = draft->next;
    draft->next = before;
    registry->generation++;
    if (draft->rules_changed || draft->settings_changed)
        registry_forget_rules_fd(registry);
    registry_watch_hidden(registry);
}

void request_conclude(struct request *request)
{
    struct registry *registry = request->registry;

    registry->running = NULL;
    tell(request);
    TAILQ_INSERT_TAIL(&registry->retired, request, link);
    loop_timer_set_ms(registry->sweep, 0);
    if (registry->waiting_count > 0)
        loop_timer_set_ms(registry->kick, 0);
}

static void on_worked(int result, void *arg)
{
    struct request *request = arg;

    if (result < 0)
        request->answer.result = REGISTRY_STORE;
    if (request->after != NULL)
        request->after(request->registry, request);
    if (request->is_committed)
        request_make_current(request);
    registry_announce(request);
}

/* True: it is with the I/O thread. */
static bool start(struct registry *registry, struct request *request)
{
    enum registry_result result = request->prepare(registry, request);
    bool has_work =
        request->draft != NULL || request->audit != NULL || request->work != request_store;

    if (result == REGISTRY_OK && has_work) {
        int err = io_thread_run(registry->io, work_in_thread, on_worked, request);

        if (err == 0) {
            registry->running = request;
            return true;
        }
        result = request_fail(request, REGISTRY_STORE, err, "out of memory");
    }
    answer(request, result);
    return false;
}

void registry_on_kick(void *arg)
{
    struct registry *registry = arg;
    struct request *request = registry->running == NULL ? take_waiting(registry) : NULL;

    if (request == NULL)
        return;
    if (request->is_refused)
        refuse(request);
    else if (start(registry, request))
        return;
    if (registry->waiting_count > 0)
        loop_timer_set_ms(registry->kick, 0);
}

void registry_on_sweep(void *arg)
{
    struct registry *registry = arg;
    struct request *request;

    while ((request = TAILQ_FIRST(&registry->retired)) != NULL) {
        TAILQ_REMOVE(&registry->retired, request, link);
        request_free(request);
    }
}
