#include "worker/slot_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/auto.h"
#include "common/clock.h"
#include "common/spool_format.h"
#include "common/spool_path.h"
#include "worker/disk.h"

static const char last_id_name[] = "last-id";

static int open_folder(int parent_fd, const char *name)
{
    int fd;

    if (mkdirat(parent_fd, name, 0700) < 0 && errno != EEXIST)
        return -errno;
    fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 ? fd : -errno;
}

/* A name is on the disk once the folder that it stands in was synced. */
static int sync_parent(int fd)
{
    AUTO(close) int parent_fd = openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    return parent_fd >= 0 ? disk_sync(parent_fd) : -errno;
}

static int take_lock(int slot_fd)
{
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    int fd = openat(slot_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    int err;

    if (fd < 0)
        return -errno;
    if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
        return fd;
    err = errno == EACCES || errno == EAGAIN ? -EBUSY : -errno;
    close(fd);
    return err;
}

/* Whoever removed what the slot's last worker left may still be at it: that takes two syncs. */
static int wait_for_lock(int slot_fd)
{
    const int64_t give_up_ms = clock_mono_ms() + SLOT_DIR_LOCK_WAIT_MS;
    const struct timespec pause = { .tv_nsec = 5000000 };
    int fd;

    while ((fd = take_lock(slot_fd)) == -EBUSY && clock_mono_ms() < give_up_ms)
        (void)nanosleep(&pause, NULL);
    return fd;
}

static int open_all(const char *spool_dir, struct slot_dir *dir)
{
    char name[16];
    int damaged_fd, err;

    dir->spool_fd = open_folder(AT_FDCWD, spool_dir);
    if (dir->spool_fd < 0)
        return dir->spool_fd;
    err = sync_parent(dir->spool_fd);
    if (err < 0)
        return err;
    damaged_fd = open_folder(dir->spool_fd, "damaged");
    if (damaged_fd < 0)
        return damaged_fd;
    close(damaged_fd);
    (void)snprintf(name, sizeof(name), "%u", dir->slot);
    dir->fd = open_folder(dir->spool_fd, name);
    if (dir->fd < 0)
        return dir->fd;
    dir->lock_fd = wait_for_lock(dir->fd);
    if (dir->lock_fd < 0)
        return dir->lock_fd;
    err = disk_sync(dir->spool_fd);
    /* What an earlier life removed must be gone before its numbers are used again: an old segment
     * beside a new one's empty cells would be delivered again. */
    return err == 0 ? disk_sync(dir->fd) : err;
}

int slot_dir_open(const char *spool_dir, unsigned slot, struct slot_dir *ret_dir,
                  struct reason *reterr_why)
{
    int err;

    *ret_dir = (struct slot_dir){ .slot = slot, .spool_fd = -1, .fd = -1, .lock_fd = -1 };
    err = open_all(spool_dir, ret_dir);
    if (err == 0)
        return 0;
    slot_dir_close(ret_dir);
    if (err == -EBUSY)
        return reason_set(reterr_why, err, "%s/%u: another process holds its lock", spool_dir,
                          slot);
    return reason_set(reterr_why, err, "%s/%u: %s", spool_dir, slot, strerror(-err));
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void slot_dir_close(struct slot_dir *dir)
{
    close_fd(&dir->lock_fd);
    close_fd(&dir->fd);
    close_fd(&dir->spool_fd);
}

int slot_dir_open_again(const struct slot_dir *own, unsigned slot, struct slot_dir *ret_dir)
{
    char name[16];

    *ret_dir = (struct slot_dir){ .slot = slot, .spool_fd = -1, .fd = -1, .lock_fd = -1 };
    (void)snprintf(name, sizeof(name), "%u", slot);
    ret_dir->fd = openat(own->spool_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (ret_dir->fd < 0)
        return -errno;
    ret_dir->lock_fd = take_lock(ret_dir->fd);
    if (ret_dir->lock_fd < 0) {
        int err = ret_dir->lock_fd;

        slot_dir_close(ret_dir);
        return err;
    }
    return 0;
}

/* ---- listing ---- */

static int compare(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

static int add_number(uint32_t **numbers, size_t *count, size_t *room, uint32_t number)
{
    if (*count == *room) {
        size_t more = *room == 0 ? 64 : *room * 2;
        uint32_t *grown = reallocarray(*numbers, more, sizeof(*grown));

        if (grown == NULL)
            return -ENOMEM;
        *numbers = grown;
        *room = more;
    }
    (*numbers)[(*count)++] = number;
    return 0;
}

int slot_dir_list(int slot_fd, uint32_t **ret_numbers, size_t *ret_count)
{
    AUTO(free) uint32_t *numbers = NULL;
    size_t count = 0, room = 0;
    int fd = openat(slot_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *entry;
    int err = folder == NULL ? -errno : 0;

    if (folder == NULL) {
        close_fd(&fd);
        return err;
    }
    while (err == 0 && (errno = 0, entry = readdir(folder)) != NULL) {
        uint32_t number;

        if (spool_name_parse(entry->d_name, &number))
            err = add_number(&numbers, &count, &room, number);
    }
    if (err == 0 && errno != 0)
        err = -errno;
    closedir(folder);
    if (err < 0)
        return err;
    if (count > 0)
        qsort(numbers, count, sizeof(*numbers), compare);
    *ret_numbers = TAKE_PTR(numbers);
    *ret_count = count;
    return 0;
}

/* ---- the highest id ---- */

struct last_id {
    uint64_t id;
    uint64_t checksum; /* of it */
};

uint64_t slot_dir_last_id(int slot_fd)
{
    AUTO(close) int fd = openat(slot_fd, last_id_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct last_id last;
    size_t n;

    if (fd < 0 || disk_read(fd, &last, sizeof(last), 0, &n) < 0 || n != sizeof(last) ||
        last.checksum != spool_checksum(0, &last.id, sizeof(last.id)))
        return 0;
    return last.id;
}

int slot_dir_remember_id(int slot_fd, uint64_t id)
{
    static const char new_name[] = "last-id.new";
    const struct last_id last = { .id = id, .checksum = spool_checksum(0, &id, sizeof(id)) };
    AUTO(close)
    int fd = openat(slot_fd, new_name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    int err;

    if (fd < 0)
        return -errno;
    err = disk_write(fd, &last, sizeof(last), 0);
    if (err == 0)
        err = disk_sync(fd);
    if (err == 0 && renameat(slot_fd, new_name, slot_fd, last_id_name) < 0)
        err = -errno;
    return err == 0 ? disk_sync(slot_fd) : err;
}
