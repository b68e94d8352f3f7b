/* A compaction's files, all in the sync thread: the segment that is emptied, and the state files of
 * groups whose records stay where they are. */
#include "worker/compaction_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static int open_state_at(int slot_fd, uint32_t number)
{
    char name[SPOOL_NAME_SIZE];
    int fd = openat(slot_fd, spool_name(number, SPOOL_FILE_STATE, name),
                    O_RDWR | O_CLOEXEC | O_NOFOLLOW);

    return fd >= 0 ? fd : -errno;
}

/* States that cannot be read must not be taken for states that were never written. */
static int read_cells(struct compaction *c)
{
    const unsigned before = c->image.unreadable;
    int err = segment_image_read_cells(&c->image, c->slot_fd, c->segment);

    return err == 0 && c->image.unreadable > before ? -EIO : err;
}

/* The groups of a record beside each other, and those of one other state file. */
static int compare_places(const void *a, const void *b)
{
    const struct ipc_place *x = a, *y = b;

    if (x->slot != y->slot)
        return x->slot < y->slot ? -1 : 1;
    if (x->segment != y->segment)
        return x->segment < y->segment ? -1 : 1;
    if (x->offset != y->offset)
        return x->offset < y->offset ? -1 : 1;
    return x->group < y->group ? -1 : x->group > y->group;
}

int compaction_open(struct compaction *c, const struct spool_disk *disk)
{
    int err;

    if (c->slot == disk->dir->slot && spool_disk_is_writing(disk, c->segment))
        return -EBUSY; /* the copies would be written to where they come from */
    qsort(c->places, c->count, sizeof(*c->places), compare_places);
    c->slot_fd = spool_disk_open_slot(disk, c->slot);
    if (c->slot_fd < 0)
        return c->slot_fd;
    c->state_fd = open_state_at(c->slot_fd, c->segment);
    if (c->state_fd < 0)
        return c->state_fd;
    err = segment_image_open(c->slot_fd, c->segment, &c->image);
    return err == 0 ? read_cells(c) : err;
}

void compaction_close(struct compaction *c)
{
    segment_image_close(&c->image);
    if (c->state_fd >= 0)
        close(c->state_fd);
    if (c->slot_fd >= 0)
        close(c->slot_fd);
    c->state_fd = c->slot_fd = -1;
}

void compaction_close_other(struct other_state *other)
{
    if (other->segment != 0 && other->fd >= 0)
        close(other->fd);
    *other = (struct other_state){ .fd = -1 };
}

void compaction_open_other(const struct spool_disk *disk, const struct ipc_place *place,
                           struct other_state *other)
{
    int fd;

    if (other->segment == place->segment && other->slot == place->slot)
        return;
    compaction_close_other(other);
    other->slot = place->slot;
    other->segment = place->segment;
    fd = spool_open(disk->spool_dir, place->slot, place->segment, SPOOL_FILE_SEGMENT, O_RDONLY);
    other->err = fd >= 0 ? spool_incarnation_of(fd, &other->incarnation) : fd;
    if (fd >= 0)
        close(fd);
    if (other->err == 0)
        other->fd =
            spool_open(disk->spool_dir, place->slot, place->segment, SPOOL_FILE_STATE, O_RDWR);
    if (other->err == 0 && other->fd < 0)
        other->err = other->fd;
}

int compaction_read_other(const struct other_state *other, const struct ipc_place *place,
                          struct cell *ret_cell, uint16_t *ret_sequence)
{
    const struct cell_key key = { .incarnation = other->incarnation,
                                  .id = place->id,
                                  .group = place->group };

    if (other->err < 0)
        return other->err;
    return cell_read(other->fd, place->cell, &key, ret_cell, ret_sequence);
}
