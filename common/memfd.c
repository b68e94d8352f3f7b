#include "common/memfd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/auto.h"

enum { ALL_SEALS = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE };

static int write_all(int fd, const char *data, size_t bytes)
{
    while (bytes > 0) {
        ssize_t n = write(fd, data, bytes);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        data += n;
        bytes -= (size_t)n;
    }
    return 0;
}

int memfd_seal(const char *name, const void *data, size_t bytes)
{
    AUTO(close) int fd = -1;
    int err;

    if (bytes > MEMFD_MAX_BYTES)
        return -EFBIG;
    fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return -errno;
    err = write_all(fd, data, bytes);
    if (err < 0)
        return err;
    if (fcntl(fd, F_ADD_SEALS, ALL_SEALS) < 0)
        return -errno;
    return take_fd(&fd);
}

int memfd_read(int fd, char **ret_data, size_t *ret_bytes)
{
    AUTO(free) char *data = NULL;
    struct stat facts;
    size_t bytes, got = 0;
    int seals = fcntl(fd, F_GET_SEALS);

    if (seals < 0 || (seals & ALL_SEALS) != ALL_SEALS)
        return -EPERM;
    if (fstat(fd, &facts) < 0)
        return -errno;
    if (facts.st_size < 0 || (uint64_t)facts.st_size > MEMFD_MAX_BYTES)
        return -EFBIG;
    bytes = (size_t)facts.st_size;
    data = malloc(bytes + 1);
    if (data == NULL)
        return -ENOMEM;
    while (got < bytes) {
        ssize_t n = pread(fd, data + got, bytes - got, (off_t)got);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        got += (size_t)n;
    }
    data[bytes] = '\0';
    *ret_data = TAKE_PTR(data);
    *ret_bytes = bytes;
    return 0;
}
