/* What goes in and out of a stream: when it leaves, what holds it up, who hears of it. */
#include "stream_stage.h"

TestSuite(stream, .init = setup, .fini = teardown, .timeout = 30);

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
