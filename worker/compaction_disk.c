/* A compaction's work in the sync thread: reads what is to be copied, and marks what was. */
#include "worker/compaction_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/hook.h"
#include "worker/disk.h"

static void tell(const struct compaction *c, struct spool_disk *disk, enum log_level level,
                 const char *what, int err)
{
    spool_disk_tell(level, what, c->segment, err, disk);
}

/* ---- files ---- */

static int open_state_at(int slot_fd, uint32_t number)
{
    char name[SPOOL_NAME_SIZE];
    int fd = openat(slot_fd, spool_name(number, SPOOL_FILE_STATE, name),
                    O_RDWR | O_CLOEXEC | O_NOFOLLOW);

    return fd >= 0 ? fd : -errno;
}

static int open_files(struct compaction *c, struct spool_disk *disk)
{
    int err;

    c->slot_fd = spool_disk_open_slot(disk, c->slot);
    if (c->slot_fd < 0)
        return c->slot_fd;
    c->state_fd = open_state_at(c->slot_fd, c->segment);
    if (c->state_fd < 0)
        return c->state_fd;
    err = segment_image_open(c->slot_fd, c->segment, &c->image);
    return err == 0 ? segment_image_read_cells(&c->image, c->slot_fd, c->segment) : err;
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

/* The state file of a group whose record stays where it is. */
struct other_state {
    unsigned slot;
    uint32_t segment; /* 0: none is open */
    int fd;
    uint64_t incarnation;
    bool is_written;
    int err;
};

static void close_other(struct other_state *other)
{
    if (other->segment != 0 && other->fd >= 0)
        close(other->fd);
    *other = (struct other_state){ .fd = -1 };
}

/* Places are in order, so the same file serves its neighbours, too. */
static void open_other(const struct spool_disk *disk, const struct ipc_place *place,
                       struct other_state *other)
{
    int fd;

    if (other->segment == place->segment && other->slot == place->slot)
        return;
    close_other(other);
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

static int read_other_cell(const struct other_state *other, const struct ipc_place *place,
                           struct cell *ret_cell, uint16_t *ret_sequence)
{
    const struct cell_key key = { .incarnation = other->incarnation,
                                  .id = place->id,
                                  .group = place->group };

    if (other->err < 0)
        return other->err;
    return cell_read(other->fd, place->cell, &key, ret_cell, ret_sequence);
}

/* ---- notes ---- */

static bool is_here(const struct compaction *c, const struct cell_note_place *note)
{
    return note->segment == c->segment && note->slot == c->slot;
}

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
    return true;
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
        if (!is_here(c, note))
            continue;
        move->note = read_note(c, &places[i], note);
        *note = (struct cell_note_place){ 0 }; /* where it will be is not known yet */
    }
    for (uint32_t i = 0; i < record->group_count; i++) {
        if (!is_listed[i] && is_here(c, &states[i].note))
            states[i].note = (struct cell_note_place){ 0 };
    }
}

static void take_record(struct compaction *c, struct spool_disk *disk,
                        const struct ipc_place *places, size_t count)
{
    struct record_copy *copy = &c->copies[c->copy_count];
    struct cell *states;

    if (!read_record(c, places, &copy->was) || !are_of_it(&copy->was, places, count)) {
        tell(c, disk, LOG_LEVEL_ALERT, "a message is damaged: it stays in its segment", 0);
        return;
    }
    states = calloc(copy->was.group_count, sizeof(*states));
    if (states == NULL)
        return;
    for (uint32_t i = 0; i < copy->was.group_count; i++)
        segment_image_cell(&c->image, &copy->was, i, &states[i]);
    if (spool_item_new_copy(&copy->was, c->image.data + spool_record_envelope_at(&copy->was),
                            states, &copy->item) < 0) {
        free(states);
        return;
    }
    if (!segment_writer_fits(disk->segment_bytes, copy->item)) { /* they were larger once */
        spool_item_free(&copy->item);
        return;
    }
    c->copy_count++;
    c->bytes += spool_item_bytes(copy->item);
    add_moves(c, &copy->was, states, places, count);
}

/* Only its note lies here. */
static void take_note(struct compaction *c, const struct spool_disk *disk,
                      const struct ipc_place *place, struct other_state *other)
{
    struct group_move *move = &c->moves[c->move_count];
    struct cell cell;
    uint16_t sequence;

    open_other(disk, place, other);
    if (read_other_cell(other, place, &cell, &sequence) < 0 || !is_here(c, &cell.note))
        return;
    *move = (struct group_move){ .told = { .from = *place, .place = *place }, .copy = NO_COPY };
    move->note = read_note(c, place, &cell.note);
    if (move->note != NULL)
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
        c->err = open_files(c, disk);
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
    close_other(&other);
    segment_image_forget(&c->image);
    sync_list_add(&disk->out, job);
}

void compaction_read(struct sync_job *job, void *arg)
{
    struct spool_disk *disk = arg;

    job->work = read_later;
    sync_list_add(&disk->later, job);
}

/* ---- marking ---- */

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

static void mark_copies(struct compaction *c, struct spool_disk *disk)
{
    bool is_any = false;
    int err = 0;

    for (uint32_t i = 0; err == 0 && i < c->copy_count; i++) {
        if (c->copies[i].item->err < 0)
            continue;
        is_any = true;
        err = mark_copy(c, &c->copies[i]);
    }
    if (err == 0 && is_any)
        err = disk_sync_data(c->state_fd);
    /* The copies count all the same; only a restart would find both. */
    if (err < 0)
        tell(c, disk, LOG_LEVEL_ALERT, "cannot mark moved mail: a restart may deliver it again",
             err);
}

static int write_note_place(struct compaction *c, const struct group_move *move,
                            struct other_state *other)
{
    const struct ipc_place *place = &move->told.from;
    const struct cell_key key = { .incarnation = other->incarnation,
                                  .id = place->id,
                                  .group = place->group };
    struct cell cell;
    uint16_t sequence;
    int err = read_other_cell(other, place, &cell, &sequence);

    if (err < 0)
        return err;
    cell.note = (struct cell_note_place){ .segment = move->note->segment,
                                          .offset = (uint32_t)(move->note->offset / SPOOL_ALIGN),
                                          .slot = (uint8_t)c->spooler->dir.slot };
    err = cell_write(other->fd, place->cell, &key, &cell, &sequence);
    other->is_written = other->is_written || err == 0;
    return err;
}

static void mark_notes(struct compaction *c, struct spool_disk *disk)
{
    struct other_state other = { .fd = -1 };
    uint32_t from = 0; /* the first whose cell lies in the open file */

    for (uint32_t i = 0; i <= c->move_count; i++) {
        struct group_move *move = i < c->move_count ? &c->moves[i] : NULL;
        const bool is_same = move != NULL && other.segment == move->told.from.segment &&
                             other.slot == move->told.from.slot;

        if (!is_same && other.is_written && disk_sync_data(other.fd) < 0) {
            for (uint32_t k = from; k < i; k++)
                c->moves[k].is_lost = c->moves[k].is_lost || c->moves[k].copy == NO_COPY;
        }
        if (!is_same)
            other.is_written = false;
        if (move == NULL || move->copy != NO_COPY || move->note->err < 0)
            continue;
        if (!is_same)
            from = i;
        open_other(disk, &move->told.from, &other);
        move->is_lost = write_note_place(c, move, &other) < 0;
    }
    close_other(&other);
}

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
