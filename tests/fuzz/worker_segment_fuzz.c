/* A segment's image through the scan, as recovery reads it.
 *
 * Random bytes would fail at the first checksum. So, if the first byte says so, headers that are
 * there get their checksums made right first: then it is lengths, places and counts that lie. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/cell.h"
#include "common/envelope.h"
#include "common/spool_format.h"
#include "worker/spool_scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RESEAL = 1, REPLACE_OFFSETS = 2, RESEAL_CONTENT = 4 };

static void reseal_commit(unsigned char *at, uint64_t offset, uint64_t incarnation, unsigned how)
{
    struct spool_commit commit;

    memcpy(&commit, at, sizeof(commit));
    commit.incarnation = incarnation;
    if ((how & REPLACE_OFFSETS) != 0)
        commit.offset = offset;
    spool_commit_seal(&commit);
    memcpy(at, &commit, sizeof(commit));
}

static void reseal_record(unsigned char *image, uint64_t bytes, uint64_t offset,
                          uint64_t incarnation, unsigned how)
{
    struct spool_record record;

    memcpy(&record, image + offset, sizeof(record));
    if ((how & REPLACE_OFFSETS) != 0)
        record.offset = offset;
    if ((how & RESEAL_CONTENT) != 0 && record.offset == offset) {
        const uint64_t room = bytes - offset - sizeof(record);

        if (record.envelope_bytes <= room)
            record.envelope_sum = spool_checksum(
                incarnation, image + spool_record_envelope_at(&record), record.envelope_bytes);
        if (spool_align(record.envelope_bytes) <= room &&
            record.body_bytes <= room - spool_align(record.envelope_bytes))
            record.body_sum = spool_checksum(incarnation, image + spool_record_body_at(&record),
                                             record.body_bytes);
    }
    spool_record_seal(&record, incarnation);
    memcpy(image + offset, &record, sizeof(record));
}

static void reseal_note(unsigned char *at, uint64_t offset, uint64_t incarnation, unsigned how)
{
    struct spool_note note;

    memcpy(&note, at, sizeof(note));
    if ((how & REPLACE_OFFSETS) != 0)
        note.offset = offset;
    spool_note_seal(&note, incarnation);
    memcpy(at, &note, sizeof(note));
}

static void reseal(unsigned char *image, uint64_t bytes, uint64_t incarnation, unsigned how)
{
    for (uint64_t at = 0; at + sizeof(struct spool_record) <= bytes; at += SPOOL_ALIGN) {
        if (memcmp(image + at, "PSTNCMT1", 8) == 0)
            reseal_commit(image + at, at, incarnation, how);
        else if (memcmp(image + at, "PSTNREC1", 8) == 0)
            reseal_record(image, bytes, at, incarnation, how);
        else if (memcmp(image + at, "PSTNNTE1", 8) == 0)
            reseal_note(image + at, at, incarnation, how);
    }
}

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void look_at_record(const unsigned char *image, const struct spool_record *record)
{
    struct envelope *envelope;
    volatile unsigned char last = 0;

    if (record->body_bytes > 0) /* its ends are there */
        last = image[spool_record_end(record) - 1];
    (void)last;
    if (envelope_unpack(image + spool_record_envelope_at(record), record->envelope_bytes,
                        &envelope) == 0)
        free(envelope);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t incarnation = 1, previous_end = SPOOL_BLOCK, bytes;
    struct spool_scan_item item;
    struct spool_scan scan;
    unsigned char *image;

    if (size < 1)
        return 0;
    bytes = size - 1;
    image = malloc(bytes > 0 ? bytes : 1);
    if (image == NULL)
        return 0;
    memcpy(image, data + 1, bytes);
    if (spool_incarnation(image, bytes, &incarnation) != 0)
        incarnation = 1;
    if ((data[0] & RESEAL) != 0)
        reseal(image, bytes, incarnation, data[0]);
    spool_scan_init(&scan, image, bytes, incarnation);
    do {
        spool_scan_next(&scan, &item);
        if (item.what == SPOOL_SCAN_AGAIN || item.what == SPOOL_SCAN_END)
            continue;
        /* Ranges follow each other, within the image. */
        check(item.offset >= previous_end && item.end > item.offset && item.end <= bytes);
        previous_end = item.end;
        if (item.what == SPOOL_SCAN_RECORD)
            look_at_record(image, &item.record);
    } while (item.what != SPOOL_SCAN_END);
    free(image);
    return 0;
}
