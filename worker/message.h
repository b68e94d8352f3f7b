/* worker/message.h: one group of a stored message, opened for delivery.
 *
 * The record is read where it lies: the segment is mapped, shared by all messages of the worker
 * that lie in it (worker/segment_cache.h), and the body is handed out by reference. Opening checks
 * the record's checksums (header, envelope, body) and reads the group's cell. */
#ifndef WORKER_MESSAGE_H
#define WORKER_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/cell.h"
#include "common/envelope.h"
#include "common/ipc.h"
#include "common/reason.h"

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
};

/* -ENOENT: no such file. -EBADMSG: what lies there is not this message. */
int message_open(struct segment_cache *cache, const struct ipc_place *place,
                 struct message **ret_message, struct reason *reterr_why);
void message_free(struct message **message);

/* Another holder of the mapped body (an output buffer); ends with segment_release(). */
struct segment *message_hold_segment(struct message *message);

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
