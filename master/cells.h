/* master/cells.h: the master's own reading and writing of state cells, through the I/O thread.
 *
 * The master writes a cell only while no worker holds the group's job. All cells of one call are
 * changed and each state file is synced once before `done` runs. */
#ifndef MASTER_CELLS_H
#define MASTER_CELLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/cell.h"
#include "common/ipc.h"

#define CELLS_MAX 4096 /* in one call */

struct cells;
struct io_thread;

struct cell_change { /* all zero changes nothing: the cell is only read */
    bool is_write;
    unsigned set_flags, clear_flags; /* enum cell_flag */
    bool reopen; /* a failed one: stage open, recipients that were refused or expired open again */
    bool remove; /* stage deleted */
    bool move;   /* stage moved: another copy of the record counts */
    bool set_crashes;
    bool set_next_attempt;
    uint8_t crashes;
    uint32_t next_attempt_s;
    uint32_t profile; /* not 0: rerouted to it */
};

struct cell_item {
    struct ipc_place place;
    struct cell_change change;
    /* Results: err 0 and the cell as it is now, or a negative errno and nothing was changed.
     * -ENOENT: there is no such segment any more. */
    int err;
    struct cell cell;
};

/* `items` is as it was given, with its results; it is the callee's to free() from then on. */
typedef void cells_done_cb(struct cell_item *items, size_t count, void *arg);

struct cells *cells_new(struct io_thread *io, const char *spool_dir);
void cells_free(struct cells **cells); /* after the I/O thread has ended */

/* `items` is malloc'd and taken over. 0; -ENOMEM or -EINVAL (then it is still the caller's). */
int cells_run(struct cells *cells, struct cell_item *items, size_t count, cells_done_cb *done,
              void *arg);

#endif
