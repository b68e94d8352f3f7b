/* worker/smtp/pool.c: who may have a connection to which server, and which ones wait idle.
 *
 * A shelf stands for one profile version, its entries for the version's servers. A connection is
 * idle on its entry or lent to somebody; both are counted in `open` until its socket is closed. A
 * shelf holds its version, so that the version's address stays its name, and goes when the version
 * is retired and the last connection closed. */
#include "worker/smtp/pool.h"

#include <errno.h>
#include <stdlib.h>

#include "common/channel.h"
#include "common/log.h"
#include "common/loop.h"
#include "worker/directory.h"
#include "worker/resolver.h"
#include "worker/smtp/connection.h"

struct smtp_pooled {
    LIST_ENTRY(smtp_pooled) link;
    TAILQ_ENTRY(smtp_pooled) idle;
    struct smtp_pool_entry *entry;
    struct smtp_connection *connection;
    struct smtp_ticket *ticket; /* for whom it is being opened, NULL: it has been */
    uint64_t idle_order;
    bool is_idle;
};

struct smtp_pool_entry { /* one server */
    struct shelf *shelf;
    unsigned server;
    unsigned open, idle_count;
    TAILQ_HEAD(idle_list, smtp_pooled) idle; /* the last one given back first */
    TAILQ_HEAD(, smtp_ticket) waiting;
    bool is_changed; /* since the master was told */
};

struct shelf { /* one profile version */
    LIST_ENTRY(shelf) link;
    struct smtp_pool *pool;
    struct worker_profile *profile;
    unsigned open, idle_count, waiting;
    bool is_changed;
    unsigned server_count;
    struct smtp_pool_entry entries[];
};

struct smtp_pool {
    struct loop *loop;
    struct channel *channel;
    struct loop_timer *wake;    /* somebody waits, and there is room now */
    LIST_HEAD(, shelf) shelves; /* the one used last first */
    LIST_HEAD(, smtp_pooled) connections;
    unsigned open;
    uint64_t idle_order;
    bool is_changed;
};

static void mark_changed(struct smtp_pool_entry *entry)
{
    entry->is_changed = entry->shelf->is_changed = entry->shelf->pool->is_changed = true;
}

/* A wish is over: it waits no more, and no connection is opened for it. */
static void detach(struct smtp_ticket *ticket)
{
    if (ticket->opening != NULL) {
        ticket->opening->ticket = NULL;
    } else {
        TAILQ_REMOVE(&ticket->entry->waiting, ticket, link);
        /* The analyser takes a ticket that has left its list for one still in it. */
        ticket->entry->shelf->waiting--; /* NOLINT(clang-analyzer-core.NullDereference) */
        ticket->entry->shelf->pool->is_changed = true;
    }
    ticket->entry = NULL;
    ticket->opening = NULL;
}

/* ---- shelves ---- */

static struct shelf *find_shelf(const struct smtp_pool *pool, const struct worker_profile *profile)
{
    struct shelf *shelf;

    LIST_FOREACH(shelf, &pool->shelves, link)
    {
        if (shelf->profile == profile)
            return shelf;
    }
    return NULL;
}

static struct shelf *get_shelf(struct smtp_pool *pool, struct worker_profile *profile)
{
    struct shelf *shelf = find_shelf(pool, profile);
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

static void drop_shelf(struct shelf *shelf)
{
    for (unsigned i = 0; i < shelf->server_count; i++) {
        while (!TAILQ_EMPTY(&shelf->entries[i].waiting))
            detach(TAILQ_FIRST(&shelf->entries[i].waiting));
    }
    LIST_REMOVE(shelf, link);
    directory_release(shelf->profile);
    free(shelf);
}

/* ---- what the master hears ---- */

static void tell_master(struct shelf *shelf)
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
    struct shelf *shelf, *next;

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

static void leave_idle(struct smtp_pooled *pooled)
{
    struct smtp_pool_entry *entry = pooled->entry;

    if (!pooled->is_idle)
        return;
    pooled->is_idle = false;
    TAILQ_REMOVE(&entry->idle, pooled, idle);
    entry->idle_count--;
    entry->shelf->idle_count--;
    mark_changed(entry);
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
    mark_changed(entry);
    smtp_connection_set_owner(pooled->connection, &idle_ops, pooled);
    smtp_connection_expire_ms(pooled->connection, (int64_t)profile->pool.expiry_s * 1000);
}

static void dismiss(struct smtp_pooled *pooled)
{
    leave_idle(pooled);
    smtp_connection_set_owner(pooled->connection, &idle_ops, pooled);
    smtp_connection_quit(pooled->connection);
}

static void dismiss_idle_beyond(struct shelf *shelf, unsigned most)
{
    while (shelf->idle_count > most) {
        struct smtp_pooled *oldest = NULL;

        for (unsigned i = 0; i < shelf->server_count; i++) {
            struct smtp_pooled *last = TAILQ_LAST(&shelf->entries[i].idle, idle_list);

            if (last != NULL && (oldest == NULL || last->idle_order < oldest->idle_order))
                oldest = last;
        }
        if (oldest == NULL)
            return;
        dismiss(oldest);
    }
}

/* ---- opening ---- */

static bool has_room(const struct smtp_pool_entry *entry)
{
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): as in detach() */
    unsigned max = entry->shelf->profile->profile->max_connections;

    return max == 0 || entry->open < max;
}

static void on_gone(struct smtp_connection *connection, void *arg)
{
    struct smtp_pooled *pooled = arg;
    struct smtp_pool_entry *entry = pooled->entry;
    struct smtp_pool *pool = entry->shelf->pool;

    (void)connection;
    leave_idle(pooled);
    if (pooled->ticket != NULL)
        detach(pooled->ticket);
    LIST_REMOVE(pooled, link);
    free(pooled);
    entry->open--;
    entry->shelf->open--;
    pool->open--;
    mark_changed(entry);
    if (entry->shelf->waiting > 0)
        loop_timer_set_ms(pool->wake, 0);
}

static void on_open(void *owner)
{
    struct smtp_ticket *ticket = owner;
    struct smtp_connection *connection = ticket->opening->connection;

    detach(ticket);
    ticket->ops->on_connection(connection, false, ticket->owner);
}

static void on_failed(const struct smtp_failure *failure, void *owner)
{
    struct smtp_ticket *ticket = owner; /* on_gone has detached it */

    ticket->ops->on_failed(failure, ticket->owner);
}

static const struct smtp_connection_ops opening_ops = {
    .on_open = on_open,
    .on_failed = on_failed,
};

static int begin_opening(struct smtp_pool_entry *entry, struct smtp_ticket *ticket,
                         struct reason *reterr_why)
{
    const struct profile *profile = entry->shelf->profile->profile;
    struct smtp_pool *pool = entry->shelf->pool;
    struct smtp_pooled *pooled = calloc(1, sizeof(*pooled));
    const struct smtp_dial dial = {
        .loop = pool->loop,
        .answer = ticket->answer,
        .first = ticket->first,
        .port = profile->servers[entry->server].port,
        .timeouts = profile->timeouts,
        .ehlo_name = ticket->ehlo_name,
        .source_address = profile->source_address,
        .on_gone = on_gone,
        .on_gone_arg = pooled,
    };
    int err;

    if (pooled == NULL)
        return reason_set(reterr_why, -ENOMEM, "out of memory");
    err = smtp_connection_open(&dial, &opening_ops, ticket, &pooled->connection, reterr_why);
    if (err < 0) {
        free(pooled);
        return err;
    }
    pooled->entry = entry;
    pooled->ticket = ticket;
    ticket->entry = entry;
    ticket->opening = pooled;
    LIST_INSERT_HEAD(&pool->connections, pooled, link);
    entry->open++;
    entry->shelf->open++;
    pool->open++;
    mark_changed(entry);
    return 0;
}

static void serve_waiting(struct smtp_pool_entry *entry)
{
    struct smtp_ticket *ticket;

    while (has_room(entry) && (ticket = TAILQ_FIRST(&entry->waiting)) != NULL) {
        struct reason why = { "" };
        struct smtp_failure failure = {
            .point = SMTP_AT_CONNECT,
            .event = SMTP_UNREACHABLE,
            .text = why.text,
        };

        detach(ticket);
        if (begin_opening(entry, ticket, &why) < 0)
            ticket->ops->on_failed(&failure, ticket->owner);
    }
}

static struct smtp_pool_entry *find_servable(const struct smtp_pool *pool)
{
    struct shelf *shelf;

    LIST_FOREACH(shelf, &pool->shelves, link)
    {
        for (unsigned i = 0; shelf->waiting > 0 && i < shelf->server_count; i++) {
            if (!TAILQ_EMPTY(&shelf->entries[i].waiting) && has_room(&shelf->entries[i]))
                return &shelf->entries[i];
        }
    }
    return NULL;
}

/* Looks from the beginning each time: a callback may ask for other connections, which moves the
 * shelves. They do not go before the end of the turn. */
static void on_wake(void *arg)
{
    struct smtp_pool *pool = arg;
    struct smtp_pool_entry *entry;

    while ((entry = find_servable(pool)) != NULL)
        serve_waiting(entry);
}

static void wait_for_turn(struct smtp_pool_entry *entry, struct smtp_ticket *ticket)
{
    struct smtp_pooled *oldest = TAILQ_LAST(&entry->idle, idle_list);

    ticket->entry = entry;
    ticket->opening = NULL;
    TAILQ_INSERT_TAIL(&entry->waiting, ticket, link);
    entry->shelf->waiting++;
    if (oldest != NULL && !has_room(entry))
        dismiss(oldest);
}

/* ---- what deliveries call ---- */

struct smtp_connection *smtp_pool_take(struct smtp_pool *pool, struct worker_profile *profile,
                                       unsigned server)
{
    struct shelf *shelf = find_shelf(pool, profile);
    struct smtp_pooled *pooled = shelf != NULL ? TAILQ_FIRST(&shelf->entries[server].idle) : NULL;

    if (pooled == NULL)
        return NULL;
    leave_idle(pooled);
    smtp_connection_expire_ms(pooled->connection, 0);
    return pooled->connection;
}

int smtp_pool_open(struct smtp_pool *pool, struct worker_profile *profile, unsigned server,
                   struct smtp_ticket *ticket, struct reason *reterr_why)
{
    struct shelf *shelf = get_shelf(pool, profile);
    struct smtp_pool_entry *entry;

    if (shelf == NULL)
        return reason_set(reterr_why, -ENOMEM, "out of memory");
    entry = &shelf->entries[server];
    if (has_room(entry) && TAILQ_EMPTY(&entry->waiting))
        return begin_opening(entry, ticket, reterr_why);
    wait_for_turn(entry, ticket);
    return 0;
}

void smtp_pool_give_up(struct smtp_ticket *ticket)
{
    struct smtp_pooled *opening = ticket->opening;

    if (ticket->entry == NULL)
        return;
    detach(ticket);
    if (opening != NULL)
        smtp_connection_quit(opening->connection);
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
        detach(ticket);
        ticket->ops->on_connection(connection, true, ticket->owner);
    } else if (is_good && entry->shelf->idle_count < entry->shelf->profile->idle_slots) {
        put_idle(pooled);
    } else {
        dismiss(pooled);
    }
}

unsigned smtp_pool_open_count(const struct smtp_pool *pool)
{
    return pool->open;
}

unsigned smtp_pool_open_to(const struct smtp_pool *pool, const struct worker_profile *profile,
                           unsigned server)
{
    const struct shelf *shelf = find_shelf(pool, profile);

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
    pool->wake = loop_timer_new(loop, on_wake, pool);
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
    struct shelf *shelf = find_shelf(pool, profile);

    if (shelf == NULL)
        return;
    dismiss_idle_beyond(shelf, 0);
    pool->is_changed = true;
}

void smtp_pool_trim(struct smtp_pool *pool, struct worker_profile *profile)
{
    struct shelf *shelf = find_shelf(pool, profile);

    if (shelf != NULL)
        dismiss_idle_beyond(shelf, profile->idle_slots);
}
