#include <criterion/criterion.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "master/key_file.h"

static char directory[64], path[128];

static void make_directory(void)
{
    strcpy(directory, "/tmp/postern-key-XXXXXX");
    cr_assert_not_null(mkdtemp(directory));
    (void)snprintf(path, sizeof(path), "%s/store.key", directory);
}

static void remove_directory(void)
{
    char other[160];

    (void)snprintf(other, sizeof(other), "%s.new", path);
    (void)unlink(path);
    (void)unlink(other);
    (void)rmdir(directory);
}

TestSuite(key_file, .init = make_directory, .fini = remove_directory);

static struct secret_keys make_keys(unsigned count)
{
    struct secret_keys keys = { .count = count };

    for (unsigned i = 0; i < count; i++)
        cr_assert_eq(secret_key_make(&keys.keys[i]), 0);
    return keys;
}

static void write_keys(const struct secret_keys *keys)
{
    struct reason why;

    cr_assert_eq(key_file_write(path, keys, &why), 0, "%s", why.text);
}

static void expect_keys(const struct secret_keys *keys)
{
    struct secret_keys read;
    struct reason why = { "" };

    cr_assert_eq(key_file_read(path, &read, &why), 0, "%s", why.text);
    cr_assert_eq(read.count, keys->count);
    for (unsigned i = 0; i < keys->count; i++) {
        cr_assert_eq(read.keys[i].id, keys->keys[i].id);
        cr_assert_arr_eq(read.keys[i].bytes, keys->keys[i].bytes, SECRET_KEY_BYTES);
    }
}

/* The reason must name the file: an operator has to find it. */
static void expect_refused(int err)
{
    struct secret_keys read;
    struct reason why = { "" };
    int got = key_file_read(path, &read, &why);

    cr_assert_eq(got, err, "%d: %s", got, why.text);
    cr_assert_not_null(strstr(why.text, path));
}

static void write_text(const char *text, size_t bytes)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, text, bytes), (ssize_t)bytes);
    close(fd);
}

static unsigned count_files(void)
{
    DIR *dir = opendir(directory);
    unsigned count = 0;

    cr_assert_not_null(dir);
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count - 2;
}

Test(key_file, SP61_one_key_and_two_keys_are_read_as_written)
{
    struct secret_keys one = make_keys(1), two = make_keys(2);

    write_keys(&one);
    expect_keys(&one);
    write_keys(&two);
    expect_keys(&two);
    cr_assert_eq(count_files(), 1, "nothing is left beside it");
}

Test(key_file, SP61_it_is_made_with_mode_0600_whatever_the_umask)
{
    struct secret_keys keys = make_keys(1);
    struct stat facts;

    umask(0);
    write_keys(&keys);
    cr_assert_eq(stat(path, &facts), 0);
    cr_assert_eq(facts.st_mode & 07777, 0600);
    unlink(path);
    umask(0777);
    write_keys(&keys);
    cr_assert_eq(stat(path, &facts), 0);
    cr_assert_eq(facts.st_mode & 07777, 0600);
}

Test(key_file, SP61_loose_permissions_are_refused)
{
    static const mode_t loose[] = { 0604, 0602, 0601, 0620, 0610, 0666, 0777 };
    struct secret_keys keys = make_keys(1);

    write_keys(&keys);
    for (unsigned i = 0; i < sizeof(loose) / sizeof(loose[0]); i++) {
        cr_assert_eq(chmod(path, loose[i]), 0);
        expect_refused(-EPERM);
    }
    cr_assert_eq(chmod(path, 0400), 0);
    expect_keys(&keys);
}

Test(key_file, SP61_a_group_may_read_it_only_as_a_credential_of_root)
{
    struct secret_keys keys = make_keys(1);

    if (geteuid() != 0)
        cr_skip("needs root to give files away");
    write_keys(&keys);
    cr_assert_eq(chmod(path, 0440), 0);
    expect_keys(&keys);
    cr_assert_eq(chown(path, 0, 65534), 0);
    expect_refused(-EPERM);
    cr_assert_eq(chown(path, 65534, 0), 0);
    expect_refused(-EPERM);
    cr_assert_eq(chmod(path, 0600), 0); /* not ours */
    expect_refused(-EPERM);
}

Test(key_file, a_missing_one_is_told_from_a_wrong_one)
{
    expect_refused(-ENOENT);
    cr_assert_eq(mkdir(path, 0700), 0);
    expect_refused(-EPERM);
    cr_assert_eq(rmdir(path), 0);
    cr_assert_eq(mkfifo(path, 0600), 0); /* must not wait for a writer */
    expect_refused(-EPERM);
}

Test(key_file, SP61_what_is_no_key_file_is_refused)
{
    static const char line[] = "0000000a 00112233445566778899aabbccddeeff"
                               "00112233445566778899aabbccddeeff\n";
    char text[256];

    write_text("", 0);
    expect_refused(-EBADMSG);
    write_text("secret\n", 7);
    expect_refused(-EBADMSG);
    write_text(line, sizeof(line) - 1);
    {
        struct secret_keys read;

        cr_assert_eq(key_file_read(path, &read, NULL), 0);
        cr_assert_eq(read.keys[0].id, 10);
        cr_assert_eq(read.keys[0].bytes[1], 0x11);
    }
    for (size_t i = 0; i < sizeof(line) - 1; i++) { /* each character matters */
        memcpy(text, line, sizeof(line));
        text[i] = 'g';
        write_text(text, sizeof(line) - 1);
        expect_refused(-EBADMSG);
        write_text(line, i); /* cut short */
        expect_refused(-EBADMSG);
    }
    for (unsigned i = 0; i < 3; i++) /* three keys: none of ours */
        memcpy(text + i * (sizeof(line) - 1), line, sizeof(line));
    write_text(text, 3 * (sizeof(line) - 1));
    expect_refused(-EBADMSG);
    memcpy(text, line, sizeof(line));
    memset(text, '0', 8); /* no key has the id 0 */
    write_text(text, sizeof(line) - 1);
    expect_refused(-EBADMSG);
}

Test(key_file, SP61_a_full_disk_keeps_the_old_one)
{
    struct secret_keys old = make_keys(1), fresh = make_keys(2);
    struct rlimit limit = { 40, RLIM_INFINITY };
    struct reason why = { "" };

    write_keys(&old);
    signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    cr_assert_lt(key_file_write(path, &fresh, &why), 0);
    limit.rlim_cur = RLIM_INFINITY;
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    cr_assert_not_null(strstr(why.text, path));
    expect_keys(&old);
    cr_assert_eq(count_files(), 1, "nothing is left beside it");
}

Test(key_file, SP61_a_crash_while_writing_leaves_the_old_one_and_no_obstacle)
{
    struct secret_keys old = make_keys(1), fresh = make_keys(1);
    char neighbour[160];
    int fd;

    write_keys(&old);
    (void)snprintf(neighbour, sizeof(neighbour), "%s.new", path);
    fd = open(neighbour, O_WRONLY | O_CREAT, 0400);
    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, "half", 4), 4);
    close(fd);
    expect_keys(&old);
    write_keys(&fresh);
    expect_keys(&fresh);
}

Test(key_file, where_it_cannot_be_written_the_reason_names_it)
{
    struct secret_keys keys = make_keys(1);
    struct reason why = { "" };

    cr_assert_eq(key_file_write("/nonexistent/store.key", &keys, &why), -ENOENT);
    cr_assert_not_null(strstr(why.text, "/nonexistent/store.key"));
}
