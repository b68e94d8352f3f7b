/* master/registry_drain.c: servers that an operator has drained (SP23). They are the one thing
 * about a server's health that outlives a restart: what is down shows by itself. */
#include <errno.h>
#include <string.h>

#include "master/registry_private.h"

static json_t *entry_of(uint32_t profile, const char *uri)
{
    return json_pack("{sI ss}", "profile", (json_int_t)profile, "server", uri);
}

static bool is_about(const json_t *entry, uint32_t profile, const char *uri)
{
    const char *server = json_string_value(json_object_get(entry, "server"));

    return json_integer_value(json_object_get(entry, "profile")) == profile && server != NULL &&
           strcmp(server, uri) == 0;
}

bool registry_is_drained(const struct registry *registry, uint32_t profile, const char *uri)
{
    const json_t *entry;
    size_t i;

    json_array_foreach (registry->drained, i, entry) {
        if (is_about(entry, profile, uri))
            return true;
    }
    return false;
}

static bool has_server(const struct registry *registry, uint32_t id, const char *uri)
{
    const struct registry_profile *entry = state_profile(&registry->now, id);

    for (size_t i = 0; entry != NULL && i < entry->profile->server_count; i++) {
        if (strcmp(entry->profile->servers[i].text, uri) == 0)
            return true;
    }
    return false;
}

/* ---- an order ---- */

/* The list without this server, and without those that no profile has any more. */
static json_t *others(const struct registry *registry, uint32_t profile, const char *uri)
{
    json_t *list = json_array(), *entry;
    size_t i;

    json_array_foreach (registry->drained, i, entry) {
        uint32_t of = (uint32_t)json_integer_value(json_object_get(entry, "profile"));
        const char *server = json_string_value(json_object_get(entry, "server"));

        if (!is_about(entry, profile, uri) && has_server(registry, of, server) &&
            json_array_append(list, entry) < 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static enum registry_result prepare_order(struct registry *registry, struct request *request)
{
    const char *uri = json_string_value(json_object_get(request->input, "server"));
    bool is_drain = json_is_true(json_object_get(request->input, "drained"));
    struct registry_profile *entry = state_profile(&registry->now, request->id);

    if (!has_server(registry, request->id, uri))
        return REGISTRY_NOT_FOUND;
    request->drained = others(registry, request->id, uri);
    if (request->drained == NULL ||
        (is_drain && json_array_append_new(request->drained, entry_of(request->id, uri)) < 0))
        return request_fail(request, REGISTRY_STORE, -ENOMEM, "out of memory");
    request_write(request, STORE_SETTINGS, "drained",
                  json_pack("{si sO}", "v", REGISTRY_FORMAT, "servers", request->drained));
    request_audit(request, is_drain ? "server drained" : "server enabled", entry->profile->name,
                  uri);
    return REGISTRY_OK;
}

static void after_order(struct registry *registry, struct request *request)
{
    if (!request->is_committed)
        return;
    json_decref(registry->drained);
    registry->drained = json_incref(request->drained);
}

void registry_server_drain(struct registry *registry, uint32_t profile, const char *uri,
                           bool is_drained, const struct registry_actor *actor,
                           registry_done_cb *done, void *arg)
{
    struct request *request = request_new(registry, prepare_order, actor, done, arg);

    request->id = profile;
    request->after = after_order;
    request->input = json_pack("{ss sb}", "server", uri, "drained", is_drained);
    request_submit(request);
}

/* ---- loading ---- */

bool registry_read_drained(const json_t *json, json_t **ret_drained)
{
    const json_t *servers = json_object_get(json, "servers"), *entry;
    size_t i;

    if (!json_is_array(servers) || json_object_size(json) != 2)
        return false;
    json_array_foreach (servers, i, entry) {
        if (!json_is_integer(json_object_get(entry, "profile")) ||
            !json_is_string(json_object_get(entry, "server")) || json_object_size(entry) != 2)
            return false;
    }
    *ret_drained = json_incref((json_t *)servers);
    return true;
}
