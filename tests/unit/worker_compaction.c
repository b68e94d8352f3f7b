/* Moving mail out of a segment: what is moved is the same mail in the same state, and whenever it
 * ends, each group counts exactly once. */
#include "compaction_stage.h"

TestSuite(compaction, .init = setup, .fini = teardown, .timeout = 60);

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
    struct ipc_place places[2], copy;
    struct cell done;

    store(1, SMALL, 2);
    places[0] = world->queued[0].place;
    places[1] = world->queued[1].place;
    add_note(&places[0], "{\"last\":\"250 ok\"}");
    done = cell_at(&places[0]);
    done.stage = CELL_DONE;
    set_cell(&places[0], &done);
    seal_first();
    compact(&places[1], 1); /* the master does not know the first any more */
    cr_assert_eq(world->compacted.moved, 1);
    cr_assert_geq(find_moved(places[1].id, 1)->record_bytes, SMALL,
                  "what keeps the whole record alive counts for all of it");
    copy = find_moved(places[1].id, 1)->place;
    copy.group--;
    copy.cell--;
    cr_assert_eq(cell_at(&copy).stage, CELL_DONE);
    cr_assert_eq(cell_at(&copy).note.segment, 0, "its note stays behind");
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

/* The master lists them as it comes across them. */
Test(compaction, places_come_in_any_order)
{
    static const unsigned order[6] = { 4, 1, 2, 5, 0, 3 };
    struct ipc_place places[6];

    store(3, SMALL, 2);
    for (unsigned i = 0; i < 6; i++)
        places[i] = world->queued[order[i]].place;
    seal_first();
    compact(places, 6);
    cr_assert_eq(world->compacted.err, 0);
    cr_assert_eq(world->compacted.moved, 6);
    for (unsigned i = 0; i < 6; i++)
        cr_assert_not_null(find_moved(world->queued[i].place.id, world->queued[i].place.group));
}

/* ---- what stays until an operator decides ---- */

static bool is_alone_in_its_segment(uint64_t id)
{
    const struct ipc_place *place = &find_moved(id, 0)->place;

    for (unsigned i = 0; i < world->moved_count; i++) {
        if (world->moved[i].from.id != id && world->moved[i].place.segment == place->segment)
            return false;
    }
    for (unsigned i = 0; i < world->sealed_count; i++) {
        if (world->sealed[i].segment == place->segment)
            return world->sealed[i].bytes == 0; /* one message has it for itself */
    }
    return false;
}

Test(compaction, SR05_what_failed_or_is_quarantined_gets_a_segment_of_its_own)
{
    static const struct cell ends[] = {
        { .stage = CELL_FAILED, .attempts = 4 },
        { .flags = CELL_QUARANTINED | CELL_SCANNED },
        { .attempts = 4 },
        { .flags = CELL_HELD },
    };
    struct ipc_place places[6];

    store(4, 100000, 1);
    store(1, SMALL, 1);  /* too small for that */
    store(1, 100000, 2); /* of whose groups one goes on */
    for (unsigned i = 0; i < 4; i++) {
        places[i] = world->queued[i].place;
        set_cell(&places[i], &ends[i]);
    }
    places[4] = world->queued[4].place;
    set_cell(&places[4], &ends[0]);
    places[5] = world->queued[5].place;
    set_cell(&places[5], &ends[0]);
    add_note(&places[1], "{\"scan\":1}");
    seal_first();
    {
        const struct ipc_place all[] = {
            places[0], places[1], places[2], places[3], places[4], places[5], world->queued[6].place
        };

        compact(all, 7);
    }
    cr_assert_eq(world->compacted.err, 0);
    cr_assert_eq(world->compacted.moved, 7);
    for (unsigned i = 0; i < 6; i++)
        cr_assert_eq(is_alone_in_its_segment(places[i].id), i < 2, "message %u", i);
    for (unsigned i = 0; i < 2; i++) {
        const struct ipc_place *to = &find_moved(places[i].id, 0)->place;

        expect_message(to, i, 100000);
        cr_assert_eq(cell_at(to).stage, ends[i].stage);
        cr_assert_eq(cell_at(to).flags, ends[i].flags);
    }
    expect_note(&find_moved(places[1].id, 0)->place, "{\"scan\":1}");
    restart();
    for (unsigned i = 0; i < 6; i++)
        cr_assert_eq(times_reported(places[i].id, 0), 1, "message %u", i);
}
