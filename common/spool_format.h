/* common/spool_format.h: what lies in a segment, byte by byte (docs/spool.md shows it).
 *
 * A segment is written once, from front to back, and never changed. Block 0 is its header with a
 * random incarnation; from then on every checksum is seeded by that, so that what an earlier life
 * of the file left behind is never taken for something written now. Batches follow, each at a
 * multiple of SPOOL_BLOCK: a commit block, then records and notes at multiples of 8. A commit block
 * says how far the file was known to be synced when it was written: what lies below that was
 * answered for, so that if it does not check out it is damage; beyond it, it was never answered.
 *
 * A record: header, packed envelope (padded to 8), body. A note: header, JSON text.
 * All checks take memory that nobody vouches for. Little-endian. */
#ifndef COMMON_SPOOL_FORMAT_H
#define COMMON_SPOOL_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/cell.h"

#define SPOOL_VERSION        1U
#define SPOOL_BLOCK          4096U
#define SPOOL_ALIGN          8U
#define SPOOL_BYTES_PER_CELL 1024U /* a segment has one cell for so many of its bytes */
#define SPOOL_CELLS_MAX      65536U
#define SPOOL_NOTE_MAX       (256U << 10)

enum spool_kind {
    SPOOL_SHARED = 1, /* many batches; made ahead of need, recycled */
    SPOOL_OWN = 2,    /* one large message, whose body was written before its header */
};

struct spool_header {
    uint64_t magic;
    uint64_t checksum; /* of what follows, not seeded */
    uint32_t version;
    uint32_t kind; /* enum spool_kind */
    uint32_t slot;
    uint32_t number;
    uint64_t incarnation;
    int64_t created_ms; /* Unix time */
    uint64_t bytes;     /* of the file; SPOOL_OWN: 0, it is as long as it is */
    uint64_t max_id;    /* the slot had given out no higher id when this was written */
    uint32_t cells;
    uint32_t reserved;
};

struct spool_commit {
    uint64_t magic;
    uint64_t checksum; /* of what follows, seeded */
    uint64_t incarnation;
    uint64_t offset; /* its own place in the file */
    uint64_t sequence;
    uint64_t synced_end; /* all below was synced before this was written */
    uint64_t bytes;      /* of the batch from `offset` on, without the padding behind it */
    uint64_t reserved;
};

struct spool_record {
    uint64_t magic;
    uint64_t checksum; /* of what follows, seeded */
    uint64_t offset;
    uint64_t id;
    int64_t received_ms; /* Unix time */
    uint64_t body_bytes;
    uint64_t envelope_sum; /* seeded, as the next */
    uint64_t body_sum;
    uint32_t envelope_bytes;
    uint32_t body_flags;
    uint32_t longest_line;
    uint32_t group_count;
    uint32_t recipient_count;
    uint32_t first_cell;
    uint32_t copy;         /* of copies of one record the highest wins */
    uint32_t report_group; /* of a report: what it is about (MQ05); report_id 0: it is none */
    uint64_t report_id;
    uint32_t report_note;
    uint32_t reserved[5];
};

struct spool_note {
    uint64_t magic;
    uint64_t checksum; /* of what follows, seeded */
    uint64_t offset;
    uint64_t id;
    uint64_t text_sum; /* seeded */
    uint32_t text_bytes;
    uint32_t group;
    uint32_t previous_segment; /* 0: it is the first of its group */
    uint32_t previous_offset;  /* in units of 8 bytes */
    uint8_t previous_slot;
    uint8_t kind; /* 0 */
    uint16_t reserved;
    uint32_t reserved2;
};

static inline uint64_t spool_align(uint64_t bytes)
{
    return (bytes + SPOOL_ALIGN - 1) & ~(uint64_t)(SPOOL_ALIGN - 1);
}

static inline uint64_t spool_block_align(uint64_t bytes)
{
    return (bytes + SPOOL_BLOCK - 1) & ~(uint64_t)(SPOOL_BLOCK - 1);
}

/* What each of so many groups counts for of a record's bytes. */
static inline uint32_t spool_share(uint64_t bytes, uint32_t groups)
{
    const uint64_t share = groups > 0 ? (bytes + groups - 1) / groups : 0;

    return share < UINT32_MAX ? (uint32_t)share : UINT32_MAX;
}

/* Cells that a shared segment of that size has. */
uint32_t spool_cells_for(uint64_t segment_bytes);

uint64_t spool_checksum(uint64_t incarnation, const void *data, size_t bytes);

/* Sets magic and checksum; for a header also the version. Called last. */
void spool_header_seal(struct spool_header *header);
void spool_commit_seal(struct spool_commit *commit);
void spool_record_seal(struct spool_record *record, uint64_t incarnation);
void spool_note_seal(struct spool_note *note, uint64_t incarnation);

/* True: magic, checksum and own fields are in order and `ret_` is filled. A header of a version
 * that this build does not know is refused with *ret_is_newer (which may be NULL) true. */
bool spool_header_read(const void *block, size_t bytes, struct spool_header *ret_header,
                       bool *ret_is_newer);
bool spool_commit_read(const void *data, uint64_t offset, uint64_t incarnation,
                       struct spool_commit *ret_commit);

/* `data` has `bytes` of the segment from its beginning; the record lies at `offset` and may not
 * reach beyond `end`. Checks the header only. */
bool spool_record_read(const void *data, uint64_t bytes, uint64_t offset, uint64_t end,
                       uint64_t incarnation, struct spool_record *ret_record);
bool spool_note_read(const void *data, uint64_t bytes, uint64_t offset, uint64_t end,
                     uint64_t incarnation, struct spool_note *ret_note);

uint64_t spool_record_envelope_at(const struct spool_record *record);
uint64_t spool_record_body_at(const struct spool_record *record);
uint64_t spool_record_end(const struct spool_record *record); /* not padded */
uint64_t spool_note_end(const struct spool_note *note);

/* The incarnation of a segment whose first `bytes` are at `data`. If block 0 is damaged it is taken
 * from the commit block behind it: the records need not be lost with the header. 0 or -EBADMSG. */
int spool_incarnation(const void *data, size_t bytes, uint64_t *ret_incarnation);

/* The same of an open segment file. -EBADMSG or a negative errno of pread. */
int spool_incarnation_of(int fd, uint64_t *ret_incarnation);

#endif
