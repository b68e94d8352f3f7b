/* Mail that the master has no memory for: it stays on disk, and so does its segment. */
#include <criterion/criterion.h>

#include <errno.h>

#include <stdlib.h>
#include <sys/socket.h>

#include "common/channel.h"
#include "common/loop.h"
#include "master/dispatch.h"
#include "master/group.h"
#include "master/segments.h"
#include "master/slab.h"
#include "master/worker.h"

/* ---- a slab that may have no memory ---- */

#define OBJECTS 16U

struct slab {
    void *objects[OBJECTS];
};

static bool is_short;

struct slab *slab_new(size_t object_bytes, size_t max)
{
    struct slab *slab = calloc(1, sizeof(*slab));

    (void)max;
    for (unsigned i = 0; i < OBJECTS; i++)
        slab->objects[i] = calloc(1, object_bytes);
    return slab;
}

void slab_free(struct slab **slab)
{
    for (unsigned i = 0; *slab != NULL && i < OBJECTS; i++)
        free((*slab)->objects[i]);
    free(*slab);
    *slab = NULL;
}

static uint32_t taken;

void *slab_take(struct slab *slab, uint32_t *ret_number)
{
    cr_assert_lt(taken, OBJECTS);
    if (is_short)
        return NULL;
    *ret_number = taken++;
    return slab->objects[*ret_number];
}

void slab_give(struct slab *slab, uint32_t number)
{
    (void)slab;
    (void)number;
}

void *slab_at(const struct slab *slab, uint32_t number)
{
    return number < taken ? slab->objects[number] : NULL;
}

uint32_t slab_room(const struct slab *slab)
{
    (void)slab;
    return taken;
}

/* ---- the stage ---- */

static struct loop *loop;
static struct workers workers;
static struct segments *segments;
static struct queue *queue;
static struct dispatch *dispatch;
static struct channel *end;
static unsigned gone;
static uint64_t credit;

static void on_gone(void *owner, const void *payload, int fd)
{
    (void)owner;
    (void)payload;
    (void)fd;
    gone++;
}

static void on_credit(void *owner, const void *payload, int fd)
{
    (void)owner;
    (void)fd;
    credit += ((const struct ipc_credit *)payload)->queued;
}

static void on_end(void *owner, int err)
{
    (void)owner;
    (void)err;
}

static channel_handler *const from_master[IPC_KIND_COUNT] = {
    [IPC_SEGMENT_GONE] = on_gone, [IPC_CREDIT] = on_credit
};
static channel_handler *const from_worker[IPC_KIND_COUNT];

static void set_up(void)
{
    struct worker *worker;
    int fds[2];

    loop = workers.loop = loop_new();
    segments = segments_new(&workers);
    queue = queue_new(loop, segments);
    dispatch = dispatch_new(loop, queue, &workers, NULL);
    worker = workers_add(&workers, 0);
    cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    worker->channel = channel_new(loop, fds[0], IPC_MASTER, from_worker, on_end, worker);
    end = channel_new(loop, fds[1], IPC_WORKER, from_master, on_end, NULL);
    worker->state = WORKER_RUNNING;
}

static void tear_down(void)
{
    dispatch_free(&dispatch);
    queue_free(&queue);
    worker_free(&workers.slots[0]);
    channel_free(&end);
    segments_free(&segments);
    loop_free(loop);
}

TestSuite(dispatch_short, .init = set_up, .fini = tear_down, .timeout = 60);

static void settle(void)
{
    for (int i = 0; i < 4; i++)
        loop_turn(loop, 5);
}

static const struct ipc_mail_queued mail = { .place = { .id = 1, .segment = 3 },
                                             .profile = 1,
                                             .rule = 1,
                                             .record_bytes = 900,
                                             .note_segment = 4 };

static void report(void)
{
    cr_assert_eq(dispatch_queued(dispatch, workers.slots[0], &mail), is_short ? -ENOMEM : 0,
                 "who asks for another scan must know");
}

static void seal(uint32_t number)
{
    const struct ipc_segment_sealed sealed = { .segment = number, .bytes = 1000 };

    segments_sealed(segments, &sealed);
}

Test(dispatch_short, MQ02_what_there_is_no_memory_for_keeps_its_segments)
{
    is_short = true;
    report();
    cr_assert_null(queue_group(queue, 1, 0));
    cr_assert_eq(queue_mail_count(0, 0, queue), 0);
    cr_assert_eq(segments_pins(segments, 0, 3), 1);
    cr_assert_eq(segments_pins(segments, 0, 4), 1, "its note's");
    seal(3);
    seal(4);
    settle();
    cr_assert_eq(gone, 0, "neither is taken for empty");
    cr_assert_eq(credit, 1, "it was taken in as far as it can be");
}

/* A scan reports it again. Nobody knows any more that it was not known once. */
Test(dispatch_short, MQ02_when_it_is_known_after_all_its_segments_stay_for_good)
{
    is_short = true;
    report();
    is_short = false;
    report();
    cr_assert_not_null(queue_group(queue, 1, 0));
    queue_drop(queue, queue_group(queue, 1, 0));
    seal(3);
    settle();
    cr_assert_eq(gone, 0);
    cr_assert_eq(segments_pins(segments, 0, 3), 1);
}
