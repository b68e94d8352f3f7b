/* tests/crash/check_private.h: what check.c (what is there, what is missing) and check_state.c (in
 * which state it is) share. */
#ifndef TESTS_CRASH_CHECK_PRIVATE_H
#define TESTS_CRASH_CHECK_PRIVATE_H

#include "check.h"

struct trial {
    struct gateway *gateway;
    const struct ledger *ledger;
    const struct moment *moment;
    check_tell *tell;
    void *arg;
    unsigned wrong;
    uint64_t number;
};

void check_wrong(struct trial *trial, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Was a byte of this message flipped, in this way? */
bool check_is_flipped(const struct trial *trial, enum flip_what what,
                      const struct ledger_message *message);

/* The state of a reported group, with its note, and whether the report says the same. */
void check_state(struct trial *trial, struct ledger_message *given,
                 const struct ipc_mail_queued *queued, const struct cell *cell);

/* May the group be finished, so that it is not reported? */
bool check_may_be_finished(const struct trial *trial, const struct ledger_message *given,
                           uint32_t group);

#endif
