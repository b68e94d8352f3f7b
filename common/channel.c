#include "common/channel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/channel_socket.h"
#include "common/loop.h"

#define READS_PER_TURN  4U /* enough to batch, not so many that others wait */
#define FRAMES_GATHERED 64U

struct frame_head {
    uint16_t kind;
    uint16_t count;
    uint32_t reserved;
};

struct frame {
    TAILQ_ENTRY(frame) link;
    size_t used;
    int fd; /* travels with it, -1: none */
    size_t capacity;
    struct frame_head head; /* followed by the payloads */
    unsigned char payload[];
};

TAILQ_HEAD(frame_list, frame);

struct channel {
    struct loop *loop;
    struct loop_watch *watch;
    struct loop_timer *end_timer; /* tells the owner of the end outside of its own calls */
    int fd;
    enum ipc_side self;
    channel_handler *const *handlers;
    channel_end_cb *on_end;
    void *owner;
    struct frame_list out;
    struct frame *open[IPC_KIND_COUNT]; /* still being filled, by kind */
    size_t waiting_bytes;
    int end_err;
    bool has_ended;
    bool is_told;
    bool *freed; /* set while a handler runs */
    _Alignas(16) unsigned char in[CHANNEL_SOCKET_PACKETS][CHANNEL_FRAME_BYTES];
};

static void end_channel(struct channel *channel, int err)
{
    if (channel->has_ended)
        return;
    channel->has_ended = true;
    channel->end_err = err;
    loop_watch_set(channel->watch, 0);
    loop_timer_set_ms(channel->end_timer, 0);
}

static void on_end_timer(void *arg)
{
    struct channel *channel = arg;

    if (channel->is_told)
        return;
    channel->is_told = true;
    channel->on_end(channel->owner, channel->end_err);
}

/* ---- sending ---- */

static void drop_frame(struct channel *channel, struct frame *frame)
{
    TAILQ_REMOVE(&channel->out, frame, link);
    channel->waiting_bytes -= frame->capacity;
    if (channel->open[frame->head.kind] == frame)
        channel->open[frame->head.kind] = NULL;
    if (frame->fd >= 0)
        close(frame->fd);
    free(frame);
}

/* What the peer sent before it died is still to be read; that read finds the end. */
static void drop_all(struct channel *channel)
{
    while (!TAILQ_EMPTY(&channel->out))
        drop_frame(channel, TAILQ_FIRST(&channel->out));
}

/* Frames begin at multiples of 8, so that payloads are aligned where they arrive. */
static size_t padded(size_t bytes)
{
    return (bytes + 7) & ~(size_t)7;
}

/* What leaves next as one packet: a frame with a descriptor alone, others as many as there is room
 * for. Returns how many. */
static size_t gather(const struct channel *channel, struct iovec *parts)
{
    size_t count = 0, bytes = 0;
    struct frame *frame;

    TAILQ_FOREACH (frame, &channel->out, link) {
        const size_t more = sizeof(frame->head) + padded(frame->used);

        if (count > 0 &&
            (frame->fd >= 0 || count == FRAMES_GATHERED || bytes + more > CHANNEL_FRAME_BYTES))
            break;
        memset(frame->payload + frame->used, 0, padded(frame->used) - frame->used);
        parts[count++] = (struct iovec){ .iov_base = &frame->head, .iov_len = more };
        bytes += more;
        if (frame->fd >= 0)
            break;
    }
    return count;
}

/* 1: a packet left, 0: the socket is full; negative: it is gone. */
static int send_packet(struct channel *channel)
{
    struct iovec parts[FRAMES_GATHERED];
    size_t count = gather(channel, parts);
    int sent = channel_socket_send(channel->fd, parts, count, TAILQ_FIRST(&channel->out)->fd);

    for (size_t i = 0; sent == 1 && i < count; i++)
        drop_frame(channel, TAILQ_FIRST(&channel->out));
    return sent;
}

void channel_flush(struct channel *channel)
{
    if (channel->has_ended || TAILQ_EMPTY(&channel->out))
        return;
    while (!TAILQ_EMPTY(&channel->out)) {
        int sent = send_packet(channel);

        if (sent < 0)
            drop_all(channel);
        if (sent == 0) {
            memset(channel->open, 0, sizeof(channel->open)); /* what waits is closed to additions */
            loop_watch_set(channel->watch, LOOP_READ | LOOP_WRITE);
            return;
        }
    }
    loop_watch_set(channel->watch, LOOP_READ);
}

static void on_turn_end(void *arg)
{
    channel_flush(arg);
}

static size_t bytes_of(enum ipc_kind kind)
{
    return ipc_declarations[kind].bytes;
}

static struct frame *open_frame(struct channel *channel, enum ipc_kind kind, size_t capacity)
{
    struct frame *frame;

    if (channel->waiting_bytes + capacity > CHANNEL_MAX_WAITING) {
        end_channel(channel, -ENOBUFS);
        return NULL;
    }
    frame = malloc(sizeof(*frame) + padded(capacity));
    if (frame == NULL) {
        end_channel(channel, -ENOMEM);
        return NULL;
    }
    frame->head = (struct frame_head){ .kind = (uint16_t)kind };
    frame->used = 0;
    frame->fd = -1;
    frame->capacity = capacity;
    channel->waiting_bytes += capacity;
    TAILQ_INSERT_TAIL(&channel->out, frame, link);
    return frame;
}

static void append(struct frame *frame, const void *payload, size_t bytes)
{
    memcpy(frame->payload + frame->used, payload, bytes);
    frame->used += bytes;
    frame->head.count++;
}

/* The first frame of a kind in a turn is small; when it is full the next one is larger. */
static size_t next_capacity(const struct frame *full, size_t bytes)
{
    size_t most = CHANNEL_FRAME_BYTES - sizeof(struct frame_head);
    size_t want = full != NULL ? full->capacity * 4 : bytes * 4;

    if (want > most)
        want = most;
    return want - want % bytes;
}

void channel_send(struct channel *channel, enum ipc_kind kind, const void *payload)
{
    size_t bytes = bytes_of(kind);
    struct frame *frame = channel->open[kind];

    if (channel->has_ended)
        return;
    if (frame == NULL || frame->used + bytes > frame->capacity) {
        frame = open_frame(channel, kind, next_capacity(frame, bytes));
        if (frame == NULL)
            return;
        channel->open[kind] = frame;
    }
    append(frame, payload, bytes);
}

void channel_send_fd(struct channel *channel, enum ipc_kind kind, const void *payload, int fd)
{
    struct frame *frame;

    if (channel->has_ended || (frame = open_frame(channel, kind, bytes_of(kind))) == NULL) {
        close(fd);
        return;
    }
    append(frame, payload, bytes_of(kind));
    frame->fd = fd;
    memset(channel->open, 0,
           sizeof(channel->open)); /* nothing that follows may join what is before */
}

/* ---- receiving ---- */

static const struct frame_head *head_at(const struct channel_packet *packet, size_t at)
{
    return (const void *)((const unsigned char *)packet->data + at);
}

/* With its padding, which stands behind the last frame of a packet, too. */
static size_t bytes_of_frame(const struct frame_head *head)
{
    return sizeof(*head) + padded((size_t)head->count * ipc_declarations[head->kind].bytes);
}

/* The frame at `at` may be anything. */
static int check_frame(const struct channel *channel, const struct channel_packet *packet,
                       size_t at)
{
    const struct frame_head *head = head_at(packet, at);
    const size_t bytes = packet->bytes - at;
    const struct ipc_declaration *declared;

    if (bytes < sizeof(*head) || head->kind >= IPC_KIND_COUNT || head->count == 0)
        return -EBADMSG;
    declared = &ipc_declarations[head->kind];
    if (declared->to != channel->self || channel->handlers[head->kind] == NULL)
        return -EBADMSG;
    if (bytes_of_frame(head) > bytes)
        return -EBADMSG;
    if (declared->fd == IPC_NO_FD)
        return packet->fd_count == 0 ? 0 : -EBADMSG;
    if (packet->fd_count != 1 || head->count != 1 || bytes_of_frame(head) != packet->bytes)
        return -EBADMSG;
    return 0;
}

/* False: the channel was freed by a handler, and the packet with it. */
static bool hand_out(struct channel *channel, const struct channel_packet *packet, size_t at)
{
    const struct frame_head *head = head_at(packet, at);
    const unsigned char *payload = (const unsigned char *)(head + 1);
    size_t bytes = ipc_declarations[head->kind].bytes;
    unsigned count = head->count, kind = head->kind;
    bool freed = false, *outer = channel->freed;

    channel->freed = &freed;
    for (unsigned i = 0; i < count && !channel->has_ended; i++) {
        channel->handlers[kind](channel->owner, payload + i * bytes, packet->fd);
        if (freed) {
            if (outer != NULL)
                *outer = true;
            return false;
        }
    }
    channel->freed = outer;
    return true;
}

/* All of it is checked before any of it is believed. */
static int check_packet(const struct channel *channel, const struct channel_packet *packet)
{
    if (packet->is_cut)
        return -EMSGSIZE;
    for (size_t at = 0; at < packet->bytes; at += bytes_of_frame(head_at(packet, at))) {
        int err = check_frame(channel, packet, at);

        if (err < 0)
            return err;
    }
    return 0;
}

/* False: the channel has ended, or was freed. */
static bool take_packet(struct channel *channel, const struct channel_packet *packet)
{
    const size_t bytes = packet->bytes;
    int err = check_packet(channel, packet);

    if (err < 0 || bytes == 0) {
        if (packet->fd >= 0)
            close(packet->fd);
        end_channel(channel, err);
        return false;
    }
    for (size_t at = 0, next; at < bytes; at = next) {
        next = at + bytes_of_frame(head_at(packet, at)); /* a handler may free the packet */
        if (!hand_out(channel, packet, at) || channel->has_ended)
            return false;
    }
    return true;
}

/* 1: there may be more, 0: that was all for now, -1: ended or freed. */
static int read_some(struct channel *channel)
{
    struct channel_packet packets[CHANNEL_SOCKET_PACKETS];
    int count, at = 0;

    for (unsigned i = 0; i < CHANNEL_SOCKET_PACKETS; i++)
        packets[i] =
            (struct channel_packet){ .data = channel->in[i], .bytes = sizeof(channel->in[i]) };
    count = channel_socket_receive(channel->fd, packets, CHANNEL_SOCKET_PACKETS);
    if (count < 0) {
        end_channel(channel, count != -ECONNRESET ? count : 0);
        return -1;
    }
    while (at < count && take_packet(channel, &packets[at]))
        at++;
    if (at == count)
        return count == (int)CHANNEL_SOCKET_PACKETS;
    while (++at < count) { /* nothing is delivered after the end */
        if (packets[at].fd >= 0)
            close(packets[at].fd);
    }
    return -1;
}

static void on_ready(int fd, unsigned what, void *arg)
{
    struct channel *channel = arg;

    (void)fd;
    if ((what & LOOP_WRITE) != 0)
        channel_flush(channel);
    if ((what & LOOP_READ) == 0)
        return;
    for (unsigned i = 0; i < READS_PER_TURN; i++) {
        if (read_some(channel) != 1)
            return;
    }
}

void channel_drain(struct channel *channel)
{
    while (!channel->has_ended && read_some(channel) == 1)
        ;
}

/* ---- life ---- */

struct channel *channel_new(struct loop *loop, int fd, enum ipc_side self,
                            channel_handler *const *handlers, channel_end_cb *on_end, void *owner)
{
    struct channel *channel = calloc(1, sizeof(*channel));
    int room = 4 << 20;

    if (channel == NULL)
        return NULL;
    TAILQ_INIT(&channel->out);
    channel->loop = loop;
    channel->fd = fd;
    channel->self = self;
    channel->handlers = handlers;
    channel->on_end = on_end;
    channel->owner = owner;
    channel->watch = loop_watch_new(loop, fd, on_ready, channel);
    channel->end_timer = loop_timer_new(loop, on_end_timer, channel);
    if (channel->watch == NULL || channel->end_timer == NULL) {
        loop_watch_free(&channel->watch);
        loop_timer_free(&channel->end_timer);
        free(channel);
        return NULL;
    }
    /* Bursts should not need the waiting list; without the privilege the system's limit applies. */
    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room)) < 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
    loop_watch_set(channel->watch, LOOP_READ);
    loop_at_turn_last(loop, on_turn_end, channel);
    return channel;
}

void channel_free(struct channel **channel)
{
    struct channel *c = *channel;

    if (c == NULL)
        return;
    *channel = NULL;
    channel_flush(c);
    drop_all(c);
    if (c->freed != NULL)
        *c->freed = true;
    loop_forget_turn_end(c->loop, on_turn_end, c);
    loop_watch_free(&c->watch);
    loop_timer_free(&c->end_timer);
    close(c->fd);
    free(c);
}
