/* worker/probe_private.h: a connection test as its files see it: probe.c (a test as a whole),
 * probe_ladder.c (the way to one of its servers), probe_smtp.c (the session there), probe_tls.c
 * (TLS in it), probe_plain.c (a connection with nothing said on it), probe_rest.c (what a Core or
 * Vault is asked after that). */
#ifndef WORKER_PROBE_PRIVATE_H
#define WORKER_PROBE_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "common/probe_step.h"
#include "common/reason.h"
#include "worker/probe.h"

struct resolver_answer;
struct resolver_query;
struct rest_question;
struct smtp_connection;
struct smtp_guest;
struct stream;

struct ladder { /* one server */
    struct probe *probe;
    unsigned index;
    const struct server_uri *server;
    struct resolver_query *query;
    struct resolver_answer *answer;
    struct smtp_guest *guest; /* waits for its turn, or counts the connection (SP49) */
    struct smtp_connection *connection;
    struct stream *stream; /* where only the connection can be tested */
    struct rest_question *question;
    struct loop_timer *limit;
    unsigned address;       /* of the answer, with `stream` */
    struct reason failures; /* of the addresses so far, the same */
    int64_t began_us, step_began_us;
    enum probe_step waits_for; /* the step under way */
    unsigned passed[PROBE_STEP_COUNT];
    bool has_failed, is_waiting, is_secured, is_shaking, is_over;
};

struct probe {
    TAILQ_ENTRY(probe) link;
    struct prober *prober;
    uint64_t token;
    struct profile *profile;
    struct tls_context *tls; /* for all its servers, NULL: none is needed yet */
    struct ladder *ladders;
    size_t open;
    bool has_failed;
    struct loop_timer *end; /* PROBE_DONE and the free, outside of the ladders' callbacks */
};

struct prober {
    struct loop *loop;
    struct channel *channel;
    const struct conf *conf;
    struct resolver *resolver;
    struct smtp_pool *pool;
    const struct tls_keeper *keeper;
    struct http *http;
    TAILQ_HEAD(, probe) probes;
    unsigned count;
};

/* `ladder` is all zero before. 0 or -ENOMEM. */
int ladder_init(struct ladder *ladder, struct probe *probe, unsigned index);
/* Tells every step as it ends; the last ladder that ends sets the probe's `end`. */
void ladder_start(struct ladder *ladder);
void ladder_done(struct ladder *ladder); /* also of one that was never made */

/* ---- for the session ---- */

struct smtp_failure;
struct smtp_reply;

/* A step ended. */
void ladder_tell(struct ladder *ladder, enum probe_step step, enum probe_result result,
                 const char *format, ...) __attribute__((format(printf, 4, 5)));
void ladder_tell_failure(struct ladder *ladder, const struct smtp_failure *failure);
void ladder_tell_ourselves(struct ladder *ladder, enum probe_step step);
void ladder_end(struct ladder *ladder);

/* ---- of probe_smtp.c ---- */

void ladder_open_smtp(struct ladder *ladder);
/* The reply to QUIT, NULL: none came; the ladder's end. */
void ladder_tell_farewell(struct ladder *ladder, const struct smtp_reply *reply);

/* ---- of probe_tls.c ---- */

struct tls_context;
struct tls_facts;

/* Borrowed: the probe keeps it. False: it cannot be made, which ends the ladder. */
bool ladder_make_tls(struct ladder *ladder, struct tls_context **ret_context);
void ladder_tell_tls(struct ladder *ladder, const struct tls_facts *facts);
void ladder_tell_certificate(struct ladder *ladder, const struct tls_facts *facts);

/* ---- of probe_plain.c ---- */

/* CONNECT to one address after the other, TLS with its CERTIFICATE where the scheme says so; then
 * what a Core or Vault is asked, or what is not tested from there on. */
void ladder_connect(struct ladder *ladder);

/* ---- of probe_rest.c ---- */

/* REQUEST, on a connection of its own. */
void ladder_ask_rest(struct ladder *ladder);

#endif
