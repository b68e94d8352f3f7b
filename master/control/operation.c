/* master/control/operation.c: status, figures, workers, losses, audit, the key, settings, export.
 */
#include "master/control/access.h"
#include "master/control/call.h"
#include "master/control/control_private.h"
#include "master/control/routes.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/auto.h"
#include "common/clock.h"
#include "master/ledger.h"
#include "master/stats.h"

#define LIST_DEFAULT  100
#define AUDIT_MAX     1000
#define STATS_DEFAULT 60 /* minutes */

/* ---- status ---- */

static json_t *queue_counts(const struct control *control)
{
    json_t *counts = json_object();

    for (unsigned state = 0; state < QUEUE_STATE_COUNT; state++) {
        if (state == QUEUE_GONE)
            continue;
        json_object_set_new(counts, queue_state_name(state),
                            json_integer((json_int_t)control->backend.queue_state_count(
                                control->backend.self, state)));
    }
    return counts;
}

static json_t *all_warnings(const struct control *control)
{
    json_t *warnings = registry_warnings(control->registry);
    json_t *of_servers = control->backend.server_warnings(control->backend.self);

    if (of_servers)
        json_array_extend(warnings, of_servers);
    json_decref(of_servers);
    access_warn(control->access, warnings);
    return warnings;
}

void serve_status_get(struct call *call)
{
    const struct control_backend *backend = &call->control->backend;
    char started[CLOCK_TEXT_SIZE];
    unsigned running = 0, wanted = 0;
    json_t *status, *more;

    backend->workers_count(backend->self, &running, &wanted);
    status = json_pack("{s:s, s:s, s:{s:I, s:I}, s:o, s:o, s:o}", "version", POSTERN_VERSION,
                       "started", clock_text(call->control->started_ms, started), "workers",
                       "running", (json_int_t)running, "wanted", (json_int_t)wanted, "queue",
                       queue_counts(call->control), "warnings", all_warnings(call->control),
                       "alerts", backend->alerts(backend->self));
    more = backend->status ? backend->status(backend->self) : NULL;
    if (status && more)
        json_object_update_missing(status, more);
    json_decref(more);
    if (status)
        call_answer(call, 200, status);
    else
        call_refuse_memory(call);
}

void serve_stats_get(struct call *call)
{
    const struct control_backend *backend = &call->control->backend;
    uint64_t minutes, step;
    json_t *stats;

    if (!call_query_number(call, "minutes", 1, STATS_MINUTES, STATS_DEFAULT, &minutes) ||
        !call_query_number(call, "step", 1, STATS_STEP_MAX, 1, &step))
        return;
    if (STATS_STEP_MAX % step != 0) {
        call_refuse(call, 422, "invalid", "step: %u minutes must be a multiple of it",
                    STATS_STEP_MAX);
        return;
    }
    stats = backend->stats(backend->self, (unsigned)minutes, (unsigned)step);
    if (stats)
        call_answer(call, 200, stats);
    else
        call_refuse_memory(call);
}

/* ---- workers ---- */

/* Names of what this worker does not yet run in its newest version (SP54). */
static json_t *list_behind(const struct registry *registry, const json_t *worker)
{
    const json_t *running = json_object_get(worker, "running");
    const json_t *profiles = json_object_get(running, "profiles");
    json_t *behind = json_array();

    for (size_t i = 0; i < registry_profile_count(registry); i++) {
        const struct profile *profile = registry_profile_at(registry, i);
        char id[16];

        snprintf(id, sizeof(id), "%" PRIu32, profile->id);
        if ((uint64_t)json_integer_value(json_object_get(profiles, id)) != profile->version)
            json_array_append_new(behind, json_string(profile->name));
    }
    if ((uint64_t)json_integer_value(json_object_get(running, "rules")) !=
        registry_rules(registry)->version)
        json_array_append_new(behind, json_string("(rules)"));
    return behind;
}

void serve_workers_get(struct call *call)
{
    const struct control_backend *backend = &call->control->backend;
    json_t *workers = backend->workers(backend->self);
    json_t *worker;
    size_t i;

    json_array_foreach (workers, i, worker)
        json_object_set_new(worker, "behind", list_behind(call->control->registry, worker));
    call_answer(call, 200, json_pack("{s:o}", "workers", workers));
}

void serve_ambiguous_get(struct call *call)
{
    const struct control_backend *backend = &call->control->backend;
    json_t *losses;
    uint64_t limit;

    if (!call_query_number(call, "limit", 1, LEDGER_MAX, LIST_DEFAULT, &limit))
        return;
    losses = backend->ambiguous(backend->self, (size_t)limit);
    if (losses)
        call_answer(call, 200, json_pack("{s:o}", "losses", losses));
    else
        call_refuse_memory(call);
}

/* ---- audit, key ---- */

void serve_audit_get(struct call *call)
{
    uint64_t limit, before;

    if (!call_query_number(call, "limit", 1, AUDIT_MAX, LIST_DEFAULT, &limit) ||
        !call_query_number(call, "before", 1, INT64_MAX, 0, &before))
        return;
    call_answer(call, 200,
                json_pack("{s:o}", "entries",
                          registry_audit(call->control->registry, before, (unsigned)limit)));
}

static void on_rotated(struct registry_answer *answer, void *arg)
{
    struct call *call = arg;

    if (answer->result == REGISTRY_OK)
        call_answer(call, 200, json_pack("{s:b}", "rotated", 1));
    else
        call_refuse_registry(call, answer, "key", NULL);
}

void serve_key_rotate(struct call *call)
{
    registry_key_rotate(call->control->registry, &call->actor, on_rotated, call);
}

/* ---- settings, export ---- */

static void answer_settings(struct call *call, const json_t *warnings)
{
    const struct registry *registry = call->control->registry;
    json_t *settings = registry_settings_shown(registry);

    if (settings && warnings)
        call_add_warnings(settings, warnings);
    call_set_version(call, registry_settings_version(registry));
    call_answer(call, 200, settings);
}

void serve_settings_get(struct call *call)
{
    answer_settings(call, NULL);
}

static void on_settings_stored(struct registry_answer *answer, void *arg)
{
    struct call *call = arg;

    if (answer->result == REGISTRY_OK)
        answer_settings(call, answer->problems.warnings);
    else
        call_refuse_registry(call, answer, "settings", NULL);
}

void serve_settings_put(struct call *call)
{
    if (call_has_precondition(call))
        registry_settings_put(call->control->registry, call->body, call->if_match, &call->actor,
                              on_settings_stored, call);
}

void serve_export_get(struct call *call)
{
    json_t *everything = registry_export(call->control->registry);

    if (everything)
        call_answer(call, 200, everything);
    else
        call_refuse_memory(call);
}
