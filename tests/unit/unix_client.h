/* tests/unit/unix_client.h: a client for the control socket that shares the test's loop.
 *
 * Everything has a deadline: what does not come within WAIT_MS fails the test that waits. */
#ifndef TESTS_UNIT_UNIX_CLIENT_H
#define TESTS_UNIT_UNIX_CLIENT_H

#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/loop.h"

#define WAIT_MS 5000

struct unix_client {
    struct loop *loop;
    int fd;
    char *in; /* what came so far, NUL-terminated */
    size_t bytes;
    bool is_closed;
};

struct unix_reply {
    int status;
    char *head; /* free() */
    char *body; /* free(); chunks joined */
};

__attribute__((unused)) static int client_connect(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
        int err = -errno;

        close(fd);
        return err;
    }
    return fd;
}

__attribute__((unused)) static void client_open(struct unix_client *client, struct loop *loop,
                                                const char *path)
{
    *client = (struct unix_client){ .loop = loop, .fd = client_connect(path) };
    cr_assert_geq(client->fd, 0, "connect to %s: %d", path, client->fd);
    client->in = calloc(1, 1);
}

__attribute__((unused)) static void client_close(struct unix_client *client)
{
    if (client->fd >= 0)
        close(client->fd);
    client->fd = -1;
    free(client->in);
    client->in = NULL;
}

static void client_read(struct unix_client *client)
{
    char piece[65536];
    ssize_t got = client->is_closed ? -1 : recv(client->fd, piece, sizeof(piece), 0);

    if (got == 0 || (got < 0 && errno != EAGAIN && !client->is_closed))
        client->is_closed = true;
    if (got <= 0)
        return;
    client->in = realloc(client->in, client->bytes + (size_t)got + 1);
    memcpy(client->in + client->bytes, piece, (size_t)got);
    client->bytes += (size_t)got;
    client->in[client->bytes] = '\0';
}

/* Has the server closed? */
__attribute__((unused)) static bool client_is_cut(struct unix_client *client)
{
    client_read(client);
    return client->is_closed;
}

/* Turns the loop until `text` was received or the server closed; false: it closed without. */
__attribute__((unused)) static bool client_wait_text(struct unix_client *client, const char *text)
{
    int64_t until = clock_mono_ms() + WAIT_MS;

    for (;;) {
        client_read(client);
        if (strstr(client->in, text))
            return true;
        if (client->is_closed)
            return false;
        cr_assert_lt(clock_mono_ms(), until, "\"%s\" never came; got: %s", text, client->in);
        loop_turn(client->loop, 10);
    }
}

__attribute__((unused)) static void client_send(struct unix_client *client, const char *data,
                                                size_t bytes)
{
    int64_t until = clock_mono_ms() + WAIT_MS;

    while (bytes > 0) {
        ssize_t sent = send(client->fd, data, bytes, MSG_NOSIGNAL);

        if (sent < 0 && errno != EAGAIN)
            return; /* the server cut it: the reply tells */
        if (sent > 0) {
            data += sent;
            bytes -= (size_t)sent;
        }
        cr_assert_lt(clock_mono_ms(), until, "the server does not read");
        loop_turn(client->loop, 0);
    }
}

static char *join_chunks(const char *at)
{
    char *joined = calloc(1, strlen(at) + 1);
    size_t filled = 0;

    for (;;) {
        char *end;
        unsigned long size = strtoul(at, &end, 16);

        if (size == 0)
            return joined;
        memcpy(joined + filled, end + 2, size);
        filled += size;
        at = end + 2 + size + 2;
    }
}

/* Takes one complete reply off the front of what came. */
__attribute__((unused)) static struct unix_reply client_wait_reply(struct unix_client *client)
{
    struct unix_reply reply = { 0 };
    const char *length;
    char *body;
    size_t want;

    if (!client_wait_text(client, "\r\n\r\n"))
        return reply; /* status 0: cut */
    body = strstr(client->in, "\r\n\r\n") + 4;
    reply.head = strndup(client->in, (size_t)(body - client->in));
    reply.status = atoi(reply.head + strlen("HTTP/1.1 "));
    if (strcasestr(reply.head, "transfer-encoding: chunked")) {
        cr_assert(client_wait_text(client, "\r\n0\r\n\r\n"));
        body = strstr(client->in, "\r\n\r\n") + 4;
        reply.body = join_chunks(body);
        want = client->bytes;
    } else {
        int64_t until = clock_mono_ms() + WAIT_MS;

        length = strcasestr(reply.head, "content-length:");
        want = (length ? (size_t)atol(length + 15) : 0) + strlen(reply.head);
        while (client->bytes < want) {
            cr_assert_lt(clock_mono_ms(), until, "the body never came");
            loop_turn(client->loop, 10);
            client_read(client);
        }
        reply.body = strndup(client->in + strlen(reply.head), want - strlen(reply.head));
    }
    memmove(client->in, client->in + want, client->bytes - want + 1);
    client->bytes -= want;
    return reply;
}

/* `headers`: complete lines, or "". */
__attribute__((unused)) static void client_ask(struct unix_client *client, const char *method,
                                               const char *target, const char *headers,
                                               const char *body)
{
    char head[4096];
    int length = snprintf(head, sizeof(head),
                          "%s %s HTTP/1.1\r\nHost: postern\r\n%s"
                          "Content-Length: %zu\r\n\r\n",
                          method, target, headers, body ? strlen(body) : 0);

    client_send(client, head, (size_t)length);
    if (body)
        client_send(client, body, strlen(body));
}

__attribute__((unused)) static void reply_free(struct unix_reply *reply)
{
    free(reply->head);
    free(reply->body);
    *reply = (struct unix_reply){ 0 };
}

#endif
