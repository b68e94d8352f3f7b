#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "master/store.h"

/* ---- faults: these stand before the C library's for LMDB, too ---- */

#define META_BYTES 4096 /* the two roots are in the first two pages */

static bool fails_sync;
/* What becomes of the next writes of a root: '-' fails, '+' fails after it went through. Behind its
 * end: well. */
static const char *root_writes = "";

int fdatasync(int fd)
{
    if (fails_sync) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_fdatasync, fd);
}

static ssize_t write_really(int fd, const void *data, size_t bytes, off_t at)
{
    return syscall(SYS_pwrite64, fd, data, bytes, at);
}

ssize_t pwrite(int fd, const void *data, size_t bytes, off_t at)
{
    if (at < 2 * META_BYTES && *root_writes != '\0') {
        if (*root_writes++ == '+')
            (void)write_really(fd, data, bytes, at);
        errno = EIO;
        return -1;
    }
    return write_really(fd, data, bytes, at);
}

/* ---- */

static char directory[64], path[128];
static struct store *store;

static void open_with(size_t map_start, size_t map_max)
{
    struct reason why = { "" };
    int err = store_open(path, (struct store_limits){ map_start, map_max }, &store, &why);

    cr_assert_eq(err, 0, "%s", why.text);
}

static void start(void)
{
    strcpy(directory, "/tmp/postern-store-XXXXXX");
    cr_assert_not_null(mkdtemp(directory));
    (void)snprintf(path, sizeof(path), "%s/store", directory);
    open_with(1U << 20, 64U << 20);
}

static void stop(void)
{
    char command[128];

    store_close(&store);
    (void)snprintf(command, sizeof(command), "rm -rf %s", directory);
    cr_assert_eq(system(command), 0);
}

TestSuite(store, .init = start, .fini = stop, .timeout = 60);

static void open_again(void)
{
    store_close(&store);
    open_with(1U << 20, 64U << 20);
}

static struct store_change change_of(enum store_table table, const char *key, const char *value)
{
    struct store_change change = { .table = table, .value = (char *)value };

    strcpy(change.key, key);
    return change;
}

static int put(enum store_table table, const char *key, const char *value)
{
    struct store_change change = change_of(table, key, value);

    return store_commit(store, &change, 1, NULL);
}

struct page {
    char text[4096];
    unsigned left;
};

static int take(const char *key, const char *value, size_t bytes, void *arg)
{
    struct page *page = arg;

    (void)snprintf(page->text + strlen(page->text), sizeof(page->text) - strlen(page->text),
                   "%s=%.*s ", key, (int)(bytes < 20 ? bytes : 20), value);
    return --page->left == 0;
}

static void expect(enum store_table table, const char *from, enum store_direction direction,
                   unsigned limit, const char *wanted)
{
    struct page page = { .left = limit };

    cr_assert_eq(store_list(store, table, from, direction, take, &page), 0);
    cr_assert_str_eq(page.text, wanted);
}

Test(store, what_was_committed_is_there_after_opening_again)
{
    struct store_change set[] = { change_of(STORE_PROFILES, "a", "1"),
                                  change_of(STORE_RULES, "a", "2"),
                                  change_of(STORE_META, "m", "3") };

    cr_assert_eq(store_commit(store, set, 3, NULL), 0);
    open_again();
    expect(STORE_PROFILES, NULL, STORE_FORWARDS, 10, "a=1 ");
    expect(STORE_RULES, NULL, STORE_FORWARDS, 10, "a=2 ");
    expect(STORE_META, NULL, STORE_FORWARDS, 10, "m=3 ");
    expect(STORE_AUDIT, NULL, STORE_FORWARDS, 10, "");
}

Test(store, a_set_replaces_and_deletes_in_order)
{
    struct store_change set[] = { change_of(STORE_SETTINGS, "a", "old"),
                                  change_of(STORE_SETTINGS, "b", "old"),
                                  change_of(STORE_SETTINGS, "a", "new"),
                                  change_of(STORE_SETTINGS, "b", NULL),
                                  change_of(STORE_SETTINGS, "never there", NULL) };

    cr_assert_eq(store_commit(store, set, 5, NULL), 0);
    expect(STORE_SETTINGS, NULL, STORE_FORWARDS, 10, "a=new ");
}

Test(store, numbers_as_keys_sort_by_value)
{
    static const uint64_t numbers[] = { 0, 9, 10, 255, 256, 4294967296, UINT64_MAX };
    char last[STORE_KEY_MAX + 1] = "", key[STORE_KEY_MAX + 1];

    for (unsigned i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        store_number_key(numbers[i], key);
        cr_assert_gt(strcmp(key, last), 0);
        cr_assert_eq(store_key_number(key), numbers[i]);
        strcpy(last, key);
    }
}

Test(store, lists_page_by_page_in_both_directions)
{
    static const char *const keys[] = { "b", "d", "f" };

    for (unsigned i = 0; i < 3; i++)
        cr_assert_eq(put(STORE_AUDIT, keys[i], ""), 0);
    expect(STORE_AUDIT, NULL, STORE_FORWARDS, 2, "b= d= ");
    expect(STORE_AUDIT, "d", STORE_FORWARDS, 9, "f= ");
    expect(STORE_AUDIT, "c", STORE_FORWARDS, 9, "d= f= ");
    expect(STORE_AUDIT, "a", STORE_FORWARDS, 1, "b= ");
    expect(STORE_AUDIT, "f", STORE_FORWARDS, 9, "");
    expect(STORE_AUDIT, "z", STORE_FORWARDS, 9, "");
    expect(STORE_AUDIT, NULL, STORE_BACKWARDS, 2, "f= d= ");
    expect(STORE_AUDIT, "d", STORE_BACKWARDS, 9, "b= ");
    expect(STORE_AUDIT, "e", STORE_BACKWARDS, 9, "d= b= ");
    expect(STORE_AUDIT, "z", STORE_BACKWARDS, 1, "f= ");
    expect(STORE_AUDIT, "b", STORE_BACKWARDS, 9, "");
    expect(STORE_AUDIT, "a", STORE_BACKWARDS, 9, "");
}

static char *make_text(size_t bytes)
{
    char *text = malloc(bytes + 1);

    cr_assert_not_null(text);
    memset(text, 'x', bytes);
    text[bytes] = '\0';
    return text;
}

Test(store, the_map_grows_as_needed)
{
    char *text = make_text(200000), key[16];

    for (unsigned i = 0; i < 50; i++) { /* ten times the map it began with */
        (void)snprintf(key, sizeof(key), "%03u", i);
        cr_assert_eq(put(STORE_META, key, text), 0);
    }
    open_again(); /* with a map that is smaller than the file */
    expect(STORE_META, NULL, STORE_FORWARDS, 1, "000=xxxxxxxxxxxxxxxxxxxx ");
    expect(STORE_META, "048", STORE_FORWARDS, 9, "049=xxxxxxxxxxxxxxxxxxxx ");
    cr_assert_eq(put(STORE_META, "100", text), 0);
    free(text);
}

Test(store, SP54_beyond_the_largest_map_nothing_changes)
{
    char *text = make_text(3U << 20), *larger = make_text(100U << 20);
    struct store_change set[] = { change_of(STORE_PROFILES, "a", "new"),
                                  change_of(STORE_META, "big", larger) };
    struct reason why = { "" };

    cr_assert_eq(put(STORE_PROFILES, "a", "old"), 0);
    cr_assert_eq(store_commit(store, set, 2, &why), -ENOSPC);
    cr_assert_not_null(strstr(why.text, path), "%s", why.text);
    expect(STORE_PROFILES, NULL, STORE_FORWARDS, 9, "a=old ");
    expect(STORE_META, NULL, STORE_FORWARDS, 9, "");
    set[1].value = text; /* what fits still goes in */
    cr_assert_eq(store_commit(store, set, 2, NULL), 0);
    open_again();
    expect(STORE_PROFILES, NULL, STORE_FORWARDS, 9, "a=new ");
    free(text);
    free(larger);
}

/* The largest size a file may have stands in for a full disk: both refuse the same write. */
static void limit_files_to(rlim_t bytes)
{
    struct rlimit limit;

    signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

Test(store, SP54_a_full_disk_keeps_the_old_version)
{
    char *text = make_text(500000), data[160];
    struct store_change set[] = { change_of(STORE_PROFILES, "a", "new"),
                                  change_of(STORE_META, "big", text) };
    struct reason why = { "" };
    struct stat facts;

    cr_assert_eq(put(STORE_PROFILES, "a", "old"), 0);
    (void)snprintf(data, sizeof(data), "%s/data.mdb", path);
    cr_assert_eq(stat(data, &facts), 0);
    limit_files_to((rlim_t)facts.st_size + 8192);
    for (unsigned i = 0; i < 3; i++) {
        cr_assert_lt(store_commit(store, set, 2, &why), 0);
        expect(STORE_PROFILES, NULL, STORE_FORWARDS, 9, "a=old ");
        expect(STORE_META, NULL, STORE_FORWARDS, 9, "");
    }
    cr_assert_neq(why.text[0], '\0');
    open_again();
    expect(STORE_PROFILES, NULL, STORE_FORWARDS, 9, "a=old ");
    expect(STORE_META, NULL, STORE_FORWARDS, 9, "");
    limit_files_to(RLIM_INFINITY); /* room again: the same store goes on */
    cr_assert_eq(store_commit(store, set, 2, NULL), 0);
    open_again();
    expect(STORE_PROFILES, NULL, STORE_FORWARDS, 9, "a=new ");
    free(text);
}

Test(store, SP54_a_failed_sync_keeps_the_old_version)
{
    cr_assert_eq(put(STORE_PROFILES, "a", "old"), 0);
    fails_sync = true;
    cr_assert_eq(put(STORE_PROFILES, "a", "new"), -EIO);
    expect(STORE_PROFILES, NULL, STORE_FORWARDS, 9, "a=old ");
    fails_sync = false;
    cr_assert_eq(put(STORE_PROFILES, "b", "1"), 0);
    open_again();
    expect(STORE_PROFILES, NULL, STORE_FORWARDS, 9, "a=old b=1 ");
}

Test(store, SP54_a_root_that_was_not_written_keeps_the_old_version)
{
    cr_assert_eq(put(STORE_PROFILES, "a", "old"), 0);
    root_writes = "-";
    cr_assert_lt(put(STORE_PROFILES, "a", "new"), 0);
    expect(STORE_PROFILES, NULL, STORE_FORWARDS, 9, "a=old ");
    root_writes = "+"; /* LMDB puts the old one back */
    cr_assert_lt(put(STORE_PROFILES, "a", "new"), 0);
    expect(STORE_PROFILES, NULL, STORE_FORWARDS, 9, "a=old ");
    cr_assert_eq(*root_writes, '\0');
    cr_assert_eq(put(STORE_PROFILES, "b", "1"), 0);
    open_again();
    expect(STORE_PROFILES, NULL, STORE_FORWARDS, 9, "a=old b=1 ");
}

/* LMDB could not put the old root back: the change is seen, so it is written once more. */
Test(store, SP54_what_is_seen_after_a_failure_is_made_sure)
{
    cr_assert_eq(put(STORE_PROFILES, "a", "old"), 0);
    root_writes = "+-";
    cr_assert_eq(put(STORE_PROFILES, "a", "new"), 0);
    cr_assert_eq(*root_writes, '\0');
    cr_assert_eq(put(STORE_PROFILES, "b", "1"), 0);
    open_again();
    expect(STORE_PROFILES, NULL, STORE_FORWARDS, 9, "a=new b=1 ");
}

Test(store, SP54_when_it_is_open_which_version_holds_nothing_more_is_written)
{
    struct store_change more = change_of(STORE_PROFILES, "b", "1");
    struct reason why = { "" };

    cr_assert_eq(put(STORE_PROFILES, "a", "old"), 0);
    root_writes = "+---";
    cr_assert_lt(put(STORE_PROFILES, "a", "new"), 0);
    cr_assert_eq(*root_writes, '\0');
    cr_assert_eq(store_commit(store, &more, 1, &why), -EIO);
    cr_assert_not_null(strstr(why.text, "check the disk"), "%s", why.text);
    expect(STORE_PROFILES, "a", STORE_FORWARDS, 9, "");
    open_again();
    cr_assert_eq(store_commit(store, &more, 1, &why), 0, "%s", why.text);
}

static unsigned failures_left;

static void *list_all_the_time(void *arg)
{
    atomic_bool *stop_now = arg;

    while (!atomic_load(stop_now)) {
        struct page page = { .left = 3 };

        if (store_list(store, STORE_AUDIT, NULL, STORE_BACKWARDS, take, &page) != 0)
            failures_left++;
    }
    return NULL;
}

/* The loop lists while the I/O thread commits, grows the map and opens anew. */
Test(store, lists_beside_commits_growth_and_failures)
{
    char *text = make_text(60000), key[STORE_KEY_MAX + 1];
    atomic_bool stop_now = false;
    pthread_t reader;

    cr_assert_eq(pthread_create(&reader, NULL, list_all_the_time, &stop_now), 0);
    for (unsigned i = 0; i < 100; i++) {
        store_number_key(i, key);
        if (i % 10 == 5) {
            fails_sync = true;
            cr_expect_eq(put(STORE_AUDIT, "ffff", text), -EIO);
            fails_sync = false;
        }
        cr_expect_eq(put(STORE_AUDIT, key, text), 0);
    }
    atomic_store(&stop_now, true);
    pthread_join(reader, NULL);
    cr_assert_eq(failures_left, 0);
    expect(STORE_AUDIT, NULL, STORE_BACKWARDS, 1, "0000000000000063=xxxxxxxxxxxxxxxxxxxx ");
    free(text);
}

Test(store, no_reader_makes_the_file_grow)
{
    char *text = make_text(3000), data[160];
    struct stat facts;

    for (unsigned i = 0; i < 500; i++) {
        cr_assert_eq(put(STORE_META, "same", text), 0);
        expect(STORE_META, NULL, STORE_FORWARDS, 1, "same=xxxxxxxxxxxxxxxxxxxx ");
    }
    (void)snprintf(data, sizeof(data), "%s/data.mdb", path);
    cr_assert_eq(stat(data, &facts), 0);
    cr_assert_lt(facts.st_size, 200000);
    free(text);
}

Test(store, its_files_are_ours_alone)
{
    struct stat facts;
    char data[160];

    cr_assert_eq(stat(path, &facts), 0);
    cr_assert_eq(facts.st_mode & 07777, 0700);
    (void)snprintf(data, sizeof(data), "%s/data.mdb", path);
    cr_assert_eq(stat(data, &facts), 0);
    cr_assert_eq(facts.st_mode & 07777, 0600);
}

Test(store, what_is_no_store_is_refused_and_named)
{
    struct reason why = { "" };
    char data[160];
    int fd;

    store_close(&store);
    (void)snprintf(data, sizeof(data), "%s/data.mdb", path);
    fd = open(data, O_WRONLY | O_TRUNC);
    for (unsigned i = 0; i < 1000; i++)
        cr_assert_eq(write(fd, "no database at all ", 19), 19);
    close(fd);
    cr_assert_eq(store_open(path, STORE_LIMITS, &store, &why), -EBADMSG);
    cr_assert_not_null(strstr(why.text, path));
    cr_assert_null(store);
    cr_assert_eq(store_open("/nonexistent/store", STORE_LIMITS, &store, &why), -ENOENT);
}
