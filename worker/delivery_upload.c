/* worker/delivery_upload.c: what a Vault has of a message (VA01, VA03, SR05).
 *
 *   "upload": { "server", "group", "closing": true, "closed": true,
 *               "files": [ { "name", "size", "id", "whole": true, "url" } ] }
 *
 * Uploaded is what is an attachment, and an attached message as a whole; inline images and the
 * message's own text are not. A message that cannot be taken apart within the limits is uploaded as
 * one file: nothing of it is lost. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/auto.h"
#include "common/conf.h"
#include "common/log.h"
#include "common/loop.h"
#include "worker/delivery_private.h"
#include "worker/delivery_visit.h"
#include "worker/directory.h"
#include "worker/message.h"

/* ---- what is known ---- */

static void keep(struct job *job)
{
    const struct vault_plan *plan = &job->visit->upload_plan;
    json_t *told = json_object(), *files = json_array();

    for (size_t i = 0; i < plan->count; i++) {
        const struct vault_file *file = &plan->files[i];
        json_t *entry = visit_file_told(file->part);

        visit_set_text(entry, "id", file->id);
        if (file->is_whole)
            (void)json_object_set_new(entry, "whole", json_true());
        if (file->url[0] != '\0') /* not cut as texts for people are */
            (void)json_object_set_new(entry, "url", json_string(file->url));
        (void)json_array_append_new(files, entry);
    }
    visit_set_text(told, "server", job_server_text(job, job->server));
    visit_set_text(told, "group", plan->group);
    if (plan->is_closing)
        (void)json_object_set_new(told, "closing", json_true());
    if (plan->is_closed)
        (void)json_object_set_new(told, "closed", json_true());
    (void)json_object_set_new(told, "files", files);
    json_decref(job->told[STAGE_UPLOAD]);
    job->told[STAGE_UPLOAD] = told;
}

static bool is_about(const json_t *files, const struct vault_plan *plan)
{
    bool is_same = json_array_size(files) == plan->count;

    for (size_t i = 0; is_same && i < plan->count; i++)
        is_same = visit_is_about(files, plan->files[i].part, i);
    return is_same;
}

/* What was begun at this very address. */
static void recall(struct job *job, struct vault_plan *plan)
{
    const json_t *told = job->told[STAGE_UPLOAD], *files = json_object_get(told, "files");
    const char *server = json_string_value(json_object_get(told, "server"));

    if (server == NULL || strcmp(server, job->profile->profile->servers[0].text) != 0 ||
        !is_about(files, plan) || !rest_member(told, "group", plan->group, VAULT_ID_SIZE))
        return;
    plan->is_closing = json_is_true(json_object_get(told, "closing"));
    for (size_t i = 0; i < plan->count; i++) {
        const json_t *entry = json_array_get(files, i);
        struct vault_file *file = &plan->files[i];

        if (!rest_member(entry, "id", file->id, VAULT_ID_SIZE))
            file->id[0] = '\0';
        file->is_whole = file->id[0] != '\0' && json_is_true(json_object_get(entry, "whole"));
    }
}

static bool is_uploaded(const struct mime_part *part)
{
    return part->kind == MIME_ATTACHMENT || part->kind == MIME_MESSAGE;
}

/* With commas; NULL: nobody, or no memory. */
/* 0 or -ENOMEM. */
static int share_list(const struct rule *rule, char **ret_list)
{
    AUTO(free) char *list = NULL;
    size_t bytes;
    FILE *out;

    *ret_list = NULL;
    if (rule == NULL || rule->upload.share_with_count == 0)
        return 0;
    out = open_memstream(&list, &bytes);
    for (size_t i = 0; out != NULL && i < rule->upload.share_with_count; i++)
        fprintf(out, "%s%s", i > 0 ? "," : "", rule->upload.share_with[i]);
    if (out == NULL || fclose(out) != 0)
        return -ENOMEM;
    *ret_list = TAKE_PTR(list);
    return 0;
}

static bool plan(struct job *job)
{
    struct visit *visit = job->visit;
    const struct mime_parts *parts = visit->parts;
    struct vault_plan *plan = &visit->upload_plan;

    plan->files = calloc(parts->count + 1, sizeof(*plan->files));
    if (plan->files == NULL)
        return false;
    for (size_t i = 0; i < parts->count; i++) {
        if (is_uploaded(&parts->parts[i]))
            plan->files[plan->count++].part = &parts->parts[i];
    }
    plan->body = job->message->body;
    plan->chunk_bytes = (uint64_t)job->delivery->conf->vault_chunk_size;
    recall(job, plan);
    return true;
}

static void on_hostile(struct job *job, const char *why)
{
    log_warning("upload", "the message is uploaded as one file", LOG_ID(job->order.place.id),
                LOG_STR("reason", why));
    job->visit->parts = visit_whole(job->message);
    if (job->visit->parts == NULL || !plan(job))
        job_settle_no_room(job, "no memory to take the message apart");
    else
        job_walk(job);
}

static bool has_work(struct job *job)
{
    if (job->visit->upload_plan.count > 0)
        return true;
    json_decref(job->told[STAGE_UPLOAD]);
    job->told[STAGE_UPLOAD] = NULL;
    job_advance(job, CELL_UPLOADED);
    return false;
}

/* ---- at the server ---- */

static void on_saved(struct job *job)
{
    vault_upload_go_on(job->visit->upload);
}

static void on_begun(void *owner)
{
    struct job *job = owner;

    keep(job);
    job_save(job, on_saved);
}

static uint64_t bytes_of(const struct vault_plan *plan)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < plan->count; i++)
        sum += plan->files[i].part->decoded_bytes;
    return sum;
}

static void conclude(struct job *job)
{
    const struct vault_plan *plan = &job->visit->upload_plan;

    job->served = job->server;
    job_trail(job, TRAIL_DONE, 0, "uploaded");
    log_info("upload", "uploaded", LOG_ID(job->order.place.id),
             LOG_STR("profile", job->profile->profile->name),
             LOG_STR("server", job_server_text(job, job->server)),
             LOG_INT("files", (int64_t)plan->count), LOG_INT("bytes", (int64_t)bytes_of(plan)),
             LOG_INT("upload_ms", job->times.data_ms));
    job_advance(job, CELL_UPLOADED);
}

/* It says no to what was asked, not to us: it works, and would say so again. */
static void defer(struct job *job, long status, const char *why)
{
    job->served = job->server;
    job_trail(job, TRAIL_DEFERRED, (unsigned)status, why);
    if (!job_goes_without(job))
        job_settle(job);
}

static void on_done(const struct vault_result *result, void *owner)
{
    struct job *job = owner;
    const struct vault_result ended = *result;
    char why[400];

    (void)snprintf(why, sizeof(why), "%s", result->why);
    job_leave(job);
    if (ended.word == REST_OK)
        conclude(job);
    else if (ended.word == REST_NO)
        defer(job, ended.status, why);
    else
        visit_failed(job, ended.word, ended.status, why);
}

static const struct vault_upload_ops upload_ops = { .on_begun = on_begun, .on_done = on_done };

static int start(struct job *job, struct reason *reterr_why)
{
    struct visit *visit = job->visit;
    const struct rule *rule = directory_rule(job->delivery->directory, job->order.rule);
    int err = visit_copy(&visit->expires, rule != NULL ? rule->upload.expires : NULL, reterr_why);

    if (err < 0)
        return err;
    free(visit->share_with);
    if (share_list(rule, &visit->share_with) < 0)
        return reason_set(reterr_why, -ENOMEM, "out of memory");
    visit->upload_plan.share_with = visit->share_with;
    visit->upload_plan.expires = visit->expires;
    visit->upload = vault_upload_new(visit->client, &visit->upload_plan, &upload_ops, job);
    if (visit->upload == NULL)
        return reason_set(reterr_why, -ENOMEM, "out of memory");
    return vault_upload_start(visit->upload, reterr_why);
}

const struct visit_kind visit_upload = {
    .has_checksums = true,
    .plan = plan,
    .on_hostile = on_hostile,
    .has_work = has_work,
    .start = start,
    .keep = keep,
};
