/* master/compactor.h: keeps what the spool takes in proportion to the mail in it.
 *
 * A segment with little alive in it (master/segments.h chooses) is emptied by a worker: its slot's,
 * or of a slot without one any other. While it is at that, the groups concerned are in state
 * QUEUE_CHECKING; each goes on, at its new place, when the worker has told it as moved. A group
 * that is out is left alone, and with it all groups of its record.
 *
 * A crash may leave two copies of a record. A scan reports both; the higher one counts, and the
 * other's cell is marked before the group goes on. */
#ifndef MASTER_COMPACTOR_H
#define MASTER_COMPACTOR_H

#include "common/ipc.h"

struct cells;
struct compactor;
struct loop;
struct queue;
struct segments;
struct worker;
struct workers;

/* NULL: no memory. */
struct compactor *compactor_new(struct loop *loop, struct queue *queue, struct segments *segments,
                                struct workers *workers, struct cells *cells);
void compactor_free(struct compactor **compactor);
/* Mail that is ready stays for so long after its segment was sealed: it is about to leave by
 * itself. At first 10 s. */
void compactor_set_ready_ms(struct compactor *compactor, int64_t ready_ms);
void compactor_stop(struct compactor *compactor); /* begins nothing more */

/* A segment was sealed: perhaps hardly anything in it is alive any more. */
void compactor_sealed(struct compactor *compactor);
/* What workers say. 0, or -EBADMSG: nobody asked this worker. */
int compactor_moved(struct compactor *compactor, struct worker *worker,
                    const struct ipc_mail_moved *moved);
int compactor_ended(struct compactor *compactor, struct worker *worker,
                    const struct ipc_segment_compacted *ended);
/* What it had under way waits until its slot was scanned. */
void compactor_worker_gone(struct compactor *compactor, const struct worker *worker);

/* A group that is known was reported at another place. */
void compactor_found_copy(struct compactor *compactor, const struct ipc_mail_queued *queued);

#endif
