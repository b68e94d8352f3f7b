/* master/http/connections.c: the server: who may connect, how many, and for how long without asking
 * for anything. */
#include "master/http/http.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <event2/bufferevent.h>
#include <event2/http.h>
#include <event2/listener.h>

#include "common/loop.h"
#include "common/oom.h"
#include "master/http/http_private.h"

#define PAUSE_MS 100 /* between looks for a free place, at the limit or without descriptors */
#define WATCH_MS 1000
#define METHODS_TAKEN                                                                          \
    (EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_PUT | EVHTTP_REQ_DELETE | EVHTTP_REQ_HEAD | \
     EVHTTP_REQ_OPTIONS | EVHTTP_REQ_PATCH | EVHTTP_REQ_TRACE | EVHTTP_REQ_CONNECT)

/* libevent gives the listener's error callback an argument that is not ours. */
static LIST_HEAD(, http_server) servers = LIST_HEAD_INITIALIZER(servers);

static void check_fresh(void *arg);

/* ---- places ---- */

static bool is_open(const struct place *place)
{
    struct stat info;

    return fstat(place->mark.fd, &info) == 0 && info.st_ino == place->mark.inode;
}

static void forget_closed(struct http_server *server)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < server->place_count; i++)
        if (is_open(&server->places[i]))
            server->places[kept++] = server->places[i];
    server->place_count = kept;
}

static struct place *find_place(struct http_server *server, struct place_mark mark)
{
    for (unsigned i = 0; i < server->place_count; i++) {
        struct place *place = &server->places[i];

        if (place->mark.fd == mark.fd && place->mark.inode == mark.inode)
            return place;
    }
    return NULL;
}

/* A request may come in the turn that accepted its connection. */
bool connections_asked(struct http_server *server, int fd, struct place_mark *ret_mark)
{
    struct place *place;
    struct stat info;

    check_fresh(server);
    if (fstat(fd, &info) != 0)
        return false;
    *ret_mark = (struct place_mark){ .fd = fd, .inode = info.st_ino };
    place = find_place(server, *ret_mark);
    if (place)
        place->is_asking = true;
    return place != NULL;
}

void connections_answered(struct http_server *server, struct place_mark mark)
{
    struct place *place = find_place(server, mark);

    if (!place)
        return;
    place->is_asking = false;
    place->has_answered = true;
    place->since_ms = loop_now_ms(server->loop);
}

/* ---- those who connect and ask for nothing ---- */

/* libevent reads the end of it and closes. */
static void cut(const struct place *place)
{
    if (is_open(place))
        (void)shutdown(place->mark.fd, SHUT_RDWR);
}

static void on_watch(void *arg)
{
    struct http_server *server = arg;
    const struct http_limits *limits = &server->limits;
    int64_t now_ms = loop_now_ms(server->loop);

    forget_closed(server);
    for (unsigned i = 0; i < server->place_count; i++) {
        const struct place *place = &server->places[i];
        int seconds = place->has_answered ? limits->next_request_s : limits->first_request_s;

        if (!place->is_asking && seconds > 0 && now_ms - place->since_ms > seconds * INT64_C(1000))
            cut(place);
    }
    if (server->place_count > 0)
        loop_timer_set_ms(server->watch, WATCH_MS);
}

/* The one that has waited longest leaves. false: all are being answered. */
static bool make_room(struct http_server *server)
{
    unsigned oldest = server->place_count;

    for (unsigned i = 0; i < server->place_count; i++)
        if (!server->places[i].is_asking &&
            (oldest == server->place_count ||
             server->places[i].since_ms < server->places[oldest].since_ms))
            oldest = i;
    if (oldest == server->place_count)
        return false;
    cut(&server->places[oldest]);
    server->places[oldest] = server->places[--server->place_count];
    return true;
}

/* ---- accepting ---- */

static void set_accepting(struct http_server *server, bool accepting)
{
    struct evconnlistener *listener = evhttp_bound_socket_get_listener(server->bound);

    if (accepting)
        evconnlistener_enable(listener);
    else
        evconnlistener_disable(listener);
}

static bool is_full(const struct http_server *server)
{
    return server->place_count + server->fresh_count >= server->place_max;
}

static void pause_accepting(struct http_server *server)
{
    if (!server->bound)
        return;
    set_accepting(server, false);
    loop_timer_set_ms(server->pause, PAUSE_MS);
}

static void on_pause_over(void *arg)
{
    struct http_server *server = arg;

    forget_closed(server);
    if (!is_full(server) || (server->limits.makes_room && make_room(server)))
        set_accepting(server, true);
    else
        loop_timer_set_ms(server->pause, PAUSE_MS);
}

static void check_fresh(void *arg)
{
    struct http_server *server = arg;

    for (unsigned i = 0; i < server->fresh_count; i++) {
        struct bufferevent *bev = server->fresh[i].bev;
        int fd = bufferevent_getfd(bev);
        struct stat info;
        uid_t uid;

        if (fd >= 0 && (server->fresh[i].is_refused || server->place_count == server->place_max ||
                        server->hooks.admit(fd, &uid, server->hooks.arg) < 0))
            (void)shutdown(fd, SHUT_RDWR);
        else if (fd >= 0 && fstat(fd, &info) == 0)
            server->places[server->place_count++] =
                (struct place){ .mark = { .fd = fd, .inode = info.st_ino },
                                .since_ms = loop_now_ms(server->loop) };
        bufferevent_decref(bev);
    }
    if (server->fresh_count > 0 && server->limits.first_request_s > 0 &&
        !loop_timer_is_set(server->watch))
        loop_timer_set_ms(server->watch, WATCH_MS);
    server->fresh_count = 0;
}

/* Out of descriptors: the connection stays in the backlog until there are some. */
static void on_accept_error(struct evconnlistener *listener, void *arg)
{
    struct http_server *server;

    (void)arg;
    LIST_FOREACH(server, &servers, all)
    {
        if (server->bound && evhttp_bound_socket_get_listener(server->bound) == listener)
            pause_accepting(server);
    }
}

/* libevent asks for a connection's transport before it gives it the descriptor: remember it, and
 * look at the descriptor when there is one. Where it gets none it takes a plain one: what should
 * have been encrypted is cut then. */
static struct bufferevent *on_accept(struct event_base *base, void *arg)
{
    struct http_server *server = arg;
    http_transport_cb *transport = server->hooks.transport;
    struct bufferevent *bev = transport ? transport(base, server->hooks.arg) : NULL;
    bool is_refused = transport && !bev;

    loop_enter(server->loop);
    if (!bev)
        bev = bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
    if (!bev)
        oom_exit("http", "a connection");
    bufferevent_incref(bev);
    if (server->fresh_count == HTTP_MAX_FRESH)
        check_fresh(server);
    server->fresh[server->fresh_count++] = (struct fresh){ .bev = bev, .is_refused = is_refused };
    if (is_full(server))
        forget_closed(server);
    if (is_full(server) && !(server->limits.makes_room && make_room(server)))
        pause_accepting(server);
    return bev;
}

/* ---- the server ---- */

static int open_server(struct http_server *server, int listen_fd)
{
    const struct http_limits *limits = &server->limits;

    server->place_max = limits->max_connections;
    server->places = calloc(limits->max_connections, sizeof(*server->places));
    server->pause = loop_timer_new(server->loop, on_pause_over, server);
    server->watch = loop_timer_new(server->loop, on_watch, server);
    server->evhttp = evhttp_new(loop_base(server->loop));
    if (!server->places || !server->pause || !server->watch || !server->evhttp)
        return -1;
    evhttp_set_max_headers_size(server->evhttp, (ev_ssize_t)limits->max_header_bytes);
    evhttp_set_max_body_size(server->evhttp, (ev_ssize_t)limits->max_body_bytes);
    evhttp_set_timeout(server->evhttp, limits->idle_s);
    evhttp_set_allowed_methods(server->evhttp, METHODS_TAKEN);
    evhttp_set_bevcb(server->evhttp, on_accept, server);
    evhttp_set_gencb(server->evhttp, http_on_request, server);
    server->bound = evhttp_accept_socket_with_handle(server->evhttp, listen_fd);
    if (!server->bound)
        return -1;
    evconnlistener_set_error_cb(evhttp_bound_socket_get_listener(server->bound), on_accept_error);
    loop_at_turn_end(server->loop, check_fresh, server);
    return 0;
}

struct http_server *http_server_new(struct loop *loop, int listen_fd,
                                    const struct http_limits *limits,
                                    const struct http_hooks *hooks)
{
    struct http_server *server = calloc(1, sizeof(*server));

    assert(limits->max_connections > 0);
    if (!server)
        return NULL;
    server->loop = loop;
    server->limits = *limits;
    server->hooks = *hooks;
    LIST_INSERT_HEAD(&servers, server, all);
    if (open_server(server, listen_fd) < 0)
        http_server_free(&server);
    return server;
}

void http_server_stop(struct http_server *server)
{
    if (server->is_stopped)
        return;
    server->is_stopped = true;
    loop_timer_clear(server->pause);
    evhttp_del_accept_socket(server->evhttp, server->bound);
    server->bound = NULL;
}

void http_server_free(struct http_server **server)
{
    struct http_server *old = *server;

    if (!old)
        return;
    *server = NULL;
    assert(old->open_requests == 0);
    loop_forget_turn_end(old->loop, check_fresh, old);
    LIST_REMOVE(old, all);
    for (unsigned i = 0; i < old->fresh_count; i++)
        bufferevent_decref(old->fresh[i].bev);
    if (old->evhttp)
        evhttp_free(old->evhttp);
    loop_timer_free(&old->pause);
    loop_timer_free(&old->watch);
    free(old->places);
    free(old);
}

unsigned http_server_open_requests(const struct http_server *server)
{
    return server->open_requests;
}
