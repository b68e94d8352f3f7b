/* worker/smtp/pool_turns.c: who may have a connection to which server: opening them, and who waits
 * until one more may be open. */
#include "worker/smtp/pool_private.h"

#include <errno.h>
#include <stdlib.h>

#include "common/loop.h"
#include "common/shortage.h"
#include "worker/directory.h"
#include "worker/resolver.h"
#include "worker/smtp/connection.h"

void smtp_pool_detach(struct smtp_ticket *ticket)
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

static bool has_room(const struct smtp_pool_entry *entry)
{
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): as in smtp_pool_detach() */
    unsigned max = entry->shelf->profile->profile->max_connections;

    return max == 0 || entry->open < max;
}

static void on_gone(struct smtp_connection *connection, void *arg)
{
    struct smtp_pooled *pooled = arg;
    struct smtp_pool_entry *entry = pooled->entry;
    struct smtp_pool *pool = entry->shelf->pool;

    (void)connection;
    smtp_pool_leave_idle(pooled);
    if (pooled->ticket != NULL)
        smtp_pool_detach(pooled->ticket);
    LIST_REMOVE(pooled, link);
    free(pooled);
    entry->open--;
    entry->shelf->open--;
    pool->open--;
    smtp_pool_mark_changed(entry);
    if (entry->shelf->waiting > 0)
        loop_timer_set_ms(pool->wake, 0);
}

static void on_open(void *owner)
{
    struct smtp_ticket *ticket = owner;
    struct smtp_connection *connection = ticket->opening->connection;

    smtp_pool_detach(ticket);
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
    smtp_pool_mark_changed(entry);
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

        int err;

        smtp_pool_detach(ticket);
        err = begin_opening(entry, ticket, &why);
        if (is_shortage(err))
            failure.event = SMTP_SHORT;
        if (err < 0)
            ticket->ops->on_failed(&failure, ticket->owner);
    }
}

static struct smtp_pool_entry *find_servable(const struct smtp_pool *pool)
{
    struct smtp_pool_shelf *shelf;

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
void smtp_pool_on_wake(void *arg)
{
    struct smtp_pool *pool = arg;
    struct smtp_pool_entry *entry;

    while ((entry = find_servable(pool)) != NULL)
        serve_waiting(entry);
}

static void wait_for_turn(struct smtp_pool_entry *entry, struct smtp_ticket *ticket)
{
    struct smtp_pooled *oldest = TAILQ_LAST(&entry->idle, smtp_pool_idle_list);

    ticket->entry = entry;
    ticket->opening = NULL;
    TAILQ_INSERT_TAIL(&entry->waiting, ticket, link);
    entry->shelf->waiting++;
    if (oldest != NULL && !has_room(entry))
        smtp_pool_dismiss(oldest);
}

/* ---- what deliveries call ---- */

int smtp_pool_open(struct smtp_pool *pool, struct worker_profile *profile, unsigned server,
                   struct smtp_ticket *ticket, struct reason *reterr_why)
{
    struct smtp_pool_shelf *shelf = smtp_pool_get_shelf(pool, profile);
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
    smtp_pool_detach(ticket);
    if (opening != NULL)
        smtp_connection_quit(opening->connection);
}
