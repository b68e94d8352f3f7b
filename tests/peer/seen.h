/* tests/peer/seen.h: a set of hashes, for finding what comes twice. */
#ifndef TESTS_PEER_SEEN_H
#define TESTS_PEER_SEEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct seen {
    uint64_t *slots; /* 0: empty */
    size_t room, count;
};

/* False: it was there already. */
bool seen_add(struct seen *seen, uint64_t hash);
void seen_clear(struct seen *seen);

#endif
