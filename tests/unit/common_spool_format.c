/* Headers of the spool: each checks out only whole, in its place and in its own life of the file.
 */
#include <criterion/criterion.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/spool_format.h"
#include "common/spool_path.h"

#define IMAGE_BYTES 16384

static const uint64_t life = 0xfeedfacecafebeef;
static unsigned char image[IMAGE_BYTES];

static struct spool_record put_record(uint64_t offset, uint32_t envelope, uint64_t body)
{
    struct spool_record record = { .offset = offset,
                                   .id = 77,
                                   .envelope_bytes = envelope,
                                   .body_bytes = body,
                                   .group_count = 1,
                                   .recipient_count = 1 };

    spool_record_seal(&record, life);
    memcpy(image + offset, &record, sizeof(record));
    return record;
}

Test(spool_format, header_is_read_back_and_any_flipped_byte_refuses_it)
{
    struct spool_header header = { .kind = SPOOL_SHARED,
                                   .slot = 3,
                                   .number = 12,
                                   .incarnation = life,
                                   .bytes = 1 << 20,
                                   .max_id = 99,
                                   .cells = 1024 };
    struct spool_header back;
    bool is_newer;

    spool_header_seal(&header);
    memcpy(image, &header, sizeof(header));
    cr_assert(spool_header_read(image, SPOOL_BLOCK, &back, &is_newer));
    cr_assert_eq(back.number, 12);
    cr_assert_eq(back.max_id, 99);
    cr_assert_not(spool_header_read(image, sizeof(header) - 1, &back, NULL));
    for (unsigned i = 0; i < sizeof(header); i++) {
        image[i] ^= 1;
        cr_assert_not(spool_header_read(image, SPOOL_BLOCK, &back, &is_newer), "byte %u", i);
        cr_assert_not(is_newer);
        image[i] ^= 1;
    }
}

Test(spool_format, OP09_a_newer_version_is_told_from_damage)
{
    struct spool_header header = { .kind = SPOOL_SHARED, .number = 1 }, back;
    bool is_newer;

    spool_header_seal(&header);
    header.version = SPOOL_VERSION + 1;
    header.checksum = spool_checksum(0, (const unsigned char *)&header + 16, sizeof(header) - 16);
    cr_assert_not(spool_header_read(&header, sizeof(header), &back, &is_newer));
    cr_assert(is_newer);
}

Test(spool_format, record_is_read_only_whole_in_its_place_and_life)
{
    struct spool_record back;

    put_record(4160, 100, 1000);
    cr_assert(spool_record_read(image, IMAGE_BYTES, 4160, IMAGE_BYTES, life, &back));
    cr_assert_eq(spool_record_envelope_at(&back), 4160 + 128);
    cr_assert_eq(spool_record_body_at(&back), 4160 + 128 + 104);
    cr_assert_eq(spool_record_end(&back), 4160 + 128 + 104 + 1000);
    cr_assert_not(spool_record_read(image, IMAGE_BYTES, 4160, IMAGE_BYTES, life + 1, &back));
    memmove(image + 8192, image + 4160, 128);
    cr_assert_not(spool_record_read(image, IMAGE_BYTES, 8192, IMAGE_BYTES, life, &back));
    for (unsigned i = 0; i < sizeof(back); i++) {
        image[4160 + i] ^= 0x80;
        cr_assert_not(spool_record_read(image, IMAGE_BYTES, 4160, IMAGE_BYTES, life, &back),
                      "byte %u", i);
        image[4160 + i] ^= 0x80;
    }
}

Test(spool_format, record_must_fit_where_it_lies)
{
    struct spool_record back, record = put_record(4160, 100, 1000);
    const uint64_t end = spool_record_end(&record);

    cr_assert(spool_record_read(image, IMAGE_BYTES, 4160, end, life, &back));
    cr_assert_not(spool_record_read(image, IMAGE_BYTES, 4160, end - 1, life, &back));
    cr_assert_not(spool_record_read(image, 4160 + 127, 4160, end, life, &back));
    cr_assert_not(spool_record_read(image, IMAGE_BYTES, 4161, IMAGE_BYTES, life, &back));
    put_record(4160, UINT32_MAX, 1000);
    cr_assert_not(spool_record_read(image, IMAGE_BYTES, 4160, IMAGE_BYTES, life, &back));
    put_record(4160, 100, UINT64_MAX);
    cr_assert_not(spool_record_read(image, IMAGE_BYTES, 4160, IMAGE_BYTES, life, &back));
    put_record(4160, 100, UINT64_MAX - 4160 - 128 - 104 + 2); /* its end would wrap */
    cr_assert_not(spool_record_read(image, IMAGE_BYTES, 4160, IMAGE_BYTES, life, &back));
}

Test(spool_format, note_is_read_only_whole_in_its_place_and_life)
{
    struct spool_note note = { .offset = 512, .id = 5, .text_bytes = 10, .group = 2 }, back;

    spool_note_seal(&note, life);
    memcpy(image + 512, &note, sizeof(note));
    cr_assert(spool_note_read(image, IMAGE_BYTES, 512, IMAGE_BYTES, life, &back));
    cr_assert_eq(spool_note_end(&back), 512 + 64 + 10);
    cr_assert_not(spool_note_read(image, IMAGE_BYTES, 512, 512 + 64 + 9, life, &back));
    cr_assert_not(spool_note_read(image, IMAGE_BYTES, 512, IMAGE_BYTES, life + 1, &back));
    note.text_bytes = SPOOL_NOTE_MAX + 1;
    spool_note_seal(&note, life);
    memcpy(image + 512, &note, sizeof(note));
    cr_assert_not(spool_note_read(image, IMAGE_BYTES, 512, IMAGE_BYTES, life, &back));
}

Test(spool_format, incarnation_is_found_behind_a_damaged_header)
{
    struct spool_header header = { .kind = SPOOL_SHARED, .number = 1, .incarnation = life };
    struct spool_commit commit = { .incarnation = life, .offset = SPOOL_BLOCK, .bytes = 64 };
    uint64_t found = 0;

    memset(image, 0, sizeof(image));
    spool_header_seal(&header);
    memcpy(image, &header, sizeof(header));
    cr_assert_eq(spool_incarnation(image, IMAGE_BYTES, &found), 0);
    cr_assert_eq(found, life);
    memset(image, 0x55, SPOOL_BLOCK);
    cr_assert_eq(spool_incarnation(image, IMAGE_BYTES, &found), -EBADMSG);
    spool_commit_seal(&commit);
    memcpy(image + SPOOL_BLOCK, &commit, sizeof(commit));
    found = 0;
    cr_assert_eq(spool_incarnation(image, IMAGE_BYTES, &found), 0);
    cr_assert_eq(found, life);
    cr_assert_eq(spool_incarnation(image, SPOOL_BLOCK + 63, &found), -EBADMSG);
}

Test(spool_format, cells_are_in_proportion_to_size)
{
    cr_assert_eq(spool_cells_for(1 << 20), 1024);
    cr_assert_eq(spool_cells_for(64 << 20), 65536);
    cr_assert_eq(spool_cells_for(UINT64_C(1) << 30), 65536);
}

Test(spool_format, names_are_read_as_they_are_written)
{
    static const char *const foreign[] = {
        "0.seg",  "01.seg",         "-1.seg", "+1.seg", " 1.seg", "1.state",
        "1.segx", "4294967296.seg", "lock",   "",       "1",      "99999999999999999999.seg"
    };
    char name[SPOOL_NAME_SIZE];
    uint32_t number = 0;

    cr_assert_str_eq(spool_name(7, SPOOL_FILE_STATE, name), "7.state");
    cr_assert(spool_name_parse(spool_name(4294967295U, SPOOL_FILE_SEGMENT, name), &number));
    cr_assert_eq(number, 4294967295U);
    for (unsigned i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++)
        cr_assert_not(spool_name_parse(foreign[i], &number), "%s", foreign[i]);
}
