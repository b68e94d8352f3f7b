/* The scan over images that a crash or a bad disk left behind. */
#include <criterion/criterion.h>

#include <stdbool.h>

#include "segment_builder.h"
#include "worker/spool_scan.h"

#define IMAGE_BYTES 65536
#define LIFE        UINT64_C(0xabcdef0123456789)
#define IDS_MAX     64

static struct segment_builder builder;
static const char body[] = "Subject: x\r\n\r\nhello, hello, hello, hello, hello\r\n";

/* What a scan found. */
static struct {
    bool has[IDS_MAX];
    unsigned records, notes, damages, torn;
    uint64_t damage_from, damage_end;
} found;

static void scan(uint64_t incarnation)
{
    struct spool_scan scan;
    struct spool_scan_item item;
    unsigned steps = 0;

    memset(&found, 0, sizeof(found));
    spool_scan_init(&scan, builder.data, builder.bytes, incarnation);
    do {
        cr_assert_lt(steps++, 10000, "the scan does not end");
        spool_scan_next(&scan, &item);
        switch (item.what) {
        case SPOOL_SCAN_RECORD:
            cr_assert_lt(item.record.id, IDS_MAX);
            cr_assert_not(found.has[item.record.id], "twice");
            found.has[item.record.id] = true;
            found.records++;
            break;
        case SPOOL_SCAN_NOTE: found.notes++; break;
        case SPOOL_SCAN_DAMAGE:
            found.damages++;
            found.damage_from = item.offset;
            found.damage_end = item.end;
            break;
        case SPOOL_SCAN_TORN: found.torn++; break;
        case SPOOL_SCAN_AGAIN:
        case SPOOL_SCAN_END: break;
        }
    } while (item.what != SPOOL_SCAN_END);
}

/* Batches of 3, 2 and 3 records with ids from 1 on, a note in the second. */
static uint64_t second_record, last_batch;

static void setup(void)
{
    uint64_t id = 1;

    builder_init(&builder, IMAGE_BYTES, LIFE);
    for (unsigned batch = 0; batch < 3; batch++) {
        builder_begin_batch(&builder);
        last_batch = builder.batch_at;
        for (unsigned i = 0; i < (batch == 1 ? 2U : 3U); i++, id++) {
            const uint64_t at = builder_add_record(&builder, id, body, sizeof(body) - 1 - i);

            if (id == 2)
                second_record = at;
        }
        if (batch == 1)
            builder_add_note(&builder, 4, "{\"reply\":\"451 4.3.0\"}");
        builder_end_batch(&builder);
    }
}

static void teardown(void)
{
    free(builder.data);
}

TestSuite(spool_scan, .init = setup, .fini = teardown, .timeout = 60);

Test(spool_scan, everything_that_was_written_is_found)
{
    scan(LIFE);
    cr_assert_eq(found.records, 8);
    cr_assert_eq(found.notes, 1);
    cr_assert_eq(found.damages, 0);
    cr_assert_eq(found.torn, 0);
}

Test(spool_scan, an_unused_segment_holds_nothing)
{
    memset(builder.data + SPOOL_BLOCK, 0, IMAGE_BYTES - SPOOL_BLOCK);
    scan(LIFE);
    cr_assert_eq(found.records + found.notes + found.damages + found.torn, 0);
}

Test(spool_scan, another_life_of_the_file_is_never_read)
{
    scan(LIFE + 1);
    cr_assert_eq(found.records + found.notes + found.damages + found.torn, 0);
}

Test(spool_scan, a_new_life_hides_the_old_one_behind_it)
{
    struct segment_builder old = builder;

    builder_init(&builder, IMAGE_BYTES, LIFE + 7);
    memcpy(builder.data + SPOOL_BLOCK, old.data + SPOOL_BLOCK, IMAGE_BYTES - SPOOL_BLOCK);
    free(old.data);
    scan(LIFE + 7);
    cr_assert_eq(found.records + found.damages, 0);
    builder_begin_batch(&builder);
    builder_add_record(&builder, 40, body, sizeof(body) - 1);
    builder_end_batch(&builder);
    scan(LIFE + 7);
    cr_assert_eq(found.records, 1);
    cr_assert(found.has[40]);
    cr_assert_eq(found.damages + found.torn, 0);
}

/* From `cut` on the last batch never reached the disk; `filler` is what lies there instead. */
static void expect_cut(uint64_t cut, unsigned char filler)
{
    unsigned char *kept = malloc(IMAGE_BYTES);

    memcpy(kept, builder.data, IMAGE_BYTES);
    memset(builder.data + cut, filler, IMAGE_BYTES - cut);
    scan(LIFE);
    for (unsigned id = 1; id <= 5; id++)
        cr_assert(found.has[id], "cut at %llu: %u is lost", (unsigned long long)cut, id);
    cr_assert_eq(found.notes, 1);
    cr_assert_eq(found.damages, 0, "cut at %llu: a torn end is no damage", (unsigned long long)cut);
    cr_assert_not(found.has[8]);
    cr_assert(found.has[6] || !found.has[7]);
    memcpy(builder.data, kept, IMAGE_BYTES);
    free(kept);
}

Test(spool_scan, MQ02_a_torn_end_is_dropped_at_every_byte_and_all_before_stays)
{
    for (uint64_t cut = last_batch; cut < builder.at; cut++) {
        expect_cut(cut, 0);
        expect_cut(cut, 0xa5);
    }
}

Test(spool_scan, a_hole_in_the_last_batch_loses_what_lies_in_it)
{
    /* Pages reach the disk in any order. */
    struct spool_record record;
    uint64_t at = last_batch + sizeof(struct spool_commit);

    cr_assert(spool_record_read(builder.data, IMAGE_BYTES, at, IMAGE_BYTES, LIFE, &record));
    memset(builder.data + at, 0, sizeof(record));
    scan(LIFE);
    cr_assert_not(found.has[6]);
    cr_assert(found.has[7] && found.has[8]);
    cr_assert_eq(found.damages, 0);
    cr_assert_eq(found.torn, 1);
}

Test(spool_scan, a_flipped_byte_below_the_watermark_loses_just_that_record)
{
    struct spool_record record;
    uint64_t body_at;

    cr_assert(
        spool_record_read(builder.data, IMAGE_BYTES, second_record, IMAGE_BYTES, LIFE, &record));
    body_at = spool_record_envelope_at(&record) + record.envelope_bytes;
    for (uint64_t at = second_record; at < body_at; at++) {
        builder.data[at] ^= 0x20;
        scan(LIFE);
        cr_assert_eq(found.records, 7, "byte %llu", (unsigned long long)(at - second_record));
        cr_assert_not(found.has[2]);
        cr_assert_eq(found.damages, 1);
        cr_assert_eq(found.damage_from, second_record);
        cr_assert_leq(found.damage_end, spool_align(spool_record_end(&record)));
        cr_assert_eq(found.torn, 0);
        builder.data[at] ^= 0x20;
    }
}

Test(spool_scan, a_damaged_commit_block_loses_no_record)
{
    for (uint64_t at = SPOOL_BLOCK; at < last_batch; at += SPOOL_BLOCK) {
        for (unsigned i = 0; i < sizeof(struct spool_commit); i++) {
            builder.data[at + i] ^= 1;
            scan(LIFE);
            cr_assert_eq(found.records, 8);
            cr_assert_eq(found.damages, 1);
            cr_assert_eq(found.damage_from, at);
            cr_assert_eq(found.damage_end, at + sizeof(struct spool_commit));
            builder.data[at + i] ^= 1;
        }
    }
}

Test(spool_scan, a_lost_block_loses_what_began_in_it)
{
    memset(builder.data + SPOOL_BLOCK, 0, SPOOL_BLOCK);
    scan(LIFE);
    cr_assert_eq(found.records, 5);
    cr_assert(found.has[4] && found.has[8]);
    cr_assert_eq(found.damages, 1);
    cr_assert_eq(found.damage_from, SPOOL_BLOCK);
    cr_assert_eq(found.damage_end, 2 * SPOOL_BLOCK);
}

Test(spool_scan, lengths_that_lie_do_not_lead_out_of_the_image)
{
    static const uint64_t lies[] = { 0,
                                     1,
                                     63,
                                     64,
                                     IMAGE_BYTES,
                                     IMAGE_BYTES * 2,
                                     UINT64_MAX / 2,
                                     UINT64_MAX - SPOOL_BLOCK,
                                     UINT64_MAX };

    for (unsigned i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        struct spool_commit commit;

        memcpy(&commit, builder.data + SPOOL_BLOCK, sizeof(commit));
        commit.bytes = lies[i];
        spool_commit_seal(&commit); /* as if the writer itself had erred */
        memcpy(builder.data + SPOOL_BLOCK, &commit, sizeof(commit));
        scan(LIFE);
        cr_assert(found.has[6] && found.has[7] && found.has[8]);
    }
}
