/* Whether all mail is known: what waits for it, and since when. */
#include <criterion/criterion.h>

#include <errno.h>
#include <sys/socket.h>

#include "common/channel.h"
#include "common/clock.h"
#include "common/loop.h"
#include "master/group.h"
#include "master/scans.h"
#include "master/segments.h"
#include "master/worker.h"

static struct loop *loop;
static struct workers workers;
static struct segments *segments;
static struct queue *queue;
static struct scans *scans;
static struct channel *ends[2];
static unsigned ordered[2]; /* scans of a slot */

static void on_rescan(void *owner, const void *payload, int fd)
{
    (void)owner;
    (void)fd;
    ordered[((const struct ipc_rescan *)payload)->slot]++;
}

static void on_end(void *owner, int err)
{
    (void)owner;
    (void)err;
}

static void on_scanned(unsigned slot, void *arg)
{
    (void)slot;
    (void)arg;
}

static channel_handler *const from_master[IPC_KIND_COUNT] = { [IPC_RESCAN] = on_rescan };
static channel_handler *const from_worker[IPC_KIND_COUNT];

static void add_worker(unsigned slot)
{
    int fds[2];
    struct worker *worker = workers_add(&workers, slot);

    cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    worker->channel = channel_new(loop, fds[0], IPC_MASTER, from_worker, on_end, worker);
    ends[slot] = channel_new(loop, fds[1], IPC_WORKER, from_master, on_end, NULL);
    worker->state = WORKER_RUNNING;
}

static void set_up(void)
{
    loop = workers.loop = loop_new();
    segments = segments_new(&workers);
    queue = queue_new(loop, segments);
    scans = scans_new(loop, &workers, queue, segments, on_scanned, NULL);
    cr_assert_not_null(scans);
    for (unsigned slot = 0; slot < 2; slot++)
        add_worker(slot);
}

static void tear_down(void)
{
    for (unsigned slot = 0; slot < 2; slot++) {
        worker_free(&workers.slots[slot]);
        channel_free(&ends[slot]);
    }
    scans_free(&scans);
    queue_free(&queue);
    segments_free(&segments);
    loop_free(loop);
}

TestSuite(scans, .init = set_up, .fini = tear_down, .timeout = 60);

static void say_rescanned(unsigned by, unsigned slot, int err)
{
    const struct ipc_rescanned rescanned = { .slot = slot, .err = err };

    cr_assert_eq(scans_rescanned(scans, workers.slots[by], &rescanned), 0);
}

static bool may_be_any(unsigned slot, void *arg)
{
    (void)slot;
    (void)arg;
    return true;
}

Test(scans, no_segment_is_used_again_before_all_slots_are_scanned)
{
    scans_expect(scans, 0);
    scans_expect(scans, 1);
    cr_assert(segments_is_held(segments));
    for (unsigned slot = 0; slot < 2; slot++) {
        scans_own_began(scans, workers.slots[slot]);
        cr_assert(segments_is_held(segments));
        say_rescanned(slot, slot, 0);
    }
    cr_assert_not(segments_is_held(segments));
}

Test(scans, MQ02_what_was_said_of_a_slot_counts_no_more_when_its_worker_reads_it)
{
    const struct ipc_segment_sealed sealed = { .segment = 5, .bytes = 100000 };
    struct ipc_segment chosen;

    segments_pin(segments, 0, 5, 100);
    segments_sealed(segments, &sealed);
    cr_assert(segments_choose(segments, loop_now_ms(loop), may_be_any, NULL, &chosen));
    scans_own_began(scans, workers.slots[0]);
    cr_assert_not(segments_choose(segments, loop_now_ms(loop), may_be_any, NULL, &chosen));
    segments_sealed(segments, &sealed);
    cr_assert(segments_choose(segments, loop_now_ms(loop), may_be_any, NULL, &chosen));
}

Test(scans, MQ03_what_is_finished_stays_known_as_long_as_a_copy_may_be_found)
{
    const struct ipc_mail_queued found = { .place = { .id = 7, .segment = 1 },
                                           .profile = 1,
                                           .flags = IPC_QUEUED_RECOVERED };

    scans_expect(scans, 0);
    scans_expect(scans, 1);
    scans_own_began(scans, workers.slots[0]);
    cr_assert_eq(queue_add(queue, &found), 0);
    say_rescanned(0, 0, 0);
    queue_drop(queue, queue_group(queue, 7, 0));
    queue_wake(queue, 10);
    cr_assert_not_null(queue_group(queue, 7, 0), "slot 1 may have the copy");
    scans_own_began(scans, workers.slots[1]);
    say_rescanned(1, 1, 0);
    queue_wake(queue, 10);
    cr_assert_null(queue_group(queue, 7, 0));
}

/* A slot that could not be read does not count for ever; but a worker that died may have left
 * there what was not there then. */
Test(scans, MQ02_a_death_counts_though_the_last_scan_failed)
{
    scans_expect(scans, 0);
    scans_own_began(scans, workers.slots[0]);
    say_rescanned(0, 0, -EIO);
    cr_assert_not(segments_is_held(segments));
    scans_expect(scans, 0);
    scans_worker_gone(scans, workers.slots[0]);
    cr_assert(segments_is_held(segments));
    scans_own_began(scans, workers.slots[0]);
    say_rescanned(0, 0, -EIO);
    cr_assert_not(segments_is_held(segments));
}

static void turn_until_ordered(unsigned slot, unsigned count)
{
    const int64_t until_ms = clock_mono_ms() + 20000;

    while (ordered[slot] < count && clock_mono_ms() < until_ms)
        loop_turn(loop, 10);
    cr_assert_eq(ordered[slot], count);
}

Test(scans, MQ02_an_interrupted_scan_is_taken_up_by_another)
{
    workers.slots[1]->state = WORKER_DOWN;
    scans_want(scans, 1);
    turn_until_ordered(1, 1);
    workers.slots[0]->state = WORKER_DOWN;
    scans_worker_gone(scans, workers.slots[0]);
    cr_assert(segments_is_held(segments), "what it had not told is not known");
    workers.slots[1]->state = WORKER_RUNNING;
    scans_worker_ready(scans);
    turn_until_ordered(1, 2);
}

/* The master had no memory for some of what a worker told it. */
Test(scans, MQ02_what_could_not_be_taken_in_is_looked_for_again)
{
    scans_want_again(scans, 1);
    scans_want_again(scans, 1); /* as often as something could not be */
    cr_assert_eq(ordered[1], 0, "not at once: memory is as short as before");
    cr_assert(segments_is_held(segments), "not all that is needed is known");
    turn_until_ordered(1, 1);
    say_rescanned(1, 1, 0);
    cr_assert_not(segments_is_held(segments));
    scans_want_again(scans, 1);
    turn_until_ordered(1, 2);
}
