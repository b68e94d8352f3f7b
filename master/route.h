/* master/route.h: what dispatch needs to know of a profile, in its current version.
 *
 * A route belongs to a lane for as long as the profile is there; an edit updates it in place. The
 * list of servers that a job was given is held by the job, so that its outcome is understood after
 * the list was edited. */
#ifndef MASTER_ROUTE_H
#define MASTER_ROUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/id.h"
#include "master/cursor.h"
#include "master/health.h"

struct profile;

struct server_list {
    unsigned holders;
    uint64_t version; /* of the profile */
    size_t count;
    uint64_t identities[CURSOR_MAX_SERVERS];
};

/* What is known of a server; it belongs to the server's identity and outlives edits of the list. */
struct route_server {
    uint64_t identity;
    char *uri;
    struct health health;
    unsigned in_flight; /* deliveries that are there, or still on their way: by their start */
    /* Of these, those that health can learn from: sent after `since`, which is its mark. What hangs
     * there from before must keep nobody from finding out how it is now. */
    unsigned recent;
    uint64_t since;
    uint64_t back_job; /* the last one that was sent before it came back */
    uint64_t trial;    /* the job that tries it while every server is down, 0: none */
    struct {
        uint64_t token; /* 0: none is out */
        uint16_t slot;  /* of the worker that was asked */
        int64_t until_ms;
    } probe;
};

struct route {
    uint64_t version;
    char *name; /* of the profile, for people */
    bool is_round_robin;
    bool is_pooled;
    unsigned max_in_flight;
    unsigned lifetime_s; /* of the mail that it relays; 0: it relays none */
    unsigned pool_size;
    struct server_list *servers;
    struct route_server *states; /* in the order of the list */
    int64_t down_wall_ms;        /* no server takes mail, since then; 0: one does */
    struct cursor cursor;
};

/* `saved`: the cursor from before a restart, NULL: none. NULL: no memory. */
struct route *route_new(const struct profile *profile, const struct cursor *saved);
void route_free(struct route **route);

/* A new version. 0 or -ENOMEM (nothing changed). */
int route_update(struct route *route, const struct profile *profile);

/* The index of the server to start with, of those that `usable` has a bit for, which has one for
 * some; a turn is given by it (SP20, SP21). */
size_t route_take_start(struct route *route, uint64_t usable);
size_t route_next_start(const struct route *route, uint64_t usable);

/* NULL: it is not in the list any more. */
struct route_server *route_find(const struct route *route, uint64_t identity);
/* A delivery of this number goes there, or leaves again. */
void route_enter(struct route_server *server, uint64_t delivery);
void route_leave(struct route_server *server, uint64_t delivery);

/* Bits by index: servers that mail is given to, and those of them that one more may go to now. */
uint64_t route_up(const struct route *route);
uint64_t route_open(const struct route *route);
/* Those that an operator keeps mail from, and those that refuse our login. */
uint64_t route_drained(const struct route *route);
uint64_t route_refusing(const struct route *route);

/* A delivery that started at `start` of this list was served by `served`. True: the cursor moved.
 */
bool route_served(struct route *route, const struct server_list *servers, size_t start,
                  size_t served);

struct server_list *server_list_hold(struct server_list *list);
void server_list_release(struct server_list *list);

#endif
