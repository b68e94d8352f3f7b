/* master/control/servers.c: the health of servers, the connections to them, and an operator's
 * orders about them (SP23, SP49).
 *
 * A drain is durable when answered; either order leaves an entry in the audit log. */
#include "master/control/call.h"
#include "master/control/control_private.h"
#include "master/control/routes.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/server_uri.h"

/* What `show` knows of all servers, or of those of the profile that is asked for. */
static void serve_list(struct call *call, json_t *(*show)(void *self, uint32_t profile))
{
    const struct control_backend *backend = &call->control->backend;
    const char *name = http_request_query(call->request, "profile");
    const struct profile *profile =
        name ? registry_profile_named(call->control->registry, name) : NULL;
    json_t *servers;

    if (name && !profile) {
        call_refuse(call, 404, "not_found", "there is no profile \"%.200s\"", name);
        return;
    }
    servers = show(backend->self, profile ? profile->id : 0);
    if (servers)
        call_answer(call, 200, json_pack("{s:o}", "servers", servers));
    else
        call_refuse_memory(call);
}

void serve_servers_get(struct call *call)
{
    serve_list(call, call->control->backend.servers);
}

void serve_pool_get(struct call *call)
{
    serve_list(call, call->control->backend.pool);
}

/* ---- orders ---- */

struct order {
    struct call *call;
    uint32_t profile;
    bool is_drain;
    char server[SERVER_URI_MAX]; /* as the profile has it */
};

static void on_stored(struct registry_answer *answer, void *arg)
{
    struct order *order = arg;
    struct call *call = order->call;
    const struct control_backend *backend = &call->control->backend;

    if (answer->result == REGISTRY_OK) {
        backend->server_drain(backend->self, order->profile, order->server, order->is_drain);
        call_answer(call, 200,
                    json_pack("{s:s, s:b}", "server", order->server, "drained", order->is_drain));
    } else {
        call_refuse_registry(call, answer, "server of the profile", NULL);
    }
    free(order);
}

/* False: refused. */
static bool read_server(struct call *call, enum profile_type type, const char *text,
                        struct order *order)
{
    const char *component = NULL;
    struct reason why = { "" };
    struct server_uri uri;

    if (server_uri_parse(text, type, &uri, &component, &why) < 0) {
        call_refuse(call, 422, "invalid", "server: %.200s: %s: %s", text, component, why.text);
        return false;
    }
    snprintf(order->server, sizeof(order->server), "%s", uri.text);
    return true;
}

static void serve_order(struct call *call, bool is_drain)
{
    struct registry *registry = call->control->registry;
    const char *name = json_string_value(json_object_get(call->body, "profile"));
    const char *server = json_string_value(json_object_get(call->body, "server"));
    const struct profile *profile = name ? registry_profile_named(registry, name) : NULL;
    struct order *order;

    if (!name || !server || json_object_size(call->body) != 2) {
        call_refuse(call, 422, "invalid", "a profile's name and one of its servers are expected");
        return;
    }
    if (!profile) {
        call_refuse(call, 404, "not_found", "there is no profile \"%.200s\"", name);
        return;
    }
    order = calloc(1, sizeof(*order));
    if (!order) {
        call_refuse_memory(call);
        return;
    }
    *order = (struct order){ .call = call, .profile = profile->id, .is_drain = is_drain };
    if (read_server(call, profile->type, server, order))
        registry_server_drain(registry, profile->id, order->server, is_drain, &call->actor,
                              on_stored, order);
    else
        free(order);
}

void serve_server_drain(struct call *call)
{
    serve_order(call, true);
}

void serve_server_enable(struct call *call)
{
    serve_order(call, false);
}
