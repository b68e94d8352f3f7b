/* A compaction's MARKING, in the sync thread: what was copied is told to count no more. */
#include "worker/compaction_private.h"

#include "common/hook.h"
#include "worker/disk.h"

/* ---- records ---- */

static int mark_copy(struct compaction *c, const struct record_copy *copy)
{
    int err = 0;

    for (uint32_t i = 0; err == 0 && i < copy->was.group_count; i++) {
        const struct cell_key key = { .incarnation = c->image.incarnation,
                                      .id = copy->was.id,
                                      .group = i };
        struct cell cell;
        uint16_t sequence;

        err = cell_read(c->state_fd, copy->was.first_cell + i, &key, &cell, &sequence);
        if (err < 0 || !cell_is_live(&cell))
            continue;
        cell.stage = CELL_MOVED;
        err = cell_write(c->state_fd, copy->was.first_cell + i, &key, &cell, &sequence);
    }
    return err;
}

/* What is not marked counts as moved all the same: the copies are there. It is told like any other
 * state that may not be on the disk, and the segment goes (SEGMENT_FAILED). */
static void mark_copies(struct compaction *c, struct spool_disk *disk)
{
    bool is_any = false;
    int err = 0;

    for (uint32_t i = 0; i < c->copy_count; i++) {
        int result = c->copies[i].item->err == 0 ? mark_copy(c, &c->copies[i]) : 0;

        is_any = is_any || c->copies[i].item->err == 0;
        err = result < 0 ? result : err;
    }
    if (is_any) {
        int result = disk_sync_data(c->state_fd);

        err = result < 0 ? result : err;
    }
    if (err < 0)
        spool_disk_states_failed(disk, c->slot, c->segment, err);
}

/* ---- groups of which only the note was moved ---- */

static int write_note_place(struct compaction *c, const struct group_move *move,
                            struct other_state *other)
{
    const struct ipc_place *place = &move->told.from;
    const struct cell_key key = { .incarnation = other->incarnation,
                                  .id = place->id,
                                  .group = place->group };
    struct cell cell;
    uint16_t sequence;
    int err = compaction_read_other(other, place, &cell, &sequence);

    if (err < 0 || !compaction_is_here(c, &cell.note))
        return err;
    cell.note = compaction_note_place(c, move->note);
    err = cell_write(other->fd, place->cell, &key, &cell, &sequence);
    other->is_written = other->is_written || err == 0;
    return err;
}

/* What was written to the file that is open, by moves from `first` on and before `end`. */
static void sync_other(struct compaction *c, struct spool_disk *disk, struct other_state *other,
                       uint32_t first, uint32_t end)
{
    int err = other->is_written ? disk_sync_data(other->fd) : 0;

    if (err == 0)
        return;
    for (uint32_t i = first; i < end; i++)
        c->moves[i].is_lost = c->moves[i].is_lost || c->moves[i].copy == NO_COPY;
    spool_disk_states_failed(disk, other->slot, other->segment, err);
}

static void mark_notes(struct compaction *c, struct spool_disk *disk)
{
    struct other_state other = { .fd = -1 };
    uint32_t first = 0; /* whose cell lies in the open file */

    for (uint32_t i = 0; i < c->move_count; i++) {
        struct group_move *move = &c->moves[i];
        const struct ipc_place *place = &move->told.from;

        if (move->copy != NO_COPY || (move->note != NULL && move->note->err < 0))
            continue;
        if (other.segment != place->segment || other.slot != place->slot) {
            sync_other(c, disk, &other, first, i);
            first = i;
            compaction_open_other(disk, place, &other);
        }
        move->is_lost = write_note_place(c, move, &other) < 0;
    }
    sync_other(c, disk, &other, first, c->move_count);
    compaction_close_other(&other);
}

/* ---- the phase ---- */

static void mark_later(struct sync_job *job, void *arg)
{
    struct compaction *c = (struct compaction *)job;
    struct spool_disk *disk = arg;

    hook_stop("compaction");
    mark_copies(c, disk);
    mark_notes(c, disk);
    sync_list_add(&disk->out, job);
}

void compaction_mark(struct sync_job *job, void *arg)
{
    struct spool_disk *disk = arg;

    job->work = mark_later;
    sync_list_add(&disk->later, job);
}
