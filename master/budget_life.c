/* master/budget_life.c: how long servers let connections live, as workers are told (SP48). */
#include "common/channel.h"
#include "common/log.h"
#include "common/loop.h"
#include "master/budget_private.h"
#include "master/worker.h"

static bool is_known(const struct life_span *span)
{
    return span->idle_ms != 0 || span->age_ms != 0 || span->messages != 0;
}

static void tell_bears(const struct account *account, const struct worker *worker)
{
    const struct ipc_server_bears bears = { .server = account->server,
                                            .profile = account->profile,
                                            .idle_ms = account->told.idle_ms,
                                            .age_ms = account->told.age_ms,
                                            .messages = account->told.messages };

    channel_send(worker->channel, IPC_SERVER_BEARS, &bears);
}

void budget_tell_life(const struct budget *budget, struct account *account)
{
    struct life_span now;

    if (!is_known(&account->life.learnt))
        return;
    now = life_using(&account->life, loop_now_ms(budget->loop), budget->raise_ms);
    if (now.idle_ms == account->told.idle_ms && now.age_ms == account->told.age_ms &&
        now.messages == account->told.messages)
        return;
    account->told = now;
    for (unsigned slot = 0; slot < ID_SLOTS; slot++) {
        const struct worker *worker = budget->workers->slots[slot];

        if (worker != NULL && worker->channel != NULL && worker->state != WORKER_STARTING)
            tell_bears(account, worker);
    }
}

void budget_ended(struct budget *budget, const struct ipc_server_ended *ended)
{
    struct account *account = budget_account(budget, ended->profile, ended->server);
    const struct life_span end = { ended->idle_ms, ended->age_ms, ended->messages };
    bool was_known;

    if (account == NULL)
        return;
    was_known = is_known(&account->life.learnt);
    if (!life_ended(&account->life, &end, loop_now_ms(budget->loop)))
        return;
    budget_tell_life(budget, account);
    if (!was_known)
        log_info("budget", "how long a server lets connections live is known now",
                 LOG_INT("profile", account->profile), LOG_STR("server", account->text),
                 LOG_INT("idle_ms", account->life.learnt.idle_ms),
                 LOG_INT("age_ms", account->life.learnt.age_ms),
                 LOG_INT("messages", account->life.learnt.messages));
}

void budget_worker_ready(const struct budget *budget, const struct worker *worker)
{
    const struct account *account;

    LIST_FOREACH(account, &budget->accounts, link)
    {
        if (is_known(&account->told))
            tell_bears(account, worker);
    }
}
