/* worker/stream.c: bytes in and out of one socket.
 *
 * Nothing is told to the owner from inside one of its calls: what happens there is noted in `due`
 * and told from the loop. `later` is one event with two uses: made active, it runs after everything
 * that was ready in this turn (the output of the turn leaves together); with a timeout of zero it
 * runs in the next turn (so that two streams that feed each other cannot hold a turn for ever). */
#include "worker/stream.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/event.h>

#include "common/loop.h"
#include "worker/stream_private.h"

/* An evbuffer puts its own head in front of the room it is asked for and rounds up to a power of
 * two; so much less makes the whole fit one, and little ones fit malloc's quickest lists. */
#define CHAIN_HEAD   64U
#define READ_MOST    (64U << 10)
#define WRITE_PIECES 64

static void on_watch(int fd, unsigned what, void *arg);
static void on_deadline(void *arg);
static void on_later(evutil_socket_t fd, short what, void *arg);

struct stream *stream_make(struct loop *loop, int fd, const struct stream_callbacks *callbacks,
                           void *owner)
{
    struct stream *s = calloc(1, sizeof(*s));

    if (s == NULL)
        return NULL;
    s->fd = -1;
    s->loop = loop;
    s->callbacks = callbacks;
    s->owner = owner;
    s->expected = s->read_bytes = STREAM_EXPECT_LITTLE;
    s->in = evbuffer_new();
    s->out = evbuffer_new();
    s->later = event_new(loop_base(loop), -1, 0, on_later, s);
    s->timer = loop_timer_new(loop, on_deadline, s);
    s->watch = loop_watch_new(loop, fd, on_watch, s);
    if (s->in == NULL || s->out == NULL || s->later == NULL || s->timer == NULL ||
        s->watch == NULL) {
        stream_free(&s);
        return NULL;
    }
    s->fd = fd;
    return s;
}

void stream_update_watch(struct stream *s)
{
    unsigned want = 0;

    switch (s->state) {
    case STREAM_CONNECTING: want = LOOP_WRITE; break;
    case STREAM_OPEN:
        if (!s->is_paused && evbuffer_get_length(s->in) < STREAM_INPUT_MAX &&
            (s->tls == NULL || !stream_tls_is_answering(s)))
            want |= LOOP_READ;
        if (s->is_blocked)
            want |= LOOP_WRITE;
        break;
    case STREAM_CLOSING: want = LOOP_WRITE; break;
    case STREAM_LINGERING: want = LOOP_READ; break;
    case STREAM_ENDED:
    case STREAM_DEAD: break;
    }
    if (want != s->watched) {
        s->watched = want;
        loop_watch_set(s->watch, want);
    }
}

/* ---- life ---- */

void stream_bury(struct stream *s)
{
    if (s->state == STREAM_CLOSING || s->state == STREAM_LINGERING)
        LIST_REMOVE(s, closing);
    s->state = STREAM_DEAD;
    s->due = 0;
    loop_watch_free(&s->watch);
    if (s->timer != NULL)
        loop_timer_free(&s->timer);
    if (s->later != NULL)
        event_free(s->later);
    s->later = NULL;
    if (s->in != NULL)
        evbuffer_free(s->in);
    if (s->out != NULL)
        evbuffer_free(s->out);
    s->in = s->out = NULL;
    stream_tls_free(s);
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
}

/* Only this and stream_free() free a stream, so no callback returns into freed memory. */
void stream_leave(struct stream *s)
{
    if (--s->depth == 0 && s->state == STREAM_DEAD)
        free(s);
}

void stream_free(struct stream **stream)
{
    struct stream *s = *stream;

    *stream = NULL;
    if (s == NULL)
        return;
    if (s->state == STREAM_OPEN)
        stream_tls_farewell(s);
    stream_bury(s);
    if (s->depth == 0)
        free(s);
}

void stream_run_next_turn(struct stream *s)
{
    static const struct timeval at_once;

    if (event_add(s->later, &at_once) != 0)
        event_active(s->later, EV_TIMEOUT, 0); /* without memory: in this turn, which needs none */
}

void stream_finish(struct stream *s, enum stream_end end, int err)
{
    s->end = end;
    s->err = err;
    s->state = STREAM_ENDED;
    s->due |= DUE_END;
    stream_update_watch(s);
    loop_timer_clear(s->timer);
}

/* What TLS has read ahead, no readiness will tell of. */
static bool may_read_pending(const struct stream *s)
{
    return s->state == STREAM_OPEN && s->tls != NULL && !s->is_paused &&
           evbuffer_get_length(s->in) < STREAM_INPUT_MAX && stream_tls_has_pending(s);
}

static void see_to_pending(struct stream *s)
{
    if (may_read_pending(s))
        stream_run_next_turn(s);
}

/* Tells the owner what is due, as long as it has not let go. */
static void tell_owner(struct stream *s)
{
    while (s->due != 0 && (s->state == STREAM_OPEN || s->state == STREAM_ENDED)) {
        unsigned first = s->due & (~s->due + 1);
        const struct stream_callbacks *cb = s->callbacks;

        s->due &= ~first;
        if (first == DUE_CONNECTED)
            cb->on_connected(s->owner);
        else if (first == DUE_SECURED)
            cb->on_secured(s->owner);
        else if (first == DUE_DATA && (!s->is_paused || s->state == STREAM_ENDED))
            cb->on_data(s->owner);
        else if (first == DUE_DRAINED && cb->on_drained != NULL)
            cb->on_drained(s->owner);
        else if (first == DUE_END)
            cb->on_end(s->end, s->owner);
    }
    if (s->state == STREAM_OPEN)
        stream_update_watch(s); /* the owner may have made room, or left too much */
    see_to_pending(s);
}

/* ---- input ---- */

bool stream_make_room(struct stream *s, struct evbuffer_iovec *ret_room)
{
    if (evbuffer_reserve_space(s->in, (ev_ssize_t)(s->read_bytes - CHAIN_HEAD), ret_room, 1) == 1)
        return true;
    stream_finish(s, STREAM_END_RESET, ENOMEM);
    return false;
}

void stream_took(struct stream *s, struct evbuffer_iovec *room, size_t bytes)
{
    bool is_full = bytes == room->iov_len;

    room->iov_len = bytes;
    evbuffer_commit_space(s->in, room, 1);
    if (!is_full)
        s->expected = s->read_bytes = STREAM_EXPECT_LITTLE;
    else if (s->read_bytes < READ_MOST)
        s->read_bytes *= 2;
    s->due |= DUE_DATA;
}

/* One recv. What it brought is due to the owner; so is the end, if that is what it brought. */
static void read_plain(struct stream *s)
{
    struct evbuffer_iovec room;
    ssize_t n;

    if (!stream_make_room(s, &room))
        return;
    n = recv(s->fd, room.iov_base, room.iov_len, 0);
    if (n > 0) {
        stream_took(s, &room, (size_t)n);
    } else if (n == 0) {
        stream_finish(s, STREAM_END_EOF, 0);
    } else if (errno != EAGAIN && errno != EINTR) {
        stream_finish(s, STREAM_END_RESET, errno);
    }
}

static void read_input(struct stream *s)
{
    if (s->tls == NULL)
        read_plain(s);
    else if (stream_tls_is_ready(s))
        stream_tls_read(s);
    else
        stream_tls_shake(s);
}

/* A peer that refuses a message may close while we are still sending: its last words are then in
 * the receive queue, behind a write that fails. */
static void finish_after_failed_write(struct stream *s, int err)
{
    if (s->state == STREAM_OPEN)
        read_input(s);
    stream_finish(s, err == EPROTO && s->tls != NULL ? STREAM_END_TLS : STREAM_END_RESET, err);
}

/* ---- output ---- */

/* As many pieces as are there, and `most` octets; how many octets. */
static size_t peek_output(const struct stream *s, size_t most, struct iovec *pieces, int *ret_count)
{
    size_t bytes = 0;
    int count = evbuffer_peek(s->out, (ev_ssize_t)most, NULL, pieces, WRITE_PIECES);

    if (count > WRITE_PIECES)
        count = WRITE_PIECES;
    for (int i = 0; i < count; i++) {
        if (pieces[i].iov_len > most - bytes)
            pieces[i].iov_len = most - bytes; /* the last: it is looked at as a whole */
        bytes += pieces[i].iov_len;
    }
    *ret_count = count;
    return bytes;
}

static int write_plain(struct stream *s)
{
    struct iovec pieces[WRITE_PIECES];
    struct msghdr message = { .msg_iov = pieces };
    size_t left = STREAM_TURN_BYTES;

    s->is_blocked = false;
    while (evbuffer_get_length(s->out) > 0) {
        int count;
        size_t bytes = peek_output(s, left, pieces, &count);
        ssize_t n;

        message.msg_iovlen = (size_t)count;
        /* The kernel is quicker with one plain piece than with a list of one. */
        n = count == 1 ? send(s->fd, pieces[0].iov_base, bytes, MSG_NOSIGNAL)
                       : sendmsg(s->fd, &message, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN)
            return errno;
        if (n > 0) {
            evbuffer_drain(s->out, (size_t)n);
            left -= (size_t)n;
        }
        if (n < 0 || (size_t)n < bytes || left == 0) {
            s->is_blocked = evbuffer_get_length(s->out) > 0; /* the loop tells when to go on */
            break;
        }
    }
    return 0;
}

/* What was waiting when TLS was asked for is in clear still. */
int stream_write(struct stream *s)
{
    int err = 0;

    if (s->tls != NULL && stream_tls_is_ready(s))
        return stream_tls_write(s);
    if (s->tls == NULL || stream_tls_is_waiting(s))
        err = write_plain(s);
    if (err == 0 && s->tls != NULL &&
        (evbuffer_get_length(s->out) == 0 || !stream_tls_is_waiting(s)))
        stream_tls_shake(s);
    return err;
}

static void flush_output(struct stream *s)
{
    int err;

    s->is_kicked = false;
    if (s->state != STREAM_OPEN)
        return;
    s->was_choked |= evbuffer_get_length(s->out) >= STREAM_CHOKED;
    err = stream_write(s);
    if (err != 0) {
        finish_after_failed_write(s, err);
        return;
    }
    if (s->was_choked && evbuffer_get_length(s->out) == 0) {
        s->was_choked = false;
        s->due |= DUE_DRAINED;
    }
    stream_update_watch(s);
}

/* ---- what the loop calls ---- */

static void on_watch(int fd, unsigned what, void *arg)
{
    struct stream *s = arg;

    (void)fd;
    s->depth++;
    switch (s->state) {
    case STREAM_CONNECTING:
        if (s->err == 0)
            s->err = stream_connect_result(s->fd);
        if (s->err != 0) {
            stream_finish(s, STREAM_END_REFUSED, s->err);
        } else {
            s->state = STREAM_OPEN;
            s->due |= DUE_CONNECTED;
            if (evbuffer_get_length(s->out) > 0)
                flush_output(s);
        }
        break;
    case STREAM_OPEN:
        if ((what & LOOP_READ) != 0 && !s->is_paused)
            read_input(s);
        if ((what & LOOP_WRITE) != 0)
            flush_output(s);
        break;
    case STREAM_CLOSING:
    case STREAM_LINGERING: stream_close_further(s); break;
    case STREAM_ENDED:
    case STREAM_DEAD: break;
    }
    tell_owner(s);
    stream_leave(s);
}

static void on_later(evutil_socket_t fd, short what, void *arg)
{
    struct stream *s = arg;

    (void)fd;
    (void)what;
    s->depth++;
    if (s->is_kicked)
        flush_output(s);
    if (may_read_pending(s))
        stream_tls_read(s);
    tell_owner(s);
    stream_leave(s);
}

static void on_deadline(void *arg)
{
    struct stream *s = arg;

    s->depth++;
    if (s->state == STREAM_CONNECTING || s->state == STREAM_OPEN) {
        stream_finish(s, STREAM_END_TIMEOUT, ETIMEDOUT);
        tell_owner(s);
    } else if (s->state == STREAM_CLOSING || s->state == STREAM_LINGERING) {
        stream_give_up(s);
    }
    stream_leave(s);
}

/* ---- what the owner calls ---- */

void stream_set_owner(struct stream *stream, const struct stream_callbacks *callbacks, void *owner)
{
    stream->callbacks = callbacks;
    stream->owner = owner;
}

struct evbuffer *stream_input(struct stream *stream)
{
    return stream->in;
}

struct evbuffer *stream_output(struct stream *stream)
{
    return stream->out;
}

void stream_add(struct stream *s, const void *data, size_t bytes)
{
    if (evbuffer_add(s->out, data, bytes) == 0 ||
        (s->state != STREAM_OPEN && s->state != STREAM_CONNECTING))
        return;
    stream_finish(s, STREAM_END_RESET, ENOMEM);
    event_active(s->later, EV_TIMEOUT, 0); /* tells the owner, if none of its callers does */
}

void stream_kick(struct stream *s)
{
    if (s->is_kicked || s->is_blocked || s->state != STREAM_OPEN)
        return;
    s->is_kicked = true;
    event_active(s->later, EV_TIMEOUT, 0);
}

void stream_flush(struct stream *s)
{
    if (s->state != STREAM_OPEN || s->is_blocked)
        return;
    flush_output(s);
    if (s->due != 0)
        stream_run_next_turn(s);
}

bool stream_is_choked(const struct stream *stream)
{
    return evbuffer_get_length(stream->out) >= STREAM_CHOKED;
}

void stream_expect(struct stream *s, unsigned bytes)
{
    s->expected = bytes < READ_MOST ? bytes : READ_MOST;
    s->read_bytes = s->expected;
}

void stream_pause(struct stream *s)
{
    s->is_paused = true;
    stream_update_watch(s);
}

void stream_resume(struct stream *s)
{
    s->is_paused = false;
    if (s->state == STREAM_OPEN && evbuffer_get_length(s->in) > 0) {
        s->due |= DUE_DATA;
        stream_run_next_turn(s);
    }
    stream_update_watch(s);
    see_to_pending(s);
}

void stream_deadline_ms(struct stream *s, int64_t from_now_ms)
{
    if (s->state == STREAM_ENDED || s->state == STREAM_DEAD)
        return;
    if (from_now_ms <= 0)
        loop_timer_clear(s->timer);
    else
        loop_timer_set_ms(s->timer, from_now_ms);
}

int stream_errno(const struct stream *stream)
{
    return stream->err;
}
