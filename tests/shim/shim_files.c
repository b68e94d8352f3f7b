/* tests/shim/shim_files.c: the calls by which files are written, made and removed. */
#include "tests/shim/shim.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define PIECES_MAX 1024

static size_t total(const struct iovec *parts, int count)
{
    size_t bytes = 0;

    for (int i = 0; i < count; i++)
        bytes += parts[i].iov_len;
    return bytes;
}

/* The first `bytes` of the parts. Returns how many parts that takes. */
static int first_of(const struct iovec *parts, int count, size_t bytes, struct iovec *out)
{
    int used = 0;

    while (used < count && used < PIECES_MAX && bytes > 0) {
        out[used] = parts[used];
        if (out[used].iov_len > bytes)
            out[used].iov_len = bytes;
        bytes -= out[used++].iov_len;
    }
    return used;
}

ssize_t write(int fd, const void *data, size_t bytes)
{
    struct shim_call call = { .kind = SHIM_WRITE, .fd = fd, .bytes = bytes };

    return shim_end(&call, shim_begin(&call) ? syscall(SYS_write, fd, data, call.bytes) : -1);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    struct shim_call call = { .kind = SHIM_WRITEV, .fd = fd, .bytes = total(parts, count) };
    struct iovec used[PIECES_MAX];

    if (!shim_begin(&call))
        return shim_end(&call, -1);
    count = first_of(parts, count, call.bytes, used);
    return shim_end(&call, syscall(SYS_writev, fd, used, count));
}

ssize_t pwrite(int fd, const void *data, size_t bytes, off_t offset)
{
    struct shim_call call = { .kind = SHIM_PWRITE, .fd = fd, .bytes = bytes, .offset = offset };

    return shim_end(&call,
                    shim_begin(&call) ? syscall(SYS_pwrite64, fd, data, call.bytes, offset) : -1);
}

ssize_t pwrite64(int fd, const void *data, size_t bytes, off64_t offset)
{
    return pwrite(fd, data, bytes, offset);
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset)
{
    struct shim_call call = {
        .kind = SHIM_PWRITEV, .fd = fd, .bytes = total(parts, count), .offset = offset
    };
    struct iovec used[PIECES_MAX];

    if (!shim_begin(&call))
        return shim_end(&call, -1);
    count = first_of(parts, count, call.bytes, used);
    return shim_end(&call, syscall(SYS_pwritev, fd, used, count, offset, 0));
}

ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t offset)
{
    return pwritev(fd, parts, count, offset);
}

int fdatasync(int fd)
{
    struct shim_call call = { .kind = SHIM_FDATASYNC, .fd = fd };

    return (int)shim_end(&call, shim_begin(&call) ? syscall(SYS_fdatasync, fd) : -1);
}

int fsync(int fd)
{
    struct shim_call call = { .kind = SHIM_FSYNC, .fd = fd };

    return (int)shim_end(&call, shim_begin(&call) ? syscall(SYS_fsync, fd) : -1);
}

int fallocate(int fd, int mode, off_t offset, off_t bytes)
{
    struct shim_call call = {
        .kind = SHIM_FALLOCATE, .fd = fd, .bytes = (size_t)bytes, .offset = offset
    };

    return (int)shim_end(&call,
                         shim_begin(&call) ? syscall(SYS_fallocate, fd, mode, offset, bytes) : -1);
}

int fallocate64(int fd, int mode, off64_t offset, off64_t bytes)
{
    return fallocate(fd, mode, offset, bytes);
}

/* ---- names ---- */

static int open_at(int folder, const char *path, int flags, mode_t mode)
{
    struct shim_call call = { .kind = SHIM_OPEN, .fd = folder, .path = path };

    return (int)shim_end(&call,
                         shim_begin(&call) ? syscall(SYS_openat, folder, path, flags, mode) : -1);
}

static mode_t mode_of(int flags, va_list *rest)
{
    return (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(*rest, mode_t) : 0;
}

#define OPEN_WITH_MODE(folder, path, flags, last) \
    va_list rest;                                 \
    mode_t mode;                                  \
                                                  \
    va_start(rest, last);                         \
    mode = mode_of(flags, &rest);                 \
    va_end(rest);                                 \
    return open_at(folder, path, flags, mode)

int open(const char *path, int flags, ...)
{
    OPEN_WITH_MODE(AT_FDCWD, path, flags, flags);
}

int open64(const char *path, int flags, ...)
{
    OPEN_WITH_MODE(AT_FDCWD, path, flags, flags);
}

int openat(int folder, const char *path, int flags, ...)
{
    OPEN_WITH_MODE(folder, path, flags, flags);
}

int openat64(int folder, const char *path, int flags, ...)
{
    OPEN_WITH_MODE(folder, path, flags, flags);
}

int unlinkat(int folder, const char *path, int flags)
{
    struct shim_call call = { .kind = SHIM_UNLINK, .fd = folder, .path = path };

    return (int)shim_end(&call,
                         shim_begin(&call) ? syscall(SYS_unlinkat, folder, path, flags) : -1);
}

int unlink(const char *path)
{
    return unlinkat(AT_FDCWD, path, 0);
}

/* The path of a rename is the new one. */
int renameat(int old_folder, const char *old_path, int folder, const char *path)
{
    struct shim_call call = { .kind = SHIM_RENAME, .fd = folder, .path = path };

    return (int)shim_end(&call, shim_begin(&call)
                                    ? syscall(SYS_renameat2, old_folder, old_path, folder, path, 0)
                                    : -1);
}

int rename(const char *old_path, const char *path)
{
    return renameat(AT_FDCWD, old_path, AT_FDCWD, path);
}
