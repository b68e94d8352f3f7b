/* Moving mail out of a segment when something is not as it should be: nothing is lost, nothing that
 * is finished comes back. */
#define WORLD_MORE_AT_MASTER [IPC_SEGMENT_FAILED] = on_failed

static void on_failed(void *owner, const void *payload, int fd);

#include <stdatomic.h>

#include "compaction_stage.h"
#include "disk_fault.h"
#include "worker/spooler_private.h"

static struct ipc_segment failed[8];
static unsigned failed_count;

static void on_failed(void *owner, const void *payload, int fd)
{
    (void)owner;
    (void)fd;
    failed[failed_count++ % 8] = *(const struct ipc_segment *)payload;
}

TestSuite(compaction_trouble, .init = setup, .fini = teardown, .timeout = 60);

static void damage(const struct ipc_place *place)
{
    int fd = spool_open(world->spool_dir, place->slot, place->segment, SPOOL_FILE_SEGMENT, O_RDWR);

    cr_assert_geq(fd, 0);
    cr_assert_eq(pwrite(fd, "X", 1, (off_t)place->offset + 600), 1);
    close(fd);
}

Test(compaction_trouble, a_damaged_message_stays_and_the_others_go)
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

Test(compaction_trouble, orders_that_cannot_be_carried_out_are_answered)
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

/* The copies would be written to where they come from, again and again. */
Test(compaction_trouble, MQ02_the_segment_that_is_being_written_is_not_emptied)
{
    struct ipc_segment_compact order = { .slot = 0, .count = 1 };
    struct ipc_place place;

    store(1, SMALL, 1);
    place = world->queued[0].place;
    order.segment = place.segment;
    spooler_compact(world->spooler, &order, memfd_seal("places", &place, sizeof(place)));
    WORLD_WAIT(world, world->compacted_count == 1);
    cr_assert_eq(world->compacted.err, -EBUSY);
    cr_assert_eq(world->compacted.moved, 0);
}

Test(compaction_trouble, may_be_cut_short_at_any_time)
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

/* ---- what the master does not list ---- */

/* It had no memory for it, or heard of it in vain. */
Test(compaction_trouble, MQ02_a_record_with_a_group_that_the_master_does_not_know_stays)
{
    struct ipc_place places[3];

    store(2, SMALL, 2);
    for (unsigned i = 0; i < 3; i++)
        places[i] = world->queued[i + 1].place;
    seal_first();
    compact(places, 3); /* all but the first group of the first message */
    cr_assert_eq(world->compacted.err, 0);
    cr_assert_eq(world->compacted.moved, 2);
    cr_assert_null(find_moved(places[0].id, 1));
    cr_assert_eq(cell_at(&world->queued[0].place).stage, CELL_OPEN);
    cr_assert_eq(cell_at(&places[0]).stage, CELL_OPEN);
    restart();
    for (unsigned group = 0; group < 2; group++)
        cr_assert_eq(times_reported(places[0].id, group), 1);
}

Test(compaction_trouble, MQ02_a_group_that_goes_on_elsewhere_does_not_stand_for_another)
{
    struct ipc_place places[2];

    store(1, SMALL, 2);
    store(1, SMALL, 1);
    places[0] = world->queued[0].place;
    places[1] = world->queued[2].place;
    set_cell(&places[0], &(struct cell){ .stage = CELL_MOVED });
    seal_first();
    compact(places, 2); /* not the first message's second group, which is alive */
    cr_assert_eq(world->compacted.err, 0);
    cr_assert_eq(world->compacted.moved, 1);
    cr_assert_not_null(find_moved(places[1].id, 0));
    cr_assert_eq(cell_at(&world->queued[1].place).stage, CELL_OPEN);
}

/* A note of the first message, in a segment of its own that is sealed then. */
static struct cell_note_place note_elsewhere(const struct ipc_place *place)
{
    struct cell_note_place note;

    seal_first();
    add_note(place, "{\"first\":1}");
    note = cell_at(place).note;
    cr_assert_neq(note.segment, place->segment);
    while (world->sealed_count == 1)
        store(20, 30000, 1);
    world->sealed[0].segment = note.segment; /* what is to be emptied */
    return note;
}

Test(compaction_trouble, a_note_that_cannot_be_read_keeps_no_segment)
{
    struct cell_note_place note;
    struct ipc_place place;

    store(1, SMALL, 1);
    place = world->queued[0].place;
    note = note_elsewhere(&place);
    damage(
        &(struct ipc_place){ .segment = note.segment, .offset = note.offset * SPOOL_ALIGN - 530 });
    compact(&place, 1);
    cr_assert_eq(world->compacted.moved, 1);
    cr_assert_eq(world->moved[0].note_segment, 0);
    cr_assert_eq(world->moved[0].place.offset, place.offset);
    cr_assert_eq(cell_at(&place).note.segment, 0);
}

Test(compaction_trouble, a_note_that_lies_elsewhere_already_is_only_told)
{
    struct ipc_place place;
    struct cell cell;

    store(1, SMALL, 1);
    place = world->queued[0].place;
    (void)note_elsewhere(&place);
    cell = cell_at(&place);
    cell.note.segment += 5; /* as an earlier run left it that was not believed */
    set_cell(&place, &cell);
    compact(&place, 1);
    cr_assert_eq(world->compacted.moved, 1);
    cr_assert_eq(world->moved[0].note_segment, cell.note.segment);
    cr_assert_eq(cell_at(&place).note.segment, cell.note.segment);
}

/* ---- room ---- */

static bool has_room(size_t bytes)
{
    if (spooler_reserve(world->spooler, bytes) != 0)
        return false;
    spooler_unreserve(world->spooler, bytes);
    return true;
}

/* Otherwise a spool in which little is alive, and that for good, would stay full for good. */
Test(compaction_trouble, MQ07_a_full_spool_has_room_for_being_emptied)
{
    struct ipc_place place;

    teardown();
    world = world_new("limit = 4M");
    cache = segment_cache_new(world->spool_dir, world->worker);
    world_open(world, 0);
    store(1, 200000, 1);
    place = world->queued[0].place;
    while (has_room(100000))
        store(1, 100000, 1);
    while (has_room(1000))
        store(1, 1000, 1);
    cr_assert_gt(world->sealed_count, 1);
    compact(&place, 1);
    cr_assert_eq(world->compacted.err, 0);
    cr_assert_eq(world->compacted.moved, 1);
    spooler_segment_reuse(world->spooler, 0, place.segment);
    WORLD_WAIT(world, has_room(100000));
}

Test(compaction_trouble, MQ01_room_that_mail_was_promised_is_left_alone)
{
    static struct ipc_place places[8];
    uint64_t reserved;

    teardown();
    world = world_new("limit = 3M"); /* two segments */
    cache = segment_cache_new(world->spool_dir, world->worker);
    world_open(world, 0);
    store(8, 100000, 1);
    for (unsigned i = 0; i < 8; i++)
        places[i] = world->queued[i].place;
    while (world->sealed_count == 0)
        store(1, 30000, 1);
    while (spooler_reserve(world->spooler, 50000) == 0)
        ;
    compact(places, 8);
    cr_assert_eq(world->compacted.err, -ENOSPC);
    cr_assert_eq(world->compacted.moved, 0);
    reserved = world->spooler->disk_reserved;
    compact(places, 4);
    cr_assert_eq(world->compacted.err, 0, "there is room for half a segment");
    cr_assert_eq(world->compacted.moved, 4);
    cr_assert_eq(world->spooler->disk_reserved, reserved, "it was given back");
}

/* ---- the disk ---- */
#if POSTERN_HOOKS
Test(compaction_trouble, MQ03_states_that_cannot_be_read_are_not_taken_for_open)
{
    struct ipc_place place;

    store(1, SMALL, 1);
    place = world->queued[0].place;
    set_cell(&place, &(struct cell){ .attempts = 5 });
    seal_first();
    set_fault(DISK_CALL_READ, ".state");
    compact(&place, 1);
    disk_set_fault(NULL);
    cr_assert_eq(world->compacted.err, -EIO);
    cr_assert_eq(world->compacted.moved, 0);
    cr_assert_eq(cell_at(&place).stage, CELL_OPEN);
    cr_assert_eq(cell_at(&place).attempts, 5);
}

Test(compaction_trouble, MQ02_what_cannot_be_written_stays_where_it_is)
{
    struct ipc_place places[2];

    store(2, SMALL, 1);
    places[0] = world->queued[0].place;
    places[1] = world->queued[1].place;
    seal_first();
    set_fault(DISK_CALL_WRITE, "");
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

Test(compaction_trouble, MQ03_copies_that_the_disk_refused_do_not_count_later)
{
    struct ipc_place places[2];

    store(1, SMALL, 2);
    places[0] = world->queued[0].place;
    places[1] = world->queued[1].place;
    seal_first();
    store(1, SMALL, 1);
    set_fault_in(DISK_CALL_SYNC, world->queued[world->queued_count - 1].place.segment, "seg");
    compact(places, 2);
    disk_set_fault(NULL);
    cr_assert_eq(world->compacted.err, -EIO);
    cr_assert_eq(world->compacted.moved, 0);
    set_cell(&places[0], &(struct cell){ .stage = CELL_DONE }); /* it went on where it was */
    restart();
    cr_assert_eq(times_reported(places[0].id, 0), 0, "it was delivered");
    cr_assert_eq(times_reported(places[1].id, 1), 1);
}

Test(compaction_trouble, MQ03_marks_that_may_not_be_on_the_disk_are_told_and_the_rest_is_marked)
{
    struct ipc_place places[2];

    store(2, SMALL, 1);
    places[0] = world->queued[0].place;
    places[1] = world->queued[1].place;
    seal_first();
    set_fault_in(DISK_CALL_SYNC, places[0].segment, "state");
    compact(places, 2);
    disk_set_fault(NULL);
    cr_assert_eq(world->compacted.moved, 2, "the copies are good");
    cr_assert_eq(cell_at(&places[1]).stage, CELL_MOVED);
    WORLD_WAIT(world, failed_count == 1);
    cr_assert_eq(failed[0].slot, 0);
    cr_assert_eq(failed[0].segment, places[0].segment);
}

/* The sync of the marks takes as long as the test wants. */
static atomic_bool is_syncing, may_go_on;

static int hold_up(enum disk_call call, int fd)
{
    if (is_faulty(call, fd)) {
        atomic_store(&is_syncing, true);
        while (!atomic_load(&may_go_on))
            (void)usleep(1000);
    }
    return 0;
}

Test(compaction_trouble, MQ03_the_master_hears_of_nothing_before_the_marks_are_on_the_disk)
{
    struct ipc_place places[2];

    store(2, SMALL, 1);
    places[0] = world->queued[0].place;
    places[1] = world->queued[1].place;
    seal_first();
    set_fault_in(DISK_CALL_SYNC, places[0].segment, "state");
    disk_set_fault(hold_up);
    begin(places, 2);
    WORLD_WAIT(world, atomic_load(&is_syncing));
    for (unsigned i = 0; i < 10; i++)
        world_turn(world);
    cr_expect_eq(world->moved_count, 0, "it would deliver from the copies");
    atomic_store(&may_go_on, true);
    WORLD_WAIT(world, world->compacted_count == 1);
    disk_set_fault(NULL);
    cr_assert_eq(world->moved_count, 2);
}

Test(compaction_trouble, MQ03_a_note_is_not_moved_if_the_cell_may_not_say_so)
{
    struct ipc_place place;

    store(1, SMALL, 1);
    place = world->queued[0].place;
    (void)note_elsewhere(&place);
    set_fault_in(DISK_CALL_SYNC, place.segment, "state");
    compact(&place, 1);
    disk_set_fault(NULL);
    cr_assert_eq(world->compacted.moved, 0);
    WORLD_WAIT(world, failed_count == 1);
    cr_assert_eq(failed[0].segment, place.segment, "its other states may be lost as well");
}
#endif
