/* worker/http.h: HTTP and HTTPS requests on the worker's loop.
 *
 * libcurl, driven by the loop's readiness and timers: no thread, no blocking call. Addresses come
 * from the resolver and from nowhere else. What a request is, is said here and not by its
 * surroundings: no proxy, netrc, cookies, HSTS or alternative services; HTTP/1.1; a redirect is an
 * answer like any other and is not followed; no `Expect: 100-continue`, no compressed answers. An
 * answer without a length ends with its connection, and nobody can tell whether it was cut: what is
 * in it has to say where it ends, as JSON does.
 *
 * Connections are kept for a while and used again for the same scheme, host, port and trust. A
 * server may close one just when it is used again: a request that got not one byte of an answer on
 * such a connection is sent once more on a fresh one. Where that must not be, `is_alone` says so.
 *
 * HTTPS is TLS 1.2 or later, the chain and the name are verified (SP32) against the CAs of the
 * configuration and the request's own, as for SMTP; what is wrong is said in the same words.
 *
 * At most HTTP_AT_ONCE requests are under way, HTTP_PER_HOST to one host and port; others wait in
 * line, and their deadline runs. What was sent and received is wiped from memory afterwards.
 *
 * Who has to answer for each connection to a server makes a session: its requests come one after
 * another, wait for nobody else's, and have at most one connection open, which ends with it. */
#ifndef WORKER_HTTP_H
#define WORKER_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/reason.h"

struct http;
struct http_job;
struct http_session;
struct loop;
struct resolver;
struct tls_identity;

#define HTTP_AT_ONCE      32
#define HTTP_PER_HOST     8
#define HTTP_WAITING_MAX  1024
#define HTTP_KEPT_MAX     16          /* connections that nobody uses */
#define HTTP_HEADERS_MAX  (64U << 10) /* bytes of an answer's head */
#define HTTP_TOTAL_MAX_MS (1800 * 1000)

enum http_event {
    HTTP_ANSWERED,    /* whatever the status */
    HTTP_UNREACHABLE, /* no address, refused, reset, ended in the middle of an answer */
    HTTP_TIMED_OUT,
    HTTP_TLS_FAILED, /* certificate, name, protocol: `why` says which in words */
    HTTP_TOO_LARGE,  /* the answer, its head or its body */
    HTTP_NONSENSE,   /* what came is not HTTP */
    HTTP_SHORT,      /* memory, descriptors, the body's source: our own trouble, nothing to count
                      * against a server */
};

/* A body that is fetched piece by piece, never more than there is room for. */
struct http_source {
    uint64_t bytes; /* exactly so many: announced, never sent in chunks */
    /* At least one byte; 0 (it ends too early) or a negative errno: the request ends as HTTP_SHORT.
     */
    ssize_t (*read)(char *out, size_t max, void *arg);
    /* From its beginning again: 0, or a negative errno as above. */
    int (*rewind)(void *arg);
    void *arg;
};

struct http_request {           /* copied; the caller keeps its own */
    const char *method;         /* "GET", "POST": capital letters */
    const char *url;            /* http or https, without user name, password and fragment */
    const char *const *headers; /* "Name: value", NULL at the end; NULL: none */
    const char *body;           /* NULL: none; one without a Content-Type is sent as a form */
    size_t body_bytes;
    const struct http_source *source; /* instead of `body`, NULL: none; its callbacks run until done
                                       * or cancel, from inside any call */
    struct http_session *session;     /* NULL: a connection of those that all share */
    const char *ca;                   /* PEM, trusted beside the configuration's; NULL: none */
    bool is_unverified;               /* the operator turned verification off */
    bool shows_id;                    /* our digital ID, to a server that asks for it */
    bool is_alone;                    /* on a connection of its own, and never sent twice */
    int64_t connect_ms;               /* a connection and its handshake */
    int64_t total_ms;  /* everything from http_start() on; at most HTTP_TOTAL_MAX_MS */
    int64_t stall_ms;  /* no byte moves for so long, or a quarter longer; 0: `total_ms` is enough */
    size_t answer_max; /* bytes of the body */
};

/* One that came before the whole `source` was sent counts when it says no (300 and above): what the
 * server closed then, or its body was cut by, is no matter. A yes to a part is HTTP_UNREACHABLE. */
struct http_answer { /* borrowed; body and words are wiped after the callback */
    enum http_event event;
    long status;      /* 0 unless HTTP_ANSWERED */
    bool is_on_fresh; /* a connection was made for it. Behind other requests of its session: theirs
                       * was gone, perhaps with this one on it, which may have come twice then */
    const char *body; /* ends with a NUL that does not count; "" unless HTTP_ANSWERED */
    size_t body_bytes;
    const char *why; /* for people, NULL if HTTP_ANSWERED; of what was sent or received it never
                      * holds more than the host's name and what its certificate says */
};

/* May start and cancel any job; its own is over already. */
typedef void http_done_cb(const struct http_answer *answer, void *arg);

/* `ca_file`: the CAs to trust; "" or NULL: the system's. From here on libcurl wipes what it frees:
 * it must not have been used in this process before. 0 or a negative errno with the reason. */
int http_new(struct loop *loop, struct resolver *resolver, const char *ca_file,
             struct http **ret_http, struct reason *reterr_why);
/* Jobs are dropped, their callbacks do not run. Not from inside one. Before the resolver, after the
 * sessions. */
void http_free(struct http **http);

/* The configuration was read anew, and perhaps the file that it names: for connections to come.
 * 0 or -ENOMEM. */
int http_configure(struct http *http, const char *ca_file);
/* The files of our digital ID, read for each connection that shows it; both "": there is none. Two
 * that cannot be read make those requests fail. 0 or -ENOMEM. */
int http_set_id(struct http *http, const struct tls_identity *identity);

/* NULL: no memory. */
struct http_session *http_session_new(struct http *http);
/* Closes its connection at once. Its request must be over or cancelled: also from inside `done`.
 * NULL inside is allowed; sets NULL. */
void http_session_free(struct http_session **session);

/* 0: `done` runs once, never from inside a call, unless *ret_job is cancelled before. Negative
 * errno with the reason: nothing was begun (-EINVAL: a URL, method, header or CA that is none;
 * -ENOBUFS: too many wait; -EBUSY: a request of the session is not over yet; -ENOMEM). */
int http_start(struct http *http, const struct http_request *request, http_done_cb *done, void *arg,
               struct http_job **ret_job, struct reason *reterr_why);
/* NULL inside is allowed; sets NULL. Also from inside another job's callback. */
void http_cancel(struct http_job **job);

/* A value for a form or a query: percent-encoded. secret_free(); NULL: no memory. */
char *http_encode(const char *text);

#endif
