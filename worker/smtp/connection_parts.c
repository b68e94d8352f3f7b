/* worker/smtp/connection_parts.c: what others may see and use of a connection. */
#include "common/loop.h"
#include "worker/smtp/connection_private.h"

const struct smtp_extensions *smtp_connection_extensions(const struct smtp_connection *c)
{
    return &c->extensions;
}

unsigned smtp_connection_address(const struct smtp_connection *c)
{
    return c->address;
}

unsigned smtp_connection_address_count(const struct smtp_connection *c)
{
    return c->address_count;
}

unsigned smtp_connection_transactions(const struct smtp_connection *c)
{
    return c->transactions;
}

void *smtp_connection_counted_by(const struct smtp_connection *c)
{
    return c->dial.on_gone_arg;
}

const char *smtp_connection_peer(const struct smtp_connection *c)
{
    return c->stream != NULL ? stream_peer_text(c->stream) : "";
}

const struct sockaddr *smtp_connection_peer_address(const struct smtp_connection *c)
{
    return stream_peer(c->stream);
}

const char *smtp_connection_login(const struct smtp_connection *c)
{
    return c->is_logged_in ? smtp_mechanism_name(c->mechanism) : NULL;
}

const struct tls_facts *smtp_connection_tls(const struct smtp_connection *c)
{
    return c->stream != NULL ? stream_tls_facts(c->stream) : NULL;
}

const char *smtp_connection_downgrade(const struct smtp_connection *c)
{
    return c->downgrade.text[0] != '\0' ? c->downgrade.text : NULL;
}

int64_t smtp_connection_connect_ms(const struct smtp_connection *c)
{
    return c->connected_ms - c->began_ms;
}

int64_t smtp_connection_handshake_ms(const struct smtp_connection *c)
{
    return c->ready_ms - c->connected_ms;
}

int64_t smtp_connection_now_ms(const struct smtp_connection *c)
{
    return loop_now_ms(c->dial.loop);
}

bool smtp_connection_needs_rset(const struct smtp_connection *c)
{
    return c->needs_rset;
}

struct evbuffer *smtp_connection_output(struct smtp_connection *c)
{
    return stream_output(c->stream);
}

void smtp_connection_add(struct smtp_connection *c, const void *data, size_t bytes)
{
    stream_add(c->stream, data, bytes);
}

void smtp_connection_send(struct smtp_connection *c)
{
    stream_kick(c->stream);
}

bool smtp_connection_is_choked(const struct smtp_connection *c)
{
    return stream_is_choked(c->stream);
}

void smtp_connection_limit_s(struct smtp_connection *c, unsigned limit_s)
{
    stream_deadline_ms(c->stream, (int64_t)limit_s * 1000);
}

const struct profile_timeouts *smtp_connection_timeouts(const struct smtp_connection *c)
{
    return &c->dial.timeouts;
}
