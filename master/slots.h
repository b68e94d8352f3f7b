/* master/slots.h: who may keep how many idle connections (SP46).
 *
 * A slot is the right to keep one connection of a profile idle. There are `pool.size` of them over
 * the whole appliance. A worker that wants to keep a connection and has no slot for it asks
 * (SLOT_WANT); the connection waits meanwhile. It is given one that nobody has, else one that
 * another worker does not use, which moves only when that worker has let go of it (SLOT_TAKE,
 * SLOT_GIVEN). Only when there is none at all is it refused, and the connection closed.
 *
 * Slots stay where they are until somebody else wants them. Those of a worker come free with the
 * end of its process. */
#ifndef MASTER_SLOTS_H
#define MASTER_SLOTS_H

#include <stdint.h>

#include "common/ipc.h"

struct profile;
struct slots;
struct worker;
struct workers;

/* NULL: no memory. */
struct slots *slots_new(struct workers *workers);
void slots_free(struct slots **slots); /* NULL inside is allowed */

/* The profile is there, in a new version perhaps. What is beyond a smaller size is taken back, also
 * if it is in use. 0 or -ENOMEM (nothing changed). */
int slots_set_profile(struct slots *slots, const struct profile *profile);
void slots_drop_profile(struct slots *slots, uint32_t profile);

/* What workers say. -EBADMSG: no sane worker says that. */
int slots_want(struct slots *slots, const struct worker *worker, const struct ipc_slot_want *want);
int slots_given(struct slots *slots, const struct worker *worker,
                const struct ipc_slot_given *given);
/* It has so many more or fewer idle connections. */
void slots_idle_changed(struct slots *slots, const struct worker *worker, uint32_t profile,
                        int change);

void slots_worker_lost(struct slots *slots, unsigned slot);

/* What this worker has. */
unsigned slots_of(const struct slots *slots, uint32_t profile, unsigned slot);

#endif
