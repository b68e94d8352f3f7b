/* worker/segment_writer.h: puts records and notes into the slot's open segment (MQ02).
 *
 * Lives in the sync thread. What was added is written at the next run: in batches, each one write
 * and one sync, in the order of adding. A write or sync that failed is never retried on that file:
 * its batch fails with -EIO, the segment is retired (what was synced before stays readable), and
 * the rest waits for a fresh one or fails, as worker/segment_supply.h says. */
#ifndef WORKER_SEGMENT_WRITER_H
#define WORKER_SEGMENT_WRITER_H

#include <stdbool.h>
#include <stdint.h>

#include "worker/segment_supply.h"
#include "worker/spool_item.h"
#include "worker/sync_thread.h"

struct segment_writer;

struct segment_writer_callbacks { /* in the sync thread, with the `arg` of the settings */
    /* Written and synced, or failed: item->err says. In the order of adding. */
    void (*on_settled)(struct sync_list *items, void *arg);
    /* Nothing more comes into this segment of `bytes`, `is_retired` because the disk refused it.
     * After on_settled of all that is in it. */
    void (*on_sealed)(uint32_t number, uint64_t bytes, bool is_retired, void *arg);
};

struct segment_writer *segment_writer_new(const struct segment_settings *settings,
                                          const struct segment_writer_callbacks *callbacks);

/* The files stay. What was added and is not written is left in `ret_left`. */
void segment_writer_free(struct segment_writer **writer, struct sync_list *ret_left);
struct segment_supply *segment_writer_supply(struct segment_writer *writer);

/* An item must fit into an empty segment. */
bool segment_writer_fits(uint64_t segment_bytes, const struct spool_item *item);
void segment_writer_add(struct segment_writer *writer, struct spool_item *item);

/* Writes what can be written and gets on with the spare. Returns the ms until it wants to run
 * again, 0 for at once. */
int64_t segment_writer_run(struct segment_writer *writer, int64_t now_ms);

/* The disk refused what belongs to this segment: it is never renewed, and if it is being written
 * to, left as after a write or sync that failed in it. */
void segment_writer_retire(struct segment_writer *writer, uint32_t number, int64_t now_ms);

/* The master says that nobody needs it any more. One that is in use here stays. */
void segment_writer_reuse(struct segment_writer *writer, uint32_t number, int64_t now_ms);

/* Is it being written to, made, or kept as a spare? */
bool segment_writer_owns(const struct segment_writer *writer, uint32_t number);
/* The highest id that its segments are synced evidence of. */
uint64_t segment_writer_known_id(const struct segment_writer *writer);
uint64_t segment_writer_room(const struct segment_writer *writer); /* in segments that exist */

#endif
