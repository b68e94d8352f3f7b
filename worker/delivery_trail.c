/* worker/delivery_trail.c: what an attempt leaves for people: whom the walk passed over and why,
 * how connections were come by, and how long each part took (worker/trail.h). */
#include <stdio.h>

#include "common/loop.h"
#include "common/profile.h"
#include "worker/delivery_private.h"
#include "worker/directory.h"
#include "worker/smtp/connection.h"

static uint64_t bit(size_t server)
{
    return (uint64_t)1 << server;
}

static int64_t now_ms(const struct job *job)
{
    return loop_now_ms(job->delivery->loop);
}

/* ---- steps ---- */

void job_trail(struct job *job, enum trail_result result, unsigned code, const char *what)
{
    const struct trail_step step = {
        .server = job->server,
        .result = result,
        .pool = job->server >= 0 ? job->came_by : TRAIL_POOL_NONE,
        .code = code,
        .tls = job->protection,
        .times = job->times,
        .took_ms =
            job->server >= 0 && job->server_began_ms != 0 ? now_ms(job) - job->server_began_ms : -1,
        .text = what,
    };

    (void)snprintf(job->why, sizeof(job->why), "%.120s%s%.270s", job_server_text(job, job->server),
                   job->server >= 0 ? ": " : "", what);
    trail_add(&job->trail, &step);
}

/* ---- whom the walk passes over ---- */

static enum trail_result reason_of(const struct job *job, uint64_t server)
{
    if ((job->order.tried & server) != 0)
        return TRAIL_TRIED_BEFORE;
    if ((job->order.drained & server) != 0)
        return TRAIL_DRAINED;
    if ((job->order.refusing & server) != 0)
        return TRAIL_REFUSES_LOGIN;
    return (job->order.skip & server) != 0 ? TRAIL_DOWN : TRAIL_DOUBTED;
}

static void pass(struct job *job, size_t server)
{
    const struct trail_step step = { .server = (int)server,
                                     .result = reason_of(job, bit(server)),
                                     .took_ms = -1 };

    if ((job->passed & bit(server)) == 0)
        trail_add(&job->trail, &step);
    job->passed |= bit(server);
}

/* The start is the first that the master would give it to: those right before it, back to where its
 * turn began, it would not. */
static size_t first_candidate(const struct job *job, size_t first)
{
    const struct profile *profile = job->profile->profile;
    const size_t count = profile->server_count;
    const bool is_round = profile->preference == PREFERENCE_ROUND_ROBIN;

    for (size_t i = 1; i < count && (is_round || first > 0); i++) {
        size_t before = (first + count - 1) % count;

        if (((job->order.skip | job->order.doubted) & bit(before)) == 0)
            break;
        first = before;
    }
    return first;
}

void job_trail_passed(struct job *job)
{
    const size_t count = job->profile->profile->server_count;
    const uint64_t all = count >= 64 ? ~(uint64_t)0 : bit(count) - 1;
    const uint64_t out = job->order.skip | job->order.tried;
    size_t at = job->order.start % count;

    if (((out | job->order.doubted) & all & ~job->passed) == 0)
        return;
    if (job->passed == 0) {
        for (size_t i = first_candidate(job, at); i != at; i = (i + 1) % count)
            pass(job, i);
    }
    for (size_t i = 0; i < count && (int)at != job->server; i++, at = (at + 1) % count) {
        if ((out & bit(at)) != 0)
            pass(job, at);
    }
}

/* ---- how long it took ---- */

void job_time_server(struct job *job)
{
    job->server_began_ms = job->asked_ms = now_ms(job);
    job->came_by = TRAIL_POOL_NONE;
    job->protection[0] = '\0';
    job->times = (struct trail_times){ 0 };
}

void job_time_again(struct job *job)
{
    job->asked_ms = now_ms(job);
    job->protection[0] = '\0';
    job->times = (struct trail_times){ .lookup_ms = job->times.lookup_ms };
}

void job_time_asked(struct job *job)
{
    if (job->times.lookup_ms == 0)
        job->times.lookup_ms = now_ms(job) - job->asked_ms;
    job->asked_ms = now_ms(job);
    if (job->came_by != TRAIL_POOL_MISS_STALE)
        job->came_by = job->profile->profile->pool.enabled ? TRAIL_POOL_MISS : TRAIL_POOL_MISS_OFF;
}

void job_time_connected(struct job *job, bool is_reused)
{
    struct trail_times *times = &job->times;

    times->wait_ms = now_ms(job) - job->asked_ms;
    if (is_reused) {
        job->came_by = TRAIL_POOL_HANDED_OVER;
        return;
    }
    times->connect_ms = smtp_connection_connect_ms(job->connection);
    times->handshake_ms = smtp_connection_handshake_ms(job->connection);
    times->wait_ms -= times->connect_ms + times->handshake_ms;
}

void job_time_talked(struct job *job)
{
    const int64_t content_ms = job->transaction.content_ms;

    job->times.envelope_ms = (content_ms != 0 ? content_ms : now_ms(job)) - job->talk_ms;
    job->times.data_ms = content_ms != 0 ? now_ms(job) - content_ms : 0;
}
