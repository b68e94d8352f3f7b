/* common/id.h: message ids.
 *
 * 41 bit milliseconds since CLOCK_EPOCH_S, 8 bit slot, 14 bit sequence; 63 bits in all, shown as 13
 * characters of Crockford base32. Ids of one slot only grow: the source never goes back, not when
 * the clock does, not after a restart (it is told the highest found in the slot's folder, which may
 * be another slot's: mail moves between them). */
#ifndef COMMON_ID_H
#define COMMON_ID_H

#include <stdint.h>

#define ID_TEXT_SIZE 14 /* with the final NUL */
#define ID_SLOTS     256

struct id_source {
    uint64_t last;
    unsigned slot;
};

void id_source_init(struct id_source *source, unsigned slot, uint64_t never_below);
uint64_t id_next(struct id_source *source, int64_t wall_ms);

unsigned id_slot(uint64_t id);
int64_t id_wall_ms(uint64_t id);

const char *id_text(uint64_t id, char *out);

/* Reads the text form, in either case; I, L and O stand for 1, 1 and 0. 0 or -EINVAL. */
int id_parse(const char *text, uint64_t *ret_id);

#endif
