/* master/slab.h: many objects of one size, found again by number.
 *
 * Objects never move; a freed place is the next one to be used. Numbers run from 0 to
 * slab_room() - 1 and may be walked while objects come and go. */
#ifndef MASTER_SLAB_H
#define MASTER_SLAB_H

#include <stddef.h>
#include <stdint.h>

struct slab;

/* `max` objects at most. NULL: no memory. */
struct slab *slab_new(size_t object_bytes, size_t max);
void slab_free(struct slab **slab);

/* Zeroed; NULL when `max` is reached or memory is short. */
void *slab_take(struct slab *slab, uint32_t *ret_number);
void slab_give(struct slab *slab, uint32_t number);

/* NULL: the place is free. */
void *slab_at(const struct slab *slab, uint32_t number);
uint32_t slab_room(const struct slab *slab);

#endif
