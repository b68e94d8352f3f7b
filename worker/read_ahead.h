/* worker/read_ahead.h: brings a stored message into memory before the loop touches it.
 *
 * Messages are read where they lie, mapped; a page that is not in memory would make the loop wait
 * for the disk. What was stored a moment ago is in memory. For what was stored long ago the sync
 * thread reads record, cell and newest note once, so that the loop finds them there. */
#ifndef WORKER_READ_AHEAD_H
#define WORKER_READ_AHEAD_H

#include "common/ipc.h"

struct read_ahead;
struct spooler;

#define READ_AHEAD_AGE_MS 10000      /* of a message that is taken for being in memory */
#define READ_AHEAD_BYTES  (4U << 20) /* of a body; the kernel is asked for the rest of it */

/* Runs once, in the loop's thread, never from inside the call, whatever could be read. */
typedef void read_ahead_cb(void *arg);

/* NULL: no memory, and `done` does not run. */
struct read_ahead *read_ahead_begin(struct spooler *spooler, const struct ipc_place *place,
                                    read_ahead_cb *done, void *arg);
/* `done` will not run. Must come before spooler_free(). NULL inside is allowed. */
void read_ahead_cancel(struct read_ahead **ahead);

#endif
