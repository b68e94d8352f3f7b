#include "stage.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE 4096U

/* A file that is kept open and mapped for the next image. */
struct prop {
    char path[256];
    int fd;
    ino_t ino;
    unsigned char *map;
    uint64_t mapped;
    bool is_wanted;
};

struct stage {
    int root_fd;
    struct prop *props;
    size_t count, room;
};

static void fail(const char *what, const char *path)
{
    (void)fprintf(stderr, "crash_points: %s %s: %s\n", what, path, strerror(errno));
    abort();
}

struct stage *stage_new(const char *root)
{
    struct stage *stage = calloc(1, sizeof(*stage));

    if (stage == NULL)
        abort();
    stage->root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (stage->root_fd < 0)
        fail("cannot open", root);
    return stage;
}

static void drop(struct prop *prop)
{
    if (prop->map != NULL)
        (void)munmap(prop->map, prop->mapped);
    close(prop->fd);
}

void stage_free(struct stage **stage)
{
    struct stage *s = *stage;

    if (s == NULL)
        return;
    for (size_t i = 0; i < s->count; i++)
        drop(&s->props[i]);
    free(s->props);
    close(s->root_fd);
    free(s);
    *stage = NULL;
}

/* ---- what does not belong there ---- */

static const struct image_item *find_item(const struct image *image, const char *path)
{
    for (size_t i = 0; i < image->count; i++) {
        if (strcmp(image->items[i].path, path) == 0)
            return &image->items[i];
    }
    return NULL;
}

static void clear_folder(const struct stage *stage, const struct image *image, const char *path)
{
    int fd =
        openat(stage->root_fd, path[0] != '\0' ? path : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *listing = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *entry;

    if (listing == NULL)
        fail("cannot list", path);
    while ((entry = readdir(listing)) != NULL) {
        const bool is_folder = entry->d_type == DT_DIR;
        const struct image_item *item;
        char inner[512];

        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        (void)snprintf(inner, sizeof(inner), "%s%s%s", path, path[0] != '\0' ? "/" : "",
                       entry->d_name);
        item = find_item(image, inner);
        if (is_folder)
            clear_folder(stage, image, inner);
        if ((item == NULL || item->is_folder != is_folder) &&
            unlinkat(stage->root_fd, inner, is_folder ? AT_REMOVEDIR : 0) < 0)
            fail("cannot remove", inner);
    }
    closedir(listing);
}

/* ---- what does ---- */

static void set_bytes(struct prop *prop, uint64_t bytes)
{
    struct stat status;

    if (fstat(prop->fd, &status) < 0)
        fail("cannot look at", prop->path);
    if ((uint64_t)status.st_size != bytes && ftruncate(prop->fd, (off_t)bytes) < 0)
        fail("cannot cut", prop->path);
    if (prop->mapped == bytes)
        return;
    if (prop->map != NULL)
        (void)munmap(prop->map, prop->mapped);
    prop->mapped = bytes;
    prop->map = NULL;
    if (bytes == 0)
        return;
    prop->map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, prop->fd, 0);
    if (prop->map == MAP_FAILED)
        fail("cannot map", prop->path);
}

static void set_content(struct prop *prop, const struct image_item *item)
{
    set_bytes(prop, item->bytes);
    for (uint64_t at = 0; at < item->bytes; at += PIECE) {
        const size_t part = item->bytes - at < PIECE ? (size_t)(item->bytes - at) : PIECE;

        if (memcmp(prop->map + at, item->data + at, part) != 0)
            memcpy(prop->map + at, item->data + at, part);
    }
}

static struct prop *find_prop(struct stage *stage, const char *path)
{
    struct prop *prop;

    for (size_t i = 0; i < stage->count; i++) {
        if (strcmp(stage->props[i].path, path) == 0)
            return &stage->props[i];
    }
    if (stage->count == stage->room) {
        stage->room = stage->room * 2 + 32;
        stage->props = reallocarray(stage->props, stage->room, sizeof(*stage->props));
        if (stage->props == NULL)
            abort();
    }
    prop = &stage->props[stage->count++];
    *prop = (struct prop){ .fd = -1 };
    strcpy(prop->path, path);
    return prop;
}

static void set_file(struct stage *stage, const struct image_item *item)
{
    struct prop *prop = find_prop(stage, item->path);
    struct stat status;

    if (prop->fd < 0 || fstatat(stage->root_fd, item->path, &status, AT_SYMLINK_NOFOLLOW) < 0 ||
        status.st_ino != prop->ino) {
        if (prop->fd >= 0)
            drop(prop);
        prop->map = NULL;
        prop->mapped = 0;
        prop->fd = openat(stage->root_fd, item->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (prop->fd < 0 || fstat(prop->fd, &status) < 0)
            fail("cannot make", item->path);
        prop->ino = status.st_ino;
    }
    prop->is_wanted = true;
    set_content(prop, item);
}

static void set_folder(const struct stage *stage, const struct image_item *item)
{
    if (mkdirat(stage->root_fd, item->path, 0700) < 0 && errno != EEXIST)
        fail("cannot make", item->path);
}

void stage_set(struct stage *stage, const struct image *image)
{
    for (size_t i = 0; i < stage->count; i++)
        stage->props[i].is_wanted = false;
    clear_folder(stage, image, "");
    for (size_t i = 0; i < image->count; i++) {
        if (image->items[i].is_folder)
            set_folder(stage, &image->items[i]);
        else
            set_file(stage, &image->items[i]);
    }
    for (size_t i = 0; i < stage->count;) {
        if (stage->props[i].is_wanted) {
            i++;
            continue;
        }
        drop(&stage->props[i]);
        stage->props[i] = stage->props[--stage->count];
    }
}
