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

/* A name may have many addresses, each of which comes a few steps far: so often a step that passed
 * is told, as the master does not take steps without end. */
#define PASSED_TOLD 3

#define ADVICE_SIZE (sizeof(((struct ipc_probe_step *)NULL)->text))

static enum probe_step step_after(enum probe_step step)
{
    return step == PROBE_RESOLVE    ? PROBE_CONNECT
           : step == PROBE_CONNECT  ? PROBE_GREETING
           : step == PROBE_GREETING ? PROBE_EHLO
                                    : PROBE_QUIT;
}

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
    ladder->waits_for = step_after(step);
    if (result == PROBE_FAILED)
        ladder->has_failed = true;
    if (result != PROBE_OK || ladder->passed[step]++ < PASSED_TOLD)
        channel_send(ladder->probe->prober->channel, IPC_PROBE_STEP, &told);
}

static void end_ladder(struct ladder *ladder)
{
    if (ladder->is_over)
        return;
    ladder->is_over = true;
    resolver_cancel(&ladder->query);
    stream_free(&ladder->stream);
    loop_timer_clear(ladder->limit);
    ladder->probe->has_failed |= ladder->has_failed;
    if (--ladder->probe->open == 0)
        loop_timer_set_ms(ladder->probe->end, 0);
}

static void tell_failure(struct ladder *ladder, const struct smtp_failure *failure)
{
    char text[ADVICE_SIZE];

    probe_advise(ladder->server, failure, text, sizeof(text));
    tell(ladder, probe_step_of(failure->point), PROBE_FAILED, "%s", text);
}

static void tell_ourselves(struct ladder *ladder, enum probe_step step)
{
    tell(ladder, step, PROBE_FAILED,
         "this server is this gateway itself: mail would go in circles; name another");
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

static void connect_on(struct ladder *ladder, enum smtp_event event);

static void on_plain_connected(void *owner)
{
    struct ladder *ladder = owner;

    if (probe_is_ourselves(ladder->probe->prober->conf, stream_peer(ladder->stream))) {
        tell_ourselves(ladder, PROBE_CONNECT);
    } else {
        tell(ladder, PROBE_CONNECT, PROBE_OK, "%s", stream_peer_text(ladder->stream));
        tell_untested(ladder);
    }
    end_ladder(ladder);
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

    note_failure(ladder, &peer, strerror(stream_errno(ladder->stream)));
    stream_free(&ladder->stream);
    connect_on(ladder, end == STREAM_END_TIMEOUT ? SMTP_TIMED_OUT : SMTP_UNREACHABLE);
}

static const struct stream_callbacks plain_callbacks = {
    .on_connected = on_plain_connected,
    .on_data = on_plain_data,
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
    tell_failure(ladder, &failure);
    end_ladder(ladder);
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
        tell_ourselves(ladder, PROBE_EHLO);
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

    ladder->connection = NULL;
    tell_failure(ladder, failure);
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

static void open_smtp(struct ladder *ladder)
{
    const struct profile *profile = ladder->probe->profile;
    const struct prober *prober = ladder->probe->prober;
    const struct smtp_dial dial = {
        .loop = prober->loop,
        .answer = ladder->answer,
        .port = ladder->server->port,
        .timeouts = profile->timeouts,
        .ehlo_name = profile->ehlo_name != NULL ? profile->ehlo_name : prober->conf->top_hostname,
        .source_address = profile->source_address,
    };
    struct reason why = { "" };

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
        connect_on(ladder, SMTP_UNREACHABLE);
    else
        open_smtp(ladder);
}

/* A server that only keeps us waiting for its farewell has shown everything a delivery needs. */
static void on_limit(void *arg)
{
    struct ladder *ladder = arg;
    char text[ADVICE_SIZE];

    smtp_connection_free(&ladder->connection);
    if (ladder->waits_for == PROBE_QUIT) {
        on_farewell(NULL, ladder);
        return;
    }
    probe_advise_late(ladder->server, ladder->waits_for, PROBE_SERVER_LIMIT_MS / 1000, text,
                      sizeof(text));
    tell(ladder, ladder->waits_for, PROBE_FAILED, "%s", text);
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
