/* worker/smtp/pool.c: the connections themselves: which ones wait idle, for how long, and what the
 * master hears of them. */
#include "worker/smtp/pool_private.h"

#include <stdlib.h>

#include "common/channel.h"
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
    shelf->profile = directory_share(profile);
    shelf->server_count = (unsigned)servers;
    for (unsigned i = 0; i < servers; i++) {
        shelf->entries[i].shelf = shelf;
        shelf->entries[i].server = i;
        TAILQ_INIT(&shelf->entries[i].idle);
        TAILQ_INIT(&shelf->entries[i].waiting);
    }
    LIST_INSERT_HEAD(&pool->shelves, shelf, link);
    return shelf;
}

static void drop_shelf(struct smtp_pool_shelf *shelf)
{
    for (unsigned i = 0; i < shelf->server_count; i++) {
        while (!TAILQ_EMPTY(&shelf->entries[i].waiting))
            smtp_pool_detach(TAILQ_FIRST(&shelf->entries[i].waiting));
    }
    LIST_REMOVE(shelf, link);
    directory_release(shelf->profile);
    free(shelf);
}

/* ---- what the master hears ---- */

static void tell_master(struct smtp_pool_shelf *shelf)
{
    for (unsigned i = 0; i < shelf->server_count; i++) {
        struct smtp_pool_entry *entry = &shelf->entries[i];
        const struct ipc_connections counts = {
            .profile = shelf->profile->profile->id,
            .server = (uint16_t)i,
            .idle = (uint16_t)entry->idle_count,
            .open = (uint16_t)entry->open,
        };

        if (entry->is_changed)
            channel_send(shelf->pool->channel, IPC_CONNECTIONS, &counts);
        entry->is_changed = false;
    }
    shelf->is_changed = false;
}

/* Also the time when nobody has a shelf in hand, so that retired ones can go. A retired version
 * says nothing: its server indices may mean other servers now. */
static void on_turn_end(void *arg)
{
    struct smtp_pool *pool = arg;
    struct smtp_pool_shelf *shelf, *next;

    if (!pool->is_changed)
        return;
    pool->is_changed = false;
    for (shelf = LIST_FIRST(&pool->shelves); shelf != NULL; shelf = next) {
        next = LIST_NEXT(shelf, link);
        if (shelf->is_changed && !shelf->profile->is_retired)
            tell_master(shelf);
        else if (shelf->profile->is_retired && shelf->open == 0 && shelf->waiting == 0)
            drop_shelf(shelf);
    }
}

/* ---- idle ones ---- */

void smtp_pool_leave_idle(struct smtp_pooled *pooled)
{
    struct smtp_pool_entry *entry = pooled->entry;

    if (!pooled->is_idle)
        return;
    pooled->is_idle = false;
    TAILQ_REMOVE(&entry->idle, pooled, idle);
    entry->idle_count--;
    entry->shelf->idle_count--;
    smtp_pool_mark_changed(entry);
}

static void on_idle_lost(const char *why, void *owner)
{
    (void)why; /* on_gone has done what there is to do; losing an idle one is no event (SP48) */
    (void)owner;
}

static const struct smtp_connection_ops idle_ops = { .on_lost = on_idle_lost };

static void put_idle(struct smtp_pooled *pooled)
{
    struct smtp_pool_entry *entry = pooled->entry;
    const struct profile *profile = entry->shelf->profile->profile;

    pooled->is_idle = true;
    pooled->idle_order = ++entry->shelf->pool->idle_order;
    TAILQ_INSERT_HEAD(&entry->idle, pooled, idle);
    entry->idle_count++;
    entry->shelf->idle_count++;
    smtp_pool_mark_changed(entry);
    smtp_connection_set_owner(pooled->connection, &idle_ops, pooled);
    smtp_connection_expire_ms(pooled->connection, (int64_t)profile->pool.expiry_s * 1000);
}

void smtp_pool_dismiss(struct smtp_pooled *pooled)
{
    smtp_pool_leave_idle(pooled);
    smtp_connection_set_owner(pooled->connection, &idle_ops, pooled);
    smtp_connection_quit(pooled->connection);
}

static void dismiss_idle_beyond(struct smtp_pool_shelf *shelf, unsigned most)
{
    while (shelf->idle_count > most) {
        struct smtp_pooled *oldest = NULL;

        for (unsigned i = 0; i < shelf->server_count; i++) {
            struct smtp_pooled *last = TAILQ_LAST(&shelf->entries[i].idle, smtp_pool_idle_list);

            if (last != NULL && (oldest == NULL || last->idle_order < oldest->idle_order))
                oldest = last;
        }
        if (oldest == NULL)
            return;
        smtp_pool_dismiss(oldest);
    }
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
    smtp_connection_expire_ms(pooled->connection, 0);
    return pooled->connection;
}

/* Why it may not be used again, or nobody wants it. */
static bool is_spent(const struct smtp_pooled *pooled)
{
    const struct worker_profile *version = pooled->entry->shelf->profile;
    uint32_t mail_max = smtp_connection_extensions(pooled->connection)->mail_max;

    return version->is_retired || !version->profile->pool.enabled ||
           (mail_max > 0 && smtp_connection_transactions(pooled->connection) >= mail_max);
}

void smtp_pool_give_back(struct smtp_pool *pool, struct smtp_connection *connection)
{
    struct smtp_pooled *pooled = smtp_connection_counted_by(connection);
    struct smtp_pool_entry *entry = pooled->entry;
    struct smtp_ticket *ticket = TAILQ_FIRST(&entry->waiting);
    bool is_good = !is_spent(pooled);

    (void)pool;
    if (is_good && ticket != NULL) {
        smtp_pool_detach(ticket);
        ticket->ops->on_connection(connection, true, ticket->owner);
    } else if (is_good && entry->shelf->idle_count < entry->shelf->profile->idle_slots) {
        put_idle(pooled);
    } else {
        smtp_pool_dismiss(pooled);
    }
}

unsigned smtp_pool_open_count(const struct smtp_pool *pool)
{
    return pool->open;
}

unsigned smtp_pool_open_to(const struct smtp_pool *pool, const struct worker_profile *profile,
                           unsigned server)
{
    const struct smtp_pool_shelf *shelf = find_shelf(pool, profile);

    return shelf != NULL ? shelf->entries[server].open : 0;
}

/* ---- what the worker calls ---- */

struct smtp_pool *smtp_pool_new(struct loop *loop, struct channel *channel)
{
    struct smtp_pool *pool = calloc(1, sizeof(*pool));

    if (pool == NULL)
        return NULL;
    pool->loop = loop;
    pool->channel = channel;
    pool->wake = loop_timer_new(loop, smtp_pool_on_wake, pool);
    if (pool->wake == NULL) {
        free(pool);
        return NULL;
    }
    loop_at_turn_end(loop, on_turn_end, pool);
    return pool;
}

void smtp_pool_free(struct smtp_pool **pool)
{
    struct smtp_pool *p = *pool;

    *pool = NULL;
    if (p == NULL)
        return;
    loop_forget_turn_end(p->loop, on_turn_end, p);
    while (!LIST_EMPTY(&p->connections))
        smtp_connection_free(&LIST_FIRST(&p->connections)->connection);
    while (!LIST_EMPTY(&p->shelves))
        drop_shelf(LIST_FIRST(&p->shelves));
    loop_timer_free(&p->wake);
    free(p);
}

void smtp_pool_retire(struct smtp_pool *pool, struct worker_profile *profile)
{
    struct smtp_pool_shelf *shelf = find_shelf(pool, profile);

    if (shelf == NULL)
        return;
    dismiss_idle_beyond(shelf, 0);
    pool->is_changed = true;
}

void smtp_pool_trim(struct smtp_pool *pool, struct worker_profile *profile)
{
    struct smtp_pool_shelf *shelf = find_shelf(pool, profile);

    if (shelf != NULL)
        dismiss_idle_beyond(shelf, profile->idle_slots);
}
