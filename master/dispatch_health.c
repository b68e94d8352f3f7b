/* Which servers mail is given to (SP23): what deliveries say about servers, trials while none takes
 * mail, and what operators order. The breaker itself is master/health.h's. */
#include <errno.h>
#include <string.h>

#include "common/channel.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/server_uri.h"
#include "master/dispatch_parts.h"
#include "master/group.h"
#include "master/jobs.h"
#include "master/route.h"
#include "master/worker.h"

static uint64_t bit(size_t server)
{
    return (uint64_t)1 << server;
}

/* ---- the timer: for the next try, or the end of the time that a worker has for one ---- */

void dispatch_health_wake_in(struct dispatch *dispatch, int64_t wait_ms)
{
    int64_t at_ms = loop_now_ms(dispatch->loop) + (wait_ms > 0 ? wait_ms : 0);

    if (loop_timer_is_set(dispatch->health.timer) && dispatch->health.timer_ms <= at_ms)
        return;
    dispatch->health.timer_ms = at_ms;
    loop_timer_set_ms(dispatch->health.timer, wait_ms > 0 ? wait_ms : 0);
}

void dispatch_health_wake_for(struct dispatch *dispatch, const struct route_server *server)
{
    if (server->health.state == HEALTH_DOWN && !server->health.is_drained)
        dispatch_health_wake_in(dispatch, server->health.next_ms - loop_now_ms(dispatch->loop));
}

/* ---- events ---- */

static void tell_opened(const struct route *route, const struct route_server *server)
{
    if (server->health.state == HEALTH_REFUSED)
        log_alert("health",
                  "a server refuses our login: no mail goes there until the profile is saved or "
                  "the server enabled",
                  LOG_STR("profile", route->name), LOG_STR("server", server->uri),
                  LOG_STR("reason", server->health.why));
    else
        log_warning("health", "a server is down: no mail goes there until it answers a probe",
                    LOG_STR("profile", route->name), LOG_STR("server", server->uri),
                    LOG_INT("failures", server->health.failures),
                    LOG_INT("probe_in_s", server->health.wait_ms / 1000),
                    LOG_STR("reason", server->health.why));
}

static void tell_closed(const struct route *route, const struct route_server *server,
                        int64_t was_since_ms)
{
    log_warning("health", "a server takes mail again, at first a few messages at a time",
                LOG_STR("profile", route->name), LOG_STR("server", server->uri),
                LOG_INT("after_s", (clock_wall_ms() - was_since_ms) / 1000));
}

/* Told when the last server stops taking mail, and when one begins again. */
static void watch_profile(struct route *route)
{
    bool is_down = route_up(route) == 0;

    if (is_down == (route->down_wall_ms != 0))
        return;
    route->down_wall_ms = is_down ? clock_wall_ms() : 0;
    if (is_down)
        log_alert("health", "no server of a profile takes mail: it waits",
                  LOG_STR("profile", route->name));
    else
        log_alert("health", "a server of the profile takes mail again: what waited leaves",
                  LOG_STR("profile", route->name));
}

/* What could not be delivered without it is ready now, or when it returns from the attempt it is on
 * still: dispatch_health_has_come_back(). */
static void come_back(struct dispatch *dispatch, struct lane *lane, struct route_server *server)
{
    server->back_job = dispatch->health.last_job;
    dispatch_release(dispatch, lane);
}

void dispatch_health_take(struct dispatch *dispatch, struct lane *lane, struct route_server *server,
                          enum health_event event, uint64_t delivery, const char *why)
{
    const struct health_moment moment = {
        .mono_ms = loop_now_ms(dispatch->loop),
        .wall_ms = clock_wall_ms(),
        .last_delivery = dispatch->health.last_job,
        .chance = (uint32_t)hash_mix((uint64_t)clock_mono_us(), server->identity),
    };
    int64_t since_ms = server->health.since_wall_ms;
    enum health_turn turn =
        health_take(&server->health, &dispatch->health.rules, event, &moment, delivery, why);

    if (turn == HEALTH_OPENED)
        tell_opened(lane->route, server);
    if (turn == HEALTH_CLOSED) {
        tell_closed(lane->route, server, since_ms);
        come_back(dispatch, lane, server);
    }
    dispatch_health_wake_for(dispatch, server);
    watch_profile(lane->route);
}

/* ---- what is given out ---- */

/* While no server takes mail: one that is due to be tried, and has no trial out. SIZE_MAX: none. */
static size_t due_for_trial(const struct dispatch *dispatch, const struct route *route)
{
    int64_t now_ms = loop_now_ms(dispatch->loop);

    for (size_t i = 0; i < route->servers->count; i++) {
        if (health_is_due(&route->states[i].health, now_ms) && route->states[i].trial == 0)
            return i;
    }
    return SIZE_MAX;
}

uint64_t dispatch_health_usable(const struct dispatch *dispatch, const struct route *route)
{
    uint64_t open = route_open(route);
    size_t trial;

    if (open != 0 || route_up(route) != 0)
        return open;
    trial = due_for_trial(dispatch, route);
    return trial != SIZE_MAX ? bit(trial) : 0;
}

void dispatch_health_sent(struct dispatch *dispatch, struct job *job,
                          struct ipc_mail_deliver *deliver)
{
    struct lane *lane = job->group->lane;
    struct route_server *server = &lane->route->states[job->start];
    const uint64_t up = route_up(lane->route);

    deliver->skip = ~up;
    deliver->drained = route_drained(lane->route);
    deliver->refusing = route_refusing(lane->route);
    deliver->doubted = up & ~route_open(lane->route);

    dispatch->health.last_job = job->id;
    route_enter(server, job->id);
    job->is_at_start = true;
    if (health_is_up(&server->health))
        return;
    job->is_trial = true;
    deliver->is_trial = 1;
    deliver->skip = ~bit(job->start);
    server->trial = job->id;
    log_info("health", "a message is tried on a server that is down", LOG_ID(job->group->place.id),
             LOG_STR("profile", lane->route->name), LOG_STR("server", server->uri));
    dispatch_health_take(dispatch, lane, server, HEALTH_TRIED, HEALTH_NO_DELIVERY, NULL);
}

bool dispatch_health_has_come_back(const struct job *job)
{
    const struct route *route = job->group->lane->route;

    for (size_t i = 0; route != NULL && i < route->servers->count; i++) {
        if (route->states[i].back_job >= job->id && health_is_up(&route->states[i].health))
            return true;
    }
    return false;
}

/* ---- what deliveries say ---- */

static struct route_server *server_of(const struct job *job, size_t index)
{
    struct route *route = job->group->lane->route;

    return route != NULL ? route_find(route, job->servers->identities[index]) : NULL;
}

static void leave_start(struct job *job)
{
    struct route_server *server = server_of(job, job->start);

    if (job->is_at_start && server != NULL)
        route_leave(server, job->id);
    job->is_at_start = false;
}

int dispatch_server_failed(struct dispatch *dispatch, struct worker *worker,
                           const struct ipc_server_failed *failed)
{
    struct job *job = jobs_find(dispatch->jobs, failed->job);
    struct route_server *server;
    bool is_trial, is_login = failed->word == IPC_WORD_REFUSES_LOGIN;

    if (job == NULL)
        return 0; /* its time was over */
    if (job->worker != worker || failed->server >= job->servers->count ||
        (failed->word != IPC_WORD_FAILED && !is_login) ||
        memchr(failed->text, '\0', sizeof(failed->text)) == NULL)
        return -EBADMSG;
    server = server_of(job, failed->server);
    if (server == NULL)
        return 0; /* it left the list */
    job->failed |= bit(failed->server);
    is_trial = job->is_trial && failed->server == job->start;
    if (failed->server == job->start)
        leave_start(job);
    if (is_trial)
        server->trial = 0;
    if (is_login && job->servers->version != job->group->lane->route->version)
        is_login = false; /* with what was saved over meanwhile */
    dispatch_health_take(dispatch, job->group->lane, server,
                         is_login   ? HEALTH_LOGIN_REFUSED
                         : is_trial ? HEALTH_TRY_FAILED
                                    : HEALTH_FAILED,
                         job->id, failed->text);
    return 0;
}

/* What a trial has shown when its server was not reported as failed. */
static enum health_event verdict_of_trial(const struct job *job,
                                          const struct ipc_mail_outcome *outcome)
{
    if (outcome == NULL || (outcome->tried & bit(job->start)) == 0 ||
        outcome->outcome == IPC_OUTCOME_NO_ROOM || outcome->outcome == IPC_OUTCOME_NOT_HELD ||
        (outcome->flags & IPC_OUTCOME_CUT) != 0)
        return HEALTH_TRY_UNDECIDED;
    return (outcome->flags & IPC_OUTCOME_LOST) != 0 ? HEALTH_TRY_FAILED : HEALTH_ANSWERED;
}

static void end_trial(struct dispatch *dispatch, const struct job *job,
                      const struct ipc_mail_outcome *outcome)
{
    struct route_server *server = server_of(job, job->start);
    enum health_event event = verdict_of_trial(job, outcome);

    if (server == NULL || server->trial != job->id)
        return;
    server->trial = 0;
    dispatch_health_take(
        dispatch, job->group->lane, server, event, job->id,
        event == HEALTH_TRY_FAILED ? "the connection was lost after the end of data" : NULL);
}

void dispatch_health_ended(struct dispatch *dispatch, struct job *job,
                           const struct ipc_mail_outcome *outcome)
{
    struct route_server *server;

    leave_start(job);
    if (job->is_trial) {
        end_trial(dispatch, job, outcome);
        return;
    }
    if (outcome == NULL || outcome->served < 0 || (outcome->flags & IPC_OUTCOME_LOST) != 0 ||
        (job->failed & bit((size_t)outcome->served)) != 0)
        return;
    server = server_of(job, (size_t)outcome->served);
    if (server != NULL && server->health.state != HEALTH_UP)
        dispatch_health_take(dispatch, job->group->lane, server, HEALTH_ANSWERED, job->id, NULL);
}

/* ---- what changes from outside ---- */

void dispatch_set_health(struct dispatch *dispatch, const struct health_rules *rules)
{
    dispatch->health.rules = *rules;
}

void dispatch_health_saved(struct dispatch *dispatch, struct lane *lane)
{
    for (size_t i = 0; i < lane->route->servers->count; i++)
        dispatch_health_take(dispatch, lane, &lane->route->states[i], HEALTH_PROFILE_SAVED,
                             HEALTH_NO_DELIVERY, NULL);
}

static struct route_server *find_server(const struct dispatch *dispatch, uint32_t profile,
                                        const char *uri, struct lane **ret_lane)
{
    struct lane *lane = queue_lane_known(dispatch->queue, profile);

    *ret_lane = lane;
    return lane != NULL && lane->route != NULL ? route_find(lane->route, server_uri_identity(uri))
                                               : NULL;
}

int dispatch_drain(struct dispatch *dispatch, uint32_t profile, const char *uri)
{
    struct lane *lane;
    struct route_server *server = find_server(dispatch, profile, uri, &lane);

    if (server == NULL)
        return -ENOENT;
    if (!server->health.is_drained)
        log_info("health", "a server is drained: no new mail goes there until it is enabled",
                 LOG_STR("profile", lane->route->name), LOG_STR("server", uri));
    server->health.is_drained = true;
    watch_profile(lane->route);
    return 0;
}

int dispatch_enable(struct dispatch *dispatch, uint32_t profile, const char *uri)
{
    struct lane *lane;
    struct route_server *server = find_server(dispatch, profile, uri, &lane);

    if (server == NULL)
        return -ENOENT;
    dispatch_health_take(dispatch, lane, server, HEALTH_ENABLED, HEALTH_NO_DELIVERY, NULL);
    come_back(dispatch, lane, server);
    loop_timer_set_ms(dispatch->wake, 0); /* what waits may leave in this turn */
    return 0;
}
