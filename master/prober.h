/* master/prober.h: connection tests, run by a worker at the master's order (SP51).
 *
 * Steps are passed on as they come. `done` runs exactly once per prober_start() that returned 0,
 * never from inside a call: also when the worker dies or PROBER_LIMIT_MS pass. */
#ifndef MASTER_PROBER_H
#define MASTER_PROBER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/ipc.h"

#define PROBER_LIMIT_MS 15000 /* 10 s per server, side by side, and time to report */

struct loop;
struct profile;
struct prober;
struct worker;
struct workers;

/* `step` is borrowed; its text ends in NUL; server, step and result are in range. */
typedef void prober_step_cb(const struct ipc_probe_step *step, void *arg);
/* err 0: it ran to its end, `passed` says how. -ETIMEDOUT, -EPIPE (the worker died). */
typedef void prober_done_cb(int err, bool passed, void *arg);

struct prober *prober_new(struct loop *loop, struct workers *workers);
void prober_free(struct prober **prober); /* what is under way ends with -ECANCELED */

/* `profile` with its secrets in clear; need not be stored; borrowed for the call. `ret_token` may
 * be NULL. 0, -EAGAIN (no worker runs), -EBUSY (too many tests), -ENOMEM. */
int prober_start(struct prober *prober, const struct profile *profile, prober_step_cb *on_step,
                 prober_done_cb *done, void *arg, uint64_t *ret_token);

/* Nobody waits any longer: neither callback runs again. */
void prober_forget(struct prober *prober, uint64_t token);

/* What workers say, and their end; for the supervisor. prober_step(): 0, or -EBADMSG: no sane
 * worker says that. */
int prober_step(struct prober *prober, const struct worker *worker,
                const struct ipc_probe_step *step);
void prober_done(struct prober *prober, const struct worker *worker,
                 const struct ipc_probe_done *done);
void prober_worker_gone(struct prober *prober, const struct worker *worker);

#endif
