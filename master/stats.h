/* master/stats.h: what went in and out, minute by minute, for charts.
 *
 * What workers count at their doors comes with their heartbeats (every 5 s) as sums since the start
 * of the process; the differences count for the minute in which they come. What a worker counted
 * since its last heartbeat is lost when it dies; one that ends in peace says all before. What
 * becomes of deliveries is counted when the master hears of it, or finds it on disk after a
 * worker's death. Memory only: all begins anew with a start of the master.
 *
 * Minutes are the wall clock's. When it is set forward, minutes in which nothing happened lie
 * between; when it is set back, what was counted keeps its distance from now. */
#ifndef MASTER_STATS_H
#define MASTER_STATS_H

#include <stdint.h>

#include <jansson.h>

#include "common/ipc.h"

#define STATS_MINUTES  1440U /* that are kept, with the one that has not ended */
#define STATS_STEP_MAX 60U   /* minutes that may be summed up in one figure */

/* A group is the recipients of one message under one rule: an entry of the queue. */
#define STATS_SERIES(X)                                                                           \
    X(IN, in, "messages taken from clients: stored, and answered 250")                            \
    X(OUT, out, "groups finished: a next hop has taken them for each recipient")                  \
    X(DEFERRED, deferred, "attempts (scan, upload or relay) that left a group to be tried again") \
    X(FAILED, failed,                                                                             \
      "groups over, somebody without it: refused by a next hop or a scan, expired")               \
    X(QUARANTINED, quarantined, "groups that a scan blocked")                                     \
    X(REFUSED, refused, "answered 5xx at the door: a sender, recipient, message or connection")   \
    X(PUT_OFF, put_off, "answered 4xx there: each may come again")                                \
    X(QUEUE_LENGTH, queue_length, "groups that waited or were under way: the most at one time")

enum stats_series {
#define X(NAME, name, meaning) STATS_##NAME,
    STATS_SERIES(X)
#undef X
        STATS_SERIES_COUNT
};

struct stats;

/* `wall_ms`, here and below: now. NULL: no memory. */
struct stats *stats_new(int64_t wall_ms);
void stats_free(struct stats **stats); /* NULL inside is allowed */

/* What a worker has counted so far, and what it had when it was last heard of: all 0 at the start
 * of its process. */
void stats_beat(struct stats *stats, const struct ipc_heartbeat *before,
                const struct ipc_heartbeat *now, int64_t wall_ms);
/* What a delivery came to. */
void stats_outcome(struct stats *stats, enum ipc_outcome outcome, int64_t wall_ms);
void stats_queue_length(struct stats *stats, uint64_t length, int64_t wall_ms);

/* The last `minutes` (1 to STATS_MINUTES) in steps of `step` (a divisor of 60), aligned to the
 * epoch; fewer where the master has not run for so long. The newest has not ended.
 *
 * {"since": time, "step_s": 60, "time": [beginning of each, s since the epoch],
 *  "series": {"in": [a figure for each], ...}, "totals": {"in": since the start, ...}} */
json_t *stats_shown(struct stats *stats, unsigned minutes, unsigned step, int64_t wall_ms);

#endif
