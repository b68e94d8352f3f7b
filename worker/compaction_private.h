/* worker/compaction_private.h: one compaction under way. compaction.c is the loop's side, its
 * phases; the sync thread's are compaction_read.c, compaction_mark.c and, for both,
 * compaction_files.c. */
#ifndef WORKER_COMPACTION_PRIVATE_H
#define WORKER_COMPACTION_PRIVATE_H

#include <stdbool.h>

#include "worker/segment_image.h"
#include "worker/spooler_private.h"

#define COMPACTION_GROUPS 1024U      /* in one batch; a record has at most 1,000 */
#define COMPACTION_BYTES  (4U << 20) /* the same, unless one record is larger */

/*   READING -> NOTES -> RECORDS -> MARKING -> READING ... -> over
 *
 * NOTES and RECORDS are written to this worker's own segment like new mail, and share its syncs.
 * From the moment a record's copy is synced it is what counts in recovery; its cells were synced
 * before it (worker/segment_writer.c). MARKING tells the old cells so; only then the master hears
 * of it, so that no old cell can be found open once its copy has come further. */
enum compaction_phase {
    COMPACTION_READING,
    COMPACTION_NOTES,
    COMPACTION_RECORDS,
    COMPACTION_MARKING,
    COMPACTION_PHASE_COUNT
};

struct record_copy {
    struct spool_item *item;
    struct spool_record was;
    bool is_apart; /* into a segment of its own */
};

struct group_move {
    struct ipc_mail_moved told;
    struct spool_item *note; /* written anew, NULL: there is none to be */
    uint32_t copy;           /* index of its record's, NO_COPY: the record stays */
    bool is_lost;            /* could not be moved after all */
};

#define NO_COPY UINT32_MAX

/* From so many bytes on a record whose groups are all at their end, failed or quarantined, goes
 * into a segment of its own: an operator decides what becomes of it, perhaps in weeks, and until
 * then it would be copied again and again with what is left of each segment that it comes to lie
 * in. A smaller one would take several times its size there. */
#define COMPACTION_APART_BYTES (64U << 10)

struct compaction {
    struct sync_job job; /* READING and MARKING */
    struct spooler *spooler;
    enum compaction_phase phase;
    unsigned slot;
    uint32_t segment;
    struct ipc_place *places; /* from READING on by slot, segment, offset, group */
    size_t count, at;

    /* the sync thread's */
    struct segment_image image;
    int slot_fd, state_fd;

    /* the batch */
    struct record_copy copies[COMPACTION_GROUPS];
    struct group_move moves[COMPACTION_GROUPS];
    uint32_t copy_count, move_count;
    uint64_t bytes;
    uint64_t reserved; /* of the room on disk */
    unsigned items_out;

    uint32_t moved;
    int err;
};

/* The `work` of the two phases. */
void compaction_read(struct sync_job *job, void *arg);
void compaction_mark(struct sync_job *job, void *arg);

/* ---- files ---- */

int compaction_open(struct compaction *compaction, const struct spool_disk *disk);
void compaction_close(struct compaction *compaction);

/* The state file of a group whose record stays where it is. Begins with fd -1 and all else 0. */
struct other_state {
    unsigned slot;
    uint32_t segment; /* 0: none is open */
    int fd;
    uint64_t incarnation;
    bool is_written;
    int err;
};

/* Instead of the one that is open, unless it is the same: groups come in the order of places. */
void compaction_open_other(const struct spool_disk *disk, const struct ipc_place *place,
                           struct other_state *other);
void compaction_close_other(struct other_state *other);
int compaction_read_other(const struct other_state *other, const struct ipc_place *place,
                          struct cell *ret_cell, uint16_t *ret_sequence);

/* ---- notes ---- */

static inline bool compaction_is_here(const struct compaction *compaction,
                                      const struct cell_note_place *note)
{
    return note->segment == compaction->segment && note->slot == compaction->slot;
}

/* Where a note that was written anew lies; NULL: nowhere, it was lost. */
struct cell_note_place compaction_note_place(const struct compaction *compaction,
                                             const struct spool_item *note);

#endif
