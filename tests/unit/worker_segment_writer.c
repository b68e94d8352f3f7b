/* The writer by itself, its clock in the test's hand: failures, want of room, recycling. */
#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/spool_path.h"
#include "worker/disk.h"
#include "worker/segment_writer.h"
#include "worker/spool_scan.h"

#define SEGMENT_BYTES (1U << 20)
#define ITEMS_MAX     4096

static char state_dir[64], spool_dir[80];
static struct slot_dir dir;
static struct segment_writer *writer;
static int64_t now_ms;
static bool has_room;
static uint64_t last_id;

static struct {
    uint64_t id;
    int err;
    uint32_t segment;
    uint64_t offset;
} settled[ITEMS_MAX];
static unsigned settled_count, sealed_count, retired_count, alert_count;
static uint32_t sealed[64];

static void on_settled(struct sync_list *items, void *arg)
{
    struct sync_job *job;

    (void)arg;
    while ((job = sync_list_take(items)) != NULL) {
        struct spool_item *item = (struct spool_item *)job;

        cr_assert_lt(settled_count, ITEMS_MAX);
        settled[settled_count].id = item->id;
        settled[settled_count].err = item->err;
        settled[settled_count].segment = item->segment;
        settled[settled_count++].offset = item->offset;
        spool_item_free(&item);
    }
}

static void on_sealed(uint32_t number, uint64_t bytes, bool is_retired, void *arg)
{
    (void)arg;
    cr_assert_eq(bytes, SEGMENT_BYTES);
    retired_count += is_retired;
    sealed[sealed_count++ % 64] = number;
}

static void on_trouble(enum log_level level, const char *what, uint32_t number, int err, void *arg)
{
    (void)what;
    (void)number;
    (void)err;
    (void)arg;
    alert_count += level == LOG_LEVEL_ALERT;
}

static bool may_make(uint64_t bytes, void *arg)
{
    (void)arg;
    cr_assert_geq(bytes, SEGMENT_BYTES);
    return has_room;
}

static uint64_t max_id(void *arg)
{
    (void)arg;
    return last_id;
}

static void open_writer(uint32_t first_number)
{
    static const struct segment_writer_callbacks callbacks = { .on_settled = on_settled,
                                                               .on_sealed = on_sealed };
    const struct segment_settings settings = { .dir = &dir,
                                               .segment_bytes = SEGMENT_BYTES,
                                               .retry_ms = 10000,
                                               .window_ms = 60000,
                                               .first_number = first_number,
                                               .on_trouble = on_trouble,
                                               .may_make = may_make,
                                               .max_id = max_id };

    writer = segment_writer_new(&settings, &callbacks);
    cr_assert_not_null(writer);
}

static void setup(void)
{
    struct reason why = { "" };

    strcpy(state_dir, "/tmp/postern-writer.XXXXXX");
    cr_assert_not_null(mkdtemp(state_dir));
    snprintf(spool_dir, sizeof(spool_dir), "%s/spool", state_dir);
    cr_assert_eq(slot_dir_open(spool_dir, 0, &dir, &why), 0, "%s", why.text);
    now_ms = 1000000;
    has_room = true;
    open_writer(1);
}

static void close_writer(void)
{
    struct sync_list left = { 0 };
    struct sync_job *job;

    segment_writer_free(&writer, &left);
    while ((job = sync_list_take(&left)) != NULL) {
        struct spool_item *item = (struct spool_item *)job;

        spool_item_free(&item);
    }
}

static void teardown(void)
{
    char command[96];

#if POSTERN_HOOKS
    disk_set_fault(NULL);
#endif
    close_writer();
    slot_dir_close(&dir);
    snprintf(command, sizeof(command), "rm -rf '%s'", state_dir);
    cr_assert_eq(system(command), 0);
}

TestSuite(segment_writer, .init = setup, .fini = teardown, .timeout = 60);

static uint64_t add(size_t bytes)
{
    struct envelope_group group = { .rule = 1, .profile = 2, .first = 0, .count = 1 };
    struct envelope_recipient recipient = { .address = "someone@example.net" };
    const struct envelope envelope = { .sender = "",
                                       .client = "192.0.2.1",
                                       .helo = "client.example",
                                       .groups = &group,
                                       .recipients = &recipient,
                                       .group_count = 1,
                                       .recipient_count = 1 };
    const struct spooler_body_facts facts = { 0 };
    struct spool_item *item;

    cr_assert_eq(spool_item_new_message(++last_id, 1800000000000, &envelope, &facts, &item), 0);
    item->body = calloc(1, bytes);
    item->body_bytes = bytes;
    segment_writer_add(writer, item);
    return last_id;
}

/* Runs until all that was added is settled; making a segment takes many runs. */
static void run(void)
{
    const unsigned wanted = (unsigned)last_id;

    for (unsigned i = 0; i < 100 && settled_count < wanted; i++)
        (void)segment_writer_run(writer, now_ms);
    cr_assert_eq(settled_count, wanted);
}

/* So that nothing is being made when a fault is set. */
static void rest(void)
{
    for (unsigned i = 0; i < 100; i++)
        (void)segment_writer_run(writer, now_ms);
}

static int last_err(void)
{
    return settled[settled_count - 1].err;
}

static unsigned count_records(uint32_t number)
{
    int fd = spool_open(spool_dir, 0, number, SPOOL_FILE_SEGMENT, O_RDONLY);
    unsigned char *data = malloc(SEGMENT_BYTES);
    struct spool_scan_item item;
    struct spool_scan scan;
    uint64_t incarnation;
    unsigned records = 0;

    cr_assert_geq(fd, 0);
    cr_assert_eq(pread(fd, data, SEGMENT_BYTES, 0), SEGMENT_BYTES);
    cr_assert_eq(spool_incarnation(data, SEGMENT_BYTES, &incarnation), 0);
    spool_scan_init(&scan, data, SEGMENT_BYTES, incarnation);
    do {
        spool_scan_next(&scan, &item);
        records += item.what == SPOOL_SCAN_RECORD;
    } while (item.what != SPOOL_SCAN_END);
    close(fd);
    free(data);
    return records;
}

static bool exists(uint32_t number)
{
    int fd = spool_open(spool_dir, 0, number, SPOOL_FILE_SEGMENT, O_RDONLY);

    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

Test(segment_writer, one_batch_is_one_sync)
{
    uint64_t before;

    add(10);
    run();
    rest();
    before = disk_sync_count();
    for (unsigned i = 0; i < 100; i++)
        add(1000);
    run();
    cr_assert_eq(disk_sync_count() - before, 1);
    cr_assert_eq(count_records(settled[0].segment), 101);
}

/* ---- recycling ---- */

static void fill_segment(void)
{
    const unsigned before = sealed_count;

    while (sealed_count == before) {
        add(100000);
        run();
    }
}

Test(segment_writer, a_segment_handed_back_is_written_anew_and_its_old_mail_never_read)
{
    uint32_t first;

    fill_segment();
    first = sealed[0];
    cr_assert_gt(count_records(first), 5);
    rest();
    segment_writer_reuse(writer, first, now_ms);
    cr_assert(segment_writer_owns(writer, first));
    cr_assert_eq(count_records(first), 0);
    while (settled[settled_count - 1].segment != first) {
        add(100000);
        run();
    }
    cr_assert_eq(count_records(first), 1);
}

Test(segment_writer, in_steady_state_nothing_is_made)
{
    struct stat status;

    fill_segment();
    rest();
    for (unsigned i = 0; i < 10; i++) {
        segment_writer_reuse(writer, sealed[(sealed_count - 1) % 64], now_ms);
        fill_segment();
    }
    cr_assert(exists(1) && exists(2));
    cr_assert_neq(fstatat(dir.fd, "5.seg", &status, 0), 0);
}

Test(segment_writer, no_more_than_one_spare_is_kept)
{
    for (unsigned i = 0; i < 5; i++)
        fill_segment();
    rest();
    for (unsigned i = 0; i < 5; i++)
        segment_writer_reuse(writer, sealed[i], now_ms);
    cr_assert_eq((unsigned)exists(sealed[0]) + exists(sealed[1]) + exists(sealed[2]) +
                     exists(sealed[3]) + exists(sealed[4]),
                 1);
}

static unsigned count_files(void)
{
    unsigned count = 0;

    for (uint32_t number = 1; number < 64; number++)
        count += exists(number);
    return count;
}

/* So much that another is wanted, in one batch. */
static void use_a_third(void)
{
    for (unsigned i = 0; i < 4; i++)
        add(100000);
    run();
}

Test(segment_writer, none_is_made_before_a_quarter_is_used)
{
    add(100);
    run();
    rest();
    cr_assert_eq(count_files(), 1u);
    use_a_third();
    rest();
    cr_assert_eq(count_files(), 2u);
}

Test(segment_writer, one_that_is_handed_back_takes_the_place_of_the_one_that_is_being_made)
{
    uint32_t full;

    fill_segment();
    full = sealed[0];
    use_a_third();
    (void)segment_writer_run(writer, now_ms);
    cr_assert_eq(count_files(), 3u, "the full one, the current one, and one that is being made");
    segment_writer_reuse(writer, full, now_ms);
    cr_assert_eq(count_files(), 2u);
    cr_assert(segment_writer_owns(writer, full));
    rest();
    cr_assert_eq(count_files(), 2u, "one is enough");
}

Test(segment_writer, what_is_in_use_is_not_handed_back)
{
    add(100);
    run();
    segment_writer_reuse(writer, settled[0].segment, now_ms);
    segment_writer_reuse(writer, 4711, now_ms); /* nor what does not exist */
    cr_assert_eq(count_records(settled[0].segment), 1);
}

Test(segment_writer, MQ03_a_segment_whose_states_the_disk_refused_is_left_and_never_used_again)
{
    uint32_t full, current;

    fill_segment();
    full = sealed[0];
    current = settled[settled_count - 1].segment;
    cr_assert_neq(current, full);
    rest();
    segment_writer_retire(writer, full, now_ms);
    cr_assert_eq(sealed_count, 1, "it was sealed before");
    segment_writer_retire(writer, current, now_ms);
    cr_assert_eq(sealed_count, 2);
    cr_assert_eq(sealed[1], current);
    cr_assert_eq(retired_count, 1);
    add(100);
    run();
    cr_assert_eq(last_err(), 0);
    cr_assert_neq(settled[settled_count - 1].segment, current);
    cr_assert_geq(count_records(current), 1, "what was answered stays readable");
    segment_writer_reuse(writer, full, now_ms);
    segment_writer_reuse(writer, current, now_ms);
    cr_assert_not(exists(full));
    cr_assert_not(exists(current));
}

Test(segment_writer, ids_outlive_the_files_that_had_them)
{
    const uint64_t far = 1000000; /* given to messages with segments of their own, say */

    for (unsigned i = 0; i < 3; i++)
        fill_segment();
    rest();
    segment_writer_reuse(writer, sealed[0], now_ms); /* the spare */
    segment_writer_reuse(writer, sealed[1], now_ms);
    cr_assert_not(exists(sealed[1]));
    cr_assert_eq(slot_dir_last_id(dir.fd), 0, "what is left is evidence enough");
    last_id += far;
    segment_writer_reuse(writer, sealed[2], now_ms);
    last_id -= far;
    cr_assert_not(exists(sealed[2]));
    cr_assert_eq(slot_dir_last_id(dir.fd), last_id + far);
}

/* ---- room ---- */

Test(segment_writer, MQ07_without_room_it_says_so_and_goes_on_by_itself)
{
    has_room = false;
    add(100);
    run();
    cr_assert_eq(last_err(), -ENOSPC);
    cr_assert_eq(alert_count, 1, "somebody must make room");
    now_ms += 1000;
    add(100);
    run();
    cr_assert_eq(last_err(), -ENOSPC);
    cr_assert_eq(alert_count, 1, "it is still the same trouble");
    has_room = true;
    add(100);
    run();
    cr_assert_eq(last_err(), -ENOSPC, "not before a second has passed");
    now_ms += 1000;
    add(100);
    run();
    cr_assert_eq(last_err(), 0);
    cr_assert_not(segment_supply_is_stopped(segment_writer_supply(writer)));
}

Test(segment_writer, MQ07_what_is_there_is_used_up_first)
{
    use_a_third();
    rest(); /* there is a spare */
    has_room = false;
    while (last_err() == 0) {
        add(100000);
        run();
    }
    cr_assert_eq(last_err(), -ENOSPC);
    cr_assert_eq(sealed_count, 2, "the first and the spare are full");
    cr_assert_gt(count_records(sealed[1]), 5);
}

/* ---- failures ---- */
#if POSTERN_HOOKS

static enum disk_call faulty_call;
static int fault_err;
static unsigned faults_left;

static int fail_some(enum disk_call call, int fd)
{
    (void)fd;
    if (call != faulty_call || faults_left == 0)
        return 0;
    faults_left--;
    return fault_err;
}

static void set_faults(enum disk_call call, int err, unsigned count)
{
    faulty_call = call;
    fault_err = err;
    faults_left = count;
    disk_set_fault(fail_some);
}

static void expect_failure_and_fresh_segment(enum disk_call call, int err)
{
    uint32_t retired;

    add(100);
    run();
    rest();
    retired = settled[0].segment;
    set_faults(call, err, 1);
    add(200);
    add(201);
    run();
    cr_assert_eq(settled[1].err, -EIO);
    cr_assert_eq(settled[2].err, -EIO);
    cr_assert_eq(sealed_count, 1);
    cr_assert_eq(sealed[0], retired);
    cr_assert_eq(alert_count, 1);
    cr_assert_not(segment_supply_is_stopped(segment_writer_supply(writer)));
    add(300);
    run();
    cr_assert_eq(last_err(), 0);
    cr_assert_neq(settled[3].segment, retired, "never retried on that file");
    cr_assert_geq(count_records(retired), 1, "what was answered stays readable");
    segment_writer_reuse(writer, retired, now_ms);
    cr_assert_not(exists(retired), "nor is it ever written anew");
}

Test(segment_writer, MQ02_after_a_failed_sync_a_fresh_segment_goes_on)
{
    expect_failure_and_fresh_segment(DISK_CALL_SYNC, -EIO);
}

Test(segment_writer, MQ02_after_a_failed_write_a_fresh_segment_goes_on)
{
    expect_failure_and_fresh_segment(DISK_CALL_WRITE, -EIO);
}

Test(segment_writer, MQ02_a_write_without_room_in_a_made_segment_is_a_failure)
{
    expect_failure_and_fresh_segment(DISK_CALL_WRITE, -ENOSPC);
}

Test(segment_writer, MQ02_a_second_failure_within_60_s_stops_intake_until_one_succeeds)
{
    const struct segment_supply *supply = segment_writer_supply(writer);

    use_a_third();
    rest();
    set_faults(DISK_CALL_SYNC, -EIO, 1000);
    add(100);
    run(); /* the first failure is the batch, the second the fresh segment's proof */
    cr_assert_eq(last_err(), -EIO);
    cr_assert(segment_supply_is_stopped(supply));
    cr_assert_eq(alert_count, 3, "both failures, and that intake stops");
    for (unsigned i = 0; i < 9; i++) {
        now_ms += 1000;
        rest();
        add(100);
        run();
        cr_assert_eq(last_err(), -EIO, "not tried again within 10 s");
        cr_assert_eq(alert_count, 3);
    }
    now_ms += 1000;
    rest();
    cr_assert_gt(alert_count, 3, "tried again, in vain");
    cr_assert(segment_supply_is_stopped(supply));
    disk_set_fault(NULL);
    now_ms += 10000;
    rest(); /* nobody need come with mail for it to be tried */
    cr_assert_not(segment_supply_is_stopped(supply));
    add(100);
    run();
    cr_assert_eq(last_err(), 0);
}

Test(segment_writer, MQ02_a_stopped_slot_tries_its_spares_though_no_mail_comes)
{
    const struct segment_supply *supply = segment_writer_supply(writer);

    fill_segment();
    rest();
    segment_writer_reuse(writer, sealed[0], now_ms); /* a spare */
    set_faults(DISK_CALL_SYNC, -EIO, 2);
    add(100);
    run();
    rest();
    cr_assert(segment_supply_is_stopped(supply));
    now_ms += 10000;
    rest();
    cr_assert_not(segment_supply_is_stopped(supply));
    add(100);
    run();
    cr_assert_eq(last_err(), 0);
}

Test(segment_writer, MQ02_failures_far_apart_do_not_stop_intake)
{
    for (unsigned i = 0; i < 5; i++) {
        add(100);
        run();
        cr_assert_eq(last_err(), 0);
        rest();
        set_faults(DISK_CALL_SYNC, -EIO, 1);
        add(100);
        run();
        cr_assert_eq(last_err(), -EIO);
        cr_assert_not(segment_supply_is_stopped(segment_writer_supply(writer)));
        now_ms += 61000;
    }
    cr_assert_eq(alert_count, 5);
}

Test(segment_writer, MQ07_a_disk_that_fills_while_a_segment_is_made_is_no_failure)
{
    set_faults(DISK_CALL_WRITE, -ENOSPC, 1);
    add(100);
    run();
    cr_assert_eq(last_err(), -ENOSPC);
    cr_assert_eq(alert_count, 1);
    cr_assert_not(exists(1), "what was begun is removed");
    now_ms += 1000;
    add(100);
    run();
    cr_assert_eq(last_err(), 0);
}

#endif
