/* master/budget_private.h: what the budget's files share: budget.c (leases: who has some, who
 * waits, what a server bears), budget_accounts.c (which accounts there are), budget_life.c (how
 * long connections live), pool_shown.c (for people). */
#ifndef MASTER_BUDGET_PRIVATE_H
#define MASTER_BUDGET_PRIVATE_H

#include <sys/queue.h>

#include "common/id.h"
#include "master/budget.h"
#include "master/hash_index.h"
#include "master/life.h"

struct share { /* a worker's */
    unsigned leases, wanted;
    unsigned patient; /* of those wanted: also where it has none */
    unsigned idle, open;
    unsigned told_idle; /* without those that were promised to jobs since */
    unsigned reclaimed; /* asked back and not come yet */
    int64_t wanted_ms;  /* since when */
    struct ipc_pool_counts counts;
};

struct account {
    struct hash_node node;
    LIST_ENTRY(account) link;
    uint64_t server;
    uint32_t profile;
    bool is_listed;        /* the profile has it */
    bool is_marked;        /* while its list is looked through */
    unsigned limit;        /* as configured, 0: none */
    unsigned learnt;       /* 0: none */
    int64_t learnt_ms;     /* when it was lowered last */
    bool is_news;          /* and nobody told yet */
    struct life life;      /* of connections */
    struct life_span told; /* what workers were told to stay within */
    unsigned out;
    unsigned turn; /* the slot that is served first when one comes free */
    unsigned wanted, patient;
    struct ipc_pool_counts past; /* of processes that have ended */
    struct share *shares;        /* by slot */
    char text[];                 /* the server's URI */
};

struct budget {
    struct loop *loop;
    struct workers *workers;
    int64_t raise_ms;
    struct hash_index index;
    LIST_HEAD(, account) accounts;
};

/* ---- budget.c ---- */

/* How many may be out now, 0: no limit. What was learnt has risen meanwhile. */
unsigned budget_limit(const struct budget *budget, const struct account *account);
/* More are out than may be, or patient wants wait: so many come back. */
void budget_call_back(const struct budget *budget, struct account *account);
void budget_add_counts(struct ipc_pool_counts *sum, const struct ipc_pool_counts *counts);
/* Those that wait get what is free. */
void budget_serve_wants(struct budget *budget, struct account *account);

/* ---- budget_life.c ---- */

/* What workers should know now, told if they do not. One that starts hears it when it is ready. */
void budget_tell_life(const struct budget *budget, struct account *account);

/* ---- budget_accounts.c ---- */

/* What nobody has a lease of and no profile a server at is not needed any more. */
void budget_look_whether_needed(struct budget *budget, struct account *account);

#endif
