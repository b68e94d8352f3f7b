#include "master/store.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lmdb.h>

#include "common/auto.h"

struct store {
    /* Held for writing only while the map grows or the environment is opened again, which LMDB
     * wants to have no transaction beside it: a reader in the loop never waits for a sync. */
    pthread_rwlock_t reopening;
    MDB_env *env; /* NULL: could not be opened again after a failure */
    MDB_dbi tables[STORE_TABLE_COUNT];
    struct store_limits limits;
    size_t last_txn; /* the last one that is known to be committed */
    bool is_doubtful;
    char *directory;
};

static const char *const table_names[STORE_TABLE_COUNT] = {
    [STORE_PROFILES] = "profiles", [STORE_RULES] = "rules", [STORE_SETTINGS] = "settings",
    [STORE_ACCOUNTS] = "accounts", [STORE_AUDIT] = "audit", [STORE_META] = "meta",
};

/* LMDB mixes its own negative codes with errno values. */
static int to_errno(int rc)
{
    switch (rc) {
    case 0: return 0;
    case MDB_MAP_FULL: return -ENOSPC;
    case MDB_NOTFOUND: return -ENOENT;
    case MDB_INVALID:
    case MDB_CORRUPTED:
    case MDB_VERSION_MISMATCH: return -EBADMSG;
    default: return rc > 0 ? -rc : -EIO;
    }
}

void store_number_key(uint64_t number, char *out_key)
{
    (void)snprintf(out_key, STORE_KEY_MAX, "%016llx", (unsigned long long)number);
}

uint64_t store_key_number(const char *key)
{
    return strtoull(key, NULL, 16);
}

/* ---- the environment ---- */

static int open_tables(struct store *store)
{
    MDB_txn *txn;
    int rc = mdb_txn_begin(store->env, NULL, 0, &txn);

    if (rc != 0)
        return rc;
    for (unsigned i = 0; i < STORE_TABLE_COUNT && rc == 0; i++)
        rc = mdb_dbi_open(txn, table_names[i], MDB_CREATE, &store->tables[i]);
    if (rc == 0)
        return mdb_txn_commit(txn);
    mdb_txn_abort(txn);
    return rc;
}

static size_t last_txn(const struct store *store)
{
    MDB_envinfo facts;

    return mdb_env_info(store->env, &facts) == 0 ? facts.me_last_txnid : 0;
}

static void close_environment(struct store *store)
{
    if (store->env != NULL)
        mdb_env_close(store->env);
    store->env = NULL;
}

static int open_environment(struct store *store)
{
    int dead, rc = mdb_env_create(&store->env);

    if (rc == 0)
        rc = mdb_env_set_maxdbs(store->env, STORE_TABLE_COUNT);
    if (rc == 0)
        rc = mdb_env_set_mapsize(store->env, store->limits.map_start);
    if (rc == 0)
        rc = mdb_env_open(store->env, store->directory, MDB_NOTLS, 0600);
    if (rc == 0)
        rc = mdb_reader_check(store->env, &dead);
    if (rc == 0)
        rc = open_tables(store);
    if (rc != 0)
        close_environment(store);
    return rc;
}

static int sync_directory(const char *path)
{
    AUTO(close) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    return fd >= 0 && fsync(fd) == 0 ? 0 : errno;
}

/* The files' names must be as durable as what is in them. */
static int sync_names(const char *directory)
{
    AUTO(free) char *copy = strdup(directory);
    int rc = copy != NULL ? sync_directory(directory) : ENOMEM;

    return rc == 0 ? sync_directory(dirname(copy)) : rc;
}

static int open_first(struct store *store)
{
    int rc;

    if (mkdir(store->directory, 0700) < 0 && errno != EEXIST)
        return errno;
    rc = open_environment(store);
    if (rc == 0)
        rc = sync_names(store->directory);
    if (rc == 0)
        store->last_txn = last_txn(store);
    return rc;
}

int store_open(const char *directory, struct store_limits limits, struct store **ret_store,
               struct reason *reterr_why)
{
    struct store *store = calloc(1, sizeof(*store));
    int rc;

    if (store == NULL)
        return reason_set(reterr_why, -ENOMEM, "store: out of memory");
    pthread_rwlock_init(&store->reopening, NULL);
    store->limits = limits;
    store->directory = strdup(directory);
    rc = store->directory != NULL ? open_first(store) : ENOMEM;
    if (rc != 0) {
        store_close(&store);
        return reason_set(reterr_why, to_errno(rc), "store %s: %s", directory, mdb_strerror(rc));
    }
    *ret_store = store;
    return 0;
}

void store_close(struct store **store)
{
    if (*store == NULL)
        return;
    close_environment(*store);
    pthread_rwlock_destroy(&(*store)->reopening);
    free((*store)->directory);
    free(*store);
    *store = NULL;
}

/* ---- writing ---- */

static int apply(const struct store *store, MDB_txn *txn, const struct store_change *change)
{
    MDB_dbi table = store->tables[change->table];
    MDB_val key = { strlen(change->key), (void *)change->key };
    MDB_val value;
    int rc;

    if (change->value == NULL) {
        rc = mdb_del(txn, table, &key, NULL);
        return rc == MDB_NOTFOUND ? 0 : rc;
    }
    value = (MDB_val){ strlen(change->value), change->value };
    return mdb_put(txn, table, &key, &value, 0);
}

static int write_once(struct store *store, const struct store_change *changes, size_t count)
{
    MDB_txn *txn;
    int rc = mdb_txn_begin(store->env, NULL, 0, &txn);

    if (rc != 0)
        return rc;
    for (size_t i = 0; i < count && rc == 0; i++)
        rc = apply(store, txn, &changes[i]);
    if (rc == 0)
        return mdb_txn_commit(txn);
    mdb_txn_abort(txn);
    return rc;
}

static int grow_map(struct store *store)
{
    MDB_envinfo facts;
    int rc = mdb_env_info(store->env, &facts);
    size_t size = facts.me_mapsize;

    if (rc != 0 || size >= store->limits.map_max)
        return rc != 0 ? rc : MDB_MAP_FULL;
    size = size > store->limits.map_max / 2 ? store->limits.map_max : size * 2;
    pthread_rwlock_wrlock(&store->reopening);
    rc = mdb_env_set_mapsize(store->env, size);
    pthread_rwlock_unlock(&store->reopening);
    return rc;
}

static int write_growing(struct store *store, const struct store_change *changes, size_t count)
{
    int rc = write_once(store, changes, count);

    while (rc == MDB_MAP_FULL && (rc = grow_map(store)) == 0)
        rc = write_once(store, changes, count);
    return rc;
}

static int reopen(struct store *store)
{
    int rc;

    pthread_rwlock_wrlock(&store->reopening);
    close_environment(store);
    rc = open_environment(store);
    pthread_rwlock_unlock(&store->reopening);
    return rc;
}

/* A failed commit leaves an environment that LMDB wants opened again, and one question: if the very
 * last write failed, the one of the new root, the change may be seen all the same. Then only
 * writing it once more tells what a restart will find. */
static int settle(struct store *store, const struct store_change *changes, size_t count, int failed)
{
    int rc = reopen(store);

    if (rc != 0 || last_txn(store) == store->last_txn)
        return failed;
    rc = write_growing(store, changes, count);
    if (rc == 0)
        return 0;
    store->is_doubtful = true;
    (void)reopen(store);
    return failed;
}

/* Where opening again has failed, it is tried again here. */
static int be_open(struct store *store)
{
    int rc = store->env != NULL ? 0 : reopen(store);

    if (rc == 0 && last_txn(store) != store->last_txn)
        store->is_doubtful = true;
    return rc;
}

int store_commit(struct store *store, const struct store_change *changes, size_t count,
                 struct reason *reterr_why)
{
    int rc = be_open(store);

    if (store->is_doubtful)
        return reason_set(reterr_why, -EIO,
                          "store %s: a disk error left open what is stored: check the disk, then "
                          "start Postern again",
                          store->directory);
    if (rc == 0)
        rc = write_growing(store, changes, count);
    if (rc != 0 && store->env != NULL)
        rc = settle(store, changes, count, rc);
    if (rc != 0)
        return reason_set(reterr_why, to_errno(rc), "store %s: cannot save: %s", store->directory,
                          mdb_strerror(rc));
    store->last_txn = last_txn(store);
    return 0;
}

/* ---- reading ---- */

/* Puts the cursor on the first entry that is behind `from`. */
static int seek(MDB_cursor *cursor, const char *from, bool is_back, MDB_val *key, MDB_val *value)
{
    int rc;

    if (from == NULL)
        return mdb_cursor_get(cursor, key, value, is_back ? MDB_LAST : MDB_FIRST);
    *key = (MDB_val){ strlen(from), (void *)from };
    rc = mdb_cursor_get(cursor, key, value, MDB_SET_RANGE); /* the first that is not before it */
    if (is_back)
        return mdb_cursor_get(cursor, key, value, rc == MDB_NOTFOUND ? MDB_LAST : MDB_PREV);
    if (rc == 0 && key->mv_size == strlen(from) && memcmp(key->mv_data, from, key->mv_size) == 0)
        rc = mdb_cursor_get(cursor, key, value, MDB_NEXT);
    return rc;
}

static int walk(MDB_cursor *cursor, const char *from, bool is_back, store_each *each, void *arg)
{
    MDB_val key = { 0, NULL }, value = { 0, NULL };
    int rc = seek(cursor, from, is_back, &key, &value);

    while (rc == 0) {
        char text[STORE_KEY_MAX + 1];

        (void)snprintf(text, sizeof(text), "%.*s", (int)key.mv_size, (const char *)key.mv_data);
        if (each(text, value.mv_data, value.mv_size, arg) != 0)
            return 0;
        rc = mdb_cursor_get(cursor, &key, &value, is_back ? MDB_PREV : MDB_NEXT);
    }
    return rc == MDB_NOTFOUND ? 0 : rc;
}

int store_list(struct store *store, enum store_table table, const char *from,
               enum store_direction direction, store_each *each, void *arg)
{
    MDB_cursor *cursor = NULL;
    MDB_txn *txn = NULL;
    int rc = EIO;

    pthread_rwlock_rdlock(&store->reopening);
    if (store->env != NULL)
        rc = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &txn);
    if (rc == 0)
        rc = mdb_cursor_open(txn, store->tables[table], &cursor);
    if (rc == 0)
        rc = walk(cursor, from, direction == STORE_BACKWARDS, each, arg);
    if (cursor != NULL)
        mdb_cursor_close(cursor);
    if (txn != NULL)
        mdb_txn_abort(txn);
    pthread_rwlock_unlock(&store->reopening);
    return to_errno(rc);
}
