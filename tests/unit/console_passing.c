/* Requests on their way to the master and back, with a master that may say anything: the console's
 * own server in front, one end of a link and of each connection in the test's hands behind. */
#include "tests/unit/unix_client.h"

#include <signal.h>
#include <sys/uio.h>

#include "common/channel_socket.h"
#include "common/console.h"
#include "common/reason.h"
#include "master/console/link.h"
#include "master/console/page.h"
#include "master/console/passing.h"
#include "master/http/http.h"

const struct page_file page_files[1];
const size_t page_file_count;

static struct loop *loop;
static struct http_server *server;
static struct link *link_;
static struct passings *passings;
static int master = -1, behind = -1; /* the link's other end, and a connection's */
static char dir[64], path[96];
static unsigned ended;

static int admit(int fd, uid_t *ret_uid, void *arg)
{
    (void)fd;
    (void)arg;
    *ret_uid = 0;
    return 0;
}

static void on_request(struct http_request *request, void *arg)
{
    (void)arg;
    passings_pass(passings, request);
}

static void on_started(char *settings, int listen_fd, void *arg)
{
    (void)arg;
    free(settings);
    close(listen_fd);
}

static void on_ended(void *arg)
{
    (void)arg;
    ended++;
}

static int listen_at(const char *name)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

    strcpy(address.sun_path, name);
    cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    cr_assert_eq(listen(fd, 8), 0);
    return fd;
}

static void start(void)
{
    const struct http_limits limits = {
        .max_connections = 4, .max_header_bytes = 8192, .max_body_bytes = 100000, .idle_s = 60
    };
    const struct http_hooks hooks = { .admit = admit, .handler = on_request };
    const struct link_hooks ends = { .on_started = on_started, .on_ended = on_ended };
    int pair[2];

    signal(SIGPIPE, SIG_IGN);
    strcpy(dir, "/tmp/postern-passing-XXXXXX");
    cr_assert(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/s", dir);
    loop = loop_new();
    cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
    master = pair[0];
    link_ = link_new(loop, pair[1], &ends);
    passings = passings_new(loop, link_);
    server = http_server_new(loop, listen_at(path), &limits, &hooks);
    cr_assert(link_ && passings && server);
}

static void stop(void)
{
    http_server_stop(server);
    passings_free(&passings);
    loop_turn(loop, 0);
    http_server_free(&server);
    link_free(&link_);
    loop_turn(loop, 0);
    loop_free(loop);
    if (behind >= 0)
        close(behind);
    close(master);
    unlink(path);
    rmdir(dir);
}

TestSuite(passing, .init = start, .fini = stop);

/* ---- the master's side ---- */

static struct console_packet wait_want(void)
{
    int64_t until_ms = clock_mono_ms() + WAIT_MS;
    struct console_packet packet;

    while (recv(master, &packet, sizeof(packet), 0) != sizeof(packet)) {
        cr_assert_lt(clock_mono_ms(), until_ms, "nothing was asked for");
        loop_turn(loop, 10);
    }
    cr_assert_eq(packet.kind, CONSOLE_WANT);
    return packet;
}

static void answer_want(uint64_t number, int err, int fd)
{
    struct console_packet packet = { .kind = CONSOLE_CONNECTION, .number = number, .err = err };
    struct iovec part = { &packet, sizeof(packet) };

    cr_assert_eq(channel_socket_send(master, &part, 1, fd), 1);
}

/* Gives the connection that is wanted, and waits until all of the request is there. */
static void take_request(char *ret_request, size_t size, const char *until)
{
    struct console_packet want = wait_want();
    int64_t until_ms = clock_mono_ms() + WAIT_MS;
    size_t bytes = 0;
    int pair[2];

    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
    answer_want(want.number, 0, pair[1]);
    close(pair[1]);
    behind = pair[0];
    memset(ret_request, 0, size);
    while (!strstr(ret_request, until)) {
        ssize_t got = recv(behind, ret_request + bytes, size - 1 - bytes, 0);

        if (got > 0)
            bytes += (size_t)got;
        cr_assert_lt(clock_mono_ms(), until_ms, "it sent only: %s", ret_request);
        loop_turn(loop, 10);
    }
}

static void say(const char *text)
{
    cr_assert_eq(send(behind, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

static void hang_up(void)
{
    close(behind);
    behind = -1;
}

/* ---- requests ---- */

static struct unix_client client;

static void ask(const char *method, const char *target, const char *headers, const char *body)
{
    client_open(&client, loop, path);
    client_ask(&client, method, target, headers, body);
}

Test(passing, OP04_only_the_apis_headers_are_passed_and_the_console_says_who_asks)
{
    char request[4096];
    struct unix_reply reply;

    ask("PUT", "/api/v1/profiles/3?test=skip",
        "Cookie: __Host-postern=abc\r\nIf-Match: \"7\"\r\nX-Postern-CSRF: t\r\nX-Postern-Client: "
        "10.9.8.7\r\nAuthorization: Basic eA==\r\nX-Forwarded-For: 1.2.3.4\r\nConnection: "
        "keep-alive\r\nContent-Type: application/json\r\n",
        "{\"a\":1}");
    take_request(request, sizeof(request), "{\"a\":1}");
    cr_assert_eq(strncmp(request, "PUT /api/v1/profiles/3?test=skip HTTP/1.0\r\n", 43), 0, "%s",
                 request);
    cr_assert(strstr(request, "\r\nCookie: __Host-postern=abc\r\n"), "%s", request);
    cr_assert(strstr(request, "\r\nIf-Match: \"7\"\r\n"));
    cr_assert(strstr(request, "\r\nX-Postern-CSRF: t\r\n"));
    cr_assert(strstr(request, "\r\nContent-Type: application/json\r\n"));
    cr_assert(strstr(request, "\r\nContent-Length: 7\r\n"));
    cr_assert_not(strstr(request, "10.9.8.7"), "%s", request);
    cr_assert_not(strstr(request, "1.2.3.4"));
    cr_assert_not(strcasestr(request, "Authorization"));
    cr_assert_not(strcasestr(request, "Connection"));
    say("HTTP/1.0 201 Created\r\nContent-Type: application/json\r\nETag: \"8\"\r\nX-Inner: "
        "secret\r\n"
        "Server: x\r\nSet-Cookie: a=b; HttpOnly\r\nContent-Length: 2\r\n\r\n{}");
    hang_up();
    reply = client_wait_reply(&client);
    cr_assert_eq(reply.status, 201);
    cr_assert_str_eq(reply.body, "{}");
    cr_assert(strstr(reply.head, "ETag: \"8\""));
    cr_assert(strstr(reply.head, "Set-Cookie: a=b; HttpOnly"));
    cr_assert(strstr(reply.head, "Content-Security-Policy: default-src 'none'"));
    cr_assert_not(strcasestr(reply.head, "X-Inner"), "%s", reply.head);
    cr_assert_not(strcasestr(reply.head, "Server:"));
    reply_free(&reply);
    client_close(&client);
}

Test(passing, OP04_a_stream_is_passed_on_as_it_comes)
{
    char request[4096];
    struct unix_reply reply;

    ask("POST", "/api/v1/profiles/test", "Accept: application/x-ndjson\r\n", "{}");
    take_request(request, sizeof(request), "\r\n\r\n{}");
    say("HTTP/1.0 200 OK\r\nContent-Type: application/x-ndjson\r\n\r\n{\"n\":1}\n");
    cr_assert(client_wait_text(&client, "{\"n\":1}\n"));
    say("{\"n\":2}\n");
    cr_assert(client_wait_text(&client, "{\"n\":2}\n"));
    hang_up();
    reply = client_wait_reply(&client);
    cr_assert_str_eq(reply.body, "{\"n\":1}\n{\"n\":2}\n");
    reply_free(&reply);
    client_close(&client);
}

static void check_answer(const char *answer, int status)
{
    char request[4096];
    struct unix_reply reply;

    ask("GET", "/api/v1/status", "", NULL);
    take_request(request, sizeof(request), "\r\n\r\n");
    say(answer);
    hang_up();
    reply = client_wait_reply(&client);
    cr_assert_eq(reply.status, status, "%d for: %.60s", reply.status, answer);
    reply_free(&reply);
    client_close(&client);
}

Test(passing, OP04_an_answer_that_is_none_or_ends_early_is_a_502)
{
    static const char *const answers[] = {
        "",
        "nonsense\r\n\r\n",
        "HTTP/1.0 99 X\r\n\r\n",
        "HTTP/1.0 600 X\r\n\r\n",
        "HTTP/2 200 OK\r\n\r\n",
        "HTTP/1.0 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n{}",
        "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}{}",
        "HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n",
    };

    for (size_t i = 0; i < sizeof(answers) / sizeof(*answers); i++)
        check_answer(answers[i], 502);
    check_answer("HTTP/1.0 204 No Content\r\nContent-Length: 0\r\n\r\n", 204);
}

Test(passing, OP04_a_head_without_end_is_a_502)
{
    char request[4096];
    struct unix_reply reply;
    char *piece = malloc(20001);

    memset(piece, 'x', 20000);
    piece[20000] = '\0';
    ask("GET", "/api/v1/status", "", NULL);
    take_request(request, sizeof(request), "\r\n\r\n");
    say("HTTP/1.0 200 OK\r\nX-Long: ");
    say(piece);
    reply = client_wait_reply(&client);
    cr_assert_eq(reply.status, 502);
    reply_free(&reply);
    client_close(&client);
    free(piece);
}

Test(passing, OP04_no_connection_to_be_had_is_a_503)
{
    struct unix_reply reply;

    ask("GET", "/api/v1/status", "", NULL);
    answer_want(wait_want().number, -EAGAIN, -1);
    reply = client_wait_reply(&client);
    cr_assert_eq(reply.status, 503);
    cr_assert(strstr(reply.body, "\"busy\""));
    reply_free(&reply);
    client_close(&client);
}

Test(passing, OP04_requests_that_would_break_the_inner_one_are_not_passed)
{
    static const char *const requests[] = {
        "GET /api/v1/status HTTP/1.1\r\nHost: a\r\nCookie: a\x01b\r\n\r\n",
        "GET /api/v1/status HTTP/1.1\r\nHost: a\r\nCookie: a\x7f\r\n\r\n",
        "PATCH /api/v1/status HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
    };

    for (size_t i = 0; i < sizeof(requests) / sizeof(*requests); i++) {
        struct unix_reply reply;
        char nothing[sizeof(struct console_packet)];

        client_open(&client, loop, path);
        client_send(&client, requests[i], strlen(requests[i]));
        reply = client_wait_reply(&client);
        cr_assert_eq(reply.status, 400, "%d for request %zu", reply.status, i);
        cr_assert_eq(recv(master, nothing, sizeof(nothing), 0), -1, "request %zu was passed", i);
        reply_free(&reply);
        client_close(&client);
    }
}

Test(passing, OP04_a_connection_that_comes_too_late_is_closed)
{
    struct console_packet want;
    char octet;
    int pair[2];
    int64_t until_ms = clock_mono_ms() + WAIT_MS;

    ask("GET", "/api/v1/status", "", NULL);
    want = wait_want();
    passings_free(&passings); /* answered with 503 */
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
    answer_want(want.number, 0, pair[1]);
    close(pair[1]);
    while (recv(pair[0], &octet, 1, 0) != 0) {
        cr_assert_lt(clock_mono_ms(), until_ms, "it is still open");
        loop_turn(loop, 10);
    }
    close(pair[0]);
    client_close(&client);
}

/* ---- the link ---- */

static void check_ends(const void *data, size_t bytes)
{
    int64_t until_ms = clock_mono_ms() + WAIT_MS;

    cr_assert_eq(send(master, data, bytes, 0), (ssize_t)bytes);
    while (ended == 0) {
        cr_assert_lt(clock_mono_ms(), until_ms, "it goes on");
        loop_turn(loop, 10);
    }
    cr_assert_eq(ended, 1);
}

Test(passing, OP04_a_word_of_the_master_that_is_not_understood_ends_the_console)
{
    struct console_packet unknown = { .kind = 99 };

    check_ends(&unknown, sizeof(unknown));
}

Test(passing, OP04_so_does_one_of_another_size)
{
    check_ends("short", 5);
}

Test(passing, OP04_so_does_a_listener_without_settings)
{
    struct console_packet early = { .kind = CONSOLE_LISTENER };

    check_ends(&early, sizeof(early));
}

Test(passing, OP04_so_does_the_end_of_the_master)
{
    int64_t until_ms = clock_mono_ms() + WAIT_MS;

    shutdown(master, SHUT_RDWR);
    while (ended == 0) {
        cr_assert_lt(clock_mono_ms(), until_ms, "it goes on");
        loop_turn(loop, 10);
    }
}
