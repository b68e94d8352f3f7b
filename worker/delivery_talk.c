/* worker/delivery_talk.c: the message's transactions on one connection, and what their results mean
 * for its recipients. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/hook.h"
#include "common/log.h"
#include "common/loop.h"
#include "worker/delivery_private.h"
#include "worker/directory.h"
#include "worker/message.h"
#include "worker/segment_cache.h"
#include "worker/smtp/connection.h"

/* ---- the body, by reference ---- */

static void *hold_body(void *arg)
{
    return message_hold_segment(arg);
}

static void release_body(const void *data, size_t bytes, void *held)
{
    (void)data;
    (void)bytes;
    segment_release(held);
}

/* ---- what is said about a recipient ---- */

static uint16_t code_of(const struct smtp_reply *reply)
{
    return reply != NULL ? reply->code : 0;
}

static void note_reply(struct job *job, struct recipient *recipient, const struct smtp_reply *reply)
{
    free(recipient->text);
    recipient->text = reply != NULL ? strdup(reply->text) : NULL;
    recipient->code = code_of(reply);
    if (reply != NULL)
        (void)smtp_reply_enhanced(reply, recipient->enhanced);
    else
        recipient->enhanced[0] = '\0';
    recipient->server = (int8_t)job->server;
}

static void refuse(struct job *job, struct recipient *recipient, const struct smtp_reply *reply)
{
    recipient->state = CELL_RCPT_REFUSED;
    note_reply(job, recipient, reply);
    log_warning("delivery", "recipient refused", LOG_ID(job->order.place.id),
                LOG_STR("recipient", recipient->address),
                LOG_STR("server", job_server_text(job, job->server)),
                LOG_INT("code", code_of(reply)),
                LOG_STR("reply", reply != NULL ? reply->text : NULL));
}

static void settle_recipient(struct job *job, struct recipient *recipient,
                             enum smtp_verdict verdict, const struct smtp_reply *reply)
{
    job->has_changed |= verdict == SMTP_DELIVERED || verdict == SMTP_REFUSED;
    recipient->has_news = true;
    switch (verdict) {
    case SMTP_DELIVERED:
        recipient->state = CELL_RCPT_DELIVERED;
        free(recipient->text); /* what an earlier attempt was told is of no interest any more */
        recipient->text = NULL;
        recipient->code = code_of(reply);
        recipient->enhanced[0] = '\0';
        recipient->server = (int8_t)job->server;
        break;
    case SMTP_REFUSED: refuse(job, recipient, reply); break;
    case SMTP_DEFERRED:
    case SMTP_DEFERRED_BY_SYSTEM:
        recipient->fate = FATE_DEFERRED;
        note_reply(job, recipient, reply);
        break;
    case SMTP_LOST:
        recipient->fate = FATE_LOST;
        note_reply(job, recipient, reply);
        break;
    case SMTP_GO_ON:
    case SMTP_FALL_BACK:
    case SMTP_SPLIT:
    case SMTP_FAILED:
    case SMTP_NO_ROOM:
    case SMTP_RESTART:
    case SMTP_VERDICT_COUNT: break; /* stays open for what comes next */
    }
}

static void on_rcpt(unsigned index, const struct smtp_reply *reply, void *owner)
{
    struct job *job = owner;

    settle_recipient(job, &job->recipients[job->batch_of[index]], job->batch[index].verdict, reply);
}

/* The transaction's verdict reaches the accepted recipients. One that only the system deferred is
 * open again if the server as a whole failed. */
static void settle_batch(struct job *job, const struct smtp_result *result)
{
    for (unsigned i = 0; i < job->transaction.rcpt_count; i++) {
        struct recipient *recipient = &job->recipients[job->batch_of[i]];

        if (job->batch[i].verdict == SMTP_GO_ON)
            settle_recipient(job, recipient, result->verdict, result->reply);
        else if (job->batch[i].verdict == SMTP_DEFERRED_BY_SYSTEM && result->verdict == SMTP_FAILED)
            recipient->fate = FATE_NONE;
    }
}

/* ---- what the transaction's end means for the job ---- */

static void describe(const struct smtp_result *result, char out[400])
{
    if (result->reply != NULL)
        (void)snprintf(out, 400, "%u %.380s", result->reply->code, result->reply->text);
    else
        (void)snprintf(out, 400, "%s at %s", smtp_event_name(result->event),
                       smtp_point_name(result->point));
}

/* A field that a log of thousands of lines should not carry along as 0. */
static struct log_field ms_field(const char *key, int64_t ms)
{
    return ms > 0 ? LOG_INT(key, ms) : LOG_STR(key, NULL);
}

/* What came before the server that took it, if anything did. */
static void log_delivered(const struct job *job, const struct smtp_reply *reply)
{
    const struct trail_times *times = &job->times;
    char tried[TRAIL_TEXT_SIZE];

    trail_text(&job->trail, job_profile(job), tried);
    log_info("delivery", "delivered", LOG_ID(job->order.place.id),
             LOG_STR("profile", job->profile->profile->name),
             LOG_STR("server", job_server_text(job, job->server)), LOG_INT("code", code_of(reply)),
             LOG_STR("reply", reply != NULL ? reply->text : NULL),
             LOG_INT("recipients", job->transaction.counts.accepted),
             LOG_STR("pool", trail_pool_name(job->came_by)),
             LOG_STR("tls", job->protection[0] != '\0' ? job->protection : NULL),
             LOG_INT("age_ms", clock_wall_ms() - job->message->received_ms),
             ms_field("lookup_ms", times->lookup_ms), ms_field("wait_ms", times->wait_ms),
             ms_field("connect_ms", times->connect_ms),
             ms_field("handshake_ms", times->handshake_ms),
             ms_field("envelope_ms", times->envelope_ms), ms_field("data_ms", times->data_ms),
             LOG_STR("tried", job->trail.count > 0 ? tried : NULL));
}

void job_lost(struct job *job, const char *what)
{
    job->outcome.flags |= IPC_OUTCOME_LOST;
    job->delivery->figures.ambiguous++;
    if (job->served < 0)
        job->served = job->server;
    log_warning("delivery", "connection lost after the end of data: it may arrive twice",
                LOG_ID(job->order.place.id), LOG_STR("event", "ambiguous"),
                LOG_STR("server", job_server_text(job, job->server)), LOG_STR("reason", what));
    job_trail(job, TRAIL_LOST, 0, what);
}

/* Logs it, and puts it in the trail. A message that is simply delivered leaves none. */
static void tell(struct job *job, const struct smtp_result *result, const char *what)
{
    unsigned code = result->reply != NULL ? result->reply->code : 0;

    switch (result->verdict) {
    case SMTP_DELIVERED:
        log_delivered(job, result->reply);
        if (job->trail.count > 0 || job->transaction.counts.accepted < job->count)
            job_trail(job, TRAIL_DELIVERED, code, what);
        break;
    case SMTP_LOST: job_lost(job, what); break;
    case SMTP_REFUSED:
    case SMTP_DEFERRED:
    case SMTP_GO_ON: /* nobody was accepted */
        job_trail(job, code >= 500 ? TRAIL_REFUSED : TRAIL_DEFERRED, code, what);
        break;
    case SMTP_FALL_BACK:
    case SMTP_DEFERRED_BY_SYSTEM:
    case SMTP_SPLIT:
    case SMTP_FAILED:
    case SMTP_NO_ROOM:
    case SMTP_RESTART:
    case SMTP_VERDICT_COUNT: break;
    }
}

bool job_has_more(const struct job *job)
{
    for (uint32_t i = 0; i < job->count; i++) {
        if (job->recipients[i].state == CELL_RCPT_OPEN && job->recipients[i].fate == FATE_NONE)
            return true;
    }
    return false;
}

/* All addresses of a name are tried before the server counts as failed (SP17). */
static void fail_address(struct job *job, unsigned code, const char *what)
{
    if (job->next_address < job->address_count)
        job_reconnect(job, job->next_address);
    else
        job_server_failed(job, code, what);
}

static void no_room(struct job *job, const struct smtp_result *result, const char *what)
{
    if (result->event == SMTP_SHORT) {
        job_settle_no_room(job, what);
        return;
    }
    smtp_pool_too_many(job->delivery->pool, job->profile, (unsigned)job->server);
    job_settle_busy(job, what);
}

static void on_done(const struct smtp_result *result, void *owner)
{
    struct job *job = owner;
    struct smtp_connection *connection = job->connection;
    enum smtp_verdict verdict = result->verdict;
    unsigned code = result->reply != NULL ? result->reply->code : 0;
    char what[400];

    describe(result, what);
    job_time_talked(job);
    settle_batch(job, result);
    if (verdict == SMTP_DELIVERED)
        hook_stop("after_reply");
    job_record(job); /* MQ03: before anything else leaves */
    if (verdict == SMTP_DELIVERED)
        hook_stop("after_cell");
    tell(job, result, what);
    if (!result->is_usable)
        connection = job->connection = NULL;
    if (verdict != SMTP_FAILED && verdict != SMTP_RESTART && verdict != SMTP_NO_ROOM &&
        job->served < 0)
        job->served = job->server;

    if (verdict == SMTP_RESTART) {
        smtp_pool_count_stale(job->delivery->pool, job->profile, (unsigned)job->server);
        job->came_by = TRAIL_POOL_MISS_STALE;
        job_reconnect(job, 0);
    } else if (verdict == SMTP_NO_ROOM) {
        no_room(job, result, what);
    } else if (verdict == SMTP_FAILED) {
        fail_address(job, code, what);
    } else if (job_has_more(job)) {
        if (connection != NULL)
            job_talk(job);
        else
            job_reconnect(job, 0);
    } else {
        job->connection = NULL;
        if (connection != NULL)
            smtp_pool_give_back(job->delivery->pool, connection);
        job_settle(job);
    }
}

static const struct smtp_transaction_ops transaction_ops = {
    .on_rcpt = on_rcpt,
    .on_done = on_done,
};

/* A lent connection tells of its loss through the transaction. */
static const struct smtp_connection_ops connection_ops;

/* ---- a transaction ---- */

static unsigned fill_batch(struct job *job, unsigned most)
{
    unsigned count = 0;

    for (uint32_t i = 0; i < job->count && count < most; i++) {
        if (job->recipients[i].state != CELL_RCPT_OPEN || job->recipients[i].fate != FATE_NONE)
            continue;
        job->batch[count].address = job->recipients[i].address;
        job->batch_of[count++] = i;
    }
    return count;
}

/* The server cannot carry this message: the next may, and nobody has failed (MQ08). */
static void pass_by(struct job *job, const char *lacks)
{
    struct smtp_connection *connection = job->connection;
    char what[80];

    (void)snprintf(what, sizeof(what), "does not offer %s, which this message needs", lacks);
    job->lacks = lacks;
    job->unfit |= (uint64_t)1 << job->server;
    job_trail(job, TRAIL_UNFIT, 0, what);
    job->connection = NULL;
    smtp_pool_give_back(job->delivery->pool, connection);
    job_walk(job);
}

void job_talk(struct job *job)
{
    const struct smtp_extensions *extensions = smtp_connection_extensions(job->connection);
    const struct message *message = job->message;
    const char *lacks = smtp_transaction_lacks(extensions, message->body_flags);
    unsigned most = job->profile->profile->max_recipients;

    if (lacks != NULL) {
        pass_by(job, lacks);
        return;
    }
    if (extensions->rcpt_max > 0 && extensions->rcpt_max < most)
        most = extensions->rcpt_max;
    job->stage = JOB_TALKING;
    (void)smtp_connection_protection(job->connection, job->protection);
    job->talk_ms = loop_now_ms(job->delivery->loop);
    job->next_address = smtp_connection_address(job->connection) + 1;
    job->address_count = smtp_connection_address_count(job->connection);
    smtp_connection_set_owner(job->connection, &connection_ops, job);

    job->transaction.sender = message->envelope->sender;
    job->transaction.body = (struct smtp_body){
        .data = message->body,
        .bytes = message->body_bytes,
        .flags = message->body_flags,
        .hold = hold_body,
        .release = release_body,
        .arg = job->message,
    };
    outgoing_apply(&job->outgoing, &job->transaction.body);
    job->transaction.rcpts = job->batch;
    job->transaction.rcpt_count = fill_batch(job, most);
    job->transaction.is_crowded =
        smtp_pool_open_to(job->delivery->pool, job->profile, (unsigned)job->server) > 1;
    job->transaction.ops = &transaction_ops;
    job->transaction.owner = job;
    smtp_transaction_start(&job->transaction, job->connection);
}
