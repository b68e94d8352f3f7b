#include "master/key_file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/auto.h"

enum { LINE_BYTES = 8 + 1 + 2 * SECRET_KEY_BYTES + 1, FILE_BYTES = LINE_BYTES * SECRET_KEYS_MAX };

static int parse_hex(const char *text, size_t digits, unsigned char *out)
{
    for (size_t i = 0; i < digits; i += 2) {
        unsigned value;
        char pair[3] = { text[i], text[i + 1], '\0' };

        if (strspn(pair, "0123456789abcdef") != 2 || sscanf(pair, "%2x", &value) != 1)
            return -EBADMSG;
        out[i / 2] = (unsigned char)value;
    }
    return 0;
}

static int parse_line(const char *line, struct secret_key *ret_key)
{
    unsigned char id[4];

    if (parse_hex(line, 8, id) < 0 || line[8] != ' ' ||
        parse_hex(line + 9, 2 * SECRET_KEY_BYTES, ret_key->bytes) < 0 ||
        line[LINE_BYTES - 1] != '\n')
        return -EBADMSG;
    ret_key->id = (uint32_t)id[0] << 24 | (uint32_t)id[1] << 16 | (uint32_t)id[2] << 8 | id[3];
    return ret_key->id != 0 ? 0 : -EBADMSG;
}

/* A systemd credential belongs to root and is given to us by an ACL, whose mask shows as group bits
 * of group root: that is not loose. */
static int check_facts(int fd, const char *path, struct reason *reterr_why)
{
    struct stat facts;
    mode_t loose;

    if (fstat(fd, &facts) < 0)
        return reason_set(reterr_why, -errno, "key_file %s: %s", path, strerror(errno));
    loose = facts.st_uid == 0 && facts.st_gid == 0 ? 037 : 077;
    if (!S_ISREG(facts.st_mode))
        return reason_set(reterr_why, -EPERM, "key_file %s: is not a regular file", path);
    if ((facts.st_mode & loose) != 0)
        return reason_set(reterr_why, -EPERM,
                          "key_file %s: has mode %04o, others could read it: it must be 0600", path,
                          (unsigned)(facts.st_mode & 07777));
    if (facts.st_uid != geteuid() && facts.st_uid != 0)
        return reason_set(reterr_why, -EPERM,
                          "key_file %s: belongs to user %u: it must be ours or root's", path,
                          (unsigned)facts.st_uid);
    return 0;
}

static int read_text(int fd, char *text, size_t size)
{
    size_t got = 0;

    while (got < size) {
        ssize_t n = read(fd, text + got, size - got);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        got += (size_t)n;
    }
    return (int)got;
}

static int parse(const char *text, int bytes, struct secret_keys *ret_keys)
{
    int err = 0;

    *ret_keys = (struct secret_keys){ 0 };
    if (bytes == 0 || bytes % LINE_BYTES != 0 || bytes > FILE_BYTES)
        return -EBADMSG;
    for (int at = 0; at < bytes && err == 0; at += LINE_BYTES)
        err = parse_line(text + at, &ret_keys->keys[ret_keys->count++]);
    if (err < 0)
        secret_wipe(ret_keys, sizeof(*ret_keys));
    return err;
}

int key_file_read(const char *path, struct secret_keys *ret_keys, struct reason *reterr_why)
{
    char text[FILE_BYTES + 1];
    AUTO(close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    int bytes, err;

    if (fd < 0)
        return reason_set(reterr_why, -errno, "key_file %s: %s", path, strerror(errno));
    err = check_facts(fd, path, reterr_why);
    if (err < 0)
        return err;
    bytes = read_text(fd, text, sizeof(text));
    if (bytes < 0)
        return reason_set(reterr_why, bytes, "key_file %s: %s", path, strerror(-bytes));
    err = parse(text, bytes, ret_keys);
    secret_wipe(text, sizeof(text));
    if (err < 0)
        return reason_set(reterr_why, err, "key_file %s: is not a key file of Postern", path);
    return 0;
}

static void format_line(const struct secret_key *key, char *out)
{
    (void)sprintf(out, "%08x ", key->id);
    for (unsigned i = 0; i < SECRET_KEY_BYTES; i++)
        (void)sprintf(out + 9 + 2 * i, "%02x", key->bytes[i]);
    out[LINE_BYTES - 1] = '\n';
}

static int sync_directory_of(const char *path)
{
    AUTO(free) char *copy = strdup(path);
    AUTO(close) int fd = -1;

    if (copy == NULL)
        return -ENOMEM;
    fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 && fsync(fd) == 0 ? 0 : -errno;
}

static int write_synced(const char *path, const char *text, size_t bytes)
{
    AUTO(close) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    ssize_t written;

    if (fd < 0 || fchmod(fd, 0600) < 0)
        return -errno;
    written = write(fd, text, bytes);
    if (written != (ssize_t)bytes)
        return written < 0 ? -errno : -ENOSPC;
    return fsync(fd) == 0 ? 0 : -errno;
}

static int replace(const char *path, const char *text, size_t bytes)
{
    AUTO(free) char *neighbour = NULL;
    int err;

    if (asprintf(&neighbour, "%s.new", path) < 0) {
        neighbour = NULL;
        return -ENOMEM;
    }
    (void)unlink(neighbour); /* left behind by a crash */
    err = write_synced(neighbour, text, bytes);
    if (err == 0 && rename(neighbour, path) < 0)
        err = -errno;
    if (err < 0)
        (void)unlink(neighbour);
    return err == 0 ? sync_directory_of(path) : err;
}

int key_file_write(const char *path, const struct secret_keys *keys, struct reason *reterr_why)
{
    char text[FILE_BYTES + 1];
    int err;

    for (unsigned i = 0; i < keys->count; i++)
        format_line(&keys->keys[i], text + (size_t)i * LINE_BYTES);
    err = replace(path, text, (size_t)keys->count * LINE_BYTES);
    secret_wipe(text, sizeof(text));
    if (err < 0)
        return reason_set(reterr_why, err, "key_file %s: cannot write it: %s", path,
                          strerror(-err));
    return 0;
}
