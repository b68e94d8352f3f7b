/* master/ctl/transport.h: one HTTP request over the control socket; the only door to curl/curl.h.
 */
#ifndef MASTER_CTL_TRANSPORT_H
#define MASTER_CTL_TRANSPORT_H

#include <jansson.h>

#include "common/reason.h"

struct transport;

/* One line of a streamed answer: borrowed. */
typedef void transport_line_cb(const json_t *line, void *arg);

struct transport_request {
    const char *method;   /* "GET", "POST", "PUT", "DELETE" */
    const char *target;   /* below /api/v1, with its query: "/profiles?name=Exchange" */
    const json_t *body;   /* NULL: none */
    const char *if_match; /* an ETag as it came, NULL: none */
    /* Not NULL: asks for a stream; every line but the last (the answer) goes here. */
    transport_line_cb *on_line;
    void *arg;
};

struct transport_reply {
    int status;
    char etag[64]; /* "" if there was none */
    json_t *body;  /* json_decref(); NULL if there was none */
};

/* `socket_path` is copied. NULL: no memory. */
struct transport *transport_new(const char *socket_path);
void transport_free(struct transport **transport);

/* 0 and the reply, whatever its status, or a negative errno: nobody there (-ENOENT, -ECONNREFUSED),
 * not allowed (-EACCES), no answer in time (-ETIMEDOUT), or one that is no JSON (-EBADMSG). */
int transport_call(struct transport *transport, const struct transport_request *request,
                   struct transport_reply *ret_reply, struct reason *reterr_why);

#endif
