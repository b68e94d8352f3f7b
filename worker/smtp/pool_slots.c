/* worker/smtp/pool_slots.c: slots: how many connections of a profile may be idle here (SP46).
 *
 * What is given back without a slot for it stays while the master is asked for one: tolerated. It
 * may be used meanwhile; refused, or without an answer in time, it says QUIT (SP43). */
#include <stdlib.h>

#include "common/channel.h"
#include "common/loop.h"
#include "common/profile.h"
#include "worker/directory.h"
#include "worker/smtp/pool_private.h"

static struct smtp_slots *find_slots(const struct smtp_pool *pool, uint32_t profile)
{
    struct smtp_slots *slots;

    LIST_FOREACH(slots, &pool->slots, link)
    {
        if (slots->profile == profile)
            return slots;
    }
    return NULL;
}

struct smtp_slots *smtp_pool_get_slots(struct smtp_pool *pool, uint32_t profile)
{
    struct smtp_slots *slots = find_slots(pool, profile);

    if (slots != NULL)
        return slots;
    slots = calloc(1, sizeof(*slots));
    if (slots == NULL)
        return NULL;
    slots->pool = pool;
    slots->profile = profile;
    LIST_INSERT_HEAD(&pool->slots, slots, link);
    return slots;
}

static void mark_changed(struct smtp_slots *slots)
{
    slots->is_changed = slots->pool->is_changed = true;
}

/* ---- idle ones ---- */

static void expire_in_time(struct smtp_pooled *pooled)
{
    int64_t expiry_ms = (int64_t)pooled->entry->shelf->profile->profile->pool.expiry_s * 1000;
    int64_t life_ms = smtp_pool_life_ms(pooled);
    int64_t learnt_ms = pooled->entry->account->bears.idle_ms;

    if (learnt_ms > 0 && learnt_ms < expiry_ms)
        expiry_ms = learnt_ms;
    loop_timer_set_ms(pooled->expiry, life_ms < expiry_ms ? life_ms : expiry_ms);
}

/* One that is tolerated, and given back as early as any. NULL: none is. */
static struct smtp_pooled *first_tolerated(const struct smtp_slots *slots)
{
    struct smtp_pooled *pooled, *first = NULL;

    LIST_FOREACH(pooled, &slots->pool->connections, link)
    {
        if (pooled->is_tolerated && pooled->entry->shelf->slots == slots &&
            (first == NULL || pooled->idle_order < first->idle_order))
            first = pooled;
    }
    return first;
}

/* Slots have come, or idle ones gone: who was tolerated may have one of its own now. */
static void promote(struct smtp_slots *slots)
{
    while (slots->tolerated > 0 && slots->idle - slots->tolerated < slots->held) {
        struct smtp_pooled *pooled = first_tolerated(slots);

        pooled->is_tolerated = false;
        slots->tolerated--;
        expire_in_time(pooled);
    }
}

void smtp_slots_enter(struct smtp_pooled *pooled)
{
    struct smtp_slots *slots = pooled->entry->shelf->slots;

    slots->idle++;
    if (slots->idle - slots->tolerated <= slots->held) {
        expire_in_time(pooled);
        return;
    }
    pooled->is_tolerated = true;
    slots->tolerated++;
    loop_timer_set_ms(pooled->expiry, slots->pool->tolerated_ms);
    mark_changed(slots);
}

void smtp_slots_leave(struct smtp_pooled *pooled)
{
    struct smtp_slots *slots = pooled->entry->shelf->slots;

    slots->idle--;
    slots->tolerated -= pooled->is_tolerated;
    pooled->is_tolerated = false;
    promote(slots);
}

/* ---- the end of a turn ---- */

static void ask_for_more(struct smtp_slots *slots)
{
    const struct ipc_slot_want want = { .profile = slots->profile,
                                        .count = slots->tolerated - slots->asked };

    if (slots->tolerated <= slots->asked)
        return;
    slots->asked += want.count;
    channel_send(slots->pool->channel, IPC_SLOT_WANT, &want);
}

/* It has a slot if any has: those that are tolerated came last. */
static struct smtp_pooled *oldest_idle(const struct smtp_slots *slots)
{
    struct smtp_pooled *pooled, *oldest = NULL;

    LIST_FOREACH(pooled, &slots->pool->connections, link)
    {
        if (pooled->is_idle && pooled->entry->shelf->slots == slots &&
            (oldest == NULL || pooled->idle_order < oldest->idle_order))
            oldest = pooled;
    }
    return oldest;
}

static void let_go(struct smtp_slots *slots, unsigned count)
{
    struct smtp_pooled *pooled;

    count = count < slots->held ? count : slots->held;
    slots->held -= count;
    while (slots->idle - slots->tolerated > slots->held && (pooled = oldest_idle(slots)) != NULL)
        smtp_pool_dismiss(pooled, &pooled->entry->account->counts.full);
}

static void answer_takes(struct smtp_slots *slots)
{
    struct ipc_slot_given given = { .profile = slots->profile,
                                    .asked = slots->taken + slots->taken_by_force };
    unsigned before = slots->held, used = slots->idle - slots->tolerated;
    unsigned unused = before > used ? before - used : 0;

    if (given.asked == 0)
        return;
    let_go(slots, (unused < slots->taken ? unused : slots->taken) + slots->taken_by_force);
    given.count = before - slots->held;
    slots->taken = slots->taken_by_force = 0;
    channel_send(slots->pool->channel, IPC_SLOT_GIVEN, &given);
}

static void forget_unused(struct smtp_slots *slots)
{
    if (slots->users > 0 || slots->held > 0 || slots->asked > 0)
        return;
    LIST_REMOVE(slots, link);
    free(slots);
}

void smtp_pool_settle_slots(struct smtp_pool *pool)
{
    struct smtp_slots *slots, *next;

    for (slots = LIST_FIRST(&pool->slots); slots != NULL; slots = next) {
        next = LIST_NEXT(slots, link);
        if (!slots->is_changed)
            continue;
        slots->is_changed = false;
        answer_takes(slots);
        ask_for_more(slots);
        forget_unused(slots);
    }
}

/* ---- what the master says ---- */

void smtp_pool_slots(struct smtp_pool *pool, const struct ipc_slots *said)
{
    struct smtp_slots *slots = find_slots(pool, said->profile);
    unsigned answered = said->granted + said->refused;
    struct smtp_pooled *pooled;

    if (slots == NULL)
        return; /* nobody has asked */
    slots->asked -= slots->asked < answered ? slots->asked : answered;
    slots->held += said->granted;
    promote(slots);
    for (unsigned i = 0; i < said->refused && (pooled = first_tolerated(slots)) != NULL; i++)
        smtp_pool_dismiss(pooled, &pooled->entry->account->counts.full);
    mark_changed(slots);
}

void smtp_pool_slot_take(struct smtp_pool *pool, const struct ipc_slot_take *order)
{
    struct smtp_slots *slots = smtp_pool_get_slots(pool, order->profile);

    if (slots == NULL)
        return;
    if (order->is_forced)
        slots->taken_by_force += order->count;
    else
        slots->taken += order->count;
    mark_changed(slots);
}

void smtp_pool_forget_profile(struct smtp_pool *pool, uint32_t profile)
{
    struct smtp_slots *slots = find_slots(pool, profile);

    smtp_pool_forget_accounts(pool, profile);
    if (slots == NULL)
        return;
    slots->held = slots->taken = slots->taken_by_force = 0;
    mark_changed(slots);
}
