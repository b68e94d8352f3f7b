/* master/control/gate.h: who may do what, decided for every request of the API.
 *
 * On control.sock the kernel says who asks, and everybody who gets in may do everything. On
 * console.sock stands a process that anybody may talk to, so that nothing it says counts but a
 * session's token: the session is looked up here, in the master (OP03). What a request must bring
 * there, in this order:
 *
 *   an Origin, if there is one, of the very page; and Sec-Fetch-Site, if there, "same-origin" or
 *   "none"; else 403 "origin". A page of another site gets no answer, whatever it asks.
 *   a body of application/json; else 415. No form of another site can send that. And on a route
 * that is open not a large one; else 413: nobody makes the loop read megabytes of JSON unasked. a
 * session; else 401 "session". the session's own CSRF token in X-Postern-CSRF, for all but GET;
 * else 403 "csrf". its account's role as the route wants it; else 403 "role".
 *
 * A route that is open needs the first two only. */
#ifndef MASTER_CONTROL_GATE_H
#define MASTER_CONTROL_GATE_H

#include <stdbool.h>
#include <stddef.h>

#include "master/account.h"
#include "master/control/control.h"

#define GATE_OPEN_BODY_MAX 16384U /* bytes; a name and a password, however they are escaped */

struct call;
struct route;
struct session;

enum gate_who {
    GATE_OPEN,   /* whoever reaches console.sock: to log in */
    GATE_OWN,    /* whoever has a session: about that session */
    GATE_VIEWER, /* any account */
    GATE_ADMIN,
    GATE_WHO_COUNT
};

enum gate_verdict {
    GATE_PASSED,
    GATE_NOT_HERE, /* 404: on control.sock nobody logs in */
    GATE_ORIGIN,
    GATE_MEDIA_TYPE,
    GATE_TOO_LARGE,
    GATE_NO_SESSION,
    GATE_CSRF,
    GATE_ROLE,
    GATE_VERDICT_COUNT
};

/* What a request brings. Headers that are not there are NULL. */
struct gate_facts {
    enum control_door door;
    bool is_plain; /* console.plain_http */
    bool is_read;  /* GET */
    size_t body_bytes;
    const char *host, *origin, *fetch_site, *content_type, *csrf;
    const struct session *session; /* NULL: none */
    enum account_role role;        /* of its account, as it is now */
};

enum gate_verdict gate_decide(const struct gate_facts *facts, enum gate_who who);

/* Decides about a call that has just come, and notes in it who asks: its session and its actor.
 * False: it was refused, and answered. */
bool gate_check(struct call *call, const struct route *route);

#endif
