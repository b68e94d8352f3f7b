/* worker/rest/client.h: one server of a `core` or `vault` profile, asked one thing after another.
 *
 * A client stands for one job at one server: it has a connection of its own (worker/http.h), for
 * which its owner has a lease (SP49), and which is closed when the client is freed. Parameters
 * travel as header fields, as both products want them; answers are JSON. What a server says is cut
 * and cleaned before anybody sees it, and never holds the key. */
#ifndef WORKER_REST_CLIENT_H
#define WORKER_REST_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "common/reason.h"
#include "worker/rest/judge.h"

struct http;
struct http_answer;
struct http_source;
struct profile;
struct rest_client;
struct worker_profile;

struct rest_answer { /* borrowed */
    enum rest_word word;
    long status;        /* 0: none came */
    const json_t *body; /* NULL: none that is JSON */
    const char *why;    /* for people, "" if REST_OK */
    const struct http_answer *http;
};

struct rest_header {
    const char *name;
    const char *value; /* NULL or "": not sent */
    bool is_encoded;   /* percent-encoded, as both products take names; others are if they must */
};

struct rest_call {
    const char *method;
    const char *path;                  /* after the server's own: "/transfer" */
    const struct rest_header *headers; /* name NULL at the end; NULL: none */
    const struct http_source *source;  /* NULL: no body */
};

typedef void rest_done_cb(const struct rest_answer *answer, void *arg);

/* Holds the profile. NULL: no memory. */
struct rest_client *rest_client_new(struct http *http, struct worker_profile *profile,
                                    unsigned server);
/* The same for a profile that is in no directory, and is borrowed. */
struct rest_client *rest_client_borrow(struct http *http, const struct profile *profile,
                                       unsigned server);
/* Also from inside `done`, and with a call under way, whose `done` does not run. NULL inside is
 * allowed. */
void rest_client_free(struct rest_client **client);

/* Not while another is under way. 0: `done` runs once, never from inside the call. A negative
 * errno with the reason: nothing was begun. */
int rest_call(struct rest_client *client, const struct rest_call *call, rest_done_cb *done,
              void *arg, struct reason *reterr_why);

/* The member of that name as text of at most `size` bytes; false: it has none that is text, or a
 * number, and fits. */
bool rest_member(const json_t *object, const char *name, char *out, size_t size);

#endif
