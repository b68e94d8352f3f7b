/* tests/crash/workload_private.h: what the workload's parts share. workload.c gives mail,
 * workload_master.c plays the master, workload_delivery.c makes attempts and writes them down as
 * worker/delivery does. */
#ifndef TESTS_CRASH_WORKLOAD_PRIVATE_H
#define TESTS_CRASH_WORKLOAD_PRIVATE_H

#include "workload.h"

#define LARGE_MAX 2U

struct work {
    struct gateway *gateway;
    struct ledger *ledger;
    struct dice *dice;
    struct workload_figures *figures;
    struct large *large[LARGE_MAX];   /* being written, NULL: none */
    size_t heard_queued, heard_moved; /* of those in the gateway */
    unsigned heard_compacted;
    bool is_compacting;
    uint32_t compacting; /* the segment */
    unsigned given, live, notes_under_way;
    unsigned wrong; /* things */
    unsigned quiet; /* bouts without new mail: what came last is finished first */
};

void work_hear(struct work *work);
void work_deliver(struct work *work);
void work_tidy(struct work *work);   /* segments: emptied, handed back */
void work_forget(struct work *work); /* the master's memory; what a scan reports takes its place */

/* One attempt for a group that the master knows, is not finished, and has no note under way. */
void work_attempt(struct work *work, struct ledger_message *message, uint32_t group);
void work_finish(struct work *work, struct ledger_message *message, uint32_t group); /* delivers */

#endif
