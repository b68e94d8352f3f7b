/* tests/unit/transaction_stage.h: one transaction after the other with a scripted server. */
#ifndef TESTS_UNIT_TRANSACTION_STAGE_H
#define TESTS_UNIT_TRANSACTION_STAGE_H

#include "smtp_peer.h"

#include "worker/resolver.h"
#include "worker/smtp/connection.h"
#include "worker/smtp/transaction.h"
#include "worker/spooler.h"
#include "worker/stream.h"

#define RCPTS_MAX 200

static struct loop *loop;
static struct peer *peer;
static struct resolver_answer *answer;
static struct smtp_connection *connection;
static struct smtp_transaction tx;
static struct smtp_rcpt rcpts[RCPTS_MAX];
static char names[RCPTS_MAX][32];
static unsigned opened, gone, done, told, held, released;
static struct smtp_result result;
static struct smtp_reply reply;
static unsigned timeout_s = 5;

static inline void on_open(void *owner)
{
    (void)owner;
    opened++;
}

static inline void on_failed(const struct smtp_failure *failure, void *owner)
{
    (void)owner;
    cr_assert(false, "%s", failure->text);
}

static inline void on_lost(const char *why, void *owner)
{
    (void)why;
    (void)owner;
}

static const struct smtp_connection_ops connection_ops = { .on_open = on_open,
                                                           .on_failed = on_failed,
                                                           .on_lost = on_lost };

static inline void on_gone(struct smtp_connection *c, void *arg)
{
    (void)c;
    (void)arg;
    gone++;
    connection = NULL;
}

static inline void on_rcpt(unsigned index, const struct smtp_reply *said, void *owner)
{
    (void)owner;
    cr_assert_neq(rcpts[index].verdict, SMTP_GO_ON);
    cr_assert_neq(said->code / 100, 2);
    told++;
}

static inline void on_done(const struct smtp_result *r, void *owner)
{
    (void)owner;
    done++;
    result = *r;
    if (r->reply != NULL)
        reply = *r->reply;
}

static const struct smtp_transaction_ops ops = { .on_rcpt = on_rcpt, .on_done = on_done };

static inline void *hold(void *arg)
{
    held++;
    return arg;
}

static inline void release(const void *data, size_t bytes, void *arg)
{
    (void)data;
    (void)bytes;
    cr_assert_eq(arg, &held);
    released++;
}

static inline void setup(void)
{
    loop = loop_new();
    peer = peer_new(loop);
    answer = calloc(1, sizeof(*answer) + sizeof(answer->addresses[0]));
    answer->holders = answer->count = 1;
    cr_assert_eq(address_parse("127.0.0.1", 1, &answer->addresses[0]), 0);
    tx.sender = "sender@example.com";
    tx.body = (struct smtp_body){ .data = "Subject: x\r\n\r\nhello\r\n",
                                  .bytes = 21,
                                  .hold = hold,
                                  .release = release,
                                  .arg = &held };
    tx.rcpts = rcpts;
    tx.rcpt_count = 1;
    tx.ops = &ops;
    for (unsigned i = 0; i < RCPTS_MAX; i++) {
        snprintf(names[i], sizeof(names[i]), "r%u@example.net", i);
        rcpts[i].address = names[i];
    }
}

static inline void teardown(void)
{
    smtp_connection_free(&connection);
    stream_free_closing();
    cr_expect_eq(held, released, "every piece of the body is let go");
    peer_free(&peer);
    resolver_answer_release(answer);
    loop_free(loop);
}

static inline void connect_it(void)
{
    struct smtp_dial dial = {
        .loop = loop,
        .answer = answer,
        .port = peer->port,
        .timeouts = { .connect_s = 5,
                      .greeting_s = 5,
                      .handshake_s = 5,
                      .command_s = timeout_s,
                      .data_block_s = timeout_s,
                      .end_of_data_s = timeout_s },
        .ehlo_name = "gw.test",
        .on_gone = on_gone,
    };
    struct reason why;

    opened = 0;
    cr_assert_eq(smtp_connection_open(&dial, &connection_ops, NULL, &connection, &why), 0);
    UNTIL(loop, opened == 1);
    peer->log[0] = '\0';
    peer->most_lines_in_a_read = 0;
}

static inline void begin(void)
{
    if (connection == NULL)
        connect_it();
    done = 0;
    memset(&reply, 0, sizeof(reply));
    smtp_transaction_start(&tx, connection);
    cr_assert_eq(done, 0u, "not from inside the call");
}

static inline void run(void)
{
    begin();
    UNTIL(loop, done == 1);
}

static inline void without_pipelining(void)
{
    peer->extensions = "250-SIZE\r\n250 8BITMIME\r\n";
}

#define ENVELOPE "MAIL FROM:<sender@example.com> SIZE=21|RCPT TO:<r0@example.net>|DATA|"

#endif
