/* worker/recovery_private.h: one scan under way: recovery.c goes through the segments,
 * recovery_report.c puts together what the master is told. */
#ifndef WORKER_RECOVERY_PRIVATE_H
#define WORKER_RECOVERY_PRIVATE_H

#include <stdatomic.h>

#include "worker/recovery.h"
#include "worker/segment_image.h"
#include "worker/spool_scan.h"
#include "worker/spooler_private.h"

enum recovery_step {
    STEP_OPEN,  /* the next segment */
    STEP_SYNC,  /* what lies in it and may be in memory only */
    STEP_READ,  /* it into memory */
    STEP_CELLS, /* its state file */
    STEP_SCAN,
    STEP_CLOSE, /* it: told as sealed */
    STEP_LAST,  /* all are read */
    STEP_ENDED,
};

struct recovery {
    struct spool_disk *disk;
    void (*done)(struct sync_job *job);
    unsigned slot;
    bool is_own; /* the slot of this worker, which may be written to meanwhile */
    int slot_fd;
    uint32_t *numbers;
    size_t count, at;
    enum recovery_step step;
    struct segment_image image;
    struct spool_scan scan;
    bool is_unsynced;             /* the segment: the disk refused */
    struct recovery_chunk *chunk; /* being filled, NULL: none yet */
    struct ipc_rescanned result;
    atomic_uint chunks_out;
    atomic_uint holders; /* the sync thread and each chunk on its way */
};

void recovery_tell(const struct recovery *recovery, enum log_level level, const char *what,
                   int err);

/* The one that is being filled, or a new one. NULL: no memory. */
struct recovery_chunk *recovery_open_chunk(struct recovery *recovery);
void recovery_post_chunk(struct recovery *recovery);

/* Of the segment at hand. 0 or -ENOMEM. */
int recovery_add_record(struct recovery *recovery, const struct spool_record *record);
void recovery_keep_damage(struct recovery *recovery, uint64_t offset, uint64_t end);

void recovery_know_id(struct recovery *recovery, uint64_t id); /* it was given out */

/* The sync thread, or a chunk, is done with it. */
void recovery_drop(struct recovery *recovery);

#endif
