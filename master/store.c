#include "master/store.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <lmdb.h>

struct store {
    /* Held for writing only while the map grows or the environment is opened again, which LMDB
     * wants to have no transaction beside it: a reader in the loop never waits for a sync. */
    pthread_rwlock_t reopening;
    MDB_env *env;
    MDB_dbi tables[STORE_TABLE_COUNT];
    size_t map_bytes;
    char directory[4096];
};

static const char *const table_names[STORE_TABLE_COUNT] = {
    [STORE_PROFILES] = "profiles", [STORE_RULES] = "rules", [STORE_SETTINGS] = "settings",
    [STORE_ACCOUNTS] = "accounts", [STORE_AUDIT] = "audit", [STORE_META] = "meta",
};

/* LMDB mixes its own negative codes with errno values. */
static int to_errno(int rc)
{
    if (rc == 0)
        return 0;
    if (rc == MDB_MAP_FULL)
        return -ENOSPC;
    if (rc == MDB_NOTFOUND)
        return -ENOENT;
    return rc > 0 ? -rc : -EIO;
}

static int fail(struct reason *reterr_why, const char *what, int rc)
{
    return reason_set(reterr_why, to_errno(rc), "store: %s: %s", what, mdb_strerror(rc));
}

void store_number_key(uint64_t number, char *out_key)
{
    (void)snprintf(out_key, STORE_KEY_MAX, "%016llx", (unsigned long long)number);
}

uint64_t store_key_number(const char *key)
{
    return strtoull(key, NULL, 16);
}

static int open_tables(struct store *store)
{
    MDB_txn *txn;
    int rc = mdb_txn_begin(store->env, NULL, 0, &txn);

    for (unsigned i = 0; i < STORE_TABLE_COUNT && rc == 0; i++) {
        rc = mdb_dbi_open(txn, table_names[i], MDB_CREATE, &store->tables[i]);
        if (rc != 0)
            mdb_txn_abort(txn);
    }
    return rc == 0 ? mdb_txn_commit(txn) : rc;
}

static int open_environment(struct store *store)
{
    int dead, rc = mdb_env_create(&store->env);

    if (rc == 0)
        rc = mdb_env_set_maxdbs(store->env, STORE_TABLE_COUNT);
    if (rc == 0)
        rc = mdb_env_set_mapsize(store->env, store->map_bytes);
    if (rc == 0)
        rc = mdb_env_open(store->env, store->directory, MDB_NOTLS, 0600);
    if (rc == 0)
        rc = mdb_reader_check(store->env, &dead);
    if (rc == 0)
        rc = open_tables(store);
    if (rc != 0 && store->env != NULL) {
        mdb_env_close(store->env);
        store->env = NULL;
    }
    return rc;
}

int store_open(const char *directory, struct store **ret_store, struct reason *reterr_why)
{
    struct store *store = calloc(1, sizeof(*store));
    int rc;

    if (store == NULL)
        return reason_set(reterr_why, -ENOMEM, "store: out of memory");
    (void)snprintf(store->directory, sizeof(store->directory), "%s", directory);
    store->map_bytes = STORE_MAP_START;
    pthread_rwlock_init(&store->reopening, NULL);
    if (mkdir(directory, 0700) < 0 && errno != EEXIST)
        rc = errno;
    else
        rc = open_environment(store);
    if (rc != 0) {
        free(store);
        return fail(reterr_why, directory, rc);
    }
    *ret_store = store;
    return 0;
}

void store_close(struct store **store)
{
    if (*store == NULL)
        return;
    if ((*store)->env != NULL)
        mdb_env_close((*store)->env);
    pthread_rwlock_destroy(&(*store)->reopening);
    free(*store);
    *store = NULL;
}

static int apply(struct store *store, MDB_txn *txn, const struct store_change *change)
{
    MDB_val key = { strlen(change->key), (void *)change->key };
    MDB_val value;
    int rc;

    if (change->value == NULL) {
        rc = mdb_del(txn, store->tables[change->table], &key, NULL);
        return rc == MDB_NOTFOUND ? 0 : rc;
    }
    value = (MDB_val){ strlen(change->value), change->value };
    return mdb_put(txn, store->tables[change->table], &key, &value, 0);
}

static int write_once(struct store *store, const struct store_change *changes, size_t count)
{
    MDB_txn *txn;
    int rc = mdb_txn_begin(store->env, NULL, 0, &txn);

    if (rc != 0)
        return rc;
    for (size_t i = 0; i < count && rc == 0; i++)
        rc = apply(store, txn, &changes[i]);
    if (rc != 0) {
        mdb_txn_abort(txn);
        return rc;
    }
    return mdb_txn_commit(txn);
}

static int grow_map(struct store *store)
{
    int rc;

    pthread_rwlock_wrlock(&store->reopening);
    store->map_bytes *= 2;
    rc = mdb_env_set_mapsize(store->env, store->map_bytes);
    pthread_rwlock_unlock(&store->reopening);
    return rc;
}

/* After a failed commit LMDB wants the environment opened again. */
static int reopen(struct store *store)
{
    int rc;

    pthread_rwlock_wrlock(&store->reopening);
    if (store->env != NULL)
        mdb_env_close(store->env);
    store->env = NULL;
    rc = open_environment(store);
    pthread_rwlock_unlock(&store->reopening);
    return rc;
}

int store_commit(struct store *store, const struct store_change *changes, size_t count,
                 struct reason *reterr_why)
{
    int rc = store->env != NULL ? 0 : reopen(store);

    if (rc == 0)
        rc = write_once(store, changes, count);
    while (rc == MDB_MAP_FULL && store->map_bytes < STORE_MAP_MAX) {
        rc = grow_map(store);
        if (rc == 0)
            rc = write_once(store, changes, count);
    }
    if (rc == 0)
        return 0;
    (void)reopen(store);
    return fail(reterr_why, "cannot save", rc);
}

int store_list(struct store *store, enum store_table table, const char *from, int backwards,
               store_each *each, void *arg)
{
    MDB_val key = { 0, NULL }, value;
    MDB_cursor *cursor = NULL;
    MDB_txn *txn = NULL;
    int rc, next;

    pthread_rwlock_rdlock(&store->reopening);
    rc = store->env != NULL ? 0 : EIO;
    if (rc == 0)
        rc = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &txn);
    if (rc == 0)
        rc = mdb_cursor_open(txn, store->tables[table], &cursor);
    next = backwards ? MDB_PREV : MDB_NEXT;
    if (rc == 0 && from != NULL) {
        key = (MDB_val){ strlen(from), (void *)from };
        rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
        if (rc == MDB_NOTFOUND && backwards)
            rc = mdb_cursor_get(cursor, &key, &value, MDB_LAST);
        else if (rc == 0 && (backwards || (key.mv_size == strlen(from) &&
                                           memcmp(key.mv_data, from, key.mv_size) == 0)))
            rc = mdb_cursor_get(cursor, &key, &value, (MDB_cursor_op)next);
    } else if (rc == 0) {
        rc = mdb_cursor_get(cursor, &key, &value, backwards ? MDB_LAST : MDB_FIRST);
    }
    while (rc == 0) {
        char text[STORE_KEY_MAX + 1];

        (void)snprintf(text, sizeof(text), "%.*s", (int)key.mv_size, (const char *)key.mv_data);
        if (each(text, value.mv_data, value.mv_size, arg) != 0)
            break;
        rc = mdb_cursor_get(cursor, &key, &value, (MDB_cursor_op)next);
    }
    if (cursor != NULL)
        mdb_cursor_close(cursor);
    if (txn != NULL)
        mdb_txn_abort(txn);
    pthread_rwlock_unlock(&store->reopening);
    return rc == MDB_NOTFOUND ? 0 : to_errno(rc);
}
