/* tests/crash/check.h: a restart on what lies in the gateway's folder, held against the ledger. */
#ifndef TESTS_CRASH_CHECK_H
#define TESTS_CRASH_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway.h"
#include "ledger.h"

/* Whose byte was flipped. Everything else must be as if it had not been. */
enum flip_what {
    FLIP_NOTHING, /* of none: a header, a commit block, padding */
    FLIP_HEAD,    /* record header or envelope: the message may be set aside as damage */
    FLIP_BODY,    /* the message is there, and its body is refused when it is opened */
    FLIP_NOTE,    /* a note may be unreadable */
    FLIP_CELL,    /* a group may be one state back */
};

struct flip {
    enum flip_what what;
    const struct ledger_message *message;
    uint32_t group;   /* of a note or cell */
    uint32_t segment; /* in which it lies */
};

struct moment {
    size_t at;               /* position of the crash in the record */
    bool is_kill;            /* of the process: all that was written is there */
    bool is_continued;       /* the spool is asked to take a message, too */
    bool is_foreign;         /* another slot's worker makes the scan, as after a death */
    const struct flip *flip; /* NULL: none */
};

/* 0 when everything holds. What does not is told to `tell`, each in a line; the number of them is
 * returned. The gateway is running afterwards, unless it could not be started. */
typedef void check_tell(const char *line, void *arg);
unsigned check_restart(struct gateway *gateway, const struct ledger *ledger,
                       const struct moment *moment, check_tell *tell, void *arg);

/* So many restarts were checked: the number of the last one. */
uint64_t check_trials(void);

#endif
