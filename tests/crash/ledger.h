/* tests/crash/ledger.h: what the spool was given and what it said, with the position in the record
 * at which each thing happened. From it follows what a restart must find, may find, and must not.
 */
#ifndef TESTS_CRASH_LEDGER_H
#define TESTS_CRASH_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/cell.h"
#include "common/envelope.h"
#include "common/ipc.h"
#include "dice.h"
#include "worker/spooler.h"

#define LEDGER_NEVER SIZE_MAX

enum ledger_fate {
    LEDGER_GIVEN,    /* nothing was said yet: may be there, then whole */
    LEDGER_ANSWERED, /* must be there until it is finished */
    LEDGER_REFUSED,  /* may be there, then whole */
    LEDGER_ABORTED,  /* must not be there */
};

struct ledger_note {
    struct cell_note_place place; /* segment 0: not synced */
    char *text;
    size_t bytes;
    size_t released_at; /* its segment was handed back: it may be gone */
};

/* A state that was written to a group's cell. */
struct ledger_state {
    struct cell cell;
    struct ledger_note *note; /* the one that the cell names, NULL: none */
    size_t from, until;       /* it was written between these positions */
    size_t promised_at;       /* when a sync that covers it had returned */
    uint32_t node;            /* the file it was written to */
    int64_t at_us;
};

struct ledger_group {
    struct ledger_state *states; /* the first is the empty cell */
    size_t state_count, state_room;
    size_t
        settled; /* up to this one they are of earlier lives: on the disk is one of them, alone */
    struct ipc_place place; /* as the master was told last */
    uint16_t copy;
    bool is_known;  /* to the master */
    bool is_busy;   /* an attempt was made and its note is under way */
    bool is_moving; /* a compaction was told to move it and has not said so */
    /* Of the trial that found it last: its number, the copy that counts, the state it is in. */
    uint64_t seen;
    uint16_t seen_copy;
    size_t seen_state;
    struct cell_note_place seen_note;
};

struct ledger_message {
    uint64_t id;
    unsigned number;
    struct envelope envelope;
    struct spooler_body_facts facts;
    char *body;
    size_t bytes;
    enum ledger_fate fate;
    size_t given_at, answered_at;
    uint64_t incarnation; /* of its segment; 0: not known */
    bool may_be_copied;   /* and then lie in another segment, too */
    struct ledger_group *groups;
};

struct ledger {
    struct ledger_message **messages; /* ids ascend */
    size_t count, room;
    struct ledger_note **notes;
    size_t note_count, note_room;
    unsigned next_number;
    int64_t slowest_sync_us; /* from the writing of a state to the end of a sync that covers it */
    unsigned never_synced;   /* states */
};

struct ledger *ledger_new(void);
void ledger_free(struct ledger **ledger);

/* A message as chance will have it. Every second one or so is of the usual kind, so that records of
 * several lives of a segment lie at the same offsets. */
enum ledger_kind { LEDGER_SMALL, LEDGER_LARGE };
struct ledger_message *ledger_add(struct ledger *ledger, uint64_t id, enum ledger_kind kind,
                                  struct dice *dice);
struct ledger_message *ledger_find(const struct ledger *ledger, uint64_t id);
void ledger_answered(struct ledger_message *message, int err);

struct ledger_note *ledger_add_note(struct ledger *ledger, const char *text);

const struct ledger_state *ledger_last(const struct ledger_group *group);
bool ledger_is_finished(const struct ledger_group *group);
/* Somebody is at it: until that is over nobody else may be, as with the real master. */
bool ledger_is_out(const struct ledger_group *group);

/* A state about to be written; its `until` is set by the caller once it is. */
struct ledger_state *ledger_add_state(struct ledger_group *group, const struct cell *cell,
                                      struct ledger_note *note, uint32_t node);

void ledger_free_message(struct ledger_message *message);

/* The record has ended: from it follows when each state was promised. */
void ledger_find_promises(struct ledger *ledger);

/* ---- restarts (ledger_cut.c) ---- */

/* What was not answered and that trial has not found is forgotten: it must not come back, and its
 * id may be given out again. */
void ledger_forget(struct ledger *ledger, uint64_t trial);

/* What happened after position `at` did not. All positions begin anew. */
void ledger_cut(struct ledger *ledger, size_t at);

/* After a power cut: forgets, and what the trial (its number, see check.h) has found is on the disk
 * and stays so. */
void ledger_settle(struct ledger *ledger, uint64_t trial);

#endif
