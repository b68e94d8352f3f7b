#include "record_private.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"

#define ENTRIES_MAX (1U << 20)
#define NODES_MAX   65536U
#define PATH_SIZE   4096

struct node {
    dev_t dev;
    ino_t ino;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_bool is_on;
static struct node nodes[NODES_MAX];
static uint32_t node_count;
static struct record_entry *entries; /* room for ENTRIES_MAX, of which only what is used costs */
static size_t entry_count;

bool record_is_on(void)
{
    return atomic_load(&is_on);
}

void record_lock(void)
{
    pthread_mutex_lock(&lock);
}

void record_unlock(void)
{
    pthread_mutex_unlock(&lock);
}

/* ---- nodes ---- */

static uint32_t find_node(const struct stat *status)
{
    for (uint32_t i = node_count; i-- > 0;) { /* a number may be used again for a newer file */
        if (nodes[i].ino == status->st_ino && nodes[i].dev == status->st_dev)
            return i;
    }
    return RECORD_NO_NODE;
}

uint32_t record_add_node(const struct stat *status)
{
    if (node_count == NODES_MAX)
        abort();
    nodes[node_count] = (struct node){ .dev = status->st_dev, .ino = status->st_ino };
    return node_count++;
}

uint32_t record_find_fd(int fd)
{
    struct stat status;

    return fstat(fd, &status) == 0 ? find_node(&status) : RECORD_NO_NODE;
}

uint32_t record_find_path(int at, const char *path)
{
    struct stat status;
    const bool is_there = fstatat(at, path, &status, AT_SYMLINK_NOFOLLOW) == 0;

    return is_there ? find_node(&status) : RECORD_NO_NODE;
}

uint32_t record_find_folder(int at, const char *path, const char **ret_name)
{
    const char *slash = strrchr(path, '/');
    char folder[PATH_SIZE] = ".";

    *ret_name = slash != NULL ? slash + 1 : path;
    if (slash != NULL)
        (void)snprintf(folder, sizeof(folder), "%.*s", (int)(slash - path), path);
    return record_find_path(at, folder);
}

/* ---- entries ---- */

size_t record_count(void)
{
    return entry_count;
}

struct record_entry *record_add(enum record_what what, uint32_t node)
{
    struct record_entry *entry = &entries[entry_count];

    if (entry_count == ENTRIES_MAX)
        abort();
    *entry = (struct record_entry){
        .what = what, .node = node, .folder = RECORD_NO_NODE, .at_us = clock_mono_us()
    };
    entry_count++;
    return entry;
}

struct record_entry *record_add_name(enum record_what what, uint32_t node, uint32_t folder,
                                     const char *name)
{
    struct record_entry *entry = record_add(what, node);

    if (strlen(name) >= RECORD_NAME_SIZE)
        abort();
    entry->folder = folder;
    strcpy(entry->name, name);
    return entry;
}

void record_add_write(uint32_t node, const struct iovec *parts, int count, uint64_t offset,
                      size_t bytes)
{
    struct record_entry *entry = record_add(RECORD_WRITE, node);
    size_t done = 0;

    entry->offset = offset;
    entry->bytes = bytes;
    entry->data = malloc(bytes > 0 ? bytes : 1);
    if (entry->data == NULL)
        abort();
    for (int i = 0; i < count && done < bytes; i++) {
        const size_t part = parts[i].iov_len < bytes - done ? parts[i].iov_len : bytes - done;

        memcpy(entry->data + done, parts[i].iov_base, part);
        done += part;
    }
}

/* ---- what is there already ---- */

static void import_file(const char *path, uint32_t node, uint64_t bytes)
{
    unsigned char *data = calloc(1, bytes > 0 ? bytes : 1);
    const struct iovec part = { .iov_base = data, .iov_len = bytes };
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (data == NULL || fd < 0 || pread(fd, data, bytes, 0) != (ssize_t)bytes)
        abort();
    record_add_write(node, &part, 1, 0, bytes);
    close(fd);
    free(data);
}

static void import_folder(const char *path, uint32_t folder)
{
    DIR *listing = opendir(path);
    struct dirent *item;

    if (listing == NULL)
        abort();
    while ((item = readdir(listing)) != NULL) {
        char inner[PATH_SIZE];
        struct stat status;
        uint32_t node;
        int n = snprintf(inner, sizeof(inner), "%s/%s", path, item->d_name);

        if (strcmp(item->d_name, ".") == 0 || strcmp(item->d_name, "..") == 0)
            continue;
        if (n >= (int)sizeof(inner) || lstat(inner, &status) < 0)
            abort();
        node = record_add_node(&status);
        record_add_name(RECORD_CREATE, node, folder, item->d_name)->is_folder =
            S_ISDIR(status.st_mode);
        if (S_ISDIR(status.st_mode))
            import_folder(inner, node);
        else
            import_file(inner, node, (uint64_t)status.st_size);
    }
    closedir(listing);
}

/* ---- the public side ---- */

void record_begin(const char *root)
{
    struct stat status;

    if (entries == NULL)
        entries = calloc(ENTRIES_MAX, sizeof(*entries));
    if (entries == NULL || stat(root, &status) < 0)
        abort();
    for (size_t i = 0; i < entry_count; i++)
        free(entries[i].data);
    entry_count = node_count = 0;
    (void)record_add_node(&status);
    import_folder(root, RECORD_ROOT);
    (void)record_add(RECORD_SETTLED, RECORD_ROOT);
    atomic_store(&is_on, true);
}

void record_end(void)
{
    atomic_store(&is_on, false);
}

size_t record_position(void)
{
    size_t position;

    record_lock();
    position = entry_count;
    record_unlock();
    return position;
}

const struct record_entry *record_at(size_t index)
{
    return &entries[index];
}

uint32_t record_node_of(int fd)
{
    uint32_t node;

    record_lock();
    node = record_find_fd(fd);
    record_unlock();
    return node;
}
