/* Streams over socketpairs and real loopback sockets: each way a peer can behave, by name. */
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

TestSuite(stream, .init = setup, .fini = teardown, .timeout = 30);

/* Turns the loop until `condition` holds, for at most ten seconds. */
#define UNTIL(condition)                                                    \
    do {                                                                    \
        int64_t limit_ = clock_mono_ms() + 10000;                           \
        while (!(condition)) {                                              \
            cr_assert_lt(clock_mono_ms(), limit_, "never: %s", #condition); \
            loop_turn(loop, 10);                                            \
        }                                                                   \
    } while (0)

static void open_pair(struct seen *seen)
{
    int fds[2];

    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    peer = fds[1];
    seen->stream = stream_new(loop, fds[0], &callbacks, seen);
    cr_assert_not_null(seen->stream);
}

static int listen_loopback(struct sockaddr_in *ret_address)
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

static void connect_to(struct seen *seen, const struct sockaddr_in *address)
{
    seen->is_inside = true;
    seen->stream = stream_connect(loop, (const struct sockaddr *)address, sizeof(*address), NULL, 0,
                                  &callbacks, seen);
    seen->is_inside = false;
    cr_assert_not_null(seen->stream);
}

/* A real TCP connection, the stream on the accepting side. */
static void open_loopback(struct seen *seen)
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

static void reset_peer(void)
{
    struct linger now = { .l_onoff = 1, .l_linger = 0 };

    setsockopt(peer, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close(peer);
    peer = -1;
}

/* Reads what there is at the peer; -1 nothing, 0 end of file. */
static ssize_t peer_read(char *out, size_t room)
{
    return recv(peer, out, room, MSG_DONTWAIT);
}

/* Reads at the peer until `bytes` have come, or, with 0, until its end of file. */
static size_t read_all(size_t bytes)
{
    static char block[1 << 20];
    int64_t limit = clock_mono_ms() + 10000;
    size_t got = 0;
    ssize_t n;

    do {
        cr_assert_lt(clock_mono_ms(), limit, "only %zu bytes", got);
        loop_turn(loop, 0);
        n = peer_read(block, sizeof(block));
        got += n > 0 ? (size_t)n : 0;
    } while (n != 0 && (bytes == 0 || got < bytes));
    return got;
}

/* ---- in and out ---- */

Test(stream, data_arrives_and_answers_leave)
{
    struct seen seen = { .echoes = true };
    char text[16] = "";

    open_pair(&seen);
    cr_assert_eq(write(peer, "hello", 5), 5);
    UNTIL(peer_read(text, sizeof(text)) == 5);
    cr_assert_str_eq(text, "hello");
    cr_assert_eq(seen.data, 1);
    stream_free(&seen.stream);
    cr_assert_eq(peer_read(text, sizeof(text)), 0);
}

/* A socket that would take it all: who else is in the loop gets his turn in between. */
Test(stream, much_output_leaves_over_several_turns)
{
    const int room = 64 << 20;
    const size_t turn = 1 << 20, whole = 5 * turn;
    struct seen seen = { 0 };
    char *out = calloc(1, whole), *in = malloc(whole);
    size_t came = 0, most = 0;
    int fds[2];

    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    if (setsockopt(fds[0], SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room)) != 0)
        cr_skip("needs root for so large a socket buffer");
    peer = fds[1];
    seen.stream = stream_new(loop, fds[0], &callbacks, &seen);
    evbuffer_add_reference(stream_output(seen.stream), out, whole, NULL, NULL);
    stream_kick(seen.stream);
    while (came < whole) {
        size_t before = came;
        ssize_t n;

        loop_turn(loop, 1000);
        while ((n = recv(peer, in, whole, 0)) > 0)
            came += (size_t)n;
        if (came - before > most)
            most = came - before;
        cr_assert_gt(came, before, "it stopped after %zu", came);
    }
    cr_assert_eq(most, turn, "%zu in one turn", most);
    UNTIL(seen.drained == 1);
    stream_free(&seen.stream);
    free(out);
    free(in);
}

Test(stream, output_of_a_turn_leaves_in_one_piece)
{
    struct seen seen = { 0 };
    int fds[2];
    char text[16] = "";

    /* Message boundaries show how often it was sent. */
    cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, fds), 0);
    peer = fds[1];
    seen.stream = stream_new(loop, fds[0], &callbacks, &seen);
    for (int i = 0; i < 3; i++) {
        evbuffer_add_reference(stream_output(seen.stream), "abc", 3, NULL, NULL);
        stream_kick(seen.stream);
    }
    cr_assert_eq(peer_read(text, sizeof(text)), -1, "nothing leaves before the end of the turn");
    UNTIL(peer_read(text, sizeof(text)) == 9);
    cr_assert_str_eq(text, "abcabcabc");
    stream_free(&seen.stream);
}

Test(stream, flush_leaves_now)
{
    struct seen seen = { 0 };
    char text[4] = "";

    open_pair(&seen);
    evbuffer_add(stream_output(seen.stream), "abc", 3);
    stream_flush(seen.stream);
    cr_assert_eq(peer_read(text, sizeof(text)), 3);
    stream_free(&seen.stream);
}

Test(stream, idle_input_holds_no_memory)
{
    struct seen seen = { .eats = true };
    struct evbuffer_iovec piece;

    open_pair(&seen);
    cr_assert_eq(write(peer, "hello", 5), 5);
    UNTIL(seen.data == 1);
    cr_assert_eq(evbuffer_peek(stream_input(seen.stream), -1, NULL, &piece, 1), 0);
    stream_free(&seen.stream);
}

Test(stream, reading_stops_while_too_much_is_unread)
{
    static char block[64 << 10];
    struct seen seen = { 0 };
    ssize_t sent = 0;

    open_pair(&seen);
    for (int i = 0; i < 500; i++) {
        ssize_t n = send(peer, block, sizeof(block), MSG_DONTWAIT);

        if (n > 0)
            sent += n;
        loop_turn(loop, 0);
    }
    cr_assert_gt(sent, STREAM_INPUT_MAX);
    cr_assert_geq(seen.bytes, STREAM_INPUT_MAX);
    cr_assert_leq(seen.bytes, STREAM_INPUT_MAX + (64 << 10));
    seen.eats = true;
    stream_resume(seen.stream);
    UNTIL(evbuffer_get_length(stream_input(seen.stream)) == 0);
    seen.bytes = 0;
    UNTIL(send(peer, "x", 1, MSG_DONTWAIT) == 1);
    UNTIL(seen.bytes > 0);
    stream_free(&seen.stream);
}

Test(stream, choked_then_drained)
{
    struct seen seen = { 0 };
    static char block[1 << 20];

    open_loopback(&seen);
    for (int i = 0; i < 16; i++)
        evbuffer_add_reference(stream_output(seen.stream), block, sizeof(block), NULL, NULL);
    cr_assert(stream_is_choked(seen.stream));
    stream_kick(seen.stream);
    loop_turn(loop, 0);
    cr_assert_eq(seen.drained, 0);
    cr_assert_eq(read_all(16 * sizeof(block)), 16 * sizeof(block));
    UNTIL(seen.drained == 1);
    cr_assert_not(stream_is_choked(seen.stream));
    loop_turn(loop, 0);
    cr_assert_eq(seen.drained, 1);
    stream_free(&seen.stream);
}

Test(stream, drained_after_a_flush_comes_from_the_loop)
{
    struct seen seen = { 0 };
    static char block[STREAM_CHOKED];
    int room = 4 << 20;

    open_pair(&seen);
    setsockopt(peer, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
    evbuffer_add_reference(stream_output(seen.stream), block, sizeof(block), NULL, NULL);
    seen.is_inside = true;
    stream_flush(seen.stream);
    seen.is_inside = false;
    cr_assert_eq(seen.drained, 0);
    cr_assert_eq(read_all(sizeof(block)), sizeof(block));
    UNTIL(seen.drained == 1);
    stream_free(&seen.stream);
}

Test(stream, paused_hears_nothing_until_resumed)
{
    struct seen seen = { .eats = true };

    open_pair(&seen);
    stream_pause(seen.stream);
    cr_assert_eq(write(peer, "hello", 5), 5);
    for (int i = 0; i < 5; i++)
        loop_turn(loop, 1);
    cr_assert_eq(seen.data, 0);
    stream_resume(seen.stream);
    UNTIL(seen.data == 1);
    cr_assert_eq(seen.bytes, 5);
    stream_free(&seen.stream);
}

Test(stream, resume_tells_of_what_was_left_over)
{
    struct seen seen = { .pauses_in_data = true };

    open_pair(&seen);
    cr_assert_eq(write(peer, "hello", 5), 5);
    UNTIL(seen.data == 1);
    seen.pauses_in_data = false;
    seen.eats = true;
    seen.is_inside = true;
    stream_resume(seen.stream);
    seen.is_inside = false;
    UNTIL(seen.data == 2);
    cr_assert_eq(seen.bytes, 5);
    stream_free(&seen.stream);
}

/* ---- ends ---- */

Test(stream, end_of_file_comes_after_the_data)
{
    struct seen seen = { 0 };

    open_loopback(&seen);
    cr_assert_eq(write(peer, "hello", 5), 5);
    close(peer);
    peer = -1;
    UNTIL(seen.ended == 1);
    cr_assert_eq(seen.end, STREAM_END_EOF);
    cr_assert_eq(seen.bytes, 5);
    for (int i = 0; i < 3; i++)
        loop_turn(loop, 1);
    cr_assert_eq(seen.ended, 1);
    stream_free(&seen.stream);
}

Test(stream, reset_by_peer)
{
    struct seen seen = { 0 };

    open_loopback(&seen);
    reset_peer();
    UNTIL(seen.ended == 1);
    cr_assert_eq(seen.end, STREAM_END_RESET);
    cr_assert_eq(stream_errno(seen.stream), ECONNRESET);
    stream_free(&seen.stream);
}

Test(stream, write_to_a_gone_peer_ends_it_without_a_signal)
{
    struct seen seen = { 0 };

    open_pair(&seen);
    close(peer);
    peer = -1;
    evbuffer_add(stream_output(seen.stream), "abc", 3);
    seen.is_inside = true;
    stream_flush(seen.stream);
    seen.is_inside = false;
    cr_assert_eq(seen.ended, 0, "never from inside a call");
    UNTIL(seen.ended == 1);
    cr_assert_eq(seen.end, STREAM_END_RESET);
    stream_free(&seen.stream);
}

Test(stream, last_words_are_heard_although_writing_failed)
{
    struct seen seen = { 0 };

    open_pair(&seen);
    cr_assert_eq(write(peer, "552 too big", 11), 11);
    close(peer);
    peer = -1;
    evbuffer_add(stream_output(seen.stream), "abc", 3);
    stream_flush(seen.stream);
    UNTIL(seen.ended == 1);
    cr_assert_eq(seen.data, 1);
    cr_assert_eq(seen.bytes, 11);
    stream_free(&seen.stream);
}

Test(stream, deadline_passes_once)
{
    struct seen seen = { 0 };

    open_pair(&seen);
    stream_deadline_ms(seen.stream, 20);
    UNTIL(seen.ended == 1);
    cr_assert_eq(seen.end, STREAM_END_TIMEOUT);
    stream_free(&seen.stream);
}

Test(stream, deadline_can_be_moved_and_cleared)
{
    struct seen seen = { 0 }, other = { 0 };
    int64_t begin = clock_mono_ms();

    open_pair(&seen);
    close(peer);
    stream_free(&seen.stream);
    open_pair(&seen);
    stream_deadline_ms(seen.stream, 20);
    stream_deadline_ms(seen.stream, 120);
    UNTIL(seen.ended == 1);
    cr_assert_geq(clock_mono_ms() - begin, 100);
    stream_free(&seen.stream);
    close(peer);
    open_pair(&seen);
    stream_deadline_ms(seen.stream, 20);
    stream_deadline_ms(seen.stream, 0);
    close(peer);
    peer = -1;
    UNTIL(seen.ended == 2);
    cr_assert_eq(seen.end, STREAM_END_EOF);
    stream_free(&seen.stream);
    (void)other;
}

/* ---- connecting ---- */

Test(stream, connects_and_talks)
{
    struct seen seen = { 0 };
    struct sockaddr_in address;
    int listener = listen_loopback(&address);
    char text[8] = "", shown[32];

    connect_to(&seen, &address);
    UNTIL(seen.connected == 1);
    peer = accept(listener, NULL, NULL);
    close(listener);
    cr_assert_geq(peer, 0);
    snprintf(shown, sizeof(shown), "127.0.0.1:%u", ntohs(address.sin_port));
    cr_assert_str_eq(stream_peer_text(seen.stream), shown);
    evbuffer_add(stream_output(seen.stream), "EHLO", 4);
    stream_kick(seen.stream);
    UNTIL(peer_read(text, sizeof(text)) == 4);
    cr_assert_eq(write(peer, "250", 3), 3);
    UNTIL(seen.bytes == 3);
    stream_free(&seen.stream);
}

Test(stream, output_given_before_it_is_connected_leaves_then)
{
    struct seen seen = { 0 };
    struct sockaddr_in address;
    int listener = listen_loopback(&address);
    char text[8] = "";

    connect_to(&seen, &address);
    evbuffer_add(stream_output(seen.stream), "EHLO", 4);
    stream_kick(seen.stream);
    UNTIL(seen.connected == 1);
    peer = accept(listener, NULL, NULL);
    close(listener);
    UNTIL(peer_read(text, sizeof(text)) == 4);
    stream_free(&seen.stream);
}

Test(stream, source_address_is_used)
{
    struct seen seen = { 0 };
    struct sockaddr_in address, source = { .sin_family = AF_INET }, from;
    socklen_t bytes = sizeof(from);
    int listener = listen_loopback(&address);

    source.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1);
    seen.stream = stream_connect(loop, (struct sockaddr *)&address, sizeof(address),
                                 (struct sockaddr *)&source, sizeof(source), &callbacks, &seen);
    cr_assert_not_null(seen.stream);
    UNTIL(seen.connected == 1);
    peer = accept(listener, (struct sockaddr *)&from, &bytes);
    close(listener);
    cr_assert_eq(from.sin_addr.s_addr, source.sin_addr.s_addr);
    stream_free(&seen.stream);
}

Test(stream, unusable_source_address_is_local_trouble)
{
    struct seen seen = { 0 };
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(25) }, source = address;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    source.sin_addr.s_addr = htonl(0xC0000201); /* 192.0.2.1 */
    seen.stream = stream_connect(loop, (struct sockaddr *)&address, sizeof(address),
                                 (struct sockaddr *)&source, sizeof(source), &callbacks, &seen);
    cr_assert_null(seen.stream);
    cr_assert_eq(errno, EADDRNOTAVAIL);
}

Test(stream, connection_refused)
{
    struct seen seen = { .frees_in_end = true };
    struct sockaddr_in address;
    int listener = listen_loopback(&address);

    close(listener);
    connect_to(&seen, &address);
    UNTIL(seen.ended == 1);
    cr_assert_eq(seen.end, STREAM_END_REFUSED);
    cr_assert_eq(seen.connected, 0);
    cr_assert_null(seen.stream);
}

Test(stream, connect_that_fails_at_once_is_a_refusal_too)
{
    struct seen seen = { 0 };
    struct sockaddr_in6 address = { .sin6_family = AF_INET6, .sin6_port = htons(25) };

    /* A link-local address without a zone: connect() itself refuses. */
    address.sin6_addr.s6_addr[0] = 0xfe;
    address.sin6_addr.s6_addr[1] = 0x80;
    address.sin6_addr.s6_addr[15] = 1;
    seen.is_inside = true;
    seen.stream = stream_connect(loop, (struct sockaddr *)&address, sizeof(address), NULL, 0,
                                 &callbacks, &seen);
    seen.is_inside = false;
    if (seen.stream == NULL) {
        cr_assert_eq(errno, EAFNOSUPPORT);
        cr_skip_test("no IPv6 here");
    }
    UNTIL(seen.ended == 1);
    cr_assert_eq(seen.end, STREAM_END_REFUSED);
    cr_assert_neq(stream_errno(seen.stream), 0);
    stream_free(&seen.stream);
}

Test(stream, connect_times_out)
{
    struct seen seen = { 0 };
    struct sockaddr_in address;
    int listener = listen_loopback(&address);
    int filler[64], count = 0;

    /* A full backlog lets further connects hang. */
    cr_assert_eq(listen(listener, 0), 0);
    for (; count < 64; count++) {
        struct pollfd ready;

        filler[count] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void)connect(filler[count], (struct sockaddr *)&address, sizeof(address));
        ready = (struct pollfd){ .fd = filler[count], .events = POLLOUT };
        if (poll(&ready, 1, 100) == 0)
            break;
    }
    cr_assert_lt(count, 64);
    connect_to(&seen, &address);
    stream_deadline_ms(seen.stream, 50);
    UNTIL(seen.ended == 1);
    cr_assert_eq(seen.end, STREAM_END_TIMEOUT);
    stream_free(&seen.stream);
    for (int i = 0; i <= count; i++)
        close(filler[i]);
    close(listener);
}

/* ---- freeing and closing ---- */

Test(stream, free_in_on_data)
{
    struct seen seen = { .frees_in_data = true };
    char text[4];

    open_pair(&seen);
    cr_assert_eq(write(peer, "hello", 5), 5);
    UNTIL(seen.data == 1);
    cr_assert_null(seen.stream);
    cr_assert_neq(peer_read(text, sizeof(text)), 1);
    cr_assert_eq(seen.ended, 0);
}

Test(stream, free_in_on_end)
{
    struct seen seen = { .frees_in_end = true };

    open_pair(&seen);
    close(peer);
    peer = -1;
    UNTIL(seen.ended == 1);
    cr_assert_null(seen.stream);
}

Test(stream, free_with_output_under_way)
{
    struct seen seen = { 0 };

    open_pair(&seen);
    evbuffer_add(stream_output(seen.stream), "abc", 3);
    stream_kick(seen.stream);
    stream_free(&seen.stream);
    loop_turn(loop, 1);
}

Test(stream, close_gently_sends_everything_first)
{
    struct seen seen = { 0 };
    static char block[1 << 20];

    open_loopback(&seen);
    for (int i = 0; i < 16; i++)
        evbuffer_add_reference(stream_output(seen.stream), block, sizeof(block), NULL, NULL);
    stream_close_gently(&seen.stream, 5000);
    cr_assert_null(seen.stream);
    cr_assert_eq(read_all(0), 16 * sizeof(block));
    cr_assert_eq(seen.drained + seen.ended, 0, "nobody owns it any more");
}

Test(stream, close_gently_gives_up_at_its_limit)
{
    struct seen seen = { 0 };
    static char block[1 << 20];
    struct pollfd gone;

    open_loopback(&seen);
    for (int i = 0; i < 32; i++)
        evbuffer_add_reference(stream_output(seen.stream), block, sizeof(block), NULL, NULL);
    stream_close_gently(&seen.stream, 50);
    gone = (struct pollfd){ .fd = peer, .events = POLLRDHUP };
    UNTIL(poll(&gone, 1, 0) == 1);
}

Test(stream, close_gently_in_on_data_with_more_input_on_its_way)
{
    struct seen seen = { .closes_in_data = true };
    char text[8] = "";
    ssize_t n;

    /* Unread input would turn the close into a reset, and the reset could eat the last words. */
    open_loopback(&seen);
    cr_assert_eq(write(peer, "hello", 5), 5);
    UNTIL(seen.data == 1);
    cr_assert_eq(send(peer, "more", 4, MSG_NOSIGNAL), 4);
    cr_assert_eq(send(peer, "more", 4, MSG_NOSIGNAL), 4);
    loop_turn(loop, 10);
    cr_assert_eq(peer_read(text, sizeof(text)), 3);
    cr_assert_str_eq(text, "bye");
    n = peer_read(text, sizeof(text));
    cr_assert_eq(n, 0, "an orderly end, not errno %d", errno);
    close(peer);
    peer = -1;
    loop_turn(loop, 10);
    cr_assert_eq(seen.data, 1);
}

Test(stream, close_gently_after_end_of_file_still_answers)
{
    struct seen seen = { .eats = true, .closes_in_end = true };
    char text[8] = "";

    open_loopback(&seen);
    cr_assert_eq(write(peer, "hello", 5), 5);
    shutdown(peer, SHUT_WR);
    UNTIL(seen.ended == 1);
    UNTIL(peer_read(text, sizeof(text)) == 3);
    cr_assert_eq(peer_read(text, sizeof(text)), 0);
}

Test(stream, close_gently_after_the_deadline_still_speaks)
{
    struct seen seen = { .closes_in_end = true };
    char text[8] = "";

    open_loopback(&seen);
    stream_deadline_ms(seen.stream, 10);
    UNTIL(seen.ended == 1);
    cr_assert_eq(seen.end, STREAM_END_TIMEOUT);
    UNTIL(peer_read(text, sizeof(text)) == 3);
}

Test(stream, another_owner_hears_the_rest)
{
    struct seen first = { .eats = true }, second = { .eats = true };

    open_pair(&first);
    cr_assert_eq(write(peer, "one", 3), 3);
    UNTIL(first.data == 1);
    second.stream = first.stream;
    stream_set_owner(second.stream, &callbacks, &second);
    cr_assert_eq(write(peer, "two", 3), 3);
    UNTIL(second.data == 1);
    cr_assert_eq(first.data, 1);
    stream_free(&second.stream);
}
