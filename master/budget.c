#include "master/budget.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "common/channel.h"
#include "common/id.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/profile.h"
#include "master/hash_index.h"
#include "master/worker.h"

#define WANT_MAX   IPC_JOBS_PER_WORKER /* a worker has no more deliveries that could want one */
#define PATIENT_MS 1000                /* so long a want waits before idle connections are ended */

struct share { /* a worker's */
    unsigned leases, wanted;
    unsigned idle, open;
    unsigned told_idle; /* without those that were promised to jobs since */
    unsigned reclaimed; /* asked back and not come yet */
    int64_t wanted_ms;  /* since when */
};

struct account {
    struct hash_node node;
    LIST_ENTRY(account) link;
    uint64_t server;
    uint32_t profile;
    bool is_listed;    /* the profile has it */
    bool is_marked;    /* while its list is looked through */
    unsigned limit;    /* as configured, 0: none */
    unsigned learnt;   /* 0: none */
    int64_t learnt_ms; /* when it was lowered last */
    bool is_news;      /* and nobody told yet */
    unsigned out;
    unsigned turn; /* the slot that is served first when one comes free */
    unsigned wanted;
    struct share *shares; /* by slot */
    char text[];          /* the server's URI */
};

struct budget {
    struct loop *loop;
    struct workers *workers;
    int64_t raise_ms;
    struct hash_index index;
    LIST_HEAD(, account) accounts;
};

struct budget *budget_new(struct loop *loop, struct workers *workers)
{
    struct budget *budget = calloc(1, sizeof(*budget));

    if (budget != NULL)
        *budget = (struct budget){ .loop = loop, .workers = workers, .raise_ms = 60000 };
    return budget;
}

void budget_set_raise_ms(struct budget *budget, int64_t raise_ms)
{
    budget->raise_ms = raise_ms;
}

static void forget(struct budget *budget, struct account *account)
{
    LIST_REMOVE(account, link);
    hash_index_remove(&budget->index, &account->node);
    free(account->shares);
    free(account);
}

void budget_free(struct budget **budget)
{
    if (*budget == NULL)
        return;
    while (!LIST_EMPTY(&(*budget)->accounts))
        forget(*budget, LIST_FIRST(&(*budget)->accounts));
    hash_index_done(&(*budget)->index);
    free(*budget);
    *budget = NULL;
}

/* ---- accounts ---- */

struct account *budget_account(const struct budget *budget, uint32_t profile, uint64_t server)
{
    struct hash_node *node = hash_index_first(&budget->index, hash_mix(profile, server));

    for (; node != NULL; node = hash_index_next(node)) {
        struct account *account = (struct account *)node;

        if (account->profile == profile && account->server == server)
            return account;
    }
    return NULL;
}

static struct account *add_account(struct budget *budget, uint32_t profile, const char *uri)
{
    uint64_t server = server_uri_identity(uri);
    size_t bytes = strlen(uri) + 1;
    struct account *account = calloc(1, sizeof(*account) + bytes);

    if (account == NULL)
        return NULL;
    account->profile = profile;
    account->server = server;
    memcpy(account->text, uri, bytes);
    account->shares = calloc(ID_SLOTS, sizeof(*account->shares));
    if (account->shares == NULL ||
        hash_index_insert(&budget->index, &account->node, hash_mix(profile, server)) != 0) {
        free(account->shares);
        free(account);
        return NULL;
    }
    LIST_INSERT_HEAD(&budget->accounts, account, link);
    return account;
}

/* What nobody has a lease of and no profile a server at is not needed any more. */
static void look_whether_needed(struct budget *budget, struct account *account)
{
    if (!account->is_listed && account->out == 0)
        forget(budget, account);
}

uint64_t budget_server(const struct account *account)
{
    return account->server;
}

/* ---- the limit ---- */

/* 0: none. What was learnt rises by one for each interval that has passed. */
static unsigned limit_of(const struct budget *budget, const struct account *account)
{
    int64_t passed_ms = loop_now_ms(budget->loop) - account->learnt_ms;
    uint64_t learnt = account->learnt;

    if (learnt == 0)
        return account->limit;
    learnt += (uint64_t)(passed_ms / budget->raise_ms);
    return account->limit == 0 || learnt < account->limit ? (unsigned)learnt : account->limit;
}

bool budget_has_room(const struct budget *budget, const struct account *account)
{
    unsigned limit = limit_of(budget, account);

    return limit == 0 || account->out < limit;
}

/* The connections that were not refused are what the server bears. */
static void learn(struct budget *budget, struct account *account, unsigned open)
{
    unsigned limit = limit_of(budget, account), learnt = open > 0 ? open : 1;

    account->learnt_ms = loop_now_ms(budget->loop);
    account->learnt = limit == 0 || learnt < limit ? learnt : limit;
    account->is_news = true;
}

static void tell_learnt(struct account *account)
{
    account->is_news = false;
    log_warning("budget", "a server takes fewer connections than configured",
                LOG_INT("profile", account->profile), LOG_STR("server", account->text),
                LOG_INT("max_connections", account->limit), LOG_INT("learnt", account->learnt));
}

/* ---- leases ---- */

static void give(struct account *account, struct share *share, unsigned count)
{
    share->leases += count;
    account->out += count;
}

static void reclaim(const struct budget *budget, struct account *account, unsigned slot,
                    unsigned count)
{
    const struct worker *worker = budget->workers->slots[slot];
    const struct ipc_reclaim order = { .server = account->server,
                                       .profile = account->profile,
                                       .count = count };

    if (count == 0 || worker == NULL || worker->channel == NULL)
        return;
    account->shares[slot].reclaimed += count;
    channel_send(worker->channel, IPC_RECLAIM, &order);
}

/* More are out than may be: idle ones first come from whoever has them. */
static void call_back_surplus(const struct budget *budget, struct account *account)
{
    unsigned limit = limit_of(budget, account), surplus;

    if (limit == 0 || account->out <= limit)
        return;
    surplus = account->out - limit;
    for (unsigned slot = 0; slot < ID_SLOTS; slot++) {
        unsigned called = account->shares[slot].reclaimed;

        surplus -= called < surplus ? called : surplus;
    }
    for (int idle_only = 1; idle_only >= 0; idle_only--) {
        for (unsigned slot = 0; slot < ID_SLOTS && surplus > 0; slot++) {
            const struct share *share = &account->shares[slot];
            unsigned has = idle_only ? share->idle : share->leases, count;

            has = has > share->reclaimed ? has - share->reclaimed : 0;
            count = has < surplus ? has : surplus;
            reclaim(budget, account, slot, count);
            surplus -= count;
        }
    }
}

bool budget_take(struct budget *budget, struct account *account, unsigned slot)
{
    if (!budget_has_room(budget, account))
        return false;
    give(account, &account->shares[slot], 1);
    return true;
}

unsigned budget_others(const struct account *account, unsigned slot)
{
    return account->out - account->shares[slot].leases;
}

unsigned budget_leases(const struct account *account, unsigned slot)
{
    return account->shares[slot].leases;
}

unsigned budget_idle(const struct account *account, unsigned slot)
{
    return account->shares[slot].idle;
}

void budget_use_idle(struct account *account, unsigned slot)
{
    if (account->shares[slot].idle > 0)
        account->shares[slot].idle--;
}

static void answer(const struct account *account, const struct worker *worker, unsigned granted,
                   unsigned refused)
{
    const struct ipc_lease lease = { .server = account->server,
                                     .profile = account->profile,
                                     .granted = granted,
                                     .refused = refused,
                                     .others = budget_others(account, worker->slot) };

    channel_send(worker->channel, IPC_LEASE, &lease);
}

/* Whose turn it is among those that wait, NULL: nobody's. */
static const struct worker *next_waiting(const struct budget *budget, const struct account *account)
{
    for (unsigned i = 0; i < ID_SLOTS && account->wanted > 0; i++) {
        unsigned slot = (account->turn + i) % ID_SLOTS;
        const struct worker *worker = budget->workers->slots[slot];

        if (account->shares[slot].wanted > 0 && worker != NULL && worker->channel != NULL)
            return worker;
    }
    return NULL;
}

/* One for each that waits, in turn, while there is room. */
static void serve_wants(struct budget *budget, struct account *account)
{
    const struct worker *worker;

    while (budget_has_room(budget, account) && (worker = next_waiting(budget, account)) != NULL) {
        struct share *share = &account->shares[worker->slot];

        share->wanted--;
        account->wanted--;
        share->wanted_ms = loop_now_ms(budget->loop);
        give(account, share, 1);
        answer(account, worker, 1, 0);
        account->turn = (worker->slot + 1U) % ID_SLOTS;
    }
}

/* ---- what workers say ---- */

static void refuse_unknown(const struct worker *worker, const struct ipc_lease_want *want)
{
    const struct ipc_lease lease = { .server = want->server,
                                     .profile = want->profile,
                                     .refused = want->count };

    channel_send(worker->channel, IPC_LEASE, &lease);
}

int budget_want(struct budget *budget, struct worker *worker, const struct ipc_lease_want *want)
{
    struct account *account = budget_account(budget, want->profile, want->server);
    struct share *share;
    unsigned granted = 0;

    if (want->count == 0 || want->count > WANT_MAX)
        return -EBADMSG;
    if (account == NULL || !account->is_listed) { /* the present version has no such server */
        refuse_unknown(worker, want);
        return 0;
    }
    share = &account->shares[worker->slot];
    if (share->wanted + want->count > WANT_MAX)
        return -EBADMSG;
    while (granted < want->count && account->wanted == 0 &&
           budget_take(budget, account, worker->slot))
        granted++;
    if (share->leases == 0) {
        answer(account, worker, 0, want->count);
        return 0;
    }
    if (granted > 0)
        answer(account, worker, granted, 0);
    if (share->wanted == 0)
        share->wanted_ms = loop_now_ms(budget->loop);
    share->wanted += want->count - granted;
    account->wanted += want->count - granted;
    return 0;
}

int budget_back(struct budget *budget, struct worker *worker, const struct ipc_lease_back *back)
{
    struct account *account = budget_account(budget, back->profile, back->server);
    struct share *share;
    unsigned refused;

    if (account == NULL)
        return -EBADMSG;
    share = &account->shares[worker->slot];
    if (back->count > share->leases)
        return -EBADMSG;
    share->leases -= back->count;
    share->reclaimed -= share->reclaimed < back->count ? share->reclaimed : back->count;
    account->out -= back->count;
    if (back->too_many > 0) {
        refused = back->too_many > back->count ? back->too_many - back->count : 0;
        learn(budget, account, account->out > refused ? account->out - refused : 0);
    }
    serve_wants(budget, account);
    look_whether_needed(budget, account);
    return 0;
}

int budget_connections(struct budget *budget, const struct worker *worker,
                       const struct ipc_connections *connections)
{
    struct account *account = budget_account(budget, connections->profile, connections->server);
    struct share *share;
    int change;

    if (account == NULL)
        return 0;
    share = &account->shares[worker->slot];
    change = (int)connections->idle - (int)share->told_idle;
    share->idle = share->told_idle = connections->idle;
    share->open = connections->open;
    return change;
}

void budget_worker_lost(struct budget *budget, unsigned slot)
{
    struct account *account, *next;

    for (account = LIST_FIRST(&budget->accounts); account != NULL; account = next) {
        struct share *share = &account->shares[slot];

        next = LIST_NEXT(account, link);
        account->out -= share->leases;
        account->wanted -= share->wanted;
        *share = (struct share){ 0 };
        serve_wants(budget, account);
        look_whether_needed(budget, account);
    }
}

/* ---- profiles ---- */

static void mark(const struct budget *budget, uint32_t profile)
{
    struct account *account;

    LIST_FOREACH(account, &budget->accounts, link)
    {
        if (account->profile == profile)
            account->is_marked = true;
    }
}

/* Servers that were not seen since the marks were set are the profile's no more. */
static void sweep(struct budget *budget, uint32_t profile)
{
    struct account *account, *next;

    for (account = LIST_FIRST(&budget->accounts); account != NULL; account = next) {
        next = LIST_NEXT(account, link);
        if (account->profile != profile || !account->is_marked)
            continue;
        account->is_marked = account->is_listed = false;
        look_whether_needed(budget, account);
    }
}

int budget_set_profile(struct budget *budget, const struct profile *profile)
{
    struct account *accounts[PROFILE_MAX_SERVERS];

    for (size_t i = 0; i < profile->server_count; i++) {
        const char *uri = profile->servers[i].text;

        accounts[i] = budget_account(budget, profile->id, server_uri_identity(uri));
        if (accounts[i] == NULL)
            accounts[i] = add_account(budget, profile->id, uri);
        if (accounts[i] == NULL) {
            while (i-- > 0)
                look_whether_needed(budget, accounts[i]);
            return -ENOMEM;
        }
    }
    mark(budget, profile->id);
    for (size_t i = 0; i < profile->server_count; i++) {
        accounts[i]->is_listed = true;
        accounts[i]->is_marked = false;
        accounts[i]->limit = profile->max_connections;
        call_back_surplus(budget, accounts[i]);
        serve_wants(budget, accounts[i]);
    }
    sweep(budget, profile->id);
    return 0;
}

void budget_drop_profile(struct budget *budget, uint32_t profile)
{
    mark(budget, profile);
    sweep(budget, profile);
}

/* ---- patience ---- */

static bool has_waited(const struct account *account, int64_t now_ms)
{
    for (unsigned slot = 0; slot < ID_SLOTS; slot++) {
        if (account->shares[slot].wanted > 0 &&
            now_ms - account->shares[slot].wanted_ms >= PATIENT_MS)
            return true;
    }
    return false;
}

/* One idle connection of somebody who does not wait himself. */
static void take_from_idle(const struct budget *budget, struct account *account)
{
    for (unsigned slot = 0; slot < ID_SLOTS; slot++) {
        const struct share *share = &account->shares[slot];

        if (share->wanted == 0 && share->idle > share->reclaimed) {
            reclaim(budget, account, slot, 1);
            return;
        }
    }
}

void budget_tend(struct budget *budget)
{
    int64_t now_ms = loop_now_ms(budget->loop);
    struct account *account;

    LIST_FOREACH(account, &budget->accounts, link)
    {
        if (account->is_news)
            tell_learnt(account);
        if (account->wanted == 0)
            continue;
        serve_wants(budget, account);
        if (account->wanted > 0 && has_waited(account, now_ms))
            take_from_idle(budget, account);
    }
}
