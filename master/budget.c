/* master/budget.c: leases: who has some, who waits for one, and what a server bears. */
#include "master/budget_private.h"

#include <errno.h>

#include "common/channel.h"
#include "common/log.h"
#include "common/loop.h"
#include "master/worker.h"

/* A worker has no more deliveries, and tests of connections, that could want one. */
#define WANT_MAX   (IPC_JOBS_PER_WORKER + IPC_PROBES_MAX)
#define PATIENT_MS 1000 /* so long a want waits before idle connections are ended */

uint64_t budget_server(const struct account *account)
{
    return account->server;
}

/* ---- the limit ---- */

unsigned budget_limit(const struct budget *budget, const struct account *account)
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
    unsigned limit = budget_limit(budget, account);

    return limit == 0 || account->out < limit;
}

/* The connections that were not refused are what the server bears. */
static void learn(struct budget *budget, struct account *account, unsigned open)
{
    unsigned limit = budget_limit(budget, account), learnt = open > 0 ? open : 1;

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

/* Idle ones come first, from whoever has them. */
void budget_call_back(const struct budget *budget, struct account *account)
{
    unsigned limit = budget_limit(budget, account), surplus = account->patient;

    if (limit != 0 && account->out > limit)
        surplus += account->out - limit;
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

static void answer(const struct budget *budget, const struct account *account,
                   const struct worker *worker, unsigned granted, unsigned refused)
{
    const struct ipc_lease lease = { .server = account->server,
                                     .profile = account->profile,
                                     .granted = granted,
                                     .refused = refused,
                                     .others = budget_others(account, worker->slot),
                                     .limit = budget_limit(budget, account) };

    channel_send(worker->channel, IPC_LEASE, &lease);
}

/* Whose turn it is among those that wait, at first the patient ones; NULL: nobody's. */
static const struct worker *next_waiting(const struct budget *budget, const struct account *account)
{
    for (unsigned i = 0; i < ID_SLOTS && account->wanted > 0; i++) {
        unsigned slot = (account->turn + i) % ID_SLOTS;
        const struct worker *worker = budget->workers->slots[slot];
        const struct share *share = &account->shares[slot];

        if ((account->patient > 0 ? share->patient : share->wanted) > 0 && worker != NULL &&
            worker->channel != NULL)
            return worker;
    }
    return NULL;
}

/* One each, in turn, while there is room. */
void budget_serve_wants(struct budget *budget, struct account *account)
{
    const struct worker *worker;

    while (budget_has_room(budget, account) && (worker = next_waiting(budget, account)) != NULL) {
        struct share *share = &account->shares[worker->slot];

        if (share->patient > 0) {
            share->patient--;
            account->patient--;
        }
        share->wanted--;
        account->wanted--;
        share->wanted_ms = loop_now_ms(budget->loop);
        give(account, share, 1);
        answer(budget, account, worker, 1, 0);
        account->turn = (worker->slot + 1U) % ID_SLOTS;
    }
}

/* ---- what workers say ---- */

/* The present version has no such server: no delivery goes there, and nobody counts who asks how it
 * is. */
static void answer_unlisted(const struct worker *worker, const struct ipc_lease_want *want)
{
    const struct ipc_lease lease = { .server = want->server,
                                     .profile = want->profile,
                                     .refused = want->is_patient != 0 ? 0 : want->count,
                                     .unneeded = want->is_patient != 0 ? want->count : 0 };

    channel_send(worker->channel, IPC_LEASE, &lease);
}

static void wait_for_more(const struct budget *budget, struct account *account, struct share *share,
                          unsigned count, bool is_patient)
{
    if (share->wanted == 0)
        share->wanted_ms = loop_now_ms(budget->loop);
    share->wanted += count;
    account->wanted += count;
    if (!is_patient)
        return;
    share->patient += count;
    account->patient += count;
    budget_call_back(budget, account);
}

/* Returns how many were still waited for. */
static unsigned withdraw(struct account *account, struct share *share, unsigned count,
                         bool is_patient)
{
    unsigned there = is_patient ? share->patient : share->wanted - share->patient;

    count = count < there ? count : there;
    share->wanted -= count;
    account->wanted -= count;
    if (is_patient) {
        share->patient -= count;
        account->patient -= count;
    }
    return count;
}

int budget_want(struct budget *budget, struct worker *worker, const struct ipc_lease_want *want)
{
    struct account *account = budget_account(budget, want->profile, want->server);
    struct share *share;
    unsigned granted = 0;

    if (want->count == 0 || want->count > WANT_MAX)
        return -EBADMSG;
    if (account == NULL || !account->is_listed) {
        answer_unlisted(worker, want);
        return 0;
    }
    share = &account->shares[worker->slot];
    if (share->wanted + want->count > WANT_MAX)
        return -EBADMSG;
    while (granted < want->count && account->wanted == 0 &&
           budget_take(budget, account, worker->slot))
        granted++;
    if (share->leases == 0 && want->is_patient == 0) {
        answer(budget, account, worker, 0, want->count);
        return 0;
    }
    if (granted > 0 || want->is_patient != 0)
        answer(budget, account, worker, granted, 0);
    wait_for_more(budget, account, share, want->count - granted, want->is_patient != 0);
    return 0;
}

/* Always answered: until then the worker counts what it takes back as asked for. */
int budget_unwant(struct budget *budget, struct worker *worker,
                  const struct ipc_lease_unwant *unwant)
{
    struct account *account = budget_account(budget, unwant->profile, unwant->server);
    struct ipc_lease_unwant answer = *unwant;

    if (unwant->count == 0 || unwant->count > WANT_MAX)
        return -EBADMSG;
    answer.count = account == NULL ? 0
                                   : withdraw(account, &account->shares[worker->slot],
                                              unwant->count, unwant->is_patient != 0);
    channel_send(worker->channel, IPC_LEASE_UNWANTED, &answer);
    return 0;
}

/* What it waits for, and may wait long for: those who have some keep them while they have work. */
static void refuse_without(const struct budget *budget, struct account *account,
                           const struct worker *worker)
{
    struct share *share = &account->shares[worker->slot];

    if (share->leases == 0 && share->wanted > share->patient)
        answer(budget, account, worker, 0, withdraw(account, share, WANT_MAX, false));
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
    budget_serve_wants(budget, account);
    refuse_without(budget, account, worker);
    budget_look_whether_needed(budget, account);
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
    share->counts = connections->counts;
    return change;
}

/* ---- the end of a worker ---- */

void budget_add_counts(struct ipc_pool_counts *sum, const struct ipc_pool_counts *counts)
{
#define X(name, meaning) sum->name += counts->name;
    IPC_POOL_COUNTS(X)
#undef X
}

void budget_worker_lost(struct budget *budget, unsigned slot)
{
    struct account *account, *next;

    for (account = LIST_FIRST(&budget->accounts); account != NULL; account = next) {
        struct share *share = &account->shares[slot];

        next = LIST_NEXT(account, link);
        account->out -= share->leases;
        account->wanted -= share->wanted;
        account->patient -= share->patient;
        budget_add_counts(&account->past, &share->counts);
        *share = (struct share){ 0 };
        budget_serve_wants(budget, account);
        budget_look_whether_needed(budget, account);
    }
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

/* What was called back is in a long transaction, perhaps: of those who have most, one more, idle or
 * not. */
static void call_back_another(const struct budget *budget, struct account *account)
{
    unsigned best = 0, most = 0;

    for (unsigned slot = 0; slot < ID_SLOTS; slot++) {
        const struct share *share = &account->shares[slot];

        if (share->leases > share->reclaimed && share->leases - share->reclaimed > most) {
            most = share->leases - share->reclaimed;
            best = slot;
        }
    }
    if (most > 0)
        reclaim(budget, account, best, 1);
}

/* One idle connection, rather of somebody who does not wait himself. What others have wanted may be
 * wanted no more: their deliveries got connections from each other. */
void budget_want_idle(struct budget *budget, struct account *account)
{
    unsigned best = ID_SLOTS;

    for (unsigned slot = 0; slot < ID_SLOTS; slot++) {
        const struct share *share = &account->shares[slot];

        if (share->idle > share->reclaimed &&
            (best == ID_SLOTS || (share->wanted == 0 && account->shares[best].wanted > 0)))
            best = slot;
    }
    if (best < ID_SLOTS)
        reclaim(budget, account, best, 1);
}

void budget_tend(struct budget *budget)
{
    int64_t now_ms = loop_now_ms(budget->loop);
    struct account *account;

    LIST_FOREACH(account, &budget->accounts, link)
    {
        if (account->is_news)
            tell_learnt(account);
        budget_tell_life(budget, account);
        if (account->wanted == 0)
            continue;
        budget_serve_wants(budget, account);
        if (account->wanted == 0 || !has_waited(account, now_ms))
            continue;
        if (account->patient > 0)
            call_back_another(budget, account);
        else
            budget_want_idle(budget, account);
    }
}
