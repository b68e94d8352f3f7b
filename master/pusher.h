/* master/pusher.h: keeps every worker's profiles and rules the current ones (SP54). */
#ifndef MASTER_PUSHER_H
#define MASTER_PUSHER_H

#include <stdbool.h>
#include <stdint.h>

struct dispatch;
struct profile;
struct pusher;
struct registry;
struct tokens;
struct worker;
struct workers;

/* Watches the registry from now on. NULL: no memory. */
struct pusher *pusher_new(struct registry *registry, struct workers *workers,
                          struct dispatch *dispatch, struct tokens *tokens);
void pusher_free(struct pusher **pusher);

/* Everything, to a worker that has just been configured. 0 or a negative errno: without it the
 * worker must not take mail. */
int pusher_push_all(struct pusher *pusher, struct worker *worker);

/* Tells dispatch which of the profile's servers an operator has drained: once for each profile at
 * the start, from then on by itself. */
void pusher_drain(struct pusher *pusher, const struct profile *profile);

#endif
