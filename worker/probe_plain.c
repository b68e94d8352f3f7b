/* worker/probe_plain.c: a connection with its TLS and certificate, and nothing said on it: before a
 * Core or Vault is asked, and where nothing more can be tested. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/profile.h"
#include "worker/probe_advice.h"
#include "worker/probe_private.h"
#include "worker/resolver.h"
#include "worker/smtp/connection.h"
#include "worker/stream.h"

/* ---- from there on ---- */

/* What cannot be tested is said and does not block (OP09). */
static void go_on(struct ladder *ladder)
{
    const struct profile *profile = ladder->probe->profile;
    const bool is_smtp = profile->type == PROFILE_SMTP;

    if (!is_smtp && !profile->incomplete) {
        ladder_ask_rest(ladder);
        return;
    }
    ladder_tell(ladder, is_smtp ? PROBE_GREETING : PROBE_REQUEST, PROBE_NOT_TESTED,
                "not tested from here on: %s", profile_unbuilt_protection(profile, ladder->index));
    ladder_end(ladder);
}

/* ---- TLS ---- */

static void fail_tls(struct ladder *ladder, enum smtp_point point, enum tls_fault fault,
                     const char *what)
{
    struct reason why;
    const struct smtp_failure failure = {
        .point = point, .event = SMTP_UNSAFE, .fault = fault, .text = why.text
    };

    reason_format(&why, "%s%s", point == SMTP_AT_TLS ? "the TLS handshake failed: " : "", what);
    ladder_tell_failure(ladder, &failure);
    ladder_end(ladder);
}

static void on_secured(void *owner)
{
    struct ladder *ladder = owner;
    const struct tls_facts *facts = stream_tls_facts(ladder->stream);

    ladder_tell_tls(ladder, facts);
    if (!facts->is_verified && ladder->probe->profile->verify_certificate) {
        fail_tls(ladder, SMTP_AT_CERTIFICATE, facts->fault, facts->why_not);
        return;
    }
    ladder_tell_certificate(ladder, facts);
    go_on(ladder);
}

static void begin_tls(struct ladder *ladder)
{
    const struct tls_server server = { .host = ladder->server->host, .index = ladder->index };
    struct tls_context *context;
    int err;

    if (!ladder_make_tls(ladder, &context))
        return;
    ladder->is_shaking = true;
    err = stream_secure(ladder->stream, context, &server);
    if (err < 0)
        fail_tls(ladder, SMTP_AT_TLS, TLS_NO_FAULT, strerror(-err));
}

/* ---- the connection ---- */

static void connect_on(struct ladder *ladder, enum smtp_event event);

static void on_plain_connected(void *owner)
{
    struct ladder *ladder = owner;

    if (probe_is_ourselves(ladder->probe->prober->conf, stream_peer(ladder->stream))) {
        ladder_tell_ourselves(ladder, PROBE_CONNECT);
        ladder_end(ladder);
        return;
    }
    ladder_tell(ladder, PROBE_CONNECT, PROBE_OK, "%s", stream_peer_text(ladder->stream));
    if (server_uri_is_tls(ladder->server))
        begin_tls(ladder);
    else
        go_on(ladder);
}

static void on_plain_data(void *owner)
{
    (void)owner;
}

static void note_failure(struct ladder *ladder, const struct address *peer, const char *what)
{
    char address[ADDRESS_TEXT_SIZE];
    size_t used = strlen(ladder->failures.text);

    (void)snprintf(ladder->failures.text + used, sizeof(ladder->failures.text) - used, "%s%s: %s",
                   used > 0 ? "; " : "", address_text(&peer->sa, address), what);
    ladder->address++;
}

static void set_port(struct address *address, uint16_t port)
{
    if (address->sa.sa_family == AF_INET6)
        address->in6.sin6_port = htons(port);
    else
        address->in.sin_port = htons(port);
}

static struct address peer_address(const struct ladder *ladder)
{
    struct address peer = ladder->answer->addresses[ladder->address];

    set_port(&peer, ladder->server->port);
    return peer;
}

static void on_plain_end(enum stream_end end, void *owner)
{
    struct ladder *ladder = owner;
    struct address peer = peer_address(ladder);

    if (ladder->is_shaking) {
        fail_tls(ladder, SMTP_AT_TLS, stream_tls_fault(ladder->stream),
                 end == STREAM_END_TLS   ? stream_tls_why(ladder->stream)
                 : end == STREAM_END_EOF ? "the server closed the connection"
                                         : strerror(stream_errno(ladder->stream)));
        return;
    }
    note_failure(ladder, &peer, strerror(stream_errno(ladder->stream)));
    stream_free(&ladder->stream);
    connect_on(ladder, end == STREAM_END_TIMEOUT ? SMTP_TIMED_OUT : SMTP_UNREACHABLE);
}

static const struct stream_callbacks plain_callbacks = {
    .on_connected = on_plain_connected,
    .on_data = on_plain_data,
    .on_secured = on_secured,
    .on_end = on_plain_end,
};

/* False, with the reason in `failures`: not with this address. */
static bool connect_one(struct ladder *ladder)
{
    const char *own = ladder->probe->profile->source_address;
    struct address peer = peer_address(ladder), source;
    bool has_source = own != NULL && address_parse(own, 1, &source) == 0;

    if (has_source && source.sa.sa_family != peer.sa.sa_family) {
        note_failure(ladder, &peer, "source_address is of the other family");
        return false;
    }
    if (has_source)
        set_port(&source, 0);
    ladder->stream = stream_connect(ladder->probe->prober->loop, &peer.sa, peer.bytes,
                                    has_source ? &source.sa : NULL, has_source ? source.bytes : 0,
                                    &plain_callbacks, ladder);
    if (ladder->stream == NULL)
        note_failure(ladder, &peer, strerror(errno));
    return ladder->stream != NULL;
}

/* `event`: what happened to the address before, should there be none left. */
static void connect_on(struct ladder *ladder, enum smtp_event event)
{
    const struct smtp_failure failure = {
        .point = SMTP_AT_CONNECT,
        .event = event,
        .text = ladder->failures.text,
    };

    while (ladder->address < ladder->answer->count) {
        if (connect_one(ladder))
            return;
    }
    ladder_tell_failure(ladder, &failure);
    ladder_end(ladder);
}

void ladder_connect(struct ladder *ladder)
{
    connect_on(ladder, SMTP_UNREACHABLE);
}
