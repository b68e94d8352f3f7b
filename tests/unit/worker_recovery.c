/* What a restart finds: everything that was answered, in the state it was in, and nothing twice. */
#include "spool_world.h"

#include <signal.h>
#include <sys/wait.h>

#include "common/id.h"
#include "common/spool_format.h"
#include "common/spool_path.h"
#include "worker/message.h"
#include "worker/segment_cache.h"
#include "worker/slot_dir.h"

static struct world *world;
static struct segment_cache *cache;

static void setup(void)
{
    world = world_new("");
    cache = segment_cache_new(world->spool_dir, world->worker);
}

static void teardown(void)
{
    segment_cache_free(&cache);
    world_free(world);
}

TestSuite(recovery, .init = setup, .fini = teardown, .timeout = 60);

/* The worker ends in order; what it told is forgotten. */
static void stop(void)
{
    spooler_free(&world->spooler);
    world_turn(world); /* what it told last */
    world->queued_count = world->sealed_count = 0;
    world->done = world->stored = 0;
}

static void rescan(unsigned slot)
{
    const unsigned before = world->rescanned_count;

    spooler_rescan(world->spooler, slot);
    WORLD_WAIT(world, world->rescanned_count == before + 1);
}

static const struct ipc_mail_queued *find_queued(uint64_t id, unsigned group)
{
    for (unsigned i = 0; i < world->queued_count; i++) {
        if (world->queued[i].place.id == id && world->queued[i].place.group == group)
            return &world->queued[i];
    }
    return NULL;
}

static void expect_body(const struct ipc_mail_queued *queued, unsigned number, size_t bytes)
{
    struct message *message = NULL;
    struct reason why = { "" };
    char *body = world_body(number, bytes);

    cr_assert_not_null(queued);
    cr_assert_eq(message_open(cache, &queued->place, &message, &why), 0, "%s", why.text);
    cr_assert_eq(message->body_bytes, bytes);
    cr_assert_eq(memcmp(message->body, body, bytes), 0);
    message_free(&message);
    free(body);
}

static void submit_all(unsigned count, size_t bytes, unsigned groups, uint64_t *ret_ids)
{
    for (unsigned i = 0; i < count; i++)
        ret_ids[i] = world_submit(world, i, bytes, groups);
    WORLD_WAIT(world, world->done == count);
    cr_assert_eq(world->stored, count);
    WORLD_WAIT(world, world->queued_count == count * groups);
}

Test(recovery, an_empty_slot_is_told_at_once)
{
    world_open(world, 5);
    rescan(5);
    cr_assert_eq(world->rescanned[0].slot, 5);
    cr_assert_eq(world->rescanned[0].err, 0);
    cr_assert_eq(world->rescanned[0].groups, 0);
    rescan(77); /* nor is there such a folder */
    cr_assert_eq(world->rescanned[1].slot, 77);
    cr_assert_eq(world->rescanned[1].err, 0);
}

Test(recovery, MQ02_what_was_answered_is_found_again)
{
    static uint64_t ids[700];

    world_open(world, 0);
    submit_all(700, 2000, 2, ids);
    stop();
    world_open(world, 0);
    rescan(0);
    cr_assert_eq(world->rescanned[0].groups, 1400);
    cr_assert_eq(world->rescanned[0].damaged, 0);
    cr_assert_eq(world->rescanned[0].max_id, ids[699]);
    WORLD_WAIT(world, world->queued_count == 1400);
    for (unsigned i = 0; i < 700; i++) {
        const struct ipc_mail_queued *first = find_queued(ids[i], 0),
                                     *last = find_queued(ids[i], 1);

        expect_body(first, i, 2000);
        cr_assert_eq(first->flags, IPC_QUEUED_RECOVERED);
        cr_assert_eq(last->flags, IPC_QUEUED_RECOVERED | IPC_QUEUED_LAST);
        cr_assert_eq(first->recipients, 2);
        cr_assert_eq(last->recipients, 1);
        cr_assert_eq(first->rule, 7);
        cr_assert_eq(last->profile, 4);
        cr_assert_eq(first->body_bytes, 2000);
    }
    cr_assert_geq(world->sealed_count, 2, "every old segment is told once");
    cr_assert_gt(spooler_next_id(world->spooler), ids[699]);
}

Test(recovery, MQ02_killed_at_any_time_nothing_answered_is_lost)
{
    static uint64_t answered[20000];
    unsigned count = 0;
    int pipe_fd[2];
    pid_t child;
    ssize_t n;

    cr_assert_eq(pipe(pipe_fd), 0);
    child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        close(pipe_fd[0]);
        world_connect(world); /* a loop of its own: epoll sets are shared by fork */
        world_open(world, 0);
        for (unsigned i = 0;; i++) {
            const unsigned before = world->stored;

            if (spooler_reserve(world->spooler, 3000) != 0) {
                world_turn(world);
                continue;
            }
            spooler_unreserve(world->spooler, 3000);
            world_submit(world, i, 500 + i % 2000, 1);
            if (i % 7 == 0)
                world_turn(world);
            if (world->stored != before &&
                write(pipe_fd[1], &world->last_id, sizeof(world->last_id)) < 0)
                _exit(1);
        }
    }
    close(pipe_fd[1]);
    /* Whatever it is doing after a few hundred answers. */
    while (count < 300 && (n = read(pipe_fd[0], &answered[count], 8)) == 8)
        count++;
    cr_assert_eq(kill(child, SIGKILL), 0);
    while (count < 20000 && (n = read(pipe_fd[0], &answered[count], 8)) == 8)
        count++;
    cr_assert_eq(waitpid(child, NULL, 0), child);
    close(pipe_fd[0]);
    cr_assert_geq(count, 300);
    world_open(world, 0);
    rescan(0);
    WORLD_WAIT(world, world->queued_count == world->rescanned[0].groups);
    cr_assert_eq(world->rescanned[0].damaged, 0);
    for (unsigned i = 0; i < count; i++)
        cr_assert_not_null(find_queued(answered[i], 0), "answered and lost");
    for (unsigned i = 0; i < world->queued_count; i++) {
        struct message *message = NULL;
        struct reason why = { "" };

        cr_assert_eq(message_open(cache, &world->queued[i].place, &message, &why), 0, "%s",
                     why.text);
        message_free(&message);
    }
}

static void set_cell(const struct ipc_mail_queued *queued, const struct cell *cell)
{
    struct message *message = NULL;

    cr_assert_eq(message_open(cache, &queued->place, &message, NULL), 0);
    message->cell = *cell;
    cr_assert_eq(message_record(message), 0);
    spooler_state_touched(world->spooler, &message->place, message_state_fd(message));
    message_free(&message);
}

Test(recovery, MQ03_each_group_comes_back_in_the_state_it_was_recorded_in)
{
    struct cell cell;
    uint64_t ids[7];

    world_open(world, 0);
    submit_all(7, 100, 1, ids);
    cell = (struct cell){ .stage = CELL_DONE };
    set_cell(find_queued(ids[0], 0), &cell);
    cell = (struct cell){ .stage = CELL_DELETED };
    set_cell(find_queued(ids[1], 0), &cell);
    cell = (struct cell){ .stage = CELL_FAILED, .attempts = 4 };
    cell_recipient_set(&cell, 0, CELL_RCPT_REFUSED);
    cell_recipient_set(&cell, 1, CELL_RCPT_DELIVERED);
    set_cell(find_queued(ids[2], 0), &cell);
    cell = (struct cell){ .flags = CELL_HELD, .crashes = 2 };
    set_cell(find_queued(ids[3], 0), &cell);
    cell = (struct cell){ .attempts = 3,
                          .next_attempt_s = 12345,
                          .note = { .segment = 9, .offset = 8, .slot = 6 } };
    cell_recipient_set(&cell, 0, CELL_RCPT_DELIVERED);
    set_cell(find_queued(ids[4], 0), &cell);
    cell = (struct cell){ .profile = 99 };
    set_cell(find_queued(ids[5], 0), &cell);
    stop();
    world_open(world, 0);
    rescan(0);
    WORLD_WAIT(world, world->queued_count == 5);
    cr_assert_null(find_queued(ids[0], 0));
    cr_assert_null(find_queued(ids[1], 0));
    cr_assert_eq(find_queued(ids[2], 0)->flags,
                 IPC_QUEUED_RECOVERED | IPC_QUEUED_LAST | IPC_QUEUED_FAILED);
    cr_assert_eq(find_queued(ids[2], 0)->attempts, 4);
    cr_assert_eq(find_queued(ids[2], 0)->recipients, 0);
    cr_assert_eq(find_queued(ids[3], 0)->flags,
                 IPC_QUEUED_RECOVERED | IPC_QUEUED_LAST | IPC_QUEUED_HELD);
    cr_assert_eq(find_queued(ids[3], 0)->crashes, 2);
    cr_assert_eq(find_queued(ids[4], 0)->attempts, 3);
    cr_assert_eq(find_queued(ids[4], 0)->next_attempt_s, 12345);
    cr_assert_eq(find_queued(ids[4], 0)->recipients, 1);
    cr_assert_eq(find_queued(ids[4], 0)->note_segment, 9);
    cr_assert_eq(find_queued(ids[4], 0)->note_slot, 6);
    cr_assert_eq(find_queued(ids[5], 0)->profile, 99);
    cr_assert_eq(find_queued(ids[6], 0)->profile, 3);
    cr_assert_eq(find_queued(ids[6], 0)->attempts, 0);
}

Test(recovery, a_slot_without_a_worker_is_scanned_by_another)
{
    uint64_t ids[10];

    world_open(world, 7);
    submit_all(10, 100, 1, ids);
    stop();
    world_open(world, 0);
    rescan(7);
    WORLD_WAIT(world, world->queued_count == 10);
    cr_assert_eq(world->rescanned[0].slot, 7);
    cr_assert_eq(find_queued(ids[3], 0)->place.slot, 7);
    expect_body(find_queued(ids[3], 0), 3, 100);
    cr_assert_eq(world->sealed[0].slot, 7);
    cr_assert_lt(id_slot(spooler_next_id(world->spooler)), 1, "its ids are its own");
}

static int open_segment(uint32_t number, int flags)
{
    int fd = spool_open(world->spool_dir, 0, number, SPOOL_FILE_SEGMENT, flags);

    cr_assert_geq(fd, 0);
    return fd;
}

static void flip(uint32_t number, uint64_t at)
{
    int fd = open_segment(number, O_RDWR);
    unsigned char byte;

    cr_assert_eq(pread(fd, &byte, 1, (off_t)at), 1);
    byte ^= 4;
    cr_assert_eq(pwrite(fd, &byte, 1, (off_t)at), 1);
    close(fd);
}

static unsigned count_damaged(void)
{
    char command[160];
    FILE *out;
    unsigned count = 0;

    snprintf(command, sizeof(command), "ls %s/damaged | wc -l", world->spool_dir);
    out = popen(command, "r");
    cr_assert_eq(fscanf(out, "%u", &count), 1);
    pclose(out);
    return count;
}

Test(recovery, damage_is_kept_told_and_costs_one_message)
{
    struct ipc_place place, body_place;
    struct message *message = NULL;
    struct reason why = { "" };
    uint64_t ids[9];

    world_open(world, 0);
    for (unsigned i = 0; i < 3; i++) { /* three batches: the first two are proven */
        for (unsigned j = 0; j < 3; j++)
            ids[3 * i + j] = world_submit(world, 3 * i + j, 300, 1);
        WORLD_WAIT(world, world->queued_count == 3 * i + 3);
    }
    place = find_queued(ids[1], 0)->place;
    body_place = find_queued(ids[4], 0)->place;
    stop();
    flip(place.segment, place.offset + 40);
    flip(body_place.segment, body_place.offset + 400);
    world_open(world, 0);
    rescan(0);
    WORLD_WAIT(world, world->queued_count == 8);
    cr_assert_eq(world->rescanned[0].damaged, 1);
    cr_assert_eq(world->rescanned[0].err, 0);
    cr_assert_null(find_queued(ids[1], 0));
    cr_assert_eq(count_damaged(), 1);
    expect_body(find_queued(ids[8], 0), 8, 300);
    /* The body is looked at when it is opened. */
    cr_assert_eq(message_open(cache, &find_queued(ids[4], 0)->place, &message, &why), -EBADMSG);
    cr_assert_not_null(strstr(why.text, "body"));
    stop();
    world_open(world, 0);
    rescan(0);
    cr_assert_eq(count_damaged(), 1, "not kept again at each start");
}

Test(recovery, a_damaged_header_does_not_take_the_mail_with_it)
{
    uint64_t ids[3];

    world_open(world, 0);
    submit_all(3, 300, 1, ids);
    {
        const uint32_t number = find_queued(ids[0], 0)->place.segment;

        stop();
        flip(number, 33);
    }
    world_open(world, 0);
    rescan(0);
    WORLD_WAIT(world, world->queued_count == 3);
    expect_body(find_queued(ids[2], 0), 2, 300);
}

Test(recovery, files_that_are_none_of_ours_are_told_and_left_alone)
{
    char path[128];
    FILE *file;

    world_open(world, 0);
    stop();
    snprintf(path, sizeof(path), "%s/0/4000.seg", world->spool_dir);
    file = fopen(path, "w");
    for (unsigned i = 0; i < 9000; i++)
        fputs("rubbish\n", file);
    fclose(file);
    world_open(world, 0);
    rescan(0);
    cr_assert_eq(world->rescanned[0].damaged, 1);
    cr_assert_eq(access(path, F_OK), 0);
}

Test(recovery, OP09_a_newer_format_is_left_alone_and_reported)
{
    struct spool_header header;
    uint64_t ids[1];
    uint32_t number;
    int fd;

    world_open(world, 0);
    submit_all(1, 300, 1, ids);
    number = find_queued(ids[0], 0)->place.segment;
    stop();
    fd = open_segment(number, O_RDWR);
    cr_assert_eq(pread(fd, &header, sizeof(header), 0), sizeof(header));
    header.version++;
    header.checksum = spool_checksum(0, (unsigned char *)&header + 16, sizeof(header) - 16);
    cr_assert_eq(pwrite(fd, &header, sizeof(header), 0), sizeof(header));
    close(fd);
    world_open(world, 0);
    rescan(0);
    cr_assert_eq(world->rescanned[0].err, -ENOTSUP);
    cr_assert_eq(world->rescanned[0].groups, 0);
    for (unsigned i = 0; i < world->sealed_count; i++)
        cr_assert_neq(world->sealed[i].segment, number);
    close(open_segment(number, O_RDONLY));
}

Test(recovery, a_segment_that_was_never_finished_is_removed)
{
    char path[128];
    FILE *file;

    world_open(world, 0);
    stop();
    snprintf(path, sizeof(path), "%s/0/4000.seg", world->spool_dir);
    file = fopen(path, "w");
    for (unsigned i = 0; i < 20000; i++)
        fputc(0, file);
    fclose(file);
    world_open(world, 0);
    rescan(0);
    cr_assert_eq(world->rescanned[0].damaged, 0);
    cr_assert_neq(access(path, F_OK), 0);
}

static bool has_header(uint32_t number)
{
    int fd = spool_open(world->spool_dir, 0, number, SPOOL_FILE_SEGMENT, O_RDONLY);
    struct spool_header header = { 0 };
    bool has = fd >= 0 && pread(fd, &header, sizeof(header), 0) == sizeof(header) &&
               spool_header_read(&header, sizeof(header), &header, NULL);

    if (fd >= 0)
        close(fd);
    return has;
}

Test(recovery, an_empty_spare_is_taken_over)
{
    world_open(world, 0);
    WORLD_WAIT(world, has_header(1));
    stop();
    world_open(world, 0);
    rescan(0);
    world_submit(world, 1, 100, 1);
    WORLD_WAIT(world, world->queued_count == 1);
    cr_assert_eq(world->queued[0].place.segment, 1);
    cr_assert_eq(world->sealed_count, 0);
}

/* Whatever else was evidence of an id may have been removed since. */
Test(recovery, an_id_that_only_an_empty_spare_knows_is_not_given_out_again)
{
    const uint64_t known = (uint64_t)1 << 62;
    struct spool_header header;
    int fd;

    world_open(world, 0);
    WORLD_WAIT(world, has_header(1));
    stop();
    fd = open_segment(1, O_RDWR);
    cr_assert_eq(pread(fd, &header, sizeof(header), 0), sizeof(header));
    header.max_id = known;
    spool_header_seal(&header);
    cr_assert_eq(pwrite(fd, &header, sizeof(header), 0), sizeof(header));
    close(fd);
    for (unsigned life = 0; life < 2; life++) { /* each takes it over as a spare */
        world_open(world, 0);
        rescan(0);
        cr_assert_geq(world->rescanned[life].max_id, known);
        cr_assert_gt(spooler_next_id(world->spooler), known);
        stop();
    }
}

/* ---- large messages ---- */

static unsigned rooms;

static void on_room(void *arg)
{
    cr_assert_eq(arg, world);
    rooms++;
}

static struct spooler_large *begin_large(size_t bytes)
{
    const struct envelope envelope = world_envelope(2);
    struct spooler_large *large;

    cr_assert_eq(spooler_reserve(world->spooler, bytes), 0);
    large = spooler_large_begin(world->spooler, spooler_next_id(world->spooler), &envelope, bytes,
                                on_room, world_on_done, world);
    cr_assert_not_null(large);
    return large;
}

static void write_large(struct spooler_large *large, const char *body, size_t bytes)
{
    for (size_t at = 0; at < bytes; at += 60000) {
        const unsigned before = rooms;

        if (!spooler_large_write(large, body + at, bytes - at < 60000 ? bytes - at : 60000))
            WORLD_WAIT(world, rooms > before);
    }
}

static unsigned count_segments(void)
{
    char command[160];
    FILE *out;
    unsigned count = 0;

    snprintf(command, sizeof(command), "ls %s/0 | grep -c seg", world->spool_dir);
    out = popen(command, "r");
    cr_assert_eq(fscanf(out, "%u", &count), 1);
    pclose(out);
    return count;
}

Test(recovery, MQ02_a_large_message_is_written_as_it_comes_and_found_again)
{
    const struct spooler_body_facts facts = { .flags = BODY_8BIT, .longest_line = 77 };
    const size_t bytes = 5 << 20;
    char *body = world_body(1, bytes);
    struct spooler_large *large;
    uint64_t id;

    world_open(world, 0);
    large = begin_large(bytes);
    write_large(large, body, bytes);
    cr_assert_gt(rooms, 0, "it had to wait for the disk now and then");
    spooler_large_commit(large, &facts);
    WORLD_WAIT(world, world->done == 1);
    WORLD_WAIT(world, world->queued_count == 2);
    WORLD_WAIT(world, world->sealed_count == 1);
    cr_assert_eq(world->last_err, 0);
    id = world->last_id;
    cr_assert_eq(world->sealed[0].segment, world->queued[0].place.segment);
    cr_assert_eq(world->queued[0].body_bytes, bytes);
    expect_body(find_queued(id, 0), 1, bytes);
    expect_body(find_queued(id, 1), 1, bytes);
    stop();
    world_open(world, 0);
    rescan(0);
    WORLD_WAIT(world, world->queued_count == 2);
    expect_body(find_queued(id, 0), 1, bytes);
    {
        struct message *message = NULL;

        cr_assert_eq(message_open(cache, &world->queued[0].place, &message, NULL), 0);
        cr_assert_eq(message->body_flags, BODY_8BIT);
        cr_assert_eq(message->longest_line, 77);
        message_free(&message);
    }
    free(body);
}

/* No sane master says so: it does not know of the segment yet. */
Test(recovery, MQ02_what_a_large_message_is_written_to_is_not_handed_back)
{
    const struct spooler_body_facts facts = { .longest_line = 77 };
    const size_t bytes = 2 << 20;
    char *body = world_body(1, bytes);
    struct spooler_large *large;

    world_open(world, 0);
    large = begin_large(bytes);
    write_large(large, body, bytes);
    for (uint32_t number = 1; number <= 4; number++)
        spooler_segment_reuse(world->spooler, 0, number);
    rescan(0); /* done after them */
    spooler_large_commit(large, &facts);
    WORLD_WAIT(world, world->queued_count == 2);
    expect_body(find_queued(world->last_id, 0), 1, bytes);
    free(body);
}

Test(recovery, a_large_message_that_is_given_up_leaves_nothing)
{
    const size_t bytes = 3 << 20;
    char *body = world_body(1, bytes);
    struct spooler_large *large;
    unsigned before;

    world_open(world, 0);
    world_submit(world, 0, 100, 1);
    WORLD_WAIT(world, world->done == 1); /* and nothing more is made for so little */
    before = count_segments();
    large = begin_large(bytes);
    write_large(large, body, bytes);
    WORLD_WAIT(world, count_segments() == before + 1);
    spooler_large_abort(large);
    WORLD_WAIT(world, count_segments() == before);
    cr_assert_eq(world->done, 1);
    free(body);
}

static uint32_t store_large(const char *body, size_t bytes)
{
    const struct spooler_body_facts facts = { 0 };
    struct spooler_large *large;

    world_open(world, 0);
    large = begin_large(bytes);
    write_large(large, body, bytes);
    spooler_large_commit(large, &facts);
    WORLD_WAIT(world, world->queued_count == 2);
    return world->queued[0].place.segment;
}

Test(recovery, MQ02_a_large_message_without_its_proof_was_never_answered)
{
    const struct spool_commit none = { 0 };
    const size_t bytes = 2 << 20;
    char *body = world_body(1, bytes);
    const uint32_t number = store_large(body, bytes);
    int fd;

    stop();
    fd = open_segment(number, O_RDWR);
    cr_assert_eq(pwrite(fd, &none, sizeof(none), SPOOL_BLOCK), sizeof(none));
    close(fd);
    world_open(world, 0);
    rescan(0);
    cr_assert_eq(world->rescanned[0].groups, 0);
    cr_assert_eq(world->rescanned[0].damaged, 0);
    free(body);
}

Test(recovery, MQ02_a_damaged_proof_does_not_take_the_large_message_with_it)
{
    const size_t bytes = 2 << 20;
    char *body = world_body(1, bytes);
    const uint32_t number = store_large(body, bytes);

    stop();
    flip(number, SPOOL_BLOCK + 20);
    world_open(world, 0);
    rescan(0);
    cr_assert_eq(world->rescanned[0].groups, 2);
    cr_assert_eq(world->rescanned[0].damaged, 0);
    WORLD_WAIT(world, world->queued_count == 2);
    expect_body(&world->queued[0], 1, bytes);
    free(body);
}

static size_t kept_bytes(void)
{
    char command[160];
    FILE *out;
    size_t bytes = 0;

    snprintf(command, sizeof(command), "cat %s/damaged/* | wc -c", world->spool_dir);
    out = popen(command, "r");
    cr_assert_eq(fscanf(out, "%zu", &bytes), 1);
    pclose(out);
    return bytes;
}

Test(recovery, a_damaged_large_message_is_kept_whole)
{
    const size_t bytes = 2 << 20;
    char *body = world_body(1, bytes);
    const uint32_t number = store_large(body, bytes);

    stop();
    flip(number, SPOOL_BLOCK + 64 + 30);
    world_open(world, 0);
    rescan(0);
    cr_assert_eq(world->rescanned[0].groups, 0);
    cr_assert_eq(world->rescanned[0].damaged, 1);
    cr_assert_eq(count_damaged(), 1);
    cr_assert_geq(kept_bytes(), bytes, "its segment is about to be removed");
    free(body);
}

/* ---- credit ---- */

Test(recovery, no_more_is_reported_than_the_master_gives_credit_for)
{
    const unsigned most = IPC_QUEUED_CREDIT / ENVELOPE_MAX_GROUPS;

    world_open(world, 0);
    for (unsigned i = 0; i < most + 1; i++)
        world_submit_wide(world, ENVELOPE_MAX_GROUPS);
    WORLD_WAIT(world, world->done == most + 1);
    cr_assert_eq(world->stored, most);
    spooler_credit(world->spooler, most * ENVELOPE_MAX_GROUPS);
    world_submit_wide(world, ENVELOPE_MAX_GROUPS);
    WORLD_WAIT(world, world->done == most + 2);
    cr_assert_eq(world->last_err, 0);
    WORLD_WAIT(world, world->queued_count == (most + 1) * ENVELOPE_MAX_GROUPS);
    stop();
    /* A scan waits for credit too, and goes on with it. */
    world_open(world, 0);
    spooler_rescan(world->spooler, 0);
    WORLD_WAIT(world, world->queued_count > IPC_QUEUED_CREDIT - 300);
    for (unsigned i = 0; i < 20; i++)
        world_turn(world);
    cr_assert_leq(world->queued_count, IPC_QUEUED_CREDIT);
    cr_assert_eq(world->rescanned_count, 0);
    spooler_credit(world->spooler, world->queued_count);
    WORLD_WAIT(world, world->rescanned_count == 1);
    cr_assert_eq(world->rescanned[0].groups, (most + 1) * ENVELOPE_MAX_GROUPS);
    WORLD_WAIT(world, world->queued_count == (most + 1) * ENVELOPE_MAX_GROUPS);
}

Test(recovery, a_segment_of_a_slot_without_a_worker_is_removed)
{
    uint64_t ids[3];
    char path[128];
    int slot_fd;

    world_open(world, 7);
    submit_all(3, 100, 1, ids);
    snprintf(path, sizeof(path), "%s/7/%u.seg", world->spool_dir, world->queued[0].place.segment);
    stop();
    world_open(world, 0);
    spooler_segment_reuse(world->spooler, 7, 1);
    WORLD_WAIT(world, access(path, F_OK) != 0);
    stop();
    *strrchr(path, '/') = '\0';
    slot_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    cr_assert_geq(slot_dir_last_id(slot_fd), ids[2], "whatever the clock says later");
    close(slot_fd);
    world_open(world, 7);
    cr_assert_gt(spooler_next_id(world->spooler), ids[2]);
}

Test(recovery, a_segment_of_a_slot_with_a_worker_is_left_to_it)
{
    struct spooler *other = NULL;
    struct reason why = { "" };
    uint64_t ids[1];
    char path[128];

    world_open(world, 7);
    submit_all(1, 100, 1, ids);
    snprintf(path, sizeof(path), "%s/7/%u.seg", world->spool_dir, world->queued[0].place.segment);
    cr_assert_eq(spooler_new(world->loop, world->worker, world->conf, 0, &other, &why), 0);
    spooler_segment_reuse(other, 7, world->queued[0].place.segment);
    world_turn(world);
    spooler_rescan(other, 0); /* done after it */
    WORLD_WAIT(world, world->rescanned_count == 1);
    cr_assert_eq(access(path, F_OK), 0);
    spooler_free(&other);
}
