#include "worker/segment_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/hook.h"
#include "common/spool_format.h"
#include "common/spool_path.h"
#include "worker/disk.h"
#include "worker/slot_dir.h"

#define SLICE_BYTES (1U << 20)
#define SLICES_OPEN 4U /* being written back while the next one is filled */

static unsigned char zeros[SLICE_BYTES];

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static int open_file(const struct slot_dir *dir, uint32_t number, enum spool_file file, int flags)
{
    char name[SPOOL_NAME_SIZE];
    int fd = openat(dir->fd, spool_name(number, file, name), flags | O_CLOEXEC | O_NOFOLLOW, 0600);

    return fd >= 0 ? fd : -errno;
}

int segment_file_unlink(int slot_fd, uint32_t number)
{
    char name[SPOOL_NAME_SIZE];
    int err = 0;

    /* The cells last: found without them after a crash, its mail would be delivered again. */
    if (unlinkat(slot_fd, spool_name(number, SPOOL_FILE_SEGMENT, name), 0) < 0 && errno != ENOENT)
        err = -errno;
    hook_stop("recycle_unlink");
    if (err == 0 && unlinkat(slot_fd, spool_name(number, SPOOL_FILE_STATE, name), 0) < 0 &&
        errno != ENOENT)
        err = -errno;
    return err;
}

void segment_file_free(struct segment_file **file)
{
    if (*file == NULL)
        return;
    close_fd(&(*file)->fd);
    free(*file);
    *file = NULL;
}

static struct segment_file *file_new(int fd, uint32_t number, uint64_t bytes, uint32_t cells)
{
    struct segment_file *file = calloc(1, sizeof(*file));

    if (file == NULL)
        return NULL;
    *file = (struct segment_file){ .fd = fd, .number = number, .bytes = bytes, .cells = cells };
    return file;
}

/* What the file was evidence of it remains, though the header be written anew. */
static int write_header(struct segment_file *file, enum spool_kind kind, unsigned slot,
                        uint64_t max_id)
{
    union {
        struct spool_header header;
        unsigned char block[SPOOL_BLOCK];
    } first = { .block = { 0 } };

    if (getrandom(&file->incarnation, sizeof(file->incarnation), 0) !=
        (ssize_t)sizeof(file->incarnation))
        return -EIO;
    if (max_id > file->max_id)
        file->max_id = max_id;
    first.header = (struct spool_header){ .kind = kind,
                                          .slot = slot,
                                          .number = file->number,
                                          .incarnation = file->incarnation,
                                          .created_ms = clock_wall_ms(),
                                          .bytes = kind == SPOOL_OWN ? 0 : file->bytes,
                                          .max_id = file->max_id,
                                          .cells = file->cells };
    spool_header_seal(&first.header);
    file->position = SPOOL_BLOCK;
    file->sequence = 0;
    file->next_cell = 0;
    return disk_write(file->fd, &first, sizeof(first), 0);
}

int segment_file_begin_life(struct segment_file *file, unsigned slot, uint64_t max_id)
{
    int err = write_header(file, SPOOL_SHARED, slot, max_id);

    hook_stop("recycle_header");
    return err == 0 ? disk_sync_data(file->fd) : err;
}

/* ---- making ---- */

uint64_t segment_room(uint64_t bytes)
{
    return bytes + spool_block_align((uint64_t)spool_cells_for(bytes) * CELL_BYTES);
}

bool segment_maker_is_busy(const struct segment_maker *maker)
{
    return maker->fd >= 0;
}

/* Asks for the room at once, so that a full disk is found before anything is written. A file system
 * that cannot do that finds out while being written to. */
static int take_room(int fd, uint64_t bytes)
{
    if (fallocate(fd, 0, 0, (off_t)bytes) == 0 || errno == EOPNOTSUPP || errno == ENOSYS)
        return 0;
    return -errno;
}

int segment_maker_begin(struct segment_maker *maker, const struct slot_dir *dir, uint32_t number,
                        uint64_t bytes)
{
    int err;

    *maker = (struct segment_maker){ .fd = -1,
                                     .state_fd = -1,
                                     .number = number,
                                     .bytes = bytes,
                                     .state_bytes = segment_room(bytes) - bytes };
    maker->fd = open_file(dir, number, SPOOL_FILE_SEGMENT, O_RDWR | O_CREAT | O_EXCL);
    if (maker->fd < 0) {
        err = maker->fd;
        maker->fd = -1;
        return err;
    }
    maker->state_fd = open_file(dir, number, SPOOL_FILE_STATE, O_RDWR | O_CREAT | O_TRUNC);
    err = maker->state_fd < 0 ? maker->state_fd : take_room(maker->fd, bytes);
    if (err == 0)
        err = take_room(maker->state_fd, maker->state_bytes);
    if (err < 0)
        segment_maker_abort(maker, dir);
    return err;
}

int segment_maker_step(struct segment_maker *maker)
{
    const bool is_state = maker->made >= maker->bytes;
    const int fd = is_state ? maker->state_fd : maker->fd;
    const uint64_t at = is_state ? maker->made - maker->bytes : maker->made;
    const uint64_t left = (is_state ? maker->state_bytes : maker->bytes) - at;
    const uint64_t slice = left < SLICE_BYTES ? left : SLICE_BYTES;
    int err;

    if (slice == 0)
        return 1;
    err = disk_write(fd, zeros, slice, at);
    if (err < 0)
        return err;
    disk_hurry(fd, at, slice);
    if (at >= SLICES_OPEN * SLICE_BYTES)
        disk_await(fd, at - SLICES_OPEN * SLICE_BYTES, SLICE_BYTES);
    maker->made += slice;
    return maker->made == maker->bytes + maker->state_bytes;
}

int segment_maker_finish(struct segment_maker *maker, const struct slot_dir *dir, uint64_t max_id,
                         struct segment_file **ret_file)
{
    struct segment_file *file =
        file_new(maker->fd, maker->number, maker->bytes, spool_cells_for(maker->bytes));
    int err = file == NULL ? -ENOMEM : write_header(file, SPOOL_SHARED, dir->slot, max_id);

    if (err == 0)
        err = disk_sync(maker->state_fd);
    if (err == 0)
        err = disk_sync(maker->fd);
    if (err == 0)
        err = disk_sync(dir->fd);
    if (err < 0) {
        free(file);
        segment_maker_abort(maker, dir);
        return err;
    }
    maker->fd = -1; /* it is the file's now */
    close_fd(&maker->state_fd);
    *ret_file = file;
    return 0;
}

void segment_maker_abort(struct segment_maker *maker, const struct slot_dir *dir)
{
    if (maker->fd < 0)
        return;
    close_fd(&maker->fd);
    close_fd(&maker->state_fd);
    (void)segment_file_unlink(dir->fd, maker->number);
}

/* ---- used ones ---- */

static bool has_size(int fd, uint64_t bytes)
{
    struct stat status;

    return fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && (uint64_t)status.st_size == bytes;
}

static bool has_cells(const struct slot_dir *dir, uint32_t number, uint64_t bytes)
{
    int fd = open_file(dir, number, SPOOL_FILE_STATE, O_RDONLY);
    bool has = fd >= 0 && has_size(fd, segment_room(bytes) - bytes);

    close_fd(&fd);
    return has;
}

static uint64_t header_max_id(int fd)
{
    unsigned char start[sizeof(struct spool_header)];
    struct spool_header header;
    size_t n;

    return disk_read(fd, start, sizeof(start), 0, &n) == 0 &&
                   spool_header_read(start, n, &header, NULL)
               ? header.max_id
               : 0;
}

int segment_file_renew(const struct slot_dir *dir, uint32_t number, uint64_t bytes, uint64_t max_id,
                       struct segment_file **ret_file)
{
    int fd = open_file(dir, number, SPOOL_FILE_SEGMENT, O_RDWR);
    struct segment_file *file;
    int err;

    if (fd < 0)
        return fd;
    if (!has_size(fd, bytes) || !has_cells(dir, number, bytes)) {
        close_fd(&fd);
        return -ESTALE;
    }
    file = file_new(fd, number, bytes, spool_cells_for(bytes));
    if (file == NULL) {
        close_fd(&fd);
        return -ENOMEM;
    }
    file->max_id = header_max_id(fd);
    err = segment_file_begin_life(file, dir->slot, max_id);
    if (err < 0)
        segment_file_free(&file);
    else
        *ret_file = file;
    return err;
}

int segment_file_make_own(const struct slot_dir *dir, uint32_t number, uint32_t cells,
                          uint64_t max_id, struct segment_file **ret_file, int *ret_state_fd)
{
    const uint64_t state_bytes = spool_block_align((uint64_t)cells * CELL_BYTES);
    int fd = open_file(dir, number, SPOOL_FILE_SEGMENT, O_RDWR | O_CREAT | O_EXCL);
    struct segment_file *file;
    int err;

    if (fd < 0)
        return fd;
    file = file_new(fd, number, 0, cells);
    if (file == NULL) {
        close_fd(&fd);
        (void)segment_file_unlink(dir->fd, number);
        return -ENOMEM;
    }
    *ret_state_fd = open_file(dir, number, SPOOL_FILE_STATE, O_RDWR | O_CREAT | O_TRUNC);
    err = *ret_state_fd < 0 ? *ret_state_fd : write_header(file, SPOOL_OWN, dir->slot, max_id);
    if (err == 0)
        err = disk_write(*ret_state_fd, zeros, state_bytes, 0);
    if (err < 0) {
        close_fd(ret_state_fd);
        segment_file_free(&file);
        (void)segment_file_unlink(dir->fd, number);
        return err;
    }
    *ret_file = file;
    return 0;
}
