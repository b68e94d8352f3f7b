/* tests/unit/stream_stage.h: a stream and its peer, over a socketpair or a real loopback
 * connection, and an owner who writes down what he hears and does what the test says. */
#ifndef TESTS_UNIT_STREAM_STAGE_H
#define TESTS_UNIT_STREAM_STAGE_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <criterion/criterion.h>
#include <event2/buffer.h>

#include "common/clock.h"
#include "common/loop.h"
#include "worker/stream.h"

struct seen {
    struct stream *stream;
    unsigned connected, data, drained, ended;
    enum stream_end end;
    size_t bytes; /* of input when on_data last ran */
    bool eats;    /* on_data drains the input */
    bool echoes;
    bool frees_in_data, frees_in_end, closes_in_data, closes_in_end, pauses_in_data;
    bool is_inside; /* one of our calls is running */
};

static struct loop *loop;
static int peer = -1;

static void on_connected(void *owner)
{
    struct seen *seen = owner;

    cr_assert_not(seen->is_inside);
    seen->connected++;
}

static void on_data(void *owner)
{
    struct seen *seen = owner;
    struct evbuffer *in = stream_input(seen->stream);

    cr_assert_not(seen->is_inside);
    seen->data++;
    seen->bytes = evbuffer_get_length(in);
    if (seen->echoes) {
        evbuffer_add_buffer(stream_output(seen->stream), in);
        stream_kick(seen->stream);
    }
    if (seen->eats)
        evbuffer_drain(in, seen->bytes);
    if (seen->pauses_in_data)
        stream_pause(seen->stream);
    if (seen->frees_in_data)
        stream_free(&seen->stream);
    if (seen->closes_in_data) {
        evbuffer_add(stream_output(seen->stream), "bye", 3);
        stream_close_gently(&seen->stream, 5000);
    }
}

static void on_drained(void *owner)
{
    struct seen *seen = owner;

    cr_assert_not(seen->is_inside);
    seen->drained++;
}

static void on_end(enum stream_end end, void *owner)
{
    struct seen *seen = owner;

    cr_assert_not(seen->is_inside);
    seen->ended++;
    seen->end = end;
    if (seen->frees_in_end)
        stream_free(&seen->stream);
    if (seen->closes_in_end) {
        evbuffer_add(stream_output(seen->stream), "bye", 3);
        stream_close_gently(&seen->stream, 5000);
    }
}

static const struct stream_callbacks callbacks = {
    .on_connected = on_connected, .on_data = on_data, .on_drained = on_drained, .on_end = on_end
};

static void setup(void)
{
    loop = loop_new();
    cr_assert_not_null(loop);
}

static void teardown(void)
{
    if (peer >= 0)
        close(peer);
    stream_free_closing();
    loop_free(loop);
}

/* Turns the loop until `condition` holds, for at most ten seconds. */
#define UNTIL(condition)                                                    \
    do {                                                                    \
        int64_t limit_ = clock_mono_ms() + 10000;                           \
        while (!(condition)) {                                              \
            cr_assert_lt(clock_mono_ms(), limit_, "never: %s", #condition); \
            loop_turn(loop, 10);                                            \
        }                                                                   \
    } while (0)

__attribute__((unused)) static void open_pair(struct seen *seen)
{
    int fds[2];

    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    peer = fds[1];
    seen->stream = stream_new(loop, fds[0], &callbacks, seen);
    cr_assert_not_null(seen->stream);
}

__attribute__((unused)) static int listen_loopback(struct sockaddr_in *ret_address)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    socklen_t bytes = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&address, &bytes), 0);
    cr_assert_eq(listen(fd, 8), 0);
    *ret_address = address;
    return fd;
}

/* A real TCP connection, the stream on the accepting side. */
__attribute__((unused)) static void open_loopback(struct seen *seen)
{
    struct sockaddr_in address;
    int listener = listen_loopback(&address);
    int fd;

    peer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(connect(peer, (struct sockaddr *)&address, sizeof(address)), 0);
    fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    cr_assert_geq(fd, 0);
    close(listener);
    seen->stream = stream_new(loop, fd, &callbacks, seen);
    cr_assert_not_null(seen->stream);
    cr_assert_eq(fcntl(peer, F_SETFL, O_NONBLOCK), 0);
}

/* Reads what there is at the peer; -1 nothing, 0 end of file. */
static ssize_t peer_read(char *out, size_t room)
{
    return recv(peer, out, room, MSG_DONTWAIT);
}

/* Reads at the peer until `bytes` have come, or, with 0, until its end of file. */
__attribute__((unused)) static size_t read_all(size_t bytes)
{
    static char block[1 << 20];
    int64_t limit = clock_mono_ms() + 10000;
    size_t got = 0;
    ssize_t n;

    do {
        cr_assert_lt(clock_mono_ms(), limit, "only %zu bytes", got);
        loop_turn(loop, 0);
        n = peer_read(block, sizeof(block));
        cr_assert(n >= 0 || errno == EAGAIN, "errno %d after %zu bytes", errno, got);
        got += n > 0 ? (size_t)n : 0;
    } while (n != 0 && (bytes == 0 || got < bytes));
    return got;
}

#endif
