/* Emptying segments: which groups are handed to which worker, and what its words make of them. */
#include "compactor_stage.h"

TestSuite(compactor, .init = set_up, .fini = tear_down, .timeout = 60);

Test(compactor, all_that_rests_is_handed_over_and_goes_on_at_its_new_place)
{
    struct group *second = add(2, 0), *first = add(1, 0), *held = add(3, 0);

    queue_set_held(queue, held);
    seal(OLD);
    WAIT_FOR(orders == 1);
    cr_assert_eq(order.segment, OLD);
    cr_assert_eq(order.count, 3);
    cr_assert_eq(places[0].id + places[1].id + places[2].id, 6);
    cr_assert_eq(first->state, QUEUE_CHECKING);
    cr_assert_eq(second->state, QUEUE_CHECKING);
    cr_assert_eq(held->state, QUEUE_CHECKING);
    cr_assert(held->may_be_twice, "a copy may be left if something goes wrong");
    for (unsigned i = 0; i < 3; i++)
        cr_assert_eq(say_moved(&places[i], NEW), 0);
    cr_assert_eq(first->state, QUEUE_READY);
    cr_assert_eq(held->state, QUEUE_HELD);
    cr_assert_eq(second->place.segment, NEW);
    cr_assert_eq(second->place.offset, 4096 + second->place.id);
    cr_assert_eq(second->copy, 1);
    cr_assert_eq(segments_pins(segments, 0, NEW), 3);
    cr_assert_eq(say_ended(3, 0), 0);
    WAIT_FOR(gone == 1); /* nothing needs it any more */
}

/* It would be copied again and again, and what came later would go first. */
Test(compactor, MQ0A_what_is_ready_is_not_moved_out_of_a_young_segment)
{
    const struct ipc_segment_sealed sealed = { .segment = OLD, .bytes = 100000 };
    struct group *ready = add(1, 0), *held = add(2, 0);

    compactor_set_ready_ms(compactor, 500);
    queue_set_held(queue, held);
    segments_sealed(segments, &sealed);
    WAIT_FOR(orders == 1);
    cr_assert_eq(order.count, 1);
    cr_assert_eq(places[0].id, held->place.id);
    cr_assert_eq(ready->state, QUEUE_READY);
    cr_assert_eq(say_moved(&places[0], NEW), 0);
    cr_assert_eq(say_ended(1, 0), 0);
    compactor_set_ready_ms(compactor, 0); /* as when it has grown old */
    WAIT_FOR(orders == 2);
    cr_assert_eq(order.count, 1);
    cr_assert_eq(places[0].id, ready->place.id);
}

/* The worker sees that its cell is alive, and leaves the record. */
Test(compactor, a_group_that_is_out_is_not_handed_over)
{
    struct group *out, *partner;

    out = add(1, 0);
    partner = add(1, 1);
    queue_set_out(queue, out);
    seal(OLD);
    WAIT_FOR(orders == 1);
    cr_assert_eq(order.count, 1);
    cr_assert_eq(places[0].group, 1);
    cr_assert_eq(say_ended(0, 0), 0);
    cr_assert_eq(partner->state, QUEUE_READY);
    cr_assert_eq(partner->place.segment, OLD);
    cr_assert_eq(out->state, QUEUE_OUT);
}

Test(compactor, a_group_whose_note_lies_in_the_segment_is_handed_over_too)
{
    struct ipc_mail_queued queued = mail(1, 0, NEW);
    struct ipc_mail_moved moved;

    queued.note_segment = OLD;
    cr_assert_eq(queue_add(queue, &queued), 0);
    seal(OLD);
    WAIT_FOR(orders == 1);
    cr_assert_eq(order.count, 1);
    cr_assert_eq(places[0].segment, NEW);
    moved = (struct ipc_mail_moved){ .from = places[0], .place = places[0], .note_segment = 9 };
    cr_assert_eq(compactor_moved(compactor, workers.slots[0], &moved), 0);
    cr_assert_eq(queue_group(queue, 1, 0)->note_segment, 9);
    cr_assert_eq(queue_group(queue, 1, 0)->place.segment, NEW);
    cr_assert_eq(queue_group(queue, 1, 0)->record_bytes, 100);
    cr_assert_eq(say_ended(1, 0), 0);
    WAIT_FOR(gone == 1);
}

/* The worker may be copying into it: what it has put there is told with the next words. */
Test(compactor, MQ02_what_is_sealed_during_a_run_is_not_used_again_before_its_end)
{
    add(1, 0);
    seal(OLD);
    WAIT_FOR(orders == 1);
    seal(NEW);
    for (unsigned i = 0; i < 5; i++)
        loop_turn(loop, 10);
    cr_assert_eq(gone, 0);
    cr_assert_eq(say_ended(0, 0), 0);
    WAIT_FOR(gone == 1);
}

Test(compactor, what_was_not_moved_goes_on_where_it_is)
{
    struct group *first = add(1, 0), *second = add(2, 0);

    seal(OLD);
    WAIT_FOR(orders == 1);
    cr_assert_eq(say_moved(&places[0], NEW), 0);
    cr_assert_eq(say_ended(1, -EIO), 0);
    cr_assert_eq(first->state, QUEUE_READY);
    cr_assert_eq(second->state, QUEUE_READY);
    cr_assert_eq(first->place.segment + second->place.segment, OLD + NEW);
    for (int i = 0; i < 6; i++)
        loop_turn(loop, 300);
    cr_assert_eq(orders, 1, "not again at once");
}

Test(compactor, the_master_does_not_believe_nonsense)
{
    struct ipc_place other;

    add(1, 0);
    queue_set_out(queue, add(2, 0));
    other = queue_group(queue, 1, 0)->place;
    cr_assert_eq(say_moved(&other, NEW), -EBADMSG, "nobody asked");
    cr_assert_eq(say_ended(0, 0), -EBADMSG);
    seal(OLD);
    WAIT_FOR(orders == 1);
    cr_assert_eq(say_moved(&queue_group(queue, 2, 0)->place, NEW), -EBADMSG, "it is out");
    other = places[0];
    other.offset++;
    cr_assert_eq(say_moved(&other, NEW), -EBADMSG, "no such place");
    other = places[0];
    other.id++;
    cr_assert_eq(say_moved(&other, NEW), -EBADMSG, "another message");
    cr_assert_eq(say_moved(&places[0], 0), -EBADMSG, "no such segment");
    cr_assert_eq(say_moved(&places[0], NEW), 0);
    cr_assert_eq(say_moved(&places[0], NEW), -EBADMSG, "it said so already");
}

Test(compactor, when_the_worker_dies_its_groups_wait_for_the_scan)
{
    struct ipc_mail_queued copy = mail(1, 0, NEW);
    struct group *moved = add(1, 0), *left = add(2, 0);

    seal(OLD);
    WAIT_FOR(orders == 1);
    segments_hold(segments); /* as a scan that is expected does */
    compactor_worker_gone(compactor, workers.slots[0]);
    for (int i = 0; i < 5; i++)
        loop_turn(loop, 300);
    cr_assert_eq(moved->state, QUEUE_CHECKING);
    cr_assert_eq(left->state, QUEUE_CHECKING);
    copy.copy = 1;
    compactor_found_copy(compactor, &copy); /* it had come as far as that */
    cr_assert_eq(moved->place.segment, NEW);
    WAIT_FOR(moved->state == QUEUE_READY);
    cr_assert_eq(stage_of(&places[0]), CELL_MOVED);
    cr_assert_eq(left->state, QUEUE_CHECKING);
    segments_unhold(segments);
    WAIT_FOR(left->state == QUEUE_READY);
    cr_assert_eq(left->place.segment, OLD);
}

Test(compactor, what_is_too_much_for_one_run_follows_in_another)
{
    for (uint64_t id = 1; id <= 65536 + 10; id++)
        add(id, 0);
    seal(OLD);
    WAIT_FOR(orders == 1);
    cr_assert_eq(order.count, 65536);
    cr_assert_eq(say_moved(&places[0], NEW), 0);
    cr_assert_eq(say_ended(1, 0), 0);
    WAIT_FOR(orders == 2);
    cr_assert_eq(order.count, 65536);
    cr_assert_eq(say_ended(0, 0), 0); /* in vain: it would be again */
    for (int i = 0; i < 30; i++)
        loop_turn(loop, 50);
    cr_assert_eq(orders, 2);
}

/* What is not known is not listed, and would be left in a segment that is used again. */
Test(compactor, MQ02_nothing_is_emptied_before_all_mail_is_known)
{
    segments_hold(segments);
    add(1, 0);
    seal(OLD);
    for (int i = 0; i < 8; i++)
        loop_turn(loop, 300);
    cr_assert_eq(orders, 0);
    segments_unhold(segments);
    WAIT_FOR(orders == 1);
}
