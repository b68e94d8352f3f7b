/* master/segments.h: when a spool segment may be used again.
 *
 * A segment is pinned by every group whose record or newest note lies in it. Sealed by its writer
 * and with nothing pinned any more, it is announced as SEGMENT_GONE to every worker; when all have
 * answered SEGMENT_RELEASED (a dead one counts as having done so), its slot's worker is told
 * SEGMENT_REUSE. If that worker is not there, it is told when it next starts.
 *
 * Two things could make a segment look unused too early, so nothing is announced while they last: a
 * scan that may still find mail with a note in it (segments_hold()), and a job that was under way
 * at its worker when it was sealed and may have left a note in it. */
#ifndef MASTER_SEGMENTS_H
#define MASTER_SEGMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct segments;
struct worker;
struct workers;

/* A slot has at most so many at once: a worker that reports more is faulty. */
#define SEGMENTS_MAX (1U << 22)

/* NULL: no memory. */
struct segments *segments_new(struct workers *workers);
void segments_free(struct segments **segments);

/* Segment 0 means none and is ignored. Without memory for an entry the segment is never recycled
 * before a restart, which costs room and loses nothing. */
void segments_pin(struct segments *segments, unsigned slot, uint32_t number);
void segments_unpin(struct segments *segments, unsigned slot, uint32_t number);

void segments_sealed(struct segments *segments, unsigned slot, uint32_t number);
/* 0, or -EBADMSG: nobody asked this worker. */
int segments_released(struct segments *segments, const struct worker *worker, unsigned slot,
                      uint32_t number);

/* Not all that pins is known for the moment. Each hold ends with one segments_unhold(). */
void segments_hold(struct segments *segments);
void segments_unhold(struct segments *segments);

/* A worker's process ended, or became ready: what waited for it goes on. */
void segments_worker_gone(struct segments *segments, const struct worker *worker);
void segments_worker_ready(struct segments *segments, const struct worker *worker);

uint64_t segments_pins(const struct segments *segments, unsigned slot, uint32_t number);

#endif
