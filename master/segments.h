/* master/segments.h: when a spool segment may be used again.
 *
 * A segment is pinned by every group whose record or newest note lies in it. Sealed by its writer
 * and with nothing pinned any more, it is announced as SEGMENT_GONE to every worker; when all have
 * answered SEGMENT_RELEASED (a dead one counts as having done so), its slot's worker is told
 * SEGMENT_REUSE. If that worker is not there, it is told when it next starts; of a slot without one
 * another is told.
 *
 * Three things could make a segment look unused too early, so nothing is announced while they last:
 * a scan that may still find mail with a note in it (segments_hold()), a job that was under way at
 * its worker when it was sealed and may have left a note in it, and a compaction that may have
 * written copies to it.
 *
 * Each pin has a weight, so that it is known what emptying a segment would cost and bring. */
#ifndef MASTER_SEGMENTS_H
#define MASTER_SEGMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ipc_segment;
struct ipc_segment_sealed;
struct segments;
struct worker;
struct workers;

/* A slot has at most so many at once: a worker that reports more is faulty. */
#define SEGMENTS_MAX (1U << 22)

/* NULL: no memory. */
struct segments *segments_new(struct workers *workers);
void segments_free(struct segments **segments);

/* Segment 0 means none and is ignored. Without memory for an entry the process ends (common/oom.h):
 * a segment of which is not known that it is needed would be used again. */
void segments_pin(struct segments *segments, unsigned slot, uint32_t number, uint32_t bytes);
void segments_unpin(struct segments *segments, unsigned slot, uint32_t number, uint32_t bytes);

void segments_sealed(struct segments *segments, const struct ipc_segment_sealed *sealed);

/* The disk refused its states: it is emptied, and its slot's worker told to leave it. */
void segments_retire(struct segments *segments, unsigned slot, uint32_t number);

/* The segment that should be emptied first, among those of slots that `may` allows: one that the
 * disk refused; else, where a slot's sealed segments take more than twice what is alive in them,
 * the one with the least alive, at most half. False: none. */
typedef bool segments_may(unsigned slot, void *arg);
bool segments_choose(const struct segments *segments, int64_t now_ms, segments_may *may, void *arg,
                     struct ipc_segment *ret_segment);
/* For how long it has been sealed; INT64_MAX if its disk has refused it: nothing may stay there. */
int64_t segments_age_ms(const struct segments *segments, unsigned slot, uint32_t number);
/* Not chosen again for so long; in vain once more, for twice as long as the last time. */
void segments_rest(struct segments *segments, unsigned slot, uint32_t number, int64_t for_ms,
                   bool is_in_vain);
/* 0, or -EBADMSG: nobody asked this worker. */
int segments_released(struct segments *segments, const struct worker *worker, unsigned slot,
                      uint32_t number);

/* Not all that pins is known for the moment. Each hold ends with one segments_unhold(). */
void segments_hold(struct segments *segments);
void segments_unhold(struct segments *segments);

/* The slot's own worker begins to read all of it: what is sealed there it will say again, and what
 * was said before counts no more. */
void segments_read_anew(struct segments *segments, unsigned slot);

/* A worker's process ended: it has let go of all. */
void segments_worker_gone(struct segments *segments, const struct worker *worker);
/* One became ready, or a slot will have none any more: what waited for that goes on. */
void segments_workers_changed(struct segments *segments);

/* A compaction of this worker has begun or ended: what was sealed meanwhile waits for that. */
void segments_set_compacting(struct segments *segments, unsigned slot, bool is_compacting);

bool segments_is_held(const struct segments *segments);
uint64_t segments_pins(const struct segments *segments, unsigned slot, uint32_t number);

#endif
