#include "worker/recovery.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/spool_path.h"
#include "worker/damage.h"
#include "worker/segment_image.h"
#include "worker/spool_scan.h"
#include "worker/spooler_private.h"

#define SLICE_US    2000
#define NO_ROOM_MS  5 /* until the loop has taken a chunk */
#define OWN_HEAD_AT (SPOOL_BLOCK + sizeof(struct spool_commit))

enum step {
    STEP_OPEN,  /* the next segment */
    STEP_READ,  /* it into memory */
    STEP_CELLS, /* its state file */
    STEP_SCAN,
    STEP_CLOSE, /* it: told as sealed */
    STEP_LAST,  /* all are read */
    STEP_ENDED,
};

struct recovery {
    struct spool_disk *disk;
    void (*done)(struct sync_job *job);
    unsigned slot;
    bool is_own; /* the slot of this worker, which may be written to meanwhile */
    int slot_fd;
    uint32_t *numbers;
    size_t count, at;
    enum step step;
    struct segment_image image;
    struct spool_scan scan;
    struct recovery_chunk *chunk; /* being filled, NULL: none yet */
    struct ipc_rescanned result;
    atomic_uint chunks_out;
    atomic_uint holders; /* the sync thread and each chunk on its way */
};

static void tell(const struct recovery *recovery, enum log_level level, const char *what, int err)
{
    spool_disk_tell(level, what, recovery->numbers[recovery->at], err, recovery->disk);
}

static void drop(struct recovery *recovery)
{
    if (atomic_fetch_sub(&recovery->holders, 1) == 1)
        free(recovery);
}

/* ---- chunks ---- */

static struct recovery_chunk *open_chunk(struct recovery *recovery)
{
    struct recovery_chunk *chunk = recovery->chunk;

    if (chunk != NULL)
        return chunk;
    chunk = malloc(sizeof(*chunk));
    if (chunk == NULL)
        return NULL;
    chunk->job = (struct sync_job){ .done = recovery->done };
    chunk->recovery = recovery;
    chunk->spooler = recovery->disk->spooler;
    chunk->result = (struct ipc_rescanned){ .slot = recovery->slot };
    chunk->count = 0;
    chunk->sealed = 0;
    chunk->is_last = false;
    recovery->chunk = chunk;
    return chunk;
}

static void post_chunk(struct recovery *recovery)
{
    if (recovery->chunk == NULL)
        return;
    atomic_fetch_add(&recovery->chunks_out, 1);
    atomic_fetch_add(&recovery->holders, 1);
    sync_list_add(&recovery->disk->out, &recovery->chunk->job);
    recovery->chunk = NULL;
}

void recovery_chunk_free(struct recovery_chunk *chunk)
{
    struct recovery *recovery = chunk->recovery;

    free(chunk);
    atomic_fetch_sub(&recovery->chunks_out, 1);
    drop(recovery);
}

/* ---- finds ---- */

static uint32_t count_open(const struct cell *cell, uint32_t recipients)
{
    uint32_t open = recipients;

    for (uint32_t i = 0; i < recipients; i++)
        open -= cell_recipient_get(cell, i) != CELL_RCPT_OPEN;
    return open;
}

static void fill_queued(struct ipc_mail_queued *queued, const struct cell *cell)
{
    queued->flags = IPC_QUEUED_RECOVERED;
    queued->recipients = count_open(cell, queued->recipients);
    queued->next_attempt_s = cell->next_attempt_s;
    queued->attempts = cell->attempts;
    queued->crashes = cell->crashes;
    queued->note_segment = cell->note.segment;
    queued->note_slot = cell->note.slot;
    if (cell->profile != 0)
        queued->profile = cell->profile;
    if ((cell->flags & CELL_HELD) != 0)
        queued->flags |= IPC_QUEUED_HELD;
    if (cell->stage == CELL_FAILED)
        queued->flags |= IPC_QUEUED_FAILED;
}

static uint32_t count_live(const struct recovery *recovery, const struct spool_record *record)
{
    uint32_t live = 0;

    for (uint32_t i = 0; i < record->group_count; i++) {
        struct cell cell;

        segment_image_cell(&recovery->image, record, i, &cell);
        live += cell_is_live(&cell);
    }
    return live;
}

static int add_group(struct recovery *recovery, const struct spool_record *record,
                     const struct envelope_group *group, uint32_t index, uint32_t share)
{
    struct recovery_chunk *chunk = open_chunk(recovery);
    struct ipc_mail_queued *queued;
    struct cell cell;

    if (chunk == NULL)
        return -ENOMEM;
    segment_image_cell(&recovery->image, record, index, &cell);
    if (!cell_is_live(&cell))
        return 0;
    queued = &chunk->queued[chunk->count++];
    *queued = (struct ipc_mail_queued){ .place = { .id = record->id,
                                                   .offset = record->offset,
                                                   .segment = recovery->numbers[recovery->at],
                                                   .cell = record->first_cell + index,
                                                   .slot = (uint16_t)recovery->slot,
                                                   .group = (uint16_t)index },
                                        .body_bytes = record->body_bytes,
                                        .profile = group->profile,
                                        .rule = group->rule,
                                        .recipients = group->count,
                                        .received_s = clock_to_epoch_s(record->received_ms),
                                        .copy = (uint16_t)record->copy,
                                        .record_bytes = share };
    fill_queued(queued, &cell);
    if (index + 1 == record->group_count)
        queued->flags |= IPC_QUEUED_LAST;
    recovery->result.groups++;
    if (chunk->count == RECOVERY_CHUNK)
        post_chunk(recovery);
    return 0;
}

static void keep_damage(struct recovery *recovery, uint64_t offset, uint64_t end)
{
    int err = damage_keep(recovery->disk->dir->spool_fd, recovery->slot,
                          recovery->numbers[recovery->at], recovery->image.incarnation, offset,
                          recovery->image.data + offset, end - offset);

    recovery->result.damaged++;
    tell(recovery, LOG_LEVEL_ALERT, "part of a segment is damaged and set aside", err);
}

static void know_id(struct recovery *recovery, uint64_t id)
{
    if (id > recovery->result.max_id)
        recovery->result.max_id = id;
}

static int add_record(struct recovery *recovery, const struct spool_record *record)
{
    const uint64_t bytes = spool_record_end(record) - record->offset;
    const uint32_t share = spool_share(bytes, count_live(recovery, record));
    struct envelope *envelope;
    int err = envelope_unpack(recovery->image.data + spool_record_envelope_at(record),
                              record->envelope_bytes, &envelope);

    if (err == -ENOMEM)
        return err;
    if (err < 0 || envelope->group_count != record->group_count) {
        if (err == 0)
            free(envelope);
        keep_damage(recovery, record->offset, spool_record_end(record));
        return 0;
    }
    know_id(recovery, record->id);
    for (uint32_t i = 0; err == 0 && i < record->group_count; i++)
        err = add_group(recovery, record, &envelope->groups[i], i, share);
    free(envelope);
    return err;
}

/* ---- one segment ---- */

static int step_open(struct recovery *recovery)
{
    const uint32_t number = recovery->numbers[recovery->at];
    const struct spool_header *header = &recovery->image.header;
    int err;

    if (recovery->is_own && spool_disk_is_writing(recovery->disk, number)) {
        know_id(recovery, segment_writer_known_id(recovery->disk->writer));
        recovery->at++;
        return 0;
    }
    err = segment_image_open(recovery->slot_fd, number, &recovery->image);
    if (err == 0 && header->kind != 0 &&
        (header->slot != recovery->slot || header->number != number)) {
        segment_image_close(&recovery->image);
        err = -EBADMSG;
    }
    if (err == -ENODATA && recovery->is_own)
        (void)segment_file_unlink(recovery->slot_fd, number);
    if (err == -ENODATA || err == -ENOENT) { /* nothing was ever in it, or it was just removed */
        recovery->at++;
        return 0;
    }
    if (err < 0) {
        /* Whatever it is, it stays where it is, and the master says that there is mail waiting. */
        tell(recovery, LOG_LEVEL_ALERT, "a segment cannot be read", err);
        if (err == -EBADMSG)
            recovery->result.damaged++;
        else
            recovery->result.err = err;
        recovery->at++;
        return 0;
    }
    if (header->kind == 0)
        tell(recovery, LOG_LEVEL_ALERT, "a segment's header is damaged, its mail is not", 0);
    know_id(recovery, header->max_id);
    recovery->step = STEP_READ;
    return 0;
}

static bool is_zero(const unsigned char *data, size_t bytes)
{
    while (bytes > 0 && data[bytes - 1] == 0)
        bytes--;
    return bytes == 0;
}

static bool read_own_record(struct segment_image *image, struct spool_record *ret_record)
{
    uint64_t envelope_at;

    if (!spool_record_read(image->data, image->present, OWN_HEAD_AT, image->bytes,
                           image->incarnation, ret_record))
        return false;
    envelope_at = spool_record_envelope_at(ret_record);
    while (segment_image_read(image, envelope_at + ret_record->envelope_bytes) == 0)
        ;
    return spool_checksum(image->incarnation, image->data + envelope_at,
                          ret_record->envelope_bytes) == ret_record->envelope_sum;
}

/* A large message: its commit block proves it, and only its head is looked at. */
static int scan_own(struct recovery *recovery)
{
    struct segment_image *image = &recovery->image;
    struct spool_commit commit;
    struct spool_record record;

    if (image->present < OWN_HEAD_AT ||
        is_zero(image->data + SPOOL_BLOCK, OWN_HEAD_AT - SPOOL_BLOCK))
        return 0; /* never answered for */
    if (!read_own_record(image, &record)) {
        while (segment_image_read(image, image->bytes) == 0)
            ;
        keep_damage(recovery, 0, image->present);
        return 0;
    }
    /* It was written, so all else was synced before: its damage is not the message's. */
    if (!spool_commit_read(image->data + SPOOL_BLOCK, SPOOL_BLOCK, image->incarnation, &commit))
        tell(recovery, LOG_LEVEL_ALERT, "a segment's proof is damaged, its mail is not", 0);
    return add_record(recovery, &record);
}

static int step_read(struct recovery *recovery)
{
    struct segment_image *image = &recovery->image;
    const bool is_own = segment_image_is_own(image);
    const uint64_t need = is_own ? OWN_HEAD_AT + sizeof(struct spool_record) : image->bytes;

    if (segment_image_read(image, need) == 1)
        recovery->step = STEP_CELLS;
    return 0;
}

static int step_cells(struct recovery *recovery)
{
    struct segment_image *image = &recovery->image;
    int err = segment_image_read_cells(image, recovery->slot_fd, recovery->numbers[recovery->at]);

    if (err < 0)
        return err;
    if (segment_image_is_own(image)) {
        recovery->step = STEP_CLOSE;
        return scan_own(recovery);
    }
    spool_scan_init(&recovery->scan, image->data, image->bytes, image->incarnation);
    recovery->step = STEP_SCAN;
    return 0;
}

static int step_scan(struct recovery *recovery)
{
    struct spool_scan_item item;

    spool_scan_next(&recovery->scan, &item);
    switch (item.what) {
    case SPOOL_SCAN_RECORD: return add_record(recovery, &item.record);
    case SPOOL_SCAN_DAMAGE: keep_damage(recovery, item.offset, item.end); break;
    case SPOOL_SCAN_TORN:
        tell(recovery, LOG_LEVEL_INFO, "what was being written at the end is dropped", 0);
        break;
    case SPOOL_SCAN_NOTE:
    case SPOOL_SCAN_AGAIN: break;
    case SPOOL_SCAN_END: recovery->step = STEP_CLOSE; break;
    }
    return 0;
}

static int step_close(struct recovery *recovery)
{
    struct recovery_chunk *chunk = open_chunk(recovery);

    if (chunk == NULL)
        return -ENOMEM;
    if (recovery->image.unreadable > 0) {
        recovery->result.damaged++;
        tell(recovery, LOG_LEVEL_ALERT, "the disk could not read parts of a segment", -EIO);
    }
    chunk->sealed = recovery->numbers[recovery->at];
    chunk->sealed_bytes =
        segment_image_is_own(&recovery->image) ? 0 : (uint32_t)recovery->image.bytes;
    post_chunk(recovery);
    segment_image_close(&recovery->image);
    recovery->at++;
    recovery->step = STEP_OPEN;
    return 0;
}

/* ---- all of them ---- */

static void step_last(struct recovery *recovery)
{
    struct recovery_chunk *chunk = open_chunk(recovery);

    if (chunk == NULL)
        return; /* tried again in the next slice */
    chunk->is_last = true;
    chunk->result = recovery->result;
    post_chunk(recovery);
    recovery->step = STEP_ENDED;
}

static void take_step(struct recovery *recovery)
{
    static int (*const steps[])(struct recovery *) = {
        [STEP_OPEN] = step_open, [STEP_READ] = step_read,   [STEP_CELLS] = step_cells,
        [STEP_SCAN] = step_scan, [STEP_CLOSE] = step_close,
    };
    int err;

    if (recovery->step == STEP_OPEN && recovery->at == recovery->count)
        recovery->step = STEP_LAST;
    if (recovery->step == STEP_LAST) {
        step_last(recovery);
        return;
    }
    err = steps[recovery->step](recovery);
    if (err == 0)
        return;
    /* This segment waits for the next scan, unsealed; the others need not. */
    tell(recovery, LOG_LEVEL_ALERT, "a segment cannot be read", err);
    recovery->result.err = err;
    segment_image_close(&recovery->image);
    recovery->at++;
    recovery->step = err == -ENOMEM ? STEP_LAST : STEP_OPEN;
}

static void free_own_part(struct recovery *recovery)
{
    segment_image_close(&recovery->image);
    free(recovery->numbers);
    free(recovery->chunk);
    if (!recovery->is_own && recovery->slot_fd >= 0)
        close(recovery->slot_fd);
    drop(recovery);
}

int64_t recovery_slice(struct recovery *recovery)
{
    const int64_t until_us = clock_mono_us() + SLICE_US;

    while (recovery->step != STEP_ENDED && clock_mono_us() < until_us) {
        if (atomic_load(&recovery->chunks_out) >= RECOVERY_CHUNKS_OUT)
            return NO_ROOM_MS;
        take_step(recovery);
    }
    if (recovery->step != STEP_ENDED)
        return 0;
    free_own_part(recovery);
    return -1;
}

void recovery_abort(struct recovery *recovery)
{
    free_own_part(recovery);
}

int recovery_begin(struct spool_disk *disk, unsigned slot, void (*done)(struct sync_job *job),
                   struct recovery **ret_recovery)
{
    struct recovery *recovery = calloc(1, sizeof(*recovery));
    int err = 0;

    if (recovery == NULL)
        return -ENOMEM;
    recovery->disk = disk;
    recovery->done = done;
    recovery->slot = slot;
    recovery->is_own = slot == disk->dir->slot;
    recovery->image.fd = -1;
    recovery->result.slot = slot;
    atomic_init(&recovery->holders, 1);
    recovery->slot_fd = recovery->is_own ? disk->dir->fd : spool_disk_open_slot(disk, slot);
    if (recovery->slot_fd >= 0) {
        recovery->result.max_id = slot_dir_last_id(recovery->slot_fd);
        err = slot_dir_list(recovery->slot_fd, &recovery->numbers, &recovery->count);
    } else if (recovery->slot_fd != -ENOENT) {
        err = recovery->slot_fd;
    }
    recovery->result.err = err;
    *ret_recovery = recovery;
    return 0;
}
