/* master/worker.h: one slot and the process that works for it, as the master's parts see it.
 *
 * The supervisor owns the table and is the only one to change state, pid and channel; the others
 * keep here what they need to know of each worker. A slot stays in the table while its worker comes
 * and goes. */
#ifndef MASTER_WORKER_H
#define MASTER_WORKER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "common/id.h"
#include "common/ipc.h"
#include "master/workers.h"

struct channel;
struct job;
struct loop;
struct loop_timer;
struct supervisor;

TAILQ_HEAD(job_list, job);

#define WORKER_LISTENERS_MAX 64
#define WORKER_RUNNING_MAX   65536 /* profiles whose version a worker may report */

struct worker_running {
    uint32_t profile;
    uint64_t version;
};

struct worker {
    uint16_t slot;
    enum worker_state state;
    pid_t pid;               /* 0: none */
    struct channel *channel; /* NULL: none */

    /* supervisor */
    struct supervisor *supervisor;
    struct loop_timer *timer; /* back-off, or the end of what it may still take */
    int64_t started_ms, heartbeat_ms;
    int64_t since_wall_ms;
    int64_t backoff_ms;
    int64_t leave_by_ms; /* unwanted: its sessions have until then */
    unsigned restarts;
    char last_exit[160]; /* "" : never ended */
    bool is_unwanted;    /* a reload left its slot out: it drains and is not replaced */
    bool is_drain_sent;
    unsigned listeners_to_leave; /* since the start of its process */
    bool is_stuck;               /* killed because it sent no heartbeat or overran a deadline */
    bool is_recovering;          /* its own slot is being scanned before it is ready */
    struct ipc_heartbeat figures;
    unsigned cpu_percent; /* of one core, all its threads, between the last two heartbeats */
    uint64_t rules_version;
    struct worker_running *running;
    size_t running_count;
    unsigned scans; /* slots that it is scanning at the master's order */

    /* dispatch */
    struct job_list jobs; /* out, oldest first */
    unsigned job_count;
    bool is_alone_wanted; /* takes nothing new: a suspect waits for it to be empty */
    uint32_t credit_owed; /* MAIL_QUEUED taken in and not yet acknowledged */
};

struct workers {
    struct loop *loop;
    unsigned wanted; /* by the configuration */
    struct worker *slots[ID_SLOTS];
};

static inline bool worker_is_running(const struct worker *worker)
{
    return worker != NULL && worker->state == WORKER_RUNNING && worker->channel != NULL;
}

/* The running one with the fewest jobs, NULL: none runs. */
struct worker *workers_least_loaded(const struct workers *workers);

/* Its slot is known to be free of a worker. NULL: no memory. */
struct worker *workers_add(struct workers *workers, unsigned slot);
void worker_free(struct worker **worker);

void worker_set_running(struct worker *worker, uint32_t profile, uint64_t version);
/* A heartbeat. */
void worker_take_figures(struct worker *worker, const struct ipc_heartbeat *figures,
                         int64_t now_ms);

void worker_drop_running(struct worker *worker, uint32_t profile);

#endif
