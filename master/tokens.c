#include "master/tokens.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "common/channel.h"
#include "common/id.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/memfd.h"
#include "common/secret.h"
#include "master/worker.h"

#define TEXT_MAX       8192
#define LIFE_MAX_S     86400U
#define LAST_MINUTE_MS 60000

struct entry { /* a profile's, in one version */
    LIST_ENTRY(entry) link;
    uint64_t version;
    uint32_t profile;
    char *text; /* NULL: none */
    uint64_t serial;
    int64_t got_ms, fresh_until_ms, lives_until_ms;
    char *why; /* the last fetch failed, NULL: it did not */
    int64_t failed_until_ms;
    bool is_fetching;
    unsigned fetcher; /* slot of the worker that fetches */
    int64_t asked_ms; /* since when */
    uint64_t waiting[ID_SLOTS / 64];
};

struct tokens {
    struct loop *loop;
    struct workers *workers;
    uint64_t last_serial;
    int64_t patience_ms;
    LIST_HEAD(, entry) entries;
};

struct tokens *tokens_new(struct loop *loop, struct workers *workers)
{
    struct tokens *tokens = calloc(1, sizeof(*tokens));

    if (tokens == NULL)
        return NULL;
    tokens->loop = loop;
    tokens->workers = workers;
    tokens->patience_ms = TOKENS_PATIENCE_MS;
    return tokens;
}

void tokens_set_patience_ms(struct tokens *tokens, int64_t patience_ms)
{
    tokens->patience_ms = patience_ms;
}

static void free_entry(struct entry *entry)
{
    LIST_REMOVE(entry, link);
    secret_free(&entry->text);
    free(entry->why);
    free(entry);
}

void tokens_free(struct tokens **tokens)
{
    if (*tokens == NULL)
        return;
    while (!LIST_EMPTY(&(*tokens)->entries))
        free_entry(LIST_FIRST(&(*tokens)->entries));
    free(*tokens);
    *tokens = NULL;
}

static struct entry *find(const struct tokens *tokens, uint32_t profile)
{
    struct entry *entry;

    LIST_FOREACH(entry, &tokens->entries, link)
    {
        if (entry->profile == profile)
            return entry;
    }
    return NULL;
}

/* ---- who waits ---- */

static void set_waiting(struct entry *entry, unsigned slot, bool is_waiting)
{
    uint64_t bit = UINT64_C(1) << slot % 64;

    if (is_waiting)
        entry->waiting[slot / 64] |= bit;
    else
        entry->waiting[slot / 64] &= ~bit;
}

/* The next at or behind `slot` that waits and can be spoken to; NULL: none. */
static const struct worker *next_waiting(const struct tokens *tokens, const struct entry *entry,
                                         unsigned slot)
{
    for (; slot < ID_SLOTS; slot++) {
        const struct worker *worker = tokens->workers->slots[slot];

        if ((entry->waiting[slot / 64] >> slot % 64 & 1) != 0 && worker != NULL &&
            worker->channel != NULL)
            return worker;
    }
    return NULL;
}

/* ---- what they are told ---- */

static bool is_alive(const struct tokens *tokens, const struct entry *entry)
{
    return entry->text != NULL && loop_now_ms(tokens->loop) < entry->lives_until_ms;
}

static void send_token(const struct worker *worker, const struct ipc_token *token, const char *text)
{
    int fd = memfd_seal("token", text, strlen(text));

    if (fd >= 0)
        channel_send_fd(worker->channel, IPC_TOKEN, token, fd);
    else /* its deliveries fail at their deadline, and ask again */
        log_error("tokens", "no memory to pass an OAuth token on", LOG_INT("slot", worker->slot));
}

static void refuse(const struct worker *worker, uint32_t profile, uint64_t version, const char *why)
{
    const struct ipc_token token = { .version = version, .profile = profile, .is_failed = 1 };

    send_token(worker, &token, why);
}

static void answer(const struct tokens *tokens, const struct entry *entry,
                   const struct worker *worker)
{
    int64_t now_ms = loop_now_ms(tokens->loop), fresh_ms = entry->fresh_until_ms - now_ms;
    const struct ipc_token token = { .version = entry->version,
                                     .serial = entry->serial,
                                     .profile = entry->profile,
                                     .lives_ms = (uint32_t)(entry->lives_until_ms - now_ms),
                                     .fresh_ms = fresh_ms > 0 ? (uint32_t)fresh_ms : 0,
                                     .age_ms = (uint32_t)(now_ms - entry->got_ms) };

    if (is_alive(tokens, entry))
        send_token(worker, &token, entry->text);
    else
        refuse(worker, entry->profile, entry->version,
               entry->why != NULL ? entry->why : "the token has ended already");
}

static void answer_all(const struct tokens *tokens, struct entry *entry)
{
    const struct worker *worker;

    for (unsigned slot = 0; (worker = next_waiting(tokens, entry, slot)) != NULL;
         slot = worker->slot + 1U)
        answer(tokens, entry, worker);
    memset(entry->waiting, 0, sizeof(entry->waiting));
}

/* ---- fetching ---- */

static void fetch(const struct tokens *tokens, struct entry *entry, const struct worker *worker)
{
    const struct ipc_token_fetch order = { .version = entry->version, .profile = entry->profile };

    entry->is_fetching = true;
    entry->fetcher = worker->slot;
    entry->asked_ms = loop_now_ms(tokens->loop);
    channel_send(worker->channel, IPC_TOKEN_FETCH, &order);
}

static struct entry *add(struct tokens *tokens, const struct ipc_token_want *want)
{
    struct entry *entry = calloc(1, sizeof(*entry));

    if (entry == NULL)
        return NULL;
    entry->profile = want->profile;
    entry->version = want->version;
    LIST_INSERT_HEAD(&tokens->entries, entry, link);
    return entry;
}

static void drop_text(struct entry *entry)
{
    secret_free(&entry->text);
    entry->serial = 0;
}

int tokens_want(struct tokens *tokens, const struct worker *worker,
                const struct ipc_token_want *want)
{
    struct entry *entry = find(tokens, want->profile);
    int64_t now_ms = loop_now_ms(tokens->loop);
    bool is_fresh;

    if (want->profile == 0 || want->version == 0)
        return -EBADMSG;
    if (entry != NULL && entry->version < want->version) {
        tokens_forget(tokens, want->profile); /* asked for by one that had not heard of this one */
        entry = NULL;
    }
    if (entry != NULL && entry->version != want->version) {
        refuse(worker, want->profile, want->version, "the profile has changed meanwhile");
        return 0;
    }
    if (entry == NULL && (entry = add(tokens, want)) == NULL) {
        refuse(worker, want->profile, want->version, "out of memory");
        return 0;
    }
    if (entry->serial == want->refused && want->refused != 0)
        drop_text(entry);
    is_fresh = is_alive(tokens, entry) && now_ms < entry->fresh_until_ms;
    if (is_fresh || (is_alive(tokens, entry) && entry->serial != want->has) ||
        (entry->why != NULL && now_ms < entry->failed_until_ms)) {
        answer(tokens, entry, worker);
        return 0;
    }
    set_waiting(entry, worker->slot, true);
    if (!entry->is_fetching || now_ms - entry->asked_ms >= tokens->patience_ms)
        fetch(tokens, entry, worker);
    return 0;
}

/* Four fifths of its life; of one that lives long, a minute is left at least. */
static int64_t fresh_ms_of(int64_t lives_ms)
{
    int64_t fresh_ms = lives_ms / 5 * 4;

    return lives_ms - fresh_ms < LAST_MINUTE_MS && lives_ms > 5 * LAST_MINUTE_MS
               ? lives_ms - LAST_MINUTE_MS
               : fresh_ms;
}

static void keep(struct tokens *tokens, struct entry *entry, char **text, uint32_t lives_s)
{
    int64_t lives_ms = (int64_t)(lives_s < LIFE_MAX_S ? lives_s : LIFE_MAX_S) * 1000;

    secret_free(&entry->text);
    entry->text = *text;
    *text = NULL;
    free(entry->why);
    entry->why = NULL;
    entry->serial = ++tokens->last_serial;
    entry->got_ms = loop_now_ms(tokens->loop);
    entry->lives_until_ms = entry->got_ms + lives_ms;
    entry->fresh_until_ms = entry->got_ms + fresh_ms_of(lives_ms);
}

static void note_failure(struct tokens *tokens, struct entry *entry, char **why)
{
    free(entry->why);
    entry->why = *why;
    *why = NULL;
    entry->failed_until_ms = loop_now_ms(tokens->loop) + TOKENS_FAILED_MS;
    log_error("tokens", "there is no OAuth token for a profile's servers",
              LOG_INT("profile", entry->profile), LOG_STR("reason", entry->why));
}

int tokens_fetched(struct tokens *tokens, const struct worker *worker,
                   const struct ipc_token_fetched *fetched, int fd)
{
    struct entry *entry = find(tokens, fetched->profile);
    char *text = NULL;
    size_t bytes;

    if (entry == NULL || entry->version != fetched->version || !entry->is_fetching ||
        entry->fetcher != worker->slot)
        return 0; /* of a version that is no more */
    if ((fetched->is_failed == 0 && fetched->lives_s == 0) || memfd_read(fd, &text, &bytes) < 0 ||
        bytes == 0 || bytes > TEXT_MAX || strlen(text) != bytes) {
        secret_free(&text);
        return -EBADMSG;
    }
    entry->is_fetching = false;
    if (fetched->is_failed != 0)
        note_failure(tokens, entry, &text);
    else
        keep(tokens, entry, &text, fetched->lives_s);
    secret_free(&text);
    answer_all(tokens, entry);
    return 0;
}

/* ---- what ends ---- */

void tokens_forget(struct tokens *tokens, uint32_t profile)
{
    struct entry *entry = find(tokens, profile);
    const struct worker *worker;

    if (entry == NULL)
        return;
    for (unsigned slot = 0; (worker = next_waiting(tokens, entry, slot)) != NULL;
         slot = worker->slot + 1U)
        refuse(worker, entry->profile, entry->version, "the profile has changed meanwhile");
    free_entry(entry);
}

void tokens_worker_gone(struct tokens *tokens, const struct worker *worker)
{
    struct entry *entry;

    LIST_FOREACH(entry, &tokens->entries, link)
    {
        const struct worker *next;

        set_waiting(entry, worker->slot, false);
        if (!entry->is_fetching || entry->fetcher != worker->slot)
            continue;
        entry->is_fetching = false;
        next = next_waiting(tokens, entry, 0);
        if (next != NULL)
            fetch(tokens, entry, next);
    }
}
