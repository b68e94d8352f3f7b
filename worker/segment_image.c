#include "worker/segment_image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/auto.h"
#include "common/spool_path.h"
#include "worker/disk.h"

#define SLICE_BYTES (1U << 20)
#define START_BYTES (SPOOL_BLOCK + sizeof(struct spool_commit))

static int open_file(int slot_fd, uint32_t number, enum spool_file file, uint64_t *ret_bytes)
{
    char name[SPOOL_NAME_SIZE];
    struct stat status;
    AUTO(close)
    int fd = openat(slot_fd, spool_name(number, file, name), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

    if (fd < 0 || fstat(fd, &status) < 0)
        return -errno;
    if (!S_ISREG(status.st_mode))
        return -EBADMSG;
    *ret_bytes = (uint64_t)status.st_size;
    return take_fd(&fd);
}

/* Reads block by block where a larger piece cannot be had. */
static void read_hard(struct segment_image *image, uint64_t at, uint64_t end)
{
    for (; at < end; at += SPOOL_BLOCK) {
        const size_t want = end - at < SPOOL_BLOCK ? (size_t)(end - at) : SPOOL_BLOCK;
        size_t n;

        if (disk_read(image->fd, image->data + at, want, at, &n) < 0) {
            memset(image->data + at, 0, want);
            image->unreadable++;
        }
    }
}

int segment_image_read(struct segment_image *image, uint64_t until)
{
    const uint64_t from = image->present;
    uint64_t end = until < image->bytes ? until : image->bytes;
    size_t n;

    if (from >= end)
        return 1;
    if (end - from > SLICE_BYTES)
        end = from + SLICE_BYTES;
    if (disk_read(image->fd, image->data + from, (size_t)(end - from), from, &n) < 0)
        read_hard(image, from, end);
    image->present = end;
    return image->present >= until || image->present == image->bytes;
}

void segment_image_fetch(struct segment_image *image, uint64_t from, uint64_t end)
{
    size_t n;

    from -= from % SPOOL_BLOCK;
    if (end > image->bytes)
        end = image->bytes;
    if (from < end && disk_read(image->fd, image->data + from, (size_t)(end - from), from, &n) < 0)
        read_hard(image, from, end);
}

void segment_image_forget(struct segment_image *image)
{
    if (image->data != NULL)
        (void)madvise(image->data, (size_t)image->bytes, MADV_DONTNEED);
}

static bool is_zero(const unsigned char *data, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        if (data[i] != 0)
            return false;
    }
    return true;
}

static int read_start(struct segment_image *image)
{
    bool is_newer;

    (void)segment_image_read(image, START_BYTES);
    if (spool_header_read(image->data, image->present, &image->header, &is_newer)) {
        image->incarnation = image->header.incarnation;
        return 0;
    }
    memset(&image->header, 0, sizeof(image->header));
    if (is_newer)
        return -ENOTSUP;
    if (spool_incarnation(image->data, image->present, &image->incarnation) == 0)
        return 0;
    /* The header is written when all else is: a file that ends before, or begins with zeros, was
     * never used. */
    return is_zero(image->data, image->present < START_BYTES ? image->present : START_BYTES)
               ? -ENODATA
               : -EBADMSG;
}

int segment_image_open(int slot_fd, uint32_t number, struct segment_image *ret_image)
{
    struct segment_image image = { .fd = -1 };
    void *memory;
    int err;

    image.fd = open_file(slot_fd, number, SPOOL_FILE_SEGMENT, &image.bytes);
    if (image.fd < 0)
        return image.fd;
    if (image.bytes > 0) {
        /* Pages that are not read into cost nothing. */
        memory = mmap(NULL, (size_t)image.bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (memory == MAP_FAILED) {
            close(image.fd);
            return -ENOMEM;
        }
        image.data = memory;
    }
    err = image.bytes > 0 ? read_start(&image) : -ENODATA;
    if (err < 0)
        segment_image_close(&image);
    else
        *ret_image = image;
    return err;
}

void segment_image_close(struct segment_image *image)
{
    if (image->data != NULL)
        (void)munmap(image->data, (size_t)image->bytes);
    if (image->fd >= 0)
        close(image->fd);
    free(image->cells);
    *image = (struct segment_image){ .fd = -1 };
}

int segment_image_sync(const struct segment_image *image, int slot_fd, uint32_t number)
{
    uint64_t bytes;
    AUTO(close) int fd = open_file(slot_fd, number, SPOOL_FILE_STATE, &bytes);
    int err = fd >= 0 ? disk_sync_data(fd) : fd;

    if (err < 0 && err != -ENOENT)
        return err;
    return disk_sync_data(image->fd);
}

bool segment_image_is_own(const struct segment_image *image)
{
    struct spool_commit commit;

    if (image->header.kind != 0)
        return image->header.kind == SPOOL_OWN;
    return spool_commit_read(image->data + SPOOL_BLOCK, SPOOL_BLOCK, image->incarnation, &commit) &&
           commit.synced_end > commit.offset;
}

int segment_image_read_cells(struct segment_image *image, int slot_fd, uint32_t number)
{
    const size_t most = (size_t)SPOOL_CELLS_MAX * CELL_BYTES;
    uint64_t bytes = 0;
    AUTO(close) int fd = open_file(slot_fd, number, SPOOL_FILE_STATE, &bytes);

    if (fd < 0)
        return fd == -ENOENT ? 0 : fd;
    image->cells_bytes = bytes < most ? (size_t)bytes : most;
    image->cells = calloc(1, image->cells_bytes > 0 ? image->cells_bytes : 1);
    if (image->cells == NULL)
        return -ENOMEM;
    /* One read for all as a rule; around a block that cannot be had, one on each side. */
    for (size_t at = 0; at < image->cells_bytes; at += SPOOL_BLOCK) {
        size_t n, left = image->cells_bytes - at;

        if (disk_read(fd, image->cells + at, left, at, &n) == 0)
            break;
        at += n - n % SPOOL_BLOCK;
        left = image->cells_bytes - at;
        if (disk_read(fd, image->cells + at, left < SPOOL_BLOCK ? left : SPOOL_BLOCK, at, &n) < 0)
            image->unreadable++;
    }
    return 0;
}

void segment_image_cell(const struct segment_image *image, const struct spool_record *record,
                        uint32_t group, struct cell *ret_cell)
{
    const struct cell_key key = { .incarnation = image->incarnation,
                                  .id = record->id,
                                  .group = group };
    const size_t at = ((size_t)record->first_cell + group) * CELL_BYTES;
    uint16_t sequence;

    *ret_cell = (struct cell){ 0 };
    if (at + CELL_BYTES <= image->cells_bytes)
        (void)cell_decode(image->cells + at, &key, ret_cell, &sequence);
}
