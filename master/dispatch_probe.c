/* Servers that are down are asked whether they answer again (SP23): by a worker, without mail. One
 * timer does for all: it is set for the next server that is due, or the next worker that is late.
 */
#include <errno.h>
#include <string.h>

#include "common/channel.h"
#include "common/loop.h"
#include "master/budget.h"
#include "master/dispatch_parts.h"
#include "master/group.h"
#include "master/route.h"
#include "master/worker.h"

#define PROBE_GRACE_MS 5000

/* The least loaded worker asks the server. False: none runs, or no connection to it is free. */
static bool send_probe(struct dispatch *dispatch, struct lane *lane, size_t index)
{
    struct route_server *server = &lane->route->states[index];
    struct account *account = budget_account(dispatch->budget, lane->profile, server->identity);
    struct worker *worker = workers_least_loaded(dispatch->workers);
    struct ipc_health_probe order = { .token = dispatch->health.last_token + 1,
                                      .version = lane->route->version,
                                      .profile = lane->profile,
                                      .server = (uint32_t)index,
                                      .leased = server->identity };

    if (worker == NULL || account == NULL || !budget_take(dispatch->budget, account, worker->slot))
        return false;
    order.others = budget_others(account, worker->slot);
    dispatch->health.last_token++;
    server->probe.token = order.token;
    server->probe.slot = worker->slot;
    server->probe.until_ms = loop_now_ms(dispatch->loop) + IPC_HEALTH_PROBE_MS + PROBE_GRACE_MS;
    channel_send(worker->channel, IPC_HEALTH_PROBE, &order);
    dispatch_health_take(dispatch, lane, server, HEALTH_TRIED, HEALTH_NO_DELIVERY, NULL);
    return true;
}

static void end_probe(struct dispatch *dispatch, struct lane *lane, struct route_server *server,
                      enum ipc_server_word word, const char *why)
{
    static const enum health_event events[IPC_WORD_COUNT] = {
        [IPC_WORD_ANSWERS] = HEALTH_ANSWERED,
        [IPC_WORD_FAILED] = HEALTH_TRY_FAILED,
        [IPC_WORD_REFUSES_LOGIN] = HEALTH_LOGIN_REFUSED,
        [IPC_WORD_UNDECIDED] = HEALTH_TRY_UNDECIDED,
    };
    bool is_failure = word == IPC_WORD_FAILED || word == IPC_WORD_REFUSES_LOGIN;

    server->probe.token = 0;
    dispatch_health_take(dispatch, lane, server, events[word], HEALTH_NO_DELIVERY,
                         is_failure ? why : NULL);
}

int dispatch_probed(struct dispatch *dispatch, const struct worker *worker,
                    const struct ipc_health_probed *probed)
{
    struct lane *lane = queue_lane_known(dispatch->queue, probed->profile);

    if (probed->word >= IPC_WORD_COUNT || memchr(probed->text, '\0', sizeof(probed->text)) == NULL)
        return -EBADMSG;
    for (size_t i = 0; lane != NULL && lane->route != NULL && i < lane->route->servers->count;
         i++) {
        struct route_server *server = &lane->route->states[i];

        if (probed->token != 0 && server->probe.token == probed->token &&
            server->probe.slot == worker->slot) {
            end_probe(dispatch, lane, server, (enum ipc_server_word)probed->word, probed->text);
            break; /* what nobody waits for any more is late */
        }
    }
    return 0;
}

/* A message tells more than a probe: the end of this turn sends one if it can. */
static bool is_left_to_trial(const struct dispatch *dispatch, const struct lane *lane, size_t index)
{
    return route_up(lane->route) == 0 && lane->ready_count > 0 &&
           lane->in_flight < lane->route->max_in_flight && dispatch_any_room(dispatch, lane) &&
           lane->route->states[index].trial == 0;
}

static void look_after(struct dispatch *dispatch, struct lane *lane, size_t index, int64_t now_ms)
{
    struct route_server *server = &lane->route->states[index];

    if (server->probe.token != 0 && now_ms >= server->probe.until_ms)
        end_probe(dispatch, lane, server, IPC_WORD_UNDECIDED, NULL);
    if (health_is_due(&server->health, now_ms) &&
        (is_left_to_trial(dispatch, lane, index) || !send_probe(dispatch, lane, index)))
        dispatch_health_wake_in(dispatch, HEALTH_AGAIN_MS);
    else
        dispatch_health_wake_for(dispatch, server);
    if (server->probe.token != 0)
        dispatch_health_wake_in(dispatch, server->probe.until_ms - now_ms);
}

/* Runs for every server of the dispatch's profiles. */
typedef void each_server(struct dispatch *dispatch, struct lane *lane, size_t index, int64_t arg);

static void for_each_server(struct dispatch *dispatch, each_server *each, int64_t arg)
{
    for (size_t i = 0; i < queue_lane_count(dispatch->queue); i++) {
        struct lane *lane = queue_lane_at(dispatch->queue, i);

        for (size_t s = 0; lane->route != NULL && s < lane->route->servers->count; s++)
            each(dispatch, lane, s, arg);
    }
}

void dispatch_health_on_timer(void *arg)
{
    struct dispatch *dispatch = arg;

    if (!dispatch->is_stopped)
        for_each_server(dispatch, look_after, loop_now_ms(dispatch->loop));
}

static void forget_probe(struct dispatch *dispatch, struct lane *lane, size_t index, int64_t slot)
{
    struct route_server *server = &lane->route->states[index];

    if (server->probe.token != 0 && server->probe.slot == slot)
        end_probe(dispatch, lane, server, IPC_WORD_UNDECIDED, NULL);
}

void dispatch_health_worker_lost(struct dispatch *dispatch, const struct worker *worker)
{
    for_each_server(dispatch, forget_probe, worker->slot);
}
