/* master/control/login_limit.h: how often a wrong password, or first code, may be tried.
 *
 * Two limits, each over a window that begins with its first failure:
 *
 *   of a client address   `tries` failures. An IPv6 client is its /64: whoever has one has all of
 * it. of an account's name  LOGIN_LIMIT_PER_NAME times as many, from all addresses together, so
 * that one address, or a few, lock nobody out. An address from which this name has logged in since
 * the start is bound by the first limit only: a flood from elsewhere does not keep the
 * administrator out.
 *
 * Names that there are not are counted as those that there are: a refusal tells nothing of them.
 * They are counted in a fixed number of places by a keyed hash; a flood of names cannot fill these
 * as the hash helper (master/hasher.h) is slower than that. A success gives back what its own try
 * took and nothing more. Memory is fixed. Times are monotonic and come from the caller. */
#ifndef MASTER_CONTROL_LOGIN_LIMIT_H
#define MASTER_CONTROL_LOGIN_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

struct login_limit;

#define LOGIN_LIMIT_PER_NAME  10U
#define LOGIN_LIMIT_ADDRESSES 4096U /* beyond, the one that failed longest ago is forgotten */

struct login_limit_rules {
    unsigned tries;
    int64_t window_ms;
};

/* NULL: memory or randomness is short. */
struct login_limit *login_limit_new(const struct login_limit_rules *rules);
void login_limit_free(struct login_limit **limit); /* NULL inside is allowed */
void login_limit_set_rules(struct login_limit *limit, const struct login_limit_rules *rules);

/* Before it is tried: the try counts as failed until it is given back, so that no number of them at
 * the same time gets past. `client`: an address as text; whatever is none is one client. `name`: as
 * names are compared; NULL: there is none (the first code). False: not now, but in so many seconds
 * (at least 1). */
bool login_limit_take(struct login_limit *limit, const char *client, const char *name,
                      int64_t now_ms, unsigned *ret_retry_s);

/* It was not tried after all (too busy), or was right (`is_login`: the address becomes one from
 * which this name logs in). */
void login_limit_give_back(struct login_limit *limit, const char *client, const char *name,
                           bool is_login, int64_t now_ms);

#endif
