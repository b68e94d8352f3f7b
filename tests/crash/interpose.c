/* The functions by which a program changes files, in front of the C library's. */

/* Its headers must declare them, not inline them. */
#undef _FORTIFY_SOURCE

#include "record_private.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static atomic_bool is_syncless;
static atomic_int_fast64_t clock_back_s;

static void *find_real(const char *name)
{
    void *found = dlsym(RTLD_NEXT, name);

    if (found == NULL)
        abort();
    return found;
}

/* The function that the one of the same name here hides. */
#define REAL(name)                   \
    static __typeof__(&(name)) real; \
    if (real == NULL)                \
    *(void **)&real = find_real(#name)

/* ---- names ---- */

static int open_at(int at, const char *path, int flags, mode_t mode)
{
    uint32_t folder, node;
    struct stat status;
    const char *name;
    int fd, err;
    REAL(openat);

    if (!record_is_on() || (flags & (O_CREAT | O_TRUNC)) == 0)
        return real(at, path, flags, mode);
    record_lock();
    folder = record_find_folder(at, path, &name);
    node = record_find_path(at, path);
    fd = real(at, path, flags, mode);
    err = errno;
    if (fd >= 0 && node != RECORD_NO_NODE && (flags & O_TRUNC) != 0)
        (void)record_add(RECORD_CUT, node);
    if (fd >= 0 && node == RECORD_NO_NODE && folder != RECORD_NO_NODE && fstat(fd, &status) == 0)
        (void)record_add_name(RECORD_CREATE, record_add_node(&status), folder, name);
    record_unlock();
    errno = err;
    return fd;
}

int openat(int at, const char *path, int flags, ...)
{
    va_list args;
    mode_t mode;

    va_start(args, flags);
    mode = (flags & O_CREAT) != 0 ? va_arg(args, mode_t) : 0;
    va_end(args);
    return open_at(at, path, flags, mode);
}

int open(const char *path, int flags, ...)
{
    va_list args;
    mode_t mode;

    va_start(args, flags);
    mode = (flags & O_CREAT) != 0 ? va_arg(args, mode_t) : 0;
    va_end(args);
    return open_at(AT_FDCWD, path, flags, mode);
}

int mkdirat(int at, const char *path, mode_t mode)
{
    struct stat status;
    uint32_t folder;
    const char *name;
    int result, err;
    REAL(mkdirat);

    if (!record_is_on())
        return real(at, path, mode);
    record_lock();
    folder = record_find_folder(at, path, &name);
    result = real(at, path, mode);
    err = errno;
    if (result == 0 && folder != RECORD_NO_NODE && fstatat(at, path, &status, 0) == 0)
        record_add_name(RECORD_CREATE, record_add_node(&status), folder, name)->is_folder = true;
    record_unlock();
    errno = err;
    return result;
}

int mkdir(const char *path, mode_t mode)
{
    return mkdirat(AT_FDCWD, path, mode);
}

int unlinkat(int at, const char *path, int flags)
{
    uint32_t folder, node;
    const char *name;
    int result, err;
    REAL(unlinkat);

    if (!record_is_on())
        return real(at, path, flags);
    record_lock();
    folder = record_find_folder(at, path, &name);
    node = record_find_path(at, path);
    result = real(at, path, flags);
    err = errno;
    if (result == 0 && folder != RECORD_NO_NODE)
        (void)record_add_name(RECORD_UNLINK, node, folder, name);
    record_unlock();
    errno = err;
    return result;
}

int unlink(const char *path)
{
    return unlinkat(AT_FDCWD, path, 0);
}

int renameat(int old_at, const char *old_path, int new_at, const char *new_path)
{
    uint32_t folder, new_folder, node;
    const char *name, *new_name;
    int result, err;
    REAL(renameat);

    if (!record_is_on())
        return real(old_at, old_path, new_at, new_path);
    record_lock();
    folder = record_find_folder(old_at, old_path, &name);
    new_folder = record_find_folder(new_at, new_path, &new_name);
    node = record_find_path(old_at, old_path);
    result = real(old_at, old_path, new_at, new_path);
    err = errno;
    if (result == 0 && folder != new_folder)
        abort(); /* the spool does no such thing, so the model knows none */
    if (result == 0 && folder != RECORD_NO_NODE)
        (void)snprintf(record_add_name(RECORD_RENAME, node, folder, name)->new_name,
                       RECORD_NAME_SIZE, "%s", new_name);
    record_unlock();
    errno = err;
    return result;
}

int rename(const char *old_path, const char *new_path)
{
    return renameat(AT_FDCWD, old_path, AT_FDCWD, new_path);
}

/* ---- contents ---- */

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset)
{
    uint32_t node;
    ssize_t n;
    int err;
    REAL(pwritev);

    if (!record_is_on())
        return real(fd, parts, count, offset);
    record_lock();
    n = real(fd, parts, count, offset);
    err = errno;
    node = record_find_fd(fd);
    if (n > 0 && node != RECORD_NO_NODE)
        record_add_write(node, parts, count, (uint64_t)offset, (size_t)n);
    record_unlock();
    errno = err;
    return n;
}

ssize_t pwrite(int fd, const void *data, size_t bytes, off_t offset)
{
    const struct iovec part = { .iov_base = (void *)(uintptr_t)data, .iov_len = bytes };

    return pwritev(fd, &part, 1, offset);
}

ssize_t write(int fd, const void *data, size_t bytes)
{
    const struct iovec part = { .iov_base = (void *)(uintptr_t)data, .iov_len = bytes };
    uint32_t node;
    ssize_t n;
    int err;
    REAL(write);

    if (!record_is_on())
        return real(fd, data, bytes);
    record_lock();
    n = real(fd, data, bytes);
    err = errno;
    node = record_find_fd(fd);
    if (n > 0 && node != RECORD_NO_NODE)
        record_add_write(node, &part, 1, (uint64_t)(lseek(fd, 0, SEEK_CUR) - n), (size_t)n);
    record_unlock();
    errno = err;
    return n;
}

static void add_size(enum record_what what, int fd, uint64_t bytes)
{
    const uint32_t node = record_find_fd(fd);

    if (node != RECORD_NO_NODE)
        record_add(what, node)->bytes = bytes;
}

int fallocate(int fd, int mode, off_t offset, off_t bytes)
{
    int result, err;
    REAL(fallocate);

    if (!record_is_on())
        return real(fd, mode, offset, bytes);
    record_lock();
    result = real(fd, mode, offset, bytes);
    err = errno;
    if (result == 0 && mode != 0)
        abort(); /* holes and the like: not used, not modelled */
    if (result == 0)
        add_size(RECORD_GROW, fd, (uint64_t)(offset + bytes));
    record_unlock();
    errno = err;
    return result;
}

int ftruncate(int fd, off_t bytes)
{
    int result, err;
    REAL(ftruncate);

    if (!record_is_on())
        return real(fd, bytes);
    record_lock();
    result = real(fd, bytes);
    err = errno;
    if (result == 0)
        add_size(RECORD_CUT, fd, (uint64_t)bytes);
    record_unlock();
    errno = err;
    return result;
}

/* ---- syncs ---- */

/* The lock is free while it lasts: other threads go on writing meanwhile. sync_file_range() is not
 * here because it promises nothing. */
static int sync_by(int (*real)(int), int fd)
{
    uint32_t node = RECORD_NO_NODE;
    size_t began = 0;
    int result, err;

    if (record_is_on()) {
        record_lock();
        node = record_find_fd(fd);
        began = record_count();
        if (node != RECORD_NO_NODE)
            (void)record_add(RECORD_SYNC_BEGIN, node);
        record_unlock();
    }
    result = atomic_load(&is_syncless) ? 0 : real(fd);
    err = errno;
    if (result == 0 && node != RECORD_NO_NODE) {
        record_lock();
        record_add(RECORD_SYNC_END, node)->began = began;
        record_unlock();
    }
    errno = err;
    return result;
}

int fsync(int fd)
{
    REAL(fsync);

    return sync_by(real, fd);
}

int fdatasync(int fd)
{
    REAL(fdatasync);

    return sync_by(real, fd);
}

void record_skip_syncs(bool is_skipping)
{
    atomic_store(&is_syncless, is_skipping);
}

/* ---- the clock ---- */

int clock_gettime(clockid_t clock, struct timespec *now)
{
    int result;
    REAL(clock_gettime);

    result = real(clock, now);
    if (result == 0 && clock == CLOCK_REALTIME)
        now->tv_sec -= (time_t)atomic_load(&clock_back_s);
    return result;
}

void record_set_clock_back(int64_t s)
{
    atomic_store(&clock_back_s, s);
}
