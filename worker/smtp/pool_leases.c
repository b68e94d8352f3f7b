/* worker/smtp/pool_leases.c: leases: how many connections may be open to a server from here (SP49),
 * and what the master hears of them. */
#include <stdlib.h>

#include "common/channel.h"
#include "common/loop.h"
#include "common/profile.h"
#include "worker/directory.h"
#include "worker/smtp/connection.h"
#include "worker/smtp/pool_private.h"

#define UNWANT_MS 200 /* well before the master becomes impatient for those that it counts */

struct smtp_account *smtp_pool_account(const struct smtp_pool *pool, uint32_t profile,
                                       uint64_t server)
{
    struct smtp_account *account;

    LIST_FOREACH(account, &pool->accounts, link)
    {
        if (account->server == server && account->profile == profile)
            return account;
    }
    return NULL;
}

struct smtp_account *smtp_pool_get_account(struct smtp_pool *pool, uint32_t profile,
                                           uint64_t server)
{
    struct smtp_account *account = smtp_pool_account(pool, profile, server);

    if (account != NULL)
        return account;
    account = calloc(1, sizeof(*account));
    if (account == NULL)
        return NULL;
    account->pool = pool;
    account->profile = profile;
    account->server = server;
    TAILQ_INIT(&account->line);
    TAILQ_INIT(&account->guests);
    LIST_INSERT_HEAD(&pool->accounts, account, link);
    return account;
}

unsigned smtp_account_spare(const struct smtp_account *account)
{
    return account->leases - account->open;
}

bool smtp_account_waits(const struct smtp_account *account)
{
    return account->waiting > 0 || account->guests_waiting > 0;
}

bool smtp_account_is_called(const struct smtp_account *account)
{
    return account->owed > account->leaving;
}

/* ---- the end of a turn ---- */

static void tell_back(struct smtp_account *account, unsigned count)
{
    const struct ipc_lease_back back = { .server = account->server,
                                         .profile = account->profile,
                                         .count = count,
                                         .too_many = account->too_many };

    account->leases -= count;
    account->owed -= account->owed < count ? account->owed : count;
    account->too_many = 0;
    channel_send(account->pool->channel, IPC_LEASE_BACK, &back);
}

/* What the master wants, or the server does not bear, goes first; then what nobody waits for. */
static void give_back_spare(struct smtp_account *account)
{
    unsigned spare = smtp_account_spare(account);
    unsigned waiting = account->waiting + account->guests_waiting;
    unsigned unused = spare > waiting ? spare - waiting : 0;
    unsigned due = account->owed > account->too_many ? account->owed : account->too_many;

    due = due < spare ? due : spare;
    if (unused > 0 || due > 0 || account->too_many > 0)
        tell_back(account, unused > due ? unused : due);
}

static void ask(struct smtp_account *account, unsigned waiting, unsigned spare, unsigned *asked,
                bool is_patient)
{
    const struct ipc_lease_want want = { .server = account->server,
                                         .profile = account->profile,
                                         .count = waiting - spare - *asked,
                                         .is_patient = is_patient };

    if (waiting <= spare + *asked)
        return;
    *asked += want.count;
    channel_send(account->pool->channel, IPC_LEASE_WANT, &want);
}

/* Guests come first, with what is spare and with what comes. */
static void ask_for_more(struct smtp_account *account)
{
    unsigned spare = smtp_account_spare(account), guests = account->guests_waiting;

    ask(account, guests, spare, &account->asked_for_guests, true);
    ask(account, account->waiting, spare > guests ? spare - guests : 0, &account->asked, false);
}

static bool is_too_much_asked(const struct smtp_account *account)
{
    return (account->asked > account->waiting && !account->is_unwanting) ||
           (account->asked_for_guests > account->guests_waiting &&
            !account->is_unwanting_for_guests);
}

static void unwant(struct smtp_account *account, unsigned asked, unsigned waiting,
                   bool *is_under_way, bool is_patient)
{
    const struct ipc_lease_unwant order = { .server = account->server,
                                            .profile = account->profile,
                                            .count = asked - waiting,
                                            .is_patient = is_patient };

    if (asked <= waiting || *is_under_way)
        return;
    *is_under_way = true;
    channel_send(account->pool->channel, IPC_LEASE_UNWANT, &order);
}

/* Deliveries take over each other's connections: what they asked for, the next may want. Left to
 * itself, an old want would end others' idle connections for nobody. */
void smtp_pool_on_unwant(void *arg)
{
    struct smtp_pool *pool = arg;
    struct smtp_account *account;

    LIST_FOREACH(account, &pool->accounts, link)
    {
        unwant(account, account->asked, account->waiting, &account->is_unwanting, false);
        unwant(account, account->asked_for_guests, account->guests_waiting,
               &account->is_unwanting_for_guests, true);
    }
}

static void tell_connections(struct smtp_account *account)
{
    const struct ipc_connections counts = { .server = account->server,
                                            .profile = account->profile,
                                            .idle = (uint16_t)account->idle_count,
                                            .open = (uint16_t)account->open,
                                            .counts = account->counts };

    if (!account->is_counted && account->told_idle == account->idle_count &&
        account->told_open == account->open)
        return;
    account->is_counted = false;
    account->told_idle = account->idle_count;
    account->told_open = account->open;
    channel_send(account->pool->channel, IPC_CONNECTIONS, &counts);
}

static void forget_unused(struct smtp_account *account)
{
    if (!account->is_deleted || account->users > 0 || account->asked > 0 ||
        account->asked_for_guests > 0)
        return; /* of leases none is left where nobody uses it */
    LIST_REMOVE(account, link);
    free(account);
}

void smtp_pool_forget_accounts(struct smtp_pool *pool, uint32_t profile)
{
    struct smtp_account *account;

    LIST_FOREACH(account, &pool->accounts, link)
    {
        if (account->profile != profile)
            continue;
        account->is_deleted = true;
        smtp_pool_mark_changed(account);
    }
}

void smtp_pool_settle_accounts(struct smtp_pool *pool)
{
    struct smtp_account *account, *next;

    for (account = LIST_FIRST(&pool->accounts); account != NULL; account = next) {
        next = LIST_NEXT(account, link);
        if (!account->is_changed)
            continue;
        account->is_changed = false;
        tell_connections(account); /* first: an account may go with its last lease */
        give_back_spare(account);
        ask_for_more(account);
        if (is_too_much_asked(account) && !loop_timer_is_set(pool->unwant))
            loop_timer_set_ms(pool->unwant, UNWANT_MS);
        forget_unused(account);
    }
}

/* ---- what the master says ---- */

/* What is left of `count` when `number` is 0. */
static unsigned take_off(unsigned *number, unsigned count)
{
    unsigned taken = *number < count ? *number : count;

    *number -= taken;
    return count - taken;
}

/* Who of those that asked is answered does not matter to the master; here guests come first. */
void smtp_pool_lease(struct smtp_pool *pool, const struct ipc_lease *lease)
{
    struct smtp_account *account = smtp_pool_account(pool, lease->profile, lease->server);
    unsigned rest;

    if (account == NULL)
        return; /* nobody has asked */
    rest = take_off(&account->asked_for_guests, lease->granted + lease->unneeded);
    (void)take_off(&account->asked, rest + lease->refused);
    account->leases += lease->granted;
    account->others = lease->others;
    account->limit = lease->limit;
    smtp_pool_mark_changed(account);
    if (lease->unneeded > 0)
        smtp_account_free_guests(account);
    if (lease->refused > 0)
        smtp_pool_refuse_line(account);
    else if (smtp_account_waits(account))
        loop_timer_set_ms(pool->wake, 0);
}

void smtp_pool_unwanted(struct smtp_pool *pool, const struct ipc_lease_unwant *said)
{
    struct smtp_account *account = smtp_pool_account(pool, said->profile, said->server);

    if (account == NULL)
        return;
    if (said->is_patient != 0) {
        account->is_unwanting_for_guests = false;
        (void)take_off(&account->asked_for_guests, said->count);
    } else {
        account->is_unwanting = false;
        (void)take_off(&account->asked, said->count);
    }
    smtp_pool_mark_changed(account);
}

void smtp_pool_reclaim(struct smtp_pool *pool, const struct ipc_reclaim *order)
{
    struct smtp_account *account = smtp_pool_account(pool, order->profile, order->server);
    struct smtp_pooled *idle;

    if (account == NULL)
        return;
    account->owed += order->count;
    if (account->owed > account->leases)
        account->owed = account->leases;
    while (smtp_account_is_called(account) && (idle = smtp_pool_oldest_idle(account)) != NULL)
        smtp_pool_dismiss(idle, &account->counts.reclaimed);
}

void smtp_pool_bears(struct smtp_pool *pool, const struct ipc_server_bears *bears)
{
    struct smtp_account *account = smtp_pool_get_account(pool, bears->profile, bears->server);

    if (account != NULL)
        account->bears = *bears;
}

void smtp_pool_tell_ended(const struct smtp_pooled *pooled)
{
    const struct smtp_account *account = pooled->entry->account;
    int64_t now_ms = loop_now_ms(account->pool->loop);
    const struct ipc_server_ended ended = {
        .server = account->server,
        .profile = account->profile,
        .idle_ms = (uint32_t)(now_ms - pooled->idle_since_ms),
        .age_ms = (uint32_t)(now_ms - pooled->opened_ms),
        .messages = smtp_connection_transactions(pooled->connection),
    };

    channel_send(account->pool->channel, IPC_SERVER_ENDED, &ended);
}

/* ---- what deliveries say ---- */

void smtp_pool_add_lease(struct smtp_pool *pool, uint32_t profile, uint64_t server, unsigned others)
{
    struct smtp_account *account = smtp_pool_get_account(pool, profile, server);
    const struct ipc_lease_back back = { .server = server, .profile = profile, .count = 1 };

    if (account == NULL) {
        channel_send(pool->channel, IPC_LEASE_BACK, &back);
        return;
    }
    account->leases++;
    account->others = others;
    smtp_pool_mark_changed(account);
    if (smtp_account_waits(account))
        loop_timer_set_ms(pool->wake, 0);
}

static struct smtp_account *account_of(const struct smtp_pool *pool,
                                       const struct worker_profile *version, unsigned server)
{
    return smtp_pool_account(pool, version->profile->id,
                             server_uri_identity(version->profile->servers[server].text));
}

void smtp_pool_too_many(struct smtp_pool *pool, const struct worker_profile *profile,
                        unsigned server)
{
    struct smtp_account *account = account_of(pool, profile, server);

    if (account == NULL)
        return;
    account->too_many++;
    smtp_pool_mark_changed(account);
}

void smtp_pool_count_stale(struct smtp_pool *pool, const struct worker_profile *profile,
                           unsigned server)
{
    struct smtp_account *account = account_of(pool, profile, server);

    if (account != NULL)
        smtp_pool_count(account, &account->counts.stale);
}

unsigned smtp_pool_open_to(const struct smtp_pool *pool, const struct worker_profile *profile,
                           unsigned server)
{
    const struct smtp_account *account = account_of(pool, profile, server);

    return account != NULL ? account->open + account->others : 0;
}
