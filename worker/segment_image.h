/* worker/segment_image.h: a segment read into memory, for recovery and compaction.
 *
 * Read with pread, not mapped: what the disk refuses to give becomes zeros, which the scan takes
 * for damage, instead of a signal that ends the process. */
#ifndef WORKER_SEGMENT_IMAGE_H
#define WORKER_SEGMENT_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/cell.h"
#include "common/spool_format.h"

struct segment_image {
    unsigned char *data;
    uint64_t bytes;   /* of the file */
    uint64_t present; /* of them in memory */
    unsigned char *cells;
    size_t cells_bytes;
    struct spool_header header; /* kind 0: it is damaged */
    uint64_t incarnation;
    unsigned unreadable; /* blocks that the disk refused */
    int fd;
};

/* Opens and reads the beginning. -EBADMSG: not a segment; -ENOTSUP: of a newer version; -ENODATA:
 * it was never finished; or why it cannot be opened. */
int segment_image_open(int slot_fd, uint32_t number, struct segment_image *ret_image);
void segment_image_close(struct segment_image *image);

/* Reads on: 1 when `until` (at most the file's end) is there, 0 when there is more to read. */
int segment_image_read(struct segment_image *image, uint64_t until);

/* For those who want parts of it, in any order: reads a range, and forgets all that was read. */
void segment_image_fetch(struct segment_image *image, uint64_t from, uint64_t end);
void segment_image_forget(struct segment_image *image);

/* What was written to the segment and its state file is on the disk. */
int segment_image_sync(const struct segment_image *image, int slot_fd, uint32_t number);

/* Reads the state file. One that is missing or short reads as cells never written to. */
int segment_image_read_cells(struct segment_image *image, int slot_fd, uint32_t number);
void segment_image_cell(const struct segment_image *image, const struct spool_record *record,
                        uint32_t group, struct cell *ret_cell);

/* Written by one large message? Also known without the header. */
bool segment_image_is_own(const struct segment_image *image);

#endif
