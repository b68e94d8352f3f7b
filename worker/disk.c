#include "worker/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <unistd.h>

#include "common/clock.h"

static atomic_uint_fast64_t sync_count;
static atomic_int_fast64_t sync_began_ms; /* 0: none is under way */

#if POSTERN_HOOKS
static _Atomic(disk_fault_cb *) fault_cb;

void disk_set_fault(disk_fault_cb *fault)
{
    atomic_store(&fault_cb, fault);
}

static int ask_fault(enum disk_call call, int fd)
{
    disk_fault_cb *fault = atomic_load(&fault_cb);

    return fault != NULL ? fault(call, fd) : 0;
}
#define FAULT(call, fd) ask_fault(call, fd)
#else
#define FAULT(call, fd) 0
#endif

/* Takes what was written off the front of the list. */
static void advance(struct iovec **parts, size_t *count, size_t bytes)
{
    while (*count > 0 && bytes >= (*parts)->iov_len) {
        bytes -= (*parts)->iov_len;
        (*parts)++;
        (*count)--;
    }
    if (*count > 0) {
        (*parts)->iov_base = (char *)(*parts)->iov_base + bytes;
        (*parts)->iov_len -= bytes;
    }
}

int disk_writev(int fd, struct iovec *parts, size_t count, uint64_t offset)
{
    int err = FAULT(DISK_CALL_WRITE, fd);

    if (err < 0)
        return err;
    advance(&parts, &count, 0);
    while (count > 0) {
        ssize_t n = pwritev(fd, parts, count < IOV_MAX ? (int)count : IOV_MAX, (off_t)offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            return -EIO;
        offset += (uint64_t)n;
        advance(&parts, &count, (size_t)n);
    }
    return 0;
}

int disk_write(int fd, const void *data, size_t bytes, uint64_t offset)
{
    struct iovec part = { .iov_base = (void *)(uintptr_t)data, .iov_len = bytes };

    return disk_writev(fd, &part, 1, offset);
}

int disk_read(int fd, void *data, size_t bytes, uint64_t offset, size_t *ret_read)
{
    int err = FAULT(DISK_CALL_READ, fd);

    *ret_read = 0;
    if (err < 0)
        return err;
    while (*ret_read < bytes) {
        ssize_t n =
            pread(fd, (char *)data + *ret_read, bytes - *ret_read, (off_t)(offset + *ret_read));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        *ret_read += (size_t)n;
    }
    return 0;
}

static int sync_with(int (*sync)(int), int fd)
{
    int err = FAULT(DISK_CALL_SYNC, fd);

    if (err < 0)
        return err;
    atomic_store_explicit(&sync_began_ms, clock_mono_ms(), memory_order_relaxed);
    err = sync(fd) < 0 ? -errno : 0;
    atomic_store_explicit(&sync_began_ms, 0, memory_order_relaxed);
    atomic_fetch_add_explicit(&sync_count, 1, memory_order_relaxed);
    return err;
}

int disk_sync_data(int fd)
{
    return sync_with(fdatasync, fd);
}

int disk_sync(int fd)
{
    return sync_with(fsync, fd);
}

void disk_hurry(int fd, uint64_t offset, uint64_t bytes)
{
    (void)sync_file_range(fd, (off_t)offset, (off_t)bytes, SYNC_FILE_RANGE_WRITE);
}

void disk_await(int fd, uint64_t offset, uint64_t bytes)
{
    (void)sync_file_range(fd, (off_t)offset, (off_t)bytes, SYNC_FILE_RANGE_WAIT_BEFORE);
}

uint64_t disk_sync_count(void)
{
    return atomic_load_explicit(&sync_count, memory_order_relaxed);
}

bool disk_hangs(void)
{
    const int64_t began_ms = atomic_load_explicit(&sync_began_ms, memory_order_relaxed);

    return began_ms != 0 && clock_mono_ms() - began_ms > DISK_HANG_MS;
}
