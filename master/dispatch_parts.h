/* master/dispatch_parts.h: what the files of dispatch share: dispatch.c (turns and sending),
 * dispatch_choice.c (which worker), dispatch_outcome.c (how jobs end), dispatch_alone.c (MQ09),
 * dispatch_restage.c (whose turn it is when rules change), dispatch_health.c (which servers),
 * dispatch_probe.c (who is back), dispatch_release.c (deferred mail, when one is back),
 * dispatch_expiry.c (what waits for them longer than it may). */
#ifndef MASTER_DISPATCH_PARTS_H
#define MASTER_DISPATCH_PARTS_H

#include "master/dispatch.h"
#include "master/health.h"

struct jobs;
struct job;
struct lane;
struct loop_timer;
struct route;
struct route_server;

struct dispatch {
    struct loop *loop;
    struct queue *queue;
    struct workers *workers;
    struct cells *cells;
    struct jobs *jobs;
    struct budget *budget;
    struct slots *slots;
    struct ledger *ledger;
    struct loop_timer *wake;  /* for what waits */
    struct loop_timer *watch; /* for deadlines, while jobs are out */
    struct dispatch_hooks hooks;
    unsigned first_slot; /* where the search for a worker begins: ties go round */
    bool is_stopped;
    bool is_queue_short;       /* an entry could not be kept: said once */
    struct {                   /* MQ09 */
        struct worker *worker; /* being emptied for a suspect, or running one; NULL: neither */
        uint64_t job;          /* 0: not sent yet */
        int64_t since_ms;
        int64_t rest_until_ms; /* the others' time before the next suspect */
    } alone;
    struct { /* SP23 */
        struct health_rules rules;
        struct loop_timer *timer;
        int64_t timer_ms;  /* when it is set: for then */
        uint64_t last_job; /* the last one that was sent */
        uint64_t last_token;
    } health;
    struct {
        struct loop_timer *timer;
        bool is_walking;
        uint32_t next;  /* number of the group that is looked at next */
        uint64_t count; /* made ready by this walk */
    } release;
    struct {
        struct loop_timer *timer;
        bool is_walking;
        uint32_t next;
    } expiry;
    struct {
        struct loop_timer *timer;
        uint32_t next;
    } restage;
};

/* Could this worker take one more of this lane? */
bool dispatch_has_room(const struct dispatch *dispatch, const struct worker *worker,
                       const struct lane *lane);
bool dispatch_any_room(const struct dispatch *dispatch, const struct lane *lane);
/* Who takes it, with this turn. NULL: nobody has room, or no connection to the server that is next
 * for it can be had now. */
struct worker *dispatch_choose(struct dispatch *dispatch, const struct group *group, size_t start);
/* The account of the server that is next for it, NULL: there is none left to try. */
struct account *dispatch_account(const struct dispatch *dispatch, const struct group *group,
                                 size_t start);

/* Sends it; the group is ready and its lane has a route. NULL: no memory, nothing happened. */
struct job *dispatch_send(struct dispatch *dispatch, struct group *group, struct worker *worker,
                          size_t start);
/* A job is out: its deadline is watched. */
void dispatch_watch(struct dispatch *dispatch);
/* The start server of its next attempt: a kept turn, or a new one. */
size_t dispatch_start_of(struct dispatch *dispatch, struct group *group);

/* Bits of the servers that a delivery may start with now: those that have room for one more, or,
 * when none takes mail, one that is to be tried. 0: mail waits. */
uint64_t dispatch_health_usable(const struct dispatch *dispatch, const struct route *route);
/* The job goes to its start server: which others the order says to leave alone, and why. */
void dispatch_health_sent(struct dispatch *dispatch, struct job *job,
                          struct ipc_mail_deliver *deliver);
/* Has a server come back since this job was sent? Then it may have missed it. */
bool dispatch_health_has_come_back(const struct job *job);
/* It is over; its outcome, NULL: it was lost with its worker. Before jobs_end(). */
void dispatch_health_ended(struct dispatch *dispatch, struct job *job,
                           const struct ipc_mail_outcome *outcome);
void dispatch_health_worker_lost(struct dispatch *dispatch, const struct worker *worker);
void dispatch_health_saved(struct dispatch *dispatch, struct lane *lane);

/* The one road of every event: health_take(), and what follows from it. */
void dispatch_health_take(struct dispatch *dispatch, struct lane *lane, struct route_server *server,
                          enum health_event event, uint64_t delivery, const char *why);
/* The timer looks after servers in so many ms at the latest; or when this one is due. */
void dispatch_health_wake_in(struct dispatch *dispatch, int64_t wait_ms);
void dispatch_health_wake_for(struct dispatch *dispatch, const struct route_server *server);
void dispatch_health_on_timer(void *arg);

/* What was deferred because servers failed is made ready, a slice in each turn. */
void dispatch_release(struct dispatch *dispatch, struct lane *lane);
void dispatch_release_on_timer(void *arg);

/* Looks for what has waited too long while no server takes mail, again and again. */
void dispatch_expiry_on_timer(void *arg);

/* Rules have changed: a slice of the queue goes to the lanes of its stages. */
void dispatch_restage_on_timer(void *arg);

void dispatch_alone_serve(struct dispatch *dispatch);
void dispatch_alone_ended(struct dispatch *dispatch, uint64_t job);
void dispatch_alone_lost(struct dispatch *dispatch, const struct worker *worker);
bool dispatch_alone_is_busy(const struct dispatch *dispatch);

void dispatch_tell_recalled(struct dispatch *dispatch, struct group *group, uint64_t id,
                            unsigned number);

#endif
