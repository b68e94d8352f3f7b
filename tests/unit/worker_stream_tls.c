/* Streams in TLS, one end against the other, and against peers that do it wrong (SP30 to SP32). */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>

#include <event2/buffer.h>
#include <openssl/ssl.h>

#include "common/clock.h"
#include "common/loop.h"
#include "tls_helper.h"
#include "worker/stream.h"
#include "worker/tls.h"

struct seen {
    struct stream *stream;
    unsigned secured, data, data_before, drained, ended;
    enum stream_end end;
    char got[300000];
    size_t bytes;
    bool keeps; /* on_data leaves the input alone */
    bool is_inside;
};

static struct loop *loop;
static struct seen near_end, far_end; /* we as client, and the other side as server */
static struct tls_paper *ca, *good, *wrong_name, *expired, *self_signed;
static struct tls_context *client, *server;
static struct tls_server expected = { .host = "mail.test" };
static int far_fd = -1;

#define UNTIL(condition)                                                    \
    do {                                                                    \
        int64_t limit_ = clock_mono_ms() + 10000;                           \
        while (!(condition)) {                                              \
            cr_assert_lt(clock_mono_ms(), limit_, "never: %s", #condition); \
            loop_turn(loop, 5);                                             \
        }                                                                   \
    } while (0)

static void on_secured(void *owner)
{
    struct seen *seen = owner;

    cr_assert_not(seen->is_inside);
    seen->data_before = seen->data;
    seen->secured++;
}

static void on_data(void *owner)
{
    struct seen *seen = owner;
    struct evbuffer *in = stream_input(seen->stream);

    cr_assert_not(seen->is_inside);
    seen->data++;
    if (!seen->keeps)
        seen->bytes += (size_t)evbuffer_remove(in, seen->got + seen->bytes,
                                               sizeof(seen->got) - 1 - seen->bytes);
}

static void on_drained(void *owner)
{
    ((struct seen *)owner)->drained++;
}

static void on_end(enum stream_end end, void *owner)
{
    struct seen *seen = owner;

    cr_assert_not(seen->is_inside);
    seen->ended++;
    seen->end = end;
}

static const struct stream_callbacks callbacks = {
    .on_data = on_data, .on_drained = on_drained, .on_secured = on_secured, .on_end = on_end
};

/* ---- the stage ---- */

static struct tls_context *make_server(const struct tls_paper *paper)
{
    const struct tls_identity identity = { paper->certificate_file, paper->key_file };
    struct tls_context *context = NULL;
    struct reason why = { "" };

    cr_assert_eq(tls_server_new(&identity, &context, &why), 0, "%s", why.text);
    return context;
}

static struct tls_context *make_client(const char *ca_file, const char *extra,
                                       const struct tls_paper *own)
{
    const struct tls_trust trust = { ca_file, extra };
    const struct tls_identity identity = { own != NULL ? own->certificate_file : "",
                                           own != NULL ? own->key_file : "" };
    struct tls_context *context = NULL;
    struct reason why = { "" };

    cr_assert_eq(tls_client_new(&trust, &identity, 2, &context, &why), 0, "%s", why.text);
    return context;
}

static void make_ends(void)
{
    int fds[2];

    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    memset(&near_end, 0, sizeof(near_end));
    memset(&far_end, 0, sizeof(far_end));
    near_end.stream = stream_new(loop, fds[0], &callbacks, &near_end);
    far_fd = fds[1];
}

static void make_far_stream(void)
{
    far_end.stream = stream_new(loop, far_fd, &callbacks, &far_end);
}

static void setup(void)
{
    signal(SIGPIPE, SIG_IGN); /* as in every process of ours */
    loop = loop_new();
    ca = tls_issue("ca", NULL, NULL, true, 30);
    good = tls_issue("good", "DNS:mail.test, IP:127.0.0.1", ca, false, 20);
    client = make_client(ca->certificate_file, NULL, NULL);
    server = make_server(good);
    make_ends();
}

static void teardown(void)
{
    stream_free(&near_end.stream);
    stream_free(&far_end.stream);
    stream_free_closing();
    tls_release(client);
    tls_release(server);
    tls_paper_free(&good);
    tls_paper_free(&wrong_name);
    tls_paper_free(&expired);
    tls_paper_free(&self_signed);
    tls_paper_free(&ca);
    loop_free(loop);
}

TestSuite(stream_tls, .init = setup, .fini = teardown, .timeout = 60);

static void secure(struct seen *seen, struct tls_context *context, const struct tls_server *who)
{
    seen->is_inside = true;
    cr_assert_eq(stream_secure(seen->stream, context, who), 0);
    seen->is_inside = false;
}

static void shake_hands(void)
{
    make_far_stream();
    secure(&far_end, server, NULL);
    secure(&near_end, client, &expected);
    UNTIL(near_end.secured + near_end.ended > 0 && far_end.secured + far_end.ended > 0);
}

static void say(struct seen *seen, const char *text)
{
    stream_add(seen->stream, text, strlen(text));
    stream_kick(seen->stream);
}

/* Both ends go, and others come. */
static void begin_again(struct tls_context *with)
{
    stream_free(&near_end.stream);
    stream_free(&far_end.stream);
    tls_release(server);
    server = with;
    make_ends();
}

/* ---- sessions ---- */

Test(stream_tls, SP30_what_is_said_arrives_in_both_directions)
{
    const struct tls_facts *facts;

    shake_hands();
    cr_assert_eq(near_end.secured, 1u);
    cr_assert_eq(far_end.secured, 1u);
    say(&near_end, "EHLO here\r\n");
    say(&far_end, "220 mail.test\r\n");
    UNTIL(near_end.bytes > 0 && far_end.bytes > 0);
    cr_expect_str_eq(near_end.got, "220 mail.test\r\n");
    cr_expect_str_eq(far_end.got, "EHLO here\r\n");
    facts = stream_tls_facts(near_end.stream);
    cr_expect_str_eq(facts->version, "TLSv1.3");
    cr_expect(facts->is_verified, "%s", facts->why_not);
    cr_expect_str_eq(facts->subject, "mail.test, 127.0.0.1");
    cr_expect_str_eq(facts->why_not, "");
    cr_expect_gt(facts->ends_s, clock_wall_ms() / 1000 + 19 * TLS_DAY_S);
    cr_expect_not(facts->is_resumed);
}

Test(stream_tls, what_waits_leaves_in_clear_and_what_comes_after_in_tls)
{
    make_far_stream();
    stream_add(far_end.stream, "220 go\r\n", 8);
    secure(&far_end, server, NULL);
    UNTIL(near_end.bytes == 8);
    cr_assert_str_eq(near_end.got, "220 go\r\n");
    secure(&near_end, client, &expected);
    UNTIL(near_end.secured == 1 && far_end.secured == 1);
    say(&near_end, "EHLO again\r\n");
    UNTIL(far_end.bytes == 12);
    cr_assert_str_eq(far_end.got, "EHLO again\r\n");
}

Test(stream_tls, SP31_what_came_in_clear_before_is_an_attack)
{
    make_far_stream();
    near_end.keeps = true;
    say(&far_end, "250 injected\r\n");
    UNTIL(near_end.data > 0);
    cr_assert_eq(stream_secure(near_end.stream, client, &expected), -EBADMSG);
    cr_assert_null(stream_tls_facts(near_end.stream));
}

static void fill(struct seen *seen, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        char c = (char)('a' + i % 23);

        stream_add(seen->stream, &c, 1);
    }
    stream_kick(seen->stream);
}

static void expect_filled(const struct seen *seen, size_t bytes)
{
    cr_assert_eq(seen->bytes, bytes);
    for (size_t i = 0; i < bytes; i++)
        cr_assert_eq(seen->got[i], (char)('a' + i % 23), "byte %zu", i);
}

Test(stream_tls, much_goes_through_in_order_also_when_the_peer_pauses)
{
    const int little = 4096;

    setsockopt(far_fd, SOL_SOCKET, SO_RCVBUF, &little, sizeof(little));
    shake_hands();
    stream_pause(far_end.stream);
    fill(&near_end, 280000);
    cr_assert(stream_is_choked(near_end.stream));
    for (unsigned i = 0; i < 20; i++)
        loop_turn(loop, 1);
    cr_assert_eq(far_end.bytes, 0u);
    stream_resume(far_end.stream);
    UNTIL(far_end.bytes == 280000);
    expect_filled(&far_end, 280000);
    cr_assert_eq(near_end.drained, 1u);
}

/* What TLS has read ahead is in no socket any more: no readiness tells of it. */
Test(stream_tls, what_was_read_ahead_comes_out_when_there_is_room_again)
{
    shake_hands();
    far_end.keeps = true;
    for (unsigned i = 0; i < 40; i++) {
        fill(&near_end, 7000);
        UNTIL(evbuffer_get_length(stream_output(near_end.stream)) == 0 ||
              evbuffer_get_length(stream_input(far_end.stream)) >= STREAM_INPUT_MAX);
    }
    UNTIL(evbuffer_get_length(stream_input(far_end.stream)) >= STREAM_INPUT_MAX);
    far_end.keeps = false;
    stream_resume(far_end.stream);
    UNTIL(far_end.bytes == 280000);
}

Test(stream_tls, the_greeting_may_come_with_the_end_of_the_handshake)
{
    make_far_stream();
    secure(&far_end, server, NULL);
    secure(&near_end, client, &expected);
    UNTIL(far_end.secured == 1);
    say(&far_end, "220 at once\r\n");
    UNTIL(near_end.bytes > 0);
    cr_assert_eq(near_end.secured, 1u);
    cr_assert_eq(near_end.data_before, 0u, "the end of the handshake is told first");
    cr_assert_str_eq(near_end.got, "220 at once\r\n");
}

/* ---- whom it is with ---- */

static void expect_unverified(const char *why)
{
    const struct tls_facts *facts;

    shake_hands();
    cr_assert_eq(near_end.secured, 1u, "%s: %s", why, stream_tls_why(near_end.stream));
    facts = stream_tls_facts(near_end.stream);
    cr_expect_not(facts->is_verified);
    cr_expect_not_null(strstr(facts->why_not, why), "%s: %s", why, facts->why_not);
}

Test(stream_tls, SP32_what_is_wrong_with_a_certificate_is_said_in_words)
{
    struct tls_paper *other_ca = tls_issue("other-ca", NULL, NULL, true, 30);
    struct tls_paper *unknown = tls_issue("unknown", "DNS:mail.test", other_ca, false, 20);

    wrong_name = tls_issue("wrong", "DNS:mail.example.net, DNS:b.test", ca, false, 20);
    expired = tls_issue("expired", "DNS:mail.test", ca, false, -1);
    self_signed = tls_issue("selfsigned", "DNS:mail.test", NULL, false, 20);
    begin_again(make_server(wrong_name));
    expect_unverified("the certificate is for mail.example.net, b.test, not for mail.test");
    begin_again(make_server(expired));
    expect_unverified("certificate has expired");
    begin_again(make_server(self_signed));
    expect_unverified("self-signed certificate");
    begin_again(make_server(unknown));
    expect_unverified("unable to get local issuer certificate");
    tls_paper_free(&unknown);
    tls_paper_free(&other_ca);
}

Test(stream_tls, SP32_an_address_is_looked_for_among_addresses)
{
    expected.host = "127.0.0.1";
    shake_hands();
    cr_expect(stream_tls_facts(near_end.stream)->is_verified);
    expected.host = "127.0.0.2";
    begin_again(make_server(good));
    expect_unverified("the certificate is for mail.test, 127.0.0.1, not for 127.0.0.2");
    expected.host = "mail.test";
}

Test(stream_tls, SP32_the_profiles_own_ca_is_trusted_beside_the_others)
{
    char *extra = tls_pem_of(ca);

    tls_release(client);
    client = make_client("", NULL, NULL);
    expect_unverified("unable to get local issuer certificate");
    tls_release(client);
    client = make_client("", extra, NULL);
    begin_again(make_server(good));
    shake_hands();
    cr_expect(stream_tls_facts(near_end.stream)->is_verified);
    free(extra);
}

Test(stream_tls, what_is_no_certificate_is_refused_with_its_name)
{
    const struct tls_trust bad_file = { "/nonexistent/ca.pem", NULL }, bad_pem = { "", "nonsense" };
    const struct tls_identity none = { "", "" }, bad = { good->certificate_file, ca->key_file },
                              missing = { "/nonexistent/own.pem", "/nonexistent/own.key" };
    struct tls_context *context = NULL;
    struct reason why = { "" };

    cr_expect_eq(tls_client_new(&bad_file, &none, 1, &context, &why), -EINVAL);
    cr_expect_not_null(strstr(why.text, "/nonexistent/ca.pem"), "%s", why.text);
    cr_expect_eq(tls_client_new(&bad_pem, &none, 1, &context, &why), -EINVAL);
    cr_expect_not_null(strstr(why.text, "the profile's ca"), "%s", why.text);
    cr_expect_eq(tls_server_new(&missing, &context, &why), -EINVAL);
    cr_expect_not_null(strstr(why.text, "/nonexistent/own.pem"), "%s", why.text);
    cr_expect_eq(tls_server_new(&bad, &context, &why), -EINVAL);
    cr_expect_not_null(strstr(why.text, ca->key_file), "%s", why.text);
    cr_expect_null(context);
}

/* ---- resumption ---- */

Test(stream_tls, a_session_is_resumed_with_the_same_server_and_no_other)
{
    shake_hands();
    say(&far_end, "220\r\n"); /* the tickets come before it */
    UNTIL(near_end.bytes > 0);
    begin_again(tls_hold(server));
    shake_hands();
    cr_expect(stream_tls_facts(near_end.stream)->is_resumed);
    cr_expect(stream_tls_facts(near_end.stream)->is_verified, "as it was");
    cr_expect_str_eq(stream_tls_facts(near_end.stream)->subject, "mail.test, 127.0.0.1");
    say(&far_end, "220\r\n");
    UNTIL(near_end.bytes > 0);
    expected.index = 1;
    begin_again(tls_hold(server));
    shake_hands();
    cr_expect_not(stream_tls_facts(near_end.stream)->is_resumed, "it was not with this one");
    expected.index = 0;
}

/* They begin before the first has brought a new ticket. */
Test(stream_tls, SP42_several_side_by_side_are_resumed)
{
    for (unsigned i = 0; i < 6; i++) { /* with more tickets than are kept */
        begin_again(tls_hold(server));
        shake_hands();
        say(&far_end, "220\r\n");
        UNTIL(near_end.bytes > 0);
    }
    for (unsigned i = 0; i < 2; i++) {
        begin_again(tls_hold(server));
        shake_hands();
        cr_expect(stream_tls_facts(near_end.stream)->is_resumed, "the %uth", i + 1);
    }
}

/* ---- ends ---- */

Test(stream_tls, the_peers_farewell_is_an_end_in_order)
{
    shake_hands();
    stream_close_gently(&far_end.stream, 1000);
    UNTIL(near_end.ended == 1);
    cr_assert_eq(near_end.end, STREAM_END_EOF);
}

Test(stream_tls, a_peer_that_just_closes_has_ended_too)
{
    int keep;

    shake_hands();
    keep = dup(far_fd);
    stream_free(&far_end.stream);
    shutdown(keep, SHUT_RDWR);
    close(keep);
    UNTIL(near_end.ended == 1);
    cr_assert_eq(near_end.end, STREAM_END_EOF);
}

Test(stream_tls, closing_gently_says_all_and_then_farewell)
{
    shake_hands();
    say(&near_end, "QUIT\r\n");
    stream_close_gently(&near_end.stream, 1000);
    UNTIL(far_end.ended == 1);
    cr_assert_str_eq(far_end.got, "QUIT\r\n");
    cr_assert_eq(far_end.end, STREAM_END_EOF);
}

static const struct {
    const char *what, *says;
    bool closes;
    const char *why;
} others[] = {
    { "SMTP in clear", "220 mail.test ESMTP\r\n", false, "what came is not TLS" },
    { "closes at once", "", true, "closed during the handshake" },
    { "an alert", "\x15\x03\x03\x00\x02\x02\x28", false, "handshake failure" },
    { "half a record, then the end", "\x16\x03\x03\x00\x50\x02", true,
      "closed during the handshake" },
};

Test(stream_tls, a_peer_that_does_not_speak_it_is_said_to)
{
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        size_t bytes = i == 2 ? 7 : i == 3 ? 6 : strlen(others[i].says);

        secure(&near_end, client, &expected);
        cr_assert_eq(write(far_fd, others[i].says, bytes), (ssize_t)bytes);
        if (others[i].closes)
            shutdown(far_fd, SHUT_WR);
        UNTIL(near_end.ended == 1);
        cr_expect_eq(near_end.end, STREAM_END_TLS, "%s", others[i].what);
        cr_expect_eq(near_end.secured, 0u);
        cr_expect_not_null(strstr(stream_tls_why(near_end.stream), others[i].why), "%s: %s",
                           others[i].what, stream_tls_why(near_end.stream));
        close(far_fd);
        begin_again(tls_hold(server));
    }
}

Test(stream_tls, garbage_later_ends_it)
{
    int keep;

    shake_hands();
    keep = dup(far_fd);
    cr_assert_eq(write(keep, "\x17\x03\x03\x00\x05hello", 10), 10);
    UNTIL(near_end.ended == 1);
    cr_assert_eq(near_end.end, STREAM_END_TLS);
    cr_assert_eq(near_end.bytes, 0u);
    close(keep);
}

Test(stream_tls, a_handshake_that_stalls_ends_at_its_deadline)
{
    secure(&near_end, client, &expected);
    stream_deadline_ms(near_end.stream, 50);
    UNTIL(near_end.ended == 1);
    cr_assert_eq(near_end.end, STREAM_END_TIMEOUT);
    close(far_fd);
}

Test(stream_tls, SP32_what_is_older_than_tls_1_2_is_refused)
{
    SSL_CTX *old = SSL_CTX_new(TLS_client_method());
    SSL *ssl;
    int done;

    SSL_CTX_set_security_level(old, 0);
    SSL_CTX_set_min_proto_version(old, TLS1_VERSION);
    SSL_CTX_set_max_proto_version(old, TLS1_1_VERSION);
    ssl = SSL_new(old);
    SSL_set_fd(ssl, far_fd);
    secure(&near_end, server, NULL); /* we as server */
    UNTIL((done = SSL_connect(ssl)) == 1 || SSL_get_error(ssl, done) != SSL_ERROR_WANT_READ ||
          near_end.ended > 0);
    cr_assert_neq(done, 1);
    UNTIL(near_end.ended == 1);
    cr_assert_eq(near_end.end, STREAM_END_TLS);
    SSL_free(ssl);
    SSL_CTX_free(old);
    close(far_fd);
}
