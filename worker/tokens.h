/* worker/tokens.h: the OAuth tokens by which this worker logs in (SP34).
 *
 * A profile's token is shared by all workers: the master has it, and lets one of them fetch it
 * (master/tokens.h). Here it is kept as long as it lives; while it is used, a new one is asked for
 * before it ends. A connection test fetches one of its own: it is to show that the token server
 * gives one now, and its profile need not be stored. */
#ifndef WORKER_TOKENS_H
#define WORKER_TOKENS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "common/ipc.h"

struct channel;
struct directory;
struct http;
struct loop;
struct profile;
struct token_fetch;
struct tokens;

struct token {
    uint64_t serial; /* 0: a test's own */
    int64_t got_ms;  /* by the loop's clock: when the token server gave it */
    const char *text;
};

TAILQ_HEAD(token_wishes, token_wish);

/* Who waits for one. Zero before, but for `done`; a member of whoever it is. */
struct token_wish {
    /* Runs once unless the wish is cancelled; `token` and `why` are borrowed, one is NULL. */
    void (*done)(struct token_wish *wish, const struct token *token, const char *why);
    TAILQ_ENTRY(token_wish) link;
    struct token_wishes *line; /* in which it waits, NULL: in none */
    struct tokens *tokens;
    struct token_fetch *fetch; /* its own */
    const char *trouble;       /* why there will be none */
};

/* All are borrowed. NULL: no memory. */
struct tokens *tokens_new(struct loop *loop, struct channel *channel, struct directory *directory,
                          struct http *http);
void tokens_free(struct tokens **tokens); /* NULL inside is allowed; no wish may wait */

/* So long for the master's answer; then who wishes next asks again. At first 20 s. */
void tokens_set_patience_ms(struct tokens *tokens, int64_t patience_ms);

/* True: *ret_token is there at once, borrowed until the next turn. False: `wish->done` runs later,
 * never from inside the call. `refused` is the serial of one that a server did not take, 0: none.
 * `is_own` for connection tests. */
bool tokens_get(struct tokens *tokens, const struct profile *profile, bool is_own, uint64_t refused,
                struct token_wish *wish, struct token *ret_token);
void tokens_cancel(struct token_wish *wish); /* one that does not wait is allowed */

/* A version of this profile is no longer the present one: its token goes. */
void tokens_forget(struct tokens *tokens, uint32_t profile);

/* What the master says; the descriptor stays the caller's. */
void tokens_take(struct tokens *tokens, const struct ipc_token *said, int fd);
void tokens_fetch(struct tokens *tokens, const struct ipc_token_fetch *order);

#endif
