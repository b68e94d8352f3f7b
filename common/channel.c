#include "common/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/loop.h"

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
    _Alignas(16) unsigned char in[CHANNEL_FRAME_BYTES];
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

/* 1: left, 0: the socket is full, negative: it is gone. */
static int write_frame(struct channel *channel, struct frame *frame)
{
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec part = { .iov_base = &frame->head, .iov_len = sizeof(frame->head) + frame->used };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

    if (frame->fd >= 0) {
        memset(&control, 0, sizeof(control));
        message.msg_control = control.space;
        message.msg_controllen = sizeof(control.space);
        control.align.cmsg_level = SOL_SOCKET;
        control.align.cmsg_type = SCM_RIGHTS;
        control.align.cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(&control.align), &frame->fd, sizeof(int));
    }
    for (;;) {
        if (sendmsg(channel->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
            return 1;
        if (errno == EINTR)
            continue;
        return errno == EAGAIN || errno == ENOBUFS ? 0 : -errno;
    }
}

void channel_flush(struct channel *channel)
{
    struct frame *frame;

    if (channel->has_ended || TAILQ_EMPTY(&channel->out))
        return;
    while ((frame = TAILQ_FIRST(&channel->out)) != NULL) {
        int sent = write_frame(channel, frame);

        if (sent < 0) {
            /* What the peer sent before it died is still to be read; that read finds the end. */
            while ((frame = TAILQ_FIRST(&channel->out)) != NULL)
                drop_frame(channel, frame);
            break;
        }
        if (sent == 0) {
            memset(channel->open, 0, sizeof(channel->open)); /* what waits is closed to additions */
            loop_watch_set(channel->watch, LOOP_READ | LOOP_WRITE);
            return;
        }
        drop_frame(channel, frame);
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
    frame = malloc(sizeof(*frame) + capacity);
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

static void close_all(struct msghdr *message, int *ret_first, unsigned *ret_count)
{
    *ret_first = -1;
    *ret_count = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t at = CMSG_LEN(0); at + sizeof(int) <= c->cmsg_len; at += sizeof(int)) {
            int fd;

            memcpy(&fd, (unsigned char *)c + at, sizeof(fd));
            if ((*ret_count)++ == 0)
                *ret_first = fd;
            else
                close(fd);
        }
    }
}

static int check_frame(const struct channel *channel, size_t bytes, unsigned fds)
{
    const struct frame_head *head = (const void *)channel->in;
    const struct ipc_declaration *declared;

    if (bytes < sizeof(*head) || head->kind >= IPC_KIND_COUNT || head->count == 0)
        return -EBADMSG;
    declared = &ipc_declarations[head->kind];
    if (declared->to != channel->self || channel->handlers[head->kind] == NULL)
        return -EBADMSG;
    if (bytes - sizeof(*head) != (size_t)head->count * declared->bytes)
        return -EBADMSG;
    if (declared->fd == IPC_WITH_FD ? fds != 1 || head->count != 1 : fds != 0)
        return -EBADMSG;
    return 0;
}

/* False: the channel was freed by a handler. */
static bool hand_out(struct channel *channel, int fd)
{
    const struct frame_head *head = (const void *)channel->in;
    size_t bytes = ipc_declarations[head->kind].bytes;
    unsigned count = head->count, kind = head->kind;
    bool freed = false, *outer = channel->freed;

    channel->freed = &freed;
    for (unsigned i = 0; i < count && !channel->has_ended; i++) {
        channel->handlers[kind](channel->owner, channel->in + sizeof(*head) + i * bytes, fd);
        if (freed) {
            if (outer != NULL)
                *outer = true;
            return false;
        }
    }
    channel->freed = outer;
    return true;
}

/* 1: a frame was handled, 0: nothing there, -1: ended or freed. */
static int read_frame(struct channel *channel)
{
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(8 * sizeof(int))];
    } control;
    struct iovec part = { .iov_base = channel->in, .iov_len = sizeof(channel->in) };
    struct msghdr message = { .msg_iov = &part,
                              .msg_iovlen = 1,
                              .msg_control = control.space,
                              .msg_controllen = sizeof(control.space) };
    ssize_t n = recvmsg(channel->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    unsigned fds;
    int fd, err;

    if (n < 0 && errno == EINTR)
        return 1;
    if (n < 0 && errno == EAGAIN)
        return 0;
    if (n <= 0) {
        end_channel(channel, n < 0 && errno != ECONNRESET ? -errno : 0);
        return -1;
    }
    close_all(&message, &fd, &fds);
    err = (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0
              ? -EMSGSIZE
              : check_frame(channel, (size_t)n, fds);
    if (err < 0) {
        if (fd >= 0)
            close(fd);
        end_channel(channel, err);
        return -1;
    }
    return hand_out(channel, fd) ? 1 : -1;
}

static void on_ready(int fd, unsigned what, void *arg)
{
    struct channel *channel = arg;

    (void)fd;
    if ((what & LOOP_WRITE) != 0)
        channel_flush(channel);
    if ((what & LOOP_READ) == 0)
        return;
    /* A few frames a turn: enough to batch, not so many that others wait. */
    for (unsigned i = 0; i < 16; i++) {
        if (read_frame(channel) != 1)
            return;
    }
}

void channel_drain(struct channel *channel)
{
    while (!channel->has_ended && read_frame(channel) == 1)
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
    while (!TAILQ_EMPTY(&c->out))
        drop_frame(c, TAILQ_FIRST(&c->out));
    if (c->freed != NULL)
        *c->freed = true;
    loop_forget_turn_end(c->loop, on_turn_end, c);
    loop_watch_free(&c->watch);
    loop_timer_free(&c->end_timer);
    close(c->fd);
    free(c);
}
