/* worker/segment_cache.h: the segments a worker has open for reading, of any slot.
 *
 * Segments are mapped read-only when first needed and kept, at most SEGMENT_CACHE_OPEN of them
 * beyond those in use, until the master says SEGMENT_GONE; then they are let go as soon as nobody
 * holds them, and SEGMENT_RELEASED is answered. */
#ifndef WORKER_SEGMENT_CACHE_H
#define WORKER_SEGMENT_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/reason.h"

struct channel;
struct segment;
struct segment_cache;

#define SEGMENT_CACHE_OPEN 32

struct segment_cache *segment_cache_new(const char *spool_dir, struct channel *channel);
void segment_cache_free(struct segment_cache **cache);

int segment_hold(struct segment_cache *cache, unsigned slot, uint32_t number,
                 struct segment **ret_segment, struct reason *reterr_why);
void segment_hold_again(struct segment *segment); /* one that is held already */
void segment_release(struct segment *segment);

const unsigned char *segment_data(const struct segment *segment);
size_t segment_bytes(const struct segment *segment);
uint64_t segment_incarnation(const struct segment *segment);

/* The state file: mapped for reading, open for writing. A descriptor stays open for some seconds
 * after its segment was let go, so that spooler_state_touched() may go by its number. */
const unsigned char *segment_state(const struct segment *segment);
size_t segment_state_bytes(const struct segment *segment);
int segment_state_fd(const struct segment *segment);

/* This process has no more use for these bytes of a segment for now; they are read again when they
 * are looked at. */
void segment_forget(const void *data, size_t bytes);

/* A large body is checked once, not at each opening of each of its groups. */
bool segment_is_checked(const struct segment *segment, uint64_t record_offset);
void segment_set_checked(struct segment *segment, uint64_t record_offset);

/* SEGMENT_GONE. */
void segment_cache_gone(struct segment_cache *cache, unsigned slot, uint32_t number);

#endif
