/* worker/stream_tls.c: a stream's bytes in TLS.
 *
 * OpenSSL reads and writes the socket itself; the loop's readiness drives it. The peer's
 * certificate never ends the handshake here: what was wrong with it is a fact, and the owner, who
 * knows whether it matters, ends the session before it says a word. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>
#include <openssl/err.h>

#include "common/address.h"
#include "worker/stream_private.h"
#include "worker/tls_meter.h"
#include "worker/tls_private.h"

#define RECORD 16384U /* what TLS sends at once */

/*   WAITING (for what leaves in clear) -> SHAKING -> READY -> BROKEN */
enum tls_state { WAITING, SHAKING, READY, BROKEN };

struct stream_tls {
    enum tls_state state;
    struct tls_context *context;
    SSL *ssl;
    char *host; /* of a server */
    unsigned server;
    bool is_drained;   /* what is read ahead is no whole record */
    bool is_answering; /* TLS itself has something to say before it reads on, and no room */
    struct tls_meter meter;
    struct tls_facts facts;
    struct reason why;
    enum tls_fault fault;
};

/* ---- beginning ---- */

/* A name goes into the handshake (SNI); an address does not. */
static int expect_host(struct stream_tls *tls, const char *host)
{
    int kind;

    tls->host = strdup(host);
    if (tls->host == NULL)
        return -ENOMEM;
    kind = tls_expect(SSL_get0_param(tls->ssl), host);
    if (kind == 1 && SSL_set_tlsext_host_name(tls->ssl, host) != 1)
        return -ENOMEM;
    return kind < 0 ? kind : 0;
}

static int set_up(struct stream_tls *tls, int fd, const struct tls_server *server)
{
    tls->ssl = SSL_new(tls->context->ssl_ctx);
    if (tls->ssl == NULL || SSL_set_fd(tls->ssl, fd) != 1)
        return -ENOMEM;
    tls_meter_attach(&tls->meter, tls->ssl);
    if (server == NULL) {
        SSL_set_accept_state(tls->ssl);
        return 0;
    }
    SSL_set_connect_state(tls->ssl);
    tls->server = server->index;
    if (expect_host(tls, server->host) < 0 ||
        tls_keep_sessions(tls->context, tls->ssl, server->index) < 0)
        return -ENOMEM;
    tls_offer_session(tls->context, tls->ssl, server->index);
    return 0;
}

int stream_secure(struct stream *s, struct tls_context *context, const struct tls_server *server)
{
    if (s->state != STREAM_OPEN)
        return 0; /* its end is told already, or about to be */
    if (evbuffer_get_length(s->in) > 0)
        return -EBADMSG;
    s->tls = calloc(1, sizeof(*s->tls));
    if (s->tls == NULL)
        return -ENOMEM;
    s->tls->context = tls_hold(context);
    if (set_up(s->tls, s->fd, server) < 0) {
        stream_tls_free(s);
        ERR_clear_error();
        return -ENOMEM;
    }
    stream_flush(s);
    if (evbuffer_get_length(s->out) == 0 && s->state == STREAM_OPEN && s->tls->state == WAITING)
        stream_tls_shake(s);
    if (s->due != 0)
        stream_run_next_turn(s);
    stream_update_watch(s);
    return 0;
}

void stream_tls_free(struct stream *s)
{
    struct stream_tls *tls = s->tls;

    s->tls = NULL;
    if (tls == NULL)
        return;
    if (tls->state == READY) /* else OpenSSL holds its session for a bad one, not to be resumed */
        SSL_set_shutdown(tls->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(tls->ssl);
    tls_release(tls->context);
    free(tls->host);
    free(tls);
}

/* ---- the end ---- */

static void explain(struct stream_tls *tls, int ssl_error, int err)
{
    if (ssl_error == SSL_ERROR_SSL)
        tls->fault = tls_error_fault(ERR_peek_error());
    if (tls->fault == TLS_NOT_SPOKEN && tls->state == SHAKING) {
        ERR_clear_error();
        reason_format(&tls->why, TLS_WORDS_NOT_SPOKEN);
    } else if (ssl_error == SSL_ERROR_SSL) {
        tls_take_error("TLS failed", &tls->why);
    } else if (ssl_error == SSL_ERROR_SYSCALL && err != 0) {
        reason_format(&tls->why, "%s", strerror(err));
    } else {
        reason_format(&tls->why, TLS_WORDS_CLOSED);
    }
}

/* Nothing of this session is to be resumed. */
static void break_session(struct stream *s, int ssl_error, int err)
{
    struct stream_tls *tls = s->tls;

    explain(tls, ssl_error, err);
    tls->state = BROKEN;
    tls_forget_sessions(tls->context, tls->server);
}

void stream_tls_farewell(struct stream *s)
{
    if (s->tls == NULL || s->tls->state != READY)
        return;
    (void)SSL_shutdown(s->tls->ssl); /* one way: SMTP has said goodbye already */
    s->tls->state = BROKEN;
    ERR_clear_error();
}

/* ---- the handshake ---- */

static void get_ready(struct stream *s)
{
    struct stream_tls *tls = s->tls;
    const struct tls_server server = { .host = tls->host, .index = tls->server };

    tls->state = READY;
    tls_meter_got_data(&tls->meter); /* what the handshake took does not count */
    s->is_blocked = false;
    tls_read_facts(tls->ssl, tls->host != NULL ? &server : NULL, &tls->facts);
    s->due |= DUE_SECURED;
    if (SSL_has_pending(tls->ssl) == 1)
        stream_tls_read(s); /* the greeting may have come along with the end of the handshake */
}

void stream_tls_shake(struct stream *s)
{
    struct stream_tls *tls = s->tls;
    int done, ssl_error, err;

    if (tls->state == BROKEN)
        return;
    tls->state = SHAKING;
    s->is_blocked = tls->is_answering = false;
    tls_meter_begin(&tls->meter);
    ERR_clear_error();
    errno = 0;
    done = SSL_do_handshake(tls->ssl);
    err = errno;
    ssl_error = SSL_get_error(tls->ssl, done);
    if (done == 1) {
        get_ready(s);
    } else if (ssl_error == SSL_ERROR_WANT_WRITE) {
        s->is_blocked = tls->is_answering = true;
    } else if (ssl_error != SSL_ERROR_WANT_READ) {
        break_session(s, ssl_error, err);
        stream_finish(s, STREAM_END_TLS, ssl_error == SSL_ERROR_SYSCALL && err != 0 ? err : EPROTO);
    }
    stream_update_watch(s);
}

bool stream_tls_is_waiting(const struct stream *s)
{
    return s->tls->state == WAITING;
}

bool stream_tls_is_ready(const struct stream *s)
{
    return s->tls->state == READY;
}

/* ---- bytes ---- */

bool stream_tls_has_pending(const struct stream *s)
{
    return s->tls->state == READY && !s->tls->is_drained && !s->tls->is_answering &&
           SSL_has_pending(s->tls->ssl) == 1;
}

bool stream_tls_is_answering(const struct stream *s)
{
    return s->tls->is_answering;
}

static void end_reading(struct stream *s, int n, int err)
{
    struct stream_tls *tls = s->tls;
    int ssl_error = SSL_get_error(tls->ssl, n);

    switch (ssl_error) {
    case SSL_ERROR_WANT_READ: tls->is_drained = true; break;
    case SSL_ERROR_WANT_WRITE: s->is_blocked = tls->is_answering = true; break;
    case SSL_ERROR_ZERO_RETURN: stream_finish(s, STREAM_END_EOF, 0); break;
    case SSL_ERROR_SYSCALL:
        break_session(s, ssl_error, err);
        stream_finish(s, err != 0 ? STREAM_END_RESET : STREAM_END_EOF, err);
        break;
    default:
        break_session(s, ssl_error, err);
        stream_finish(s, STREAM_END_TLS, EPROTO);
        break;
    }
}

/* It may go on like that for ever, and every key update costs us an answer. */
static void end_chatter(struct stream *s)
{
    reason_format(&s->tls->why, "TLS messages without end, and no data");
    s->tls->state = BROKEN;
    tls_forget_sessions(s->tls->context, s->tls->server);
    stream_finish(s, STREAM_END_TLS, EPROTO);
}

/* A record at a time, as long as there is another one in memory. */
void stream_tls_read(struct stream *s)
{
    struct stream_tls *tls = s->tls;
    struct evbuffer_iovec room;
    int n = 1;

    tls->is_drained = false;
    do {
        if (!stream_make_room(s, &room))
            return;
        tls_meter_begin(&tls->meter);
        ERR_clear_error();
        errno = 0;
        n = SSL_read(tls->ssl, room.iov_base, (int)room.iov_len);
        if (n > 0) {
            tls_meter_got_data(&tls->meter);
            stream_took(s, &room, (size_t)n);
        } else if (tls_meter_is_chatter(&tls->meter)) {
            end_chatter(s);
        } else {
            end_reading(s, n, errno);
        }
    } while (n > 0 && SSL_has_pending(tls->ssl) == 1 &&
             evbuffer_get_length(s->in) < STREAM_INPUT_MAX);
}

/* The next record's worth of output in one piece, where it lies or copied together: a record, and a
 * system call, for a turn's lines. */
static const void *gather(struct evbuffer *out, char copied[RECORD], size_t *ret_bytes)
{
    struct evbuffer_iovec first;
    size_t waiting = evbuffer_get_length(out);
    size_t bytes = waiting < RECORD ? waiting : RECORD;

    *ret_bytes = bytes;
    if (evbuffer_peek(out, (ev_ssize_t)bytes, NULL, &first, 1) == 1 || first.iov_len >= bytes)
        return first.iov_base;
    (void)evbuffer_copyout(out, copied, bytes);
    return copied;
}

/* After a write that was only begun the same bytes are offered again, perhaps with more behind
 * them: the output only grows. */
int stream_tls_write(struct stream *s)
{
    struct stream_tls *tls = s->tls;
    size_t left = STREAM_TURN_BYTES;
    char copied[RECORD];

    s->is_blocked = tls->is_answering = false;
    while (evbuffer_get_length(s->out) > 0) {
        size_t bytes;
        const void *data = gather(s->out, copied, &bytes);
        int n, err, ssl_error;

        ERR_clear_error();
        errno = 0;
        n = SSL_write(tls->ssl, data, (int)bytes);
        err = errno;
        if (n > 0) {
            evbuffer_drain(s->out, (size_t)n);
            left = (size_t)n < left ? left - (size_t)n : 0;
            if (left > 0)
                continue;
            s->is_blocked = evbuffer_get_length(s->out) > 0; /* the loop tells when to go on */
            return 0;
        }
        ssl_error = SSL_get_error(tls->ssl, n);
        if (ssl_error == SSL_ERROR_WANT_WRITE) {
            s->is_blocked = true;
            return 0;
        }
        break_session(s, ssl_error, err);
        return ssl_error == SSL_ERROR_SYSCALL && err != 0 ? err : EPROTO;
    }
    return 0;
}

/* ---- what the owner asks ---- */

const struct tls_facts *stream_tls_facts(const struct stream *s)
{
    return s->tls != NULL && s->tls->state != WAITING && s->tls->state != SHAKING ? &s->tls->facts
                                                                                  : NULL;
}

enum tls_fault stream_tls_fault(const struct stream *s)
{
    return s->tls != NULL ? s->tls->fault : TLS_NO_FAULT;
}

const char *stream_tls_why(const struct stream *s)
{
    return s->tls != NULL ? s->tls->why.text : "";
}
