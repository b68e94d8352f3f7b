/* worker/smtp/connection.c: the session's state machine. Read rows[] first.
 *
 * A reply handler only decides: it returns the next state. smtp_connection_go() is the only place
 * that moves. What ends a connection from outside (loss, deadline, garbage) comes to lose() and
 * nowhere else. */
#include "worker/smtp/connection_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>

#include "common/log.h"
#include "common/loop.h"
#include "common/shortage.h"
#include "worker/resolver.h"
#include "worker/smtp/transaction.h"

static void lose(struct smtp_connection *c, enum smtp_event event, const char *what);

/* ---- what each state sends ---- */

static void send_line(struct smtp_connection *c, const char *verb, const char *argument)
{
    stream_add(c->stream, verb, strlen(verb));
    if (argument != NULL)
        stream_add(c->stream, argument, strlen(argument));
    stream_add(c->stream, "\r\n", 2);
    stream_kick(c->stream);
}

static void send_ehlo(struct smtp_connection *c)
{
    send_line(c, "EHLO ", c->dial.ehlo_name);
}

static void send_helo(struct smtp_connection *c)
{
    memset(&c->extensions, 0, sizeof(c->extensions));
    send_line(c, "HELO ", c->dial.ehlo_name);
}

static void send_starttls(struct smtp_connection *c)
{
    send_line(c, "STARTTLS", NULL);
}

static void send_quit(struct smtp_connection *c)
{
    send_line(c, "QUIT", NULL);
}

/* The first time ready is the end of opening; later it only comes back from a transaction. */
static void tell_open(struct smtp_connection *c)
{
    if (c->is_open_told)
        return;
    c->is_open_told = true;
    c->ready_ms = loop_now_ms(c->dial.loop);
    resolver_answer_release(c->dial.answer);
    c->dial.answer = NULL;
    c->ops->on_open(c->owner);
}

/* ---- what a reply means ---- */

static void tell_step(struct smtp_connection *c, enum smtp_point point,
                      const struct smtp_reply *reply)
{
    if (c->ops->on_step != NULL)
        c->ops->on_step(point, reply, c->owner);
}

/* The reply ends this session; another address may do better. */
static enum smtp_connection_state refuse(struct smtp_connection *c, enum smtp_event event)
{
    char what[SMTP_REPLY_TEXT_SIZE + 64];

    (void)snprintf(what, sizeof(what), "%u %s", c->reply.code, c->reply.text);
    lose(c, event, what);
    return c->state;
}

static enum smtp_connection_state on_hello(struct smtp_connection *c, enum smtp_point point,
                                           enum smtp_connection_state next)
{
    static const struct smtp_situation fresh;
    enum smtp_event event = smtp_event_of(&c->reply);
    /* Only 220 greets and only 250 accepts a name; any other 2xx is from something else. */
    bool is_right = c->reply.code == (point == SMTP_AT_GREETING ? 220 : 250);
    enum smtp_verdict verdict =
        smtp_judge(point, event == SMTP_SAID_OK && !is_right ? SMTP_SAID_ODD : event, &fresh);

    if (verdict == SMTP_FALL_BACK)
        return HELO;
    if (verdict != SMTP_GO_ON)
        return refuse(c, event);
    tell_step(c, point, &c->reply);
    if (c->state == CLOSED || c->state == QUITTING)
        return c->state;
    return next == READY ? smtp_connection_after_hello(c) : next;
}

static enum smtp_connection_state on_greeting(struct smtp_connection *c)
{
    c->is_greeted = true;
    return on_hello(c, SMTP_AT_GREETING, EHLO);
}

static enum smtp_connection_state on_ehlo(struct smtp_connection *c)
{
    return on_hello(c, SMTP_AT_EHLO, READY);
}

static enum smtp_connection_state on_helo(struct smtp_connection *c)
{
    return on_hello(c, SMTP_AT_HELO, READY);
}

static enum smtp_connection_state on_starttls(struct smtp_connection *c)
{
    return smtp_connection_on_starttls(c);
}

static enum smtp_connection_state on_auth(struct smtp_connection *c)
{
    return smtp_connection_on_auth(c);
}

static enum smtp_connection_state on_lent(struct smtp_connection *c)
{
    smtp_transaction_reply(c->borrower, &c->reply);
    return c->state;
}

/* The server closes after its 221; who waits for that leaves it the one to remember the ports, and
 * knows that it counts this connection no more. Who does not count need not wait. */
static enum smtp_connection_state on_quit(struct smtp_connection *c)
{
    const struct smtp_connection_ops *ops = c->ops;

    if (ops == NULL || ops->on_farewell == NULL)
        return c->state;
    c->ops = NULL;
    if (c->dial.on_gone == NULL)
        smtp_connection_close(c);
    ops->on_farewell(&c->reply, c->owner);
    return c->state;
}

static const struct row {
    const char *name;
    enum smtp_point point;
    void (*enter)(struct smtp_connection *);
    enum smtp_connection_state (*reply)(struct smtp_connection *); /* NULL: nothing may come */
    size_t limit; /* offset in struct profile_timeouts; NO_LIMIT */
} rows[STATE_COUNT] = {
#define NO_LIMIT       ((size_t)-1)
#define LIMIT(timeout) offsetof(struct profile_timeouts, timeout)
    [CONNECTING] = { "connecting", SMTP_AT_CONNECT, NULL, NULL, LIMIT(connect_s) },
    [GREETING] = { "greeting", SMTP_AT_GREETING, NULL, on_greeting, LIMIT(greeting_s) },
    [EHLO] = { "ehlo", SMTP_AT_EHLO, send_ehlo, on_ehlo, LIMIT(handshake_s) },
    [HELO] = { "helo", SMTP_AT_HELO, send_helo, on_helo, LIMIT(handshake_s) },
    [STARTTLS] = { "starttls", SMTP_AT_STARTTLS, send_starttls, on_starttls, LIMIT(handshake_s) },
    [SECURING] = { "securing", SMTP_AT_TLS, smtp_connection_begin_tls, NULL, LIMIT(handshake_s) },
    [TOKEN] = { "token", SMTP_AT_AUTH, NULL, NULL, LIMIT(handshake_s) },
    [AUTH] = { "auth", SMTP_AT_AUTH, smtp_connection_begin_login, on_auth, LIMIT(handshake_s) },
    [READY] = { "ready", SMTP_AT_MAIL, tell_open, NULL, NO_LIMIT },
    [LENT] = { "lent", SMTP_AT_MAIL, NULL, on_lent, NO_LIMIT },
    [QUITTING] = { "quitting", SMTP_AT_MAIL, send_quit, on_quit, NO_LIMIT },
    [CLOSED] = { "closed", SMTP_AT_MAIL, NULL, NULL, NO_LIMIT },
};

static unsigned limit_of(const struct smtp_connection *c, enum smtp_connection_state state)
{
    unsigned limit_s;

    memcpy(&limit_s, (const char *)&c->dial.timeouts + rows[state].limit, sizeof(limit_s));
    return limit_s;
}

void smtp_connection_go(struct smtp_connection *c, enum smtp_connection_state next)
{
    log_debug("smtp", "connection moves", LOG_STR("peer", smtp_connection_peer(c)),
              LOG_STR("state", rows[c->state].name), LOG_STR("next", rows[next].name));
    if (c->state == TOKEN)
        tokens_cancel(&c->wish);
    c->state = next;
    if (c->stream != NULL && rows[next].limit != NO_LIMIT)
        stream_deadline_ms(c->stream, (int64_t)limit_of(c, next) * 1000);
    else if (c->stream != NULL)
        stream_deadline_ms(c->stream, next == QUITTING ? SMTP_QUIT_WAIT_MS : 0);
    if (rows[next].enter != NULL)
        rows[next].enter(c); /* last: it may lead back into smtp_connection_go() */
}

/* ---- life ---- */

/* Only this frees a connection, so that no callback returns into freed memory. */
void smtp_connection_leave(struct smtp_connection *c)
{
    if (--c->depth > 0 || c->state != CLOSED)
        return;
    resolver_answer_release(c->dial.answer);
    smtp_connection_forget_login(c);
    smtp_connection_forget_token(c);
    tls_release(c->dial.security.context);
    free(c);
}

/* The socket goes; who counts is told. */
void smtp_connection_close(struct smtp_connection *c)
{
    void (*on_gone)(struct smtp_connection *, void *) = c->dial.on_gone;

    if (c->state == CLOSED)
        return;
    smtp_connection_go(c, CLOSED);
    stream_free(&c->stream);
    c->dial.on_gone = NULL;
    if (on_gone != NULL)
        on_gone(c, c->dial.on_gone_arg);
}

/* ---- what ends it from outside ---- */

void smtp_connection_fail(struct smtp_connection *c, enum smtp_point point, enum smtp_event event,
                          const char *what)
{
    struct reason why;

    reason_format(&why, "%s%s", point == SMTP_AT_TLS ? "the TLS handshake failed: " : "", what);
    if (point == SMTP_AT_TLS && event != SMTP_SHORT &&
        smtp_connection_goes_on_in_clear(c, why.text))
        return;
    smtp_connection_next_address(c, point, event, why.text);
}

static void lose(struct smtp_connection *c, enum smtp_event event, const char *what)
{
    switch (c->state) {
    case CONNECTING:
    case GREETING:
    case EHLO:
    case HELO:
    case STARTTLS:
    case SECURING:
    case TOKEN:
    case AUTH: smtp_connection_fail(c, rows[c->state].point, event, what); break;
    case READY:
        smtp_connection_close(c);
        c->ops->on_lost(what, c->owner);
        break;
    case LENT: smtp_transaction_loss(c->borrower, event); break;
    case QUITTING:
        smtp_connection_close(c);
        if (c->ops != NULL && c->ops->on_farewell != NULL)
            c->ops->on_farewell(NULL, c->owner);
        break;
    case CLOSED:
    case STATE_COUNT: break;
    }
}

/* ---- the stream ---- */

static void on_connected(void *owner)
{
    struct smtp_connection *c = owner;

    c->depth++;
    c->connected_ms = loop_now_ms(c->dial.loop);
    tell_step(c, SMTP_AT_CONNECT, NULL);
    if (c->state == CONNECTING)
        smtp_connection_go(c, c->dial.security.tls == SMTP_TLS_AT_ONCE ? SECURING : GREETING);
    smtp_connection_leave(c);
}

static void on_ehlo_line(const char *text, size_t bytes, unsigned number, void *arg)
{
    struct smtp_connection *c = arg;

    if (number > 0 && c->state == EHLO)
        smtp_extension_add(&c->extensions, text, bytes);
}

static void on_data(void *owner)
{
    struct smtp_connection *c = owner;
    int got = 0;

    c->depth++;
    c->is_proven = stream_tls_facts(c->stream) != NULL; /* by any word, be it half a reply */
    while (c->state != CLOSED && rows[c->state].reply != NULL &&
           (got = smtp_reply_take(stream_input(c->stream), &c->reply, on_ehlo_line, c)) == 1) {
        enum smtp_connection_state now = c->state, next = rows[now].reply(c);

        if (next != now && c->state == now)
            smtp_connection_go(c, next);
    }
    if (got < 0 && c->state != CLOSED)
        lose(c, SMTP_GARBAGE, "what came is not an SMTP reply");
    else if (c->state == READY && evbuffer_get_length(stream_input(c->stream)) > 0)
        lose(c, SMTP_CUT, "the server spoke unasked");
    smtp_connection_leave(c);
}

static void on_drained(void *owner)
{
    struct smtp_connection *c = owner;

    c->depth++;
    if (c->state == LENT)
        smtp_transaction_drained(c->borrower);
    smtp_connection_leave(c);
}

static const char *why_ended(const struct smtp_connection *c, enum stream_end end)
{
    if (end == STREAM_END_EOF)
        return "the server closed the connection";
    return end == STREAM_END_TLS ? stream_tls_why(c->stream) : strerror(stream_errno(c->stream));
}

static void on_end(enum stream_end end, void *owner)
{
    struct smtp_connection *c = owner;

    c->depth++;
    if (end == STREAM_END_TIMEOUT || stream_errno(c->stream) == ETIMEDOUT)
        lose(c, SMTP_TIMED_OUT, "timed out");
    else if (is_shortage(-stream_errno(c->stream)))
        lose(c, SMTP_SHORT, strerror(stream_errno(c->stream)));
    else if (smtp_connection_is_shaking(c))
        smtp_connection_unsafe(c, SMTP_AT_TLS, stream_tls_fault(c->stream), why_ended(c, end));
    else if (end == STREAM_END_EOF)
        lose(c, SMTP_CUT, why_ended(c, end));
    else
        lose(c, end == STREAM_END_REFUSED ? SMTP_UNREACHABLE : SMTP_CUT, why_ended(c, end));
    smtp_connection_leave(c);
}

const struct stream_callbacks smtp_connection_callbacks = {
    .on_connected = on_connected,
    .on_data = on_data,
    .on_drained = on_drained,
    .on_secured = smtp_connection_on_secured,
    .on_end = on_end,
};

/* ---- what the owner calls ---- */

void smtp_connection_set_owner(struct smtp_connection *c, const struct smtp_connection_ops *ops,
                               void *owner)
{
    c->ops = ops;
    c->owner = owner;
}

void smtp_connection_quit(struct smtp_connection *c)
{
    c->depth++;
    if (c->state > CONNECTING && c->state < READY)
        c->ops = NULL; /* no reply of the handshake is a farewell */
    if (c->state > CONNECTING && c->state <= READY && c->state != SECURING)
        smtp_connection_go(c, QUITTING);
    else if (c->state != QUITTING)
        smtp_connection_close(c);
    smtp_connection_leave(c);
}

void smtp_connection_free(struct smtp_connection **connection)
{
    struct smtp_connection *c = *connection;

    *connection = NULL;
    if (c == NULL)
        return;
    c->depth++;
    smtp_connection_close(c);
    smtp_connection_leave(c);
}

/* ---- what the transaction calls ---- */

void smtp_connection_lend(struct smtp_connection *c, struct smtp_transaction *borrower)
{
    c->borrower = borrower;
    c->transactions++;
    smtp_connection_go(c, LENT);
}

void smtp_connection_return(struct smtp_connection *c, enum smtp_leaves leaves)
{
    c->borrower = NULL;
    c->depth++;
    if (leaves == SMTP_LEAVES_CLEAN || leaves == SMTP_LEAVES_RSET) {
        c->needs_rset = leaves == SMTP_LEAVES_RSET;
        smtp_connection_go(c, READY);
    } else {
        c->ops = NULL; /* nobody's any more */
        if (leaves == SMTP_LEAVES_QUIT)
            smtp_connection_go(c, QUITTING);
        else
            smtp_connection_close(c);
    }
    smtp_connection_leave(c);
}
