#include "worker/message.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/spool_format.h"
#include "worker/body_work.h"
#include "worker/segment_cache.h"
#include "worker/spooler.h"

static int not_this(struct reason *why, const struct ipc_place *place, const char *what)
{
    return reason_set(why, -EBADMSG, "segment %u of slot %u at %llu: %s", place->segment,
                      place->slot, (unsigned long long)place->offset, what);
}

/* A large one is another's to check: message_check(). */
static bool is_body_whole(const struct segment *segment, const struct spool_record *record)
{
    return record->body_bytes > SPOOLER_SMALL_BYTES ||
           spool_checksum(segment_incarnation(segment),
                          segment_data(segment) + spool_record_body_at(record),
                          record->body_bytes) == record->body_sum;
}

static int read_record(const struct segment *segment, const struct ipc_place *place,
                       struct spool_record *ret_record, struct reason *why)
{
    const unsigned char *data = segment_data(segment);
    const size_t bytes = segment_bytes(segment);
    const uint64_t incarnation = segment_incarnation(segment);

    if (!spool_record_read(data, bytes, place->offset, bytes, incarnation, ret_record))
        return not_this(why, place, "no record there");
    if (ret_record->id != place->id || place->group >= ret_record->group_count ||
        place->cell != ret_record->first_cell + place->group)
        return not_this(why, place, "another record lies there");
    if (spool_checksum(incarnation, data + spool_record_envelope_at(ret_record),
                       ret_record->envelope_bytes) != ret_record->envelope_sum)
        return not_this(why, place, "the envelope is damaged");
    if (!is_body_whole(segment, ret_record))
        return not_this(why, place, "the body is damaged");
    return 0;
}

static struct cell_key key_of(const struct segment *segment, const struct ipc_place *place)
{
    return (struct cell_key){ .incarnation = segment_incarnation(segment),
                              .id = place->id,
                              .group = place->group };
}

static void read_cell(struct message *message)
{
    const struct cell_key key = key_of(message->segment, &message->place);
    const size_t at = (size_t)message->place.cell * CELL_BYTES;

    if (at + CELL_BYTES <= segment_state_bytes(message->segment))
        (void)cell_decode(segment_state(message->segment) + at, &key, &message->cell,
                          &message->cell_sequence);
}

static int fill(struct message *message, const struct ipc_place *place, struct reason *why)
{
    const unsigned char *data = segment_data(message->segment);
    struct spool_record record;
    int err = read_record(message->segment, place, &record, why);

    if (err < 0)
        return err;
    err = envelope_unpack(data + spool_record_envelope_at(&record), record.envelope_bytes,
                          &message->envelope);
    if (err == -ENOMEM)
        return reason_set(why, err, "out of memory");
    if (err < 0 || message->envelope->group_count != record.group_count)
        return not_this(why, place, "the envelope is not one");
    message->place = *place;
    message->group = &message->envelope->groups[place->group];
    message->body = (const char *)data + spool_record_body_at(&record);
    message->body_bytes = record.body_bytes;
    message->body_flags = record.body_flags;
    message->longest_line = record.longest_line;
    message->received_ms = record.received_ms;
    message->body_sum = record.body_sum;
    message->offset = record.offset;
    read_cell(message);
    return 0;
}

int message_open(struct segment_cache *cache, const struct ipc_place *place,
                 struct message **ret_message, struct reason *reterr_why)
{
    struct message *message = calloc(1, sizeof(*message));
    int err;

    if (message == NULL)
        return reason_set(reterr_why, -ENOMEM, "out of memory");
    err = segment_hold(cache, place->slot, place->segment, &message->segment, reterr_why);
    if (err == 0)
        err = fill(message, place, reterr_why);
    if (err < 0)
        message_free(&message);
    else
        *ret_message = message;
    return err;
}

void message_free(struct message **message)
{
    struct message *m = *message;

    if (m == NULL)
        return;
    free(m->envelope);
    if (m->segment != NULL)
        segment_release(m->segment);
    free(m);
    *message = NULL;
}

struct segment *message_hold_segment(struct message *message)
{
    segment_hold_again(message->segment);
    return message->segment;
}

static void *hold_body(void *arg)
{
    return message_hold_segment(arg);
}

static void release_body(void *held)
{
    segment_release(held);
}

struct body_ref message_body_ref(struct message *message)
{
    return (struct body_ref){ .data = message->body,
                              .bytes = message->body_bytes,
                              .hold = hold_body,
                              .release = release_body,
                              .arg = message };
}

int message_record(struct message *message)
{
    const struct cell_key key = key_of(message->segment, &message->place);

    return cell_write(segment_state_fd(message->segment), message->place.cell, &key, &message->cell,
                      &message->cell_sequence);
}

int message_state_fd(const struct message *message)
{
    return segment_state_fd(message->segment);
}

/* ---- notes ---- */

static int read_note(const struct segment *segment, uint64_t offset, uint64_t id, uint32_t group,
                     struct message_note *ret_note)
{
    const unsigned char *data = segment_data(segment);
    const size_t bytes = segment_bytes(segment);
    const uint64_t incarnation = segment_incarnation(segment);
    struct spool_note note;

    if (!spool_note_read(data, bytes, offset, bytes, incarnation, &note) || note.id != id ||
        note.group != group)
        return -EBADMSG;
    ret_note->text = (const char *)data + offset + sizeof(note);
    ret_note->bytes = note.text_bytes;
    ret_note->previous = (struct cell_note_place){ .segment = note.previous_segment,
                                                   .offset = note.previous_offset,
                                                   .slot = note.previous_slot };
    return spool_checksum(incarnation, ret_note->text, ret_note->bytes) == note.text_sum ? 0
                                                                                         : -EBADMSG;
}

int message_note_open(struct segment_cache *cache, struct cell_note_place place, uint64_t id,
                      uint32_t group, struct message_note *ret_note, struct reason *reterr_why)
{
    int err;

    *ret_note = (struct message_note){ 0 };
    if (place.segment == 0)
        return reason_set(reterr_why, -ENOENT, "there is no note");
    err = segment_hold(cache, place.slot, place.segment, &ret_note->segment, reterr_why);
    if (err < 0)
        return err;
    err = read_note(ret_note->segment, (uint64_t)place.offset * SPOOL_ALIGN, id, group, ret_note);
    if (err == 0)
        return 0;
    message_note_close(ret_note);
    return reason_set(reterr_why, err, "segment %u of slot %u: no such note", place.segment,
                      place.slot);
}

void message_note_close(struct message_note *note)
{
    if (note->segment != NULL)
        segment_release(note->segment);
    *note = (struct message_note){ 0 };
}
