#include "master/pool_shown.h"

#include "master/budget_private.h"
#include "master/dispatch_parts.h"
#include "master/group.h"
#include "master/route.h"
#include "master/slots.h"
#include "master/worker.h"

static void set(json_t *object, const char *key, uint64_t value)
{
    (void)json_object_set_new(object, key, json_integer((json_int_t)value));
}

/* Times in seconds, as they are configured. */
static json_t *shown_span(const struct life_span *span)
{
    return json_pack("{s:f, s:f, s:I}", "idle", span->idle_ms / 1000.0, "age",
                     span->age_ms / 1000.0, "messages", (json_int_t)span->messages);
}

static json_t *shown_share(const struct dispatch *dispatch, const struct account *account,
                           unsigned slot)
{
    const struct share *share = &account->shares[slot];
    json_t *shown = json_object();

    set(shown, "slot", slot);
    set(shown, "open", share->open);
    set(shown, "idle", share->told_idle);
    set(shown, "leases", share->leases);
    set(shown, "idle_slots", slots_of(dispatch->slots, account->profile, slot));
    return shown;
}

static json_t *shown_workers(const struct dispatch *dispatch, const struct account *account)
{
    json_t *list = json_array();

    for (unsigned slot = 0; slot < ID_SLOTS; slot++) {
        if (dispatch->workers->slots[slot] != NULL)
            (void)json_array_append_new(list, shown_share(dispatch, account, slot));
    }
    return list;
}

static void set_counts(json_t *shown, const struct account *account)
{
    struct ipc_pool_counts sum = account->past;

    for (unsigned slot = 0; slot < ID_SLOTS; slot++)
        budget_add_counts(&sum, &account->shares[slot].counts);
#define X(name, meaning) set(shown, #name, sum.name);
    IPC_POOL_COUNTS(X)
#undef X
    set(shown, "handshakes_saved", (uint64_t)sum.hits + sum.handed_over);
}

static json_t *shown_server(const struct dispatch *dispatch, const struct lane *lane, size_t index)
{
    const struct route_server *server = &lane->route->states[index];
    const struct account *account =
        budget_account(dispatch->budget, lane->profile, server->identity);
    unsigned open = 0, idle = 0, slots = 0;
    json_t *shown = json_object();

    (void)json_object_set_new(shown, "profile", json_string(lane->route->name));
    (void)json_object_set_new(shown, "server", json_string(server->uri));
    if (account == NULL)
        return shown;
    for (unsigned slot = 0; slot < ID_SLOTS; slot++) {
        open += account->shares[slot].open;
        idle += account->shares[slot].told_idle;
        slots += slots_of(dispatch->slots, lane->profile, slot);
    }
    set(shown, "open", open);
    set(shown, "idle", idle);
    set(shown, "leases", account->out);
    set(shown, "max_connections", account->limit);
    (void)json_object_set_new(shown, "learnt",
                              account->learnt != 0 ? json_integer(account->learnt) : json_null());
    set(shown, "using", budget_limit(dispatch->budget, account));
    set(shown, "size", lane->route->is_pooled ? lane->route->pool_size : 0);
    set(shown, "idle_slots", slots);
    (void)json_object_set_new(shown, "learnt_life", shown_span(&account->life.learnt));
    (void)json_object_set_new(shown, "using_life", shown_span(&account->told));
    set_counts(shown, account);
    (void)json_object_set_new(shown, "workers", shown_workers(dispatch, account));
    return shown;
}

json_t *pool_shown(const struct dispatch *dispatch, uint32_t profile)
{
    json_t *list = json_array();

    for (size_t i = 0; i < queue_lane_count(dispatch->queue); i++) {
        const struct lane *lane = queue_lane_at(dispatch->queue, i);

        if (lane->route == NULL || (profile != 0 && lane->profile != profile))
            continue;
        for (size_t s = 0; s < lane->route->servers->count; s++)
            (void)json_array_append_new(list, shown_server(dispatch, lane, s));
    }
    return list;
}
