/* How a stream ends, each way by name: its peer, or the deadline. */
#include "stream_stage.h"

TestSuite(stream_ends, .init = setup, .fini = teardown, .timeout = 30);

static void reset_peer(void)
{
    struct linger now = { .l_onoff = 1, .l_linger = 0 };

    setsockopt(peer, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close(peer);
    peer = -1;
}

Test(stream_ends, end_of_file_comes_after_the_data)
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

Test(stream_ends, reset_by_peer)
{
    struct seen seen = { 0 };

    open_loopback(&seen);
    reset_peer();
    UNTIL(seen.ended == 1);
    cr_assert_eq(seen.end, STREAM_END_RESET);
    cr_assert_eq(stream_errno(seen.stream), ECONNRESET);
    stream_free(&seen.stream);
}

Test(stream_ends, write_to_a_gone_peer_ends_it_without_a_signal)
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

Test(stream_ends, last_words_are_heard_although_writing_failed)
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

Test(stream_ends, deadline_passes_once)
{
    struct seen seen = { 0 };

    open_pair(&seen);
    stream_deadline_ms(seen.stream, 20);
    UNTIL(seen.ended == 1);
    cr_assert_eq(seen.end, STREAM_END_TIMEOUT);
    stream_free(&seen.stream);
}

Test(stream_ends, deadline_can_be_moved_and_cleared)
{
    struct seen seen = { 0 };
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
}
