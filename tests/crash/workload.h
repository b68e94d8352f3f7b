/* tests/crash/workload.h: mail through the real spooler, with the harness as its master and its
 * delivery: small and large messages, attempts, notes, final outcomes, segments handed back. */
#ifndef TESTS_CRASH_WORKLOAD_H
#define TESTS_CRASH_WORKLOAD_H

#include "dice.h"
#include "gateway.h"
#include "ledger.h"

/* So that no part of it can wither away unseen. */
struct workload_figures {
    unsigned given, answered, large, aborted, notes, states;
    unsigned handed_back, compacted, moved, restarts, wrong;
    int64_t longest_ms; /* between two bouts: how busy the machine is */
};

/* Works for some time on the spool as it is after a power cut, of which the ledger knows what it
 * may hold, with an orderly restart in the midst, and leaves it stopped. 0, or so many things were
 * wrong (told to stderr). */
unsigned workload_run(struct gateway *gateway, struct ledger *ledger, struct dice *dice,
                      struct workload_figures *figures);

#endif
