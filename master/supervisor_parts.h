/* master/supervisor_parts.h: what the supervisor's files share: supervisor.c (start, end, watch),
 * supervisor_stop.c (drain and reload), inbox.c (what workers say). */
#ifndef MASTER_SUPERVISOR_PARTS_H
#define MASTER_SUPERVISOR_PARTS_H

#include "common/channel.h"
#include "master/supervisor.h"
#include "master/workers.h"

struct loop_timer;
struct scans;

struct supervisor {
    struct loop *loop;
    const struct conf *conf;
    char *worker_path;
    int log_fd;
    struct supervisor_parts parts;
    struct scans *scans;
    struct loop_timer *tick;
    int64_t last_stuck_ms; /* 0: none yet */
    bool is_started, is_stopping;
    supervisor_cb *on_started, *on_stopped;
    void *started_arg, *stopped_arg;
    /* Sockets of left-out slots, accepted empty by one that stays, until this passes. */
    struct loop_timer *close_timer;
    unsigned close_first, close_end; /* slots [first, end) */
    struct worker *close_by;         /* NULL: nobody accepts them */
};

/* Indexed by kind, for channel_new(); the owner is a struct worker. */
extern channel_handler *const inbox_handlers[IPC_KIND_COUNT];

/* READY with the right version came. */
void supervisor_ready(struct worker *worker);
void supervisor_drained(struct worker *worker);
/* A heartbeat came: one that is to go may have become idle. */
void supervisor_heard(struct worker *worker);

/* The one setter of a worker's state. */
void supervisor_set_state(struct worker *worker, enum worker_state state);
/* Sockets and a worker for a slot that is wanted from now on. */
int supervisor_open_slot(struct supervisor *supervisor, unsigned slot, struct reason *reterr_why);
void supervisor_spawn(struct worker *worker);
/* A slot that no reload wants any more, and whose process has ended. Frees `worker`. */
void supervisor_forget_slot(struct worker *worker);
int supervisor_configure(struct worker *worker, bool is_first);
void supervisor_drain(struct worker *worker);
/* As many as the configuration says, as far as their slots are free: a leaving one has ended. */
void supervisor_grow(struct supervisor *supervisor);
void supervisor_check_stopped(struct supervisor *supervisor);

#endif
