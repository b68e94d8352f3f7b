/* tests/unit/http_server_stage.h: the HTTP server on a socket in a temporary directory, with a
 * handler that answers what it was asked, or holds a request back for the test to answer. */
#ifndef TESTS_UNIT_HTTP_SERVER_STAGE_H
#define TESTS_UNIT_HTTP_SERVER_STAGE_H

#include "tests/unit/unix_client.h"

#include <signal.h>

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

__attribute__((unused)) static void start(void)
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

__attribute__((unused)) static struct unix_reply ask(const char *method, const char *target,
                                                     const char *body)
{
    struct unix_client client;
    struct unix_reply reply;

    client_open(&client, loop, path);
    client_ask(&client, method, target, "", body);
    reply = client_wait_reply(&client);
    client_close(&client);
    return reply;
}

/* Turns until a request is held. */
__attribute__((unused)) static void wait_held(void)
{
    int64_t until_ms = clock_mono_ms() + WAIT_MS;

    while (!held) {
        cr_assert_lt(clock_mono_ms(), until_ms, "nothing was asked for");
        loop_turn(loop, 10);
    }
}

#endif
