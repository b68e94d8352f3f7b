/* master/querier.h: asks a worker what is in queued messages, for people.
 *
 * The master reads no message: it sends places, a worker answers with a JSON array, one object per
 * place and null where it could not be read. In detail the places are groups of one message, and an
 * array of its other groups, those that are finished, comes last (worker/query.h). */
#ifndef MASTER_QUERIER_H
#define MASTER_QUERIER_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "common/ipc.h"

#define QUERIER_LIMIT_MS   10000
#define QUERIER_MAX        64   /* under way at once */
#define QUERIER_MAX_PLACES 1000 /* in one question */

struct loop;
struct querier;
struct worker;
struct workers;

/* Exactly once, never from inside the call. `rows` (borrowed) has as many entries as there were
 * places, in detail one more; NULL with err -ETIMEDOUT, -EPIPE (the worker died), -EBADMSG,
 * -ECANCELED. */
typedef void querier_done_cb(int err, const json_t *rows, void *arg);

struct querier *querier_new(struct loop *loop, struct workers *workers);
void querier_free(struct querier **querier);

/* `detail`: with envelope, notes and recipients' states. 0, -EAGAIN (no worker runs), -EBUSY,
 * -EINVAL (no or too many places), -ENOMEM. */
int querier_ask(struct querier *querier, const struct ipc_place *places, size_t count, bool detail,
                querier_done_cb *done, void *arg);

/* An answer, and the end of a worker; for the supervisor. `fd` stays the caller's. */
void querier_rows(struct querier *querier, const struct worker *worker,
                  const struct ipc_query_rows *answer, int fd);
void querier_worker_gone(struct querier *querier, const struct worker *worker);

#endif
