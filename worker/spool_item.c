#include "worker/spool_item.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"

static struct spool_item *item_new(size_t head_bytes, uint32_t groups)
{
    const size_t groups_bytes = groups * sizeof(struct envelope_group);
    struct spool_item *item;
    unsigned char *more;

    item = malloc(sizeof(*item) + groups_bytes + SPOOL_ALIGN + head_bytes);
    if (item == NULL)
        return NULL;
    more = (unsigned char *)(item + 1);
    *item = (struct spool_item){ .groups = (struct envelope_group *)more,
                                 .head = more + groups_bytes + SPOOL_ALIGN,
                                 .head_bytes = head_bytes,
                                 .cells = groups,
                                 .err = -ECANCELED };
    memset(more + groups_bytes, 0, SPOOL_ALIGN);
    return item;
}

/* Without that a crash could repeat what was recorded (MQ03). */
static bool has_cells_for(const struct envelope *envelope)
{
    for (uint32_t i = 0; i < envelope->group_count; i++) {
        if (envelope->groups[i].count > CELL_RECIPIENTS)
            return false;
    }
    return true;
}

int spool_item_new_message(uint64_t id, int64_t received_ms, const struct envelope *envelope,
                           const struct spooler_body_facts *facts, struct spool_item **ret_item)
{
    const size_t packed = envelope_packed_bytes(envelope);
    const size_t head_bytes = sizeof(struct spool_record) + spool_align(packed);
    const struct spool_record record = { .id = id,
                                         .received_ms = received_ms,
                                         .envelope_bytes = (uint32_t)packed,
                                         .body_flags = facts->flags,
                                         .longest_line = facts->longest_line,
                                         .group_count = envelope->group_count,
                                         .recipient_count = envelope->recipient_count };
    struct spool_item *item;

    if (packed == 0 || !has_cells_for(envelope))
        return -EINVAL;
    item = item_new(head_bytes, envelope->group_count);
    if (item == NULL)
        return -ENOMEM;
    item->id = id;
    item->is_own = envelope->client[0] == '\0';
    item->received_s = clock_to_epoch_s(received_ms);
    memcpy(item->groups, envelope->groups, envelope->group_count * sizeof(*envelope->groups));
    memcpy(item->head, &record, sizeof(record));
    memset(item->head + head_bytes - SPOOL_ALIGN, 0, SPOOL_ALIGN);
    envelope_pack(envelope, item->head + sizeof(record));
    *ret_item = item;
    return 0;
}

int spool_item_new_note(uint64_t id, uint32_t group, struct cell_note_place previous,
                        const char *text, size_t bytes, struct spool_item **ret_item)
{
    const struct spool_note note = { .id = id,
                                     .group = group,
                                     .text_bytes = (uint32_t)bytes,
                                     .previous_segment = previous.segment,
                                     .previous_offset = previous.offset,
                                     .previous_slot = previous.slot };
    struct spool_item *item;

    if (bytes > SPOOL_NOTE_MAX)
        return -EMSGSIZE;
    item = item_new(sizeof(note) + bytes, 0);
    if (item == NULL)
        return -ENOMEM;
    item->id = id;
    item->is_note = true;
    memcpy(item->head, &note, sizeof(note));
    memcpy(item->head + sizeof(note), text, bytes);
    *ret_item = item;
    return 0;
}

int spool_item_new_copy(const struct spool_record *record, const void *content, struct cell *states,
                        struct spool_item **ret_item)
{
    const size_t more = (size_t)spool_align(record->envelope_bytes);
    struct spool_record copy = *record;
    struct spool_item *item = item_new(sizeof(copy) + more, 0);
    void *body = record->body_bytes > 0 ? malloc(record->body_bytes) : NULL;

    if (item == NULL || (body == NULL && record->body_bytes > 0)) {
        free(item);
        free(body);
        return -ENOMEM;
    }
    copy.copy++;
    item->id = copy.id;
    item->cells = copy.group_count;
    item->states = states;
    item->received_s = clock_to_epoch_s(copy.received_ms);
    memcpy(item->head, &copy, sizeof(copy));
    memcpy(item->head + sizeof(copy), content, more);
    if (body != NULL)
        memcpy(body, (const unsigned char *)content + more, record->body_bytes);
    item->body = body;
    item->body_bytes = record->body_bytes;
    *ret_item = item;
    return 0;
}

void spool_item_set_facts(struct spool_item *item, const struct spooler_body_facts *facts)
{
    struct spool_record record;

    memcpy(&record, item->head, sizeof(record));
    record.body_flags = facts->flags;
    record.longest_line = facts->longest_line;
    memcpy(item->head, &record, sizeof(record));
}

void spool_item_free(struct spool_item **item)
{
    if (*item == NULL)
        return;
    free((void *)(uintptr_t)(*item)->body);
    free((*item)->states);
    free(*item);
    *item = NULL;
}

static void seal_message(struct spool_item *item, uint64_t incarnation)
{
    struct spool_record record;

    memcpy(&record, item->head, sizeof(record));
    record.offset = item->offset;
    record.first_cell = item->first_cell;
    record.body_bytes = item->body_bytes;
    record.body_sum = item->body != NULL || item->body_bytes == 0
                          ? spool_checksum(incarnation, item->body, item->body_bytes)
                          : item->body_sum;
    record.envelope_sum =
        spool_checksum(incarnation, item->head + sizeof(record), record.envelope_bytes);
    spool_record_seal(&record, incarnation);
    memcpy(item->head, &record, sizeof(record));
}

static void seal_note(struct spool_item *item, uint64_t incarnation)
{
    struct spool_note note;

    memcpy(&note, item->head, sizeof(note));
    note.offset = item->offset;
    note.text_sum = spool_checksum(incarnation, item->head + sizeof(note), note.text_bytes);
    spool_note_seal(&note, incarnation);
    memcpy(item->head, &note, sizeof(note));
}

void spool_item_seal(struct spool_item *item, uint64_t incarnation)
{
    if (item->is_note)
        seal_note(item, incarnation);
    else
        seal_message(item, incarnation);
}

int spool_item_write_states(const struct spool_item *item, int state_fd, uint64_t incarnation,
                            uint16_t sequence)
{
    int err = 0;

    for (uint32_t i = 0; err == 0 && i < item->cells; i++) {
        const struct cell_key key = { .incarnation = incarnation, .id = item->id, .group = i };
        uint16_t last = sequence;

        err = cell_write(state_fd, item->first_cell + i, &key, &item->states[i], &last);
    }
    return err;
}

void spool_item_withdraw(struct spool_item *item)
{
    for (uint32_t i = 0; item->states != NULL && i < item->cells; i++)
        item->states[i].stage = CELL_MOVED;
}
