#include "worker/compaction_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/channel.h"
#include "common/memfd.h"

#define BATCH_OVERHEAD (4U * SPOOL_BLOCK) /* of notes and records, where a segment ends, too */

static void begin_phase(struct compaction *c, enum compaction_phase phase);

/* ---- the end ---- */

static void drop_items(struct compaction *c)
{
    for (uint32_t i = 0; i < c->copy_count; i++)
        spool_item_free(&c->copies[i].item);
    for (uint32_t i = 0; i < c->move_count; i++) {
        if (c->moves[i].note != NULL)
            spool_item_free(&c->moves[i].note);
    }
    c->spooler->disk_reserved -= c->reserved;
    c->copy_count = c->move_count = 0;
    c->bytes = c->reserved = 0;
}

static void free_compaction(struct compaction *c)
{
    drop_items(c);
    compaction_close(c);
    free(c->places);
    free(c);
}

static void tell_end(struct spooler *spooler, unsigned slot, uint32_t segment, uint32_t moved,
                     int err)
{
    const struct ipc_segment_compacted compacted = {
        .slot = slot, .segment = segment, .moved = moved, .err = err
    };

    channel_flush(spooler->channel); /* after all that was moved */
    channel_send(spooler->channel, IPC_SEGMENT_COMPACTED, &compacted);
}

static void finish(struct compaction *c)
{
    struct spooler *spooler = c->spooler;

    spooler->compaction = NULL;
    tell_end(spooler, c->slot, c->segment, c->moved, c->err);
    free_compaction(c);
}

/* At the end of the process jobs and items come back one after the other, done or not. */
static bool is_ending(struct compaction *c)
{
    return c->spooler->is_ending;
}

void spooler_compaction_done(struct spooler *spooler)
{
    if (spooler->compaction != NULL)
        free_compaction(spooler->compaction);
    spooler->compaction = NULL;
}

/* ---- items ---- */

static void on_written(struct sync_job *job)
{
    struct spool_item *item = (struct spool_item *)job;
    struct compaction *c = item->arg;

    if (item->err < 0 && c->err == 0)
        c->err = item->err;
    if (--c->items_out == 0 && !is_ending(c))
        begin_phase(c, c->phase == COMPACTION_NOTES && c->err == 0 ? COMPACTION_RECORDS
                                                                   : COMPACTION_MARKING);
}

static void give_item(struct compaction *c, struct spool_item *item, bool is_apart)
{
    item->spooler = c->spooler;
    item->arg = c;
    item->job.work = is_apart ? spool_disk_write_own : spool_disk_write_item;
    item->job.done = on_written;
    c->items_out++;
    spooler_give(c->spooler, &item->job);
}

static void give_notes(struct compaction *c)
{
    for (uint32_t i = 0; i < c->move_count; i++) {
        if (c->moves[i].note != NULL)
            give_item(c, c->moves[i].note, false);
    }
}

struct cell_note_place compaction_note_place(const struct compaction *c,
                                             const struct spool_item *note)
{
    if (note == NULL)
        return (struct cell_note_place){ 0 };
    return (struct cell_note_place){ .segment = note->segment,
                                     .offset = (uint32_t)(note->offset / SPOOL_ALIGN),
                                     .slot = (uint8_t)c->spooler->dir.slot };
}

/* Where the notes lie now belongs into the cells of the copies. */
static void give_records(struct compaction *c)
{
    for (uint32_t i = 0; i < c->move_count; i++) {
        const struct group_move *move = &c->moves[i];

        if (move->copy != NO_COPY && move->note != NULL)
            c->copies[move->copy].item->states[move->told.from.group].note =
                compaction_note_place(c, move->note);
    }
    for (uint32_t i = 0; i < c->copy_count; i++)
        give_item(c, c->copies[i].item, c->copies[i].is_apart);
}

/* ---- what is told ---- */

static bool is_moved(const struct compaction *c, const struct group_move *move)
{
    return !move->is_lost && (move->note == NULL || move->note->err == 0) &&
           (move->copy == NO_COPY || c->copies[move->copy].item->err == 0);
}

static void tell_move(struct compaction *c, struct group_move *move)
{
    struct ipc_mail_moved *told = &move->told;

    if (move->copy != NO_COPY) {
        const struct record_copy *copy = &c->copies[move->copy];
        const struct cell *cell = &copy->item->states[told->from.group];

        told->place.slot = (uint16_t)c->spooler->dir.slot;
        told->place.segment = copy->item->segment;
        told->place.offset = copy->item->offset;
        told->place.cell = copy->item->first_cell + told->from.group;
        told->copy = (uint16_t)(copy->was.copy + 1);
        told->note_segment = cell->note.segment;
        told->note_slot = cell->note.slot;
    } else if (move->note != NULL) {
        const struct cell_note_place note = compaction_note_place(c, move->note);

        told->note_segment = note.segment;
        told->note_slot = note.slot;
    }
    told->note_bytes = move->note != NULL ? (uint32_t)spool_item_bytes(move->note) : 0;
    channel_send(c->spooler->channel, IPC_MAIL_MOVED, told);
    c->moved++;
}

static void on_marked(struct sync_job *job)
{
    struct compaction *c = (struct compaction *)job;

    if (is_ending(c))
        return;
    for (uint32_t i = 0; i < c->move_count; i++) {
        if (is_moved(c, &c->moves[i]))
            tell_move(c, &c->moves[i]);
    }
    drop_items(c);
    if (c->err == 0 && c->at < c->count)
        begin_phase(c, COMPACTION_READING);
    else
        finish(c);
}

/* What was promised to mail that is on its way is not taken. */
static int reserve(struct compaction *c)
{
    struct spooler *spooler = c->spooler;
    const uint64_t bytes = c->bytes + BATCH_OVERHEAD;

    if (spooler->disk_reserved + bytes >
        atomic_load_explicit(&spooler->disk.room, memory_order_relaxed))
        return -ENOSPC;
    c->reserved = bytes;
    spooler->disk_reserved += bytes;
    return 0;
}

static void on_read(struct sync_job *job)
{
    struct compaction *c = (struct compaction *)job;

    if (is_ending(c))
        return;
    if (c->err == 0 && c->bytes > 0)
        c->err = reserve(c);
    if (c->err < 0)
        finish(c);
    else if (c->move_count == 0)
        on_marked(job); /* nothing is to be written */
    else
        begin_phase(c, COMPACTION_NOTES);
}

/* ---- the phases ---- */

static void begin_phase(struct compaction *c, enum compaction_phase phase)
{
    static const struct {
        void (*work)(struct sync_job *job, void *arg);
        void (*done)(struct sync_job *job);
        void (*give)(struct compaction *c);
    } rows[COMPACTION_PHASE_COUNT] = {
        [COMPACTION_READING] = { compaction_read, on_read, NULL },
        [COMPACTION_NOTES] = { NULL, NULL, give_notes },
        [COMPACTION_RECORDS] = { NULL, NULL, give_records },
        [COMPACTION_MARKING] = { compaction_mark, on_marked, NULL },
    };

    do {
        c->phase = phase;
        if (rows[phase].give == NULL) {
            c->job = (struct sync_job){ .work = rows[phase].work, .done = rows[phase].done };
            spooler_give(c->spooler, &c->job);
            return;
        }
        rows[phase].give(c);
        phase++; /* a batch may have no notes, or no records */
    } while (c->items_out == 0);
}

void spooler_compact(struct spooler *spooler, const struct ipc_segment_compact *order, int fd)
{
    struct compaction *c = spooler->compaction == NULL ? calloc(1, sizeof(*c)) : NULL;
    char *places = NULL;
    size_t bytes = 0;
    int err = c != NULL ? memfd_read(fd, &places, &bytes) : -EBUSY;

    close(fd);
    if (err == 0 && bytes != order->count * sizeof(struct ipc_place))
        err = -EBADMSG;
    if (err < 0) {
        free(places);
        free(c);
        tell_end(spooler, order->slot, order->segment, 0, err);
        return;
    }
    c->spooler = spooler;
    c->slot = order->slot;
    c->segment = order->segment;
    c->places = (struct ipc_place *)(void *)places;
    c->count = order->count;
    c->image.fd = c->slot_fd = c->state_fd = -1;
    spooler->compaction = c;
    begin_phase(c, COMPACTION_READING);
}
