/* worker/spooler.h: from a collected message to stable storage (MQ02).
 *
 * The loop's thread builds records; one sync thread writes and syncs them. All messages that were
 * handed in while a sync was under way share the next one (group commit). `done` runs exactly once
 * per message, in the loop's thread, never from inside the call: with 0 only after the fdatasync
 * that covers the record has returned and MAIL_QUEUED is on its way; with a negative errno the
 * message is not stored and the client is told 451 (452 for -ENOSPC and -EDQUOT).
 *
 * A body up to SPOOLER_SMALL_BYTES is handed in whole. A larger one is written as it arrives into a
 * segment of its own. */
#ifndef WORKER_SPOOLER_H
#define WORKER_SPOOLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/cell.h"
#include "common/conf.h"
#include "common/envelope.h"
#include "common/ipc.h"
#include "common/reason.h"

struct channel;
struct loop;
struct spooler;
struct spooler_large;

#define SPOOLER_SMALL_BYTES (1U << 20)

enum spooler_body_flag {
    BODY_LEADING_DOT = 1 << 0,   /* some line begins with a dot: needs stuffing on the way out */
    BODY_8BIT = 1 << 1,          /* some byte is above 127 */
    BODY_UTF8_ENVELOPE = 1 << 2, /* SMTPUTF8 was asked for */
    BODY_NO_FINAL_CRLF = 1 << 3, /* never set by SMTP ingress without CHUNKING */
};

struct spooler_body_facts {
    unsigned flags;        /* enum spooler_body_flag */
    uint32_t longest_line; /* bytes without CRLF */
};

typedef void spooler_done_cb(int err, uint64_t id, void *arg);

/* `slot` names the folder; its lock is taken here. The spool's folders are made if missing. The
 * first segment is prepared in the background; messages wait for it. */
int spooler_new(struct loop *loop, struct channel *channel, const struct conf *conf, unsigned slot,
                struct spooler **ret_spooler, struct reason *reterr_why);

/* Waits for the sync thread; messages not yet synced get -ECANCELED. */
void spooler_free(struct spooler **spooler);

/* Finds what the slot holds and reports it as MAIL_QUEUED (flag RECOVERED) and then RESCANNED.
 * For the own slot this comes before the first message; for others at the master's order. The
 * work is cut so that no turn of the loop is long. */
void spooler_rescan(struct spooler *spooler, unsigned slot);

/* Room for one message of `bytes`, held until spooler_unreserve() or taken over by submit/begin.
 * 0, -ENOMEM (memory) or -ENOSPC (disk, limit, intake stopped): 452 4.3.1. -EAGAIN: the master has
 * not yet taken in what was reported (IPC_QUEUED_CREDIT): 451. */
int spooler_reserve(struct spooler *spooler, size_t bytes);
void spooler_unreserve(struct spooler *spooler, size_t bytes);

/* The same for mail of the appliance's own. Up to SPOOLER_SMALL_BYTES it has some room that mail
 * from outside leaves alone (MQ0A): SPOOLER_OWN_MEMORY, and on the disk an eighth of a segment out
 * of what is kept free for emptying others. */
#define SPOOLER_OWN_MEMORY (2U << 20)
int spooler_reserve_own(struct spooler *spooler, size_t bytes);

/* The id of a message that will be handed in: its Received line, already part of the body, names
 * it. An id that is not used is lost, which does no harm. */
uint64_t spooler_next_id(struct spooler *spooler);

/* `body` (malloc'd, `bytes` long) is taken over; `envelope` is copied. `reserved` is given back
 * when the message is done. */
void spooler_submit(struct spooler *spooler, uint64_t id, const struct envelope *envelope,
                    char *body, size_t bytes, const struct spooler_body_facts *facts,
                    size_t reserved, spooler_done_cb *done, void *arg);

/* A large message. `on_room` runs when writing may go on after spooler_large_write() returned
 * false. Ends with commit or abort, exactly one of them, before spooler_free(). NULL: memory is
 * short or the envelope beyond its limits, and then `reserved` is still the caller's. */
typedef void spooler_room_cb(void *arg);
struct spooler_large *spooler_large_begin(struct spooler *spooler, uint64_t id,
                                          const struct envelope *envelope, size_t reserved,
                                          spooler_room_cb *on_room, spooler_done_cb *done,
                                          void *arg);
bool spooler_large_write(struct spooler_large *large, const void *data, size_t bytes);
void spooler_large_commit(struct spooler_large *large, const struct spooler_body_facts *facts);
void spooler_large_abort(struct spooler_large *large); /* `done` does not run */

/* A note about a group (last replies, decision record): JSON text, appended to this worker's own
 * segment. `done` runs once it is synced, with its place for the group's cell. */
typedef void spooler_note_cb(int err, struct cell_note_place place, void *arg);
void spooler_note(struct spooler *spooler, uint64_t id, uint32_t group,
                  struct cell_note_place previous, const char *json, size_t bytes,
                  spooler_note_cb *done, void *arg);

/* The state file of the segment at `place` was written to: it is synced within a second (MQ03). If
 * that fails the master hears of it, and has the segment emptied. */
void spooler_state_touched(struct spooler *spooler, const struct ipc_place *place, int state_fd);

/* SEGMENT_REUSE of the master: nobody reads the segment any more. One of the own slot is written
 * anew or removed; one of another slot (whose worker is gone for good) is removed. */
void spooler_segment_reuse(struct spooler *spooler, unsigned slot, uint32_t segment);

/* SEGMENT_RETIRE of the master: the disk refused the state of this segment of the own slot. Nothing
 * more is written to it, and it is not used again. */
void spooler_segment_retire(struct spooler *spooler, uint32_t segment);

/* SEGMENT_COMPACT of the master: copies what `fd` lists out of the segment, reporting each group as
 * MAIL_MOVED and the end as SEGMENT_COMPACTED. */
void spooler_compact(struct spooler *spooler, const struct ipc_segment_compact *order, int fd);

/* The ids that a MAIL_QUEUED was sent for count against IPC_QUEUED_CREDIT until CREDIT. */
void spooler_credit(struct spooler *spooler, uint32_t queued);

/* `changed` runs at the end of the turn in which the credit was used up (spooler_reserve() says
 * -EAGAIN), or in which some is there again; whoever watches begins with some. One watcher; NULL:
 * none any more. */
typedef void spooler_credit_cb(bool has_credit, void *arg);
void spooler_watch_credit(struct spooler *spooler, spooler_credit_cb *changed, void *arg);

/* For the heartbeat. */
struct spooler_figures {
    uint64_t messages, bytes, syncs;
    bool disk_hangs;
};
void spooler_figures(const struct spooler *spooler, struct spooler_figures *ret_figures);

#endif
