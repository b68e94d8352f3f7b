/* Two copies of a record are found: one of them counts, and the other's cell says so. */
#include "compactor_stage.h"

TestSuite(compactor_copies, .init = set_up, .fini = tear_down, .timeout = 60);

Test(compactor_copies, MQ03_of_two_copies_the_newer_counts_and_the_older_is_marked_first)
{
    struct group *group = add(1, 0);
    const struct ipc_place old = group->place;
    struct ipc_mail_queued copy = mail(1, 0, NEW);

    copy.copy = 1;
    compactor_found_copy(compactor, &copy);
    cr_assert_eq(group->state, QUEUE_CHECKING, "not before the mark is on disk");
    cr_assert(segments_is_held(segments));
    WAIT_FOR(group->state == QUEUE_READY);
    cr_assert_eq(group->place.segment, NEW);
    cr_assert_eq(stage_of(&old), CELL_MOVED);
    cr_assert_not(segments_is_held(segments));
}

Test(compactor_copies, MQ03_an_older_copy_that_is_found_later_is_marked)
{
    struct ipc_mail_queued newer = mail(1, 0, NEW), older = mail(1, 0, OLD);

    newer.copy = 1;
    cr_assert_eq(queue_add(queue, &newer), 0);
    compactor_found_copy(compactor, &older);
    WAIT_FOR(stage_of(&older.place) == CELL_MOVED);
    cr_assert_eq(queue_group(queue, 1, 0)->place.segment, NEW);
    cr_assert_eq(queue_group(queue, 1, 0)->state, QUEUE_READY);
    cr_assert_eq(stage_of(&newer.place), CELL_OPEN);
}

Test(compactor_copies, MQ03_what_is_being_delivered_counts_and_the_other_copy_is_marked)
{
    struct group *group = add(1, 0);
    struct ipc_mail_queued copy = mail(1, 0, NEW);

    copy.copy = 1;
    queue_set_out(queue, group);
    compactor_found_copy(compactor, &copy);
    WAIT_FOR(stage_of(&copy.place) == CELL_MOVED);
    cr_assert_eq(group->place.segment, OLD);
    cr_assert_eq(group->state, QUEUE_OUT);
}

Test(compactor_copies, the_same_report_again_changes_nothing)
{
    const struct ipc_mail_queued again = mail(1, 0, OLD);
    struct group *group = add(1, 0);

    compactor_found_copy(compactor, &again);
    cr_assert_eq(group->state, QUEUE_READY);
    cr_assert_not(segments_is_held(segments));
    cr_assert_eq(stage_of(&again.place), CELL_OPEN);
}

/* Since it was found it was tried, and its cell says what came of that; the copy's does not. */
Test(compactor_copies, MQ03_what_was_at_work_since_it_was_found_counts)
{
    struct group *group = add(1, 0);
    struct ipc_mail_queued copy = mail(1, 0, NEW);

    copy.copy = 1;
    queue_set_out(queue, group);
    queue_set_waiting_ms(queue, group, 60000);
    compactor_found_copy(compactor, &copy);
    WAIT_FOR(stage_of(&copy.place) == CELL_MOVED);
    WAIT_FOR(!segments_is_held(segments));
    cr_assert_eq(group->place.segment, OLD);
    cr_assert_eq(group->state, QUEUE_WAITING);
}

/* Its old cell says MOVED: nobody can deliver it there, and no restart would find it. */
Test(compactor_copies, MQ02_the_last_copy_is_never_given_up)
{
    struct group *group = add(1, 0);
    struct ipc_mail_queued copy = mail(1, 0, NEW);

    copy.copy = 1;
    set_stage(&group->place, CELL_MOVED);
    queue_set_out(queue, group);
    compactor_found_copy(compactor, &copy);
    WAIT_FOR(!segments_is_held(segments));
    cr_assert_eq(stage_of(&copy.place), CELL_OPEN);
    cr_assert_gt(segments_pins(segments, 0, NEW), 0, "its segment is not used again");
}

Test(compactor_copies, MQ02_one_that_came_to_rest_goes_on_in_its_last_copy)
{
    struct group *group = add(1, 0);
    struct ipc_mail_queued copy = mail(1, 0, NEW);

    copy.copy = 1;
    set_stage(&group->place, CELL_MOVED);
    queue_set_out(queue, group);
    queue_set_waiting_ms(queue, group, 60000); /* the worker could not read it */
    compactor_found_copy(compactor, &copy);
    WAIT_FOR(!segments_is_held(segments));
    cr_assert_eq(group->place.segment, NEW);
    cr_assert_eq(group->state, QUEUE_WAITING);
    cr_assert_eq(stage_of(&copy.place), CELL_OPEN);
}

/* A scan may read the copies before the worker's word of them comes. */
Test(compactor_copies, MQ02_what_is_being_moved_is_left_to_the_worker_who_moves_it)
{
    struct group *group = add(1, 0);
    struct ipc_mail_queued copy = mail(1, 0, NEW);

    copy.copy = 1;
    seal(OLD);
    WAIT_FOR(orders == 1);
    compactor_found_copy(compactor, &copy);
    cr_assert_not(segments_is_held(segments));
    cr_assert_eq(group->state, QUEUE_CHECKING);
    cr_assert_eq(say_moved(&places[0], NEW), 0);
    cr_assert_eq(group->place.segment, NEW);
    cr_assert_eq(stage_of(&copy.place), CELL_OPEN);
}

/* It was delivered from where it was found first, before the copy was; nothing is left there. */
Test(compactor_copies, MQ03_a_copy_of_what_is_finished_is_marked)
{
    char path[96];
    struct ipc_mail_queued first = mail(1, 0, OLD), copy = mail(1, 0, NEW);

    first.flags = IPC_QUEUED_RECOVERED;
    copy.copy = 1;
    queue_set_complete(queue, false);
    cr_assert_eq(queue_add(queue, &first), 0);
    queue_drop(queue, queue_group(queue, 1, 0));
    cr_assert_eq(queue_add(queue, &copy), -EEXIST);
    snprintf(path, sizeof(path), "%s/0/%u.seg", dir, OLD);
    cr_assert_eq(unlink(path), 0);
    compactor_found_copy(compactor, &copy);
    WAIT_FOR(stage_of(&copy.place) == CELL_MOVED);
}
