/* master/control/routes.h: every route of the API and the function that serves it.
 *
 * A handler answers its call, now or later (master/control/call.h). */
#ifndef MASTER_CONTROL_ROUTES_H
#define MASTER_CONTROL_ROUTES_H

#include <stdbool.h>
#include <stddef.h>

#include "master/control/http.h"

struct call;
struct control;

typedef void route_handler(struct call *call);

/* Finds the handler for a request and calls it, or answers 404, 405, 400. */
void routes_serve(struct control *control, struct http_request *request);

/* The table row by row, with the path as docs/openapi.yaml writes it; false beyond its end. */
bool routes_at(size_t index, enum http_method *ret_method, const char **ret_path);

route_handler profiles_get, profile_get, profile_post, profile_put, profile_delete, profile_test;
route_handler rules_get, rule_get, rule_post, rule_put, rule_delete, rule_move, rule_which;
route_handler queue_get, message_get, message_retry, message_hold, message_release, message_reroute,
    message_delete;
route_handler status_get, workers_get, alerts_get, audit_get, key_rotate;
route_handler settings_get, settings_put, export_get;

#endif
