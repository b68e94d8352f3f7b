/* worker/segment_file.h: the files of a segment: made ahead of need, renewed, removed.
 *
 * Only in the sync thread. A shared segment is zero-filled and synced before its first record, so
 * that an append flushes data and no metadata. 0 or a negative errno. */
#ifndef WORKER_SEGMENT_FILE_H
#define WORKER_SEGMENT_FILE_H

#include <stdbool.h>
#include <stdint.h>

struct slot_dir;

/* An open segment that may be written to. */
struct segment_file {
    struct segment_file *next;
    int fd;
    uint32_t number;
    uint32_t cells;
    uint64_t bytes;
    uint64_t incarnation;
    /* of its writer: */
    uint64_t position; /* where the next batch begins */
    uint64_t sequence; /* batches written */
    uint32_t next_cell;
    uint64_t max_id; /* the highest id that it is synced evidence of */
};

/* Closes; the files stay. NULL inside is allowed. */
void segment_file_free(struct segment_file **file);

/* A shared segment in the making, a slice at a time. */
struct segment_maker {
    int fd, state_fd; /* -1: nothing is being made */
    uint32_t number;
    uint64_t bytes, state_bytes;
    uint64_t made; /* of both together */
};

int segment_maker_begin(struct segment_maker *maker, const struct slot_dir *dir, uint32_t number,
                        uint64_t bytes);
bool segment_maker_is_busy(const struct segment_maker *maker);
/* 1: everything is written, 0: there is more. */
int segment_maker_step(struct segment_maker *maker);
int segment_maker_finish(struct segment_maker *maker, const struct slot_dir *dir, uint64_t max_id,
                         struct segment_file **ret_file);
void segment_maker_abort(struct segment_maker *maker, const struct slot_dir *dir);

/* Room on disk that a shared segment and its cells take. */
uint64_t segment_room(uint64_t bytes);

/* Begins a new life of the shared segment: a new incarnation, written and synced. */
int segment_file_begin_life(struct segment_file *file, unsigned slot, uint64_t max_id);

/* Opens a shared segment that nobody needs any more and begins a new life of it. -ESTALE: it is not
 * of this size or kind. */
int segment_file_renew(const struct slot_dir *dir, uint32_t number, uint64_t bytes, uint64_t max_id,
                       struct segment_file **ret_file);

/* Makes a segment for one large message; nothing is synced yet. */
int segment_file_make_own(const struct slot_dir *dir, uint32_t number, uint32_t cells,
                          uint64_t max_id, struct segment_file **ret_file, int *ret_state_fd);

/* Removes both files. */
int segment_file_unlink(int slot_fd, uint32_t number);

#endif
