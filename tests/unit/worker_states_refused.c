/* States whose sync the disk refused: the master is told of their segment, and a writer that is
 * told to leaves it (MQ03). */
#define WORLD_MORE_AT_MASTER [IPC_SEGMENT_FAILED] = on_failed

static void on_failed(void *owner, const void *payload, int fd);

#include "compaction_stage.h"
#include "disk_fault.h"

static struct ipc_segment failed[8];
static unsigned failed_count;

static void on_failed(void *owner, const void *payload, int fd)
{
    (void)owner;
    (void)fd;
    failed[failed_count++ % 8] = *(const struct ipc_segment *)payload;
}

TestSuite(states_refused, .init = setup, .fini = teardown, .timeout = 60);

#if POSTERN_HOOKS

static void record(struct message *message)
{
    cr_assert_eq(message_record(message), 0);
    spooler_state_touched(world->spooler, &message->place, message_state_fd(message));
}

/* All that is touched here is synced in one go, so that what is told is told at once. */
Test(states_refused, MQ03_the_master_hears_once_of_each_segment_that_it_concerns)
{
    struct message *refused, *beside, *taken;

    store(2, SMALL, 1);
    refused = open_at(&world->queued[0].place);
    beside = open_at(&world->queued[1].place);
    seal_first();
    taken = open_at(&world->queued[world->queued_count - 1].place);
    cr_assert_neq(taken->place.segment, refused->place.segment);
    set_fault_in(DISK_CALL_SYNC, refused->place.segment, "state");
    record(taken);
    record(refused);
    record(beside);
    WORLD_WAIT(world, failed_count > 0);
    disk_set_fault(NULL);
    cr_assert_eq(failed_count, 1);
    cr_assert_eq(failed[0].slot, 0);
    cr_assert_eq(failed[0].segment, refused->place.segment);
    message_free(&refused);
    message_free(&beside);
    message_free(&taken);
}

#endif

Test(states_refused, MQ03_the_writer_leaves_the_segment_when_it_is_told_to)
{
    uint32_t number;

    store(1, SMALL, 1);
    number = world->queued[0].place.segment;
    spooler_segment_retire(world->spooler, number);
    WORLD_WAIT(world, world->sealed_count == 1);
    cr_assert_eq(world->sealed[0].segment, number);
    cr_assert_neq(world->sealed[0].is_retired, 0);
    store(1, SMALL, 1);
    cr_assert_neq(world->queued[1].place.segment, number);
    expect_message(&world->queued[0].place, 0, SMALL);
    expect_message(&world->queued[1].place, 1, SMALL);
}
