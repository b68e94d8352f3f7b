/* worker/ingress/collector_scan.c: what must not be in content, 64 bytes at a time.
 *
 * A byte is wrong if it is an LF exactly when the byte before it is no CR: one comparison finds
 * both bare ones. The inner loop has a constant length and no branch, so compilers turn it into
 * vector instructions at the common levels of optimisation. */
#include "worker/ingress/collector.h"

#define STRIDE 64

struct collector_scan collector_scan(const char *data, size_t bytes, char before)
{
    const unsigned char *x = (const unsigned char *)data;
    unsigned char bare = (x[0] == '\n') ^ (before == '\r'), nul = x[0] == 0, high = x[0];
    size_t i = 1;

    for (; i + STRIDE <= bytes; i += STRIDE) {
        const unsigned char *y = x + i;

        for (size_t j = 0; j < STRIDE; j++) {
            bare |= (unsigned char)((y[j] == '\n') ^ (y[j - 1] == '\r'));
            nul |= (unsigned char)(y[j] == 0);
            high |= y[j];
        }
    }
    for (; i < bytes; i++) {
        bare |= (unsigned char)((x[i] == '\n') ^ (x[i - 1] == '\r'));
        nul |= (unsigned char)(x[i] == 0);
        high |= x[i];
    }
    return (struct collector_scan){ bare != 0, nul != 0, (high & 0x80) != 0 };
}
