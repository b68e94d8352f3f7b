/* Builds the image of a segment in memory, as the writer would have left it. */
#ifndef TESTS_UNIT_SEGMENT_BUILDER_H
#define TESTS_UNIT_SEGMENT_BUILDER_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "common/envelope.h"
#include "common/spool_format.h"

struct segment_builder {
    unsigned char *data;
    uint64_t bytes, at, batch_at, sequence;
    uint64_t incarnation;
    uint32_t next_cell;
    int64_t received_ms; /* of the records */
};

static inline void builder_write_header(struct segment_builder *builder, unsigned slot)
{
    struct spool_header header = { .kind = SPOOL_SHARED,
                                   .slot = slot,
                                   .number = 1,
                                   .incarnation = builder->incarnation,
                                   .bytes = builder->bytes,
                                   .cells = spool_cells_for(builder->bytes) };

    spool_header_seal(&header);
    memcpy(builder->data, &header, sizeof(header));
}

/* Segment 1 of slot 0. */
static inline void builder_init(struct segment_builder *builder, uint64_t bytes,
                                uint64_t incarnation)
{
    *builder = (struct segment_builder){ .data = calloc(1, bytes),
                                         .bytes = bytes,
                                         .at = SPOOL_BLOCK,
                                         .incarnation = incarnation,
                                         .received_ms = 1800000000000 };
    builder_write_header(builder, 0);
}

static inline void builder_begin_batch(struct segment_builder *builder)
{
    builder->batch_at = builder->at = spool_block_align(builder->at);
    builder->at += sizeof(struct spool_commit);
    builder->sequence++;
}

static inline void builder_end_batch(struct segment_builder *builder)
{
    struct spool_commit commit = { .incarnation = builder->incarnation,
                                   .offset = builder->batch_at,
                                   .sequence = builder->sequence,
                                   .synced_end = builder->batch_at,
                                   .bytes = builder->at - builder->batch_at };

    spool_commit_seal(&commit);
    memcpy(builder->data + builder->batch_at, &commit, sizeof(commit));
}

/* A message; returns its place. */
static inline uint64_t builder_add_message(struct segment_builder *builder, uint64_t id,
                                           const struct envelope *envelope, const char *body,
                                           size_t body_bytes)
{
    struct spool_record record = { .offset = spool_align(builder->at),
                                   .id = id,
                                   .received_ms = builder->received_ms,
                                   .body_bytes = body_bytes,
                                   .envelope_bytes = (uint32_t)envelope_packed_bytes(envelope),
                                   .group_count = envelope->group_count,
                                   .recipient_count = envelope->recipient_count,
                                   .first_cell = builder->next_cell };
    unsigned char *data = builder->data;

    builder->next_cell += envelope->group_count;
    envelope_pack(envelope, data + spool_record_envelope_at(&record));
    memcpy(data + spool_record_body_at(&record), body, body_bytes);
    record.envelope_sum = spool_checksum(
        builder->incarnation, data + spool_record_envelope_at(&record), record.envelope_bytes);
    record.body_sum =
        spool_checksum(builder->incarnation, data + spool_record_body_at(&record), body_bytes);
    spool_record_seal(&record, builder->incarnation);
    memcpy(data + record.offset, &record, sizeof(record));
    builder->at = spool_record_end(&record);
    return record.offset;
}

/* One for a single recipient. */
static inline uint64_t builder_add_record(struct segment_builder *builder, uint64_t id,
                                          const char *body, size_t body_bytes)
{
    struct envelope_group group = { .rule = 1, .profile = 2, .first = 0, .count = 1 };
    struct envelope_recipient recipient = { .address = "someone@example.net" };
    const struct envelope envelope = { .sender = "sender@example.com",
                                       .client = "192.0.2.1",
                                       .helo = "client.example",
                                       .groups = &group,
                                       .recipients = &recipient,
                                       .group_count = 1,
                                       .recipient_count = 1 };

    return builder_add_message(builder, id, &envelope, body, body_bytes);
}

static inline uint64_t builder_add_note(struct segment_builder *builder, uint64_t id,
                                        const char *text)
{
    struct spool_note note = { .offset = spool_align(builder->at),
                               .id = id,
                               .text_bytes = (uint32_t)strlen(text) };

    note.text_sum = spool_checksum(builder->incarnation, text, note.text_bytes);
    spool_note_seal(&note, builder->incarnation);
    memcpy(builder->data + note.offset, &note, sizeof(note));
    memcpy(builder->data + note.offset + sizeof(note), text, note.text_bytes);
    builder->at = spool_note_end(&note);
    return note.offset;
}

/* Puts it into the folder of a slot that has none, with all its cells empty, and is done. */
static inline void builder_store(struct segment_builder *builder, const char *spool_dir,
                                 unsigned slot)
{
    char path[160];
    int fd;

    builder_write_header(builder, slot);
    (void)mkdir(spool_dir, 0700);
    snprintf(path, sizeof(path), "%s/%u", spool_dir, slot);
    cr_assert_eq(mkdir(path, 0700), 0);
    snprintf(path, sizeof(path), "%s/%u/1.seg", spool_dir, slot);
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    cr_assert_eq(write(fd, builder->data, builder->bytes), builder->bytes);
    close(fd);
    snprintf(path, sizeof(path), "%s/%u/1.state", spool_dir, slot);
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    cr_assert_eq(ftruncate(fd, spool_cells_for(builder->bytes) * CELL_BYTES), 0);
    close(fd);
    free(builder->data);
}

#endif
