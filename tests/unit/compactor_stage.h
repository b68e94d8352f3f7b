/* The compactor with a queue, segments and one worker that is a channel end; marks go to real state
 * files through the real I/O thread. Included once per test executable. */
#ifndef TESTS_UNIT_COMPACTOR_STAGE_H
#define TESTS_UNIT_COMPACTOR_STAGE_H

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

static inline void on_compact(void *owner, const void *payload, int fd)
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

static inline void on_gone(void *owner, const void *payload, int fd)
{
    (void)owner;
    (void)payload;
    (void)fd;
    gone++;
}

static inline void on_end(void *owner, int err)
{
    (void)owner;
    (void)err;
}

static channel_handler *const from_master[IPC_KIND_COUNT] = {
    [IPC_SEGMENT_COMPACT] = on_compact, [IPC_SEGMENT_GONE] = on_gone
};
static channel_handler *const from_worker[IPC_KIND_COUNT];

static inline void make_segment(uint32_t number)
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

static inline enum cell_stage stage_of(const struct ipc_place *place)
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

static inline void set_stage(const struct ipc_place *place, enum cell_stage stage)
{
    const struct cell_key key = { .incarnation = INCARNATION + place->segment,
                                  .id = place->id,
                                  .group = place->group };
    int fd = spool_open(dir, 0, place->segment, SPOOL_FILE_STATE, O_RDWR);
    uint16_t sequence = 0;

    cr_assert_eq(cell_write(fd, place->cell, &key, &(struct cell){ .stage = stage }, &sequence), 0);
    close(fd);
}

static inline void add_worker(void)
{
    int fds[2];
    struct worker *worker = workers_add(&workers, 0);

    cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    worker->channel = channel_new(loop, fds[0], IPC_MASTER, from_worker, on_end, worker);
    end = channel_new(loop, fds[1], IPC_WORKER, from_master, on_end, NULL);
    worker->state = WORKER_RUNNING;
}

static inline void set_up(void)
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

static inline void tear_down(void)
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

#define WAIT_FOR(condition)                                 \
    do {                                                    \
        int64_t until_ms_ = clock_mono_ms() + 20000;        \
        while (!(condition) && clock_mono_ms() < until_ms_) \
            loop_turn(loop, 10);                            \
        cr_assert(condition);                               \
    } while (0)

/* ---- mail ---- */

static inline struct ipc_mail_queued mail(uint64_t id, unsigned group, uint32_t segment)
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

static inline struct group *add(uint64_t id, unsigned group)
{
    const struct ipc_mail_queued queued = mail(id, group, OLD);

    cr_assert_eq(queue_add(queue, &queued), 0);
    return queue_group(queue, id, group);
}

/* Retired: it is emptied at once. */
static inline void seal(uint32_t number)
{
    const struct ipc_segment_sealed sealed = {
        .slot = 0, .segment = number, .bytes = 1000, .is_retired = 1
    };

    segments_sealed(segments, &sealed);
}

static inline int say_moved(const struct ipc_place *from, uint32_t segment)
{
    struct ipc_mail_moved moved = { .from = *from, .place = *from, .record_bytes = 90, .copy = 1 };

    moved.place.segment = segment;
    moved.place.offset = 4096 + from->id;
    return compactor_moved(compactor, workers.slots[0], &moved);
}

static inline int say_ended(unsigned count, int err)
{
    const struct ipc_segment_compacted ended = {
        .slot = 0, .segment = OLD, .moved = count, .err = err
    };

    return compactor_ended(compactor, workers.slots[0], &ended);
}

#endif
