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

#define BASE "/api/v1"

#define GET    HTTP_METHOD_GET
#define POST   HTTP_METHOD_POST
#define PUT    HTTP_METHOD_PUT
#define DELETE HTTP_METHOD_DELETE

#define OPEN   GATE_OPEN
#define OWN    GATE_OWN
#define VIEWER GATE_VIEWER
#define ADMIN  GATE_ADMIN

static const struct route routes[] = {
    /* clang-format off */
    { GET,    "/profiles",            VIEWER, false, serve_profiles_get,    { "name" } },
    { POST,   "/profiles",            ADMIN,  true,  serve_profile_post,    { "test" } },
    { POST,   "/profiles/test",       ADMIN,  true,  serve_profile_test,    { NULL } },
    { POST,   "/profiles/check",      ADMIN,  true,  serve_profile_check,   { NULL } },
    { GET,    "/profiles/{id}",       VIEWER, false, serve_profile_get,     { NULL } },
    { PUT,    "/profiles/{id}",       ADMIN,  true,  serve_profile_put,     { "test" } },
    { DELETE, "/profiles/{id}",       ADMIN,  false, serve_profile_delete,  { NULL } },

    { GET,    "/rules",               VIEWER, false, serve_rules_get,       { "name" } },
    { POST,   "/rules",               ADMIN,  true,  serve_rule_post,       { NULL } },
    { GET,    "/rules/which",         VIEWER, false, serve_rule_which,      { "client", "from", "to" } },
    { GET,    "/rules/{id}",          VIEWER, false, serve_rule_get,        { NULL } },
    { PUT,    "/rules/{id}",          ADMIN,  true,  serve_rule_put,        { NULL } },
    { DELETE, "/rules/{id}",          ADMIN,  false, serve_rule_delete,     { NULL } },
    { POST,   "/rules/{id}/move",     ADMIN,  true,  serve_rule_move,       { NULL } },

    { GET,    "/queue",               VIEWER, false, serve_queue_get,       { "state", "profile", "rule", "limit", "after" } },
    { GET,    "/queue/{id}",          VIEWER, false, serve_message_get,     { NULL } },
    { POST,   "/queue/{id}/retry",    ADMIN,  false, serve_message_retry,   { "group" } },
    { POST,   "/queue/{id}/hold",     ADMIN,  false, serve_message_hold,    { "group" } },
    { POST,   "/queue/{id}/release",  ADMIN,  false, serve_message_release, { "group" } },
    { POST,   "/queue/{id}/reroute",  ADMIN,  true,  serve_message_reroute, { "group" } },
    { DELETE, "/queue/{id}",          ADMIN,  false, serve_message_delete,  { "group" } },

    { GET,    "/quarantine",               VIEWER, false, serve_quarantine_get,     { "profile", "rule", "limit", "after" } },
    { GET,    "/quarantine/{id}",          VIEWER, false, serve_message_get,        { NULL } },
    { POST,   "/quarantine/{id}/release",  ADMIN,  false, serve_quarantine_release, { "group" } },
    { POST,   "/quarantine/{id}/rescan",   ADMIN,  false, serve_quarantine_rescan,  { "group" } },
    { POST,   "/quarantine/{id}/forward",  ADMIN,  true,  serve_quarantine_forward, { NULL } },
    { DELETE, "/quarantine/{id}",          ADMIN,  false, serve_quarantine_delete,  { "group" } },

    { POST,   "/test-message",        ADMIN,  true,  serve_test_message,    { NULL } },

    { GET,    "/pool",                VIEWER, false, serve_pool_get,        { "profile" } },
    { GET,    "/servers",             VIEWER, false, serve_servers_get,     { "profile" } },
    { POST,   "/servers/drain",       ADMIN,  true,  serve_server_drain,    { NULL } },
    { POST,   "/servers/enable",      ADMIN,  true,  serve_server_enable,   { NULL } },

    { GET,    "/settings",            VIEWER, false, serve_settings_get,    { NULL } },
    { PUT,    "/settings",            ADMIN,  true,  serve_settings_put,    { NULL } },
    { GET,    "/export",              VIEWER, false, serve_export_get,      { NULL } },
    { POST,   "/import",              ADMIN,  true,  serve_import_post,     { "test" } },

    { GET,    "/accounts",            ADMIN,  false, serve_accounts_get,    { "name" } },
    { POST,   "/accounts",            ADMIN,  true,  serve_account_post,    { NULL } },
    { GET,    "/accounts/{id}",       ADMIN,  false, serve_account_get,     { NULL } },
    { PUT,    "/accounts/{id}",       ADMIN,  true,  serve_account_put,     { NULL } },
    { DELETE, "/accounts/{id}",       ADMIN,  false, serve_account_delete,  { NULL } },
    { POST,   "/accounts/{id}/password", ADMIN, true, serve_account_password, { NULL } },

    { GET,    "/sessions",            ADMIN,  false, serve_sessions_get,    { NULL } },
    { POST,   "/sessions",            OPEN,   true,  serve_session_post,    { NULL } },
    { GET,    "/sessions/current",    OWN,    false, serve_current_get,     { NULL } },
    { DELETE, "/sessions/current",    OWN,    false, serve_current_delete,  { NULL } },
    { POST,   "/sessions/current/password", OWN, true, serve_current_password, { NULL } },
    { DELETE, "/sessions/{id}",       ADMIN,  false, serve_session_delete,  { NULL } },
    { GET,    "/first",               OPEN,   false, serve_first_get,       { NULL } },
    { POST,   "/first",               OPEN,   true,  serve_first_post,      { NULL } },

    { GET,    "/status",              VIEWER, false, serve_status_get,      { NULL } },
    { GET,    "/stats",               VIEWER, false, serve_stats_get,       { "minutes", "step" } },
    { GET,    "/workers",             VIEWER, false, serve_workers_get,     { NULL } },
    { GET,    "/alerts",              VIEWER, false, serve_alerts_get,      { NULL } },
    { POST,   "/alerts/test",         ADMIN,  false, serve_alert_test,      { NULL } },
    { GET,    "/ambiguous",           VIEWER, false, serve_ambiguous_get,   { "limit" } },
    { GET,    "/audit",               VIEWER, false, serve_audit_get,       { "limit", "before" } },
    { POST,   "/key/rotate",          ADMIN,  false, serve_key_rotate,      { NULL } },
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

const struct route *routes_at(size_t index)
{
    return index < ARRAY_LEN(routes) ? &routes[index] : NULL;
}

static void add_method(char *allow, size_t room, enum http_method method)
{
    static const char *const names[HTTP_METHOD_COUNT] = { "GET", "POST", "PUT", "DELETE", "" };
    size_t filled = strlen(allow);

    snprintf(allow + filled, room - filled, "%s%s", filled ? ", " : "", names[method]);
}

/* Whoever asks for what there is not need not say who he is. */
static void refuse(struct control *control, struct http_request *request, enum control_door door,
                   int status, const char *code, const char *detail)
{
    struct call *call = call_new(control, request, door);

    if (call)
        call_refuse(call, status, code, "%s", detail);
}

static void serve(struct call *call, const struct route *route)
{
    const char *unknown;

    if (!gate_check(call, route))
        return;
    if (http_request_has_query_beyond(call->request, route->queries, &unknown))
        call_refuse(call, 400, "query", "a query parameter that this path does not have");
    else if (!route->takes_body || call_read_body(call))
        route->handler(call);
}

void routes_serve(struct control *control, struct http_request *request, enum control_door door)
{
    enum http_method method = http_request_method(request);
    const char *path = http_request_path(request);
    char id[sizeof(((struct call *)NULL)->id)], allow[64] = "";
    struct call *call;

    if (strncmp(path, BASE, strlen(BASE)) != 0) {
        refuse(control, request, door, 404, "not_found", "the API is below " BASE);
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
        call = call_new(control, request, door);
        if (!call)
            return;
        memcpy(call->id, id, sizeof(id));
        serve(call, route);
        return;
    }
    if (*allow) {
        http_request_set_header(request, "Allow", allow);
        refuse(control, request, door, 405, "method", "this path takes other methods");
        return;
    }
    refuse(control, request, door, 404, "not_found", "there is no such path");
}
