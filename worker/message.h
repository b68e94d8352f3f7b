/* worker/message.h: one group of a stored message, opened for delivery.
 *
 * The record is read where it lies: the segment is mapped, shared by all messages of the worker
 * that lie in it (worker/segment_cache.h), and the body is handed out by reference. Opening checks
 * the record's checksums (header, envelope, a small body) and reads the group's cell. Whoever wants
 * a large body has it checked first, once for all of the worker's openings. */
#ifndef WORKER_MESSAGE_H
#define WORKER_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/cell.h"
#include "common/envelope.h"
#include "common/ipc.h"
#include "common/reason.h"

struct body_ref;
struct body_work;
struct message_check;
struct segment_cache;
struct segment;

struct message {
    struct ipc_place place;
    struct envelope *envelope;
    const struct envelope_group *group;
    const char *body; /* as received: unstuffed, CRLF line ends */
    size_t body_bytes;
    unsigned body_flags; /* enum spooler_body_flag */
    uint32_t longest_line;
    int64_t received_ms; /* wall */
    struct cell cell;
    uint16_t cell_sequence;
    struct segment *segment; /* held */
    uint64_t body_sum, offset;
};

/* -ENOENT: no such file. -EBADMSG: what lies there is not this message. */
int message_open(struct segment_cache *cache, const struct ipc_place *place,
                 struct message **ret_message, struct reason *reterr_why);
void message_free(struct message **message);

/* Is the body what was stored? Of a large one nobody may have looked yet. */
bool message_is_checked(const struct message *message);
/* Looks at all of it, in the thread for that. `done` runs once, never from inside the call, with 0,
 * or -EBADMSG with the reason, unless it is cancelled. 0 or a negative errno with the reason. */
typedef void message_checked_cb(int err, const char *why, void *arg);
int message_check(struct message *message, struct body_work *work, message_checked_cb *done,
                  void *arg, struct message_check **ret_check, struct reason *reterr_why);
void message_check_cancel(struct message_check **check); /* NULL inside is allowed */

/* Another holder of the mapped body (an output buffer); ends with segment_release(). */
struct segment *message_hold_segment(struct message *message);
/* The body for the thread that takes bodies apart (worker/body_work.h); `message` is borrowed until
 * the work is begun. */
struct body_ref message_body_ref(struct message *message);

/* Writes message->cell (MQ03: called in the handler that read the final reply). */
int message_record(struct message *message);

/* The descriptor for spooler_state_touched(). */
int message_state_fd(const struct message *message);

/* A note about a group, read where it lies. An older one may be gone with its segment: only the
 * newest is kept by the master. */
struct message_note {
    const char *text; /* JSON, not NUL-terminated */
    size_t bytes;
    struct cell_note_place previous; /* segment 0: there is none */
    struct segment *segment;         /* held */
};

/* Errors as message_open(). */
int message_note_open(struct segment_cache *cache, struct cell_note_place place, uint64_t id,
                      uint32_t group, struct message_note *ret_note, struct reason *reterr_why);
void message_note_close(struct message_note *note);

#endif
