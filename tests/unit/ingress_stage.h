/* tests/unit/ingress_stage.h: a whole SMTP server over real loopback sockets, with a spooler that
 * does what the test says in place of the real one. Included once per test executable. */
#ifndef TESTS_UNIT_INGRESS_STAGE_H
#define TESTS_UNIT_INGRESS_STAGE_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "common/clock.h"
#include "common/conf.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/rule.h"
#include "worker/directory.h"
#include "worker/ingress/ingress.h"
#include "worker/spooler.h"
#include "worker/stream.h"

/* ---- the spooler ---- */

#define STORED_MAX 64
#define OVERHEAD   1000 /* of each reservation: one message has one */

struct stored {
    uint64_t id;
    char *body;
    size_t bytes;
    struct spooler_body_facts facts;
    char envelope[512]; /* "sender > 1/11: a@x b@x; 2/12: c@y" */
    char client[64], helo[64];
    bool is_large;
};

struct spooler_large {
    struct stored message;
    spooler_room_cb *on_room;
    spooler_done_cb *done;
    void *arg;
    size_t reserved;
};

struct spooler {
    size_t reserved; /* given out and not yet back */
    uint64_t last_id;
    int reserve_err, done_err;
    bool is_holding;  /* `done` waits until it is not */
    bool has_no_room; /* spooler_large_write() says false */
    unsigned aborted, writes;
    struct {
        spooler_done_cb *done;
        void *arg;
        uint64_t id;
        size_t reserved;
    } waiting[STORED_MAX];
    unsigned waiting_count;
    struct stored stored[STORED_MAX];
    unsigned stored_count;
    struct spooler_large *open_large;
};

static struct spooler fake;

int spooler_reserve(struct spooler *spooler, size_t bytes)
{
    if (spooler->reserve_err != 0)
        return spooler->reserve_err;
    spooler->reserved += bytes + OVERHEAD;
    return 0;
}

void spooler_unreserve(struct spooler *spooler, size_t bytes)
{
    cr_assert_geq(spooler->reserved, bytes + OVERHEAD);
    spooler->reserved -= bytes + OVERHEAD;
}

uint64_t spooler_next_id(struct spooler *spooler)
{
    return ++spooler->last_id;
}

static void note_envelope(const struct envelope *envelope, struct stored *message)
{
    char *out = message->envelope;
    size_t room = sizeof(message->envelope), used;

    used = (size_t)snprintf(out, room, "%s >", envelope->sender);
    for (uint32_t g = 0; g < envelope->group_count; g++) {
        const struct envelope_group *group = &envelope->groups[g];

        used += (size_t)snprintf(out + used, room - used, "%s %u/%u:", g > 0 ? ";" : "",
                                 group->rule, group->profile);
        for (uint32_t i = group->first; i < group->first + group->count; i++)
            used +=
                (size_t)snprintf(out + used, room - used, " %s", envelope->recipients[i].address);
        cr_assert_lt(used, room);
    }
    snprintf(message->client, sizeof(message->client), "%s", envelope->client);
    snprintf(message->helo, sizeof(message->helo), "%s", envelope->helo);
}

static void store(struct stored *message, spooler_done_cb *done, void *arg, size_t reserved)
{
    unsigned n = fake.waiting_count++;

    cr_assert_lt(fake.stored_count, STORED_MAX);
    fake.stored[fake.stored_count++] = *message;
    fake.waiting[n].done = done;
    fake.waiting[n].arg = arg;
    fake.waiting[n].id = message->id;
    fake.waiting[n].reserved = reserved;
}

void spooler_submit(struct spooler *spooler, uint64_t id, const struct envelope *envelope,
                    char *body, size_t bytes, const struct spooler_body_facts *facts,
                    size_t reserved, spooler_done_cb *done, void *arg)
{
    struct stored message = { .id = id, .body = body, .bytes = bytes, .facts = *facts };

    (void)spooler;
    cr_assert_leq(bytes, SPOOLER_SMALL_BYTES);
    cr_assert_geq(reserved, bytes, "every byte of it was reserved");
    note_envelope(envelope, &message);
    store(&message, done, arg, reserved);
}

struct spooler_large *spooler_large_begin(struct spooler *spooler, uint64_t id,
                                          const struct envelope *envelope, size_t reserved,
                                          spooler_room_cb *on_room, spooler_done_cb *done,
                                          void *arg)
{
    struct spooler_large *large = calloc(1, sizeof(*large));

    large->message.id = id;
    large->message.is_large = true;
    note_envelope(envelope, &large->message);
    large->on_room = on_room;
    large->done = done;
    large->arg = arg;
    large->reserved = reserved;
    spooler->open_large = large;
    return large;
}

bool spooler_large_write(struct spooler_large *large, const void *data, size_t bytes)
{
    struct stored *message = &large->message;

    message->body = realloc(message->body, message->bytes + bytes);
    memcpy(message->body + message->bytes, data, bytes);
    message->bytes += bytes;
    cr_assert_leq(message->bytes, large->reserved, "room on the disk was reserved");
    fake.writes++;
    return !fake.has_no_room;
}

void spooler_large_commit(struct spooler_large *large, const struct spooler_body_facts *facts)
{
    large->message.facts = *facts;
    store(&large->message, large->done, large->arg, large->reserved);
    fake.open_large = NULL;
    free(large);
}

void spooler_large_abort(struct spooler_large *large)
{
    fake.aborted++;
    fake.open_large = NULL;
    fake.reserved -= large->reserved + OVERHEAD;
    free(large->message.body);
    free(large);
}

/* What the sync thread would report. */
static void fake_run(void)
{
    while (fake.waiting_count > 0 && !fake.is_holding) {
        unsigned n = --fake.waiting_count;

        fake.reserved -= fake.waiting[n].reserved + OVERHEAD;
        fake.waiting[n].done(fake.done_err, fake.waiting[n].id, fake.waiting[n].arg);
    }
}

/* ---- the rules ---- */

static char domain_one[] = "one.example", domain_two[] = "two.example",
            off_domain[] = "off.example";
static struct rule_pattern pattern_any = { 0 }, pattern_one = { .domain = domain_one },
                           pattern_two = { .domain = domain_two },
                           pattern_off = { .domain = off_domain };
static struct rule_network networks[2] = { { .is_ipv4 = true, .prefix = 96 }, { .prefix = 0 } };
static struct rule rule_one = { .id = 1,
                                .enabled = true,
                                .clients = networks,
                                .client_count = 2,
                                .senders = &pattern_any,
                                .sender_count = 1,
                                .recipients = &pattern_one,
                                .recipient_count = 1,
                                .relay = 11 };
static struct rule rule_two = { .id = 2,
                                .enabled = true,
                                .clients = networks,
                                .client_count = 2,
                                .senders = &pattern_any,
                                .sender_count = 1,
                                .recipients = &pattern_two,
                                .recipient_count = 1,
                                .relay = 12 };
static struct rule rule_off = { .id = 3,
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

const struct rule_set *directory_rules(const struct directory *directory)
{
    (void)directory;
    return &rules;
}

/* ---- the stage ---- */

static struct loop *loop;
static struct conf *conf;
static struct ingress *ingress;
static struct sockaddr_in server;
static int listener;

static void stage_up(void)
{
    struct reason why = { "" };
    socklen_t bytes = sizeof(server);

    log_set_level(LOG_LEVEL_ERROR);
    /* ::ffff:0:0/96 */
    networks[0].address[10] = networks[0].address[11] = 0xff;
    loop = loop_new();
    cr_assert_eq(conf_parse("hostname = \"gw.example\"\nsmtp { max_message_size = 8M }\n", "test",
                            &conf, &why),
                 0, "%s", why.text);
    ingress = ingress_new(loop, conf, NULL, &fake);
    cr_assert_not_null(ingress);
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    server.sin_family = AF_INET;
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    cr_assert_eq(bind(listener, (struct sockaddr *)&server, sizeof(server)), 0);
    cr_assert_eq(getsockname(listener, (struct sockaddr *)&server, &bytes), 0);
    cr_assert_eq(listen(listener, 64), 0);
    cr_assert_eq(ingress_add_listener(ingress, 7, listener), 0);
}

static void forget_stored(void)
{
    for (unsigned i = 0; i < fake.stored_count; i++)
        free(fake.stored[i].body);
    fake.stored_count = 0;
}

static void stage_down(void)
{
    ingress_free(&ingress);
    fake.is_holding = false;
    fake_run();
    cr_assert_eq(fake.reserved, 0, "%zu bytes of room were never given back", fake.reserved);
    cr_assert_null(fake.open_large);
    forget_stored();
    stream_free_closing();
    conf_free(&conf);
    loop_free(loop);
}

static void turn(void)
{
    loop_turn(loop, 1);
    fake_run();
}

/* Turns the loop until `condition` holds, for at most ten seconds. */
#define UNTIL(condition)                                                    \
    do {                                                                    \
        int64_t limit_ = clock_mono_ms() + 10000;                           \
        while (!(condition)) {                                              \
            cr_assert_lt(clock_mono_ms(), limit_, "never: %s", #condition); \
            turn();                                                         \
        }                                                                   \
    } while (0)

static uint32_t connections(void)
{
    struct ingress_figures figures;

    ingress_figures(ingress, &figures);
    return figures.connections;
}

/* ---- the client ---- */

struct client {
    int fd;
    size_t bytes;
    bool is_over; /* its server closed */
    char in[16384];
};

static void client_connect(struct client *client)
{
    int on = 1;

    *client = (struct client){ .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) };
    (void)setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    cr_assert_eq(connect(client->fd, (struct sockaddr *)&server, sizeof(server)), 0);
}

static void client_close(struct client *client)
{
    close(client->fd);
    client->fd = -1;
}

static void client_read(struct client *client)
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
static const char *client_take(struct client *client)
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

static const char *client_reply(struct client *client)
{
    const char *reply;

    UNTIL((client_read(client), (reply = client_take(client)) != NULL) ||
          (client->is_over && client->bytes == 0));
    return reply != NULL ? reply : "(closed)";
}

static void client_send_bytes(struct client *client, const char *data, size_t bytes)
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

static void client_send(struct client *client, const char *text)
{
    client_send_bytes(client, text, strlen(text));
}

static void client_expect(struct client *client, const char *prefix)
{
    const char *reply = client_reply(client);

    cr_assert_eq(strncmp(reply, prefix, strlen(prefix)), 0, "\"%s\", not \"%s\"", reply, prefix);
}

/* A command, and what its reply begins with. */
static void say(struct client *client, const char *command, const char *prefix)
{
    const char *reply;

    client_send(client, command);
    client_send(client, "\r\n");
    reply = client_reply(client);
    cr_assert_eq(strncmp(reply, prefix, strlen(prefix)), 0, "%.60s: \"%s\", not \"%s\"", command,
                 reply, prefix);
}

static void client_start(struct client *client)
{
    client_connect(client);
    client_expect(client, "220 gw.example ESMTP");
    say(client, "EHLO client.example", "250-gw.example");
}

/* Up to 354. */
static void client_data(struct client *client)
{
    say(client, "MAIL FROM:<s@client.example>", "250 2.1.0");
    say(client, "RCPT TO:<a@one.example>", "250 2.1.5");
    say(client, "DATA", "354 ");
}

#endif
