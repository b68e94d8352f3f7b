/* Streams that connect: from which address, what is refused, and how long it may take. */
#include "stream_stage.h"

TestSuite(stream_connect, .init = setup, .fini = teardown, .timeout = 30);

static void connect_to(struct seen *seen, const struct sockaddr_in *address)
{
    seen->is_inside = true;
    seen->stream = stream_connect(loop, (const struct sockaddr *)address, sizeof(*address), NULL, 0,
                                  &callbacks, seen);
    seen->is_inside = false;
    cr_assert_not_null(seen->stream);
}

Test(stream_connect, connects_and_talks)
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

Test(stream_connect, output_given_before_it_is_connected_leaves_then)
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

Test(stream_connect, source_address_is_used)
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

Test(stream_connect, unusable_source_address_is_local_trouble)
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

Test(stream_connect, connection_refused)
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

Test(stream_connect, connect_that_fails_at_once_is_a_refusal_too)
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

Test(stream_connect, connect_times_out)
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
