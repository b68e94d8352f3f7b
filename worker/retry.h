/* worker/retry.h: when a deferred group is tried again. Pure.
 *
 * The n-th retry comes first * factor^(n-1) after the attempt before it, at most `max`; spread by
 * up to 5 % either way, the same for the same message, so that what was deferred together does not
 * come back together. The last one comes when the lifetime ends, and not later. */
#ifndef WORKER_RETRY_H
#define WORKER_RETRY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/profile.h"

extern const struct profile_retry retry_default;

/* `attempts` counts the one that just ended. False: the lifetime is over. Times are wall ms. */
bool retry_next(const struct profile_retry *retry, uint64_t id, unsigned attempts,
                int64_t received_ms, int64_t now_ms, int64_t *ret_next_ms);

#endif
