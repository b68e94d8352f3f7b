/* master/control/ladder.h: one connection test, as JSON (SP51).
 *
 * Steps come from the backend one by one; each is handed on as it comes and kept for the answer:
 * {"passed", "servers": [{"server", "passed", "steps": [{"step", "result", "ms", "text"}]}]}, and
 * how a server did the last time, with what has changed since (master/control/last_tests.h). */
#ifndef MASTER_CONTROL_LADDER_H
#define MASTER_CONTROL_LADDER_H

#include <stdbool.h>

#include <jansson.h>

struct control;
struct profile;

/* {"server", "step", "result", "ms", "text"}, and at the end what has changed: {"server", "step",
 * "was", "was_text", "since"}; borrowed. */
typedef void ladder_step_cb(json_t *step, void *arg);

/* Exactly once, never from inside ladder_start(). err 0: it ran, `passed` says how it ended;
 * otherwise a negative errno: it could not be run to its end. `test` is borrowed. */
typedef void ladder_done_cb(int err, bool passed, json_t *test, void *arg);

/* `profile` has its secrets in clear and is borrowed for the call. 0 or the backend's error:
 * -EAGAIN no worker runs, -EBUSY too many tests, -ENOMEM. */
int ladder_start(struct control *control, const struct profile *profile, ladder_step_cb *on_step,
                 ladder_done_cb *done, void *arg);

/* All that are under way end now, with -ECANCELED. */
void ladder_cancel_all(struct control *control);

/* Why it could not be run, for people. */
const char *ladder_error_text(int err);

#endif
