/* master/store.h: what must survive a restart and is not mail, in LMDB.
 *
 * Tables of text values under byte keys. A change set is written in one transaction, fully synced
 * when store_commit() returns; after a failed commit the environment is opened again, and what was
 * stored before is what is stored. No transaction outlives a call, so that no reader makes the file
 * grow. One thread commits (the I/O thread); the loop may list at any time and waits for no disk
 * sync by it. docs/store.md says what lies in the tables. */
#ifndef MASTER_STORE_H
#define MASTER_STORE_H

#include <stddef.h>
#include <stdint.h>

#include "common/reason.h"

struct store;

enum store_table {
    STORE_PROFILES, /* id -> JSON */
    STORE_RULES,    /* id -> JSON */
    STORE_SETTINGS, /* name -> JSON */
    STORE_ACCOUNTS, /* name -> JSON */
    STORE_AUDIT,    /* number -> JSON */
    STORE_META,     /* name -> JSON: counters, the order of rules */
    STORE_TABLE_COUNT
};

#define STORE_KEY_MAX 255

/* The size of the map, which is the most that the file may grow to: it begins with the first and is
 * doubled when needed, up to the second. It costs address space only. */
struct store_limits {
    size_t map_start, map_max;
};
#define STORE_LIMITS ((struct store_limits){ 64U << 20, 4ULL << 30 })

struct store_change {
    enum store_table table;
    char key[STORE_KEY_MAX + 1];
    char *value; /* NULL: delete (also what is not there); owned by whoever made the set */
};

/* Numbers as keys sort by value. */
void store_number_key(uint64_t number, char *out_key);
uint64_t store_key_number(const char *key);

/* `directory` is made if missing; its parent must be there. */
int store_open(const char *directory, struct store_limits limits, struct store **ret_store,
               struct reason *reterr_why);
void store_close(struct store **store);

/* All or nothing. -ENOSPC: the disk or the map is full. After a disk error that leaves open which
 * of the two holds, every further commit is refused (-EIO) until the store was opened anew. */
int store_commit(struct store *store, const struct store_change *changes, size_t count,
                 struct reason *reterr_why);

/* Calls `each` in key order, or from the last backwards, until it returns non-zero. Key and value
 * (not terminated) are good only within the call, which must not come back here. `from` NULL: from
 * the end it starts at; otherwise it begins behind that key. 0 or a negative errno. */
typedef int store_each(const char *key, const char *value, size_t bytes, void *arg);
enum store_direction { STORE_FORWARDS, STORE_BACKWARDS };
int store_list(struct store *store, enum store_table table, const char *from,
               enum store_direction direction, store_each *each, void *arg);

#endif
