/* master/tokens.h: OAuth tokens, one for each profile, shared by all workers (SP34).
 *
 * A worker that wants one gets it, or has to wait until one worker, the first that asked, has
 * fetched it from the token server. While a token is used it is fetched anew when four fifths of
 * its life are over, and at the latest a minute before its end if it lives long enough for that.
 * That there is none is remembered for TOKENS_FAILED_MS, so that a token server that is down is
 * left alone; so is a worker that has not answered for TOKENS_PATIENCE_MS, though it lives (no
 * descriptor for the answer, perhaps): the next that asks fetches. Tokens are in memory only. */
#ifndef MASTER_TOKENS_H
#define MASTER_TOKENS_H

#include <stdint.h>

#include "common/ipc.h"

struct loop;
struct tokens;
struct worker;
struct workers;

#define TOKENS_FAILED_MS   10000
#define TOKENS_PATIENCE_MS 15000 /* a fetch ends within 10 s */

/* NULL: no memory. */
struct tokens *tokens_new(struct loop *loop, struct workers *workers);
void tokens_free(struct tokens **tokens); /* NULL inside is allowed */

void tokens_set_patience_ms(struct tokens *tokens, int64_t patience_ms);

/* What workers say. 0, or -EBADMSG: no sane worker says that. The descriptor stays the caller's. */
int tokens_want(struct tokens *tokens, const struct worker *worker,
                const struct ipc_token_want *want);
int tokens_fetched(struct tokens *tokens, const struct worker *worker,
                   const struct ipc_token_fetched *fetched, int fd);

/* The profile has a new version, or is gone: who waits for a token of the old one gets none. */
void tokens_forget(struct tokens *tokens, uint32_t profile);
/* Its process has ended: another one fetches what it was to fetch. */
void tokens_worker_gone(struct tokens *tokens, const struct worker *worker);

#endif
