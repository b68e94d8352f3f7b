#include "master/route.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/profile.h"

#define IN_FLIGHT_PER_SERVER 20U

struct server_list *server_list_hold(struct server_list *list)
{
    list->holders++;
    return list;
}

void server_list_release(struct server_list *list)
{
    if (list != NULL && --list->holders == 0)
        free(list);
}

static struct server_list *make_list(const struct profile *profile)
{
    struct server_list *list = calloc(1, sizeof(*list));

    if (list == NULL)
        return NULL;
    list->holders = 1;
    list->version = profile->version;
    list->count =
        profile->server_count < CURSOR_MAX_SERVERS ? profile->server_count : CURSOR_MAX_SERVERS;
    for (size_t i = 0; i < list->count; i++)
        list->identities[i] = server_uri_identity(profile->servers[i].text);
    return list;
}

static void free_states(struct route_server *states, size_t count)
{
    for (size_t i = 0; states != NULL && i < count; i++)
        free(states[i].uri);
    free(states);
}

/* Those that stay keep what is known of them; the old ones still have their texts. */
static struct route_server *make_states(const struct route *route, const struct profile *profile,
                                        const struct server_list *list)
{
    struct route_server *states = calloc(list->count + 1, sizeof(*states));

    for (size_t i = 0; states != NULL && i < list->count; i++) {
        const struct route_server *before = route_find(route, list->identities[i]);

        if (before != NULL)
            states[i] = *before;
        states[i].identity = list->identities[i];
        states[i].uri = strdup(profile->servers[i].text);
        if (states[i].uri == NULL) {
            free_states(states, i);
            return NULL;
        }
    }
    return states;
}

/* Where it is no property of the profile: what the connections that there may be can carry. */
static unsigned in_flight_of(const struct profile *profile)
{
    unsigned per_server = profile->max_connections > IN_FLIGHT_PER_SERVER ? profile->max_connections
                                                                          : IN_FLIGHT_PER_SERVER;

    return profile->max_in_flight > 0 ? profile->max_in_flight
                                      : per_server * (unsigned)profile->server_count;
}

int route_update(struct route *route, const struct profile *profile)
{
    struct server_list *list = make_list(profile);
    struct route_server *states = list != NULL ? make_states(route, profile, list) : NULL;
    char *name = strdup(profile->name != NULL ? profile->name : "");

    if (states == NULL || name == NULL) {
        free_states(states, states != NULL ? list->count : 0);
        server_list_release(list);
        free(name);
        return -ENOMEM;
    }
    free_states(route->states, route->states != NULL ? route->servers->count : 0);
    server_list_release(route->servers);
    free(route->name);
    route->servers = list;
    route->states = states;
    route->name = name;
    route->version = profile->version;
    route->is_round_robin = profile->preference == PREFERENCE_ROUND_ROBIN;
    route->is_pooled = profile->pool.enabled;
    route->pool_size = profile->pool.size;
    route->max_in_flight = in_flight_of(profile);
    route->lifetime_s = profile->retry.lifetime_s;
    cursor_set_servers(&route->cursor, list->identities, list->count);
    return 0;
}

struct route *route_new(const struct profile *profile, const struct cursor *saved)
{
    struct route *route = calloc(1, sizeof(*route));

    if (route == NULL)
        return NULL;
    if (saved != NULL)
        route->cursor = *saved;
    if (route_update(route, profile) != 0)
        route_free(&route);
    return route;
}

void route_free(struct route **route)
{
    if (*route == NULL)
        return;
    free_states((*route)->states, (*route)->states != NULL ? (*route)->servers->count : 0);
    server_list_release((*route)->servers);
    free((*route)->name);
    free(*route);
    *route = NULL;
}

static size_t first_of(uint64_t servers)
{
    size_t first = 0;

    while ((servers >> first & 1) == 0)
        first++;
    return first;
}

size_t route_take_start(struct route *route, uint64_t usable)
{
    return route->is_round_robin ? cursor_take(&route->cursor, usable) : first_of(usable);
}

size_t route_next_start(const struct route *route, uint64_t usable)
{
    return route->is_round_robin ? cursor_peek(&route->cursor, usable) : first_of(usable);
}

struct route_server *route_find(const struct route *route, uint64_t identity)
{
    for (size_t i = 0; route->states != NULL && i < route->servers->count; i++) {
        if (route->states[i].identity == identity)
            return &route->states[i];
    }
    return NULL;
}

/* Whatever is out when the mark moves began before it. */
static void follow_mark(struct route_server *server)
{
    if (server->since == server->health.mark)
        return;
    server->since = server->health.mark;
    server->recent = 0;
}

void route_enter(struct route_server *server, uint64_t delivery)
{
    follow_mark(server);
    server->in_flight++;
    server->recent += delivery > server->since ? 1 : 0;
}

void route_leave(struct route_server *server, uint64_t delivery)
{
    follow_mark(server);
    server->in_flight -= server->in_flight > 0 ? 1 : 0;
    server->recent -= delivery > server->since && server->recent > 0 ? 1 : 0;
}

uint64_t route_up(const struct route *route)
{
    uint64_t up = 0;

    for (size_t i = 0; i < route->servers->count; i++)
        up |= (uint64_t)health_is_up(&route->states[i].health) << i;
    return up;
}

uint64_t route_open(const struct route *route)
{
    uint64_t open = 0;

    for (size_t i = 0; i < route->servers->count; i++) {
        const struct route_server *server = &route->states[i];

        unsigned recent = server->since == server->health.mark ? server->recent : 0;

        open |= (uint64_t)health_has_room(&server->health, recent) << i;
    }
    return open;
}

uint64_t route_drained(const struct route *route)
{
    uint64_t drained = 0;

    for (size_t i = 0; i < route->servers->count; i++)
        drained |= (uint64_t)route->states[i].health.is_drained << i;
    return drained;
}

uint64_t route_refusing(const struct route *route)
{
    uint64_t refusing = 0;

    for (size_t i = 0; i < route->servers->count; i++)
        refusing |= (uint64_t)(route->states[i].health.state == HEALTH_REFUSED) << i;
    return refusing;
}

bool route_served(struct route *route, const struct server_list *servers, size_t start,
                  size_t served)
{
    if (!route->is_round_robin || served == start || served >= servers->count)
        return false;
    cursor_served(&route->cursor, servers->identities[served]);
    return true;
}
