/* worker/stream_close.c: a gentle end: the last output leaves although nobody owns the stream. */
#include <errno.h>
#include <sys/socket.h>

#include <event2/buffer.h>
#include <event2/event.h>

#include "common/loop.h"
#include "worker/stream_private.h"

#define LINGER_BYTES (1U << 20)

static LIST_HEAD(, stream) closing = LIST_HEAD_INITIALIZER(closing); /* nobody else knows them */

/* Everything has left. Closing a socket that holds unread input makes the kernel send a reset, and
 * a reset makes the peer's kernel throw away our last words: such a peer is read until it closes
 * its side too. */
static void end_gently(struct stream *s)
{
    char waste[512];
    ssize_t n;

    stream_tls_farewell(s);
    n = recv(s->fd, waste, sizeof(waste), 0);

    if (n == 0 || (n < 0 && (errno != EAGAIN || !s->had_unread))) {
        stream_bury(s);
        return;
    }
    s->state = STREAM_LINGERING;
    s->linger_bytes = LINGER_BYTES;
    shutdown(s->fd, SHUT_WR);
    stream_update_watch(s);
}

static void linger(struct stream *s)
{
    char waste[4096];
    ssize_t n = recv(s->fd, waste, sizeof(waste), 0);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0 || (size_t)n >= s->linger_bytes)
        stream_bury(s);
    else
        s->linger_bytes -= (unsigned)n;
}

void stream_close_further(struct stream *s)
{
    if (s->state == STREAM_LINGERING)
        linger(s);
    else if (stream_write(s) != 0)
        stream_bury(s);
    else if (s->is_blocked)
        stream_update_watch(s);
    else
        end_gently(s);
}

void stream_give_up(struct stream *s)
{
    struct linger at_once = { .l_onoff = 1, .l_linger = 0 };

    /* A peer that does not read would keep what is left in the kernel's memory for minutes. */
    (void)setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    stream_bury(s);
}

void stream_close_gently(struct stream **stream, int64_t limit_ms)
{
    struct stream *s = *stream;
    bool can_send;

    *stream = NULL;
    if (s == NULL)
        return;
    can_send =
        s->state == STREAM_OPEN ||
        (s->state == STREAM_ENDED && (s->end == STREAM_END_EOF || s->end == STREAM_END_TIMEOUT));
    if (!can_send) {
        stream_free(&s);
        return;
    }
    s->depth++;
    s->due = 0;
    s->state = STREAM_CLOSING;
    LIST_INSERT_HEAD(&closing, s, closing);
    s->had_unread = evbuffer_get_length(s->in) > 0;
    event_del(s->later);
    evbuffer_drain(s->in, evbuffer_get_length(s->in));
    stream_close_further(s);
    if (s->state != STREAM_DEAD)
        loop_timer_set_ms(s->timer, limit_ms > 0 ? limit_ms : 1);
    stream_leave(s);
}

void stream_free_closing(void)
{
    while (!LIST_EMPTY(&closing)) {
        struct stream *s = LIST_FIRST(&closing);

        stream_free(&s);
    }
}
