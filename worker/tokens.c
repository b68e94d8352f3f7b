#include "worker/tokens.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/channel.h"
#include "common/loop.h"
#include "common/memfd.h"
#include "common/profile.h"
#include "common/secret.h"
#include "worker/directory.h"
#include "worker/token_fetch.h"

#define ASK_AGAIN_MS 10000 /* for a new one, while the old serves */
#define PATIENCE_MS \
    20000 /* then the answer is lost: the master had no descriptor for it, perhaps */

/* A profile's, in one version; it stays until that is not the present one any more. */
struct token_entry {
    LIST_ENTRY(token_entry) link;
    uint64_t version;
    uint32_t profile;
    char *text; /* NULL: none */
    uint64_t serial;
    int64_t got_ms, fresh_until_ms, lives_until_ms;
    int64_t asked_ms; /* the master, who has not answered; 0: not */
    int64_t not_before_ms;
    struct token_wishes wishes;
};

/* For the master. */
struct order {
    LIST_ENTRY(order) link;
    struct tokens *tokens;
    struct ipc_token_fetch what;
    struct token_fetch *fetch;
};

struct tokens {
    struct loop *loop;
    struct channel *channel;
    struct directory *directory;
    struct http *http;
    int64_t patience_ms;
    LIST_HEAD(, token_entry) entries;
    LIST_HEAD(, order) orders;
    struct token_wishes own;    /* that are being fetched for one each */
    struct token_wishes failed; /* that hear so in the next turn */
    struct loop_timer *fail;
};

static void on_fail(void *arg);

struct tokens *tokens_new(struct loop *loop, struct channel *channel, struct directory *directory,
                          struct http *http)
{
    struct tokens *tokens = calloc(1, sizeof(*tokens));

    if (tokens == NULL)
        return NULL;
    tokens->loop = loop;
    tokens->channel = channel;
    tokens->directory = directory;
    tokens->http = http;
    tokens->patience_ms = PATIENCE_MS;
    TAILQ_INIT(&tokens->own);
    TAILQ_INIT(&tokens->failed);
    tokens->fail = loop_timer_new(loop, on_fail, tokens);
    if (tokens->fail == NULL)
        tokens_free(&tokens);
    return tokens;
}

void tokens_set_patience_ms(struct tokens *tokens, int64_t patience_ms)
{
    tokens->patience_ms = patience_ms;
}

static void free_entry(struct token_entry *entry)
{
    LIST_REMOVE(entry, link);
    secret_free(&entry->text);
    free(entry);
}

static void free_order(struct order *order)
{
    LIST_REMOVE(order, link);
    token_fetch_cancel(&order->fetch);
    free(order);
}

void tokens_free(struct tokens **tokens)
{
    struct tokens *t = *tokens;

    *tokens = NULL;
    if (t == NULL)
        return;
    while (!LIST_EMPTY(&t->entries))
        free_entry(LIST_FIRST(&t->entries));
    while (!LIST_EMPTY(&t->orders))
        free_order(LIST_FIRST(&t->orders));
    loop_timer_free(&t->fail);
    free(t);
}

/* ---- wishes ---- */

static void wait_in(struct token_wishes *line, struct tokens *tokens, struct token_wish *wish)
{
    wish->tokens = tokens;
    wish->line = line;
    TAILQ_INSERT_TAIL(line, wish, link);
}

static void leave_line(struct token_wish *wish)
{
    TAILQ_REMOVE(wish->line, wish, link);
    wish->line = NULL;
}

void tokens_cancel(struct token_wish *wish)
{
    if (wish->line == NULL)
        return;
    leave_line(wish);
    token_fetch_cancel(&wish->fetch);
}

static void grant(struct token_wish *wish, const struct token *token, const char *why)
{
    leave_line(wish);
    wish->done(wish, token, why); /* last: the wish may be gone, or wish again */
}

static void on_fail(void *arg)
{
    struct tokens *tokens = arg;
    struct token_wish *wish;

    while ((wish = TAILQ_FIRST(&tokens->failed)) != NULL)
        grant(wish, NULL, wish->trouble);
}

static void wait_to_fail(struct tokens *tokens, struct token_wish *wish, const char *why)
{
    wish->trouble = why;
    wait_in(&tokens->failed, tokens, wish);
    loop_timer_set_ms(tokens->fail, 0);
}

/* ---- a test's own ---- */

static void on_own(const char *text, unsigned lives_s, const char *why, void *arg)
{
    struct token_wish *wish = arg;
    const struct token token = { .got_ms = loop_now_ms(wish->tokens->loop), .text = text };

    (void)lives_s;
    wish->fetch = NULL;
    grant(wish, text != NULL ? &token : NULL, why);
}

static void fetch_own(struct tokens *tokens, const struct profile *profile, struct token_wish *wish)
{
    if (token_fetch_begin(tokens->http, profile, on_own, wish, &wish->fetch, NULL) == 0)
        wait_in(&tokens->own, tokens, wish);
    else
        wait_to_fail(tokens, wish, "the request to the token server could not be made");
}

/* ---- shared ones ---- */

static struct token_entry *find(const struct tokens *tokens, uint32_t profile, uint64_t version)
{
    struct token_entry *entry;

    LIST_FOREACH(entry, &tokens->entries, link)
    {
        if (entry->profile == profile && entry->version == version)
            return entry;
    }
    return NULL;
}

static struct token_entry *find_or_add(struct tokens *tokens, const struct profile *profile)
{
    struct token_entry *entry = find(tokens, profile->id, profile->version);

    if (entry != NULL || (entry = calloc(1, sizeof(*entry))) == NULL)
        return entry;
    entry->profile = profile->id;
    entry->version = profile->version;
    TAILQ_INIT(&entry->wishes);
    LIST_INSERT_HEAD(&tokens->entries, entry, link);
    return entry;
}

static void ask(struct tokens *tokens, struct token_entry *entry, uint64_t refused)
{
    const struct ipc_token_want want = { .version = entry->version,
                                         .has = entry->text != NULL ? entry->serial : 0,
                                         .refused = refused,
                                         .profile = entry->profile };

    int64_t now_ms = loop_now_ms(tokens->loop);

    if (entry->asked_ms != 0 && now_ms - entry->asked_ms < tokens->patience_ms)
        return;
    entry->asked_ms = now_ms;
    channel_send(tokens->channel, IPC_TOKEN_WANT, &want);
}

static void drop_text(struct token_entry *entry)
{
    secret_free(&entry->text);
}

static struct token token_of(const struct token_entry *entry)
{
    return (struct token){ .serial = entry->serial, .got_ms = entry->got_ms, .text = entry->text };
}

bool tokens_get(struct tokens *tokens, const struct profile *profile, bool is_own, uint64_t refused,
                struct token_wish *wish, struct token *ret_token)
{
    int64_t now_ms = loop_now_ms(tokens->loop);
    struct token_entry *entry;

    if (is_own) {
        fetch_own(tokens, profile, wish);
        return false;
    }
    entry = find_or_add(tokens, profile);
    if (entry == NULL) {
        wait_to_fail(tokens, wish, "out of memory");
        return false;
    }
    if (entry->text != NULL && (entry->serial == refused || now_ms >= entry->lives_until_ms))
        drop_text(entry);
    if (entry->text == NULL || (now_ms >= entry->fresh_until_ms && now_ms >= entry->not_before_ms))
        ask(tokens, entry, refused);
    if (entry->text != NULL) {
        *ret_token = token_of(entry);
        return true;
    }
    wait_in(&entry->wishes, tokens, wish);
    return false;
}

void tokens_forget(struct tokens *tokens, uint32_t profile)
{
    struct token_entry *entry, *next;

    for (entry = LIST_FIRST(&tokens->entries); entry != NULL; entry = next) {
        next = LIST_NEXT(entry, link);
        if (entry->profile != profile)
            continue;
        while (!TAILQ_EMPTY(&entry->wishes)) {
            struct token_wish *wish = TAILQ_FIRST(&entry->wishes);

            leave_line(wish);
            wait_to_fail(tokens, wish, "the profile has changed meanwhile");
        }
        free_entry(entry);
    }
}

/* ---- what the master says ---- */

/* Those who wish anew from inside have a place behind, and their answer comes. */
static void tell_all(struct token_entry *entry, const char *why)
{
    struct token_wish *last = TAILQ_LAST(&entry->wishes, token_wishes), *wish;
    struct token token;

    while ((wish = TAILQ_FIRST(&entry->wishes)) != NULL) {
        bool is_last = wish == last;

        token = token_of(entry);
        grant(wish, entry->text != NULL ? &token : NULL, why);
        if (is_last)
            break;
    }
}

void tokens_take(struct tokens *tokens, const struct ipc_token *said, int fd)
{
    struct token_entry *entry = find(tokens, said->profile, said->version);
    int64_t now_ms = loop_now_ms(tokens->loop);
    char *text = NULL;
    size_t bytes;

    if (entry == NULL || memfd_read(fd, &text, &bytes) < 0)
        return;
    entry->asked_ms = 0;
    entry->not_before_ms = now_ms + ASK_AGAIN_MS;
    if (said->is_failed == 0) {
        drop_text(entry);
        entry->text = text;
        text = NULL;
        entry->serial = said->serial;
        entry->got_ms = now_ms - said->age_ms;
        entry->fresh_until_ms = now_ms + said->fresh_ms;
        entry->lives_until_ms = now_ms + said->lives_ms;
    }
    tell_all(entry, text);
    secret_free(&text);
}

static void send_fetched(struct tokens *tokens, const struct ipc_token_fetch *what,
                         const char *text, unsigned lives_s, const char *why)
{
    const char *content = text != NULL ? text : why;
    const struct ipc_token_fetched fetched = { .version = what->version,
                                               .profile = what->profile,
                                               .is_failed = text == NULL,
                                               .lives_s = lives_s };
    int fd = memfd_seal("token", content, strlen(content));

    if (fd >= 0)
        channel_send_fd(tokens->channel, IPC_TOKEN_FETCHED, &fetched, fd);
}

static void on_fetched(const char *text, unsigned lives_s, const char *why, void *arg)
{
    struct order *order = arg;

    order->fetch = NULL;
    send_fetched(order->tokens, &order->what, text, lives_s, why);
    free_order(order);
}

static int begin_order(struct tokens *tokens, const struct profile *profile,
                       const struct ipc_token_fetch *what, struct reason *reterr_why)
{
    struct order *order = calloc(1, sizeof(*order));
    int err;

    if (order == NULL)
        return reason_set(reterr_why, -ENOMEM, "out of memory");
    order->tokens = tokens;
    order->what = *what;
    LIST_INSERT_HEAD(&tokens->orders, order, link);
    err = token_fetch_begin(tokens->http, profile, on_fetched, order, &order->fetch, reterr_why);
    if (err < 0)
        free_order(order);
    return err;
}

void tokens_fetch(struct tokens *tokens, const struct ipc_token_fetch *what)
{
    struct worker_profile *profile = directory_hold(tokens->directory, what->profile);
    struct reason why = { "" };
    int err;

    if (profile == NULL || profile->profile->version != what->version)
        err = reason_set(&why, -ESTALE, "the profile has changed meanwhile");
    else
        err = begin_order(tokens, profile->profile, what, &why);
    if (err < 0)
        send_fetched(tokens, what, NULL, 0, why.text);
    if (profile != NULL)
        directory_release(profile);
}
