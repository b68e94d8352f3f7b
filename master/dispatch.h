/* master/dispatch.h: which group goes next, to which worker, from which start server.
 *
 * Profiles are served in turn, within a profile new mail before deferred 3:1 (MQ0A). A profile has
 * at most max_in_flight groups out, and of each worker's credit at most half of what the others
 * leave, so that one whose servers hang delays nobody else (SP25). The start server is the cursor's
 * among those that take mail (SP20, SP21, SP23: master/health.h); while none does, mail waits here
 * without an attempt being counted, but for one trial at a time on each server whose time for it
 * has come. The worker is one with an idle connection to the server that is next, else the one
 * whose spool has the message if its load is within 25 % of the least, else the least loaded; when
 * no more connections may be opened, one that has some (master/budget.h). What killed a worker
 * before runs alone (MQ09). */
#ifndef MASTER_DISPATCH_H
#define MASTER_DISPATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/ipc.h"

/* SP25: an attempt ends by then. A worker that does not bring its job back in time is asked to, and
 * replaced when it does not do so either. */
#define DISPATCH_DEADLINE_MS 1800000
#define DISPATCH_GRACE_MS    5000
#define DISPATCH_CANCEL_MS   30000

struct budget;
struct ledger;
struct cells;
struct cursor;
struct dispatch;
struct group;
struct health_rules;
struct loop;
struct profile;
struct queue;
struct slots;
struct worker;
struct workers;

struct dispatch_hooks {
    /* A worker keeps a job beyond everything it was told. */
    void (*on_overrun)(struct worker *worker, void *arg);
    /* A round-robin cursor moved. */
    void (*on_cursor)(void *arg);
    /* A group that is known was reported once more, perhaps at another place. */
    void (*on_copy)(const struct ipc_mail_queued *queued, void *arg);
    /* What dispatch_recall() asked for has come to an end: the group is in its new state, or gone.
     */
    void (*on_recalled)(uint64_t id, unsigned group, void *arg);
    /* A message is held because workers died while they had it (MQ09); also one that is found so.
     */
    void (*on_held)(const struct group *group, void *arg);
    /* A delivery came to this; also one that its worker did not live to tell of. */
    void (*on_outcome)(enum ipc_outcome outcome, void *arg);
    void *overrun_arg, *cursor_arg, *copy_arg, *recalled_arg, *held_arg, *outcome_arg;
};

/* Works at the end of each turn of the loop: make it before the channels. NULL: no memory. */
struct dispatch *dispatch_new(struct loop *loop, struct queue *queue, struct workers *workers,
                              struct cells *cells);
void dispatch_free(struct dispatch **dispatch);
struct dispatch_hooks *dispatch_hooks(struct dispatch *dispatch);

/* A profile is there, in a new version perhaps. `saved` is its cursor from before a restart, NULL:
 * none. 0 or -ENOMEM. */
int dispatch_set_profile(struct dispatch *dispatch, const struct profile *profile,
                         const struct cursor *saved);
void dispatch_drop_profile(struct dispatch *dispatch, uint32_t profile);

/* Rules have changed, and with them perhaps the stages of what is queued (common/stage.h). */
void dispatch_rules_changed(struct dispatch *dispatch);

/* Nothing is given out any more; outcomes are still taken in. */
void dispatch_stop(struct dispatch *dispatch);

/* What workers say. 0, or -EBADMSG: no sane worker says that. -ENOMEM: it could not be taken in,
 * and its segment is kept for good; a later scan may find it. */
int dispatch_queued(struct dispatch *dispatch, struct worker *worker,
                    const struct ipc_mail_queued *queued);
int dispatch_outcome(struct dispatch *dispatch, struct worker *worker,
                     const struct ipc_mail_outcome *outcome);
struct budget *dispatch_budget(const struct dispatch *dispatch);
struct slots *dispatch_slots(const struct dispatch *dispatch);
struct ledger *dispatch_ledger(const struct dispatch *dispatch);

/* Told before the outcome of its job. An unknown job: its time was over. 0 or -EBADMSG. */
int dispatch_server_failed(struct dispatch *dispatch, struct worker *worker,
                           const struct ipc_server_failed *failed);
/* A note was written while its job goes on. 0 or -EBADMSG. */
int dispatch_noted(struct dispatch *dispatch, const struct worker *worker,
                   const struct ipc_mail_noted *noted);
int dispatch_probed(struct dispatch *dispatch, const struct worker *worker,
                    const struct ipc_health_probed *probed);

/* ---- health of servers (SP23) ---- */

void dispatch_set_health(struct dispatch *dispatch, const struct health_rules *rules);
/* An operator's word on a server, by its normalised URI. 0, or -ENOENT: there is none. */
int dispatch_drain(struct dispatch *dispatch, uint32_t profile, const char *uri);
int dispatch_enable(struct dispatch *dispatch, uint32_t profile, const char *uri);

/* Its process has ended and its channel is read to the end: the cell of each job that it had is
 * read again before the group goes anywhere. `is_crash`: what it had may have killed it. */
void dispatch_worker_lost(struct dispatch *dispatch, struct worker *worker, bool is_crash);

/* It was deleted: if its upload was begun, a worker has the Vault forget it, as far as it can. */
void dispatch_discard(const struct dispatch *dispatch, const struct group *group);

/* Asks for a group that is out; on_recalled follows, exactly once. */
void dispatch_recall(struct group *group);

/* Which server (index) the next delivery of this profile would start with; -ENOENT: no such
 * profile. Hands nothing out (SR06). */
int dispatch_next_start(const struct dispatch *dispatch, uint32_t profile);

/* Groups of this profile that are with workers now. */
unsigned dispatch_in_flight(const struct dispatch *dispatch, uint32_t profile);

/* All cursors in text for the cursor file: free(). NULL: no memory. */
char *dispatch_cursors(const struct dispatch *dispatch);

#endif
