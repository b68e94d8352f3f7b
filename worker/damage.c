#include "worker/damage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "common/auto.h"
#include "worker/disk.h"

int damage_keep(int spool_fd, unsigned slot, uint32_t number, uint64_t incarnation, uint64_t offset,
                const void *data, uint64_t bytes)
{
    char name[96];
    int err;

    (void)snprintf(name, sizeof(name), "damaged/%u-%u-%016llx-%llu", slot, number,
                   (unsigned long long)incarnation, (unsigned long long)offset);
    AUTO(close)
    int fd = openat(spool_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0)
        return errno == EEXIST ? 0 : -errno;
    err = disk_write(fd, data, bytes, 0);
    if (err == 0)
        err = disk_sync(fd);
    if (err < 0)
        (void)unlinkat(spool_fd, name, 0);
    return err;
}
