/* A segment of one message: a large one, or one that stays (worker/compaction_read.c). The body is
 * written as it comes; header and envelope follow when it is complete; when all of that is synced
 * the commit block goes in front, which is the message's proof.
 */
#include "worker/spooler_private.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include <xxhash.h>

#include "common/clock.h"
#include "common/hook.h"
#include "common/shortage.h"
#include "worker/disk.h"
#include "worker/segment_file.h"

struct own_segment {
    struct own_segment *next;
    struct spool_disk *disk;
    struct spool_item *item;
    struct segment_file *file;
    int state_fd;
    uint64_t end; /* where the body goes on */
    XXH3_state_t *sum;
};

int own_segment_begin(struct spool_disk *disk, struct spool_item *item,
                      struct own_segment **ret_own)
{
    struct segment_supply *supply = segment_writer_supply(disk->writer);
    struct own_segment *own = calloc(1, sizeof(*own));
    int err = -ENOMEM;

    if (own == NULL)
        return -ENOMEM;
    own->disk = disk;
    own->item = item;
    own->sum = XXH3_createState();
    if (own->sum != NULL)
        err = segment_file_make_own(disk->dir, segment_supply_next_number(supply), item->cells,
                                    atomic_load_explicit(&disk->max_id, memory_order_relaxed),
                                    &own->file, &own->state_fd);
    if (err < 0) {
        XXH3_freeState(own->sum);
        free(own);
        return err;
    }
    (void)XXH3_64bits_reset_withSeed(own->sum, own->file->incarnation);
    item->segment = own->file->number;
    item->offset = SPOOL_BLOCK + sizeof(struct spool_commit);
    item->first_cell = 0;
    own->end = item->offset + item->head_bytes;
    own->next = disk->own_segments;
    disk->own_segments = own;
    *ret_own = own;
    return 0;
}

int own_segment_append(struct own_segment *own, const void *data, size_t bytes)
{
    int err = disk_write(own->file->fd, data, bytes, own->end);

    if (err < 0)
        return err;
    disk_hurry(own->file->fd, own->end, bytes);
    (void)XXH3_64bits_update(own->sum, data, bytes);
    own->end += bytes;
    return 0;
}

bool own_segment_is_open(const struct spool_disk *disk, uint32_t number)
{
    const struct own_segment *own = disk->own_segments;

    while (own != NULL && own->file->number != number)
        own = own->next;
    return own != NULL;
}

static void free_own(struct own_segment **own)
{
    struct own_segment **place = &(*own)->disk->own_segments;

    while (*place != *own)
        place = &(*place)->next;
    *place = (*own)->next;
    segment_file_free(&(*own)->file);
    close((*own)->state_fd);
    XXH3_freeState((*own)->sum);
    free(*own);
    *own = NULL;
}

static int write_head(struct own_segment *own)
{
    struct spool_item *item = own->item;

    item->body_bytes = own->end - item->offset - item->head_bytes;
    item->body_sum = XXH3_64bits_digest(own->sum);
    free((void *)(uintptr_t)item->body); /* it is in the segment */
    item->body = NULL;
    spool_item_seal(item, own->file->incarnation);
    return disk_write(own->file->fd, item->head, item->head_bytes, item->offset);
}

static int write_proof(struct own_segment *own)
{
    struct spool_commit commit = { .incarnation = own->file->incarnation,
                                   .offset = SPOOL_BLOCK,
                                   .sequence = 1,
                                   .synced_end = own->end,
                                   .bytes = own->end - SPOOL_BLOCK };

    spool_commit_seal(&commit);
    return disk_write(own->file->fd, &commit, sizeof(commit), SPOOL_BLOCK);
}

/* The disk refused it and may hold it all the same: a copy must not count after a restart. */
static void withdraw(struct own_segment *own)
{
    if (own->item->states == NULL)
        return;
    spool_item_withdraw(own->item);
    (void)spool_item_write_states(own->item, own->state_fd, own->file->incarnation, 1);
}

int own_segment_finish(struct own_segment **own)
{
    struct own_segment *o = *own;
    int err = write_head(o);

    if (err == 0 && o->item->states != NULL)
        err = spool_item_write_states(o->item, o->state_fd, o->file->incarnation, 0);
    if (err == 0)
        err = disk_sync_data(o->file->fd);
    if (err == 0)
        err = disk_sync_data(o->state_fd);
    if (err == 0)
        err = disk_sync(o->disk->dir->fd);
    if (err == 0)
        err = write_proof(o);
    if (err == 0)
        err = disk_sync_data(o->file->fd);
    if (err < 0) {
        withdraw(o);
        own_segment_abort(own);
        return err;
    }
    free_own(own);
    return 0;
}

void own_segment_abort(struct own_segment **own)
{
    struct own_segment *o = *own;
    const uint32_t number = o->file->number;
    const int slot_fd = o->disk->dir->fd;

    free_own(own);
    (void)segment_file_unlink(slot_fd, number);
}

void own_segment_settle(struct spool_disk *disk, struct spool_item *item, int err)
{
    const bool is_full = err == -ENOSPC || err == -EDQUOT || err == -EFBIG;

    if (err < 0 && !is_full && !is_shortage(err))
        segment_supply_failed(segment_writer_supply(disk->writer), 0, err, clock_mono_ms());
    if (err == 0)
        hook_stop("after_sync");
    item->err = err == 0 || is_shortage(err) ? err : is_full ? -ENOSPC : -EIO;
    sync_list_add(&disk->out, &item->job);
    if (err == 0)
        spool_disk_sealed(item->segment, 0, false, disk);
}

static void write_whole(struct sync_job *job, void *arg)
{
    struct spool_disk *disk = arg;
    struct spool_item *item = (struct spool_item *)job;
    struct own_segment *own;
    int err = own_segment_begin(disk, item, &own);

    if (err == 0) {
        err = own_segment_append(own, item->body, item->body_bytes);
        if (err == 0)
            err = own_segment_finish(&own);
        else
            own_segment_abort(&own);
    }
    own_segment_settle(disk, item, err);
}

void spool_disk_write_own(struct sync_job *job, void *arg)
{
    struct spool_disk *disk = arg;

    job->work = write_whole;
    sync_list_add(&disk->later, job);
}
