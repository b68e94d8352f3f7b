/* worker/probe_smtp.c: a test's session with a server, by the client that deliveries use: CONNECT,
 * TLS with its CERTIFICATE, GREETING, EHLO, STARTTLS, QUIT. */
#include <stdio.h>

#include "common/conf.h"
#include "common/profile.h"
#include "worker/probe_advice.h"
#include "worker/probe_private.h"
#include "worker/smtp/connection.h"
#include "worker/smtp/pool.h"
#include "worker/smtp/pool_guest.h"
#include "worker/smtp/reply.h"

/* ---- what is shown of a step that passed ---- */

static void tell_ehlo(struct ladder *ladder)
{
    char offered[SMTP_EXTENSIONS_TEXT_SIZE];

    (void)smtp_extension_text(smtp_connection_extensions(ladder->connection), offered);
    ladder_tell(ladder, PROBE_EHLO, PROBE_OK, "%s %s",
                ladder->is_secured ? "offers in TLS" : "offers",
                offered[0] != '\0' ? offered : "nothing");
}

static void tell_connected(struct ladder *ladder)
{
    const struct smtp_connection *connection = ladder->connection;

    if (!probe_is_ourselves(ladder->probe->prober->conf,
                            smtp_connection_peer_address(connection))) {
        ladder_tell(ladder, PROBE_CONNECT, PROBE_OK, "%s", smtp_connection_peer(connection));
        return;
    }
    ladder_tell_ourselves(ladder, PROBE_CONNECT);
    smtp_connection_free(&ladder->connection);
    ladder_end(ladder);
}

/* ---- the session ---- */

static void on_step(enum smtp_point point, const struct smtp_reply *reply, void *owner)
{
    struct ladder *ladder = owner;

    if (point == SMTP_AT_CONNECT)
        tell_connected(ladder);
    else if (point == SMTP_AT_EHLO || point == SMTP_AT_HELO)
        tell_ehlo(ladder);
    else if (point == SMTP_AT_TLS)
        ladder_tell_tls(ladder, smtp_connection_tls(ladder->connection));
    else if (point == SMTP_AT_CERTIFICATE)
        ladder_tell_certificate(ladder, smtp_connection_tls(ladder->connection));
    else if (point == SMTP_AT_AUTH)
        ladder_tell(ladder, PROBE_AUTH, PROBE_OK, "%s: %s",
                    smtp_connection_login(ladder->connection), reply->text);
    else if (point != SMTP_AT_STARTTLS) /* it has passed when the handshake has */
        ladder_tell(ladder, probe_step_of(point, false), PROBE_OK, "%s", reply->text);
}

static void on_open(void *owner)
{
    struct ladder *ladder = owner;
    const char *downgrade = smtp_connection_downgrade(ladder->connection);

    if (downgrade != NULL)
        ladder_tell(ladder, PROBE_STARTTLS, PROBE_OK,
                    "mail goes in clear, as starttls_optional allows: %s", downgrade);
    ladder->waits_for = PROBE_QUIT;
    smtp_connection_quit(ladder->connection);
}

static void on_failed(const struct smtp_failure *failure, void *owner)
{
    struct ladder *ladder = owner;

    ladder->connection = NULL;
    ladder_tell_failure(ladder, failure);
    ladder_end(ladder);
}

static void on_lost(const char *why, void *owner)
{
    struct ladder *ladder = owner;

    ladder->connection = NULL;
    ladder_tell(ladder, PROBE_QUIT, PROBE_FAILED, "%s", why);
    ladder_end(ladder);
}

void ladder_tell_farewell(struct ladder *ladder, const struct smtp_reply *reply)
{
    ladder_tell(ladder, PROBE_QUIT, PROBE_OK, "%s",
                reply != NULL ? reply->text : "closed without a reply, which does no harm");
    ladder_end(ladder);
}

static void on_farewell(const struct smtp_reply *reply, void *owner)
{
    struct ladder *ladder = owner;

    ladder->connection = NULL;
    ladder_tell_farewell(ladder, reply);
}

static const struct smtp_connection_ops smtp_ops = {
    .on_step = on_step,
    .on_open = on_open,
    .on_failed = on_failed,
    .on_lost = on_lost,
    .on_farewell = on_farewell,
};

void ladder_open_smtp(struct ladder *ladder)
{
    const struct profile *profile = ladder->probe->profile;
    const struct prober *prober = ladder->probe->prober;
    struct smtp_dial dial = {
        .loop = prober->loop,
        .answer = ladder->answer,
        .port = ladder->server->port,
        .timeouts = profile->timeouts,
        .ehlo_name = profile->ehlo_name != NULL ? profile->ehlo_name : prober->conf->top_hostname,
        .source_address = profile->source_address,
        .security = smtp_security_of(profile, ladder->index),
    };
    struct reason why = { "" };

    if (dial.security.tls != SMTP_TLS_NEVER && !ladder_make_tls(ladder, &dial.security.context))
        return;
    dial.security.tokens = smtp_pool_tokens(prober->pool);
    dial.security.is_token_own = true;
    if (ladder->guest != NULL)
        smtp_guest_dial(ladder->guest, &dial);
    if (smtp_connection_open(&dial, &smtp_ops, ladder, &ladder->connection, &why) < 0) {
        ladder_tell(ladder, PROBE_CONNECT, PROBE_FAILED, "%s", why.text);
        ladder_end(ladder);
    } else if (ladder->guest != NULL) {
        smtp_guest_opened(ladder->guest, ladder->connection);
    }
}
