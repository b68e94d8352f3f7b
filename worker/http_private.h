/* worker/http_private.h: what http.c (jobs and their line), http_request.c (what a request is made
 * of), http_curl.c (libcurl on the loop), http_transfer.c (one transfer), http_source.c (a body
 * piece by piece), http_why.c (how it ended) and http_trust.c (the CAs) share. */
#ifndef WORKER_HTTP_PRIVATE_H
#define WORKER_HTTP_PRIVATE_H

#include <sys/queue.h>

#include <curl/curl.h>

#include "worker/http.h"

struct http_socket;
struct http_trust;
struct loop_timer;
struct resolver_answer;
struct resolver_query;
struct tls_context;
struct tls_lent;

/* WAITING -> UNDER_WAY (name asked for, then a transfer of libcurl's) -> ENDED (not told yet) */
enum http_state { HTTP_WAITING, HTTP_UNDER_WAY, HTTP_ENDED };

TAILQ_HEAD(http_jobs, http_job);

struct http_job {
    TAILQ_ENTRY(http_job) link; /* in the list of its state */
    struct http *http;
    struct http_session *session; /* the shared one, too */
    enum http_state state;
    http_done_cb *done;
    void *arg;
    struct loop_timer *deadline; /* for all of it */
    struct resolver_query *query;

    /* The request. */
    CURLU *url;
    char *host; /* an IPv6 address without brackets */
    char *port;
    char *method;
    struct curl_slist *headers;
    char *body; /* NULL: none */
    size_t body_bytes;
    struct http_source source; /* `read` NULL: none */
    char *ca;                  /* NULL: none */
    bool is_secure, is_literal, is_unverified, is_alone, shows_id;
    int64_t connect_ms, total_ms, stall_ms;
    size_t answer_max;

    /* The transfer. */
    CURL *curl; /* NULL: it has none */
    struct curl_slist *addresses;
    struct tls_context *tls; /* NULL: in clear, or unverified */
    struct tls_lent *lent;
    int fd;                   /* that libcurl watches for it, -1: none */
    int socket_errno;         /* of a socket that could not be made */
    int source_err;           /* why no more of the body came: a negative errno */
    struct loop_timer *stall; /* NULL: nobody asks */
    int64_t moved, moved_ms;  /* bytes, and when the last of them did */
    char curl_says[CURL_ERROR_SIZE];

    /* The answer. */
    char *data; /* NULL: nothing came */
    size_t bytes, room, head_bytes;
    bool is_head_whole; /* for libcurl one that was cut short is an answer */
    bool is_too_large;

    /* The end. */
    enum http_event event;
    long status, connects;
    struct reason why;
};

/* A multi handle of libcurl with what it has on the loop. */
struct http_session {
    struct http *http;
    struct http_job *job; /* of one's own: the one that is not over, NULL: none */
    CURLM *multi;         /* NULL: none yet, or it broke */
    struct loop_timer *timer;
    LIST_HEAD(, http_socket) sockets;
    int last_fd; /* of the connections that it has open, -1: none */
};

struct http {
    struct loop *loop;
    struct resolver *resolver;
    struct http_jobs waiting, under_way, ended;
    unsigned waiting_count, under_way_count; /* of the shared session */
    struct loop_timer *next_turn;            /* there is something to begin or to tell */

    struct http_session *shared;
    struct http_trust *trust;
    char *id_certificate, *id_key; /* files, NULL: there is no digital ID */
};

/* http.c. The job is over: told at the end of this turn of ours. Not from inside libcurl. */
void http_end(struct http_job *job, enum http_event event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The last thing that a callback of the loop does: what waits is begun, what has ended is told. */
void http_leave(struct http *http);

/* http_request.c. 0 or a negative errno with the reason. */
int http_job_new(struct http *http, const struct http_request *request, struct http_job **ret_job,
                 struct reason *reterr_why);
void http_job_free(struct http_job *job); /* it is in no list and has no transfer */

/* http_curl.c */
int http_curl_begin(struct http *http); /* 0 or -ENOMEM */
void http_curl_end(struct http *http);  /* no job has a transfer any more */
/* Hands the transfer to libcurl, which may end the job, or takes it back. */
void http_curl_add(struct http_job *job);
void http_curl_remove(struct http_job *job);
/* Of libcurl's connections, for their options. */
curl_socket_t http_curl_open(void *arg, curlsocktype purpose, struct curl_sockaddr *address);
int http_curl_close(void *arg, curl_socket_t fd);

static inline bool http_is_shared(const struct http_session *session)
{
    return session == session->http->shared;
}

/* http_transfer.c. The transfer, ready to be added. False: no memory. */
bool http_transfer_new(struct http_job *job, const struct resolver_answer *answer);
void http_transfer_free(struct http_job *job);

/* http_source.c: the options of a transfer with a source, and what watches that bytes move. */
void http_source_set(struct http_job *job);
bool http_is_sent(const struct http_job *job); /* the body, whole; true without a source */
bool http_stall_new(struct http_job *job);     /* false: no memory */
void http_stall_begin(struct http_job *job);   /* with the transfer */

/* http_why.c. Ends the job as the transfer has ended. */
void http_end_transfer(struct http_job *job, CURLcode code);

/* http_trust.c: contexts with the configuration's CAs, and those of the last few requests' own. */
struct http_trust *http_trust_new(const char *ca_file);
void http_trust_free(struct http_trust **trust); /* NULL inside is allowed */
/* `ca` NULL: none. The caller releases it. 0 or a negative errno with the reason. */
int http_trust_find(struct http_trust *trust, const char *ca, struct tls_context **ret_context,
                    struct reason *reterr_why);

/* libcurl found no memory since this was set to false: it does not always say so. */
extern bool http_memory_failed;

#endif
