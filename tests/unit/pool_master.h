/* tests/unit/pool_master.h: the master's end of a pool's channel: it lends leases and slots within
 * the limits that a test sets, and writes down what it hears. Included once per test executable. */
#ifndef TESTS_UNIT_POOL_MASTER_H
#define TESTS_UNIT_POOL_MASTER_H

#include <criterion/criterion.h>

#include <string.h>

#include "common/channel.h"

#ifndef POOL_MORE_AT_MASTER /* handlers of the master's, by kind */
#define POOL_MORE_AT_MASTER [0] = NULL
#endif

#define PEERS   2
#define PROFILE 7U /* unless a test wants more than one */

static struct channel *master;
static uint64_t identities[PEERS]; /* of the servers */

static struct { /* what the master heard of PROFILE */
    unsigned messages;
    struct ipc_connections last[PEERS];
} told;

/* What a master's budget would do, for two servers of any number of profiles. */
#define ACCOUNTS 8

static struct lender {
    uint32_t profile;
    uint64_t server;
    unsigned limit; /* 0: none */
    unsigned out, wanted, too_many;
    unsigned wants;   /* that were ever asked for */
    unsigned unwants; /* times that some were withdrawn */
    unsigned others;  /* that the next answers tell of */
} lenders[ACCOUNTS];

static struct keeper { /* the same for slots */
    uint32_t profile;
    unsigned limit, out, refused;
    unsigned wants, answered; /* that were ever asked for, by either side */
} keepers[ACCOUNTS];

static bool is_refusing; /* those who ask for leases */
static bool is_silent;   /* about slots */

/* ---- leases ---- */

static inline struct lender *lender_of(uint32_t profile, uint64_t server)
{
    unsigned i = 0;

    while (lenders[i].profile != 0 &&
           (lenders[i].profile != profile || lenders[i].server != server))
        i++;
    cr_assert_lt(i, ACCOUNTS - 1);
    lenders[i].profile = profile;
    lenders[i].server = server;
    return &lenders[i];
}

static inline bool lend(struct lender *lender)
{
    if (lender->limit != 0 && lender->out >= lender->limit)
        return false;
    lender->out++;
    return true;
}

static inline void answer_want(struct lender *lender, unsigned granted, unsigned refused)
{
    const struct ipc_lease lease = { .server = lender->server,
                                     .profile = lender->profile,
                                     .granted = granted,
                                     .refused = refused,
                                     .others = lender->others };

    channel_send(master, IPC_LEASE, &lease);
}

static inline void serve_lender(struct lender *lender)
{
    while (lender->wanted > 0 && lend(lender)) {
        lender->wanted--;
        answer_want(lender, 1, 0);
    }
}

static inline void on_lease_want(void *owner, const void *payload, int fd)
{
    const struct ipc_lease_want *want = payload;
    struct lender *lender = lender_of(want->profile, want->server);

    (void)owner;
    (void)fd;
    lender->wants += want->count;
    if (is_refusing) {
        answer_want(lender, 0, want->count);
        return;
    }
    lender->wanted += want->count;
    serve_lender(lender);
}

static inline void on_lease_unwant(void *owner, const void *payload, int fd)
{
    struct ipc_lease_unwant answer;
    struct lender *lender;

    (void)owner;
    (void)fd;
    memcpy(&answer, payload, sizeof(answer));
    lender = lender_of(answer.profile, answer.server);
    if (answer.count > lender->wanted)
        answer.count = lender->wanted;
    lender->wanted -= answer.count;
    lender->unwants++;
    channel_send(master, IPC_LEASE_UNWANTED, &answer);
}

static inline void on_lease_back(void *owner, const void *payload, int fd)
{
    const struct ipc_lease_back *back = payload;
    struct lender *lender = lender_of(back->profile, back->server);

    (void)owner;
    (void)fd;
    cr_assert_leq(back->count, lender->out);
    lender->out -= back->count;
    for (unsigned i = 0; i < PEERS; i++) {
        if (back->profile == PROFILE && back->server == identities[i])
            cr_assert_leq(told.last[i].open, lender->out, "the end is told before the lease");
    }
    lender->too_many += back->too_many;
    serve_lender(lender);
}

/* ---- slots ---- */

static inline struct keeper *keeper_of(uint32_t profile)
{
    unsigned i = 0;

    while (keepers[i].profile != 0 && keepers[i].profile != profile)
        i++;
    cr_assert_lt(i, ACCOUNTS - 1);
    keepers[i].profile = profile;
    return &keepers[i];
}

static inline void on_slot_want(void *owner, const void *payload, int fd)
{
    const struct ipc_slot_want *want = payload;
    struct keeper *keeper = keeper_of(want->profile);
    struct ipc_slots said = { .profile = want->profile };

    (void)owner;
    (void)fd;
    if (want->profile == PROFILE)
        cr_assert_geq(told.last[0].idle + told.last[1].idle, keeper->out + want->count,
                      "what is idle is told before more slots are asked for");
    keeper->wants += want->count;
    if (is_silent)
        return;
    while (said.granted < want->count && keeper->out < keeper->limit) {
        keeper->out++;
        said.granted++;
    }
    said.refused = want->count - said.granted;
    keeper->refused += said.refused;
    channel_send(master, IPC_SLOTS, &said);
}

static inline void refuse_slots(uint32_t profile, unsigned count)
{
    const struct ipc_slots said = { .profile = profile, .refused = count };

    channel_send(master, IPC_SLOTS, &said);
}

static inline void on_slot_given(void *owner, const void *payload, int fd)
{
    const struct ipc_slot_given *given = payload;
    struct keeper *keeper = keeper_of(given->profile);

    (void)owner;
    (void)fd;
    cr_assert_leq(given->count, given->asked);
    cr_assert_leq(given->count, keeper->out);
    keeper->out -= given->count;
    keeper->answered += given->asked;
}

static inline void take_slots(uint32_t profile, unsigned count, bool is_forced)
{
    const struct ipc_slot_take order = { .profile = profile,
                                         .count = count,
                                         .is_forced = is_forced };

    channel_send(master, IPC_SLOT_TAKE, &order);
}

/* So many there are from now on. */
static inline void set_slots(uint32_t profile, unsigned count)
{
    struct keeper *keeper = keeper_of(profile);

    keeper->limit = count;
    if (keeper->out > count)
        take_slots(profile, keeper->out - count, true);
}

/* ---- what it hears ---- */

static inline void on_connections(void *owner, const void *payload, int fd)
{
    const struct ipc_connections *connections = payload;

    (void)owner;
    cr_assert_eq(fd, -1);
    if (connections->profile != PROFILE)
        return;
    told.messages++;
    for (unsigned i = 0; i < PEERS; i++) {
        if (connections->server == identities[i])
            told.last[i] = *connections;
    }
}

static inline bool is_told(unsigned server, unsigned idle, unsigned open)
{
    return told.last[server].idle == idle && told.last[server].open == open;
}

static struct ipc_server_ended ended; /* the last that was told */
static unsigned ended_count;

static inline void on_server_ended(void *owner, const void *payload, int fd)
{
    (void)owner;
    (void)fd;
    memcpy(&ended, payload, sizeof(ended));
    ended_count++;
}

/* ---- life ---- */

static inline void on_channel_end(void *owner, int err)
{
    (void)owner;
    (void)err;
}

static inline void open_master(struct loop *loop, int fd)
{
    static channel_handler *const from_worker[IPC_KIND_COUNT] = {
        [IPC_CONNECTIONS] = on_connections,   [IPC_LEASE_WANT] = on_lease_want,
        [IPC_LEASE_UNWANT] = on_lease_unwant, [IPC_LEASE_BACK] = on_lease_back,
        [IPC_SLOT_WANT] = on_slot_want,       [IPC_SERVER_ENDED] = on_server_ended,
        [IPC_SLOT_GIVEN] = on_slot_given,     POOL_MORE_AT_MASTER,
    };

    master = channel_new(loop, fd, IPC_MASTER, from_worker, on_channel_end, NULL);
}

#endif
