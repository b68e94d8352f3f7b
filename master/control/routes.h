/* master/control/routes.h: every route of the API and the function that serves it.
 *
 * A handler answers its call, now or later (master/control/call.h). */
#ifndef MASTER_CONTROL_ROUTES_H
#define MASTER_CONTROL_ROUTES_H

#include <stdbool.h>
#include <stddef.h>

#include "master/control/gate.h"
#include "master/http/http.h"

struct call;

typedef void route_handler(struct call *call);

#define ROUTE_MAX_QUERIES 6

struct route {
    enum http_method method;
    const char *path;  /* below /api/v1, as docs/openapi.yaml writes it; {id}: one segment */
    enum gate_who who; /* on console.sock */
    bool takes_body;
    route_handler *handler;
    const char *queries[ROUTE_MAX_QUERIES]; /* ends with NULL */
};

/* Finds the handler for a request that came by this door and calls it, or answers 404, 405, 400, or
 * what the gate says. */
void routes_serve(struct control *control, struct http_request *request, enum control_door door);

/* The table row by row; NULL beyond its end. */
const struct route *routes_at(size_t index);

route_handler serve_profiles_get, serve_profile_get, serve_profile_post, serve_profile_put,
    serve_profile_delete, serve_profile_test, serve_profile_check;
route_handler serve_rules_get, serve_rule_get, serve_rule_post, serve_rule_put, serve_rule_delete,
    serve_rule_move, serve_rule_which;
route_handler serve_queue_get, serve_message_get, serve_message_retry, serve_message_hold,
    serve_message_release, serve_message_reroute, serve_message_delete;
route_handler serve_quarantine_get, serve_quarantine_release, serve_quarantine_rescan,
    serve_quarantine_forward, serve_quarantine_delete;
route_handler serve_status_get, serve_stats_get, serve_workers_get, serve_alerts_get,
    serve_alert_test, serve_ambiguous_get, serve_audit_get, serve_key_rotate;
route_handler serve_test_message;
route_handler serve_pool_get, serve_servers_get, serve_server_drain, serve_server_enable;
route_handler serve_accounts_get, serve_account_get, serve_account_post, serve_account_put,
    serve_account_delete, serve_account_password;
route_handler serve_sessions_get, serve_session_post, serve_session_delete, serve_current_get,
    serve_current_delete, serve_current_password;
route_handler serve_first_get, serve_first_post;
route_handler serve_settings_get, serve_settings_put, serve_export_get, serve_import_post;

#endif
