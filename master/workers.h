/* master/workers.h: what is known of the workers, for the API and for `status`.
 *
 * The table itself is kept by the supervisor (master/worker.h has the whole struct). */
#ifndef MASTER_WORKERS_H
#define MASTER_WORKERS_H

#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

struct workers;

enum worker_state {
    WORKER_DOWN,     /* none: waiting for its back-off */
    WORKER_STARTING, /* forked, or recovering its slot */
    WORKER_RUNNING,
    WORKER_DRAINING, /* takes no new mail, ends when its work is done */
    WORKER_STATE_COUNT
};

const char *worker_state_name(enum worker_state state);

/* An array, one object per slot:
 * {"slot", "pid", "state", "since", "restarts", "last_exit": text or null, "jobs",
 *  "cpu_percent", "accepted", "delivered", "bytes_in", "syncs", "sessions", "connections_in",
 * "connections_out", "longest_turn_us", "rss_kib", "heartbeat_age_ms": or null, "running":
 * {"rules": version, "profiles": {"<id>": version, ...}}} */
json_t *workers_shown(const struct workers *workers);

/* How many run, and how many there should be. */
void workers_count(const struct workers *workers, unsigned *ret_running, unsigned *ret_wanted);

#endif
