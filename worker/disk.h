/* worker/disk.h: the system calls by which the spool is written, whole or not at all.
 *
 * Only the sync thread calls these: each may wait for the disk. Tests of a build with hooks can
 * make them fail. 0 or a negative errno. */
#ifndef WORKER_DISK_H
#define WORKER_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/* A short write is gone on with; an error in the midst of it leaves what was written. `parts` is
 * used up. */
int disk_writev(int fd, struct iovec *parts, size_t count, uint64_t offset);
int disk_write(int fd, const void *data, size_t bytes, uint64_t offset);
int disk_read(int fd, void *data, size_t bytes, uint64_t offset, size_t *ret_read);

int disk_sync_data(int fd); /* fdatasync */
int disk_sync(int fd);      /* fsync: of folders, and of files that have just grown */

/* Begins the writing back of a range without waiting; waits for one that was begun. For spreading
 * the work of a later sync, which alone tells whether it succeeded. */
void disk_hurry(int fd, uint64_t offset, uint64_t bytes);
void disk_await(int fd, uint64_t offset, uint64_t bytes);

/* Of this process, from any thread. */
#define DISK_HANG_MS 2000
uint64_t disk_sync_count(void);
bool disk_hangs(void); /* a sync has been under way for more than DISK_HANG_MS */

#if POSTERN_HOOKS
enum disk_call { DISK_CALL_WRITE, DISK_CALL_SYNC, DISK_CALL_READ };

/* Asked before each call: a negative errno instead of it, or 0. NULL: not asked. */
typedef int disk_fault_cb(enum disk_call call, int fd);
void disk_set_fault(disk_fault_cb *fault);
#endif

#endif
