/* worker/smtp/pool_guests.c: who opens connections of his own, and has leases for them. */
#include "worker/smtp/pool_guest.h"

#include <stdlib.h>

#include "common/loop.h"
#include "worker/smtp/connection.h"
#include "worker/smtp/pool_private.h"

/* Waiting in its account's line, then inside: with a lease, or without one. Left, it is freed, or
 * stays for its connection's end. */
struct smtp_guest {
    TAILQ_ENTRY(smtp_guest) link;
    struct smtp_account *account;
    smtp_guest_turn_cb *on_turn;
    void *owner;
    struct smtp_connection *connection;
    bool is_waiting;
    bool is_counted; /* as an open connection: it has a lease */
    bool has_left;
};

struct smtp_guest *smtp_guest_new(struct smtp_pool *pool, uint32_t profile, uint64_t server,
                                  smtp_guest_turn_cb *on_turn, void *owner)
{
    struct smtp_account *account = smtp_pool_get_account(pool, profile, server);
    struct smtp_guest *guest = account != NULL ? calloc(1, sizeof(*guest)) : NULL;

    if (guest == NULL)
        return NULL;
    *guest = (struct smtp_guest){
        .account = account, .on_turn = on_turn, .owner = owner, .is_waiting = true
    };
    TAILQ_INSERT_TAIL(&account->guests, guest, link);
    account->guests_waiting++;
    account->users++;
    smtp_pool_mark_changed(account);
    if (smtp_account_spare(account) > 0)
        loop_timer_set_ms(pool->wake, 0);
    return guest;
}

unsigned smtp_guest_limit(const struct smtp_guest *guest)
{
    return guest->account->limit;
}

/* ---- its turn ---- */

static void let_in(struct smtp_guest *guest, bool is_counted)
{
    struct smtp_account *account = guest->account;

    TAILQ_REMOVE(&account->guests, guest, link);
    TAILQ_INSERT_TAIL(&account->pool->guests, guest, link);
    account->guests_waiting--;
    guest->is_waiting = false;
    guest->is_counted = is_counted;
    account->open += is_counted;
    account->pool->open += is_counted;
    smtp_pool_mark_changed(account);
    guest->on_turn(guest->owner); /* last: it may leave */
}

void smtp_account_serve_guest(struct smtp_account *account)
{
    let_in(TAILQ_FIRST(&account->guests), true);
}

/* Those who come while they are being let in ask for themselves. */
void smtp_account_free_guests(struct smtp_account *account)
{
    unsigned count = account->guests_waiting;

    while (count-- > 0 && !TAILQ_EMPTY(&account->guests))
        let_in(TAILQ_FIRST(&account->guests), false);
}

/* ---- its connection ---- */

static void guest_free(struct smtp_guest *guest)
{
    struct smtp_account *account = guest->account;

    if (guest->is_waiting) {
        TAILQ_REMOVE(&account->guests, guest, link);
        account->guests_waiting--;
    } else {
        TAILQ_REMOVE(&account->pool->guests, guest, link);
    }
    account->users--;
    account->open -= guest->is_counted;
    account->pool->open -= guest->is_counted;
    smtp_pool_mark_changed(account);
    if (guest->is_counted && smtp_account_waits(account))
        loop_timer_set_ms(account->pool->wake, 0);
    free(guest);
}

static void on_gone(struct smtp_connection *connection, void *arg)
{
    struct smtp_guest *guest = arg;

    (void)connection;
    guest->connection = NULL;
    if (guest->has_left)
        guest_free(guest);
}

void smtp_guest_dial(struct smtp_guest *guest, struct smtp_dial *dial)
{
    dial->on_gone = on_gone;
    dial->on_gone_arg = guest;
}

void smtp_guest_opened(struct smtp_guest *guest, struct smtp_connection *connection)
{
    guest->connection = connection;
}

void smtp_guest_leave(struct smtp_guest **guest)
{
    struct smtp_guest *g = *guest;

    *guest = NULL;
    if (g == NULL)
        return;
    if (g->connection == NULL)
        guest_free(g);
    else
        g->has_left = true;
}

void smtp_pool_cut_guests(struct smtp_pool *pool)
{
    struct smtp_guest *guest;

    while ((guest = TAILQ_FIRST(&pool->guests)) != NULL)
        smtp_connection_free(&guest->connection); /* on_gone frees the guest */
}
