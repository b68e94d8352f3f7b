/* worker/ingress/collector_scan.c: what must not be in content, many bytes at a time.
 *
 * A byte is wrong if it is an LF exactly when the byte before it is no CR: one comparison finds
 * both bare ones. Each of the lanes gathers what its bytes have; the loop over them has a constant
 * length and no branch, so compilers keep all lanes in vector registers. */
#include "worker/ingress/collector.h"

#define LANES 32

struct lanes { /* what was seen: any bit of wrong, the top bit of high */
    unsigned char bare[LANES], nul[LANES], high[LANES];
};

/* `bytes` is a multiple of LANES; x[-1] can be read. */
static void look_at(const unsigned char *x, size_t bytes, struct lanes *lanes)
{
    const unsigned char *in_front = x - 1;
    struct lanes seen = *lanes;

    for (size_t i = 0; i < bytes; i += LANES) {
        for (size_t j = 0; j < LANES; j++) {
            unsigned char c = x[i + j], before = in_front[i + j];

            /* 0 or 255, as vector comparisons give it */
            seen.bare[j] |= (unsigned char)((c == '\n' ? 255 : 0) ^ (before == '\r' ? 255 : 0));
            seen.nul[j] |= (unsigned char)(c == 0 ? 255 : 0);
            seen.high[j] |= c;
        }
    }
    *lanes = seen;
}

struct collector_scan collector_scan(const char *data, size_t bytes, char before)
{
    const unsigned char *x = (const unsigned char *)data;
    unsigned char bare = (x[0] == '\n') ^ (before == '\r'), nul = x[0] == 0, high = x[0];
    struct lanes lanes = { 0 };
    size_t i = 1;

    if (bytes > LANES) {
        look_at(x + 1, (bytes - 1) / LANES * LANES, &lanes);
        look_at(x + bytes - LANES, LANES, &lanes); /* the rest, some of it for the second time */
        i = bytes;
    }
    for (; i < bytes; i++) {
        bare |= (unsigned char)((x[i] == '\n') ^ (x[i - 1] == '\r'));
        nul |= (unsigned char)(x[i] == 0);
        high |= x[i];
    }
    for (size_t j = 0; j < LANES; j++) {
        bare |= lanes.bare[j];
        nul |= lanes.nul[j];
        high |= lanes.high[j];
    }
    return (struct collector_scan){ bare != 0, nul != 0, (high & 0x80) != 0 };
}
