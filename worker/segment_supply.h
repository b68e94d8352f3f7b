/* worker/segment_supply.h: where the slot's next segment comes from.
 *
 * Lives in the sync thread. There is at most one spare. It is made ahead of need, a slice at a
 * time; what the master hands back is renewed and takes its place, so that in steady state hardly
 * any is made.
 *
 * It also keeps the slot's record of failures (MQ02): after one the next segment must prove itself
 * by a fresh header, written and synced, at once and then every retry_ms; a second failure within
 * window_ms stops intake until that succeeds. No room on disk is no failure (MQ07): making is tried
 * again every second. */
#ifndef WORKER_SEGMENT_SUPPLY_H
#define WORKER_SEGMENT_SUPPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/log.h"
#include "worker/segment_file.h"
#include "worker/slot_dir.h"

struct segment_supply;

/* What the parts of the sync thread go by. The callbacks run in it. */
struct segment_settings {
    const struct slot_dir *dir; /* borrowed */
    uint64_t segment_bytes;
    int64_t retry_ms, window_ms;
    uint32_t first_number; /* of the segments that are made */
    void *arg;             /* of the callbacks */

    void (*on_trouble)(enum log_level level, const char *what, uint32_t number, int err, void *arg);
    /* Is there room on disk for so many bytes more? */
    bool (*may_make)(uint64_t bytes, void *arg);
    /* No message was given a higher id than this. */
    uint64_t (*max_id)(void *arg);
};

struct segment_supply *segment_supply_new(const struct segment_settings *settings);
void segment_supply_free(struct segment_supply **supply); /* the files stay */

/* Takes over as spares the shared segments among these numbers that hold nothing. */
void segment_supply_adopt(struct segment_supply *supply, const uint32_t *numbers, size_t count);

/* 0; -EAGAIN: it is being made; -ENOSPC; a shortage (common/shortage.h); -EIO: after a failure,
 * until the next try. */
int segment_supply_take(struct segment_supply *supply, int64_t now_ms,
                        struct segment_file **ret_file);

/* Makes a slice more of the spare, if one is wanted, from a quarter of the current segment on:
 * always when `is_idle`, otherwise only as much as its use (in thousandths) demands. Returns the ms
 * until there is more to do, 0 for at once. */
int64_t segment_supply_advance(struct segment_supply *supply, unsigned used, bool is_idle,
                               int64_t now_ms);

/* A write or sync failed in this segment (0: in one that is gone already). It must not be written
 * to again and is never renewed. */
void segment_supply_failed(struct segment_supply *supply, uint32_t number, int err, int64_t now_ms);
/* The disk refused what belongs to this one, which is not written to any more: it is never renewed.
 */
void segment_supply_retire(struct segment_supply *supply, uint32_t number);
bool segment_supply_is_stopped(const struct segment_supply *supply);

/* Nobody needs the segment any more: it becomes a spare or is removed. `current` (may be NULL) is
 * evidence of ids, which must not vanish with the file. */
void segment_supply_reuse(struct segment_supply *supply, uint32_t number,
                          const struct segment_file *current, int64_t now_ms);

/* The highest id that the spares and `current` (may be NULL) are synced evidence of. */
uint64_t segment_supply_known_id(const struct segment_supply *supply,
                                 const struct segment_file *current);

uint32_t segment_supply_next_number(struct segment_supply *supply);
bool segment_supply_owns(const struct segment_supply *supply, uint32_t number);
uint64_t segment_supply_room(const struct segment_supply *supply);

#endif
