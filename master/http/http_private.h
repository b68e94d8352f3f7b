/* master/http/http_private.h: what http.c (requests) and connections.c (who is connected) share. */
#ifndef MASTER_HTTP_HTTP_PRIVATE_H
#define MASTER_HTTP_HTTP_PRIVATE_H

#include <stdbool.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "master/http/http.h"

#define HTTP_MAX_FRESH 64

struct evhttp;
struct evhttp_bound_socket;
struct evhttp_request;
struct loop_timer;

/* Says which connection: libevent tells nobody when it closes one; the number of the socket's inode
 * says whether a descriptor is still the same one. */
struct place_mark {
    int fd;
    ino_t inode;
};

struct place {
    struct place_mark mark;
    int64_t since_ms;  /* accepted, or last answered */
    bool is_asking;    /* a request is being answered */
    bool has_answered; /* one was */
};

/* Accepted in this turn, and not looked at yet. */
struct fresh {
    struct bufferevent *bev; /* a reference */
    bool is_refused;
};

struct http_server {
    struct loop *loop;
    struct evhttp *evhttp;
    struct evhttp_bound_socket *bound;
    struct loop_timer *pause, *watch;
    struct fresh fresh[HTTP_MAX_FRESH];
    unsigned fresh_count;
    struct place *places;
    unsigned place_count, place_max;
    unsigned open_requests;
    bool is_stopped;
    struct http_limits limits;
    struct http_hooks hooks;
    LIST_ENTRY(http_server) all;
};

/* evhttp's callback for every request. */
void http_on_request(struct evhttp_request *evhttp, void *arg);

/* A request came over this descriptor (false: of a connection that has no place here); and it was
 * answered. */
bool connections_asked(struct http_server *server, int fd, struct place_mark *ret_mark);
void connections_answered(struct http_server *server, struct place_mark mark);

#endif
