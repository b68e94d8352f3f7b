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
