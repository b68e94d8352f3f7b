#include "worker/recovery.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "worker/recovery_private.h"

#define SLICE_US    2000
#define NO_ROOM_MS  5 /* until the loop has taken a chunk */
#define OWN_HEAD_AT (SPOOL_BLOCK + sizeof(struct spool_commit))

/* ---- one segment ---- */

static int step_open(struct recovery *recovery)
{
    const uint32_t number = recovery->numbers[recovery->at];
    const struct spool_header *header = &recovery->image.header;
    int err;

    if (recovery->is_own && spool_disk_is_writing(recovery->disk, number)) {
        recovery_know_id(recovery, segment_writer_known_id(recovery->disk->writer));
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
        recovery_tell(recovery, LOG_LEVEL_ALERT, "a segment cannot be read", err);
        if (err == -EBADMSG)
            recovery->result.damaged++;
        else
            recovery->result.err = err;
        recovery->at++;
        return 0;
    }
    if (header->kind == 0)
        recovery_tell(recovery, LOG_LEVEL_ALERT, "a segment's header is damaged, its mail is not",
                      0);
    recovery_know_id(recovery, header->max_id);
    recovery->step = STEP_SYNC;
    return 0;
}

/* A process that was killed may have left states, marks and copies in memory only, and all that is
 * done from here on relies on them. */
static int step_sync(struct recovery *recovery)
{
    int err =
        segment_image_sync(&recovery->image, recovery->slot_fd, recovery->numbers[recovery->at]);

    recovery->is_unsynced = err < 0;
    if (err < 0 && recovery->is_own)
        segment_supply_retire(segment_writer_supply(recovery->disk->writer),
                              recovery->numbers[recovery->at]);
    if (err < 0)
        recovery_tell(recovery, LOG_LEVEL_ALERT,
                      "a segment could not be synced: a power cut may repeat mail", err);
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
        recovery_keep_damage(recovery, 0, image->present);
        return 0;
    }
    /* It was written, so all else was synced before: its damage is not the message's. */
    if (!spool_commit_read(image->data + SPOOL_BLOCK, SPOOL_BLOCK, image->incarnation, &commit))
        recovery_tell(recovery, LOG_LEVEL_ALERT, "a segment's proof is damaged, its mail is not",
                      0);
    return recovery_add_record(recovery, &record);
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
    case SPOOL_SCAN_RECORD: return recovery_add_record(recovery, &item.record);
    case SPOOL_SCAN_DAMAGE: recovery_keep_damage(recovery, item.offset, item.end); break;
    case SPOOL_SCAN_TORN:
        recovery_tell(recovery, LOG_LEVEL_INFO, "what was being written at the end is dropped", 0);
        break;
    case SPOOL_SCAN_NOTE:
    case SPOOL_SCAN_AGAIN: break;
    case SPOOL_SCAN_END: recovery->step = STEP_CLOSE; break;
    }
    return 0;
}

static int step_close(struct recovery *recovery)
{
    struct recovery_chunk *chunk = recovery_open_chunk(recovery);

    if (chunk == NULL)
        return -ENOMEM;
    if (recovery->image.unreadable > 0) {
        recovery->result.damaged++;
        recovery_tell(recovery, LOG_LEVEL_ALERT, "the disk could not read parts of a segment",
                      -EIO);
    }
    chunk->sealed = recovery->numbers[recovery->at];
    chunk->is_retired = recovery->is_unsynced;
    chunk->sealed_bytes =
        segment_image_is_own(&recovery->image) ? 0 : (uint32_t)segment_room(recovery->image.bytes);
    recovery_post_chunk(recovery);
    segment_image_close(&recovery->image);
    recovery->at++;
    recovery->step = STEP_OPEN;
    return 0;
}

/* ---- all of them ---- */

static void step_last(struct recovery *recovery)
{
    struct recovery_chunk *chunk = recovery_open_chunk(recovery);

    if (chunk == NULL)
        return; /* tried again in the next slice */
    chunk->is_last = true;
    chunk->result = recovery->result;
    recovery_post_chunk(recovery);
    recovery->step = STEP_ENDED;
}

static void take_step(struct recovery *recovery)
{
    static int (*const steps[])(struct recovery *) = {
        [STEP_OPEN] = step_open,   [STEP_SYNC] = step_sync, [STEP_READ] = step_read,
        [STEP_CELLS] = step_cells, [STEP_SCAN] = step_scan, [STEP_CLOSE] = step_close,
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
    recovery_tell(recovery, LOG_LEVEL_ALERT, "a segment cannot be read", err);
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
    recovery_drop(recovery);
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
