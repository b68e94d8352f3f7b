/* What a scan tells the master, in chunks. */
#include <errno.h>
#include <stdlib.h>

#include "common/clock.h"
#include "worker/damage.h"
#include "worker/recovery_private.h"

void recovery_tell(const struct recovery *recovery, enum log_level level, const char *what, int err)
{
    spool_disk_tell(level, what, recovery->numbers[recovery->at], err, recovery->disk);
}

void recovery_drop(struct recovery *recovery)
{
    if (atomic_fetch_sub(&recovery->holders, 1) == 1)
        free(recovery);
}

/* ---- chunks ---- */

struct recovery_chunk *recovery_open_chunk(struct recovery *recovery)
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
    chunk->is_retired = false;
    chunk->is_last = false;
    recovery->chunk = chunk;
    return chunk;
}

void recovery_post_chunk(struct recovery *recovery)
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
    recovery_drop(recovery);
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
    queued->stages = cell->flags & CELL_STAGES;
    if ((cell->flags & CELL_QUARANTINED) != 0)
        queued->flags |= IPC_QUEUED_QUARANTINED;
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
                     const struct envelope *envelope, uint32_t index, uint32_t share)
{
    const struct envelope_group *group = &envelope->groups[index];
    struct recovery_chunk *chunk = recovery_open_chunk(recovery);
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
    if (envelope->client[0] == '\0')
        queued->flags |= IPC_QUEUED_OWN;
    recovery->result.groups++;
    if (chunk->count == RECOVERY_CHUNK)
        recovery_post_chunk(recovery);
    return 0;
}

void recovery_keep_damage(struct recovery *recovery, uint64_t offset, uint64_t end)
{
    int err = damage_keep(recovery->disk->dir->spool_fd, recovery->slot,
                          recovery->numbers[recovery->at], recovery->image.incarnation, offset,
                          recovery->image.data + offset, end - offset);

    recovery->result.damaged++;
    recovery_tell(recovery, LOG_LEVEL_ALERT, "part of a segment is damaged and set aside", err);
}

void recovery_know_id(struct recovery *recovery, uint64_t id)
{
    if (id > recovery->result.max_id)
        recovery->result.max_id = id;
}

int recovery_add_record(struct recovery *recovery, const struct spool_record *record)
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
        recovery_keep_damage(recovery, record->offset, spool_record_end(record));
        return 0;
    }
    recovery_know_id(recovery, record->id);
    for (uint32_t i = 0; err == 0 && i < record->group_count; i++)
        err = add_group(recovery, record, envelope, i, share);
    free(envelope);
    return err;
}
