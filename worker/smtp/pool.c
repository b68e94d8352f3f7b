/* worker/smtp/pool.c: the connections themselves: which ones wait idle, and for how long. */
#include "worker/smtp/pool_private.h"

#include <errno.h>
#include <stdlib.h>

#include "common/loop.h"
#include "worker/directory.h"
#include "worker/smtp/connection.h"

/* ---- shelves ---- */

static struct smtp_pool_shelf *find_shelf(const struct smtp_pool *pool,
                                          const struct worker_profile *profile)
{
    struct smtp_pool_shelf *shelf;

    LIST_FOREACH(shelf, &pool->shelves, link)
    {
        if (shelf->profile == profile)
            return shelf;
    }
    return NULL;
}

static void drop_shelf(struct smtp_pool_shelf *shelf)
{
    for (unsigned i = 0; i < shelf->server_count; i++) {
        struct smtp_account *account = shelf->entries[i].account;
        struct smtp_ticket *ticket, *next;

        for (ticket = TAILQ_FIRST(&account->line); ticket != NULL; ticket = next) {
            next = TAILQ_NEXT(ticket, link);
            if (ticket->entry == &shelf->entries[i])
                smtp_pool_detach(ticket);
        }
        account->users--;
        smtp_pool_mark_changed(account);
    }
    shelf->slots->users--;
    shelf->slots->is_changed = true;
    LIST_REMOVE(shelf, link);
    directory_release(shelf->profile);
    free(shelf);
}

static int add_entry(struct smtp_pool_shelf *shelf)
{
    const struct profile *profile = shelf->profile->profile;
    struct smtp_pool_entry *entry = &shelf->entries[shelf->server_count];

    entry->shelf = shelf;
    entry->server = shelf->server_count;
    entry->account = smtp_pool_get_account(
        shelf->pool, profile->id, server_uri_identity(profile->servers[entry->server].text));
    if (entry->account == NULL)
        return -ENOMEM;
    entry->account->users++;
    TAILQ_INIT(&entry->idle);
    shelf->server_count++;
    return 0;
}

struct smtp_pool_shelf *smtp_pool_get_shelf(struct smtp_pool *pool, struct worker_profile *profile)
{
    struct smtp_pool_shelf *shelf = find_shelf(pool, profile);
    size_t servers = profile->profile->server_count;

    if (shelf != NULL && shelf != LIST_FIRST(&pool->shelves)) {
        LIST_REMOVE(shelf, link);
        LIST_INSERT_HEAD(&pool->shelves, shelf, link);
    }
    if (shelf != NULL)
        return shelf;
    shelf = calloc(1, sizeof(*shelf) + servers * sizeof(shelf->entries[0]));
    if (shelf == NULL)
        return NULL;
    shelf->pool = pool;
    shelf->slots = smtp_pool_get_slots(pool, profile->profile->id);
    if (shelf->slots == NULL) {
        free(shelf);
        return NULL;
    }
    shelf->slots->users++;
    shelf->profile = directory_share(profile);
    LIST_INSERT_HEAD(&pool->shelves, shelf, link);
    while (shelf->server_count < servers && add_entry(shelf) == 0)
        ;
    if (shelf->server_count == servers)
        return shelf;
    drop_shelf(shelf);
    return NULL;
}

/* The time when nobody has a shelf in hand, so that retired ones can go. */
static void on_turn_end(void *arg)
{
    struct smtp_pool *pool = arg;
    struct smtp_pool_shelf *shelf, *next;

    if (!pool->is_changed)
        return;
    for (shelf = LIST_FIRST(&pool->shelves); shelf != NULL; shelf = next) {
        next = LIST_NEXT(shelf, link);
        if (shelf->profile->is_retired && shelf->open == 0 && shelf->waiting == 0)
            drop_shelf(shelf);
    }
    pool->is_changed = false;
    smtp_pool_settle_accounts(pool); /* what is idle is known when slots are answered for */
    smtp_pool_settle_slots(pool);
}

/* ---- idle ones ---- */

void smtp_pool_leave_idle(struct smtp_pooled *pooled)
{
    struct smtp_pool_entry *entry = pooled->entry;

    if (!pooled->is_idle)
        return;
    pooled->is_idle = false;
    loop_timer_clear(pooled->expiry);
    TAILQ_REMOVE(&entry->idle, pooled, idle);
    entry->account->idle_count--;
    smtp_slots_leave(pooled); /* whoever ends its idleness counts why, which is told */
}

/* on_gone has done what there is to do; losing an idle one is no event (SP48). */
static void on_idle_lost(const char *why, void *owner)
{
    struct smtp_account *account = owner;

    (void)why;
    smtp_pool_count(account, &account->counts.lost);
}

static const struct smtp_connection_ops idle_ops = { .on_lost = on_idle_lost };

static void put_idle(struct smtp_pooled *pooled)
{
    struct smtp_pool_entry *entry = pooled->entry;

    pooled->is_idle = true;
    pooled->idle_order = ++entry->shelf->pool->idle_order;
    pooled->idle_since_ms = loop_now_ms(entry->shelf->pool->loop);
    TAILQ_INSERT_HEAD(&entry->idle, pooled, idle);
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): no entry is without an account. */
    entry->account->idle_count++;
    smtp_pool_mark_changed(entry->account);
    smtp_connection_set_owner(pooled->connection, &idle_ops, entry->account);
    smtp_slots_enter(pooled);
}

void smtp_pool_dismiss(struct smtp_pooled *pooled, uint32_t *counter)
{
    struct smtp_account *account = pooled->entry->account;

    smtp_pool_leave_idle(pooled);
    pooled->is_leaving = true;
    account->leaving++;
    smtp_pool_count(account, counter);
    smtp_connection_set_owner(pooled->connection, &idle_ops, account);
    smtp_connection_quit(pooled->connection);
}

int64_t smtp_pool_life_ms(const struct smtp_pooled *pooled)
{
    int64_t most_ms = (int64_t)pooled->entry->shelf->profile->profile->max_lifetime_s * 1000;
    int64_t learnt_ms = pooled->entry->account->bears.age_ms;

    if (learnt_ms > 0 && (most_ms == 0 || learnt_ms < most_ms))
        most_ms = learnt_ms;
    if (most_ms == 0)
        return INT64_MAX;
    return most_ms - (loop_now_ms(pooled->entry->shelf->pool->loop) - pooled->opened_ms);
}

void smtp_pool_on_expiry(void *arg)
{
    struct smtp_pooled *pooled = arg;
    struct ipc_pool_counts *counts = &pooled->entry->account->counts;

    if (pooled->is_tolerated)
        smtp_pool_dismiss(pooled, &counts->full);
    else
        smtp_pool_dismiss(pooled,
                          smtp_pool_life_ms(pooled) <= 0 ? &counts->spent : &counts->expired);
}

struct smtp_pooled *smtp_pool_oldest_idle(const struct smtp_account *account)
{
    struct smtp_pooled *pooled, *oldest = NULL;

    LIST_FOREACH(pooled, &account->pool->connections, link)
    {
        if (pooled->is_idle && pooled->entry->account == account &&
            (oldest == NULL || pooled->idle_order < oldest->idle_order))
            oldest = pooled;
    }
    return oldest;
}

/* ---- what deliveries call ---- */

struct smtp_connection *smtp_pool_take(struct smtp_pool *pool, struct worker_profile *profile,
                                       unsigned server)
{
    struct smtp_pool_shelf *shelf = find_shelf(pool, profile);
    struct smtp_pooled *pooled = shelf != NULL ? TAILQ_FIRST(&shelf->entries[server].idle) : NULL;

    if (pooled == NULL)
        return NULL;
    smtp_pool_leave_idle(pooled);
    smtp_pool_count(pooled->entry->account, &pooled->entry->account->counts.hits);
    return pooled->connection;
}

/* By the profile, by what the server said (LIMITS MAILMAX, RFC 9422), or by what it was seen to do.
 */
static bool has_carried_enough(const struct smtp_pooled *pooled)
{
    unsigned carried = smtp_connection_transactions(pooled->connection);
    unsigned most = pooled->entry->shelf->profile->profile->max_messages;
    uint32_t mail_max = smtp_connection_extensions(pooled->connection)->mail_max;
    uint32_t learnt = pooled->entry->account->bears.messages;

    return (most > 0 && carried >= most) || (mail_max > 0 && carried >= mail_max) ||
           (learnt > 0 && carried >= learnt);
}

/* Why it may not be used again, as what is counted; NULL: it may. */
static uint32_t *spent_by(const struct smtp_pooled *pooled)
{
    const struct worker_profile *version = pooled->entry->shelf->profile;
    struct smtp_account *account = pooled->entry->account;

    if (version->is_retired)
        return &account->counts.retired;
    if (!version->profile->pool.enabled || has_carried_enough(pooled) ||
        smtp_pool_life_ms(pooled) <= 0)
        return &account->counts.spent;
    return smtp_account_is_called(account) ? &account->counts.reclaimed : NULL;
}

void smtp_pool_give_back(struct smtp_pool *pool, struct smtp_connection *connection)
{
    struct smtp_pooled *pooled = smtp_connection_counted_by(connection);
    struct smtp_pool_entry *entry = pooled->entry;
    struct smtp_ticket *ticket = TAILQ_FIRST(&entry->account->line);
    uint32_t *spent = spent_by(pooled);

    (void)pool;
    if (spent != NULL) {
        smtp_pool_dismiss(pooled, spent);
    } else if (ticket != NULL && ticket->entry != entry) { /* whose version needs a fresh one */
        smtp_pool_dismiss(pooled, &entry->account->counts.reclaimed);
    } else if (ticket != NULL) {
        smtp_pool_count(entry->account, &entry->account->counts.handed_over);
        smtp_pool_detach(ticket);
        ticket->ops->on_connection(connection, true, ticket->owner);
    } else {
        put_idle(pooled);
    }
}

unsigned smtp_pool_open_count(const struct smtp_pool *pool)
{
    return pool->open;
}

/* ---- what the worker calls ---- */

struct smtp_pool *smtp_pool_new(struct loop *loop, struct channel *channel,
                                const struct tls_keeper *keeper)
{
    struct smtp_pool *pool = calloc(1, sizeof(*pool));

    if (pool == NULL)
        return NULL;
    pool->loop = loop;
    pool->channel = channel;
    pool->keeper = keeper;
    pool->tolerated_ms = SMTP_POOL_TOLERATED_MS;
    TAILQ_INIT(&pool->guests);
    TAILQ_INIT(&pool->hired);
    pool->wake = loop_timer_new(loop, smtp_pool_on_wake, pool);
    pool->unwant = loop_timer_new(loop, smtp_pool_on_unwant, pool);
    if (pool->wake == NULL || pool->unwant == NULL) {
        loop_timer_free(&pool->wake);
        loop_timer_free(&pool->unwant);
        free(pool);
        return NULL;
    }
    loop_at_turn_end(loop, on_turn_end, pool);
    return pool;
}

void smtp_pool_set_tokens(struct smtp_pool *pool, struct tokens *tokens)
{
    pool->tokens = tokens;
}

struct tokens *smtp_pool_tokens(const struct smtp_pool *pool)
{
    return pool->tokens;
}

void smtp_pool_free(struct smtp_pool **pool)
{
    struct smtp_pool *p = *pool;
    struct smtp_account *account;
    struct smtp_pooled *pooled;
    struct smtp_slots *slots;

    *pool = NULL;
    if (p == NULL)
        return;
    loop_forget_turn_end(p->loop, on_turn_end, p);
    while ((pooled = LIST_FIRST(&p->connections)) != NULL) {
        smtp_pool_leave_idle(pooled);
        smtp_connection_free(&pooled->connection);
    }
    smtp_pool_cut_guests(p);
    while (!TAILQ_EMPTY(&p->hired))
        smtp_pool_give_up(TAILQ_FIRST(&p->hired));
    while (!LIST_EMPTY(&p->shelves))
        drop_shelf(LIST_FIRST(&p->shelves));
    while ((account = LIST_FIRST(&p->accounts)) != NULL) {
        LIST_REMOVE(account, link);
        free(account);
    }
    while ((slots = LIST_FIRST(&p->slots)) != NULL) {
        LIST_REMOVE(slots, link);
        free(slots);
    }
    loop_timer_free(&p->wake);
    loop_timer_free(&p->unwant);
    free(p);
}

void smtp_pool_retire(struct smtp_pool *pool, struct worker_profile *profile)
{
    struct smtp_pool_shelf *shelf = find_shelf(pool, profile);

    if (shelf == NULL)
        return;
    for (unsigned i = 0; i < shelf->server_count; i++) {
        struct smtp_pool_entry *entry = &shelf->entries[i];

        while (!TAILQ_EMPTY(&entry->idle))
            smtp_pool_dismiss(TAILQ_LAST(&entry->idle, smtp_pool_idle_list),
                              &entry->account->counts.retired);
    }
    pool->is_changed = true;
}
