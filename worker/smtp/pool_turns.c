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
    struct smtp_pool_entry *entry = ticket->entry;

    if (ticket->opening != NULL) {
        ticket->opening->ticket = NULL;
    } else {
        /* The analyser takes a ticket that has left its line for one still in it. */
        /* NOLINTBEGIN(clang-analyzer-core.NullDereference) */
        TAILQ_REMOVE(&entry->account->line, ticket, link);
        entry->shelf->waiting--;
        entry->account->waiting--;
        smtp_pool_mark_changed(entry->account);
        /* NOLINTEND(clang-analyzer-core.NullDereference) */
    }
    ticket->entry = NULL;
    ticket->opening = NULL;
}

static void on_gone(struct smtp_connection *connection, void *arg)
{
    struct smtp_pooled *pooled = arg;
    struct smtp_pool_entry *entry = pooled->entry;
    struct smtp_pool *pool = entry->shelf->pool;

    (void)connection;
    if (pooled->is_idle) /* nobody here has ended it */
        smtp_pool_tell_ended(pooled);
    smtp_pool_leave_idle(pooled);
    if (pooled->ticket != NULL)
        smtp_pool_detach(pooled->ticket);
    LIST_REMOVE(pooled, link);
    loop_timer_free(&pooled->expiry);
    entry->account->leaving -= pooled->is_leaving;
    free(pooled);
    entry->account->open--;
    entry->shelf->open--;
    pool->open--;
    smtp_pool_mark_changed(entry->account);
    if (smtp_account_waits(entry->account))
        loop_timer_set_ms(pool->wake, 0);
}

static void count_protection(struct smtp_account *account, const struct smtp_connection *connection)
{
    const struct tls_facts *facts = smtp_connection_tls(connection);

    if (facts != NULL)
        smtp_pool_count(account, &account->counts.secured);
    if (facts != NULL && facts->is_resumed)
        smtp_pool_count(account, &account->counts.resumed);
    if (smtp_connection_downgrade(connection) != NULL)
        smtp_pool_count(account, &account->counts.downgraded);
}

static void on_open(void *owner)
{
    struct smtp_ticket *ticket = owner;
    struct smtp_connection *connection = ticket->opening->connection;

    count_protection(ticket->opening->entry->account, connection);
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
    struct smtp_dial dial = {
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

    err = smtp_security_get(pool->keeper, entry->shelf->profile, entry->server, &dial.security,
                            reterr_why);
    if (err < 0) {
        free(pooled);
        return err;
    }
    if (pooled != NULL)
        pooled->expiry = loop_timer_new(pool->loop, smtp_pool_on_expiry, pooled);
    if (pooled == NULL || pooled->expiry == NULL) {
        free(pooled);
        return reason_set(reterr_why, -ENOMEM, "out of memory");
    }
    dial.security.tokens = pool->tokens;
    err = smtp_connection_open(&dial, &opening_ops, ticket, &pooled->connection, reterr_why);
    if (err < 0) {
        loop_timer_free(&pooled->expiry);
        free(pooled);
        return err;
    }
    pooled->entry = entry;
    pooled->opened_ms = loop_now_ms(pool->loop);
    pooled->ticket = ticket;
    ticket->entry = entry;
    ticket->opening = pooled;
    LIST_INSERT_HEAD(&pool->connections, pooled, link);
    entry->account->open++;
    entry->shelf->open++;
    pool->open++;
    smtp_pool_count(entry->account, profile->pool.enabled ? &entry->account->counts.misses
                                                          : &entry->account->counts.misses_off);
    return 0;
}

/* Opened elsewhere, and counted here all the same. */
static void hire(struct smtp_pool_entry *entry, struct smtp_ticket *ticket)
{
    ticket->entry = entry;
    ticket->is_hired = true;
    TAILQ_INSERT_TAIL(&entry->shelf->pool->hired, ticket, link);
    entry->account->open++;
    entry->shelf->open++;
    entry->shelf->pool->open++;
    smtp_pool_count(entry->account, &entry->account->counts.misses_off);
}

static void end_hire(struct smtp_ticket *ticket)
{
    struct smtp_pool_entry *entry = ticket->entry;
    struct smtp_pool *pool = entry->shelf->pool;

    TAILQ_REMOVE(&pool->hired, ticket, link);
    ticket->entry = NULL;
    ticket->is_hired = false;
    entry->account->open--;
    entry->shelf->open--;
    pool->open--;
    smtp_pool_mark_changed(entry->account);
    if (smtp_account_waits(entry->account))
        loop_timer_set_ms(pool->wake, 0);
}

static void serve_first(struct smtp_account *account)
{
    struct smtp_ticket *ticket = TAILQ_FIRST(&account->line);
    struct smtp_pool_entry *entry = ticket->entry;
    struct reason why = { "" };
    struct smtp_failure failure = { .point = SMTP_AT_CONNECT, .text = why.text };
    int err;

    smtp_pool_detach(ticket);
    if (ticket->ops->on_turn != NULL) {
        hire(entry, ticket);
        ticket->ops->on_turn(ticket->owner);
        return;
    }
    err = begin_opening(entry, ticket, &why);
    if (err == 0)
        return;
    failure.event = is_shortage(err) ? SMTP_SHORT : SMTP_UNREACHABLE;
    ticket->ops->on_failed(&failure, ticket->owner);
}

static struct smtp_account *find_servable(const struct smtp_pool *pool)
{
    struct smtp_account *account;

    LIST_FOREACH(account, &pool->accounts, link)
    {
        if (smtp_account_waits(account) && smtp_account_spare(account) > 0)
            return account;
    }
    return NULL;
}

/* Looks from the beginning each time: a callback may ask for other connections. Neither shelves nor
 * accounts go before the end of the turn. */
void smtp_pool_on_wake(void *arg)
{
    struct smtp_pool *pool = arg;
    struct smtp_account *account;

    while ((account = find_servable(pool)) != NULL)
        account->guests_waiting > 0 ? smtp_account_serve_guest(account) : serve_first(account);
}

/* Those who come while they are being told wait for another answer. */
void smtp_pool_refuse_line(struct smtp_account *account)
{
    static const struct smtp_failure failure = { .point = SMTP_AT_CONNECT,
                                                 .event = SMTP_SHORT,
                                                 .is_busy = true,
                                                 .text = "no connection to it is free" };
    unsigned count = account->waiting;

    while (count-- > 0 && !TAILQ_EMPTY(&account->line)) {
        struct smtp_ticket *ticket = TAILQ_FIRST(&account->line);

        smtp_pool_detach(ticket);
        ticket->ops->on_failed(&failure, ticket->owner);
    }
}

static void wait_in_line(struct smtp_pool_entry *entry, struct smtp_ticket *ticket)
{
    struct smtp_pooled *oldest = smtp_pool_oldest_idle(entry->account);

    ticket->entry = entry;
    ticket->opening = NULL;
    TAILQ_INSERT_TAIL(&entry->account->line, ticket, link);
    entry->account->waiting++;
    entry->shelf->waiting++;
    smtp_pool_mark_changed(entry->account);
    if (oldest != NULL)
        smtp_pool_dismiss(oldest, &entry->account->counts.reclaimed);
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
    if (smtp_account_spare(entry->account) > 0 && !smtp_account_waits(entry->account))
        return begin_opening(entry, ticket, reterr_why);
    wait_in_line(entry, ticket);
    return 0;
}

int smtp_pool_hire(struct smtp_pool *pool, struct worker_profile *profile, unsigned server,
                   struct smtp_ticket *ticket)
{
    struct smtp_pool_shelf *shelf = smtp_pool_get_shelf(pool, profile);
    struct smtp_pool_entry *entry;

    if (shelf == NULL)
        return -ENOMEM;
    entry = &shelf->entries[server];
    if (smtp_account_spare(entry->account) == 0 || smtp_account_waits(entry->account)) {
        wait_in_line(entry, ticket);
        return 0;
    }
    hire(entry, ticket);
    return 1;
}

void smtp_pool_give_up(struct smtp_ticket *ticket)
{
    struct smtp_pooled *opening = ticket->opening;

    if (ticket->is_hired) {
        end_hire(ticket);
        return;
    }
    if (ticket->entry == NULL)
        return;
    smtp_pool_detach(ticket);
    if (opening != NULL)
        smtp_connection_quit(opening->connection);
}
