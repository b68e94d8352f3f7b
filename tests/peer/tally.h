/* tests/peer/tally.h: what a scripted peer counts, exactly.
 *
 * A connection is open from its accept until the client's end (FIN or RST) was seen or it was reset
 * from here. Before a new maximum is believed the kernel is asked which of the open ones have ended
 * meanwhile, whatever is still to be read from them: a client that closes one connection and then
 * opens another never counts as having two. (What ends and begins within one turn of the loop, a
 * millisecond, may be missed; nothing is counted that was not.)
 *
 * A connection is idle when it has answered HELO or EHLO, no transaction is under way, nothing is
 * owed to the client, neither side has ended it, and all that for more than 100 ms. How many were
 * idle at the same moment is found without sampling: each one's idle time begins at a known moment,
 * so the changes of the number are put in order and none is missed. A time that ends is taken as of
 * the start of the turn in which its end was read, one that begins as of when the reply was said,
 * so that a late reader errs to fewer. */
#ifndef TESTS_PEER_TALLY_H
#define TESTS_PEER_TALLY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "script.h"
#include "seen.h"

struct loop;
struct tally;

enum tally_end {
    END_OPEN,
    END_BY_QUIT,   /* the client said QUIT */
    END_BY_CLIENT, /* without one */
    END_BY_CLIENT_RESET,
    END_BY_SERVER, /* a rule dropped or reset it */
    TALLY_ENDS
};

/* One connection, kept after its end. Times in ms since the start, -1: never. */
struct tally_row {
    int64_t accepted_ms, ended_ms, longest_idle_ms;
    uint32_t transactions, taken; /* MAILs that were accepted; messages */
    enum tally_end end;
    bool said_quit;
};

/* An open connection. */
struct tally_mark {
    unsigned number; /* from 1 */
    int fd;
    bool has_ended; /* seen by asking: it counts no longer */
    bool is_turned_away;
    bool is_idle, is_counted_idle;
    int64_t idle_since_ms; /* by the loop's clock */
    TAILQ_ENTRY(tally_mark) open_link, idle_link;
};

struct tally {
    struct loop *loop;
    int64_t began_ms;

    struct tally_row *rows;
    unsigned accepted, rows_room, open, most_open;
    unsigned served, turned_away; /* of the open; of all */
    int64_t most_open_at_ms;
    TAILQ_HEAD(, tally_mark) marks;

    unsigned idle, most_idle;
    int64_t most_idle_at_ms;
    TAILQ_HEAD(, tally_mark) becoming_idle; /* in the order of their times */

    unsigned long commands[SCRIPT_POINTS];
    unsigned long taken, repeated, unnamed, refused, unanswered, recipients, octets;
    struct seen messages, deliveries;
    int64_t first_taken_ms, last_taken_ms;
};

void tally_init(struct tally *tally, struct loop *loop);
void tally_clear(struct tally *tally);

/* A connection was accepted. False: it is one more than `limit` (0: none) to be turned away. */
bool tally_open(struct tally *tally, struct tally_mark *mark, int fd, unsigned limit);
void tally_close(struct tally *tally, struct tally_mark *mark, enum tally_end end);
struct tally_row *tally_row_of(struct tally *tally, const struct tally_mark *mark);

void tally_begin_idle(struct tally *tally, struct tally_mark *mark);
void tally_end_idle(struct tally *tally, struct tally_mark *mark); /* one that is not is allowed */
void tally_to_now(struct tally *tally);                            /* before the counts are read */

/* A message was taken. `id` 0: it has none. `recipients` are hashes. */
void tally_take(struct tally *tally, struct tally_mark *mark, uint64_t id,
                const uint64_t *recipients, unsigned count);

int64_t tally_now_ms(const struct tally *tally); /* since the start */

#endif
