/* worker/damage.h: keeps what recovery could not read, for people. */
#ifndef WORKER_DAMAGE_H
#define WORKER_DAMAGE_H

#include <stdint.h>

/* Writes the bytes to <spool>/damaged/<slot>-<number>-<incarnation>-<offset>. One that is there
 * already was kept by an earlier scan: 0. */
int damage_keep(int spool_fd, unsigned slot, uint32_t number, uint64_t incarnation, uint64_t offset,
                const void *data, uint64_t bytes);

#endif
