/* worker/probe_private.h: a connection test as its two files see it: probe.c (a test as a whole)
 * and probe_ladder.c (the steps with one of its servers). */
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
struct smtp_connection;
struct stream;

struct ladder { /* one server */
    struct probe *probe;
    unsigned index;
    const struct server_uri *server;
    struct resolver_query *query;
    struct resolver_answer *answer;
    struct smtp_connection *connection;
    struct stream *stream; /* where only the connection can be tested */
    struct loop_timer *limit;
    unsigned address;       /* of the answer, with `stream` */
    struct reason failures; /* of the addresses so far, the same */
    int64_t step_began_us;
    enum probe_step waits_for; /* the step under way */
    unsigned passed[PROBE_STEP_COUNT];
    bool has_failed, is_over;
};

struct probe {
    TAILQ_ENTRY(probe) link;
    struct prober *prober;
    uint64_t token;
    struct profile *profile;
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
    TAILQ_HEAD(, probe) probes;
    unsigned count;
};

/* `ladder` is all zero before. 0 or -ENOMEM. */
int ladder_init(struct ladder *ladder, struct probe *probe, unsigned index);
/* Tells every step as it ends; the last ladder that ends sets the probe's `end`. */
void ladder_start(struct ladder *ladder);
void ladder_done(struct ladder *ladder); /* also of one that was never made */

#endif
