#include "master/slots.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "common/channel.h"
#include "common/id.h"
#include "common/profile.h"
#include "master/hash_index.h"
#include "master/worker.h"

#define WANT_MAX IPC_JOBS_PER_WORKER

struct holding { /* a worker's */
    unsigned has;
    unsigned idle;  /* connections, as it said last */
    unsigned taken; /* asked back, and not answered yet */
    unsigned wanted;
};

struct pool_slots { /* a profile's */
    struct hash_node node;
    LIST_ENTRY(pool_slots) link;
    uint32_t profile;
    unsigned size, out;
    unsigned taken, wanted; /* of all workers */
    unsigned turn;          /* the worker that is looked at first for the next that wants one */
    struct holding holdings[ID_SLOTS];
};

struct slots {
    struct workers *workers;
    struct hash_index index;
    LIST_HEAD(, pool_slots) all;
};

struct slots *slots_new(struct workers *workers)
{
    struct slots *slots = calloc(1, sizeof(*slots));

    if (slots != NULL)
        slots->workers = workers;
    return slots;
}

static void forget(struct slots *slots, struct pool_slots *pool)
{
    LIST_REMOVE(pool, link);
    hash_index_remove(&slots->index, &pool->node);
    free(pool);
}

void slots_free(struct slots **slots)
{
    if (*slots == NULL)
        return;
    while (!LIST_EMPTY(&(*slots)->all))
        forget(*slots, LIST_FIRST(&(*slots)->all));
    hash_index_done(&(*slots)->index);
    free(*slots);
    *slots = NULL;
}

static struct pool_slots *find(const struct slots *slots, uint32_t profile)
{
    /* The mix has no two profiles alike. */
    return (struct pool_slots *)hash_index_first(&slots->index, hash_mix(profile, 0));
}

unsigned slots_of(const struct slots *slots, uint32_t profile, unsigned slot)
{
    const struct pool_slots *pool = find(slots, profile);

    return pool != NULL ? pool->holdings[slot].has : 0;
}

static const struct worker *listener(const struct slots *slots, unsigned slot)
{
    const struct worker *worker = slots->workers->slots[slot];

    return worker != NULL && worker->channel != NULL ? worker : NULL;
}

/* ---- giving ---- */

static void answer(const struct pool_slots *pool, const struct worker *worker, unsigned granted,
                   unsigned refused)
{
    const struct ipc_slots slots = { .profile = pool->profile,
                                     .granted = granted,
                                     .refused = refused };

    channel_send(worker->channel, IPC_SLOTS, &slots);
}

static void grant(struct pool_slots *pool, const struct worker *worker)
{
    pool->holdings[worker->slot].has++;
    pool->out++;
    answer(pool, worker, 1, 0);
}

/* Whose turn it is among those that wait. */
static const struct worker *next_waiting(const struct slots *slots, const struct pool_slots *pool)
{
    for (unsigned i = 0; i < ID_SLOTS && pool->wanted > 0; i++) {
        unsigned slot = (pool->turn + i) % ID_SLOTS;

        if (pool->holdings[slot].wanted > 0 && listener(slots, slot) != NULL)
            return listener(slots, slot);
    }
    return NULL;
}

static void end_want(struct pool_slots *pool, const struct worker *worker)
{
    pool->holdings[worker->slot].wanted--;
    pool->wanted--;
    pool->turn = (worker->slot + 1U) % ID_SLOTS;
}

/* ---- taking ---- */

static void take(const struct slots *slots, struct pool_slots *pool, unsigned slot, unsigned count,
                 bool is_forced)
{
    const struct worker *worker = listener(slots, slot);
    const struct ipc_slot_take order = { .profile = pool->profile,
                                         .count = count,
                                         .is_forced = is_forced };

    if (worker == NULL || count == 0)
        return;
    pool->holdings[slot].taken += count;
    pool->taken += count;
    channel_send(worker->channel, IPC_SLOT_TAKE, &order);
}

/* What is beyond the size, also if it is in use. */
static void take_surplus(const struct slots *slots, struct pool_slots *pool)
{
    unsigned staying = pool->out - pool->taken;
    unsigned surplus = staying > pool->size ? staying - pool->size : 0;

    for (unsigned slot = 0; slot < ID_SLOTS && surplus > 0; slot++) {
        const struct holding *holding = &pool->holdings[slot];
        unsigned count = holding->has > holding->taken ? holding->has - holding->taken : 0;

        count = count < surplus ? count : surplus;
        take(slots, pool, slot, count, true);
        surplus -= count;
    }
}

static unsigned spare_at(const struct pool_slots *pool, unsigned slot)
{
    const struct holding *holding = &pool->holdings[slot];
    unsigned used = holding->idle + holding->taken;

    return holding->has > used ? holding->has - used : 0;
}

/* From the worker with the most that it does not use. False: nobody has such. */
static bool take_unused(const struct slots *slots, struct pool_slots *pool)
{
    unsigned best = ID_SLOTS;

    for (unsigned slot = 0; slot < ID_SLOTS; slot++) {
        if (spare_at(pool, slot) > 0 && listener(slots, slot) != NULL &&
            (best == ID_SLOTS || spare_at(pool, slot) > spare_at(pool, best)))
            best = slot;
    }
    if (best == ID_SLOTS)
        return false;
    take(slots, pool, best, 1, false);
    return true;
}

/* What is free, or will be when all has come that was asked back. */
static unsigned coming(const struct pool_slots *pool)
{
    unsigned staying = pool->out - pool->taken;

    return pool->size > staying ? pool->size - staying : 0;
}

/* Each that waits gets a free one, or waits for one that is on its way, or is refused. */
static void serve(const struct slots *slots, struct pool_slots *pool)
{
    const struct worker *worker;

    while (pool->out < pool->size && (worker = next_waiting(slots, pool)) != NULL) {
        end_want(pool, worker);
        grant(pool, worker);
    }
    while (pool->wanted > coming(pool) && take_unused(slots, pool))
        ;
    while (pool->wanted > coming(pool) && (worker = next_waiting(slots, pool)) != NULL) {
        end_want(pool, worker);
        answer(pool, worker, 0, 1);
    }
}

/* ---- what workers say ---- */

static void refuse_unknown(const struct worker *worker, const struct ipc_slot_want *want)
{
    const struct ipc_slots slots = { .profile = want->profile, .refused = want->count };

    channel_send(worker->channel, IPC_SLOTS, &slots);
}

int slots_want(struct slots *slots, const struct worker *worker, const struct ipc_slot_want *want)
{
    struct pool_slots *pool = find(slots, want->profile);

    if (want->count == 0 || want->count > WANT_MAX)
        return -EBADMSG;
    if (pool == NULL) {
        refuse_unknown(worker, want);
        return 0;
    }
    if (pool->holdings[worker->slot].wanted + want->count > WANT_MAX)
        return -EBADMSG;
    pool->holdings[worker->slot].wanted += want->count;
    pool->wanted += want->count;
    serve(slots, pool);
    return 0;
}

int slots_given(struct slots *slots, const struct worker *worker,
                const struct ipc_slot_given *given)
{
    struct pool_slots *pool = find(slots, given->profile);
    struct holding *holding;

    if (pool == NULL) /* deleted meanwhile */
        return 0;
    holding = &pool->holdings[worker->slot];
    if (given->count > given->asked || given->asked > holding->taken) /* which it has */
        return -EBADMSG;
    holding->taken -= given->asked;
    pool->taken -= given->asked;
    holding->has -= given->count;
    pool->out -= given->count;
    take_surplus(slots, pool);
    serve(slots, pool);
    return 0;
}

void slots_idle_changed(struct slots *slots, const struct worker *worker, uint32_t profile,
                        int change)
{
    struct pool_slots *pool = find(slots, profile);

    if (pool != NULL)
        pool->holdings[worker->slot].idle += (unsigned)change;
}

void slots_worker_lost(struct slots *slots, unsigned slot)
{
    struct pool_slots *pool;

    LIST_FOREACH(pool, &slots->all, link)
    {
        struct holding *holding = &pool->holdings[slot];

        pool->out -= holding->has;
        pool->taken -= holding->taken;
        pool->wanted -= holding->wanted;
        *holding = (struct holding){ 0 };
        serve(slots, pool);
    }
}

/* ---- profiles ---- */

static struct pool_slots *add_pool(struct slots *slots, uint32_t profile)
{
    struct pool_slots *pool = calloc(1, sizeof(*pool));

    if (pool == NULL)
        return NULL;
    pool->profile = profile;
    if (hash_index_insert(&slots->index, &pool->node, hash_mix(profile, 0)) != 0) {
        free(pool);
        return NULL;
    }
    LIST_INSERT_HEAD(&slots->all, pool, link);
    return pool;
}

int slots_set_profile(struct slots *slots, const struct profile *profile)
{
    struct pool_slots *pool = find(slots, profile->id);

    if (pool == NULL)
        pool = add_pool(slots, profile->id);
    if (pool == NULL)
        return -ENOMEM;
    pool->size = profile->pool.enabled ? profile->pool.size : 0;
    take_surplus(slots, pool);
    serve(slots, pool);
    return 0;
}

void slots_drop_profile(struct slots *slots, uint32_t profile)
{
    struct pool_slots *pool = find(slots, profile);

    if (pool != NULL)
        forget(slots, pool);
}
