/* common/channel.h: one end of the channel between master and worker.
 *
 * A SOCK_SEQPACKET socket. A frame is a head {kind, count} and an array of that kind's fixed-size
 * payload, padded to a multiple of 8; a packet is frames of several kinds, at most 64 KiB of them,
 * or one frame with a descriptor. What is sent during a turn of the loop leaves at its end: events
 * of one kind keep their order and share frames; an event with a descriptor first lets everything
 * before it leave, so it is never overtaken.
 *
 * Reading never stops. What cannot be written waits in memory, bounded by the credit rules of
 * common/ipc.h; beyond CHANNEL_MAX_WAITING bytes the peer counts as faulty.
 *
 * A faulty peer (unknown kind, wrong direction, wrong size, oversize packet) ends the channel: the
 * owner's `on_end` runs with a negative errno, or 0 for a clean end of file, exactly once, and
 * never from inside channel_send(). Nothing is delivered after it, and nothing of a faulty packet.
 */
#ifndef COMMON_CHANNEL_H
#define COMMON_CHANNEL_H

#include <stddef.h>

#include "common/ipc.h"

#define CHANNEL_FRAME_BYTES 65536U
#define CHANNEL_MAX_WAITING (16U << 20)

struct channel;
struct loop;

/* `payload` is aligned and good until the handler returns. `fd` is -1 unless the kind carries a
 * descriptor; the handler owns it then. */
typedef void channel_handler(void *owner, const void *payload, int fd);
typedef void channel_end_cb(void *owner, int err);

/* Takes over `fd`. `handlers` is indexed by kind and must have an entry for each kind that `self`
 * receives. NULL when memory is short (the descriptor is then still the caller's). */
struct channel *channel_new(struct loop *loop, int fd, enum ipc_side self,
                            channel_handler *const *handlers, channel_end_cb *on_end, void *owner);

/* Sends what is waiting as far as the socket takes it, then closes. Safe in a handler. */
void channel_free(struct channel **channel);

/* `payload` has the size that the kind was declared with. */
void channel_send(struct channel *channel, enum ipc_kind kind, const void *payload);

/* The same with a descriptor, which is closed here once it has left. */
void channel_send_fd(struct channel *channel, enum ipc_kind kind, const void *payload, int fd);

/* Writes what is waiting now, without waiting for the end of the turn. */
void channel_flush(struct channel *channel);

/* Reads everything the peer sent before it died, handing it to the handlers: for the master, when
 * a worker's process has ended. */
void channel_drain(struct channel *channel);

#endif
