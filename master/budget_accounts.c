/* master/budget_accounts.c: which accounts there are: those of the profiles' servers, and those
 * that somebody still has a lease of. */
#include "master/budget_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/profile.h"
#include "common/server_uri.h"

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

void budget_look_whether_needed(struct budget *budget, struct account *account)
{
    if (!account->is_listed && account->out == 0)
        forget(budget, account);
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
static void sweep(struct budget *budget)
{
    struct account *account, *next;

    for (account = LIST_FIRST(&budget->accounts); account != NULL; account = next) {
        next = LIST_NEXT(account, link);
        if (!account->is_marked)
            continue;
        account->is_marked = account->is_listed = false;
        budget_look_whether_needed(budget, account);
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
                budget_look_whether_needed(budget, accounts[i]);
            return -ENOMEM;
        }
    }
    mark(budget, profile->id);
    for (size_t i = 0; i < profile->server_count; i++) {
        accounts[i]->is_listed = true;
        accounts[i]->is_marked = false;
        accounts[i]->limit = profile->max_connections;
        budget_call_back(budget, accounts[i]);
        budget_serve_wants(budget, accounts[i]);
    }
    sweep(budget);
    return 0;
}

void budget_drop_profile(struct budget *budget, uint32_t profile)
{
    mark(budget, profile);
    sweep(budget);
}
