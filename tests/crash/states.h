/* tests/crash/states.h: every state that a power cut may leave, one after the other, and a restart
 * on each. */
#ifndef TESTS_CRASH_STATES_H
#define TESTS_CRASH_STATES_H

#include <stdint.h>

#include "gateway.h"
#include "ledger.h"

enum states_kind {
    STATES_NOTHING,   /* pending entries: none is there */
    STATES_ALL,       /* all are there */
    STATES_MISSING,   /* one is not */
    STATES_ALONE,     /* one is, and no other */
    STATES_TORN_512,  /* one is torn at 512 bytes, the others are there */
    STATES_TORN_4096, /* the same at 4,096 bytes */
    STATES_TORN_CELL, /* the same within a sector */
    STATES_NAMES,     /* names: the first so many are there */
    STATES_RANDOM,    /* each is there, or not, or torn, by chance */
    STATES_KILLED,    /* no power cut: the process ended between two calls */
    STATES_FLIPPED,   /* a byte that was proven to be on the disk is another */
    STATES_COUNT
};

extern const char *const states_names[STATES_COUNT];

struct states_tally {
    uint64_t tried[STATES_COUNT], wrong[STATES_COUNT];
    uint64_t syncs, entries;
};

/* The record has ended and the ledger knows its promises; the gateway's folder is for the states.
 * `only` may be STATES_COUNT for all kinds. Where things are wrong it is told to stderr, and the
 * first few states are kept in folders that are named. */
void states_try(struct gateway *gateway, const struct ledger *ledger, uint64_t seed,
                enum states_kind only, struct states_tally *tally);

/* One of the states, by chance, in an empty folder; its position in the record is returned. */
size_t states_choose(const char *folder, uint64_t seed);

#endif
