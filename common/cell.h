/* common/cell.h: the state of one group on disk.
 *
 * A segment's state file is an array of cells, one per group, each two alternating 64-byte slots
 * with a sequence number and a checksum over (incarnation, id, group, content). A write goes to the
 * older slot with one pwrite, so that a torn write leaves the newer one. The valid slot with the
 * later sequence is the truth; no valid slot means: nothing delivered yet.
 *
 * What became of each recipient stands in the cell itself, so that one write records it (MQ03): a
 * message with more recipients under one rule than a cell has room for has several groups.
 *
 * Only the worker that holds the group's job writes its cell; while nobody does, only the master.
 */
#ifndef COMMON_CELL_H
#define COMMON_CELL_H

#include <stdbool.h>
#include <stdint.h>

#define CELL_BYTES      128U
#define CELL_RECIPIENTS 128U /* most recipients of one group: what a cell has room for */

enum cell_stage {
    CELL_OPEN,    /* something is left to do */
    CELL_DONE,    /* delivered to all: nothing is left of it */
    CELL_FAILED,  /* final; kept and listed */
    CELL_DELETED, /* by an operator: as done */
    CELL_MOVED,   /* it goes on in another copy of the record, with a cell of its own */
    CELL_STAGE_COUNT
};

enum cell_flag {
    CELL_HELD = 1 << 0,        /* by an operator, or poisonous */
    CELL_SCANNED = 1 << 1,     /* stages that are over (common/stage.h) */
    CELL_UPLOADED = 1 << 2,    /* the same */
    CELL_QUARANTINED = 1 << 3, /* blocked by a scan: kept until an operator decides */
    CELL_STAGES = CELL_SCANNED | CELL_UPLOADED,
};

/* Of one recipient. */
enum cell_recipient {
    CELL_RCPT_OPEN,
    CELL_RCPT_DELIVERED,
    CELL_RCPT_REFUSED, /* for good */
    CELL_RCPT_EXPIRED, /* the retry lifetime ended */
};

struct cell_note_place { /* segment 0: none. Segments are numbered from 1. */
    uint32_t segment;
    uint32_t offset; /* in units of 8 bytes */
    uint8_t slot;
};

struct cell {
    enum cell_stage stage;
    unsigned flags; /* enum cell_flag */
    uint16_t attempts;
    uint8_t crashes;
    uint32_t next_attempt_s; /* since CLOCK_EPOCH_S */
    uint32_t profile;        /* not 0: rerouted by the operator to this relay profile */
    struct cell_note_place note;
    uint8_t recipients[CELL_RECIPIENTS / 4]; /* two bits each, enum cell_recipient */
};

/* Something is left to do, or to keep and list. */
static inline bool cell_is_live(const struct cell *cell)
{
    return cell->stage == CELL_OPEN || cell->stage == CELL_FAILED;
}

struct cell_key { /* seeds the checksum, so that a recycled file's old cells are never believed */
    uint64_t incarnation;
    uint64_t id;
    uint32_t group;
};

/* Beyond CELL_RECIPIENTS (a group that an older build wrote) everybody is open, and stays so: such
 * a group may be delivered twice and is never lost. */
enum cell_recipient cell_recipient_get(const struct cell *cell, unsigned index);
void cell_recipient_set(struct cell *cell, unsigned index, enum cell_recipient state);

/* Reads the cell at `index`. A cell without a valid slot reads as a zeroed one. `ret_sequence` is
 * what cell_write() wants. 0 or a negative errno of pread. */
int cell_read(int fd, uint32_t index, const struct cell_key *key, struct cell *ret_cell,
              uint16_t *ret_sequence);

/* Writes with sequence *sequence + 1 into the slot that the last write did not use, and raises
 * *sequence. The caller has the file synced within a second (MQ03). */
int cell_write(int fd, uint32_t index, const struct cell_key *key, const struct cell *cell,
               uint16_t *sequence);

/* The same from memory: `slots` is CELL_BYTES long (recovery reads whole files). */
bool cell_decode(const void *slots, const struct cell_key *key, struct cell *ret_cell,
                 uint16_t *ret_sequence);

#endif
