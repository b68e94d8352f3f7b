/* tests/crash/model.h: what a disk may hold after a power cut, by what was asked of it.
 *
 * The model follows the record. Contents and size of a file are certain once an fsync or fdatasync
 * of it, begun after the writes, has returned; a name once its folder was synced. Everything else
 * is *pending*, and each pending entry meets its fate by itself, whatever became of the others,
 * with two exceptions that every file system and disk keeps to:
 *
 *   - removals of names in one folder reach the disk in order;
 *   - a sector of 512 bytes is what the page cache held at some moment: a write that is torn within
 *     a sector has all earlier ones in that sector before it. */
#ifndef TESTS_CRASH_MODEL_H
#define TESTS_CRASH_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "record.h"

#define SECTOR_BYTES 512U

enum fate_what {
    FATE_PRESENT,
    FATE_ABSENT,
    FATE_SIZE,    /* of a write: the file has grown for it, its bytes are not there */
    FATE_HEAD,    /* of a write: only what lies below `cut` in the file */
    FATE_TAIL,    /* of a write: only what lies from `cut` on */
    FATE_SECTORS, /* of a write: some of its sectors, by `cut` as a seed */
};

struct fate {
    enum fate_what what;
    uint64_t cut;
};

struct image_item {
    char path[256]; /* below the root */
    bool is_folder;
    uint32_t node;
    unsigned char *data; /* the model's, until its next step or build */
    uint64_t bytes;
};

struct image {
    struct image_item *items; /* a folder comes before what is in it */
    size_t count;
};

struct model;

struct model *model_new(void);
void model_free(struct model **model);

/* Entry `index` of the record has happened. In order, beginning with 0. */
void model_step(struct model *model, size_t index);

/* Indexes of the pending entries, ascending; good until the next step. */
size_t model_pending(const struct model *model, const size_t **ret_indexes);

/* The disk if each pending entry has met its fate. Fates that cannot be are mended first. */
void model_build(struct model *model, struct fate *fates, struct image *ret_image);

#endif
