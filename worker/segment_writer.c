#include "worker/segment_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/auto.h"
#include "common/hook.h"
#include "common/spool_format.h"
#include "common/spool_path.h"
#include "worker/disk.h"

#define BATCH_ITEMS 1024U
#define BATCH_BYTES (16U << 20) /* more waits for the next sync, so that the first do not wait */

struct segment_writer {
    struct segment_settings settings;
    struct segment_writer_callbacks callbacks;
    struct segment_supply *supply;
    struct segment_file *current; /* NULL: none yet, or the last one is full */
    struct sync_list waiting;
    struct iovec parts[2 * BATCH_ITEMS + 2]; /* commit block, head and body of each, padding */
};

/* What one write and one sync will take. */
struct batch {
    struct sync_list items;
    size_t count;
    uint64_t end; /* in the segment, not padded */
    uint32_t cells;
    uint64_t max_id;
};

struct segment_writer *segment_writer_new(const struct segment_settings *settings,
                                          const struct segment_writer_callbacks *callbacks)
{
    struct segment_writer *writer = calloc(1, sizeof(*writer));

    if (writer == NULL)
        return NULL;
    writer->settings = *settings;
    writer->callbacks = *callbacks;
    writer->supply = segment_supply_new(settings);
    if (writer->supply == NULL) {
        free(writer);
        return NULL;
    }
    return writer;
}

void segment_writer_free(struct segment_writer **writer, struct sync_list *ret_left)
{
    struct segment_writer *w = *writer;

    if (w == NULL)
        return;
    *ret_left = w->waiting;
    segment_file_free(&w->current);
    segment_supply_free(&w->supply);
    free(w);
    *writer = NULL;
}

struct segment_supply *segment_writer_supply(struct segment_writer *writer)
{
    return writer->supply;
}

void segment_writer_add(struct segment_writer *writer, struct spool_item *item)
{
    sync_list_add(&writer->waiting, &item->job);
}

bool segment_writer_fits(uint64_t segment_bytes, const struct spool_item *item)
{
    return spool_item_bytes(item) <= segment_bytes - SPOOL_BLOCK - sizeof(struct spool_commit) &&
           item->cells <= spool_cells_for(segment_bytes);
}

/* ---- batches ---- */

/* Takes from the front of what waits as much as fits into the segment and one batch. */
static void lay_out(struct segment_writer *writer, struct batch *batch)
{
    const struct segment_file *file = writer->current;

    *batch = (struct batch){ .end = file->position + sizeof(struct spool_commit),
                             .max_id = file->max_id };
    while (writer->waiting.first != NULL && batch->count < BATCH_ITEMS &&
           batch->end - file->position < BATCH_BYTES) {
        struct spool_item *item = (struct spool_item *)writer->waiting.first;
        const uint64_t at = spool_align(batch->end);

        if (at + spool_item_bytes(item) > file->bytes ||
            file->next_cell + batch->cells + item->cells > file->cells)
            break;
        (void)sync_list_take(&writer->waiting);
        sync_list_add(&batch->items, &item->job);
        item->segment = file->number;
        item->offset = at;
        item->first_cell = file->next_cell + batch->cells;
        batch->count++;
        batch->cells += item->cells;
        batch->end = at + spool_item_bytes(item);
        if (!item->is_note && item->id > batch->max_id)
            batch->max_id = item->id;
    }
}

static size_t gather(struct segment_writer *writer, const struct batch *batch,
                     struct spool_commit *commit)
{
    static unsigned char padding[SPOOL_BLOCK];
    struct iovec *part = writer->parts;
    uint64_t end = commit->offset + sizeof(*commit);

    *part++ = (struct iovec){ .iov_base = commit, .iov_len = sizeof(*commit) };
    for (struct sync_job *job = batch->items.first; job != NULL; job = job->next) {
        struct spool_item *item = (struct spool_item *)job;
        const size_t gap = (size_t)(item->offset - end);

        spool_item_seal(item, commit->incarnation);
        *part++ = (struct iovec){ .iov_base = item->head - gap, .iov_len = gap + item->head_bytes };
        if (item->body_bytes > 0)
            *part++ = (struct iovec){ .iov_base = (void *)(uintptr_t)item->body,
                                      .iov_len = item->body_bytes };
        end = item->offset + spool_item_bytes(item);
    }
    /* Whole blocks only: a part of one would have to be read from the disk first. */
    *part++ =
        (struct iovec){ .iov_base = padding, .iov_len = (size_t)(spool_block_align(end) - end) };
    return (size_t)(part - writer->parts);
}

/* The cells of copies, of which `sequence` was the last that was written. */
static int write_states(struct segment_writer *writer, const struct batch *batch, uint16_t sequence)
{
    const struct segment_file *file = writer->current;
    char name[SPOOL_NAME_SIZE];
    AUTO(close) int fd = -1;
    int err = 0;

    for (struct sync_job *job = batch->items.first; err == 0 && job != NULL; job = job->next) {
        const struct spool_item *item = (const struct spool_item *)job;

        if (item->states == NULL)
            continue;
        if (fd < 0)
            fd = openat(writer->settings.dir->fd, spool_name(file->number, SPOOL_FILE_STATE, name),
                        O_RDWR | O_CLOEXEC | O_NOFOLLOW);
        err = fd >= 0 ? spool_item_write_states(item, fd, file->incarnation, sequence) : -errno;
    }
    return err == 0 && fd >= 0 ? disk_sync_data(fd) : err;
}

/* The disk refused the batch and may hold it all the same. A copy in it must not count after a
 * restart: its message goes on, and ends, where it was. */
static void withdraw_copies(struct segment_writer *writer, const struct batch *batch)
{
    const struct segment_settings *settings = &writer->settings;
    int err;

    for (struct sync_job *job = batch->items.first; job != NULL; job = job->next) {
        spool_item_withdraw((struct spool_item *)job);
    }
    err = write_states(writer, batch, 1);
    if (err < 0)
        settings->on_trouble(LOG_LEVEL_ALERT, "a restart may deliver moved mail a second time",
                             writer->current->number, err, settings->arg);
}

static int write_batch(struct segment_writer *writer, const struct batch *batch)
{
    struct segment_file *file = writer->current;
    struct spool_commit commit = { .incarnation = file->incarnation,
                                   .offset = file->position,
                                   .sequence = file->sequence + 1,
                                   .synced_end = file->position,
                                   .bytes = batch->end - file->position };
    size_t count;
    int err;

    spool_commit_seal(&commit);
    count = gather(writer, batch, &commit);
    /* Synced before the copies are there, because those count from then on. */
    err = write_states(writer, batch, 0);
    if (err < 0)
        return err;
    err = disk_writev(file->fd, writer->parts, count, file->position);
    if (err == 0)
        err = disk_sync_data(file->fd);
    if (err < 0) {
        withdraw_copies(writer, batch);
        return err;
    }
    file->position = spool_block_align(batch->end);
    file->sequence++;
    file->next_cell += batch->cells;
    file->max_id = batch->max_id;
    return 0;
}

static void settle(struct segment_writer *writer, struct sync_list *items, int err)
{
    if (items->first == NULL)
        return;
    for (struct sync_job *job = items->first; job != NULL; job = job->next)
        ((struct spool_item *)job)->err = err;
    writer->callbacks.on_settled(items, writer->settings.arg);
    *items = (struct sync_list){ 0 };
}

static void seal_current(struct segment_writer *writer, bool is_retired)
{
    const uint32_t number = writer->current->number;
    const uint64_t bytes = writer->current->bytes;

    segment_file_free(&writer->current);
    writer->callbacks.on_sealed(number, bytes, is_retired, writer->settings.arg);
}

/* False: what waits must wait longer. */
static bool write_some(struct segment_writer *writer, int64_t now_ms)
{
    struct batch batch;
    int err;

    if (writer->current == NULL) {
        err = segment_supply_take(writer->supply, now_ms, &writer->current);
        if (err == -EAGAIN)
            return false;
        if (err < 0) {
            settle(writer, &writer->waiting, err);
            return true;
        }
    }
    lay_out(writer, &batch);
    if (batch.count == 0) {
        seal_current(writer, false);
        return true;
    }
    err = write_batch(writer, &batch);
    if (err < 0)
        segment_supply_failed(writer->supply, writer->current->number, err, now_ms);
    else if (batch.cells > 0)
        hook_stop("after_sync");
    settle(writer, &batch.items, err < 0 ? -EIO : 0);
    if (err < 0)
        seal_current(writer, true);
    return true;
}

int64_t segment_writer_run(struct segment_writer *writer, int64_t now_ms)
{
    const bool is_idle = writer->waiting.first == NULL;
    const struct segment_file *file;
    unsigned used;

    while (writer->waiting.first != NULL && write_some(writer, now_ms))
        ;
    file = writer->current;
    used = file != NULL ? (unsigned)(1000 * file->position / file->bytes) : 1000;
    return segment_supply_advance(writer->supply, used, is_idle, now_ms);
}

/* ---- recycling ---- */

bool segment_writer_owns(const struct segment_writer *writer, uint32_t number)
{
    return (writer->current != NULL && writer->current->number == number) ||
           segment_supply_owns(writer->supply, number);
}

void segment_writer_retire(struct segment_writer *writer, uint32_t number, int64_t now_ms)
{
    if (writer->current == NULL || writer->current->number != number) {
        segment_supply_retire(writer->supply, number);
        return;
    }
    segment_supply_failed(writer->supply, number, -EIO, now_ms);
    seal_current(writer, true);
}

void segment_writer_reuse(struct segment_writer *writer, uint32_t number, int64_t now_ms)
{
    if (!segment_writer_owns(writer, number))
        segment_supply_reuse(writer->supply, number, writer->current, now_ms);
}

uint64_t segment_writer_known_id(const struct segment_writer *writer)
{
    return segment_supply_known_id(writer->supply, writer->current);
}

uint64_t segment_writer_room(const struct segment_writer *writer)
{
    const struct segment_file *file = writer->current;

    return segment_supply_room(writer->supply) + (file != NULL ? file->bytes - file->position : 0);
}
