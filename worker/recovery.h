/* worker/recovery.h: finds what a slot's folder holds and reports it (RESCAN).
 *
 * Works in the sync thread, a slice at a time between the batches of new mail, and hands its finds
 * to the loop in chunks, a few at a time: the master's credit holds for them too. Reports every
 * group that is neither done nor deleted, then each old segment as sealed, then RESCANNED. What is
 * reported is on the disk: each segment is synced before it is read. Ranges that are damaged are
 * copied to damaged/. */
#ifndef WORKER_RECOVERY_H
#define WORKER_RECOVERY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/ipc.h"
#include "worker/sync_thread.h"

struct recovery;
struct spool_disk;

#define RECOVERY_CHUNK      256U
#define RECOVERY_CHUNKS_OUT 4U

/* A part of what was found, on its way through the loop's thread to the master. */
struct recovery_chunk {
    struct sync_job job;
    struct recovery *recovery;
    struct spooler *spooler;
    unsigned count;
    uint32_t sealed;             /* number of the segment that was read to its end, 0: not yet */
    uint32_t sealed_bytes;       /* as struct ipc_segment_sealed has it */
    bool is_retired;             /* the same */
    bool is_last;                /* RESCANNED follows */
    struct ipc_rescanned result; /* its slot is set in every chunk */
    struct ipc_mail_queued queued[RECOVERY_CHUNK];
};

/* In the sync thread. `done` gets each chunk in the loop's thread and ends with
 * recovery_chunk_free(). 0 or -ENOMEM. */
int recovery_begin(struct spool_disk *disk, unsigned slot, void (*done)(struct sync_job *job),
                   struct recovery **ret_recovery);

/* Works for some ms. Returns the ms until it wants to go on; -1: it has ended and freed itself
 * (once its last chunk is freed too). */
int64_t recovery_slice(struct recovery *recovery);

/* In the sync thread, at its end: chunks may still be on their way. */
void recovery_abort(struct recovery *recovery);

void recovery_chunk_free(struct recovery_chunk *chunk); /* in the loop's thread */

#endif
