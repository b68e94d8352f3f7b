/* Emptying segments: which groups are handed to which worker, and what its words make of them. The
 * workers are channel ends; marks go to real state files through the real I/O thread. */
#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cell.h"
#include "common/channel.h"
#include "common/clock.h"
#include "common/loop.h"
#include "common/memfd.h"
#include "common/spool_format.h"
#include "common/spool_path.h"
#include "master/cells.h"
#include "master/compactor.h"
#include "master/group.h"
#include "master/io_thread.h"
#include "master/segments.h"
#include "master/worker.h"

enum { OLD = 5, NEW = 6, INCARNATION = 77 };

static char dir[64];
static struct loop *loop;
static struct io_thread *io;
static struct workers workers;
static struct segments *segments;
static struct queue *queue;
static struct cells *cells;
static struct compactor *compactor;
static struct channel *end;

/* What the worker was told. */
static struct ipc_segment_compact order;
static struct ipc_place *places;
static unsigned orders, gone;

static void on_compact(void *owner, const void *payload, int fd)
{
    size_t bytes;

    (void)owner;
    order = *(const struct ipc_segment_compact *)payload;
    free(places);
    cr_assert_eq(memfd_read(fd, (char **)&places, &bytes), 0);
    cr_assert_eq(bytes, order.count * sizeof(*places));
    close(fd);
    orders++;
}

static void on_gone(void *owner, const void *payload, int fd)
{
    (void)owner;
    (void)payload;
    (void)fd;
    gone++;
}

static void on_end(void *owner, int err)
{
    (void)owner;
    (void)err;
}

static channel_handler *const from_master[IPC_KIND_COUNT] = {
    [IPC_SEGMENT_COMPACT] = on_compact, [IPC_SEGMENT_GONE] = on_gone
};
static channel_handler *const from_worker[IPC_KIND_COUNT];

static void make_segment(uint32_t number)
{
    struct spool_header header = { .kind = SPOOL_SHARED,
                                   .number = number,
                                   .incarnation = INCARNATION + number,
                                   .bytes = SPOOL_BLOCK,
                                   .cells = 8 };
    unsigned char block[SPOOL_BLOCK] = { 0 };
    int fd = spool_open(dir, 0, number, SPOOL_FILE_SEGMENT, O_RDWR | O_CREAT);

    spool_header_seal(&header);
    memcpy(block, &header, sizeof(header));
    cr_assert_eq(write(fd, block, sizeof(block)), SPOOL_BLOCK);
    close(fd);
    fd = spool_open(dir, 0, number, SPOOL_FILE_STATE, O_RDWR | O_CREAT);
    cr_assert_eq(ftruncate(fd, 8 * CELL_BYTES), 0);
    close(fd);
}

static enum cell_stage stage_of(const struct ipc_place *place)
{
    const struct cell_key key = { .incarnation = INCARNATION + place->segment,
                                  .id = place->id,
                                  .group = place->group };
    int fd = spool_open(dir, 0, place->segment, SPOOL_FILE_STATE, O_RDONLY);
    struct cell cell;
    uint16_t sequence;

    cr_assert_eq(cell_read(fd, place->cell, &key, &cell, &sequence), 0);
    close(fd);
    return cell.stage;
}

static void add_worker(void)
{
    int fds[2];
    struct worker *worker = workers_add(&workers, 0);

    cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    worker->channel = channel_new(loop, fds[0], IPC_MASTER, from_worker, on_end, worker);
    end = channel_new(loop, fds[1], IPC_WORKER, from_master, on_end, NULL);
    worker->state = WORKER_RUNNING;
}

static void set_up(void)
{
    char path[96];

    strcpy(dir, "/tmp/postern-compactor-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/0", dir);
    cr_assert_eq(mkdir(path, 0700), 0);
    make_segment(OLD);
    make_segment(NEW);
    loop = workers.loop = loop_new();
    io = io_thread_new(loop);
    segments = segments_new(&workers);
    queue = queue_new(loop, segments);
    cells = cells_new(io, dir);
    compactor = compactor_new(loop, queue, segments, &workers, cells);
    cr_assert_not_null(compactor);
    add_worker();
}

static void tear_down(void)
{
    char command[96];

    io_thread_free(&io);
    compactor_free(&compactor);
    queue_free(&queue);
    cells_free(&cells);
    worker_free(&workers.slots[0]);
    channel_free(&end);
    segments_free(&segments);
    loop_free(loop);
    free(places);
    snprintf(command, sizeof(command), "rm -rf '%s'", dir);
    cr_assert_eq(system(command), 0);
}

TestSuite(compactor, .init = set_up, .fini = tear_down, .timeout = 60);

#define WAIT_FOR(condition)                                 \
    do {                                                    \
        int64_t until_ms_ = clock_mono_ms() + 20000;        \
        while (!(condition) && clock_mono_ms() < until_ms_) \
            loop_turn(loop, 10);                            \
        cr_assert(condition);                               \
    } while (0)

/* ---- mail ---- */

static struct ipc_mail_queued mail(uint64_t id, unsigned group, uint32_t segment)
{
    return (struct ipc_mail_queued){ .place = { .id = id,
                                                .offset = id * 64,
                                                .segment = segment,
                                                .group = (uint16_t)group,
                                                .cell = (uint32_t)(id + group) % 8 },
                                     .body_bytes = 1000,
                                     .profile = 1,
                                     .rule = 1,
                                     .recipients = 1,
                                     .record_bytes = 100 };
}

static struct group *add(uint64_t id, unsigned group)
{
    const struct ipc_mail_queued queued = mail(id, group, OLD);

    cr_assert_eq(queue_add(queue, &queued), 0);
    return queue_group(queue, id, group);
}

/* Retired: it is emptied at once. */
static void seal(uint32_t number)
{
    const struct ipc_segment_sealed sealed = {
        .slot = 0, .segment = number, .bytes = 1000, .is_retired = 1
    };

    segments_sealed(segments, &sealed);
}

static int say_moved(const struct ipc_place *from, uint32_t segment)
{
    struct ipc_mail_moved moved = { .from = *from, .place = *from, .record_bytes = 90, .copy = 1 };

    moved.place.segment = segment;
    moved.place.offset = 4096 + from->id;
    return compactor_moved(compactor, workers.slots[0], &moved);
}

static int say_ended(unsigned count, int err)
{
    const struct ipc_segment_compacted ended = {
        .slot = 0, .segment = OLD, .moved = count, .err = err
    };

    return compactor_ended(compactor, workers.slots[0], &ended);
}

/* ---- tests ---- */

Test(compactor, all_that_rests_is_handed_over_in_order_and_goes_on_at_its_new_place)
{
    struct group *second = add(2, 0), *first = add(1, 0), *held = add(3, 0);

    queue_set_held(queue, held);
    seal(OLD);
    WAIT_FOR(orders == 1);
    cr_assert_eq(order.segment, OLD);
    cr_assert_eq(order.count, 3);
    for (unsigned i = 0; i < 3; i++)
        cr_assert_eq(places[i].id, i + 1);
    cr_assert_eq(first->state, QUEUE_CHECKING);
    for (unsigned i = 0; i < 3; i++)
        cr_assert_eq(say_moved(&places[i], NEW), 0);
    cr_assert_eq(first->state, QUEUE_READY);
    cr_assert_eq(held->state, QUEUE_HELD);
    cr_assert_eq(second->place.segment, NEW);
    cr_assert_eq(second->place.offset, 4098);
    cr_assert_eq(second->copy, 1);
    cr_assert_eq(segments_pins(segments, 0, NEW), 3);
    cr_assert_eq(say_ended(3, 0), 0);
    WAIT_FOR(gone == 1); /* nothing needs it any more */
}

Test(compactor, a_record_of_which_a_group_is_out_stays_whole)
{
    struct group *out, *partner;

    out = add(1, 0);
    partner = add(1, 1);
    add(2, 0);
    queue_set_out(queue, out);
    seal(OLD);
    WAIT_FOR(orders == 1);
    cr_assert_eq(order.count, 1);
    cr_assert_eq(places[0].id, 2);
    cr_assert_eq(partner->state, QUEUE_READY);
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

Test(compactor, what_was_not_moved_goes_on_where_it_is)
{
    struct group *first = add(1, 0), *second = add(2, 0);

    seal(OLD);
    WAIT_FOR(orders == 1);
    cr_assert_eq(say_moved(&places[0], NEW), 0);
    cr_assert_eq(say_ended(1, -EIO), 0);
    cr_assert_eq(first->place.segment, NEW);
    cr_assert_eq(second->place.segment, OLD);
    cr_assert_eq(second->state, QUEUE_READY);
    for (int i = 0; i < 6; i++)
        loop_turn(loop, 300);
    cr_assert_eq(orders, 1, "not again at once");
}

Test(compactor, the_master_does_not_believe_nonsense)
{
    struct ipc_place other;

    add(1, 0);
    other = queue_group(queue, 1, 0)->place;
    cr_assert_eq(say_moved(&other, NEW), -EBADMSG, "nobody asked");
    cr_assert_eq(say_ended(0, 0), -EBADMSG);
    seal(OLD);
    WAIT_FOR(orders == 1);
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

Test(compactor, MQ03_of_two_copies_the_newer_counts_and_the_older_is_marked_first)
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

Test(compactor, MQ03_an_older_copy_that_is_found_later_is_marked)
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

Test(compactor, MQ03_what_is_being_delivered_counts_and_the_other_copy_is_marked)
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

Test(compactor, the_same_report_again_changes_nothing)
{
    const struct ipc_mail_queued again = mail(1, 0, OLD);
    struct group *group = add(1, 0);

    compactor_found_copy(compactor, &again);
    cr_assert_eq(group->state, QUEUE_READY);
    cr_assert_not(segments_is_held(segments));
    cr_assert_eq(stage_of(&again.place), CELL_OPEN);
}
