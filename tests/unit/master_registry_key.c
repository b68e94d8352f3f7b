/* Keys: missing, wrong, rotated, and a rotation that was cut off after every step. */
#include "registry_helper.h"

#include "master/key_file.h"
#include "master/registry_private.h"

TestSuite(registry_key, .init = start_registry, .fini = stop_registry, .timeout = 60);

static uint32_t have_secret(const char *name, const char *secret)
{
    return have_profile(json_of("{'name': '%s', 'type': 'core', 'servers': ['1.1.1.1'], 'api_key': "
                                "'%s'}",
                                name, secret));
}

static struct secret_keys read_keys(void)
{
    struct secret_keys keys;
    struct reason why = { "" };

    cr_assert_eq(key_file_read(key_path, &keys, &why), 0, "%s", why.text);
    return keys;
}

static void write_keys(const struct secret_keys *keys)
{
    cr_assert_eq(key_file_write(key_path, keys, NULL), 0);
}

/* How many sealed values in the store name this key. */
static unsigned count_sealed_with(uint32_t key)
{
    unsigned count = 0;

    for (size_t i = 0; i < registry->now.profiles.count; i++) {
        const struct registry_profile *entry = state_profile_at(&registry->now, i);

        for (unsigned k = 0; k < SECRET_COUNT; k++)
            count += entry->sealed[k] != NULL && secret_key_id(entry->sealed[k]) == key;
    }
    return count;
}

Test(registry_key, SP61_the_key_file_is_made_at_first_start_and_kept)
{
    struct secret_keys first = read_keys(), again;
    struct stat facts;

    cr_assert_eq(first.count, 1);
    cr_assert_eq(stat(key_path, &facts), 0);
    cr_assert_eq(facts.st_mode & 07777, 0600);
    have_secret("a", "one");
    reopen_registry();
    again = read_keys();
    cr_assert_eq(again.keys[0].id, first.keys[0].id);
}

/* The reason names the file; neither the store nor the key file is touched. */
static void expect_start_refused(int err)
{
    struct reason why = { "" };
    size_t before_bytes, after_bytes;
    char *before = read_store(&before_bytes), *after;
    int got = try_open(&why);

    cr_assert_eq(got, err, "%d: %s", got, why.text);
    cr_assert_null(registry);
    cr_assert_not_null(strstr(why.text, key_path), "%s", why.text);
    after = read_store(&after_bytes);
    cr_assert_eq(before_bytes, after_bytes);
    cr_assert_eq(memcmp(before, after, before_bytes), 0);
    free(before);
    free(after);
}

Test(registry_key, SP61_a_missing_key_refuses_the_start_and_changes_nothing)
{
    uint32_t id = have_secret("a", "one");
    struct secret_keys keys = read_keys();

    close_registry();
    cr_assert_eq(unlink(key_path), 0);
    expect_start_refused(-ENOKEY);
    cr_assert_neq(access(key_path, F_OK), 0, "no other one was made");
    write_keys(&keys);
    open_registry();
    expect_secret(id, "api_key", "one");
}

Test(registry_key, SP61_a_wrong_key_refuses_the_start_and_changes_nothing)
{
    struct secret_keys keys, wrong = { .count = 1 };
    uint32_t id = have_secret("a", "one");

    close_registry();
    keys = read_keys();
    cr_assert_eq(secret_key_make(&wrong.keys[0]), 0);
    write_keys(&wrong);
    expect_start_refused(-ENOKEY);
    wrong.keys[0].id = keys.keys[0].id; /* the right name, other bytes */
    write_keys(&wrong);
    expect_start_refused(-EBADMSG);
    write_whole(key_path, "garbage", 7);
    expect_start_refused(-EBADMSG);
    write_keys(&keys);
    cr_assert_eq(chmod(key_path, 0644), 0);
    expect_start_refused(-EPERM);
    write_keys(&keys);
    open_registry();
    expect_secret(id, "api_key", "one");
}

Test(registry_key, SP61_without_any_secret_a_missing_key_is_made_anew)
{
    have_smtp("a");
    close_registry();
    cr_assert_eq(unlink(key_path), 0);
    open_registry();
    cr_assert_not_null(registry_profile_named(registry, "a"));
    cr_assert_eq(read_keys().count, 1);
}

/* Somebody writes into the store itself: a sealed value is bound to its profile and property. */
Test(registry_key, SP61_a_sealed_value_that_was_moved_refuses_the_start)
{
    uint32_t one = have_secret("a", "one"), two = have_secret("b", "two");
    struct registry_profile *from = state_profile(&registry->now, one);
    struct registry_profile *to = state_profile(&registry->now, two);
    struct store_change change = { .table = STORE_PROFILES };
    struct store *store = NULL;
    char path[128], *kept = to->sealed[SECRET_API_KEY];
    json_t *record;

    to->sealed[SECRET_API_KEY] = strdup(from->sealed[SECRET_API_KEY]);
    record = registry_profile_to_record(to);
    free(kept);
    change.value = json_dumps(record, 0);
    json_decref(record);
    store_number_key(two, change.key);
    close_registry();
    (void)snprintf(path, sizeof(path), "%s/state/store", directory);
    cr_assert_eq(store_open(path, STORE_LIMITS, &store, NULL), 0);
    cr_assert_eq(store_commit(store, &change, 1, NULL), 0);
    store_close(&store);
    free(change.value);
    expect_start_refused(-EBADMSG);
    cr_assert_eq(try_open(NULL), -EBADMSG);
}

/* ---- rotation ---- */

Test(registry_key, SP61_rotation_reseals_everything_and_drops_the_old_key)
{
    uint32_t one = have_secret("a", "one"), two = have_secret("b", "two");
    uint64_t version = registry_profile(registry, one)->version;
    struct secret_keys before = read_keys(), after;

    have_smtp("c"); /* has none */
    EXPECT(rotate_key(), REGISTRY_OK);
    after = read_keys();
    cr_assert_eq(after.count, 1);
    cr_assert_neq(after.keys[0].id, before.keys[0].id);
    for (unsigned round = 0; round < 2; round++) {
        cr_assert_eq(count_sealed_with(after.keys[0].id), 2);
        cr_assert_eq(count_sealed_with(before.keys[0].id), 0);
        cr_assert_eq(registry_profile(registry, one)->version, version, "no edit for anybody");
        expect_secret(one, "api_key", "one");
        expect_secret(two, "api_key", "two");
        reopen_registry();
    }
    have_secret("d", "three");
    EXPECT(rotate_key(), REGISTRY_OK);
    EXPECT(rotate_key(), REGISTRY_OK);
    reopen_registry();
    expect_secret(one, "api_key", "one");
    cr_assert_eq(read_keys().count, 1);
}

static void count_change(uint32_t profile, bool gone, void *arg)
{
    unsigned *changes = arg;

    (void)profile;
    (void)gone;
    (*changes)++;
}

/* Workers hold the secrets in clear: to them a profile is the same under whatever key. */
Test(registry_key, SP61_a_rotation_is_no_change_for_workers)
{
    uint32_t one = have_secret("a", "one");
    unsigned changes = 0;

    registry_watch(registry, count_change, &changes);
    EXPECT(rotate_key(), REGISTRY_OK);
    cr_assert_eq(changes, 0);
    expect_secret(one, "api_key", "one");
    have_secret("a", "two");
    cr_assert_eq(changes, 1);
}

/* A registry at the point where a crash after step `steps` (0 to 3) of a rotation leaves it. */
static void cut_rotation_after(unsigned steps)
{
    size_t bytes;
    char *store;
    struct secret_keys old = read_keys(), both = { .count = 2 };

    store = read_store(&bytes);
    EXPECT(rotate_key(), REGISTRY_OK);
    both.keys[0] = read_keys().keys[0];
    both.keys[1] = old.keys[0];
    close_registry();
    if (steps < 3)
        write_keys(steps == 0 ? &old : &both);
    if (steps < 2) {
        char path[128];

        (void)snprintf(path, sizeof(path), "%s/state/store/data.mdb", directory);
        write_whole(path, store, bytes);
    }
    free(store);
}

Test(registry_key, SP61_rotation_cut_off_after_any_step_leaves_everything_readable)
{
    for (unsigned steps = 0; steps <= 3; steps++) {
        char name[2] = { (char)('a' + steps), '\0' };
        uint32_t old, id = have_secret(name, "secret");

        old = read_keys().keys[0].id;
        cut_rotation_after(steps);
        open_registry();
        for (size_t i = 0; i < registry_profile_count(registry); i++)
            expect_secret(registry_profile_at(registry, i)->id, "api_key", "secret");
        /* What was begun is finished. */
        cr_assert_eq(read_keys().count, 1);
        cr_assert_eq(count_sealed_with(read_keys().keys[0].id), steps + 1);
        cr_assert_eq(read_keys().keys[0].id == old, steps == 0);
        EXPECT(
            put_profile(json_of("{'name': '%s', 'type': 'core', 'servers': ['1.1.1.1']}", name), 0),
            REGISTRY_OK);
        reopen_registry();
        expect_secret(id, "api_key", "secret");
    }
}

static void expect_warning(const char *text, bool is_there)
{
    json_t *list = registry_warnings(registry);

    cr_assert_eq(json_has_text(list, text), is_there, "%s", text);
    json_decref(list);
}

/* The key file's directory is gone: no step that writes it works. */
static void hide_key_directory(bool is_hidden)
{
    static char elsewhere[128];

    if (is_hidden) {
        (void)snprintf(elsewhere, sizeof(elsewhere), "%s/gone/store.key", directory);
        free(registry->key_path);
        registry->key_path = strdup(elsewhere);
    } else {
        free(registry->key_path);
        registry->key_path = strdup(key_path);
    }
}

Test(registry_key, SP61_a_key_file_that_cannot_be_written_refuses_the_rotation)
{
    uint32_t id = have_secret("a", "one");
    struct secret_keys before = read_keys();
    struct told told;

    hide_key_directory(true);
    told = rotate_key();
    EXPECT(told, REGISTRY_STORE);
    cr_assert_not_null(strstr(told.why, "key_file"), "%s", told.why);
    hide_key_directory(false);
    cr_assert_eq(read_keys().count, 1);
    cr_assert_eq(read_keys().keys[0].id, before.keys[0].id);
    cr_assert_eq(count_sealed_with(before.keys[0].id), 1);
    expect_secret(id, "api_key", "one");
    EXPECT(rotate_key(), REGISTRY_OK);
    reopen_registry();
    expect_secret(id, "api_key", "one");
}

/* ---- a store that cannot be written between the steps ---- */

static bool fails_sync;

int fdatasync(int fd)
{
    if (fails_sync) {
        errno = EIO;
        return -1;
    }
    return fsync(fd);
}

Test(registry_key, SP61_a_store_that_cannot_be_written_leaves_both_keys_and_the_next_one_finishes)
{
    uint32_t one = have_secret("a", "one"), two;
    struct secret_keys before = read_keys(), between;

    fails_sync = true;
    EXPECT(rotate_key(), REGISTRY_STORE);
    EXPECT(rotate_key(), REGISTRY_STORE); /* no third key pushes out the one in use */
    fails_sync = false;
    between = read_keys();
    cr_assert_eq(between.count, 2);
    cr_assert_eq(between.keys[1].id, before.keys[0].id);
    cr_assert_eq(count_sealed_with(before.keys[0].id), 1);
    expect_warning("rotate the key again", true);
    expect_secret(one, "api_key", "one");
    two = have_secret("b", "two"); /* under the new one already */
    expect_secret(two, "api_key", "two");
    EXPECT(rotate_key(), REGISTRY_OK);
    expect_warning("rotate the key again", false);
    cr_assert_eq(read_keys().count, 1);
    reopen_registry();
    expect_secret(one, "api_key", "one");
    expect_secret(two, "api_key", "two");
    cr_assert_eq(count_sealed_with(read_keys().keys[0].id), 2);
}

Test(registry_key, SP61_values_under_both_keys_are_read_and_brought_under_one)
{
    uint32_t one = have_secret("a", "one"), two;
    struct secret_keys both;

    cut_rotation_after(1);
    both = read_keys();
    fails_sync = true;
    open_registry(); /* cannot finish it now */
    fails_sync = false;
    two = have_secret("b", "two");
    cr_assert_eq(count_sealed_with(both.keys[0].id), 1);
    cr_assert_eq(count_sealed_with(both.keys[1].id), 1);
    reopen_registry();
    expect_secret(one, "api_key", "one");
    expect_secret(two, "api_key", "two");
    cr_assert_eq(count_sealed_with(both.keys[0].id), 2);
    cr_assert_eq(read_keys().count, 1);
}

Test(registry_key, SP61_a_crash_after_that_finishes_it_too)
{
    uint32_t id = have_secret("a", "one");

    fails_sync = true;
    EXPECT(rotate_key(), REGISTRY_STORE);
    close_registry();
    open_registry(); /* still no way to write: it starts all the same */
    expect_warning("rotate the key again", true);
    expect_secret(id, "api_key", "one");
    fails_sync = false;
    reopen_registry();
    expect_warning("rotate the key again", false);
    expect_secret(id, "api_key", "one");
    cr_assert_eq(read_keys().count, 1);
}

Test(registry_key, SP61_an_old_key_that_cannot_be_dropped_is_told_and_dropped_later)
{
    uint32_t id = have_secret("a", "one");
    struct secret_keys both;
    struct told told;

    fails_sync = true;
    EXPECT(rotate_key(), REGISTRY_STORE); /* step 1 is done */
    fails_sync = false;
    both = read_keys();
    hide_key_directory(true);
    told = rotate_key(); /* step 2 is done, step 3 is not */
    EXPECT(told, REGISTRY_STORE);
    cr_assert_not_null(strstr(told.why, "key_file"), "%s", told.why);
    hide_key_directory(false);
    cr_assert_eq(count_sealed_with(both.keys[0].id), 1, "what is committed is current");
    expect_secret(id, "api_key", "one");
    EXPECT(rotate_key(), REGISTRY_OK);
    cr_assert_eq(read_keys().count, 1);
    reopen_registry();
    expect_secret(id, "api_key", "one");
}
