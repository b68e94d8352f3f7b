/* master/control/http.c: an HTTP server on a listening Unix socket.
 *
 * What libevent's server does not do by itself is done here: who may connect, how many, and that a
 * request whose connection died is still answered (libevent then only frees it). */
#include "master/control/http.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>

#include "common/loop.h"

#define PAUSE_MS  100 /* between looks for a free place, at the limit or without descriptors */
#define MAX_FRESH 64
#define METHODS_TAKEN                                                                          \
    (EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_PUT | EVHTTP_REQ_DELETE | EVHTTP_REQ_HEAD | \
     EVHTTP_REQ_OPTIONS | EVHTTP_REQ_PATCH | EVHTTP_REQ_TRACE | EVHTTP_REQ_CONNECT)

/* An open connection. libevent tells nobody when it closes one; the number of the socket's inode
 * says whether a descriptor is still the same connection. */
struct place {
    int fd;
    ino_t inode;
};

struct http_server {
    struct loop *loop;
    struct evhttp *evhttp;
    struct evhttp_bound_socket *bound;
    struct loop_timer *pause;
    struct bufferevent *fresh[MAX_FRESH]; /* accepted in this turn; a reference each */
    unsigned fresh_count;
    struct place *places;
    unsigned place_count, place_max;
    unsigned open_requests;
    bool is_stopped;
    http_admit_cb *admit;
    http_handler_cb *handler;
    void *arg;
    LIST_ENTRY(http_server) all;
};

/* libevent gives the listener's error callback an argument that is not ours. */
static LIST_HEAD(, http_server) servers = LIST_HEAD_INITIALIZER(servers);

struct http_request {
    struct http_server *server;
    struct evhttp_request *evhttp;
    struct evkeyvalq query;
    uid_t uid;
    bool is_streaming;
};

/* ---- connections ---- */

static void set_accepting(struct http_server *server, bool accepting)
{
    struct evconnlistener *listener = evhttp_bound_socket_get_listener(server->bound);

    if (accepting)
        evconnlistener_enable(listener);
    else
        evconnlistener_disable(listener);
}

static void forget_closed(struct http_server *server)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < server->place_count; i++) {
        struct stat info;

        if (fstat(server->places[i].fd, &info) == 0 && info.st_ino == server->places[i].inode)
            server->places[kept++] = server->places[i];
    }
    server->place_count = kept;
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
    if (server->place_count + server->fresh_count < server->place_max)
        set_accepting(server, true);
    else
        loop_timer_set_ms(server->pause, PAUSE_MS);
}

static void check_fresh(void *arg)
{
    struct http_server *server = arg;

    for (unsigned i = 0; i < server->fresh_count; i++) {
        struct bufferevent *bev = server->fresh[i];
        int fd = bufferevent_getfd(bev);
        struct stat info;
        uid_t uid;

        if (fd >= 0 &&
            (server->place_count == server->place_max || server->admit(fd, &uid, server->arg) < 0))
            (void)shutdown(fd, SHUT_RDWR);
        else if (fd >= 0 && fstat(fd, &info) == 0)
            server->places[server->place_count++] =
                (struct place){ .fd = fd, .inode = info.st_ino };
        bufferevent_decref(bev);
    }
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
 * look at the descriptor when there is one. */
static struct bufferevent *on_accept(struct event_base *base, void *arg)
{
    struct http_server *server = arg;
    struct bufferevent *bev = bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);

    if (!bev)
        return NULL;
    bufferevent_incref(bev);
    if (server->fresh_count == MAX_FRESH)
        check_fresh(server);
    server->fresh[server->fresh_count++] = bev;
    if (server->place_count + server->fresh_count >= server->place_max)
        forget_closed(server);
    if (server->place_count + server->fresh_count >= server->place_max)
        pause_accepting(server);
    return bev;
}

/* ---- requests ---- */

static void finish_request(struct http_request *request)
{
    request->server->open_requests--;
    evhttp_clear_headers(&request->query);
    free(request);
}

static int admit_request(struct http_server *server, struct evhttp_request *evhttp, uid_t *ret_uid)
{
    struct evhttp_connection *connection = evhttp_request_get_connection(evhttp);
    struct bufferevent *bev = connection ? evhttp_connection_get_bufferevent(connection) : NULL;

    return bev ? server->admit(bufferevent_getfd(bev), ret_uid, server->arg) : -1;
}

static void on_request(struct evhttp_request *evhttp, void *arg)
{
    struct http_server *server = arg;
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(evhttp);
    const char *query = uri ? evhttp_uri_get_query(uri) : NULL;
    struct http_request *request;
    uid_t uid = (uid_t)-1;

    loop_enter(server->loop);
    if (server->is_stopped) {
        evhttp_send_error(evhttp, HTTP_SERVUNAVAIL, "stopping");
        return;
    }
    if (admit_request(server, evhttp, &uid) < 0) {
        evhttp_send_error(evhttp, 403, "not allowed");
        return;
    }
    request = calloc(1, sizeof(*request));
    if (!request) {
        evhttp_send_error(evhttp, HTTP_SERVUNAVAIL, "out of memory");
        return;
    }
    TAILQ_INIT(&request->query);
    if (!uri || !evhttp_uri_get_path(uri) ||
        (query && evhttp_parse_query_str(query, &request->query) < 0)) {
        evhttp_clear_headers(&request->query);
        free(request);
        evhttp_send_error(evhttp, HTTP_BADREQUEST, "a path and a query are expected");
        return;
    }
    request->server = server;
    request->evhttp = evhttp;
    request->uid = uid;
    server->open_requests++;
    server->handler(request, server->arg);
}

enum http_method http_request_method(const struct http_request *request)
{
    switch ((unsigned)evhttp_request_get_command(request->evhttp)) {
    case EVHTTP_REQ_GET: return HTTP_METHOD_GET;
    case EVHTTP_REQ_POST: return HTTP_METHOD_POST;
    case EVHTTP_REQ_PUT: return HTTP_METHOD_PUT;
    case EVHTTP_REQ_DELETE: return HTTP_METHOD_DELETE;
    default: return HTTP_METHOD_OTHER;
    }
}

const char *http_request_path(const struct http_request *request)
{
    return evhttp_uri_get_path(evhttp_request_get_evhttp_uri(request->evhttp));
}

const char *http_request_query(const struct http_request *request, const char *name)
{
    return evhttp_find_header(&request->query, name);
}

bool http_request_has_query_beyond(const struct http_request *request, const char *const *known,
                                   const char **ret_name)
{
    const struct evkeyval *pair;

    TAILQ_FOREACH (pair, &request->query, next) {
        const char *const *at = known;

        while (*at && strcmp(*at, pair->key) != 0)
            at++;
        if (!*at) {
            *ret_name = pair->key;
            return true;
        }
    }
    return false;
}

const char *http_request_header(const struct http_request *request, const char *name)
{
    return evhttp_find_header(evhttp_request_get_input_headers(request->evhttp), name);
}

const char *http_request_body(struct http_request *request, size_t *ret_bytes)
{
    struct evbuffer *body = evhttp_request_get_input_buffer(request->evhttp);

    *ret_bytes = evbuffer_get_length(body);
    return *ret_bytes > 0 ? (const char *)evbuffer_pullup(body, -1) : "";
}

uid_t http_request_uid(const struct http_request *request)
{
    return request->uid;
}

/* ---- answers ---- */

void http_request_set_header(struct http_request *request, const char *name, const char *value)
{
    /* -1 for a value that would begin a header of its own. */
    (void)evhttp_add_header(evhttp_request_get_output_headers(request->evhttp), name, value);
}

void http_request_answer(struct http_request *request, int status, const char *type,
                         const char *body, size_t bytes)
{
    struct evbuffer *out = bytes > 0 ? evbuffer_new() : NULL;

    assert(!request->is_streaming);
    http_request_set_header(request, "Cache-Control", "no-store");
    if (bytes > 0)
        http_request_set_header(request, "Content-Type", type);
    if (bytes > 0 && (!out || evbuffer_add(out, body, bytes) < 0))
        evhttp_send_error(request->evhttp, HTTP_SERVUNAVAIL, "out of memory");
    else
        evhttp_send_reply(request->evhttp, status, NULL, out);
    if (out)
        evbuffer_free(out);
    finish_request(request);
}

void http_request_stream(struct http_request *request, const char *type, const char *piece,
                         size_t bytes)
{
    struct evbuffer *out;

    if (!request->is_streaming) {
        request->is_streaming = true;
        http_request_set_header(request, "Cache-Control", "no-store");
        http_request_set_header(request, "Content-Type", type);
        evhttp_send_reply_start(request->evhttp, HTTP_OK, NULL);
    }
    out = evbuffer_new();
    if (out && evbuffer_add(out, piece, bytes) == 0)
        evhttp_send_reply_chunk(request->evhttp, out);
    if (out)
        evbuffer_free(out);
}

void http_request_stream_end(struct http_request *request)
{
    assert(request->is_streaming);
    evhttp_send_reply_end(request->evhttp);
    finish_request(request);
}

bool http_request_is_streaming(const struct http_request *request)
{
    return request->is_streaming;
}

/* ---- the server ---- */

static int open_server(struct http_server *server, int listen_fd, const struct http_limits *limits)
{
    server->place_max = limits->max_connections;
    server->places = calloc(limits->max_connections, sizeof(*server->places));
    server->pause = loop_timer_new(server->loop, on_pause_over, server);
    server->evhttp = evhttp_new(loop_base(server->loop));
    if (!server->places || !server->pause || !server->evhttp)
        return -1;
    evhttp_set_max_headers_size(server->evhttp, (ev_ssize_t)limits->max_header_bytes);
    evhttp_set_max_body_size(server->evhttp, (ev_ssize_t)limits->max_body_bytes);
    evhttp_set_timeout(server->evhttp, limits->idle_s);
    evhttp_set_allowed_methods(server->evhttp, METHODS_TAKEN);
    evhttp_set_bevcb(server->evhttp, on_accept, server);
    evhttp_set_gencb(server->evhttp, on_request, server);
    server->bound = evhttp_accept_socket_with_handle(server->evhttp, listen_fd);
    if (!server->bound)
        return -1;
    evconnlistener_set_error_cb(evhttp_bound_socket_get_listener(server->bound), on_accept_error);
    loop_at_turn_end(server->loop, check_fresh, server);
    return 0;
}

struct http_server *http_server_new(struct loop *loop, int listen_fd,
                                    const struct http_limits *limits, http_admit_cb *admit,
                                    http_handler_cb *handler, void *arg)
{
    struct http_server *server = calloc(1, sizeof(*server));

    assert(limits->max_connections > 0);
    if (!server)
        return NULL;
    server->loop = loop;
    server->admit = admit;
    server->handler = handler;
    server->arg = arg;
    LIST_INSERT_HEAD(&servers, server, all);
    if (open_server(server, listen_fd, limits) < 0)
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
        bufferevent_decref(old->fresh[i]);
    if (old->evhttp)
        evhttp_free(old->evhttp);
    loop_timer_free(&old->pause);
    free(old->places);
    free(old);
}

unsigned http_server_open_requests(const struct http_server *server)
{
    return server->open_requests;
}
