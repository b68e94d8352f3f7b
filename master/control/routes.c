/* master/control/routes.c: every route of the API.
 *
 * Matching is exact: a path is compared with the table segment by segment, nothing is decoded and
 * nothing is a file. A query parameter that a route does not know is an error, not ignored. */
#include "master/control/routes.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "common/auto.h"
#include "master/control/call.h"
#include "master/http/http.h"

#define BASE        "/api/v1"
#define MAX_QUERIES 6

struct route {
    enum http_method method;
    const char *path; /* below BASE; {id} stands for one segment */
    bool takes_body;
    route_handler *handler;
    const char *queries[MAX_QUERIES]; /* ends with NULL */
};

#define GET    HTTP_METHOD_GET
#define POST   HTTP_METHOD_POST
#define PUT    HTTP_METHOD_PUT
#define DELETE HTTP_METHOD_DELETE

static const struct route routes[] = {
    /* clang-format off */
    { GET,    "/profiles",            false, serve_profiles_get,    { "name" } },
    { POST,   "/profiles",            true,  serve_profile_post,    { "test" } },
    { POST,   "/profiles/test",       true,  serve_profile_test,    { NULL } },
    { POST,   "/profiles/check",      true,  serve_profile_check,   { NULL } },
    { GET,    "/profiles/{id}",       false, serve_profile_get,     { NULL } },
    { PUT,    "/profiles/{id}",       true,  serve_profile_put,     { "test" } },
    { DELETE, "/profiles/{id}",       false, serve_profile_delete,  { NULL } },

    { GET,    "/rules",               false, serve_rules_get,       { "name" } },
    { POST,   "/rules",               true,  serve_rule_post,       { NULL } },
    { GET,    "/rules/which",         false, serve_rule_which,      { "client", "from", "to" } },
    { GET,    "/rules/{id}",          false, serve_rule_get,        { NULL } },
    { PUT,    "/rules/{id}",          true,  serve_rule_put,        { NULL } },
    { DELETE, "/rules/{id}",          false, serve_rule_delete,     { NULL } },
    { POST,   "/rules/{id}/move",     true,  serve_rule_move,       { NULL } },

    { GET,    "/queue",               false, serve_queue_get,       { "state", "profile", "rule", "limit", "after" } },
    { GET,    "/queue/{id}",          false, serve_message_get,     { NULL } },
    { POST,   "/queue/{id}/retry",    false, serve_message_retry,   { "group" } },
    { POST,   "/queue/{id}/hold",     false, serve_message_hold,    { "group" } },
    { POST,   "/queue/{id}/release",  false, serve_message_release, { "group" } },
    { POST,   "/queue/{id}/reroute",  true,  serve_message_reroute, { "group" } },
    { DELETE, "/queue/{id}",          false, serve_message_delete,  { "group" } },

    { GET,    "/quarantine",               false, serve_quarantine_get,     { "profile", "rule", "limit", "after" } },
    { GET,    "/quarantine/{id}",          false, serve_message_get,        { NULL } },
    { POST,   "/quarantine/{id}/release",  false, serve_quarantine_release, { "group" } },
    { POST,   "/quarantine/{id}/rescan",   false, serve_quarantine_rescan,  { "group" } },
    { POST,   "/quarantine/{id}/forward",  true,  serve_quarantine_forward, { NULL } },
    { DELETE, "/quarantine/{id}",          false, serve_quarantine_delete,  { "group" } },

    { GET,    "/pool",                false, serve_pool_get,        { "profile" } },
    { GET,    "/servers",             false, serve_servers_get,     { "profile" } },
    { POST,   "/servers/drain",       true,  serve_server_drain,    { NULL } },
    { POST,   "/servers/enable",      true,  serve_server_enable,   { NULL } },

    { GET,    "/settings",            false, serve_settings_get,    { NULL } },
    { PUT,    "/settings",            true,  serve_settings_put,    { NULL } },
    { GET,    "/export",              false, serve_export_get,      { NULL } },
    { POST,   "/import",              true,  serve_import_post,     { "test" } },

    { GET,    "/status",              false, serve_status_get,      { NULL } },
    { GET,    "/workers",             false, serve_workers_get,     { NULL } },
    { GET,    "/alerts",              false, serve_alerts_get,      { NULL } },
    { POST,   "/alerts/test",         false, serve_alert_test,      { NULL } },
    { GET,    "/ambiguous",           false, serve_ambiguous_get,   { "limit" } },
    { GET,    "/audit",               false, serve_audit_get,       { "limit", "before" } },
    { POST,   "/key/rotate",          false, serve_key_rotate,      { NULL } },
    /* clang-format on */
};

/* A segment that can be an id: of the registry (digits) or of a message (base32). */
static size_t take_id(const char *path, char *out, size_t room)
{
    size_t length = strcspn(path, "/");

    if (length == 0 || length >= room)
        return 0;
    for (size_t i = 0; i < length; i++)
        if (!isalnum((unsigned char)path[i]))
            return 0;
    memcpy(out, path, length);
    out[length] = '\0';
    return length;
}

static bool matches(const char *pattern, const char *path, char *ret_id, size_t room)
{
    *ret_id = '\0';
    while (*pattern) {
        if (*pattern == '{') {
            size_t length = take_id(path, ret_id, room);

            if (length == 0)
                return false;
            path += length;
            pattern = strchr(pattern, '}') + 1;
        } else if (*pattern++ != *path++) {
            return false;
        }
    }
    return *path == '\0';
}

bool routes_at(size_t index, enum http_method *ret_method, const char **ret_path)
{
    if (index >= ARRAY_LEN(routes))
        return false;
    *ret_method = routes[index].method;
    *ret_path = routes[index].path;
    return true;
}

static void add_method(char *allow, size_t room, enum http_method method)
{
    static const char *const names[HTTP_METHOD_COUNT] = { "GET", "POST", "PUT", "DELETE", "" };
    size_t filled = strlen(allow);

    snprintf(allow + filled, room - filled, "%s%s", filled ? ", " : "", names[method]);
}

static void refuse(struct control *control, struct http_request *request, int status,
                   const char *code, const char *detail)
{
    struct call *call = call_new(control, request, false);

    if (call)
        call_refuse(call, status, code, "%s", detail);
}

void routes_serve(struct control *control, struct http_request *request, enum control_door door)
{
    enum http_method method = http_request_method(request);
    const char *path = http_request_path(request);
    char id[sizeof(((struct call *)NULL)->id)], allow[64] = "";
    const char *unknown;
    struct call *call;

    if (door == DOOR_CONSOLE) {
        refuse(control, request, 401, "session", "log in first");
        return;
    }
    if (strncmp(path, BASE, strlen(BASE)) != 0) {
        refuse(control, request, 404, "not_found", "the API is below " BASE);
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
        const struct route *route = &routes[i];

        if (!matches(route->path, path + strlen(BASE), id, sizeof(id)))
            continue;
        if (route->method != method) {
            add_method(allow, sizeof(allow), route->method);
            continue;
        }
        if (http_request_has_query_beyond(request, route->queries, &unknown)) {
            refuse(control, request, 400, "query",
                   "a query parameter that this path does not have");
            return;
        }
        call = call_new(control, request, route->takes_body);
        if (!call)
            return;
        memcpy(call->id, id, sizeof(id));
        route->handler(call);
        return;
    }
    if (*allow) {
        http_request_set_header(request, "Allow", allow);
        refuse(control, request, 405, "method", "this path takes other methods");
        return;
    }
    refuse(control, request, 404, "not_found", "there is no such path");
}
