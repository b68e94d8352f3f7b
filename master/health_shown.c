#include "master/health_shown.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/loop.h"
#include "master/group.h"
#include "master/route.h"

/* "": null. A server's reply may be no UTF-8, which would be no JSON. */
static json_t *shown_text(const char *text)
{
    char clean[HEALTH_WHY_SIZE];
    json_t *shown = *text != '\0' ? json_string(text) : json_null();

    if (shown != NULL)
        return shown;
    (void)snprintf(clean, sizeof(clean), "%s", text);
    for (char *c = clean; *c != '\0'; c++)
        *c = (unsigned char)*c < 0x80 ? *c : '?';
    return json_string(clean);
}

static json_t *shown_time(int64_t wall_ms)
{
    char text[CLOCK_TEXT_SIZE];

    return wall_ms != 0 ? json_string(clock_text(wall_ms, text)) : json_null();
}

static int64_t next_probe(const struct queue *queue, const struct health *health)
{
    if (health->state != HEALTH_DOWN || health->is_drained)
        return 0;
    return clock_wall_ms() + health->next_ms - loop_now_ms(queue_loop(queue));
}

static json_t *shown_server(const struct queue *queue, const struct route *route,
                            const struct route_server *server)
{
    const struct health *health = &server->health;

    return json_pack("{ss ss ss sb so so sI so sI}", "profile", route->name, "server", server->uri,
                     "state", health_state_name(health->state), "drained", health->is_drained,
                     "since", shown_time(health->since_wall_ms), "reason", shown_text(health->why),
                     "failures", (json_int_t)health->failures, "next_probe",
                     shown_time(next_probe(queue, health)), "in_flight",
                     (json_int_t)server->in_flight);
}

json_t *health_shown(const struct queue *queue, uint32_t profile)
{
    json_t *list = json_array();

    for (size_t i = 0; i < queue_lane_count(queue); i++) {
        const struct lane *lane = queue_lane_at(queue, i);

        if (lane->route == NULL || (profile != 0 && lane->profile != profile))
            continue;
        for (size_t s = 0; s < lane->route->servers->count; s++) {
            if (json_array_append_new(
                    list, shown_server(queue, lane->route, &lane->route->states[s])) < 0) {
                json_decref(list);
                return NULL;
            }
        }
    }
    return list;
}

__attribute__((format(printf, 2, 3))) static void warn(json_t *list, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)json_array_append_new(list, json_vsprintf(format, args));
    va_end(args);
}

static void warn_of(json_t *list, const struct route *route)
{
    char since[CLOCK_TEXT_SIZE];

    if (route->down_wall_ms != 0)
        warn(list, "no server of profile \"%s\" takes mail since %s: its mail waits", route->name,
             clock_text(route->down_wall_ms, since));
    for (size_t i = 0; i < route->servers->count; i++) {
        const struct route_server *server = &route->states[i];

        if (server->health.state == HEALTH_REFUSED)
            warn(list,
                 "server %s of profile \"%s\" refuses our login since %s: no mail goes there "
                 "until the profile is saved or the server enabled",
                 server->uri, route->name, clock_text(server->health.since_wall_ms, since));
        if (server->health.is_drained)
            warn(list, "server %s of profile \"%s\" is drained: no mail goes there", server->uri,
                 route->name);
    }
}

json_t *health_warnings(const struct queue *queue)
{
    json_t *list = json_array();

    for (size_t i = 0; list != NULL && i < queue_lane_count(queue); i++) {
        const struct lane *lane = queue_lane_at(queue, i);

        if (lane->route != NULL)
            warn_of(list, lane->route);
    }
    return list;
}
