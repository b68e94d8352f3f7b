/* master/segments_private.h: what is known of each segment. segments.c follows its way from being
 * written to until it is used again; segments_choice.c says which one is emptied next. */
#ifndef MASTER_SEGMENTS_PRIVATE_H
#define MASTER_SEGMENTS_PRIVATE_H

#include <sys/queue.h>

#include "common/id.h"
#include "master/hash_index.h"
#include "master/segments.h"

enum segment_phase {
    IN_USE,    /* written to, or pinned, or held */
    POSTPONED, /* a job that may have left a note in it is still under way */
    ANNOUNCED, /* SEGMENT_GONE is out: some worker has not answered yet */
    RELEASED,  /* its slot's worker was not there to be told SEGMENT_REUSE, or scans went on */
};

struct segment_entry {
    struct hash_node node;
    size_t at; /* in items */
    uint64_t pins;
    uint64_t live;  /* bytes: the pins' weights */
    uint32_t bytes; /* of a sealed one that may be emptied, 0: no */
    uint32_t number;
    uint16_t slot;
    bool is_sealed;
    bool is_retired;
    uint8_t vain_runs; /* in a row: nothing could be moved */
    int64_t sealed_ms, rest_until_ms;
    TAILQ_ENTRY(segment_entry) link; /* postponed */
    enum segment_phase phase;
    unsigned open_answers;
    uint64_t asked[ID_SLOTS / 64]; /* workers that were told and have not answered */
};

TAILQ_HEAD(entry_list, segment_entry);

struct segments {
    struct workers *workers;
    struct loop_timer *look_again;
    struct entry_list postponed;
    unsigned holds;
    bool is_compacting[ID_SLOTS];
    struct hash_index index;
    struct segment_entry **items; /* all of them, for the walks */
    size_t count, room;
};

struct segment_entry *segments_find(const struct segments *segments, unsigned slot,
                                    uint32_t number);

#endif
