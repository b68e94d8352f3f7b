/* worker/stream.h: one byte stream to a peer, in clear or in TLS.
 *
 * The only module that reads and writes peers' sockets. Protocol code sees lines and buffers, not
 * descriptors. What is written during a turn leaves at its end in one system call (stream_flush()
 * leaves now); reading is one recv per readiness into one buffer. Not bufferevents: those spend an
 * ioctl per read and two epoll_ctl per write, which a relay of small messages feels (README).
 *
 * The owner gets `on_data` when bytes arrived (also when some were left over from last time and it
 * called stream_resume()), `on_drained` when all output has left after stream_is_choked() was true,
 * `on_end` exactly once, and nothing after it or after stream_free(), which may be called inside
 * any of them. No callback runs from inside a call of this interface. */
#ifndef WORKER_STREAM_H
#define WORKER_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "worker/tls.h"

struct evbuffer;
struct loop;
struct sockaddr;
struct stream;

enum stream_end {
    STREAM_END_EOF,     /* the peer closed in order */
    STREAM_END_RESET,   /* reset, or any other error of the transport */
    STREAM_END_REFUSED, /* a connect that failed; stream_errno() says how */
    STREAM_END_TIMEOUT, /* the deadline passed */
    STREAM_END_TLS,     /* no handshake, or TLS broken later; stream_tls_why() says what */
};

struct stream_callbacks {
    void (*on_connected)(void *owner); /* only after stream_connect() */
    void (*on_data)(void *owner);
    void (*on_drained)(void *owner);
    void (*on_secured)(void *owner); /* only after stream_secure() */
    void (*on_end)(enum stream_end end, void *owner);
};

#define STREAM_INPUT_MAX (256U << 10) /* reading pauses while so much is unread */
#define STREAM_CHOKED    (256U << 10) /* so much output waiting: write no more until drained */

/* For an accepted, non-blocking socket, which the stream owns from now on. NULL: no memory, and
 * then the socket is still the caller's. */
struct stream *stream_new(struct loop *loop, int fd, const struct stream_callbacks *callbacks,
                          void *owner);

/* Starts connecting; on_connected or on_end follows. `source` may be NULL. NULL: nothing to wait
 * for, errno says why. */
struct stream *stream_connect(struct loop *loop, const struct sockaddr *peer, unsigned peer_bytes,
                              const struct sockaddr *source, unsigned source_bytes,
                              const struct stream_callbacks *callbacks, void *owner);

/* TLS from here on: what waits to be sent leaves in clear, then the handshake begins; nothing may
 * be added before on_secured or on_end, one of which follows. The input must be empty: what came in
 * clear is not to be taken for what comes after. `server`: the peer is one, and this is who it
 * should be; NULL: it is a client. Whether it is that one the facts say; to insist is the owner's.
 * Holds the context. 0, -EBADMSG: there is input; -ENOMEM. */
int stream_secure(struct stream *stream, struct tls_context *context,
                  const struct tls_server *server);
/* NULL: it is in clear. */
const struct tls_facts *stream_tls_facts(const struct stream *stream);
/* After STREAM_END_TLS. */
const char *stream_tls_why(const struct stream *stream);
enum tls_fault stream_tls_fault(const struct stream *stream);

/* Closes at once; what has not left is lost (stream_close_gently() for that). NULL is allowed. */
void stream_free(struct stream **stream);

/* Sends what is waiting, closes after it has left, or after `limit_ms`; the owner hears nothing
 * more and must not use the stream again. Works after on_end too, where the peer may still listen
 * (end of file, deadline). */
void stream_close_gently(struct stream **stream, int64_t limit_ms);

/* Ends those that are still closing gently: a process does it before its loop goes. */
void stream_free_closing(void);

/* Hands the owner's part to another one (a pooled connection changes hands). */
void stream_set_owner(struct stream *stream, const struct stream_callbacks *callbacks, void *owner);

struct evbuffer *stream_input(struct stream *stream);
struct evbuffer *stream_output(struct stream *stream); /* append only; then stream_kick() */
/* Appends, or ends the stream (STREAM_END_RESET, ENOMEM) when memory is short, with all that waits:
 * no peer is to take what is left for the whole, or one reply for another. */
void stream_add(struct stream *stream, const void *data, size_t bytes);
void stream_kick(struct stream *stream);  /* output was appended: leaves at turn end */
void stream_flush(struct stream *stream); /* now */
bool stream_is_choked(const struct stream *stream);

/* How much the next read should have room for; STREAM_EXPECT_LITTLE at first. A read that fills its
 * room doubles it for the next one, up to 64 KiB, so this only spares reads and memory. */
#define STREAM_EXPECT_LITTLE 1024U
#define STREAM_EXPECT_MUCH   16384U
void stream_expect(struct stream *stream, unsigned bytes);

/* Back pressure: no more on_data until resumed. */
void stream_pause(struct stream *stream);
void stream_resume(struct stream *stream);

/* One deadline; moving it is cheap. When it passes, on_end(STREAM_END_TIMEOUT) runs. 0 clears. */
void stream_deadline_ms(struct stream *stream, int64_t from_now_ms);

int stream_errno(const struct stream *stream);
const char *stream_peer_text(const struct stream *stream); /* "10.0.0.1:25", "[::1]:25" */
const struct sockaddr *stream_peer(const struct stream *stream);

#endif
