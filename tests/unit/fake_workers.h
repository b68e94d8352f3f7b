/* tests/unit/fake_workers.h: a master's workers of which the test has the other ends: what the
 * master says of leases and slots is added up there. Included once per test executable. */
#ifndef TESTS_UNIT_FAKE_WORKERS_H
#define TESTS_UNIT_FAKE_WORKERS_H

#include <criterion/criterion.h>

#include <sys/socket.h>

#include "common/channel.h"
#include "common/loop.h"
#include "master/worker.h"

enum { WORKERS = 3 };

static struct loop *loop;
static struct workers workers;

static struct fake { /* what this worker heard */
    struct channel *channel;
    unsigned granted, refused; /* leases or slots */
    unsigned unwanted;
    unsigned unneeded;      /* leases */
    unsigned others, limit; /* of leases, as it heard last */
    unsigned reclaimed;     /* leases */
    unsigned taken, forced; /* slots */
    unsigned bears_count;
    struct ipc_server_bears bears; /* the last */
} fakes[WORKERS];

static inline void on_lease(void *owner, const void *payload, int fd)
{
    const struct ipc_lease *lease = payload;
    struct fake *fake = owner;

    (void)fd;
    fake->granted += lease->granted;
    fake->refused += lease->refused;
    fake->unneeded += lease->unneeded;
    fake->others = lease->others;
    fake->limit = lease->limit;
}

static inline void on_reclaim(void *owner, const void *payload, int fd)
{
    const struct ipc_reclaim *order = payload;
    struct fake *fake = owner;

    (void)fd;
    fake->reclaimed += order->count;
}

static inline void on_bears(void *owner, const void *payload, int fd)
{
    const struct ipc_server_bears *bears = payload;
    struct fake *fake = owner;

    (void)fd;
    fake->bears = *bears;
    fake->bears_count++;
}

static inline void on_unwanted(void *owner, const void *payload, int fd)
{
    const struct ipc_lease_unwant *said = payload;
    struct fake *fake = owner;

    (void)fd;
    fake->unwanted += said->count;
}

static inline void on_slots(void *owner, const void *payload, int fd)
{
    const struct ipc_slots *said = payload;
    struct fake *fake = owner;

    (void)fd;
    fake->granted += said->granted;
    fake->refused += said->refused;
}

static inline void on_take(void *owner, const void *payload, int fd)
{
    const struct ipc_slot_take *order = payload;
    struct fake *fake = owner;

    (void)fd;
    if (order->is_forced)
        fake->forced += order->count;
    else
        fake->taken += order->count;
}

static inline void on_end(void *owner, int err)
{
    (void)owner;
    (void)err;
}

static inline void set_up_workers(void)
{
    static channel_handler *const from_master[IPC_KIND_COUNT] = {
        [IPC_LEASE] = on_lease, [IPC_RECLAIM] = on_reclaim, [IPC_SERVER_BEARS] = on_bears,
        [IPC_SLOTS] = on_slots, [IPC_SLOT_TAKE] = on_take,  [IPC_LEASE_UNWANTED] = on_unwanted,
    };
    static channel_handler *const from_worker[IPC_KIND_COUNT];

    loop = workers.loop = loop_new();
    for (unsigned slot = 0; slot < WORKERS; slot++) {
        struct worker *worker = workers_add(&workers, slot);
        int fds[2];

        cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
        worker->channel = channel_new(loop, fds[0], IPC_MASTER, from_worker, on_end, worker);
        worker->state = WORKER_RUNNING;
        fakes[slot] = (struct fake){ .channel = channel_new(loop, fds[1], IPC_WORKER, from_master,
                                                            on_end, &fakes[slot]) };
    }
}

static inline void tear_down_workers(void)
{
    for (unsigned slot = 0; slot < WORKERS; slot++) {
        worker_free(&workers.slots[slot]);
        channel_free(&fakes[slot].channel);
    }
    loop_free(loop);
}

/* It was drained: its process has not ended yet, and nothing can be said to it. */
static inline void end_channel(unsigned slot)
{
    channel_free(&workers.slots[slot]->channel);
}

static inline void turns(void)
{
    for (int i = 0; i < 6; i++)
        loop_turn(loop, 1);
}

#endif
