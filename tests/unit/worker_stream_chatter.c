/* Streams in TLS whose peer has much to say about keys and little else. */
#include <signal.h>
#include <sys/socket.h>

#include <event2/buffer.h>
#include <openssl/ssl.h>

#include "common/clock.h"
#include "common/loop.h"
#include "tls_helper.h"
#include "worker/stream.h"
#include "worker/tls.h"

static struct loop *loop;
static struct tls_paper *good;
static struct tls_context *context;
static struct stream *stream; /* ours, as server */
static SSL_CTX *far_ctx;
static SSL *far_ssl; /* the peer, who does what no stream would */
static int far_fd;
static unsigned secured, ended;
static enum stream_end end;
static size_t got;

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
    (void)owner;
    secured++;
}

static void on_data(void *owner)
{
    struct evbuffer *in = stream_input(stream);

    (void)owner;
    got += evbuffer_get_length(in);
    evbuffer_drain(in, evbuffer_get_length(in));
}

static void on_end(enum stream_end how, void *owner)
{
    (void)owner;
    end = how;
    ended++;
}

static const struct stream_callbacks callbacks = { .on_data = on_data,
                                                   .on_secured = on_secured,
                                                   .on_end = on_end };

static void setup(void)
{
    struct tls_identity identity;
    struct reason why = { "" };
    int fds[2];

    signal(SIGPIPE, SIG_IGN); /* as in every process of ours */
    loop = loop_new();
    good = tls_issue("good", "DNS:mail.test", NULL, false, 20);
    identity = (struct tls_identity){ good->certificate_file, good->key_file };
    cr_assert_eq(tls_server_new(&identity, &context, &why), 0, "%s", why.text);
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    stream = stream_new(loop, fds[0], &callbacks, NULL);
    far_fd = fds[1];
    far_ctx = SSL_CTX_new(TLS_client_method());
    far_ssl = SSL_new(far_ctx);
    SSL_set_fd(far_ssl, far_fd);
    cr_assert_eq(stream_secure(stream, context, NULL), 0);
    UNTIL(SSL_connect(far_ssl) == 1 && secured == 1);
}

static void teardown(void)
{
    stream_free(&stream);
    SSL_free(far_ssl);
    SSL_CTX_free(far_ctx);
    close(far_fd);
    tls_release(context);
    tls_paper_free(&good);
    loop_free(loop);
}

TestSuite(stream_chatter, .init = setup, .fini = teardown, .timeout = 60);

/* Asks for an answer as well. False: there is no room for more. */
static bool send_key_update(void)
{
    (void)SSL_key_update(far_ssl, SSL_KEY_UPDATE_REQUESTED);
    return SSL_do_handshake(far_ssl) == 1;
}

static void take_answers(void)
{
    char room[4096];

    while (read(far_fd, room, sizeof(room)) > 0)
        ;
}

Test(stream_chatter, what_goes_on_without_data_is_ended)
{
    unsigned sent = 0;

    while (ended == 0 && sent < 100000) {
        while (send_key_update() && sent < 100000)
            sent++;
        take_answers();
        loop_turn(loop, 1);
    }
    cr_assert_eq(ended, 1u, "not after %u", sent);
    cr_assert_eq(end, STREAM_END_TLS);
    cr_assert_str_eq(stream_tls_why(stream), "TLS messages without end, and no data");
}

Test(stream_chatter, with_data_between_it_may_go_on_for_as_long_as_it_likes)
{
    for (unsigned i = 1; i <= 5000; i++) {
        cr_assert(send_key_update());
        cr_assert_eq(SSL_write(far_ssl, "x", 1), 1);
        UNTIL(got == i || ended > 0);
        take_answers();
    }
    cr_assert_eq(ended, 0u);
}

/* Nothing else is read before the answer has left, and to wait for that is no work. */
Test(stream_chatter, who_does_not_take_the_answers_is_waited_for)
{
    unsigned sent = 0, turns = 0;
    int64_t until_ms;

    while (sent < 500 && send_key_update())
        sent++;
    until_ms = clock_mono_ms() + 300;
    for (; clock_mono_ms() < until_ms; turns++)
        loop_turn(loop, 50);
    cr_assert_lt(turns, 100u, "%u turns in 300 ms", turns);
    cr_assert_eq(ended, 0u);
    while (sent < 500) {
        take_answers();
        loop_turn(loop, 1);
        while (sent < 500 && send_key_update())
            sent++;
    }
    UNTIL((take_answers(), SSL_write(far_ssl, "x", 1) == 1));
    UNTIL((take_answers(), got == 1));
    cr_assert_eq(ended, 0u);
}
