/* worker/smtp/pool_private.h: what the pool's files share: pool.c (shelves, idle connections),
 * pool_turns.c (opening connections, and who waits for one), pool_guests.c (connections that others
 * open), pool_leases.c (how many may be open, and what the master hears), pool_slots.c (how many
 * may be idle).
 *
 * A shelf stands for one profile version, its entries for the version's servers. A connection is
 * idle on its entry or lent to somebody; both are counted in `open` until the peer's end of it was
 * seen. A shelf holds its version, so that the version's address stays its name, and goes when the
 * version is retired and the last connection closed. Entries of several versions for the same
 * server share its account, to which leases belong. */
#ifndef WORKER_SMTP_POOL_PRIVATE_H
#define WORKER_SMTP_POOL_PRIVATE_H

#include <stdint.h>

#include "common/ipc.h"
#include "worker/smtp/pool.h"

#define SMTP_POOL_TOLERATED_MS 80

struct loop_timer;

struct smtp_pooled {
    LIST_ENTRY(smtp_pooled) link;
    TAILQ_ENTRY(smtp_pooled) idle;
    struct smtp_pool_entry *entry;
    struct smtp_connection *connection;
    struct smtp_ticket *ticket; /* for whom it is being opened, NULL: it has been */
    struct loop_timer *expiry;  /* SP44 */
    int64_t opened_ms, idle_since_ms;
    uint64_t idle_order;
    bool is_idle;
    bool is_tolerated; /* idle without a slot, until the master has answered */
    bool is_leaving;   /* has said QUIT */
};

struct smtp_account { /* a server of a profile, whatever the version: until that is deleted */
    LIST_ENTRY(smtp_account) link;
    struct smtp_pool *pool;
    uint32_t profile;
    uint64_t server;
    unsigned users;    /* entries */
    unsigned leases;   /* given by the master; each open connection has one of them */
    unsigned asked;    /* for more, and not answered yet */
    unsigned owed;     /* called back by the master */
    unsigned too_many; /* times that the server said so, not told yet */
    unsigned others;   /* leases that other workers had when the last were given */
    unsigned open, leaving, idle_count, waiting;
    TAILQ_HEAD(, smtp_ticket) line;  /* who waits, of all versions */
    TAILQ_HEAD(, smtp_guest) guests; /* who waits, and comes first */
    unsigned guests_waiting, asked_for_guests;
    bool is_unwanting, is_unwanting_for_guests; /* some of those asked for, not answered yet */
    unsigned limit;                             /* as the master said last, 0: none */
    unsigned told_open, told_idle;              /* what the master knows */
    bool is_deleted;                            /* the profile: it goes with its last connection */
    struct ipc_server_bears bears;              /* what connections should stay within */
    struct ipc_pool_counts counts;
    bool is_counted; /* something has been, since the master was told */
    bool is_changed;
};

struct smtp_slots { /* a profile's, whatever the version */
    LIST_ENTRY(smtp_slots) link;
    struct smtp_pool *pool;
    uint32_t profile;
    unsigned users;                 /* shelves */
    unsigned held, idle, tolerated; /* the tolerated ones are idle, too */
    unsigned asked;                 /* for more, and not answered yet */
    unsigned taken, taken_by_force; /* asked for by the master, and not answered yet */
    bool is_changed;
};

struct smtp_pool_entry { /* one server */
    struct smtp_pool_shelf *shelf;
    struct smtp_account *account;
    unsigned server;
    TAILQ_HEAD(smtp_pool_idle_list, smtp_pooled) idle; /* the last one given back first */
};

struct smtp_pool_shelf { /* one profile version */
    LIST_ENTRY(smtp_pool_shelf) link;
    struct smtp_pool *pool;
    struct worker_profile *profile;
    struct smtp_slots *slots;
    unsigned open, waiting;
    unsigned server_count;
    struct smtp_pool_entry entries[];
};

struct smtp_pool {
    struct loop *loop;
    struct channel *channel;
    const struct tls_keeper *keeper;
    struct tokens *tokens;
    struct loop_timer *wake;              /* somebody waits, and there is room now */
    struct loop_timer *unwant;            /* more was asked for than is waited for */
    LIST_HEAD(, smtp_pool_shelf) shelves; /* the one used last first */
    LIST_HEAD(, smtp_account) accounts;
    LIST_HEAD(, smtp_slots) slots;
    LIST_HEAD(, smtp_pooled) connections;
    TAILQ_HEAD(, smtp_guest) guests; /* whose turn has come */
    TAILQ_HEAD(, smtp_ticket) hired;
    unsigned open;
    uint64_t idle_order;
    int64_t tolerated_ms; /* that a connection stays idle while a slot is asked for */
    bool is_changed;
};

static inline void smtp_pool_mark_changed(struct smtp_account *account)
{
    account->is_changed = account->pool->is_changed = true;
}

static inline void smtp_pool_count(struct smtp_account *account, uint32_t *counter)
{
    (*counter)++; /* NOLINT(clang-analyzer-core.NullDereference): nor a count without an account */
    account->is_counted = true;
    smtp_pool_mark_changed(account);
}

/* ---- pool.c ---- */

/* The version's shelf, made if there is none. NULL: no memory. */
struct smtp_pool_shelf *smtp_pool_get_shelf(struct smtp_pool *pool, struct worker_profile *profile);
/* It is not idle any more. One that was not is allowed. */
void smtp_pool_leave_idle(struct smtp_pooled *pooled);
/* Says QUIT, for a reason of which `counter` is the account's number; counted as open until the
 * server has ended it. */
void smtp_pool_dismiss(struct smtp_pooled *pooled, uint32_t *counter);
/* The idle connection to this server that nobody has used for longest, of any version; NULL: none.
 */
struct smtp_pooled *smtp_pool_oldest_idle(const struct smtp_account *account);

/* How long it may live on, in ms; 0 or less: its time is over. */
int64_t smtp_pool_life_ms(const struct smtp_pooled *pooled);
/* It has been idle for as long as it may: its timer's callback. */
void smtp_pool_on_expiry(void *arg);

/* ---- pool_turns.c ---- */

/* A wish is over: it waits no more, and no connection is opened for it. */
void smtp_pool_detach(struct smtp_ticket *ticket);
/* Somebody waits, and there is room now: the timer's callback, with the pool. */
void smtp_pool_on_wake(void *arg);
/* Nobody who waits at this server will get a connection here. */
void smtp_pool_refuse_line(struct smtp_account *account);

/* ---- pool_guests.c ---- */

/* The first that waits may open a connection now, with one of the spare leases. */
void smtp_account_serve_guest(struct smtp_account *account);
/* All that wait may, as none is needed. */
void smtp_account_free_guests(struct smtp_account *account);
/* Those that have left, and whose connections are not closed yet. */
void smtp_pool_cut_guests(struct smtp_pool *pool);

/* ---- pool_leases.c ---- */

/* The account, made if there is none. NULL: no memory. */
struct smtp_account *smtp_pool_get_account(struct smtp_pool *pool, uint32_t profile,
                                           uint64_t server);
/* NULL: nobody has asked for a connection to it, or had a lease. */
struct smtp_account *smtp_pool_account(const struct smtp_pool *pool, uint32_t profile,
                                       uint64_t server);
/* The server has ended one that was idle: the master learns from it. */
void smtp_pool_tell_ended(const struct smtp_pooled *pooled);
/* Leases in hand that no connection has. */
unsigned smtp_account_spare(const struct smtp_account *account);
/* Somebody waits for a lease. */
bool smtp_account_waits(const struct smtp_account *account);
/* The master wants more leases back than are on their way. */
bool smtp_account_is_called(const struct smtp_account *account);
/* The profile was deleted. */
void smtp_pool_forget_accounts(struct smtp_pool *pool, uint32_t profile);
/* The end of a turn: what changed is told, what is lacking asked for, what is left given back. */
void smtp_pool_on_unwant(void *arg);
void smtp_pool_settle_accounts(struct smtp_pool *pool);

/* ---- pool_slots.c ---- */

/* The profile's, made if there are none. NULL: no memory. */
struct smtp_slots *smtp_pool_get_slots(struct smtp_pool *pool, uint32_t profile);
/* It has become idle, or is idle no more: its expiry is set, or another's. */
void smtp_slots_enter(struct smtp_pooled *pooled);
void smtp_slots_leave(struct smtp_pooled *pooled);
/* The end of a turn: what the master wants is given, what is lacking asked for. */
void smtp_pool_settle_slots(struct smtp_pool *pool);

#endif
