/* master/control/last_tests.h: what the last connection test of each server saw, kept with its time
 * and compared with the next (SP51).
 *
 * Kept by profile and server, in memory: a restart forgets. At most LAST_TESTS_MAX servers, those
 * that were tested last. */
#ifndef MASTER_CONTROL_LAST_TESTS_H
#define MASTER_CONTROL_LAST_TESTS_H

#include <stdint.h>

#include <jansson.h>

#define LAST_TESTS_MAX 4096

/* `kept` is an object that is empty at first. `server` is one of a test that has ended, {"server",
 * "passed", "steps"}; it gets "last": {"time", "passed"} if that profile's server was tested before
 * (`profile`: 0 if it is not stored), and "changes": [{"step", "was", "was_text"}], of steps that
 * ended otherwise then, or saw another certificate, protection or offer. `was` is null of a step
 * that was not reached then. Without memory nothing is kept, and nothing compared. */
void last_tests_take(json_t *kept, uint32_t profile, json_t *server, int64_t now_ms);

#endif
