#include "common/id.h"

#include <errno.h>
#include <string.h>

#include "common/clock.h"

enum { SEQUENCE_BITS = 14, SLOT_BITS = 8, SEQUENCE_MASK = (1 << SEQUENCE_BITS) - 1 };

static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

void id_source_init(struct id_source *source, unsigned slot, uint64_t never_below)
{
    source->slot = slot & (ID_SLOTS - 1);
    source->last = never_below;
}

static uint64_t compose(uint64_t ms, unsigned slot, unsigned sequence)
{
    return ms << (SEQUENCE_BITS + SLOT_BITS) | (uint64_t)slot << SEQUENCE_BITS | sequence;
}

uint64_t id_next(struct id_source *source, int64_t wall_ms)
{
    int64_t since = wall_ms - (int64_t)CLOCK_EPOCH_S * 1000;
    uint64_t ms = since > 0 ? (uint64_t)since : 0;
    uint64_t last_ms = source->last >> (SEQUENCE_BITS + SLOT_BITS);

    if (ms > last_ms) {
        source->last = compose(ms, source->slot, 0);
    } else if (id_slot(source->last) == source->slot &&
               (source->last & SEQUENCE_MASK) < SEQUENCE_MASK) {
        /* The clock stands or went back: count on within the last millisecond used. */
        source->last = compose(last_ms, source->slot, (unsigned)(source->last & SEQUENCE_MASK) + 1);
    } else {
        source->last = compose(last_ms + 1, source->slot, 0);
    }
    return source->last;
}

unsigned id_slot(uint64_t id)
{
    return (unsigned)(id >> SEQUENCE_BITS) & (ID_SLOTS - 1);
}

int64_t id_wall_ms(uint64_t id)
{
    return (int64_t)(id >> (SEQUENCE_BITS + SLOT_BITS)) + (int64_t)CLOCK_EPOCH_S * 1000;
}

const char *id_text(uint64_t id, char *out)
{
    for (int i = ID_TEXT_SIZE - 2; i >= 0; i--) {
        out[i] = alphabet[id & 31];
        id >>= 5;
    }
    out[ID_TEXT_SIZE - 1] = '\0';
    return out;
}

static int digit_of(char c)
{
    const char *found;

    if (c >= 'a' && c <= 'z')
        c = (char)(c - 'a' + 'A');
    if (c == 'I' || c == 'L')
        c = '1';
    if (c == 'O')
        c = '0';
    found = c != '\0' ? strchr(alphabet, c) : NULL;
    return found != NULL ? (int)(found - alphabet) : -1;
}

int id_parse(const char *text, uint64_t *ret_id)
{
    uint64_t id = 0;

    if (strlen(text) != ID_TEXT_SIZE - 1)
        return -EINVAL;
    for (unsigned i = 0; text[i] != '\0'; i++) {
        int digit = digit_of(text[i]);

        /* 13 digits hold 65 bits; the first may only use the lowest four of its five. */
        if (digit < 0 || (i == 0 && digit > 15))
            return -EINVAL;
        id = id << 5 | (unsigned)digit;
    }
    *ret_id = id;
    return 0;
}
