/* worker/slot_dir.h: a slot's folder in the spool: made, locked, listed.
 *
 * Whoever writes or removes anything in it holds its lock (an OFD lock, so it ends with the
 * process, however that ends). */
#ifndef WORKER_SLOT_DIR_H
#define WORKER_SLOT_DIR_H

#include <stddef.h>
#include <stdint.h>

#include "common/reason.h"

#define SLOT_DIR_LOCK_WAIT_MS 5000

struct slot_dir {
    unsigned slot;
    int spool_fd; /* <state_dir>/spool */
    int fd;       /* the slot's folder, -1: not open */
    int lock_fd;
};

/* Makes the folders that are missing, takes the lock, and syncs all names, also those that an
 * earlier life removed. Waits for the lock. -EBUSY: another process kept it for all that time. */
int slot_dir_open(const char *spool_dir, unsigned slot, struct slot_dir *ret_dir,
                  struct reason *reterr_why);
/* Another slot's folder in the same spool, if it is there, with its lock. -EBUSY: it has a worker.
 */
int slot_dir_open_again(const struct slot_dir *own, unsigned slot, struct slot_dir *ret_dir);
void slot_dir_close(struct slot_dir *dir);

/* The numbers of the segments that are there, ascending; free(). 0 or a negative errno. */
int slot_dir_list(int slot_fd, uint32_t **ret_numbers, size_t *ret_count);

/* The highest id that the slot is known to have given out from files that are gone. */
uint64_t slot_dir_last_id(int slot_fd);
int slot_dir_remember_id(int slot_fd, uint64_t id);

#endif
