/* worker/ingress/ingress_private.h: the ingress as its own files see it. */
#ifndef WORKER_INGRESS_INGRESS_PRIVATE_H
#define WORKER_INGRESS_INGRESS_PRIVATE_H

#include <stdbool.h>
#include <sys/queue.h>

#include "worker/ingress/ingress.h"
#include "worker/ingress/session.h"

struct clients;
struct listeners;
struct loop_timer;

#define INGRESS_SHUTTING_DOWN "421 4.3.2 Service shutting down, try again soon"

struct ingress {
    struct loop *loop;
    const struct conf *conf;
    const struct directory *directory;
    struct spooler *spooler;
    struct clients *clients;
    struct listeners *listeners;
    LIST_HEAD(, session) sessions;
    TAILQ_HEAD(, session) fresh; /* to be greeted in the next turn */
    struct loop_timer *greet_timer;
    struct ingress_figures figures;
    char *ehlo_reply; /* the same for everybody */
    bool is_draining, is_master_gone;
    bool is_out_of_credit;  /* the master has not yet taken in what was reported */
    int64_t credit_line_ms; /* when this may be logged again */
    struct loop_timer *drained_timer;
    ingress_drained_cb *drained;
    void *drained_arg;
    unsigned refusals_logged; /* in the second refusals_second */
    unsigned refusals_unlogged;
    int64_t refusals_second;
};

/* Whether one more line about a client's mistake may be logged in this second: a flood of nonsense
 * must not become a flood of lines. */
bool ingress_may_log(struct ingress *ingress);

/* A session has closed its connection: room for another. */
void ingress_session_closed(struct ingress *ingress, struct session *session);

#endif
