/* worker/delivery_walk.c: from server to server, until one has taken the message or none is left
 * (SP20, SP21, SP22). */
#include <stdio.h>
#include <string.h>

#include "common/channel.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/profile.h"
#include "common/server_order.h"
#include "common/shortage.h"
#include "worker/delivery_private.h"
#include "worker/directory.h"
#include "worker/resolver.h"
#include "worker/smtp/connection.h"

#define LOGIN_REFUSED 535

static uint64_t bit(int server)
{
    return (uint64_t)1 << server;
}

/* None that is to be left alone (SP23). -1: none is left. */
static int next_server(const struct job *job)
{
    return server_order_next(job->profile->profile->server_count, job->order.start,
                             job->tried | job->order.skip);
}

bool job_has_another(const struct job *job)
{
    return next_server(job) >= 0;
}

/* Our password, or our key, is why. */
static bool refuses_login(const struct job *job, unsigned code)
{
    if (job->profile->profile->type == PROFILE_SMTP)
        return code == LOGIN_REFUSED;
    return code == 401 || code == 403;
}

/* Told before the job is over: with the next server it may take long. */
static void tell_master(const struct job *job, unsigned code, const char *what)
{
    struct ipc_server_failed told = {
        .job = job->order.job,
        .server = (uint16_t)job->server,
        .word = refuses_login(job, code) ? IPC_WORD_REFUSES_LOGIN : IPC_WORD_FAILED,
    };

    (void)snprintf(told.text, sizeof(told.text), "%s", what);
    channel_send(job->delivery->channel, IPC_SERVER_FAILED, &told);
}

static void note_failed(struct job *job, unsigned code, const char *what)
{
    job->failed |= bit(job->server);
    tell_master(job, code, what);
    job_trail(job, TRAIL_FAILED, code, what);
    log_warning("delivery", "server failed", LOG_ID(job->order.place.id),
                LOG_STR("profile", job->profile->profile->name),
                LOG_STR("server", job_server_text(job, job->server)), LOG_STR("reason", what));
}

/* ---- connecting ---- */

static void on_connection(struct smtp_connection *connection, bool is_reused, void *owner)
{
    struct job *job = owner;

    job->connection = connection;
    job->is_reused = is_reused;
    job_time_connected(job, is_reused);
    job_talk(job);
}

void job_connection_failed(struct job *job, const struct smtp_failure *failure)
{
    const struct smtp_situation situation = {
        .is_crowded = /* the one that failed is gone already */
        smtp_pool_open_to(job->delivery->pool, job->profile, (unsigned)job->server) > 0,
        .is_too_many = failure->is_too_many,
    };

    if (smtp_judge(failure->point, failure->event, &situation) != SMTP_NO_ROOM) {
        job_server_failed(job, failure->code, failure->text);
        return;
    }
    if (failure->is_too_many)
        smtp_pool_too_many(job->delivery->pool, job->profile, (unsigned)job->server);
    if (failure->is_too_many || failure->is_busy)
        job_settle_busy(job, failure->text);
    else
        job_settle_no_room(job, failure->text);
}

static void on_failed(const struct smtp_failure *failure, void *owner)
{
    job_connection_failed(owner, failure);
}

static const struct smtp_ticket_ops ticket_ops = {
    .on_connection = on_connection,
    .on_failed = on_failed,
};

void job_return_lease(struct job *job)
{
    if (!job->has_lease)
        return;
    job->has_lease = false;
    smtp_pool_add_lease(job->delivery->pool, job->order.profile, job->order.leased,
                        job->order.others);
}

/* 0, or a negative errno with the reason: there is no way to begin. */
static int open_connection(struct job *job, struct reason *why)
{
    job->ticket = (struct smtp_ticket){
        .answer = job->answer,
        .first = job->first_address,
        .ehlo_name = job_ehlo_name(job),
        .ops = &ticket_ops,
        .owner = job,
    };
    job_time_asked(job);
    job_return_lease(job); /* the pool opens with it at once */
    return smtp_pool_open(job->delivery->pool, job->profile, (unsigned)job->server, &job->ticket,
                          why);
}

void job_cannot_begin(struct job *job, int err, const char *what)
{
    if (is_shortage(err))
        job_settle_no_room(job, what);
    else
        job_server_failed(job, 0, what);
}

static void on_resolved(struct resolver_answer *answer, const char *reason, void *arg)
{
    struct job *job = arg;
    struct reason why = { "" };
    int err;

    job->query = NULL;
    if (answer == NULL) {
        job_server_failed(job, 0, reason);
        return;
    }
    job->answer = resolver_answer_hold(answer);
    err = open_connection(job, &why);
    if (err < 0)
        job_cannot_begin(job, err, why.text);
}

/* 0, or a negative errno with the reason: it came to nothing on the spot. */
static int begin_fresh(struct job *job, struct reason *why)
{
    const char *host = job->profile->profile->servers[job->server].host;
    int found = resolver_lookup(job->delivery->resolver, host, on_resolved, job, &job->answer,
                                &job->query, why);

    return found == 1 ? open_connection(job, why) : found;
}

void job_reconnect(struct job *job, unsigned first)
{
    struct reason why = { "" };
    int err;

    job->stage = JOB_WALKING;
    job->first_address = first;
    job_time_again(job);
    err = job->answer == NULL ? begin_fresh(job, &why) : open_connection(job, &why);
    if (err < 0)
        job_cannot_begin(job, err, why.text);
}

void job_disconnect(struct job *job)
{
    resolver_cancel(&job->query);
    job_leave(job);
    smtp_pool_give_up(&job->ticket);
    smtp_connection_free(&job->connection);
}

/* ---- walking ---- */

/* True: the server at hand is being talked or connected to, or the job has ended over it. */
static bool try_server(struct job *job)
{
    struct delivery *delivery = job->delivery;
    const char *unbuilt = profile_unbuilt_protection(job->profile->profile, (size_t)job->server);
    struct reason why = { "" };
    int err;

    if (unbuilt != NULL) {
        (void)reason_set(&why, 0, "asks for %s, which this version cannot do yet", unbuilt);
        job_trail(job, TRAIL_UNBUILT, 0, why.text);
        return false;
    }
    job_time_server(job);
    if (job->visit != NULL) {
        job_visit(job);
        return true;
    }
    job->first_address = 0;
    job->connection = smtp_pool_take(delivery->pool, job->profile, (unsigned)job->server);
    if (job->connection != NULL) {
        job_return_lease(job);
        job->is_reused = true;
        job->came_by = TRAIL_POOL_HIT;
        job_talk(job);
        return true;
    }
    err = begin_fresh(job, &why);
    if (is_shortage(err))
        job_settle_no_room(job, why.text);
    if (err == 0 || is_shortage(err))
        return true;
    note_failed(job, 0, why.text);
    return false;
}

void job_walk(struct job *job)
{
    job->stage = JOB_WALKING;
    while ((job->server = next_server(job)) >= 0) {
        job_trail_passed(job);
        resolver_answer_release(job->answer);
        job->answer = NULL;
        job->tried |= bit(job->server);
        if (try_server(job))
            return;
    }
    job_trail_passed(job);
    if (!job_goes_without(job))
        job_settle(job);
}

void job_server_failed(struct job *job, unsigned code, const char *what)
{
    note_failed(job, code, what);
    job_walk(job);
}
