/* worker/smtp/connection_dial.c: from the addresses of a server to a socket: one after the other,
 * until one leads to a session. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>

#include "common/address.h"
#include "common/loop.h"
#include "common/shortage.h"
#include "worker/resolver.h"
#include "worker/smtp/connection_private.h"

static void note_failure(struct smtp_connection *c, const struct address *address, const char *what)
{
    char text[ADDRESS_TEXT_SIZE];
    size_t used = strlen(c->failures.text);

    (void)snprintf(c->failures.text + used, sizeof(c->failures.text) - used, "%s%s: %s",
                   used > 0 ? "; " : "", address_text(&address->sa, text), what);
}

static void set_port(struct address *address, uint16_t port)
{
    if (address->sa.sa_family == AF_INET6)
        address->in6.sin6_port = htons(port);
    else
        address->in.sin_port = htons(port);
}

/* Begins with the address at c->address or the next one that lets itself be begun with. 0;
 * -EHOSTUNREACH: there is none left; a shortage, which the next one would meet too. */
static int connect_on(struct smtp_connection *c)
{
    for (; c->address < c->dial.answer->count; c->address++) {
        struct address peer = c->dial.answer->addresses[c->address], source;
        bool has_source = c->dial.source_address != NULL;
        int err;

        set_port(&peer, c->dial.port);
        if (has_source && address_parse(c->dial.source_address, 1, &source) < 0) {
            note_failure(c, &peer, "source_address is not an address");
            continue;
        }
        if (has_source && source.sa.sa_family != peer.sa.sa_family) {
            note_failure(c, &peer, "source_address is of the other family");
            continue;
        }
        if (has_source)
            set_port(&source, 0);
        c->stream =
            stream_connect(c->dial.loop, &peer.sa, peer.bytes, has_source ? &source.sa : NULL,
                           has_source ? source.bytes : 0, &smtp_connection_callbacks, c);
        if (c->stream != NULL) {
            smtp_connection_go(c, CONNECTING);
            return 0;
        }
        err = -errno;
        note_failure(c, &peer, strerror(-err));
        if (is_shortage(err))
            return err;
    }
    return -EHOSTUNREACH;
}

/* What is known of the server is forgotten: another address may be another machine. */
static void begin_anew(struct smtp_connection *c)
{
    int err;

    stream_free(&c->stream);
    memset(&c->extensions, 0, sizeof(c->extensions));
    smtp_reply_clear(&c->reply);
    c->is_greeted = c->is_proven = c->is_logged_in = false;
    c->fault = TLS_NO_FAULT;
    c->login = SMTP_LOGIN_FINE;
    c->refused = 0;
    smtp_connection_forget_login(c);
    c->downgrade.text[0] = '\0';
    err = connect_on(c);
    if (err == 0)
        return;
    if (is_shortage(err))
        c->failure = (struct smtp_failure){ .point = SMTP_AT_CONNECT, .event = SMTP_SHORT };
    c->failure.text = c->failures.text;
    smtp_connection_close(c);
    c->ops->on_failed(&c->failure, c->owner);
}

void smtp_connection_next_address(struct smtp_connection *c, enum smtp_point point,
                                  enum smtp_event event, const char *what)
{
    struct address address = c->dial.answer->addresses[c->address];

    set_port(&address, c->dial.port);
    note_failure(c, &address, what);
    c->failure.point = point;
    c->failure.event = event;
    c->failure.fault = c->fault;
    c->failure.login = c->login;
    c->failure.code = event <= SMTP_SAID_NO ? c->reply.code : 0;
    c->failure.is_too_many = event <= SMTP_SAID_NO && smtp_reply_is_crowding(&c->reply);
    if (c->state > CONNECTING && c->state != SECURING && event != SMTP_CUT &&
        event != SMTP_TIMED_OUT) {
        stream_add(c->stream, "QUIT\r\n", 6);
        stream_close_gently(&c->stream, SMTP_QUIT_WAIT_MS);
    }
    c->address++;
    c->is_clear = false;
    begin_anew(c);
}

void smtp_connection_again(struct smtp_connection *c)
{
    begin_anew(c);
}
int smtp_connection_open(const struct smtp_dial *dial, const struct smtp_connection_ops *ops,
                         void *owner, struct smtp_connection **ret_connection,
                         struct reason *reterr_why)
{
    struct smtp_connection *c = calloc(1, sizeof(*c));
    int err;

    if (c == NULL)
        return reason_set(reterr_why, -ENOMEM, "out of memory");
    c->dial = *dial;
    resolver_answer_hold(dial->answer);
    if (dial->security.context != NULL)
        tls_hold(dial->security.context); /* a reload may replace it before it is needed */
    c->ops = ops;
    c->owner = owner;
    c->address = dial->first;
    c->address_count = dial->answer->count;
    c->began_ms = loop_now_ms(dial->loop);
    err = connect_on(c);
    if (err == 0) {
        *ret_connection = c;
        return 0;
    }
    (void)reason_set(reterr_why, err, "%s",
                     c->failures.text[0] != '\0' ? c->failures.text : "no further address");
    resolver_answer_release(c->dial.answer);
    tls_release(c->dial.security.context);
    free(c);
    return err;
}
