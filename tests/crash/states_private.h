/* tests/crash/states_private.h: what the parts of states.h share. */
#ifndef TESTS_CRASH_STATES_PRIVATE_H
#define TESTS_CRASH_STATES_PRIVATE_H

#include "check.h"
#include "dice.h"
#include "model.h"
#include "stage.h"
#include "states.h"

struct states {
    struct gateway *gateway;
    const struct ledger *ledger;
    enum states_kind only;
    struct states_tally *tally;
    struct model *model;
    struct stage *stage;
    uint64_t seed;
    struct dice dice;
    size_t at; /* position of the crash */
    const size_t *pending;
    size_t pending_count;
    struct fate *fates; /* of the pending entries */
    size_t fates_room;
    /* Of the trial under way, for the report. */
    enum states_kind kind;
    const char *detail;
    unsigned kept;
};

/* All pending entries meet the same fate. */
void states_set_all(struct states *states, enum fate_what what);

/* A restart on the image of the fates as they are. */
void states_trial(struct states *states, enum states_kind kind);

/* One byte of the image without anything pending is flipped (by the format of the spool it is found
 * out whose it is), somewhere below the watermark of a segment or in a state file. */
void states_flip_segment(struct states *states);
void states_flip_cell(struct states *states);

/* A restart on this image. */
void states_trial_image(struct states *states, const struct image *image,
                        const struct moment *moment);

#endif
