/* master/http/http.h: an HTTP server on a listening socket; the only door to event2/http.h. The
 * control API has one on a Unix socket, the console one over TLS.
 *
 * It knows requests and answers, no routes and no JSON. A request comes to the handler complete
 * (its body within the limits) and is answered exactly once, at once or later, whether or not
 * somebody still waits for it: a client that leaves is not noticed before the answer.
 *
 * At the connection limit accepting pauses, and the others wait in the backlog; or, where the
 * limits say so, the connection that has waited longest without a request makes room. Connections
 * without the right to be here are cut at the end of the turn that accepted them.
 *
 * To end: http_server_stop(), answer everything that is open, let the loop turn so that the answers
 * leave, http_server_free(). */
#ifndef MASTER_HTTP_HTTP_H
#define MASTER_HTTP_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct bufferevent;
struct event_base;
struct loop;
struct http_request;
struct http_server;

enum http_method {
    HTTP_METHOD_GET,
    HTTP_METHOD_POST,
    HTTP_METHOD_PUT,
    HTTP_METHOD_DELETE,
    HTTP_METHOD_OTHER,
    HTTP_METHOD_COUNT
};

struct http_limits {
    unsigned max_connections;
    size_t max_header_bytes;
    size_t max_body_bytes;
    int idle_s; /* a connection that neither sends nor takes anything for this long is closed */
    /* However busily its octets drip: a connection without a whole request for this long, since it
     * was accepted or since its last answer, is closed. 0: no such end. */
    int first_request_s, next_request_s;
    bool makes_room; /* at the limit */
};

/* Asked with the descriptor of every new connection and again for every request: 0 and the peer's
 * uid, or a negative errno to cut it. */
typedef int http_admit_cb(int fd, uid_t *ret_uid, void *arg);
typedef void http_handler_cb(struct http_request *request, void *arg);
/* What a new connection's octets go through: made without a descriptor, and to be closed with it.
 * NULL: the connection is closed. */
typedef struct bufferevent *http_transport_cb(struct event_base *base, void *arg);

struct http_hooks {
    http_admit_cb *admit;
    http_handler_cb *handler;
    http_transport_cb *transport; /* NULL: none in between */
    void *arg;
};

/* Takes `listen_fd` over when it succeeds. NULL when memory is short. */
struct http_server *http_server_new(struct loop *loop, int listen_fd,
                                    const struct http_limits *limits,
                                    const struct http_hooks *hooks);

/* No new connections; a request on an open one is answered 503 without asking the handler. */
void http_server_stop(struct http_server *server);

/* Every request must have been answered. NULL inside is allowed. */
void http_server_free(struct http_server **server);

unsigned http_server_open_requests(const struct http_server *server);

/* What was asked. Strings live as long as the request. */
enum http_method http_request_method(const struct http_request *request);
const char *http_request_target(const struct http_request *request); /* raw, with the query */
const char *http_request_path(const struct http_request *request);   /* raw, without it */
const char *http_request_query(const struct http_request *request, const char *name); /* decoded */
bool http_request_has_query_beyond(const struct http_request *request, const char *const *known,
                                   const char **ret_name);
const char *http_request_header(const struct http_request *request, const char *name);
const char *http_request_body(struct http_request *request, size_t *ret_bytes);
uid_t http_request_uid(const struct http_request *request);
int http_request_fd(const struct http_request *request); /* -1: the connection is gone */

/* Answers; `request` is gone afterwards. A header that would break the message is left out. Nobody
 * may keep what is answered, unless a Cache-Control of its own is allowed before. */
void http_request_set_header(struct http_request *request, const char *name, const char *value);
void http_request_allow_caching(struct http_request *request, const char *cache_control);
void http_request_answer(struct http_request *request, int status, const char *type,
                         const char *body, size_t bytes);

/* The same in pieces, each sent when it is there: any number of pieces, then the end, after which
 * `request` is gone. The status is 200. */
void http_request_stream(struct http_request *request, const char *type, const char *piece,
                         size_t bytes);
void http_request_stream_end(struct http_request *request);
bool http_request_is_streaming(const struct http_request *request);

#endif
