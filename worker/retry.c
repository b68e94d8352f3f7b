#include "worker/retry.h"

const struct profile_retry retry_default = {
    .first_s = 60,
    .factor = 2,
    .max_s = 3600,
    .lifetime_s = 432000,
    .warn_s = 14400,
};

/* -1 to 1, from the message and the attempt. */
static double spread(uint64_t id, unsigned attempts)
{
    uint64_t hash = (id + attempts) * 0x9e3779b97f4a7c15ULL;

    hash ^= hash >> 29;
    hash *= 0xbf58476d1ce4e5b9ULL;
    return (double)(hash >> 40) / (double)(1U << 23) - 1.0;
}

static double wait_of(const struct profile_retry *retry, unsigned attempts)
{
    double wait_s = retry->first_s;

    for (unsigned i = 1; i < attempts && wait_s < retry->max_s && retry->factor > 1; i++)
        wait_s *= retry->factor;
    return wait_s < retry->max_s ? wait_s : retry->max_s;
}

bool retry_next(const struct profile_retry *retry, uint64_t id, unsigned attempts,
                int64_t received_ms, int64_t now_ms, int64_t *ret_next_ms)
{
    int64_t end_ms = received_ms + (int64_t)retry->lifetime_s * 1000;
    double wait_ms = wait_of(retry, attempts) * 1000 * (1 + 0.05 * spread(id, attempts));

    if (now_ms >= end_ms)
        return false;
    *ret_next_ms = now_ms + (int64_t)wait_ms;
    if (*ret_next_ms > end_ms)
        *ret_next_ms = end_ms;
    return true;
}
