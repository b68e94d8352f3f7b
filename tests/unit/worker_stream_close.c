/* Streams that are freed or closed gently, from wherever their owner does it. */
#include "stream_stage.h"

TestSuite(stream_close, .init = setup, .fini = teardown, .timeout = 30);

Test(stream_close, free_in_on_data)
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

Test(stream_close, free_in_on_end)
{
    struct seen seen = { .frees_in_end = true };

    open_pair(&seen);
    close(peer);
    peer = -1;
    UNTIL(seen.ended == 1);
    cr_assert_null(seen.stream);
}

Test(stream_close, free_with_output_under_way)
{
    struct seen seen = { 0 };

    open_pair(&seen);
    evbuffer_add(stream_output(seen.stream), "abc", 3);
    stream_kick(seen.stream);
    stream_free(&seen.stream);
    loop_turn(loop, 1);
}

Test(stream_close, close_gently_sends_everything_first)
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

Test(stream_close, close_gently_gives_up_at_its_limit)
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

Test(stream_close, close_gently_in_on_data_with_more_input_on_its_way)
{
    struct seen seen = { .closes_in_data = true };
    char text[8] = "";

    /* Unread input would turn the close into a reset, and the reset could eat the last words. */
    open_loopback(&seen);
    cr_assert_eq(write(peer, "hello", 5), 5);
    UNTIL(seen.data == 1);
    cr_assert_eq(send(peer, "more", 4, MSG_NOSIGNAL), 4);
    cr_assert_eq(send(peer, "more", 4, MSG_NOSIGNAL), 4);
    UNTIL(peer_read(text, sizeof(text)) == 3);
    cr_assert_str_eq(text, "bye");
    cr_assert_eq(read_all(0), 0, "an orderly end, and nothing more");
    close(peer);
    peer = -1;
    loop_turn(loop, 10);
    cr_assert_eq(seen.data, 1);
}

Test(stream_close, close_gently_after_end_of_file_still_answers)
{
    struct seen seen = { .eats = true, .closes_in_end = true };
    char text[8] = "";

    open_loopback(&seen);
    cr_assert_eq(write(peer, "hello", 5), 5);
    shutdown(peer, SHUT_WR);
    UNTIL(seen.ended == 1);
    UNTIL(peer_read(text, sizeof(text)) == 3);
    cr_assert_eq(read_all(0), 0);
}

Test(stream_close, close_gently_after_the_deadline_still_speaks)
{
    struct seen seen = { .closes_in_end = true };
    char text[8] = "";

    open_loopback(&seen);
    stream_deadline_ms(seen.stream, 10);
    UNTIL(seen.ended == 1);
    cr_assert_eq(seen.end, STREAM_END_TIMEOUT);
    UNTIL(peer_read(text, sizeof(text)) == 3);
}
