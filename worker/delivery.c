#include "worker/delivery.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/channel.h"
#include "common/conf.h"
#include "common/log.h"
#include "common/loop.h"
#include "worker/delivery_private.h"
#include "worker/directory.h"
#include "worker/message.h"
#include "worker/outgoing.h"
#include "worker/read_ahead.h"
#include "worker/resolver.h"
#include "worker/smtp/connection.h"

static void on_deadline(void *arg);

/* ---- job structs, kept for the next ones: a delivery should not cost allocations ---- */

static struct job *job_new(struct delivery *delivery)
{
    struct job *job = TAILQ_FIRST(&delivery->spare);

    if (job != NULL) {
        TAILQ_REMOVE(&delivery->spare, job, link);
        delivery->spare_count--;
        return job;
    }
    job = calloc(1, sizeof(*job));
    if (job == NULL)
        return NULL;
    job->delivery = delivery;
    job->deadline = loop_timer_new(delivery->loop, on_deadline, job);
    if (job->deadline == NULL) {
        free(job);
        return NULL;
    }
    return job;
}

static void job_free(struct job *job)
{
    loop_timer_free(&job->deadline);
    free(job->recipients);
    free(job->batch);
    free(job->batch_of);
    free(job);
}

/* Everything that belongs to one attempt goes; what the next one can use stays. */
static void job_clear(struct job *job)
{
    struct job kept = {
        .delivery = job->delivery,
        .deadline = job->deadline,
        .recipients = job->recipients,
        .batch = job->batch,
        .batch_of = job->batch_of,
        .capacity = job->capacity,
    };

    for (uint32_t i = 0; i < job->count; i++)
        free(job->recipients[i].text);
    loop_timer_clear(job->deadline);
    trail_clear(&job->trail);
    json_decref(job->note);
    visit_free(&job->visit);
    json_decref(job->told[STAGE_SCAN]);
    json_decref(job->told[STAGE_UPLOAD]);
    outgoing_clear(&job->outgoing);
    message_free(&job->message);
    directory_release(job->profile);
    directory_release(job->relay);
    resolver_answer_release(job->answer);
    *job = kept;
}

static void job_recycle(struct job *job)
{
    struct delivery *delivery = job->delivery;

    if (delivery->spare_count >= DELIVERY_JOBS_KEPT || job->capacity > CELL_RECIPIENTS) {
        job_forget(job);
        return;
    }
    job_clear(job);
    TAILQ_INSERT_HEAD(&delivery->spare, job, link);
    delivery->spare_count++;
}

void job_forget(struct job *job)
{
    job_clear(job);
    job_free(job);
}

/* ---- the end ---- */

static void on_drained_timer(void *arg)
{
    struct delivery *delivery = arg;
    delivery_drained_cb *drained = delivery->drained;

    delivery->drained = NULL;
    if (drained != NULL)
        drained(delivery->drained_arg);
}

static void look_whether_drained(struct delivery *delivery)
{
    if (delivery->is_draining && delivery->job_count == 0)
        loop_timer_set_ms(delivery->drained_timer, 0);
}

void job_end(struct job *job)
{
    struct delivery *delivery = job->delivery;

    job_return_lease(job);
    job->outcome.place = job->order.place;
    job->outcome.job = job->order.job;
    job->outcome.version = job->order.version;
    job->outcome.profile = job->order.profile;
    job->outcome.stages = job->message != NULL ? job->message->cell.flags & CELL_STAGES : 0;
    job->outcome.failed = job->failed;
    job->outcome.tried = job->tried;
    job->outcome.served = (int16_t)job->served;
    job->outcome.reused = job->is_reused;
    job->outcome.duration_ms = (uint32_t)(loop_now_ms(delivery->loop) - job->began_ms);
    channel_send(delivery->channel, IPC_MAIL_OUTCOME, &job->outcome);

    delivery->figures.delivered += job->outcome.outcome == IPC_OUTCOME_DONE;
    TAILQ_REMOVE(&delivery->jobs, job, link);
    delivery->job_count--;
    look_whether_drained(delivery);
    job_recycle(job);
}

/* ---- the beginning ---- */

static void answer_no_room(struct delivery *delivery, const struct ipc_mail_deliver *order)
{
    const struct ipc_mail_outcome outcome = {
        .place = order->place,
        .job = order->job,
        .version = order->version,
        .profile = order->profile,
        .outcome = IPC_OUTCOME_NO_ROOM,
        .tried = order->tried,
        .attempts = order->attempts,
        .served = -1,
    };

    channel_send(delivery->channel, IPC_MAIL_OUTCOME, &outcome);
}

void delivery_start(struct delivery *delivery, const struct ipc_mail_deliver *order)
{
    struct job *job = NULL;

    if (!delivery->is_draining && delivery->unrecorded == 0 &&
        delivery->job_count < IPC_JOBS_PER_WORKER)
        job = job_new(delivery);
    if (job == NULL) {
        if (order->leased != 0)
            smtp_pool_add_lease(delivery->pool, order->profile, order->leased, order->others);
        answer_no_room(delivery, order);
        return;
    }
    job->order = *order;
    job->has_lease = order->leased != 0;
    job->tried = order->tried;
    job->server = job->served = -1;
    job->began_ms = loop_now_ms(delivery->loop);
    job->outcome.attempts = order->attempts;
    job->outcome.outcome = IPC_OUTCOME_NOT_HELD;
    TAILQ_INSERT_TAIL(&delivery->jobs, job, link);
    delivery->job_count++;
    loop_timer_set_ms(job->deadline, order->deadline_ms);
    job_begin(job);
}

/* ---- cutting ---- */

static bool may_be_cut(const struct job *job)
{
    return job->stage == JOB_READING || job->stage == JOB_PARTING || job->stage == JOB_WALKING ||
           job->stage == JOB_VISITING ||
           (job->stage == JOB_TALKING && !smtp_transaction_is_past_end(&job->transaction));
}

/* Whoever was accepted by a transaction past its end may have got the message. */
static void mark_lost(struct job *job)
{
    for (unsigned i = 0; i < job->transaction.rcpt_count; i++) {
        if (job->batch[i].verdict == SMTP_GO_ON)
            job->recipients[job->batch_of[i]].fate = FATE_LOST;
    }
}

static void cut(struct job *job, const char *why)
{
    bool is_past_end = job->stage == JOB_TALKING && smtp_transaction_is_past_end(&job->transaction);

    job_disconnect(job);
    job->outcome.flags |= IPC_OUTCOME_CUT;
    if (is_past_end) {
        mark_lost(job);
        job_lost(job, why);
    } else {
        job_trail(job, TRAIL_DEFERRED, 0, why);
    }
    job_settle(job);
}

static void on_deadline(void *arg)
{
    struct job *job = arg;

    if (job->stage != JOB_READING && (may_be_cut(job) || job->stage == JOB_TALKING))
        cut(job, "the time for one attempt is over");
}

/* It is as if it had never been here, unless a server has judged somebody already. */
static void give_back(struct job *job, const char *why)
{
    if (job->stage == JOB_READING) {
        read_ahead_cancel(&job->read_ahead);
        message_check_cancel(&job->check);
        job->outcome.outcome = IPC_OUTCOME_NO_ROOM;
        job_end(job);
        return;
    }
    job_disconnect(job);
    job_settle_no_room(job, why);
}

int64_t job_time_left(const struct job *job)
{
    const int64_t spent_ms = loop_now_ms(job->delivery->loop) - job->began_ms;

    return spent_ms < job->order.deadline_ms ? job->order.deadline_ms - spent_ms : 0;
}

bool job_may_go_on(struct job *job)
{
    if (!loop_timer_is_set(job->deadline)) {
        cut(job, "the time for one attempt is over");
        return false;
    }
    if (job->is_called_back) {
        give_back(job, "called back by the master");
        return false;
    }
    if (job->delivery->is_draining || job->delivery->unrecorded > 0) {
        give_back(job, "the worker ends, or pauses");
        return false;
    }
    return true;
}

void delivery_cancel(struct delivery *delivery, uint64_t id)
{
    struct job *job;

    TAILQ_FOREACH (job, &delivery->jobs, link) {
        if (job->order.job != id)
            continue;
        job->is_called_back = true;
        if (may_be_cut(job))
            give_back(job, "called back by the master");
        return;
    }
}

static void give_back_all(struct delivery *delivery, const char *why)
{
    struct job *job, *next;

    for (job = TAILQ_FIRST(&delivery->jobs); job != NULL; job = next) {
        next = TAILQ_NEXT(job, link);
        if (may_be_cut(job))
            give_back(job, why);
    }
}

static void on_pause_timer(void *arg)
{
    struct delivery *delivery = arg;

    if (delivery->unrecorded > 0)
        give_back_all(delivery, "outcomes cannot be recorded here now");
}

void delivery_drain(struct delivery *delivery, delivery_drained_cb *done, void *arg)
{
    delivery->is_draining = true;
    delivery->drained = done;
    delivery->drained_arg = arg;
    give_back_all(delivery, "the worker ends");
    look_whether_drained(delivery);
}

/* ---- the whole ---- */

struct delivery *delivery_new(const struct delivery_parts *parts)
{
    struct delivery *delivery = calloc(1, sizeof(*delivery));
    struct loop *loop = parts->loop;

    if (delivery == NULL)
        return NULL;
    *delivery = (struct delivery){
        .loop = loop,
        .channel = parts->channel,
        .conf = parts->conf,
        .directory = parts->directory,
        .cache = parts->cache,
        .spooler = parts->spooler,
        .resolver = parts->resolver,
        .pool = parts->pool,
        .http = parts->http,
        .body_work = parts->body_work,
        .drained_timer = loop_timer_new(loop, on_drained_timer, delivery),
        .record_timer = loop_timer_new(loop, delivery_on_record_timer, delivery),
        .pause_timer = loop_timer_new(loop, on_pause_timer, delivery),
        .trim_timer = loop_timer_new(loop, delivery_on_trim_timer, delivery),
    };
    TAILQ_INIT(&delivery->jobs);
    TAILQ_INIT(&delivery->spare);
    if (delivery->drained_timer == NULL || delivery->record_timer == NULL ||
        delivery->pause_timer == NULL || delivery->trim_timer == NULL)
        delivery_free(&delivery);
    return delivery;
}

void delivery_free(struct delivery **delivery)
{
    struct delivery *d = *delivery;
    struct job *job;

    *delivery = NULL;
    if (d == NULL)
        return;
    while ((job = TAILQ_FIRST(&d->jobs)) != NULL) {
        TAILQ_REMOVE(&d->jobs, job, link);
        read_ahead_cancel(&job->read_ahead);
        message_check_cancel(&job->check);
        job_disconnect(job);
        job->delivery = NULL;
        if (job->stage != JOB_NOTING && job->stage != JOB_SAVING) /* else it goes with its note */
            job_forget(job);
    }
    while ((job = TAILQ_FIRST(&d->spare)) != NULL) {
        TAILQ_REMOVE(&d->spare, job, link);
        job_free(job);
    }
    loop_timer_free(&d->drained_timer);
    loop_timer_free(&d->record_timer);
    loop_timer_free(&d->pause_timer);
    loop_timer_free(&d->trim_timer);
    free(d);
}

void delivery_figures(const struct delivery *delivery, struct delivery_figures *ret_figures)
{
    *ret_figures = delivery->figures;
    ret_figures->jobs = delivery->job_count;
    ret_figures->connections = smtp_pool_open_count(delivery->pool);
}
