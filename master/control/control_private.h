/* master/control/control_private.h: the API's own state, for the files of this folder. */
#ifndef MASTER_CONTROL_CONTROL_PRIVATE_H
#define MASTER_CONTROL_CONTROL_PRIVATE_H

#include <sys/queue.h>

#include <jansson.h>

#include "master/control/control.h"
#include "master/control/peer.h"
#include "master/http/http.h"

struct access;
struct call;
struct ladder;

/* One of the sockets. */
struct door {
    struct control *control;
    enum control_door kind;
    struct http_server *server;
    struct peer_policy policy;
    char *path;
};

struct control {
    struct loop *loop;
    struct registry *registry;
    struct control_backend backend;
    struct door doors[CONTROL_DOOR_COUNT];
    struct access *access; /* who is logged in, and who may */
    char own_address[300]; /* that the appliance writes from: postmaster at its own name */
    int64_t started_ms;    /* wall */
    int64_t strangers;
    int64_t quiet_until_ms; /* no line about strangers before */
    LIST_HEAD(, call) calls;
    LIST_HEAD(, ladder) ladders;
    json_t *last_tests; /* master/control/last_tests.h's */
};

#endif
