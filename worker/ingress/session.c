/* worker/ingress/session.c: read rows[] first: it says what each state waits for. */
#include "worker/ingress/session.h"

#include <stdlib.h>
#include <unistd.h>

#include <event2/buffer.h>

#include "common/conf.h"
#include "common/log.h"
#include "common/loop.h"
#include "worker/ingress/clients.h"
#include "worker/ingress/ingress_private.h"
#include "worker/stream.h"

#define CLOSE_LIMIT_MS 10000 /* for the last reply to leave */

enum patience { PATIENCE_NONE, PATIENCE_COMMAND, PATIENCE_DATA };

static bool refuse_early_talker(struct session *s, enum session_state *ret_next);

static const struct row {
    const char *name;
    /* Takes input; returns whether it came to something, and where that leads. NULL: input waits */
    bool (*take)(struct session *s, enum session_state *ret_next);
    enum patience patience;
    bool is_in_transaction;
    const char *waiting_for; /* in the reply when patience is over */
} rows[SESSION_STATE_COUNT] = {
    [SESSION_NEW] = { "new", refuse_early_talker, PATIENCE_NONE, false, "its turn" },
    [SESSION_START] = { "start", session_take_command, PATIENCE_COMMAND, false, "EHLO" },
    [SESSION_READY] = { "ready", session_take_command, PATIENCE_COMMAND, false, "a command" },
    [SESSION_MAIL] = { "mail", session_take_command, PATIENCE_COMMAND, true, "a recipient" },
    [SESSION_RCPT] = { "rcpt", session_take_command, PATIENCE_COMMAND, true, "a command" },
    [SESSION_BODY] = { "body", session_take_content, PATIENCE_DATA, true, "the message" },
    [SESSION_STORING] = { "storing", NULL, PATIENCE_NONE, true, "the disk" },
    [SESSION_SECURING] = { "securing", NULL, PATIENCE_COMMAND, false, "a handshake" },
    [SESSION_CLOSED] = { "closed", NULL, PATIENCE_NONE, false, "nothing" },
};

static void set_deadline(struct session *s)
{
    const struct conf *conf = s->ingress->conf;
    int64_t wait_ms = 0, left_ms;

    switch (rows[s->state].patience) {
    case PATIENCE_NONE: break;
    case PATIENCE_COMMAND: wait_ms = conf->smtp_command_timeout * 1000; break;
    case PATIENCE_DATA: wait_ms = conf->smtp_data_timeout * 1000; break;
    }
    if (s->is_waiting)
        wait_ms = 0; /* it is us who let the client wait */
    if (wait_ms > 0 && rows[s->state].is_in_transaction) {
        left_ms = s->transaction_limit_ms - loop_now_ms(s->ingress->loop);
        if (left_ms < wait_ms)
            wait_ms = left_ms > 1 ? left_ms : 1;
    }
    stream_deadline_ms(s->stream, wait_ms);
}

/* ---- life ---- */

static void go(struct session *s, enum session_state next)
{
    bool was_in_transaction = rows[s->state].is_in_transaction;

    if (s->state == next)
        return;
    log_debug("ingress", "session moves", LOG_STR("client", s->client_text),
              LOG_STR("state", rows[s->state].name), LOG_STR("next", rows[next].name));
    if (s->state == SESSION_NEW)
        TAILQ_REMOVE(&s->ingress->fresh, s, fresh);
    if (next == SESSION_BODY)
        stream_expect(s->stream, STREAM_EXPECT_MUCH);
    else if (s->state == SESSION_BODY && next != SESSION_CLOSED)
        stream_expect(s->stream, STREAM_EXPECT_LITTLE);
    s->state = next;
    if (was_in_transaction && !rows[next].is_in_transaction) {
        session_drop_content(s);
        transaction_reset(&s->transaction);
    }
    if (next == SESSION_MAIL)
        s->transaction_limit_ms =
            loop_now_ms(s->ingress->loop) + s->ingress->conf->smtp_session_timeout * 1000;
    if (next == SESSION_CLOSED) {
        stream_close_gently(&s->stream, CLOSE_LIMIT_MS);
        ingress_session_closed(s->ingress, s);
    }
}

/* Only this frees a session, so no callback returns into freed memory. */
static void leave(struct session *s)
{
    if (--s->depth > 0 || s->state != SESSION_CLOSED || s->is_storing)
        return;
    if (s->ingress != NULL)
        LIST_REMOVE(s, all);
    transaction_done(&s->transaction);
    free(s);
}

/* Takes input as long as it leads somewhere and the client reads its replies. */
static void take_input(struct session *s)
{
    enum session_state next;

    while (rows[s->state].take != NULL && !stream_is_choked(s->stream) &&
           rows[s->state].take(s, &next)) {
        if (s->errors >= (unsigned)s->ingress->conf->smtp_max_errors && next != SESSION_CLOSED &&
            next != SESSION_STORING) {
            session_reply(s, "421 4.7.0 Too many errors, closing");
            next = SESSION_CLOSED;
        }
        go(s, next);
        if (s->state != SESSION_CLOSED)
            set_deadline(s);
    }
}

static bool refuse_early_talker(struct session *s, enum session_state *ret_next)
{
    if (evbuffer_get_length(stream_input(s->stream)) == 0)
        return false;
    session_refuse_mail(s, NULL, "554 5.5.1 Protocol error: spoke before the greeting");
    *ret_next = SESSION_CLOSED;
    return true;
}

/* ---- what the stream calls ---- */

static void on_data(void *owner)
{
    struct session *s = owner;

    s->depth++;
    take_input(s);
    if (s->state == SESSION_BODY)
        set_deadline(s);
    leave(s);
}

static void on_end(enum stream_end end, void *owner)
{
    struct session *s = owner;

    s->depth++;
    if (end == STREAM_END_TIMEOUT)
        session_replyf(s, "421 4.4.2 %s timed out waiting for %s", s->ingress->conf->top_hostname,
                       rows[s->state].waiting_for);
    if (end == STREAM_END_TLS && ingress_may_log(s->ingress))
        log_info("ingress", "no TLS with a client", LOG_STR("client", s->client_text),
                 LOG_STR("reason", stream_tls_why(s->stream)));
    else if (s->state >= SESSION_MAIL && ingress_may_log(s->ingress))
        log_info("ingress", "client left in the middle", LOG_STR("client", s->client_text),
                 LOG_STR("state", rows[s->state].name),
                 LOG_STR("why", end == STREAM_END_TIMEOUT ? "timeout"
                                : end == STREAM_END_EOF   ? "end of file"
                                                          : "reset"));
    go(s, SESSION_CLOSED);
    leave(s);
}

/* All that the client said in clear is forgotten (RFC 3207 4.2). */
static void on_secured(void *owner)
{
    struct session *s = owner;

    s->depth++;
    s->is_secured = true;
    s->is_esmtp = false;
    s->helo[0] = '\0';
    go(s, SESSION_START);
    set_deadline(s);
    leave(s);
}

static const struct stream_callbacks callbacks = {
    .on_data = on_data,
    .on_drained = on_data, /* the client reads its replies again */
    .on_secured = on_secured,
    .on_end = on_end,
};

/* ---- what the ingress and the spooler's callbacks call ---- */

struct session *session_new(struct ingress *ingress, int fd)
{
    struct session *s = calloc(1, sizeof(*s));

    if (s != NULL)
        s->stream = stream_new(ingress->loop, fd, &callbacks, s);
    if (s == NULL || s->stream == NULL) {
        close(fd);
        free(s);
        return NULL;
    }
    if (stream_peer(s->stream)->sa_family == AF_UNSPEC) { /* reset before it was accepted */
        stream_free(&s->stream);
        free(s);
        return NULL;
    }
    s->ingress = ingress;
    transaction_init(&s->transaction);
    address_host_text(stream_peer(s->stream), s->client_text);
    LIST_INSERT_HEAD(&ingress->sessions, s, all);
    TAILQ_INSERT_TAIL(&ingress->fresh, s, fresh);
    return s;
}

void session_greet(struct session *s)
{
    s->depth++;
    session_replyf(s, "220 %s ESMTP Postern", s->ingress->conf->top_hostname);
    go(s, SESSION_START);
    set_deadline(s);
    leave(s);
}

void session_dismiss(struct session *s, const char *reply)
{
    if (s->state == SESSION_STORING || s->state == SESSION_CLOSED)
        return;
    s->depth++;
    session_reply(s, reply);
    go(s, SESSION_CLOSED);
    leave(s);
}

void session_cut(struct session *s)
{
    s->depth++;
    stream_free(&s->stream);
    if (s->state != SESSION_CLOSED)
        go(s, SESSION_CLOSED);
    leave(s);
}

void session_move_on(struct session *s, enum session_state next)
{
    s->depth++;
    if (s->state != SESSION_CLOSED)
        go(s, next);
    if (s->state != SESSION_CLOSED) {
        set_deadline(s);
        take_input(s);
    }
    leave(s);
}
