/* tests/unit/ingress_client.h: a mail client as a person would type it, and rules to let it in.
 * Whoever includes it has turn(), which gives the server a turn of its loop. */
#ifndef TESTS_UNIT_INGRESS_CLIENT_H
#define TESTS_UNIT_INGRESS_CLIENT_H

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "common/clock.h"
#include "common/rule.h"

static void turn(void);

static struct sockaddr_in server; /* where it listens */

/* Turns the loop until `condition` holds, for at most ten seconds. */
#define UNTIL(condition)                                                    \
    do {                                                                    \
        int64_t limit_ = clock_mono_ms() + 10000;                           \
        while (!(condition)) {                                              \
            cr_assert_lt(clock_mono_ms(), limit_, "never: %s", #condition); \
            turn();                                                         \
        }                                                                   \
    } while (0)

/* ---- the rules ---- */

static char domain_one[] = "one.example", domain_two[] = "two.example",
            off_domain[] = "off.example";
static struct rule_pattern pattern_any = { 0 }, pattern_one = { .domain = domain_one },
                           pattern_two = { .domain = domain_two },
                           pattern_off = { .domain = off_domain };
static struct rule_network networks[2] = {
    { .is_ipv4 = true, .prefix = 96, .address = { [10] = 0xff, [11] = 0xff } }, { .prefix = 0 }
};
static struct rule rule_one = { .id = 1,
                                .name = domain_one,
                                .enabled = true,
                                .clients = networks,
                                .client_count = 2,
                                .senders = &pattern_any,
                                .sender_count = 1,
                                .recipients = &pattern_one,
                                .recipient_count = 1,
                                .relay = 11 };
static struct rule rule_two = { .id = 2,
                                .name = domain_two,
                                .enabled = true,
                                .clients = networks,
                                .client_count = 2,
                                .senders = &pattern_any,
                                .sender_count = 1,
                                .recipients = &pattern_two,
                                .recipient_count = 1,
                                .relay = 12 };
static struct rule rule_off = { .id = 3,
                                .name = off_domain,
                                .enabled = false,
                                .clients = networks,
                                .client_count = 2,
                                .senders = &pattern_any,
                                .sender_count = 1,
                                .recipients = &pattern_off,
                                .recipient_count = 1,
                                .relay = 13 };
static struct rule *rule_list[] = { &rule_one, &rule_two, &rule_off };
static struct rule_set rules = { .rules = rule_list, .count = 3, .enabled_count = 2 };

/* ---- the client ---- */

static inline int listen_anywhere(void)
{
    socklen_t bytes = sizeof(server);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    server.sin_family = AF_INET;
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    cr_assert_eq(bind(fd, (struct sockaddr *)&server, sizeof(server)), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&server, &bytes), 0);
    cr_assert_eq(listen(fd, 64), 0);
    return fd;
}

struct client {
    int fd;
    size_t bytes;
    bool is_over; /* its server closed */
    char in[16384];
};

static inline void client_connect(struct client *client)
{
    int on = 1;

    *client = (struct client){ .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) };
    (void)setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    cr_assert_eq(connect(client->fd, (struct sockaddr *)&server, sizeof(server)), 0);
}

static inline void client_close(struct client *client)
{
    close(client->fd);
    client->fd = -1;
}

static inline void client_read(struct client *client)
{
    ssize_t n = recv(client->fd, client->in + client->bytes, sizeof(client->in) - 1 - client->bytes,
                     MSG_DONTWAIT);

    if (n > 0)
        client->bytes += (size_t)n;
    if (n == 0 || (n < 0 && errno != EAGAIN))
        client->is_over = true;
    client->in[client->bytes] = '\0';
}

/* The next whole reply, lines of it joined as they came, without the last CRLF; NULL: none yet. */
static inline const char *client_take(struct client *client)
{
    static char reply[2048];
    char *line = client->in, *end;

    while ((end = strstr(line, "\r\n")) != NULL) {
        bool is_last = end - line >= 4 && line[3] == ' ';

        if (is_last) {
            size_t bytes = (size_t)(end - client->in);

            cr_assert_lt(bytes, sizeof(reply));
            memcpy(reply, client->in, bytes);
            reply[bytes] = '\0';
            memmove(client->in, end + 2, client->bytes - bytes - 1);
            client->bytes -= bytes + 2;
            return reply;
        }
        line = end + 2;
    }
    return NULL;
}

static inline const char *client_reply(struct client *client)
{
    const char *reply;

    UNTIL((client_read(client), (reply = client_take(client)) != NULL) ||
          (client->is_over && client->bytes == 0));
    return reply != NULL ? reply : "(closed)";
}

static inline void client_send_bytes(struct client *client, const char *data, size_t bytes)
{
    int64_t limit = clock_mono_ms() + 10000;
    size_t at = 0;

    while (at < bytes && clock_mono_ms() < limit) {
        ssize_t n = send(client->fd, data + at, bytes - at, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n > 0)
            at += (size_t)n;
        else if (errno != EAGAIN)
            return;
        else
            turn();
    }
    cr_assert_eq(at, bytes, "the server does not read");
}

static inline void client_send(struct client *client, const char *text)
{
    client_send_bytes(client, text, strlen(text));
}

static inline void client_expect(struct client *client, const char *prefix)
{
    const char *reply = client_reply(client);

    cr_assert_eq(strncmp(reply, prefix, strlen(prefix)), 0, "\"%s\", not \"%s\"", reply, prefix);
}

/* A command, and what its reply begins with. */
static inline void say(struct client *client, const char *command, const char *prefix)
{
    const char *reply;

    client_send(client, command);
    client_send(client, "\r\n");
    reply = client_reply(client);
    cr_assert_eq(strncmp(reply, prefix, strlen(prefix)), 0, "%.60s: \"%s\", not \"%s\"", command,
                 reply, prefix);
}

static inline void client_start(struct client *client)
{
    client_connect(client);
    client_expect(client, "220 gw.example ESMTP");
    say(client, "EHLO client.example", "250-gw.example");
}

/* Up to 354. */
static inline void client_data(struct client *client)
{
    say(client, "MAIL FROM:<s@client.example>", "250 2.1.0");
    say(client, "RCPT TO:<a@one.example>", "250 2.1.5");
    say(client, "DATA", "354 ");
}

#endif
