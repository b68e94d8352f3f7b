/* worker/stream_private.h: what stream.c (bytes), stream_tls.c (the same in TLS), stream_connect.c
 * (beginnings) and stream_close.c (ends) share. */
#ifndef WORKER_STREAM_PRIVATE_H
#define WORKER_STREAM_PRIVATE_H

#include <sys/queue.h>
#include <sys/socket.h>

#include "common/address.h"
#include "worker/stream.h"

/* Of output that leave in one go: a peer that reads as fast as we write would keep all others
 * waiting. */
#define STREAM_TURN_BYTES ((size_t)1 << 20)

struct event;
struct stream_tls;
struct loop_timer;
struct loop_watch;

/*             connect                     owner lets go              unread input
 * CONNECTING ---------> OPEN ---------------------------> CLOSING -----------------> LINGERING
 *      |                 | end of file, reset, deadline      |                           |
 *      +-----------------+------------------> ENDED          +-----------> DEAD <--------+
 */
enum stream_state {
    STREAM_CONNECTING,
    STREAM_OPEN,
    STREAM_CLOSING,   /* the last output is leaving; nobody owns it any more */
    STREAM_LINGERING, /* all said; what the peer still sends is thrown away, see stream_close.c */
    STREAM_ENDED,     /* on_end is due or has run */
    STREAM_DEAD,      /* freed, as soon as none of its callbacks is on the stack */
};

enum stream_due { /* what the owner has yet to be told, in this order */
                  DUE_CONNECTED = 1 << 0,
                  DUE_SECURED = 1 << 1,
                  DUE_DATA = 1 << 2,
                  DUE_DRAINED = 1 << 3,
                  DUE_END = 1 << 4,
};

struct stream {
    LIST_ENTRY(stream) closing; /* in CLOSING and LINGERING */
    struct loop *loop;
    struct loop_watch *watch;
    struct loop_timer *timer; /* the deadline */
    struct event *later;      /* the end of this turn, or the next */
    struct evbuffer *in, *out;
    struct stream_tls *tls; /* NULL: in clear */
    const struct stream_callbacks *callbacks;
    void *owner;
    enum stream_state state;
    enum stream_end end;
    int fd;
    int err;
    unsigned depth;   /* callbacks on the stack, see stream_leave() */
    unsigned watched; /* LOOP_READ, LOOP_WRITE: as the loop knows it */
    unsigned due;     /* enum stream_due */
    bool is_paused, is_blocked, is_kicked, was_choked, had_unread;
    unsigned expected;     /* stream_expect() */
    unsigned read_bytes;   /* room offered to the next recv */
    unsigned linger_bytes; /* what a lingering peer may still send */
    socklen_t peer_bytes;
    struct sockaddr_storage peer;
    char peer_text[ADDRESS_TEXT_SIZE];
};

/* A stream around `fd` with nothing watched yet; NULL: no memory, and the caller keeps `fd`. */
struct stream *stream_make(struct loop *loop, int fd, const struct stream_callbacks *callbacks,
                           void *owner);

/* Tells the loop what to wait for, if that has changed. */
void stream_update_watch(struct stream *stream);

/* Lets go of everything but the struct itself, which a callback on the stack may still look at. */
void stream_bury(struct stream *stream);

/* The other side of depth++: frees a buried stream when no callback is left on the stack. */
void stream_leave(struct stream *stream);

/* Writes until all has left or the socket is full. 0 or the errno of the failure. */
int stream_write(struct stream *stream);

/* The transport is over; the owner is told when its time comes. */
void stream_finish(struct stream *stream, enum stream_end end, int err);

/* The next turn sees to what became possible now. */
void stream_run_next_turn(struct stream *stream);

/* Room for the next read; false: no memory, and the stream has ended. */
struct evbuffer_iovec;
bool stream_make_room(struct stream *stream, struct evbuffer_iovec *ret_room);
/* So much of it was filled, and the owner hears of it. */
void stream_took(struct stream *stream, struct evbuffer_iovec *room, size_t bytes);

/* ---- stream_tls.c: with a handshake begun or done ---- */

/* Begins as soon as the output in clear has left; goes on while there is no session. */
void stream_tls_shake(struct stream *stream);
bool stream_tls_is_ready(const struct stream *stream);
bool stream_tls_is_waiting(const struct stream *stream); /* for the output in clear to leave */
/* What one readiness brings; ends it when the peer has. */
void stream_tls_read(struct stream *stream);
/* Decrypted, or about to be, and not read yet: no readiness of the socket will tell. */
bool stream_tls_has_pending(const struct stream *stream);
/* Nothing can be read before there is room to write again, which readiness tells. */
bool stream_tls_is_answering(const struct stream *stream);
/* As stream_write(). */
int stream_tls_write(struct stream *stream);
/* Says that nothing more comes, as far as that can be said now. */
void stream_tls_farewell(struct stream *stream);
void stream_tls_free(struct stream *stream);

/* Whatever became possible in CLOSING or LINGERING. */
void stream_close_further(struct stream *stream);

/* The limit of stream_close_gently() has passed. */
void stream_give_up(struct stream *stream);

/* Finds out how a connect went. 0 or the errno. */
int stream_connect_result(int fd);

#endif
