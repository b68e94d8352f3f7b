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
    char *ehlo_reply;               /* but for its last lines the same for everybody */
    struct tls_context *tls;        /* with the digital ID, NULL: there is none */
    struct loop_timer *watch_timer; /* for its end */
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

/* ---- ingress_tls.c ---- */

/* The digital ID as the configuration has it now. What cannot be read is told (an alert), and the
 * one from before stays; without one STARTTLS is not offered. */
void ingress_load_identity(struct ingress *ingress, const struct conf *conf);
bool ingress_offers_tls(const struct ingress *ingress);
void ingress_watch_identity(void *arg); /* a timer's callback, with the ingress */

/* A session has closed its connection: room for another. */
void ingress_session_closed(struct ingress *ingress, struct session *session);

#endif
