/* tests/unit/smtp_peer.h: a scripted SMTP server on loopback, in the test's own loop.
 *
 * It does what a good server does unless peer_on() says otherwise for lines that begin with a given
 * text. What it hears is written down in `log`, one line after the other, each ended by "|";
 * content shows as "(bytes)". The same is told to `on_line`, and "(connected)" before. Besides
 * replies an answer may be: "!close", "!reset", "" (silence), and "250 text!close". */
#ifndef TESTS_UNIT_SMTP_PEER_H
#define TESTS_UNIT_SMTP_PEER_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include <criterion/criterion.h>
#include <event2/buffer.h>

#include "common/clock.h"
#include "common/loop.h"

#define PEER_EXTENSIONS "250-PIPELINING\r\n250-SIZE 10485760\r\n250-8BITMIME\r\n250 CHUNKING\r\n"

struct peer_client {
    LIST_ENTRY(peer_client) link;
    struct peer *peer;
    int fd;
    struct loop_watch *watch;
    struct evbuffer *in;
    bool is_in_data;
};

struct peer {
    struct loop *loop;
    int fd;
    uint16_t port;
    struct loop_watch *watch;
    struct {
        const char *when, *say;
        int times; /* -1: always */
    } rules[32];
    unsigned rule_count;
    const char *extensions;
    LIST_HEAD(, peer_client) clients;
    unsigned connections, open, most_open, messages, most_lines_in_a_read;
    bool is_deaf;                                         /* reads nothing */
    void (*on_line)(struct peer *peer, const char *line); /* NULL: nobody listens */
    char log[65536];
    char *content; /* of the last message, as it came: stuffed, without the final dot */
    size_t content_bytes;
};

/* The line that begins with `when` is answered with `say`, so many times. "greeting" and "." (the
 * end of data) are lines, too. */
static inline void peer_on(struct peer *peer, const char *when, const char *say, int times)
{
    cr_assert_lt(peer->rule_count, 32u);
    peer->rules[peer->rule_count].when = when;
    peer->rules[peer->rule_count].say = say;
    peer->rules[peer->rule_count++].times = times;
}

static inline void peer_hang_up(struct peer_client *client, bool reset)
{
    struct linger at_once = { .l_onoff = 1 };

    if (reset)
        setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    LIST_REMOVE(client, link);
    client->peer->open--;
    loop_watch_free(&client->watch);
    close(client->fd);
    evbuffer_free(client->in);
    free(client);
}

/* False: the connection is gone. */
static inline bool peer_say(struct peer_client *client, const char *say)
{
    const char *action = strchr(say, '!');
    size_t bytes = action != NULL ? (size_t)(action - say) : strlen(say);

    if (bytes > 0) {
        (void)!send(client->fd, say, bytes, MSG_NOSIGNAL);
        if (say[bytes - 1] != '\n')
            (void)!send(client->fd, "\r\n", 2, MSG_NOSIGNAL);
    }
    if (action == NULL)
        return true;
    peer_hang_up(client, strcmp(action, "!reset") == 0);
    return false;
}

static inline const char *peer_answer(struct peer *peer, const char *line)
{
    static const char *const usual[][2] = {
        { "greeting", "220 peer.test ESMTP" },
        { "HELO", "250 peer.test" },
        { "MAIL", "250 2.1.0 ok" },
        { "RCPT", "250 2.1.5 ok" },
        { "DATA", "354 go ahead" },
        { ".", "250 2.0.0 queued as 1" },
        { "RSET", "250 2.0.0 ok" },
        { "QUIT", "221 2.0.0 bye!close" },
    };
    static char ehlo[1024];

    for (unsigned i = 0; i < peer->rule_count; i++) {
        if (peer->rules[i].times == 0 ||
            strncasecmp(line, peer->rules[i].when, strlen(peer->rules[i].when)) != 0)
            continue;
        if (peer->rules[i].times > 0)
            peer->rules[i].times--;
        return peer->rules[i].say;
    }
    if (strncasecmp(line, "EHLO", 4) == 0) {
        snprintf(ehlo, sizeof(ehlo), "250-peer.test\r\n%s", peer->extensions);
        return ehlo;
    }
    for (unsigned i = 0; i < sizeof(usual) / sizeof(usual[0]); i++) {
        if (strncasecmp(line, usual[i][0], strlen(usual[i][0])) == 0)
            return usual[i][1];
    }
    return "500 5.5.2 what?";
}

static inline void peer_write_down(struct peer *peer, const char *line)
{
    size_t used = strlen(peer->log);

    snprintf(peer->log + used, sizeof(peer->log) - used, "%s|", line);
    if (peer->on_line != NULL)
        peer->on_line(peer, line);
}

static inline bool peer_take_content(struct peer_client *client)
{
    struct peer *peer = client->peer;
    struct evbuffer_ptr end = evbuffer_search(client->in, "\r\n.\r\n", 5, NULL);
    char shown[32];
    size_t bytes;

    if (evbuffer_get_length(client->in) >= 3 &&
        memcmp(evbuffer_pullup(client->in, 3), ".\r\n", 3) == 0)
        bytes = 0;
    else if (end.pos >= 0)
        bytes = (size_t)end.pos + 2;
    else
        return false;
    free(peer->content);
    peer->content = malloc(bytes + 1);
    evbuffer_remove(client->in, peer->content, bytes);
    peer->content[bytes] = '\0';
    peer->content_bytes = bytes;
    evbuffer_drain(client->in, 3);
    snprintf(shown, sizeof(shown), "(%zu)", bytes);
    peer_write_down(peer, shown);
    client->is_in_data = false;
    return true;
}

static inline void peer_read_lines(struct peer_client *client)
{
    struct peer *peer = client->peer;
    unsigned lines = 0;

    for (;;) {
        char *line = NULL;
        const char *say;
        bool goes_on;

        if (client->is_in_data) {
            if (!peer_take_content(client))
                return;
            say = peer_answer(peer, ".");
            peer->messages += say[0] == '2';
        } else {
            line = evbuffer_readln(client->in, NULL, EVBUFFER_EOL_CRLF_STRICT);
            if (line == NULL)
                return;
            if (++lines > peer->most_lines_in_a_read)
                peer->most_lines_in_a_read = lines;
            peer_write_down(peer, line);
            say = peer_answer(peer, line);
            client->is_in_data = strcasecmp(line, "DATA") == 0 && say[0] == '3';
        }
        goes_on = peer_say(client, say);
        free(line);
        if (!goes_on)
            return;
    }
}

static inline void peer_on_readable(int fd, unsigned what, void *arg)
{
    struct peer_client *client = arg;
    char bytes[65536];
    ssize_t n;

    (void)what;
    if (client->peer->is_deaf) {
        loop_watch_set(client->watch, 0);
        return;
    }
    n = recv(fd, bytes, sizeof(bytes), 0);
    if (n <= 0) {
        if (n == 0 || errno != EAGAIN) {
            peer_write_down(client->peer, n == 0 ? "<eof>" : "<reset>");
            peer_hang_up(client, false);
        }
        return;
    }
    evbuffer_add(client->in, bytes, (size_t)n);
    peer_read_lines(client);
}

static inline void peer_on_connection(int fd, unsigned what, void *arg)
{
    struct peer *peer = arg;
    struct peer_client *client = calloc(1, sizeof(*client));
    int on = 1;

    (void)what;
    client->peer = peer;
    client->fd = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    cr_assert_geq(client->fd, 0);
    setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* a line is two writes */
    client->in = evbuffer_new();
    client->watch = loop_watch_new(peer->loop, client->fd, peer_on_readable, client);
    LIST_INSERT_HEAD(&peer->clients, client, link);
    peer->connections++;
    if (++peer->open > peer->most_open)
        peer->most_open = peer->open;
    loop_watch_set(client->watch, LOOP_READ);
    if (peer->on_line != NULL)
        peer->on_line(peer, "(connected)");
    (void)peer_say(client, peer_answer(peer, "greeting"));
}

/* port 0: any. */
static inline struct peer *peer_new_at(struct loop *loop, const char *address, uint16_t port)
{
    struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };
    socklen_t bytes = sizeof(in);
    struct peer *peer = calloc(1, sizeof(*peer));
    int on = 1;

    peer->loop = loop;
    peer->extensions = PEER_EXTENSIONS;
    peer->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(peer->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    cr_assert_eq(inet_pton(AF_INET, address, &in.sin_addr), 1);
    cr_assert_eq(bind(peer->fd, (struct sockaddr *)&in, sizeof(in)), 0, "%s", strerror(errno));
    cr_assert_eq(getsockname(peer->fd, (struct sockaddr *)&in, &bytes), 0);
    cr_assert_eq(listen(peer->fd, 64), 0);
    peer->port = ntohs(in.sin_port);
    peer->watch = loop_watch_new(loop, peer->fd, peer_on_connection, peer);
    loop_watch_set(peer->watch, LOOP_READ);
    return peer;
}

static inline struct peer *peer_new(struct loop *loop)
{
    return peer_new_at(loop, "127.0.0.1", 0);
}

static inline void peer_hang_up_all(struct peer *peer)
{
    while (!LIST_EMPTY(&peer->clients))
        peer_hang_up(LIST_FIRST(&peer->clients), false);
}

/* Nobody listens there any more. */
static inline void peer_stop(struct peer *peer)
{
    peer_hang_up_all(peer);
    loop_watch_free(&peer->watch);
    if (peer->fd >= 0)
        close(peer->fd);
    peer->fd = -1;
}

static inline void peer_free(struct peer **peer)
{
    if (*peer == NULL)
        return;
    peer_stop(*peer);
    free((*peer)->content);
    free(*peer);
    *peer = NULL;
}

/* Turns the loop until `condition` holds, for at most ten seconds. */
#define UNTIL(loop, condition)                                              \
    do {                                                                    \
        int64_t limit_ = clock_mono_ms() + 10000;                           \
        while (!(condition)) {                                              \
            cr_assert_lt(clock_mono_ms(), limit_, "never: %s", #condition); \
            loop_turn(loop, 10);                                            \
        }                                                                   \
    } while (0)

#endif
