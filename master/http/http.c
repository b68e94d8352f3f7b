/* master/http/http.c: requests and their answers.
 *
 * What libevent's server does not do by itself is done here: that a request whose connection died
 * is still answered (libevent then only frees it), and that one beyond the end is refused. */
#include "master/http/http.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>

#include "common/loop.h"
#include "master/http/http_private.h"

struct http_request {
    struct http_server *server;
    struct evhttp_request *evhttp;
    struct evkeyvalq query;
    uid_t uid;
    struct place_mark mark;
    bool is_streaming, is_cached;
};

/* ---- requests ---- */

static void finish_request(struct http_request *request)
{
    request->server->open_requests--;
    connections_answered(request->server, request->mark);
    evhttp_clear_headers(&request->query);
    free(request);
}

static int descriptor_of(struct evhttp_request *evhttp)
{
    struct evhttp_connection *connection = evhttp_request_get_connection(evhttp);
    struct bufferevent *bev = connection ? evhttp_connection_get_bufferevent(connection) : NULL;

    return bev ? bufferevent_getfd(bev) : -1;
}

void http_on_request(struct evhttp_request *evhttp, void *arg)
{
    struct http_server *server = arg;
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(evhttp);
    const char *query = uri ? evhttp_uri_get_query(uri) : NULL;
    struct http_request *request;
    uid_t uid = (uid_t)-1;
    struct place_mark mark;
    int fd = descriptor_of(evhttp);

    loop_enter(server->loop);
    if (server->is_stopped) {
        evhttp_send_error(evhttp, HTTP_SERVUNAVAIL, "stopping");
        return;
    }
    if (fd < 0 || !connections_asked(server, fd, &mark) ||
        server->hooks.admit(fd, &uid, server->hooks.arg) < 0) {
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
    request->mark = mark;
    server->open_requests++;
    server->hooks.handler(request, server->hooks.arg);
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

const char *http_request_target(const struct http_request *request)
{
    return evhttp_request_get_uri(request->evhttp);
}

int http_request_fd(const struct http_request *request)
{
    return descriptor_of(request->evhttp);
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

void http_request_allow_caching(struct http_request *request, const char *cache_control)
{
    request->is_cached = true;
    http_request_set_header(request, "Cache-Control", cache_control);
}

static void forbid_caching(struct http_request *request)
{
    if (!request->is_cached)
        http_request_set_header(request, "Cache-Control", "no-store");
}

void http_request_answer(struct http_request *request, int status, const char *type,
                         const char *body, size_t bytes)
{
    struct evbuffer *out = bytes > 0 ? evbuffer_new() : NULL;

    assert(!request->is_streaming);
    forbid_caching(request);
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
        forbid_caching(request);
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
