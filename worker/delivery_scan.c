/* worker/delivery_scan.c: what a Core says of a message, and what follows from it (CO01, CO02,
 * SR05).
 *
 *   "scan": { "verdict": "allowed" | "blocked" | "unavailable", "reason", "server",
 *             "was_blocked": true,
 *             "files": [ { "name", "size", "server", "id", "verdict", "reason" } ] }
 *
 * Every leaf is scanned, the message's own text included, and the whole message besides where
 * others may find other parts in it than we do. A message that cannot be taken apart within the
 * limits is blocked: nobody has looked into it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/loop.h"
#include "worker/delivery_private.h"
#include "worker/delivery_visit.h"
#include "worker/directory.h"
#include "worker/message.h"

static const char *const verdict_names[] = {
    [CORE_UNKNOWN] = NULL,
    [CORE_ALLOWED] = "allowed",
    [CORE_BLOCKED] = "blocked",
    [CORE_EMPTY] = "empty",
};

/* ---- what is known ---- */

/* By a scan that was finished, and no other was since. */
static bool was_blocked(const struct job *job)
{
    const json_t *told = job->told[STAGE_SCAN];
    const char *verdict = json_string_value(json_object_get(told, "verdict"));

    return (verdict != NULL && strcmp(verdict, verdict_names[CORE_BLOCKED]) == 0) ||
           json_is_true(json_object_get(told, "was_blocked"));
}

static void keep(struct job *job)
{
    const struct visit *visit = job->visit;
    json_t *told = json_object(), *files = json_array();

    if (was_blocked(job))
        (void)json_object_set_new(told, "was_blocked", json_true());
    for (size_t i = 0; i < visit->scan_plan.count; i++) {
        const struct core_file *file = &visit->scan_plan.files[i];
        json_t *entry = visit_file_told(file->part);

        if (file->id[0] != '\0' && visit->taken_by[i] < 0)
            visit->taken_by[i] = (int8_t)job->server;
        if (file->id[0] != '\0')
            visit_set_text(entry, "server", job_server_text(job, visit->taken_by[i]));
        visit_set_text(entry, "id", file->id);
        visit_set_text(entry, "verdict", verdict_names[file->verdict]);
        visit_set_text(entry, "reason", file->why);
        (void)json_array_append_new(files, entry);
    }
    visit_set_text(told, "server", job_server_text(job, job->server));
    (void)json_object_set_new(told, "files", files);
    json_decref(job->told[STAGE_SCAN]);
    job->told[STAGE_SCAN] = told;
}

static enum core_verdict verdict_of(const json_t *entry)
{
    const char *name = json_string_value(json_object_get(entry, "verdict"));

    for (unsigned i = CORE_ALLOWED; name != NULL && i <= CORE_EMPTY; i++) {
        if (strcmp(name, verdict_names[i]) == 0)
            return (enum core_verdict)i;
    }
    return CORE_UNKNOWN;
}

static int server_of(const struct job *job, const json_t *entry)
{
    const struct profile *profile = job->profile->profile;
    const char *text = json_string_value(json_object_get(entry, "server"));

    for (size_t i = 0; text != NULL && i < profile->server_count; i++) {
        if (strcmp(text, profile->servers[i].text) == 0)
            return (int)i;
    }
    return -1;
}

static void recall(struct job *job, const json_t *entry, struct core_file *file, int8_t *taken_by)
{
    char id[CORE_ID_SIZE];
    int server = server_of(job, entry);

    file->verdict = verdict_of(entry);
    if (server >= 0 && rest_member(entry, "id", id, sizeof(id))) {
        memcpy(file->id, id, sizeof(id));
        *taken_by = (int8_t)server;
    }
    if (file->verdict == CORE_BLOCKED && !rest_member(entry, "reason", file->why, CORE_WHY_SIZE))
        (void)strcpy(file->why, "no reason was given");
}

/* Of a scan that was not finished; one that was, and is wanted once more, begins anew. */
static const json_t *earlier_files(const struct job *job)
{
    const json_t *told = job->told[STAGE_SCAN];

    return json_object_get(told, "verdict") == NULL ? json_object_get(told, "files") : NULL;
}

static bool is_about(const json_t *files, const struct core_plan *plan)
{
    bool is_same = json_array_size(files) == plan->count;

    for (size_t i = 0; is_same && i < plan->count; i++)
        is_same = visit_is_about(files, plan->files[i].part, i);
    return is_same;
}

static bool plan(struct job *job)
{
    struct visit *visit = job->visit;
    const struct mime_parts *parts = visit->parts;
    const json_t *earlier = earlier_files(job);
    struct core_plan *plan = &visit->scan_plan;

    plan->files = calloc(parts->count + 1, sizeof(*plan->files));
    visit->taken_by = malloc(parts->count + 1);
    if (plan->files == NULL || visit->taken_by == NULL)
        return false;
    for (size_t i = 0; i < parts->count; i++) {
        if (parts->parts[i].kind == MIME_MESSAGE)
            continue; /* its leaves are in the list */
        visit->taken_by[plan->count] = -1;
        plan->files[plan->count++].part = &parts->parts[i];
    }
    if (parts->is_ambiguous) {
        visit->whole = visit_whole(job->message);
        if (visit->whole == NULL)
            return false;
        visit->taken_by[plan->count] = -1;
        plan->files[plan->count++].part = &visit->whole->parts[0];
    }
    for (size_t i = 0; is_about(earlier, plan) && i < plan->count; i++)
        recall(job, json_array_get(earlier, i), &plan->files[i], &visit->taken_by[i]);
    plan->body = job->message->body;
    return true;
}

/* ---- the verdict ---- */

static void set_verdict(struct job *job, const char *verdict, const char *reason)
{
    if (job->told[STAGE_SCAN] == NULL)
        job->told[STAGE_SCAN] = json_object();
    (void)json_object_del(job->told[STAGE_SCAN], "was_blocked");
    (void)json_object_set_new(job->told[STAGE_SCAN], "verdict", json_string(verdict));
    visit_set_text(job->told[STAGE_SCAN], "reason", reason);
}

static void block(struct job *job, const char *reason)
{
    const struct rule *rule = directory_rule(job->delivery->directory, job->order.rule);
    const enum rule_on_blocked action = rule != NULL ? rule->scan.on_blocked : BLOCKED_QUARANTINE;
    static const char *const words[] = {
        [BLOCKED_QUARANTINE] = "blocked: quarantined",
        [BLOCKED_REJECT] = "blocked: rejected",
        [BLOCKED_PASS_WITH_HEADER] = "blocked: passed on with a header",
    };
    char what[400];

    set_verdict(job, "blocked", reason);
    job_trail(job, TRAIL_BLOCKED, 0, reason);
    log_warning("scan", words[action], LOG_ID(job->order.place.id),
                LOG_STR("profile", job->profile->profile->name),
                LOG_STR("server", job_server_text(job, job->server)), LOG_STR("reason", reason));
    switch (action) {
    case BLOCKED_QUARANTINE: job_advance(job, CELL_SCANNED | CELL_QUARANTINED); return;
    case BLOCKED_PASS_WITH_HEADER: job_advance(job, CELL_SCANNED); return;
    case BLOCKED_REJECT: break;
    }
    (void)snprintf(what, sizeof(what), "the content was blocked: %s", reason);
    job_reject(job, what); /* not as scanned: who opens it again has it scanned again */
}

/* The first that is blocked, NULL: none that is known of. */
static const struct core_file *find_blocked(const struct core_plan *plan)
{
    for (size_t i = 0; i < plan->count; i++) {
        if (plan->files[i].verdict == CORE_BLOCKED)
            return &plan->files[i];
    }
    return NULL;
}

static void conclude(struct job *job)
{
    const struct core_plan *plan = &job->visit->scan_plan;
    const struct core_file *blocked = find_blocked(plan);
    char reason[400];

    if (blocked != NULL) {
        (void)snprintf(reason, sizeof(reason), "%.160s: %s", blocked->part->name, blocked->why);
        block(job, reason);
        return;
    }
    set_verdict(job, "allowed", NULL);
    job_trail(job, TRAIL_DONE, 0, "allowed");
    log_info("scan", "allowed", LOG_ID(job->order.place.id),
             LOG_STR("profile", job->profile->profile->name),
             LOG_STR("server", job_server_text(job, job->server)),
             LOG_INT("files", (int64_t)plan->count), LOG_INT("scan_ms", job->times.data_ms));
    job_advance(job, CELL_SCANNED);
}

/* One that is blocked is enough: it is not to be forgotten over servers that fail. */
static bool has_work(struct job *job)
{
    const struct core_plan *plan = &job->visit->scan_plan;

    for (size_t i = 0; find_blocked(plan) == NULL && i < plan->count; i++) {
        const struct core_file *file = &plan->files[i];

        if (file->verdict == CORE_UNKNOWN && file->part->decoded_bytes > 0)
            return true;
    }
    keep(job);
    conclude(job);
    return false;
}

/* ---- at a server ---- */

static void on_done(const struct core_result *result, void *owner)
{
    struct job *job = owner;
    const struct core_result ended = *result;
    char why[400];

    (void)snprintf(why, sizeof(why), "%s", result->why);
    job_leave(job);
    if (ended.word != REST_OK && find_blocked(&job->visit->scan_plan) == NULL) {
        visit_failed(job, ended.word, ended.status, why);
        return;
    }
    job->served = job->server;
    conclude(job);
}

/* What another server took and has not judged is submitted here (SP24). */
static void forget_elsewhere(struct job *job)
{
    struct visit *visit = job->visit;

    for (size_t i = 0; i < visit->scan_plan.count; i++) {
        struct core_file *file = &visit->scan_plan.files[i];

        if (file->verdict != CORE_UNKNOWN || visit->taken_by[i] == job->server)
            continue;
        file->id[0] = '\0';
        visit->taken_by[i] = -1;
    }
}

/* For a verdict here. It may take a whole attempt, and the next one polls for it. From then on half
 * of what is left is for the servers behind it, if there are any (SP25). */
static int64_t time_here(const struct job *job)
{
    const int64_t result_ms = (int64_t)job->profile->profile->timeouts.result_s * 1000;
    const int64_t left_ms = job_time_left(job);

    if (job->order.attempts == 0 || !job_has_another(job))
        return result_ms;
    return left_ms / 2 < result_ms ? left_ms / 2 : result_ms;
}

static int start(struct job *job, struct reason *reterr_why)
{
    struct visit *visit = job->visit;
    const struct rule *rule = directory_rule(job->delivery->directory, job->order.rule);
    int err = visit_copy(&visit->workflow, rule != NULL ? rule->scan.workflow : NULL, reterr_why);

    if (err < 0)
        return err;
    forget_elsewhere(job);
    visit->scan_plan.result_ms = time_here(job);
    visit->scan_plan.workflow = visit->workflow;
    visit->scan =
        core_scan_new(job->delivery->loop, visit->client, &visit->scan_plan, on_done, job);
    if (visit->scan == NULL)
        return reason_set(reterr_why, -ENOMEM, "out of memory");
    return core_scan_start(visit->scan, reterr_why);
}

const struct visit_kind visit_scan = {
    .plan = plan,
    .on_hostile = block,
    .has_work = has_work,
    .start = start,
    .keep = keep,
    .must_wait = was_blocked,
};
