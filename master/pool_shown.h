/* master/pool_shown.h: the connections to each server for people and for the API: open, idle, lent,
 * what the server bears, and what became of those that were (SP40 to SP49). */
#ifndef MASTER_POOL_SHOWN_H
#define MASTER_POOL_SHOWN_H

#include <stdint.h>

#include <jansson.h>

struct dispatch;

/* One object per server of smtp profiles, of one alone if `profile` is not 0. NULL: no memory. */
json_t *pool_shown(const struct dispatch *dispatch, uint32_t profile);

#endif
