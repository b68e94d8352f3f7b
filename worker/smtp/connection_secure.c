/* worker/smtp/connection_secure.c: from clear to TLS (SP30, SP31), and what becomes of a session
 * that does not get there. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <event2/buffer.h>

#include "common/log.h"
#include "worker/smtp/connection_private.h"

void smtp_connection_unsafe(struct smtp_connection *c, enum smtp_point point, enum tls_fault fault,
                            const char *what)
{
    c->fault = fault;
    smtp_connection_fail(c, point, SMTP_UNSAFE, what);
}

static bool is_secured(const struct smtp_connection *c)
{
    return stream_tls_facts(c->stream) != NULL;
}

static void note_downgrade(struct smtp_connection *c, const char *what)
{
    reason_format(&c->downgrade, "%s", what);
    log_warning("smtp", "mail goes in clear, as starttls_optional allows",
                LOG_STR("peer", smtp_connection_peer(c)), LOG_STR("event", "downgrade"),
                LOG_STR("reason", what));
}

enum smtp_connection_state smtp_connection_after_hello(struct smtp_connection *c)
{
    const enum smtp_tls wish = c->dial.security.tls;

    if (is_secured(c) || wish == SMTP_TLS_NEVER || c->is_clear)
        return smtp_connection_before_ready(c);
    if ((c->extensions.flags & SMTP_HAS_STARTTLS) != 0)
        return STARTTLS;
    if (wish == SMTP_TLS_IF_OFFERED) {
        note_downgrade(c, "STARTTLS is not offered");
        return smtp_connection_before_ready(c);
    }
    smtp_connection_unsafe(c, SMTP_AT_STARTTLS, TLS_NOT_SPOKEN, "STARTTLS is not offered");
    return c->state;
}

/* Whatever is there behind the 220 was not sent by the one that we are about to verify. */
static bool is_injected(const struct smtp_connection *c)
{
    return evbuffer_get_length(stream_input(c->stream)) > 0;
}

enum smtp_connection_state smtp_connection_on_starttls(struct smtp_connection *c)
{
    static const struct smtp_situation fresh;
    enum smtp_event event = smtp_event_of(&c->reply);
    char what[SMTP_REPLY_TEXT_SIZE + 64];

    if (c->reply.code == 220 && is_injected(c)) {
        smtp_connection_fail(c, SMTP_AT_STARTTLS, SMTP_GARBAGE,
                             "bytes in clear came after the reply to STARTTLS: an attack, or a "
                             "broken server");
        return c->state;
    }
    if (c->reply.code == 220) {
        if (c->ops->on_step != NULL)
            c->ops->on_step(SMTP_AT_STARTTLS, &c->reply, c->owner);
        return c->state == STARTTLS ? SECURING : c->state;
    }
    (void)snprintf(what, sizeof(what), "%u %s", c->reply.code, c->reply.text);
    if (event == SMTP_SAID_OK)
        event = SMTP_SAID_ODD;
    if (c->dial.security.tls == SMTP_TLS_IF_OFFERED && event != SMTP_SAID_CLOSING &&
        smtp_judge(SMTP_AT_STARTTLS, event, &fresh) == SMTP_FAILED) {
        note_downgrade(c, what);
        return smtp_connection_before_ready(c);
    }
    smtp_connection_fail(c, SMTP_AT_STARTTLS, event, what);
    return c->state;
}

void smtp_connection_begin_tls(struct smtp_connection *c)
{
    const struct smtp_security *security = &c->dial.security;
    int err = stream_secure(c->stream, security->context, &security->server);

    if (err == -EBADMSG)
        smtp_connection_fail(c, SMTP_AT_TLS, SMTP_GARBAGE, "the server spoke before the handshake");
    else if (err < 0)
        smtp_connection_fail(c, SMTP_AT_TLS, SMTP_SHORT, strerror(-err));
}

static void tell_step(struct smtp_connection *c, enum smtp_point point)
{
    if (c->state == SECURING && c->ops->on_step != NULL)
        c->ops->on_step(point, NULL, c->owner);
}

/* After STARTTLS all that was said in clear is forgotten (RFC 3207 4.2). */
void smtp_connection_on_secured(void *owner)
{
    struct smtp_connection *c = owner;
    const struct tls_facts *facts = stream_tls_facts(c->stream);

    c->depth++;
    tell_step(c, SMTP_AT_TLS);
    if (c->state == SECURING && c->dial.security.must_verify && !facts->is_verified) {
        smtp_connection_unsafe(c, SMTP_AT_CERTIFICATE, facts->fault, facts->why_not);
    } else {
        tell_step(c, SMTP_AT_CERTIFICATE);
        memset(&c->extensions, 0, sizeof(c->extensions));
        if (c->state == SECURING)
            smtp_connection_go(c, c->is_greeted ? EHLO : GREETING);
    }
    smtp_connection_leave(c);
}

const char *smtp_connection_protection(const struct smtp_connection *c,
                                       char out[SMTP_PROTECTION_SIZE])
{
    const struct tls_facts *facts = smtp_connection_tls(c);
    const char *downgrade = smtp_connection_downgrade(c), *login = smtp_connection_login(c);

    out[0] = '\0';
    if (facts != NULL)
        (void)snprintf(out, SMTP_PROTECTION_SIZE, "%s %s, %s%.150s%s", facts->version,
                       facts->cipher,
                       facts->is_verified ? "verified" : "not verified: ", facts->why_not,
                       facts->is_resumed ? ", resumed" : "");
    else if (downgrade != NULL)
        (void)snprintf(out, SMTP_PROTECTION_SIZE, "in clear: %.200s", downgrade);
    if (login != NULL) {
        size_t used = strlen(out);

        (void)snprintf(out + used, SMTP_PROTECTION_SIZE - used, "%slogin by %s",
                       used > 0 ? ", " : "", login);
    }
    return out;
}

bool smtp_connection_is_shaking(const struct smtp_connection *c)
{
    return c->state == SECURING || (c->state < READY && is_secured(c) && !c->is_proven);
}

bool smtp_connection_goes_on_in_clear(struct smtp_connection *c, const char *what)
{
    if (c->dial.security.tls != SMTP_TLS_IF_OFFERED || c->is_clear)
        return false;
    c->is_clear = true;
    c->failure = (struct smtp_failure){ .point = SMTP_AT_TLS, .event = SMTP_UNSAFE };
    smtp_connection_again(c);
    if (c->state == CLOSED)
        return true; /* there is nothing to go on with */
    note_downgrade(c, what);
    return true;
}
