/* master/supervisor.h: the life of the workers.
 *
 *          start            READY           stop, reload
 *   DOWN --------> STARTING -----> RUNNING <------------> DRAINING
 *    ^ ^ back-off     |               |     wanted again     |
 *    | +--------------+---------------+                      |
 *    +----------------------- the process ended -------------+
 *
 * A worker that ends is replaced: at once the first time, then after 2 s, doubling to 60 s, until
 * one has lived for 60 s. One that is stuck (no heartbeat for 60 s, unless a disk sync hangs) or
 * talks nonsense is killed, stuck ones at most one a minute. What it had is found again: its
 * channel is read to the end, its jobs' cells are read again, its slot is scanned by its successor
 * or, when that one has to wait, by another worker. */
#ifndef MASTER_SUPERVISOR_H
#define MASTER_SUPERVISOR_H

#include <stdbool.h>
#include <stdint.h>

#include "common/conf.h"
#include "common/reason.h"

struct alerts;
struct compactor;
struct composer;
struct dispatch;
struct listeners;
struct loop;
struct prober;
struct pusher;
struct querier;
struct queue;
struct segments;
struct stats;
struct supervisor;
struct worker;
struct workers;

/* What workers' words are handed to; all borrowed. */
struct supervisor_parts {
    struct workers *workers;
    struct queue *queue;
    struct dispatch *dispatch;
    struct segments *segments;
    struct compactor *compactor;
    struct prober *prober;
    struct querier *querier;
    struct composer *composer;
    struct pusher *pusher;
    struct tokens *tokens;
    struct listeners *listeners;
    struct alerts *alerts; /* NULL: workers' alerts are in the log only */
    struct stats *stats;   /* NULL: nobody counts */
};

typedef void supervisor_cb(void *arg);

/* `worker_path` is copied; `log_fd` becomes the workers' standard error, and stays open as long as
 * no other was set. */
int supervisor_new(struct loop *loop, const struct conf *conf, const char *worker_path, int log_fd,
                   const struct supervisor_parts *parts, struct supervisor **ret_supervisor,
                   struct reason *reterr_why);
void supervisor_free(struct supervisor **supervisor); /* kills what is left */

/* The log was opened anew: workers that are started from now on get this one. */
void supervisor_set_log(struct supervisor *supervisor, int log_fd);

/* Opens the listeners and starts the workers. `on_started` runs once, when all have been ready. */
int supervisor_start(struct supervisor *supervisor, supervisor_cb *on_started, void *arg,
                     struct reason *reterr_why);

/* SIGTERM: no new mail, drain_time for what is past its end of data. `on_stopped` runs when the
 * last worker is gone. */
void supervisor_stop(struct supervisor *supervisor, supervisor_cb *on_stopped, void *arg);

/* SIGHUP: another number of workers, and the new configuration for all. A slot that is wanted again
 * while its worker drains for an earlier reload gets its next one when that has ended. `conf` is
 * borrowed until the next reload. 0, or a negative errno with the reason: not all is as it says. */
int supervisor_reload(struct supervisor *supervisor, const struct conf *conf,
                      struct reason *reterr_why);

/* Slots whose spool is not looked through yet. */
unsigned supervisor_open_scans(const struct supervisor *supervisor);

/* This worker is not right any more: it is killed, and replaced when it has ended. */
void supervisor_fault(struct worker *worker, const char *what);
/* The same for one that does not move; counted as a crash of what it holds (MQ09). Not while its
 * disk hangs: a successor would hang too. */
void supervisor_stuck(struct worker *worker, const char *what);

#endif
