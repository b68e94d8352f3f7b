/* worker/delivery_visit.c: a stage before the relay: the message is taken apart, then the servers
 * of the stage's profile are asked in their order, each over a connection of its own that counts
 * like any other (SP24, SP49). */
#include "worker/delivery_visit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/conf.h"
#include "common/log.h"
#include "common/loop.h"
#include "worker/delivery_private.h"
#include "worker/directory.h"
#include "worker/message.h"
#include "worker/mime/mime.h"

static const struct visit_kind *kind_of(const struct job *job)
{
    return job->order.stage == STAGE_SCAN ? &visit_scan : &visit_upload;
}

void visit_free(struct visit **visit)
{
    struct visit *v = *visit;

    *visit = NULL;
    if (v == NULL)
        return;
    mime_cancel(&v->parting);
    core_scan_free(&v->scan);
    vault_upload_free(&v->upload);
    rest_client_free(&v->client);
    mime_parts_free(&v->parts);
    mime_parts_free(&v->whole);
    free(v->scan_plan.files);
    free(v->taken_by);
    free(v->upload_plan.files);
    free(v->share_with);
    free(v->expires);
    free(v->workflow);
    free(v);
}

/* ---- what is in it ---- */

static void on_parted(int err, struct mime_parts *parts, const char *why, void *arg)
{
    struct job *job = arg;
    const struct visit_kind *kind = kind_of(job);

    job->visit->parting = NULL;
    job->visit->parts = parts;
    if (err == -E2BIG) {
        kind->on_hostile(job, why);
        return;
    }
    if (err < 0 || !kind->plan(job)) {
        job_settle_no_room(job, why != NULL ? why : "no memory to take the message apart");
        return;
    }
    if (kind->has_work(job))
        job_walk(job);
}

void job_take_apart(struct job *job)
{
    const struct conf *conf = job->delivery->conf;
    const struct mime_limits limits = {
        .max_parts = (unsigned)conf->mime_max_parts,
        .max_depth = (unsigned)conf->mime_max_depth,
        .max_header_bytes = (uint64_t)conf->mime_max_header_bytes,
    };
    const struct body_ref body = message_body_ref(job->message);
    struct reason why = { "no memory to take the message apart" };
    int err = -ENOMEM;

    job->stage = JOB_PARTING;
    job->visit = calloc(1, sizeof(*job->visit));
    if (job->visit != NULL)
        err = mime_start(job->delivery->body_work, &body, &limits,
                         kind_of(job)->has_checksums ? (uint64_t)conf->vault_chunk_size : 0,
                         on_parted, job, &job->visit->parting, &why);
    if (err < 0)
        job_settle_no_room(job, why.text);
}

/* ---- at a server ---- */

static void begin(struct job *job)
{
    struct visit *visit = job->visit;
    struct reason why = { "out of memory" };
    int err = -ENOMEM;

    job->stage = JOB_VISITING;
    job->talk_ms = loop_now_ms(job->delivery->loop);
    visit->client = rest_client_new(job->delivery->http, job->profile, (unsigned)job->server);
    if (visit->client != NULL)
        err = kind_of(job)->start(job, &why);
    if (err == 0)
        return;
    job_leave(job);
    job_cannot_begin(job, err, why.text);
}

static void on_turn(void *owner)
{
    struct job *job = owner;

    job->times.wait_ms = loop_now_ms(job->delivery->loop) - job->asked_ms;
    begin(job);
}

static void on_failed(const struct smtp_failure *failure, void *owner)
{
    job_connection_failed(owner, failure);
}

static const struct smtp_ticket_ops ticket_ops = { .on_turn = on_turn, .on_failed = on_failed };

void job_visit(struct job *job)
{
    int got;

    job->ticket = (struct smtp_ticket){ .ops = &ticket_ops, .owner = job };
    job_time_asked(job);
    job->came_by = TRAIL_POOL_NONE; /* there is no pool of these */
    job_return_lease(job);
    got = smtp_pool_hire(job->delivery->pool, job->profile, (unsigned)job->server, &job->ticket);
    if (got < 0)
        job_settle_no_room(job, "out of memory");
    else if (got > 0)
        begin(job);
}

void job_leave(struct job *job)
{
    struct visit *visit = job->visit;

    if (visit == NULL)
        return;
    mime_cancel(&visit->parting);
    if (visit->client != NULL) {
        kind_of(job)->keep(job);
        job->times.data_ms = loop_now_ms(job->delivery->loop) - job->talk_ms;
    }
    core_scan_free(&visit->scan);
    vault_upload_free(&visit->upload);
    rest_client_free(&visit->client);
    smtp_pool_give_up(&job->ticket); /* after the connection */
}

void visit_failed(struct job *job, enum rest_word word, long status, const char *why)
{
    if (word == REST_SHORT)
        job_settle_no_room(job, why);
    else
        job_server_failed(job, (unsigned)status, why);
}

/* ---- going on without ---- */

bool job_goes_without(struct job *job)
{
    const enum stage stage = (enum stage)job->order.stage;
    const struct rule *rule = directory_rule(job->delivery->directory, job->order.rule);
    json_t *told;

    if (rule == NULL || !rule_goes_without(rule, stage))
        return false;
    if (kind_of(job)->must_wait != NULL && kind_of(job)->must_wait(job))
        return false;
    told = json_object();
    (void)json_object_set_new(told, "verdict", json_string("unavailable"));
    visit_set_text(told, "reason", job->why[0] != '\0' ? job->why : "no server takes it now");
    json_decref(job->told[stage]);
    job->told[stage] = told;
    log_warning("delivery",
                stage == STAGE_SCAN ? "goes on without a scan" : "goes on without an upload",
                LOG_ID(job->order.place.id), LOG_STR("profile", job->profile->profile->name),
                LOG_STR("reason", job->why));
    job_advance(job, stage_flag(stage));
    return true;
}

/* ---- for plans ---- */

struct mime_parts *visit_whole(const struct message *message)
{
    struct mime_parts *parts = calloc(1, sizeof(*parts));

    if (parts != NULL)
        parts->parts = calloc(1, sizeof(*parts->parts));
    if (parts == NULL || parts->parts == NULL) {
        mime_parts_free(&parts);
        return NULL;
    }
    parts->count = 1;
    parts->parts[0] = (struct mime_part){
        .kind = MIME_MESSAGE,
        .name = strdup("message.eml"),
        .type = strdup("message/rfc822"),
        .bytes = message->body_bytes,
        .decoded_bytes = message->body_bytes,
    };
    if (parts->parts[0].name == NULL || parts->parts[0].type == NULL)
        mime_parts_free(&parts);
    return parts;
}

/* ---- for notes ---- */

int visit_copy(char **copy, const char *text, struct reason *reterr_why)
{
    free(*copy);
    *copy = text != NULL ? strdup(text) : NULL;
    return text == NULL || *copy != NULL ? 0 : reason_set(reterr_why, -ENOMEM, "out of memory");
}

void visit_set_text(json_t *object, const char *key, const char *text)
{
    if (text != NULL && text[0] != '\0')
        (void)json_object_set_new(object, key, trail_shown(text));
}

json_t *visit_file_told(const struct mime_part *part)
{
    json_t *told = json_object();

    visit_set_text(told, "name", part->name);
    (void)json_object_set_new(told, "size", json_integer((json_int_t)part->decoded_bytes));
    return told;
}

bool visit_is_about(const json_t *files, const struct mime_part *part, size_t at)
{
    const json_t *size = json_object_get(json_array_get(files, at), "size");

    return json_is_integer(size) && (uint64_t)json_integer_value(size) == part->decoded_bytes;
}
