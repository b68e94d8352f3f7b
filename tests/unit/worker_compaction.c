/* Moving mail out of a segment: what is moved is the same mail in the same state, and whenever it
 * ends, each group counts exactly once. */
#include "spool_world.h"

#include "common/memfd.h"
#include "common/spool_format.h"
#include "common/spool_path.h"
#include "worker/disk.h"
#include "worker/message.h"
#include "worker/segment_cache.h"

#define SMALL 3000

static struct world *world;
static struct segment_cache *cache;

static void setup(void)
{
    world = world_new("");
    cache = segment_cache_new(world->spool_dir, world->worker);
    world_open(world, 0);
}

static void teardown(void)
{
#if POSTERN_HOOKS
    disk_set_fault(NULL);
#endif
    segment_cache_free(&cache);
    world_free(world);
}

TestSuite(compaction, .init = setup, .fini = teardown, .timeout = 60);

/* ---- what the tests do ---- */

static void store(unsigned count, size_t bytes, unsigned groups)
{
    const unsigned before = world->done, queued = world->queued_count;

    for (unsigned i = 0; i < count; i++)
        world_submit(world, before + i, bytes, groups);
    WORLD_WAIT(world, world->queued_count == queued + count * groups);
}

/* Fills the segment at hand, so that it is sealed. */
static void seal_first(void)
{
    while (world->sealed_count == 0)
        store(20, 30000, 1);
    cr_assert_eq(world->sealed[0].segment, world->queued[0].place.segment);
}

static struct message *open_at(const struct ipc_place *place)
{
    struct message *message = NULL;
    struct reason why = { "" };

    cr_assert_eq(message_open(cache, place, &message, &why), 0, "%s", why.text);
    return message;
}

static void set_cell(const struct ipc_place *place, const struct cell *cell)
{
    struct message *message = open_at(place);

    message->cell = *cell;
    cr_assert_eq(message_record(message), 0);
    message_free(&message);
}

static struct cell cell_at(const struct ipc_place *place)
{
    struct message *message = open_at(place);
    struct cell cell = message->cell;

    message_free(&message);
    return cell;
}

static void on_note(int err, struct cell_note_place place, void *arg)
{
    struct cell_note_place *out = arg;

    cr_assert_eq(err, 0);
    *out = place;
}

static void add_note(const struct ipc_place *place, const char *text)
{
    struct cell cell = cell_at(place);
    static struct cell_note_place at;

    at = (struct cell_note_place){ 0 };
    spooler_note(world->spooler, place->id, place->group, cell.note, text, strlen(text), on_note,
                 &at);
    WORLD_WAIT(world, at.segment != 0);
    cell.note = at;
    set_cell(place, &cell);
}

static void expect_note(const struct ipc_place *place, const char *text)
{
    const struct cell cell = cell_at(place);
    struct message_note note;
    struct reason why = { "" };

    cr_assert_eq(message_note_open(cache, cell.note, place->id, place->group, &note, &why), 0, "%s",
                 why.text);
    cr_assert_eq(note.bytes, strlen(text));
    cr_assert_eq(memcmp(note.text, text, note.bytes), 0);
    message_note_close(&note);
}

static void expect_message(const struct ipc_place *place, unsigned number, size_t bytes)
{
    struct message *message = open_at(place);
    char *body = world_body(number, bytes);

    cr_assert_eq(message->body_bytes, bytes);
    cr_assert_eq(memcmp(message->body, body, bytes), 0);
    cr_assert_str_eq(message->envelope->sender, "sender@example.com");
    cr_assert_str_eq(message->envelope->client, "192.0.2.1");
    cr_assert_eq(message->body_flags, BODY_8BIT);
    cr_assert_eq(message->longest_line, 77);
    message_free(&message);
    free(body);
}

static void begin(const struct ipc_place *places, unsigned count)
{
    const struct ipc_segment_compact order = { .slot = 0,
                                               .segment = world->sealed[0].segment,
                                               .count = count };

    spooler_compact(world->spooler, &order, memfd_seal("places", places, count * sizeof(*places)));
}

static void compact(const struct ipc_place *places, unsigned count)
{
    const unsigned before = world->compacted_count;

    begin(places, count);
    WORLD_WAIT(world, world->compacted_count == before + 1);
}

static const struct ipc_mail_moved *find_moved(uint64_t id, unsigned group)
{
    for (unsigned i = 0; i < world->moved_count; i++) {
        if (world->moved[i].from.id == id && world->moved[i].from.group == group)
            return &world->moved[i];
    }
    return NULL;
}

static void restart(void)
{
    const unsigned before = world->rescanned_count;

    segment_cache_free(&cache);
    spooler_free(&world->spooler);
    world_turn(world);
    world->queued_count = world->sealed_count = 0;
    cache = segment_cache_new(world->spool_dir, world->worker);
    world_open(world, 0);
    spooler_rescan(world->spooler, 0);
    WORLD_WAIT(world, world->rescanned_count == before + 1);
    WORLD_WAIT(world, world->queued_count == world->rescanned[before % 8].groups);
}

static unsigned times_reported(uint64_t id, unsigned group)
{
    unsigned times = 0;

    for (unsigned i = 0; i < world->queued_count; i++)
        times += world->queued[i].place.id == id && world->queued[i].place.group == group;
    return times;
}

/* ---- the tests ---- */

Test(compaction, a_moved_message_is_the_same_message_in_the_same_state)
{
    const struct ipc_mail_moved *moved;
    struct ipc_place places[4];
    struct cell cell = { .attempts = 3, .next_attempt_s = 777, .crashes = 1, .profile = 9 };
    struct cell now;

    store(2, SMALL, 2);
    for (unsigned i = 0; i < 4; i++)
        places[i] = world->queued[i].place;
    cell_recipient_set(&cell, 1, CELL_RCPT_DELIVERED);
    set_cell(&places[0], &cell);
    add_note(&places[0], "{\"tried\":1}");
    set_cell(&places[3], &(struct cell){ .stage = CELL_FAILED, .flags = CELL_HELD });
    seal_first();
    compact(places, 4);
    cr_assert_eq(world->compacted.err, 0);
    cr_assert_eq(world->compacted.moved, 4);
    for (unsigned i = 0; i < 4; i++) {
        moved = find_moved(places[i].id, places[i].group);
        cr_assert_not_null(moved);
        cr_assert_neq(moved->place.segment, places[i].segment);
        cr_assert_eq(moved->copy, 1);
        cr_assert_geq(moved->record_bytes, SMALL / 2);
        expect_message(&moved->place, i / 2, SMALL);
        cr_assert_eq(cell_at(&places[i]).stage, CELL_MOVED);
    }
    moved = find_moved(places[0].id, 0);
    now = cell_at(&moved->place);
    cr_assert_eq(now.attempts, 3);
    cr_assert_eq(now.next_attempt_s, 777);
    cr_assert_eq(now.crashes, 1);
    cr_assert_eq(now.profile, 9);
    cr_assert_eq(cell_recipient_get(&now, 0), CELL_RCPT_OPEN);
    cr_assert_eq(cell_recipient_get(&now, 1), CELL_RCPT_DELIVERED);
    expect_note(&moved->place, "{\"tried\":1}");
    cr_assert_neq(moved->note_segment, places[0].segment, "the note was in the segment, too");
    now = cell_at(&find_moved(places[3].id, 1)->place);
    cr_assert_eq(now.stage, CELL_FAILED);
    cr_assert_eq(now.flags, CELL_HELD);
}

Test(compaction, MQ03_after_a_restart_the_copy_counts_and_only_the_copy)
{
    struct ipc_place places[2];
    struct cell cell = { .attempts = 2 };

    store(1, SMALL, 2);
    places[0] = world->queued[0].place;
    places[1] = world->queued[1].place;
    set_cell(&places[1], &cell);
    seal_first();
    compact(places, 2);
    cr_assert_eq(world->compacted.moved, 2);
    set_cell(&find_moved(places[0].id, 0)->place, &(struct cell){ .stage = CELL_DONE });
    restart();
    cr_assert_eq(times_reported(places[0].id, 0), 0, "delivered from its copy");
    cr_assert_eq(times_reported(places[1].id, 1), 1);
    for (unsigned i = 0; i < world->queued_count; i++) {
        const struct ipc_mail_queued *queued = &world->queued[i];

        if (queued->place.id != places[1].id)
            continue;
        cr_assert_eq(queued->copy, 1);
        cr_assert_eq(queued->attempts, 2);
        cr_assert_neq(queued->place.segment, places[1].segment);
        expect_message(&queued->place, 0, SMALL);
    }
}

Test(compaction, a_group_that_is_finished_stays_finished_in_the_copy)
{
    struct ipc_place places[2];

    store(1, SMALL, 2);
    places[0] = world->queued[0].place;
    places[1] = world->queued[1].place;
    set_cell(&places[0], &(struct cell){ .stage = CELL_DONE });
    seal_first();
    compact(&places[1], 1); /* the master does not know the first any more */
    cr_assert_eq(world->compacted.moved, 1);
    cr_assert_geq(find_moved(places[1].id, 1)->record_bytes, SMALL,
                  "what keeps the whole record alive counts for all of it");
    restart();
    cr_assert_eq(times_reported(places[0].id, 0), 0);
    cr_assert_eq(times_reported(places[1].id, 1), 1);
}

Test(compaction, a_note_is_moved_without_its_record)
{
    struct ipc_place place;

    store(1, SMALL, 1);
    seal_first();
    store(1, SMALL, 1);
    place = world->queued[world->queued_count - 1].place; /* in the next segment */
    cr_assert_neq(place.segment, world->sealed[0].segment);
    add_note(&place, "{\"later\":2}");
    while (world->sealed_count == 1)
        store(20, 30000, 1);
    world->sealed[0] = world->sealed[1]; /* where note and record lie */
    {
        /* The note of the message in the first segment comes to lie in the third. */
        const struct ipc_place first = world->queued[0].place;
        struct cell cell;

        add_note(&first, "{\"first\":1}");
        cell = cell_at(&first);
        while (world->sealed_count == 2)
            store(20, 30000, 1);
        world->sealed[0].segment = cell.note.segment;
        compact(&first, 1);
        cr_assert_eq(world->compacted.err, 0);
        cr_assert_eq(world->compacted.moved, 1);
        cr_assert_eq(world->moved[0].place.segment, first.segment, "the record stays");
        cr_assert_eq(world->moved[0].place.offset, first.offset);
        cr_assert_neq(world->moved[0].note_segment, cell.note.segment);
        cr_assert_eq(cell_at(&first).note.segment, world->moved[0].note_segment);
        cr_assert_eq(cell_at(&first).stage, CELL_OPEN);
        expect_note(&first, "{\"first\":1}");
    }
}

Test(compaction, many_messages_go_in_batches)
{
    static struct ipc_place places[1500];

    teardown();
    world = world_new("segment_size = 8M");
    cache = segment_cache_new(world->spool_dir, world->worker);
    world_open(world, 0);
    store(750, 7000, 2); /* more than one batch by groups, and by bytes */
    for (unsigned i = 0; i < 1500; i++)
        places[i] = world->queued[i].place;
    while (world->sealed_count == 0)
        store(20, 30000, 1);
    compact(places, 1500);
    cr_assert_eq(world->compacted.err, 0);
    cr_assert_eq(world->compacted.moved, 1500);
    for (unsigned i = 0; i < 1500; i++)
        expect_message(&find_moved(places[i].id, places[i].group)->place, i / 2, 7000);
    restart();
    for (unsigned i = 0; i < 1500; i++)
        cr_assert_eq(times_reported(places[i].id, places[i].group), 1);
}

static void damage(const struct ipc_place *place)
{
    int fd = spool_open(world->spool_dir, place->slot, place->segment, SPOOL_FILE_SEGMENT, O_RDWR);

    cr_assert_geq(fd, 0);
    cr_assert_eq(pwrite(fd, "X", 1, (off_t)place->offset + 600), 1);
    close(fd);
}

Test(compaction, a_damaged_message_stays_and_the_others_go)
{
    struct ipc_place places[3];

    store(3, SMALL, 1);
    for (unsigned i = 0; i < 3; i++)
        places[i] = world->queued[i].place;
    seal_first();
    damage(&places[1]);
    compact(places, 3);
    cr_assert_eq(world->compacted.err, 0);
    cr_assert_eq(world->compacted.moved, 2);
    cr_assert_null(find_moved(places[1].id, 0));
    expect_message(&find_moved(places[2].id, 0)->place, 2, SMALL);
}

Test(compaction, orders_that_cannot_be_carried_out_are_answered)
{
    struct ipc_segment_compact order = { .slot = 0, .segment = 999, .count = 1 };
    struct ipc_place place;

    store(1, SMALL, 1);
    place = world->queued[0].place;
    place.segment = 999;
    spooler_compact(world->spooler, &order, memfd_seal("places", &place, sizeof(place)));
    spooler_compact(world->spooler, &order, memfd_seal("places", &place, sizeof(place)));
    WORLD_WAIT(world, world->compacted_count == 1);
    cr_assert_eq(world->compacted.err, -EBUSY, "one at a time");
    WORLD_WAIT(world, world->compacted_count == 2);
    cr_assert_eq(world->compacted.err, -ENOENT);
    order.count = 2;
    spooler_compact(world->spooler, &order, memfd_seal("places", &place, sizeof(place)));
    WORLD_WAIT(world, world->compacted_count == 3);
    cr_assert_eq(world->compacted.err, -EBADMSG);
}

Test(compaction, may_be_cut_short_at_any_time)
{
    struct ipc_place place;

    store(1, SMALL, 1);
    place = world->queued[0].place;
    seal_first();
    for (unsigned turns = 0; turns < 12; turns++) {
        begin(&place, 1);
        for (unsigned i = 0; i < turns; i++)
            loop_turn(world->loop, 1);
        restart();
        cr_assert_geq(times_reported(place.id, 0), 1, "after %u turns", turns);
        for (unsigned i = 0; i < world->queued_count; i++) {
            if (world->queued[i].place.id != place.id)
                continue;
            expect_message(&world->queued[i].place, 0, SMALL);
            place = world->queued[i].place; /* the newest is the last */
        }
        world->sealed[0].segment = place.segment;
    }
}

#if POSTERN_HOOKS
static int fail_writes(enum disk_call call, int fd)
{
    (void)fd;
    return call == DISK_CALL_WRITE ? -EIO : 0;
}

Test(compaction, MQ02_what_cannot_be_written_stays_where_it_is)
{
    struct ipc_place places[2];

    store(2, SMALL, 1);
    places[0] = world->queued[0].place;
    places[1] = world->queued[1].place;
    seal_first();
    disk_set_fault(fail_writes);
    compact(places, 2);
    disk_set_fault(NULL);
    cr_assert_eq(world->compacted.err, -EIO);
    cr_assert_eq(world->compacted.moved, 0);
    expect_message(&places[0], 0, SMALL);
    cr_assert_eq(cell_at(&places[0]).stage, CELL_OPEN);
    restart();
    cr_assert_eq(times_reported(places[0].id, 0), 1);
    cr_assert_eq(times_reported(places[1].id, 0), 1);
}
#endif
