/* One server of a test: RESOLVE, CONNECT, then either GREETING, EHLO, QUIT with the SMTP client,
 * or, where this build lacks what protects, the end with what is not tested. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/channel.h"
#include "common/clock.h"
#include "common/conf.h"
#include "common/loop.h"
#include "common/probe_step.h"
#include "common/profile.h"
#include "worker/probe_advice.h"
#include "worker/probe_private.h"
#include "worker/resolver.h"
#include "worker/smtp/connection.h"
#include "worker/smtp/reply.h"
#include "worker/stream.h"

static void tell(struct ladder *ladder, enum probe_step step, enum probe_result result,
                 const char *format, ...) __attribute__((format(printf, 4, 5)));

static void tell(struct ladder *ladder, enum probe_step step, enum probe_result result,
                 const char *format, ...)
{
    int64_t now_us = clock_mono_us();
    struct ipc_probe_step told = { .token = ladder->probe->token,
                                   .ms = (uint32_t)((now_us - ladder->step_began_us) / 1000),
                                   .server = (uint16_t)ladder->index,
                                   .step = (uint8_t)step,
                                   .result = (uint8_t)result };
    va_list args;

    va_start(args, format);
    (void)vsnprintf(told.text, sizeof(told.text), format, args);
    va_end(args);
    ladder->step_began_us = now_us;
    ladder->waits_for = step == PROBE_CONNECT ? PROBE_GREETING : (enum probe_step)(step + 1);
    if (result == PROBE_FAILED)
        ladder->has_failed = true;
    channel_send(ladder->probe->prober->channel, IPC_PROBE_STEP, &told);
}

static void end_ladder(struct ladder *ladder)
{
    struct probe *probe = ladder->probe;

    if (ladder->is_over)
        return;
    ladder->is_over = true;
    resolver_cancel(&ladder->query);
    stream_free(&ladder->stream);
    loop_timer_clear(ladder->limit);
    probe->has_failed |= ladder->has_failed;
    if (--probe->open == 0)
        loop_timer_set_ms(probe->end, 0);
}

/* ---- what this build cannot test: said, not blocked (OP09) ---- */

static void tell_untested(struct ladder *ladder)
{
    const struct profile *profile = ladder->probe->profile;
    const char *protection = profile_unbuilt_protection(profile, ladder->index);
    bool is_tls = server_uri_is_tls(ladder->server);

    if (is_tls || profile->encryption == ENCRYPTION_REQUIRED) {
        tell(ladder, is_tls ? PROBE_TLS : PROBE_STARTTLS, PROBE_NOT_TESTED,
             "not tested: this version has no TLS yet; its mail is deferred until then");
        tell(ladder, PROBE_CERTIFICATE, PROBE_NOT_TESTED, "not tested: no TLS yet");
    }
    if (profile->username != NULL || profile->oauth.grant != GRANT_NONE)
        tell(ladder, PROBE_AUTH, PROBE_NOT_TESTED,
             "not tested: this version does not log in yet; its mail is deferred until then");
    else if (profile->type != PROFILE_SMTP)
        tell(ladder, PROBE_REQUEST, PROBE_NOT_TESTED,
             "not tested: this version makes no requests to a %s yet; its mail is deferred until "
             "then",
             profile_type_name(profile->type));
    else
        tell(ladder, PROBE_GREETING, PROBE_NOT_TESTED, "not tested from here on: %s", protection);
}

/* ---- connection only ---- */

static void connect_next(struct ladder *ladder);

static void on_plain_connected(void *owner)
{
    struct ladder *ladder = owner;

    tell(ladder, PROBE_CONNECT, PROBE_OK, "%s", stream_peer_text(ladder->stream));
    if (probe_is_ourselves(ladder->probe->prober->conf, stream_peer(ladder->stream)))
        tell(ladder, PROBE_CONNECT, PROBE_FAILED,
             "this server is this gateway itself: mail would go in circles; name another");
    else
        tell_untested(ladder);
    end_ladder(ladder);
}

static void on_plain_data(void *owner)
{
    (void)owner;
}

static void on_plain_end(enum stream_end end, void *owner)
{
    struct ladder *ladder = owner;
    const struct smtp_failure failure = {
        .point = SMTP_AT_CONNECT,
        .event = end == STREAM_END_TIMEOUT ? SMTP_TIMED_OUT : SMTP_UNREACHABLE,
        .text = strerror(stream_errno(ladder->stream)),
    };
    char text[400];

    stream_free(&ladder->stream);
    if (++ladder->address < ladder->answer->count) {
        connect_next(ladder);
        return;
    }
    probe_advise(ladder->server, &failure, text, sizeof(text));
    tell(ladder, PROBE_CONNECT, PROBE_FAILED, "%s", text);
    end_ladder(ladder);
}

static const struct stream_callbacks plain_callbacks = {
    .on_connected = on_plain_connected,
    .on_data = on_plain_data,
    .on_end = on_plain_end,
};

static void connect_next(struct ladder *ladder)
{
    const struct profile *profile = ladder->probe->profile;
    struct address peer = ladder->answer->addresses[ladder->address], source;
    bool has_source =
        profile->source_address != NULL && address_parse(profile->source_address, 1, &source) == 0;

    if (peer.sa.sa_family == AF_INET)
        peer.in.sin_port = htons(ladder->server->port);
    else
        peer.in6.sin6_port = htons(ladder->server->port);
    if (has_source && source.sa.sa_family == AF_INET)
        source.in.sin_port = 0;
    else if (has_source)
        source.in6.sin6_port = 0;
    ladder->stream = stream_connect(ladder->probe->prober->loop, &peer.sa, peer.bytes,
                                    has_source ? &source.sa : NULL, has_source ? source.bytes : 0,
                                    &plain_callbacks, ladder);
    if (ladder->stream == NULL) {
        tell(ladder, PROBE_CONNECT, PROBE_FAILED, "cannot connect: %s", strerror(errno));
        end_ladder(ladder);
    }
}

/* ---- the SMTP client ---- */

static void on_step(enum smtp_point point, const struct smtp_reply *reply, void *owner)
{
    struct ladder *ladder = owner;

    if (probe_step_of(point) == PROBE_EHLO)
        return; /* on_open tells of it, with what it offers */
    tell(ladder, probe_step_of(point), PROBE_OK, "%s",
         reply != NULL ? reply->text : smtp_connection_peer(ladder->connection));
}

static void on_open(void *owner)
{
    struct ladder *ladder = owner;
    struct smtp_connection *connection = ladder->connection;
    char offered[SMTP_EXTENSIONS_TEXT_SIZE];

    if (probe_is_ourselves(ladder->probe->prober->conf, smtp_connection_peer_address(connection))) {
        tell(ladder, PROBE_EHLO, PROBE_FAILED,
             "this server is this gateway itself: mail would go in circles; name another");
    } else {
        (void)smtp_extension_text(smtp_connection_extensions(connection), offered);
        tell(ladder, PROBE_EHLO, PROBE_OK, "offers %s", offered[0] != '\0' ? offered : "nothing");
        if (ladder->probe->profile->encryption == ENCRYPTION_OPTIONAL)
            tell(ladder, PROBE_STARTTLS, PROBE_NOT_TESTED,
                 "not tested: this version has no TLS yet; mail goes in clear, as "
                 "starttls_optional allows");
    }
    smtp_connection_quit(connection);
}

static void on_failed(const struct smtp_failure *failure, void *owner)
{
    struct ladder *ladder = owner;
    char text[400];

    ladder->connection = NULL;
    probe_advise(ladder->server, failure, text, sizeof(text));
    tell(ladder, probe_step_of(failure->point), PROBE_FAILED, "%s", text);
    end_ladder(ladder);
}

static void on_lost(const char *why, void *owner)
{
    struct ladder *ladder = owner;

    ladder->connection = NULL;
    tell(ladder, PROBE_QUIT, PROBE_FAILED, "%s", why);
    end_ladder(ladder);
}

static void on_farewell(const struct smtp_reply *reply, void *owner)
{
    struct ladder *ladder = owner;

    ladder->connection = NULL;
    tell(ladder, PROBE_QUIT, PROBE_OK, "%s",
         reply != NULL ? reply->text : "closed without a reply, which does no harm");
    end_ladder(ladder);
}

static const struct smtp_connection_ops smtp_ops = {
    .on_step = on_step,
    .on_open = on_open,
    .on_failed = on_failed,
    .on_lost = on_lost,
    .on_farewell = on_farewell,
};

static unsigned at_most_10_s(unsigned limit_s)
{
    return limit_s < PROBE_SERVER_LIMIT_MS / 1000 ? limit_s : PROBE_SERVER_LIMIT_MS / 1000;
}

static void on_gone(struct smtp_connection *connection, void *arg)
{
    (void)connection;
    (void)arg;
}

static void open_smtp(struct ladder *ladder)
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
        .on_gone = on_gone,
    };
    struct reason why = { "" };

    dial.timeouts.connect_s = at_most_10_s(dial.timeouts.connect_s);
    dial.timeouts.greeting_s = at_most_10_s(dial.timeouts.greeting_s);
    dial.timeouts.handshake_s = at_most_10_s(dial.timeouts.handshake_s);
    if (smtp_connection_open(&dial, &smtp_ops, ladder, &ladder->connection, &why) < 0) {
        tell(ladder, PROBE_CONNECT, PROBE_FAILED, "%s", why.text);
        end_ladder(ladder);
    }
}

/* ---- resolve ---- */

static void on_resolved(struct resolver_answer *answer, const char *why, void *arg)
{
    struct ladder *ladder = arg;
    char first[ADDRESS_TEXT_SIZE];

    ladder->query = NULL;
    if (answer == NULL) {
        tell(ladder, PROBE_RESOLVE, PROBE_FAILED, "%s: %s; is the name right?",
             ladder->server->host, why);
        end_ladder(ladder);
        return;
    }
    ladder->answer = resolver_answer_hold(answer);
    tell(ladder, PROBE_RESOLVE, PROBE_OK, answer->count > 1 ? "%s and %u more" : "%s",
         address_host_text(&answer->addresses[0].sa, first), answer->count - 1);
    if (profile_unbuilt_protection(ladder->probe->profile, ladder->index) != NULL)
        connect_next(ladder);
    else
        open_smtp(ladder);
}

static void on_limit(void *arg)
{
    struct ladder *ladder = arg;

    smtp_connection_free(&ladder->connection);
    tell(ladder, ladder->waits_for, PROBE_FAILED,
         "not through within %d s: the server or the way to it is too slow, or answers nothing; if "
         "the port speaks TLS from the first byte, write smtps://",
         PROBE_SERVER_LIMIT_MS / 1000);
    end_ladder(ladder);
}

void ladder_start(struct ladder *ladder)
{
    struct resolver_answer *answer = NULL;
    struct reason why = { "" };
    int found;

    ladder->step_began_us = clock_mono_us();
    loop_timer_set_ms(ladder->limit, PROBE_SERVER_LIMIT_MS);
    found = resolver_lookup(ladder->probe->prober->resolver, ladder->server->host, on_resolved,
                            ladder, &answer, &ladder->query, &why);
    if (found == 0)
        return;
    on_resolved(found > 0 ? answer : NULL, why.text, ladder);
    resolver_answer_release(answer);
}

/* ---- made and done ---- */

int ladder_init(struct ladder *ladder, struct probe *probe, unsigned index)
{
    ladder->probe = probe;
    ladder->index = index;
    ladder->server = &probe->profile->servers[index];
    ladder->limit = loop_timer_new(probe->prober->loop, on_limit, ladder);
    return ladder->limit != NULL ? 0 : -ENOMEM;
}

void ladder_done(struct ladder *ladder)
{
    resolver_cancel(&ladder->query);
    smtp_connection_free(&ladder->connection);
    stream_free(&ladder->stream);
    resolver_answer_release(ladder->answer);
    if (ladder->limit != NULL)
        loop_timer_free(&ladder->limit);
}
