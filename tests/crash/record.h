/* tests/crash/record.h: what this program asked the file system to do below one folder, in order.
 *
 * interpose.c defines openat, pwritev, fsync and the like itself and calls those of the C library,
 * so that the code under test needs no hook. A call stands in the record once it has returned;
 * calls of several threads stand in the order in which they took effect. A sync has two entries,
 * because it vouches only for what came before its beginning.
 *
 * A *position* is a number of entries: what happens at position p happened after the first p of
 * them and before the next. */
#ifndef TESTS_CRASH_RECORD_H
#define TESTS_CRASH_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RECORD_NAME_SIZE 64
#define RECORD_ROOT      0U /* the node of the folder that is watched */
#define RECORD_NO_NODE   UINT32_MAX

enum record_what {
    RECORD_CREATE,     /* `name` in `folder` becomes `node`; is_folder: by mkdir */
    RECORD_UNLINK,     /* `name` in `folder`, which was `node`, is no more */
    RECORD_RENAME,     /* `name` in `folder`, which was `node`, is `new_name` there now */
    RECORD_WRITE,      /* `bytes` of `data` at `offset` of `node` */
    RECORD_GROW,       /* fallocate: `node` has at least `bytes` */
    RECORD_CUT,        /* ftruncate: `node` has exactly `bytes` */
    RECORD_SYNC_BEGIN, /* of `node`, by fsync or fdatasync */
    RECORD_SYNC_END,   /* it returned 0; it began with entry `began` */
    RECORD_SETTLED,    /* all before this is on the disk: how the record began */
};

struct record_entry {
    enum record_what what;
    bool is_folder;
    uint32_t node;
    uint32_t folder;
    size_t began;
    uint64_t offset, bytes;
    int64_t at_us; /* monotonic */
    unsigned char *data;
    char name[RECORD_NAME_SIZE], new_name[RECORD_NAME_SIZE];
};

/* Begins anew with what lies below `root`, as settled. The program's other calls go past it. */
void record_begin(const char *root);
void record_end(void);

size_t record_position(void);
const struct record_entry *record_at(size_t index);

/* The node of an open file, RECORD_NO_NODE: it is not below the root. */
uint32_t record_node_of(int fd);

/* Fakes: the wall clock goes behind by so many seconds; syncs do not reach the real disk (where
 * states are tried by the thousand, nothing needs to survive). */
void record_set_clock_back(int64_t s);
void record_skip_syncs(bool is_skipping);

#endif
