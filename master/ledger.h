/* master/ledger.h: deliveries of which nobody knows whether they arrived (SP22).
 *
 * A connection that is lost after the end of data and before its reply leaves it open whether the
 * server took the message. It is sent again, so it may arrive twice. Each such loss is counted, and
 * the last ones are listed, so that whoever is asked about a message that came twice finds it here.
 * In memory: a restart begins afresh, the log (event=ambiguous) has them all. */
#ifndef MASTER_LEDGER_H
#define MASTER_LEDGER_H

#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

struct ledger;
struct queue;

#define LEDGER_MAX 1000

struct ledger_loss {
    uint64_t id;
    uint32_t group;
    unsigned attempt;    /* which one it was, from 1 */
    const char *profile; /* its name then; this and the next are copied */
    const char *server;  /* as the profile had it; NULL: it is not in the list any more */
};

/* NULL: no memory. */
struct ledger *ledger_new(void);
void ledger_free(struct ledger **ledger); /* NULL inside is allowed */

/* Without the memory for its texts it is listed without them. */
void ledger_add(struct ledger *ledger, const struct ledger_loss *loss);
uint64_t ledger_count(const struct ledger *ledger); /* since the start */

/* [{"time", "id", "group", "attempt", "profile", "server", "state"}, ...], the last one first, at
 * most `limit`. "state" is what the group is in the queue now; null: it has left it, delivered or
 * deleted. NULL: no memory. */
json_t *ledger_shown(const struct ledger *ledger, struct queue *queue, size_t limit);

#endif
