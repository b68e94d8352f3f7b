#include <criterion/criterion.h>

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/channel.h"
#include "common/loop.h"
#include "master/jobs.h"
#include "master/segments.h"
#include "master/worker.h"

/* Workers as channels: what the master sends is read at the other end. */
static struct loop *loop;
static struct workers workers;
static struct segments *segments;

struct heard {
    unsigned gone, reuse, retire;
    struct ipc_segment last;
};
static struct heard heard[4];
static struct channel *ends[4];

static void on_gone(void *owner, const void *payload, int fd)
{
    struct heard *h = owner;

    (void)fd;
    h->gone++;
    h->last = *(const struct ipc_segment *)payload;
}

static void on_reuse(void *owner, const void *payload, int fd)
{
    struct heard *h = owner;

    (void)fd;
    h->reuse++;
    h->last = *(const struct ipc_segment *)payload;
}

static void on_retire(void *owner, const void *payload, int fd)
{
    struct heard *h = owner;

    (void)fd;
    h->retire++;
    h->last = *(const struct ipc_segment *)payload;
}

static void on_end(void *owner, int err)
{
    (void)owner;
    (void)err;
}

static channel_handler *const from_master[IPC_KIND_COUNT] = {
    [IPC_SEGMENT_GONE] = on_gone,
    [IPC_SEGMENT_REUSE] = on_reuse,
    [IPC_SEGMENT_RETIRE] = on_retire,
};
static channel_handler *const from_worker[IPC_KIND_COUNT];

static void add_worker(unsigned slot)
{
    int fds[2];
    struct worker *worker = workers_add(&workers, slot);

    cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    worker->channel = channel_new(loop, fds[0], IPC_MASTER, from_worker, on_end, worker);
    ends[slot] = channel_new(loop, fds[1], IPC_WORKER, from_master, on_end, &heard[slot]);
    worker->state = WORKER_RUNNING;
}

static void set_up(void)
{
    loop = workers.loop = loop_new();
    segments = segments_new(&workers);
    for (unsigned slot = 0; slot < 3; slot++)
        add_worker(slot);
}

static void tear_down(void)
{
    for (unsigned slot = 0; slot < 3; slot++) {
        worker_free(&workers.slots[slot]);
        channel_free(&ends[slot]);
    }
    segments_free(&segments);
    loop_free(loop);
}

TestSuite(segments, .init = set_up, .fini = tear_down);

static void settle(void)
{
    for (int i = 0; i < 4; i++)
        loop_turn(loop, 5);
}

static void seal(unsigned slot, uint32_t number)
{
    const struct ipc_segment_sealed sealed = { .slot = slot, .segment = number, .bytes = 1 << 20 };

    segments_sealed(segments, &sealed);
}

static void release(unsigned slot)
{
    cr_assert_eq(segments_released(segments, workers.slots[slot], 1, 5), 0);
}

Test(segments, goes_back_to_its_worker_when_all_have_let_go)
{
    segments_pin(segments, 1, 5, 1000);
    seal(1, 5);
    settle();
    cr_assert_eq(heard[0].gone, 0, "something lives in it");
    segments_unpin(segments, 1, 5, 1000);
    settle();
    for (int i = 0; i < 3; i++)
        cr_assert_eq(heard[i].gone, 1);
    release(0);
    release(2);
    settle();
    cr_assert_eq(heard[1].reuse, 0, "one has not answered");
    release(1);
    settle();
    cr_assert_eq(heard[1].reuse, 1);
    cr_assert_eq(heard[1].last.segment, 5);
    cr_assert_eq(heard[0].reuse + heard[2].reuse, 0);
}

Test(segments, is_not_announced_before_it_is_sealed)
{
    segments_pin(segments, 1, 5, 1000);
    segments_unpin(segments, 1, 5, 1000);
    settle();
    cr_assert_eq(heard[0].gone, 0);
    seal(1, 5);
    settle();
    cr_assert_eq(heard[0].gone, 1);
}

Test(segments, a_dead_worker_has_let_go)
{
    seal(1, 5);
    release(0);
    release(1);
    workers.slots[2]->state = WORKER_DOWN;
    segments_worker_gone(segments, workers.slots[2]);
    settle();
    cr_assert_eq(heard[1].reuse, 1);
}

Test(segments, waits_for_a_worker_when_none_is_there)
{
    seal(1, 5);
    for (unsigned slot = 0; slot < 3; slot++)
        workers.slots[slot]->state = WORKER_DOWN;
    for (unsigned slot = 0; slot < 3; slot++)
        segments_worker_gone(segments, workers.slots[slot]);
    settle();
    cr_assert_eq(heard[1].reuse, 0);
    workers.slots[1]->state = WORKER_RUNNING;
    segments_workers_changed(segments);
    settle();
    cr_assert_eq(heard[1].reuse, 1);
}

/* Another one would take the slot's lock, and the successor could not start. */
Test(segments, waits_for_its_own_worker_while_that_is_away_for_a_moment)
{
    seal(1, 5);
    release(0);
    release(2);
    workers.slots[1]->state = WORKER_DOWN;
    segments_worker_gone(segments, workers.slots[1]);
    settle();
    cr_assert_eq(heard[0].reuse + heard[2].reuse, 0);
    workers.slots[1]->state = WORKER_STARTING;
    segments_workers_changed(segments);
    settle();
    cr_assert_eq(heard[0].reuse + heard[1].reuse + heard[2].reuse, 0);
    workers.slots[1]->state = WORKER_RUNNING;
    segments_workers_changed(segments);
    settle();
    cr_assert_eq(heard[1].reuse, 1);
}

Test(segments, goes_to_somebody_else_when_its_slot_is_given_up)
{
    seal(1, 5);
    release(0);
    release(2);
    workers.slots[1]->state = WORKER_DOWN;
    segments_worker_gone(segments, workers.slots[1]);
    worker_free(&workers.slots[1]);
    segments_workers_changed(segments);
    settle();
    cr_assert_eq(heard[0].reuse + heard[2].reuse, 1);
}

Test(segments, of_a_surplus_slot_goes_to_somebody_else)
{
    seal(9, 5);
    for (unsigned slot = 0; slot < 3; slot++)
        cr_assert_eq(segments_released(segments, workers.slots[slot], 9, 5), 0);
    settle();
    cr_assert_eq(heard[0].reuse + heard[1].reuse + heard[2].reuse, 1);
}

Test(segments, nothing_is_recycled_while_not_all_mail_is_known)
{
    segments_hold(segments);
    segments_hold(segments);
    seal(1, 5);
    seal(1, 6);
    settle();
    cr_assert_eq(heard[0].gone, 0);
    segments_unhold(segments);
    settle();
    cr_assert_eq(heard[0].gone, 0);
    segments_unhold(segments);
    settle();
    cr_assert_eq(heard[0].gone, 2);
}

Test(segments, MQ02_none_is_used_again_while_it_may_be_being_read)
{
    seal(1, 5);
    segments_hold(segments);
    for (unsigned slot = 0; slot < 3; slot++)
        release(slot);
    settle();
    cr_assert_eq(heard[1].reuse, 0);
    segments_workers_changed(segments);
    settle();
    cr_assert_eq(heard[1].reuse, 0);
    segments_unhold(segments);
    settle();
    cr_assert_eq(heard[1].reuse, 1);
}

/* Its file may be gone, and another have its number by now. */
Test(segments, MQ02_what_was_said_before_the_slot_is_read_anew_does_not_count)
{
    segments_hold(segments);
    seal(1, 5);
    segments_pin(segments, 1, 6, 100);
    seal(1, 6);
    seal(2, 7);
    segments_read_anew(segments, 1);
    segments_unpin(segments, 1, 6, 100);
    segments_unhold(segments);
    settle();
    cr_assert_eq(heard[0].gone, 1);
    cr_assert_eq(heard[0].last.slot, 2, "the other slot's");
    segments_pin(segments, 1, 5, 100);
    cr_assert_eq(segments_pins(segments, 1, 5), 1, "mail in the new one");
    segments_unpin(segments, 1, 5, 100);
    settle();
    cr_assert_eq(heard[0].gone, 1, "which is being written");
    seal(1, 5);
    settle();
    cr_assert_eq(heard[0].gone, 2);
}

Test(segments, MQ02_what_all_let_go_after_its_slot_is_read_anew_is_not_used_again_by_that)
{
    seal(1, 5);
    release(0);
    segments_read_anew(segments, 1);
    release(1);
    release(2);
    settle();
    cr_assert_eq(heard[1].reuse, 0);
    seal(1, 5);
    settle();
    cr_assert_eq(heard[0].gone, 2, "it is there, and announced afresh");
}

Test(segments, an_answer_that_nobody_asked_for_is_refused)
{
    cr_assert_eq(segments_released(segments, workers.slots[0], 1, 5), -EBADMSG);
    cr_assert_eq(segments_released(segments, workers.slots[0], 70000, 5), -EBADMSG);
    seal(1, 5);
    release(0);
    cr_assert_eq(segments_released(segments, workers.slots[0], 1, 5), -EBADMSG);
}

Test(segments, one_that_is_needed_again_is_kept)
{
    seal(1, 5);
    segments_pin(segments, 1, 5, 1000);
    for (unsigned slot = 0; slot < 3; slot++)
        release(slot);
    settle();
    cr_assert_eq(heard[1].reuse, 0);
    segments_unpin(segments, 1, 5, 1000);
    settle();
    cr_assert_eq(heard[1].gone, 2, "announced afresh");
}

/* Its outcome may bring a note that lies in the segment. */
Test(segments, waits_for_jobs_that_were_under_way_when_it_was_sealed)
{
    struct job job = { .sent_ms = loop_now_ms(loop) };

    TAILQ_INSERT_TAIL(&workers.slots[1]->jobs, &job, link);
    seal(1, 5);
    seal(2, 5);
    settle();
    cr_assert_eq(heard[0].gone, 1, "that of another worker");
    TAILQ_REMOVE(&workers.slots[1]->jobs, &job, link);
    for (int i = 0; i < 500 && heard[0].gone < 2; i++)
        loop_turn(loop, 10);
    cr_assert_eq(heard[0].gone, 2);
}

/* Thousands come and go; none is lost and none told twice. */
Test(segments, many_at_once)
{
    enum { MANY = 5000 };

    for (uint32_t number = 1; number <= MANY; number++)
        segments_pin(segments, 1, number, 1000);
    for (uint32_t number = 1; number <= MANY; number++)
        seal(1, number);
    for (uint32_t number = MANY; number >= 1; number--)
        segments_unpin(segments, 1, number, 1000);
    for (uint32_t number = 1; number <= MANY; number++) {
        for (unsigned slot = 0; slot < 3; slot++)
            cr_assert_eq(segments_released(segments, workers.slots[slot], 1, number), 0);
    }
    for (int i = 0; i < 200 && heard[1].reuse < MANY; i++)
        loop_turn(loop, 5);
    cr_assert_eq(heard[1].reuse, MANY);
    cr_assert_eq(segments_pins(segments, 1, 17), 0);
}

/* ---- what should be emptied ---- */

static bool is_any(unsigned slot, void *arg)
{
    (void)arg;
    return slot != 2;
}

static void seal_as(unsigned slot, uint32_t number, uint32_t bytes, bool is_retired)
{
    const struct ipc_segment_sealed sealed = {
        .slot = slot, .segment = number, .bytes = bytes, .is_retired = is_retired
    };

    segments_sealed(segments, &sealed);
}

/* Number of the segment that would be emptied, 0: none. */
static uint32_t chosen(int64_t later_ms)
{
    struct ipc_segment segment;

    if (!segments_choose(segments, loop_now_ms(loop) + later_ms, is_any, NULL, &segment))
        return 0;
    return segment.segment;
}

Test(segments, the_one_with_the_least_alive_is_emptied_once_it_is_old_or_hardly_anything_is)
{
    segments_pin(segments, 1, 5, 400);
    segments_pin(segments, 1, 6, 100);
    segments_pin(segments, 1, 7, 300);
    for (uint32_t number = 5; number <= 7; number++)
        seal_as(1, number, 1000, false);
    cr_assert_eq(chosen(0), 6);
    segments_rest(segments, 1, 6, 10000, false);
    cr_assert_eq(chosen(0), 0, "what was on its way in the seventh is still leaving");
    cr_assert_eq(chosen(6000), 7);
    cr_assert_eq(chosen(11000), 6);
}

Test(segments, a_slot_whose_segments_are_half_full_is_left_alone)
{
    segments_pin(segments, 1, 5, 100);
    segments_pin(segments, 1, 6, 900);
    seal_as(1, 5, 1000, false);
    seal_as(1, 6, 1000, false);
    cr_assert_eq(chosen(6000), 0, "2000 for 1000 alive");
    segments_unpin(segments, 1, 6, 900);
    segments_pin(segments, 1, 6, 800);
    cr_assert_eq(chosen(6000), 5, "2000 for 900 alive");
}

Test(segments, MQ02_what_the_disk_refused_is_emptied_at_once_however_full)
{
    segments_pin(segments, 1, 5, 10);
    segments_pin(segments, 1, 6, 990);
    seal_as(1, 5, 1000, false);
    seal_as(1, 6, 1000, true);
    cr_assert_eq(chosen(0), 6);
    cr_assert_eq(chosen(6000), 6);
}

/* Some worker's sync of its states failed (SEGMENT_FAILED). */
Test(segments, MQ03_one_whose_states_the_disk_refused_is_left_by_its_writer_and_emptied)
{
    segments_pin(segments, 1, 5, 1000);
    segments_retire(segments, 1, 5);
    settle();
    cr_assert_eq(heard[1].retire, 1);
    cr_assert_eq(heard[1].last.slot, 1);
    cr_assert_eq(heard[1].last.segment, 5);
    cr_assert_eq(heard[0].retire + heard[2].retire, 0);
    cr_assert_eq(chosen(6000), 0, "it is still written to");
    segments_retire(segments, 1, 5);
    settle();
    cr_assert_eq(heard[1].retire, 1, "once is enough");
    seal_as(1, 5, 1000, true);
    settle();
    cr_assert_eq(heard[1].retire, 1, "the writer knows");
    cr_assert_eq(chosen(0), 5, "at once, and however full");
}

/* The one that was told has died: its successor found the segment. */
Test(segments, MQ03_who_works_for_the_slot_next_is_told_too)
{
    segments_pin(segments, 1, 5, 1000);
    workers.slots[1]->state = WORKER_DOWN;
    segments_retire(segments, 1, 5);
    settle();
    cr_assert_eq(heard[1].retire, 0);
    workers.slots[1]->state = WORKER_RUNNING;
    seal_as(1, 5, 1000, false);
    settle();
    cr_assert_eq(heard[1].retire, 1);
    cr_assert_eq(chosen(0), 5);
}

Test(segments, what_cannot_be_moved_is_tried_ever_more_rarely)
{
    segments_pin(segments, 1, 5, 10);
    seal_as(1, 5, 1000, true);
    for (int64_t wait_ms = 10000; wait_ms <= 640000; wait_ms *= 2) {
        segments_rest(segments, 1, 5, 10000, true);
        cr_assert_eq(chosen(wait_ms - 1000), 0);
        cr_assert_eq(chosen(wait_ms + 1000), 5);
    }
    segments_rest(segments, 1, 5, 10000, true);
    cr_assert_eq(chosen(641000), 5, "no more rarely than that");
    segments_rest(segments, 1, 5, 10000, false);
    segments_rest(segments, 1, 5, 10000, true);
    cr_assert_eq(chosen(11000), 5, "something was moved meanwhile");
}

Test(segments, what_cannot_be_emptied_is_not_chosen)
{
    segments_pin(segments, 1, 5, 10); /* still written to */
    segments_pin(segments, 1, 6, 10); /* of one large message */
    seal_as(1, 6, 0, false);
    segments_pin(segments, 2, 7, 10); /* its slot's worker has no time */
    seal_as(2, 7, 1000, true);
    seal_as(1, 8, 1000, true); /* nothing is alive in it: it goes by itself */
    cr_assert_eq(chosen(6000), 0);
}

Test(segments, what_was_sealed_during_a_compaction_waits_for_its_end)
{
    segments_set_compacting(segments, 1, true);
    seal(1, 5);
    for (int i = 0; i < 4; i++)
        loop_turn(loop, 300);
    cr_assert_eq(heard[0].gone, 0, "copies may be on their way into it");
    segments_set_compacting(segments, 1, false);
    for (int i = 0; i < 3; i++)
        loop_turn(loop, 0);
    cr_assert_eq(heard[0].gone, 1,
                 "what a compaction emptied goes with its end, not at a look later");
}
