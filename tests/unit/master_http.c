/* The HTTP server: limits, peers, late answers, streams, shutdown. */
#include "tests/unit/unix_client.h"

#include <grp.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "common/reason.h"
#include "master/control/peer.h"
#include "master/control/unix_socket.h"
#include "master/http/http.h"

static struct loop *loop;
static struct http_server *server;
static struct http_request *held; /* the request of /later or /stream */
static struct peer_policy policy;
static char dir[64], path[96];
static unsigned asked;

static int admit(int fd, uid_t *ret_uid, void *arg)
{
    (void)arg;
    return peer_check(fd, &policy, ret_uid);
}

static void on_request(struct http_request *request, void *arg)
{
    size_t bytes;
    const char *body = http_request_body(request, &bytes);
    char text[256];

    (void)arg;
    asked++;
    if (strcmp(http_request_path(request), "/later") == 0 ||
        strcmp(http_request_path(request), "/stream") == 0) {
        held = request;
        return;
    }
    snprintf(text, sizeof(text), "%d %s name=%s uid=%u body=%.*s", http_request_method(request),
             http_request_path(request),
             http_request_query(request, "name") ? http_request_query(request, "name") : "-",
             http_request_uid(request), (int)(bytes < 50 ? bytes : 50), body);
    http_request_set_header(request, "ETag", "\"7\"");
    http_request_set_header(request, "X-Bad", "a\r\nX-Injected: yes");
    http_request_answer(request, 200, "text/plain", text, strlen(text));
}

static http_transport_cb *transport; /* of the server that is started next */

static void start_with(struct http_limits limits)
{
    struct reason why;
    int fd;

    limits.max_header_bytes = 8192;
    limits.max_body_bytes = 100000;
    limits.idle_s = 5;

    signal(SIGPIPE, SIG_IGN); /* as every process of Postern does */
    strcpy(dir, "/tmp/postern-http-XXXXXX");
    cr_assert(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/control.sock", dir);
    loop = loop_new();
    peer_policy_init(&policy, NULL);
    fd = unix_socket_listen(path, false, 0, &why);
    cr_assert_geq(fd, 0, "%s", why.text);
    server = http_server_new(
        loop, fd, &limits,
        &(struct http_hooks){ .admit = admit, .handler = on_request, .transport = transport });
    cr_assert(server);
}

static void start(void)
{
    start_with((struct http_limits){ .max_connections = 4 });
}

static void stop(void)
{
    if (server)
        http_server_free(&server);
    if (loop)
        loop_turn(loop, 0);
    loop_free(loop);
    unlink(path);
    rmdir(dir);
}

static struct unix_reply ask(const char *method, const char *target, const char *body)
{
    struct unix_client client;
    struct unix_reply reply;

    client_open(&client, loop, path);
    client_ask(&client, method, target, "", body);
    reply = client_wait_reply(&client);
    client_close(&client);
    return reply;
}

TestSuite(http, .init = start, .fini = stop);

Test(http, hands_over_method_path_query_body_and_uid)
{
    struct unix_reply reply = ask("PUT", "/a/b?name=Ex%20change&x=1", "{\"k\":1}");
    char want[128];

    snprintf(want, sizeof(want), "%d /a/b name=Ex change uid=%u body={\"k\":1}", HTTP_METHOD_PUT,
             getuid());
    cr_assert_eq(reply.status, 200);
    cr_assert_str_eq(reply.body, want);
    cr_assert(strstr(reply.head, "ETag: \"7\""));
    cr_assert_not(strcasestr(reply.head, "X-Injected"));
    reply_free(&reply);
}

Test(http, several_requests_on_one_connection)
{
    struct unix_client client;

    client_open(&client, loop, path);
    for (int i = 0; i < 3; i++) {
        struct unix_reply reply;

        client_ask(&client, "GET", "/x", "", NULL);
        reply = client_wait_reply(&client);
        cr_assert_eq(reply.status, 200);
        reply_free(&reply);
    }
    client_close(&client);
    cr_assert_eq(asked, 3);
}

Test(http, unknown_methods_reach_the_handler_as_other)
{
    struct unix_reply reply = ask("PATCH", "/x", "{}");

    cr_assert_eq(atoi(reply.body), HTTP_METHOD_OTHER);
    reply_free(&reply);
}

Test(http, too_large_a_body_never_reaches_the_handler)
{
    char *big = malloc(100002);
    struct unix_reply reply;

    memset(big, 'a', 100001);
    big[100001] = '\0';
    reply = ask("POST", "/x", big);
    cr_assert_eq(reply.status, 413, "got %d", reply.status);
    cr_assert_eq(asked, 0);
    reply_free(&reply);
    free(big);
}

Test(http, too_large_a_header_never_reaches_the_handler)
{
    struct unix_client client;
    struct unix_reply reply;
    char *headers = malloc(10000);
    char head[256];

    client_open(&client, loop, path);
    strcpy(head, "GET /x HTTP/1.1\r\nX-Long: ");
    client_send(&client, head, strlen(head));
    memset(headers, 'h', 9999);
    headers[9999] = '\0';
    client_send(&client, headers, 9999);
    client_send(&client, "\r\n\r\n", 4);
    reply = client_wait_reply(&client);
    cr_assert_neq(reply.status, 200);
    cr_assert_eq(asked, 0);
    reply_free(&reply);
    client_close(&client);
    free(headers);
}

Test(http, garbage_ends_its_own_connection_only)
{
    static const char *const garbage[] = {
        "GET\r\n\r\n",
        "\r\n\r\n",
        "GET /x HTTP/9.9\r\n\r\n",
        "GET /x HTTP/1.1\r\nno colon\r\n\r\n",
        "GET %%% HTTP/1.1\r\n\r\n",
        "GET http://[ HTTP/1.1\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\n\r\n",
        "POST /x HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        "POST /x HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n7fffffffffffffff\r\n",
        "POST /x HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 999999\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    };
    struct unix_reply reply;

    for (size_t i = 0; i < sizeof(garbage) / sizeof(*garbage); i++) {
        struct unix_client client;

        client_open(&client, loop, path);
        client_send(&client, garbage[i], strlen(garbage[i]));
        for (int turn = 0; turn < 5; turn++)
            loop_turn(loop, 1);
        client_close(&client);
        reply = ask("GET", "/x", NULL);
        cr_assert_eq(reply.status, 200, "after garbage %zu", i);
        reply_free(&reply);
    }
}

Test(http, answers_later)
{
    struct unix_client client;
    struct unix_reply reply;
    int64_t until = clock_mono_ms() + WAIT_MS;

    client_open(&client, loop, path);
    client_ask(&client, "GET", "/later", "", NULL);
    while (!held) {
        cr_assert_lt(clock_mono_ms(), until);
        loop_turn(loop, 10);
    }
    cr_assert_eq(http_server_open_requests(server), 1);
    http_request_answer(held, 201, "text/plain", "done", 4);
    cr_assert_eq(http_server_open_requests(server), 0);
    reply = client_wait_reply(&client);
    cr_assert_eq(reply.status, 201);
    cr_assert_str_eq(reply.body, "done");
    reply_free(&reply);
    client_close(&client);
}

/* A client that is gone must be answered like any other. */
static void hang_up_while(const char *target)
{
    struct unix_client client;
    int64_t until = clock_mono_ms() + WAIT_MS;

    client_open(&client, loop, path);
    client_ask(&client, "GET", target, "", NULL);
    while (!held) {
        cr_assert_lt(clock_mono_ms(), until);
        loop_turn(loop, 10);
    }
    client_close(&client);
    for (int i = 0; i < 5; i++)
        loop_turn(loop, 1);
}

Test(http, client_gone_before_a_late_answer)
{
    struct unix_reply reply;

    hang_up_while("/later");
    http_request_answer(held, 200, "text/plain", "done", 4);
    for (int i = 0; i < 5; i++)
        loop_turn(loop, 1);
    reply = ask("GET", "/x", NULL);
    cr_assert_eq(reply.status, 200);
    reply_free(&reply);
}

Test(http, client_gone_in_the_middle_of_a_stream)
{
    struct unix_reply reply;

    hang_up_while("/stream");
    for (int i = 0; i < 20; i++) {
        http_request_stream(held, "application/x-ndjson", "{}\n", 3);
        loop_turn(loop, 1);
    }
    http_request_stream_end(held);
    for (int i = 0; i < 5; i++)
        loop_turn(loop, 1);
    reply = ask("GET", "/x", NULL);
    cr_assert_eq(reply.status, 200);
    reply_free(&reply);
}

Test(http, a_piece_of_a_stream_arrives_before_the_next_is_there)
{
    struct unix_client client;
    struct unix_reply reply;
    int64_t until = clock_mono_ms() + WAIT_MS;

    client_open(&client, loop, path);
    client_ask(&client, "GET", "/stream", "", NULL);
    while (!held) {
        cr_assert_lt(clock_mono_ms(), until);
        loop_turn(loop, 10);
    }
    cr_assert_not(http_request_is_streaming(held));
    http_request_stream(held, "application/x-ndjson", "{\"n\":1}\n", 8);
    cr_assert(client_wait_text(&client, "{\"n\":1}\n"));
    http_request_stream(held, "application/x-ndjson", "{\"n\":2}\n", 8);
    http_request_stream_end(held);
    reply = client_wait_reply(&client);
    cr_assert_str_eq(reply.body, "{\"n\":1}\n{\"n\":2}\n");
    cr_assert(strstr(reply.head, "application/x-ndjson"));
    reply_free(&reply);
    client_close(&client);
}

Test(http, accepting_pauses_at_the_limit_and_resumes)
{
    struct unix_client clients[4], fifth;
    struct unix_reply reply;

    for (int i = 0; i < 4; i++) {
        client_open(&clients[i], loop, path);
        client_ask(&clients[i], "GET", "/x", "", NULL);
        reply = client_wait_reply(&clients[i]);
        cr_assert_eq(reply.status, 200);
        reply_free(&reply);
    }
    asked = 0;
    client_open(&fifth, loop, path);
    client_ask(&fifth, "GET", "/x", "", NULL);
    for (int i = 0; i < 30; i++)
        loop_turn(loop, 10);
    cr_assert_eq(asked, 0, "the fifth was served beside four others");
    client_close(&clients[2]);
    reply = client_wait_reply(&fifth);
    cr_assert_eq(reply.status, 200);
    reply_free(&reply);
    client_close(&fifth);
    for (int i = 0; i < 4; i++)
        client_close(&clients[i]);
}

/* ---- those who ask for nothing ---- */

static void start_impatient(void)
{
    start_with((struct http_limits){
        .max_connections = 4, .first_request_s = 1, .next_request_s = 2, .makes_room = true });
}

TestSuite(http_room, .init = start_impatient, .fini = stop);

static int64_t cut_after_ms(struct unix_client *client, const char *drip)
{
    int64_t began_ms = clock_mono_ms();

    while (!client_is_cut(client)) {
        cr_assert_lt(clock_mono_ms(), began_ms + WAIT_MS, "it was never cut");
        client_send(client, drip, strlen(drip));
        loop_turn(loop, 50);
    }
    return clock_mono_ms() - began_ms;
}

Test(http_room, OP04_a_head_that_drips_has_an_end)
{
    struct unix_client client;
    int64_t took_ms;

    client_open(&client, loop, path);
    client_send(&client, "GET /x HTTP/1.1\r\nX-Slow: ", 26);
    took_ms = cut_after_ms(&client, "a");
    cr_assert_geq(took_ms, 900, "after %d ms", (int)took_ms);
    cr_assert_eq(asked, 0);
    client_close(&client);
}

Test(http_room, OP04_so_has_the_next_one_on_a_connection_that_was_answered)
{
    struct unix_client client;
    struct unix_reply reply;
    int64_t took_ms;

    client_open(&client, loop, path);
    client_ask(&client, "GET", "/x", "", NULL);
    reply = client_wait_reply(&client);
    reply_free(&reply);
    client_send(&client, "GET /x HTTP/1.1\r\nX-Slow: ", 26);
    took_ms = cut_after_ms(&client, "a");
    cr_assert_geq(took_ms, 1900, "after %d ms", (int)took_ms);
    cr_assert_eq(asked, 1);
    client_close(&client);
}

Test(http_room, OP04_an_answer_takes_the_time_it_takes)
{
    struct unix_client client;
    struct unix_reply reply;
    int64_t until_ms = clock_mono_ms() + 2500;

    client_open(&client, loop, path);
    client_ask(&client, "GET", "/later", "", NULL);
    while (clock_mono_ms() < until_ms)
        loop_turn(loop, 50);
    cr_assert(held);
    http_request_answer(held, 200, "text/plain", "late", 4);
    reply = client_wait_reply(&client);
    cr_assert_str_eq(reply.body, "late");
    reply_free(&reply);
    client_close(&client);
}

Test(http_room, OP04_at_the_limit_the_one_that_waits_longest_makes_room)
{
    struct unix_client clients[4], fifth;
    struct unix_reply reply;

    for (int i = 0; i < 4; i++) {
        client_open(&clients[i], loop, path);
        client_ask(&clients[i], "GET", i == 0 ? "/later" : "/x", "", NULL);
        if (i > 0) {
            reply = client_wait_reply(&clients[i]);
            reply_free(&reply);
        }
    }
    client_open(&fifth, loop, path);
    client_ask(&fifth, "GET", "/x", "", NULL);
    reply = client_wait_reply(&fifth);
    cr_assert_eq(reply.status, 200, "the fifth was not served");
    reply_free(&reply);
    cr_assert(client_is_cut(&clients[1]), "the oldest that asks for nothing is still there");
    cr_assert_not(client_is_cut(&clients[3]));
    http_request_answer(held, 200, "text/plain", "kept", 4);
    reply = client_wait_reply(&clients[0]);
    cr_assert_str_eq(reply.body, "kept", "the one that is being answered was cut");
    reply_free(&reply);
    client_close(&fifth);
    for (int i = 0; i < 4; i++)
        client_close(&clients[i]);
}

static struct bufferevent *no_transport(struct event_base *base, void *arg)
{
    (void)base;
    (void)arg;
    return NULL;
}

static void start_without_transport(void)
{
    transport = no_transport;
    start_with((struct http_limits){ .max_connections = 4 });
}

TestSuite(http_transport, .init = start_without_transport, .fini = stop);

Test(http_transport, OP04_what_cannot_be_encrypted_is_cut_not_served_in_clear)
{
    struct unix_client client;
    int64_t until_ms = clock_mono_ms() + WAIT_MS;

    client_open(&client, loop, path);
    client_ask(&client, "GET", "/x", "", NULL);
    while (!client_is_cut(&client)) {
        cr_assert_lt(clock_mono_ms(), until_ms);
        loop_turn(loop, 10);
    }
    cr_assert_eq(asked, 0);
    cr_assert_eq(client.bytes, 0, "it said: %s", client.in);
    client_close(&client);
}

/* ---- the end ---- */

Test(http, stopped_refuses_on_open_connections_and_takes_no_new_ones)
{
    struct unix_client client;
    struct unix_reply reply;

    client_open(&client, loop, path);
    client_ask(&client, "GET", "/x", "", NULL);
    reply = client_wait_reply(&client);
    reply_free(&reply);
    http_server_stop(server);
    client_ask(&client, "GET", "/x", "", NULL);
    reply = client_wait_reply(&client);
    cr_assert_eq(reply.status, 503);
    reply_free(&reply);
    client_close(&client);
    loop_turn(loop, 0);
    cr_assert_eq(client_connect(path), -ECONNREFUSED);
}

/* ---- who may ---- */

/* Connects as another user, sends a request and exits with 1 when any answer came. */
static pid_t fork_stranger(uid_t uid, gid_t gid, const gid_t *groups, size_t group_count)
{
    pid_t child;

    cr_assert_eq(chmod(dir, 0755), 0);
    cr_assert_eq(chmod(path, 0666), 0);
    child = fork();
    if (child != 0)
        return child;
    if (setgroups(group_count, groups) < 0 || setgid(gid) < 0 || setuid(uid) < 0)
        _exit(2);
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    char answer[64];
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        _exit(3);
    (void)!send(fd, "GET /x HTTP/1.1\r\nHost: a\r\n\r\n", 28, MSG_NOSIGNAL);
    _exit(recv(fd, answer, sizeof(answer), 0) > 0 ? 1 : 0);
}

static int wait_child(pid_t child)
{
    int64_t until = clock_mono_ms() + WAIT_MS;
    int status;

    while (waitpid(child, &status, WNOHANG) == 0) {
        cr_assert_lt(clock_mono_ms(), until, "the child never ended");
        loop_turn(loop, 10);
    }
    return WEXITSTATUS(status);
}

Test(http, OP03_a_stranger_is_cut)
{
    if (getuid() != 0)
        cr_skip("needs root to become somebody else");
    cr_assert_eq(wait_child(fork_stranger(65534, 65534, NULL, 0)), 0);
    cr_assert_eq(asked, 0);
}

Test(http, OP03_group_members_are_served)
{
    gid_t groups[] = { 4711, 4712 };

    if (getuid() != 0)
        cr_skip("needs root to become somebody else");
    policy.has_group = true;
    policy.group = 4712;
    cr_assert_eq(wait_child(fork_stranger(65534, 65534, groups, 2)), 1, "a supplementary group");
    cr_assert_eq(wait_child(fork_stranger(65534, 4712, NULL, 0)), 1, "the primary group");
    asked = 0;
    cr_assert_eq(wait_child(fork_stranger(65534, 65534, groups, 1)), 0, "another group");
    cr_assert_eq(asked, 0);
}

/* ---- the socket file ---- */

Test(unix_socket, born_closed_and_replaced_when_stale)
{
    char name[] = "/tmp/postern-sock-XXXXXX", file[64];
    struct reason why;
    struct stat info;
    int fd;

    cr_assert(mkdtemp(name));
    snprintf(file, sizeof(file), "%s/s", name);
    fd = unix_socket_listen(file, false, 0, &why);
    cr_assert_geq(fd, 0, "%s", why.text);
    cr_assert_eq(stat(file, &info), 0);
    cr_assert_eq(info.st_mode & 0777, 0600);
    cr_assert_eq(unix_socket_listen(file, false, 0, &why), -EADDRINUSE, "a live one is refused");
    cr_assert(strstr(why.text, file));
    close(fd);
    fd = unix_socket_listen(file, true, getgid(), &why);
    cr_assert_geq(fd, 0, "a stale one is replaced: %s", why.text);
    cr_assert_eq(stat(file, &info), 0);
    cr_assert_eq(info.st_mode & 0777, 0660);
    close(fd);
    unlink(file);
    rmdir(name);
}

Test(unix_socket, refuses_what_is_no_socket_and_what_is_too_long)
{
    char name[] = "/tmp/postern-sock-XXXXXX", file[64], longer[200];
    struct reason why;
    int fd;

    cr_assert(mkdtemp(name));
    snprintf(file, sizeof(file), "%s/s", name);
    fd = open(file, O_CREAT | O_WRONLY, 0600);
    close(fd);
    cr_assert_eq(unix_socket_listen(file, false, 0, &why), -EEXIST);
    cr_assert_eq(access(file, F_OK), 0, "it was left alone");
    memset(longer, 'a', sizeof(longer) - 1);
    longer[0] = '/';
    longer[sizeof(longer) - 1] = '\0';
    cr_assert_eq(unix_socket_listen(longer, false, 0, &why), -ENAMETOOLONG);
    unlink(file);
    rmdir(name);
}
