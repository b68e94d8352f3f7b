/* A compaction's READING, in the sync thread: makes copies of records and notes, a batch at a time.
 */
#include "worker/compaction_private.h"

#include <errno.h>
#include <stdlib.h>

static void tell(const struct compaction *c, struct spool_disk *disk, const char *what)
{
    spool_disk_tell(LOG_LEVEL_ALERT, what, c->segment, 0, disk);
}

/* ---- notes ---- */

/* NULL: there is none that can be read; what it told is lost, the mail is not. */
static struct spool_item *read_note(struct compaction *c, const struct ipc_place *place,
                                    const struct cell_note_place *from)
{
    static const struct cell_note_place none;
    const uint64_t offset = (uint64_t)from->offset * SPOOL_ALIGN;
    struct segment_image *image = &c->image;
    struct spool_note note;
    struct spool_item *item = NULL;
    const char *text;

    segment_image_fetch(image, offset, offset + sizeof(note));
    if (!spool_note_read(image->data, image->bytes, offset, image->bytes, image->incarnation,
                         &note) ||
        note.id != place->id || note.group != place->group)
        return NULL;
    segment_image_fetch(image, offset, spool_note_end(&note));
    text = (const char *)image->data + offset + sizeof(note);
    if (spool_checksum(image->incarnation, text, note.text_bytes) != note.text_sum ||
        spool_item_new_note(note.id, note.group, none, text, note.text_bytes, &item) < 0)
        return NULL;
    c->bytes += spool_item_bytes(item);
    return item;
}

/* ---- records ---- */

static bool read_record(struct compaction *c, const struct ipc_place *place,
                        struct spool_record *record)
{
    struct segment_image *image = &c->image;
    const unsigned char *data = image->data;

    segment_image_fetch(image, place->offset, place->offset + sizeof(*record));
    if (!spool_record_read(data, image->bytes, place->offset, image->bytes, image->incarnation,
                           record) ||
        record->id != place->id)
        return false;
    segment_image_fetch(image, place->offset, spool_record_end(record));
    return spool_checksum(image->incarnation, data + spool_record_envelope_at(record),
                          record->envelope_bytes) == record->envelope_sum &&
           spool_checksum(image->incarnation, data + spool_record_body_at(record),
                          record->body_bytes) == record->body_sum;
}

static bool are_of_it(const struct spool_record *record, const struct ipc_place *places,
                      size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (places[i].id != record->id || places[i].group >= record->group_count ||
            places[i].cell != record->first_cell + places[i].group)
            return false;
    }
    return record->group_count <= COMPACTION_GROUPS;
}

/* All that is alive in it goes, or nothing does: of a group that the master did not list it would
 * not know where the copy lies, and let that be written over. */
static bool is_all_listed(const struct spool_record *record, const struct cell *states,
                          const struct ipc_place *places, size_t count)
{
    size_t live = 0;

    for (uint32_t i = 0; i < record->group_count; i++)
        live += cell_is_live(&states[i]);
    for (size_t i = 0; i < count; i++) {
        if (!cell_is_live(&states[places[i].group]))
            return false;
    }
    return live == count;
}

static void add_moves(struct compaction *c, const struct spool_record *record, struct cell *states,
                      const struct ipc_place *places, size_t count)
{
    const uint64_t bytes = spool_record_end(record) - record->offset;
    bool is_listed[COMPACTION_GROUPS] = { false };

    for (size_t i = 0; i < count; i++) {
        struct cell_note_place *note = &states[places[i].group].note;
        struct group_move *move = &c->moves[c->move_count++];

        *move =
            (struct group_move){ .told = { .from = places[i],
                                           .place = places[i],
                                           .record_bytes = spool_share(bytes, (uint32_t)count) },
                                 .copy = c->copy_count - 1 };
        is_listed[places[i].group] = true;
        if (!compaction_is_here(c, note))
            continue;
        move->note = read_note(c, &places[i], note);
        *note = (struct cell_note_place){ 0 }; /* where it will be is not known yet */
    }
    for (uint32_t i = 0; i < record->group_count; i++) {
        if (!is_listed[i] && compaction_is_here(c, &states[i].note))
            states[i].note = (struct cell_note_place){ 0 };
    }
}

/* Nothing will happen to it by itself. */
static bool stays(const struct spool_record *record, const struct cell *states)
{
    for (uint32_t i = 0; i < record->group_count; i++) {
        if (cell_is_live(&states[i]) && states[i].stage != CELL_FAILED &&
            (states[i].flags & CELL_QUARANTINED) == 0)
            return false;
    }
    return true;
}

static void take_record(struct compaction *c, struct spool_disk *disk,
                        const struct ipc_place *places, size_t count)
{
    struct record_copy *copy = &c->copies[c->copy_count];
    struct cell *states;

    if (!read_record(c, places, &copy->was) || !are_of_it(&copy->was, places, count)) {
        tell(c, disk, "a message is damaged: it stays in its segment");
        return;
    }
    states = calloc(copy->was.group_count, sizeof(*states));
    if (states == NULL)
        return;
    for (uint32_t i = 0; i < copy->was.group_count; i++)
        segment_image_cell(&c->image, &copy->was, i, &states[i]);
    if (!is_all_listed(&copy->was, states, places, count) ||
        spool_item_new_copy(&copy->was, c->image.data + spool_record_envelope_at(&copy->was),
                            states, &copy->item) < 0) {
        free(states);
        return;
    }
    copy->is_apart =
        spool_item_bytes(copy->item) >= COMPACTION_APART_BYTES && stays(&copy->was, states);
    if (!copy->is_apart &&
        !segment_writer_fits(disk->segment_bytes, copy->item)) { /* they were larger once */
        spool_item_free(&copy->item);
        return;
    }
    c->copy_count++;
    c->bytes += spool_item_bytes(copy->item);
    add_moves(c, &copy->was, states, places, count);
}

/* Only its note lies here, or did until a compaction that did not come to its end. One that cannot
 * be read is lost; the group must not keep its segment for it. */
static void take_note(struct compaction *c, const struct spool_disk *disk,
                      const struct ipc_place *place, struct other_state *other)
{
    struct group_move *move = &c->moves[c->move_count];
    struct cell cell;
    uint16_t sequence;

    compaction_open_other(disk, place, other);
    if (compaction_read_other(other, place, &cell, &sequence) < 0 || !cell_is_live(&cell))
        return;
    *move = (struct group_move){ .told = { .from = *place, .place = *place }, .copy = NO_COPY };
    if (compaction_is_here(c, &cell.note)) {
        move->note = read_note(c, place, &cell.note);
    } else {
        move->told.note_segment = cell.note.segment;
        move->told.note_slot = cell.note.slot;
    }
    c->move_count++;
}

/* The groups of one record, or one group whose record is elsewhere. */
static size_t run_length(const struct compaction *c, size_t at)
{
    const struct ipc_place *first = &c->places[at];
    size_t count = 1;

    if (first->segment != c->segment || first->slot != c->slot)
        return 1;
    while (at + count < c->count && c->places[at + count].offset == first->offset &&
           c->places[at + count].segment == first->segment &&
           c->places[at + count].slot == first->slot)
        count++;
    return count;
}

static void read_later(struct sync_job *job, void *arg)
{
    struct compaction *c = (struct compaction *)job;
    struct spool_disk *disk = arg;
    struct other_state other = { .fd = -1 };

    if (c->image.fd < 0)
        c->err = compaction_open(c, disk);
    while (c->err == 0 && c->at < c->count && c->bytes < COMPACTION_BYTES) {
        const struct ipc_place *first = &c->places[c->at];
        const size_t count = run_length(c, c->at);

        if (count > COMPACTION_GROUPS - c->move_count && c->move_count > 0)
            break; /* with the next batch */
        if (first->segment != c->segment || first->slot != c->slot)
            take_note(c, disk, first, &other);
        else if (count <= COMPACTION_GROUPS)
            take_record(c, disk, first, count);
        c->at += count;
    }
    compaction_close_other(&other);
    segment_image_forget(&c->image);
    sync_list_add(&disk->out, job);
}

void compaction_read(struct sync_job *job, void *arg)
{
    struct spool_disk *disk = arg;

    job->work = read_later;
    sync_list_add(&disk->later, job);
}
