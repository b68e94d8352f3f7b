/* One server of a test: RESOLVE, the turn to open a connection to it, then the session, with the
 * SMTP client (probe_smtp.c), or the connection (probe_plain.c) and what a Core or Vault is asked
 * (probe_rest.c). */
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
#include "worker/rest/ask.h"
#include "worker/smtp/connection.h"
#include "worker/smtp/pool_guest.h"
#include "worker/smtp/security.h"
#include "worker/stream.h"

/* A name may have many addresses, each of which comes a few steps far: so often a step that passed
 * is told, as the master does not take steps without end. */
#define PASSED_TOLD 3

#define ADVICE_SIZE (sizeof(((struct ipc_probe_step *)NULL)->text))

static bool is_web(const struct ladder *ladder)
{
    return ladder->probe->profile->type != PROFILE_SMTP;
}

static enum probe_step step_after_web(const struct ladder *ladder, enum probe_step step)
{
    if (step == PROBE_RESOLVE)
        return PROBE_CONNECT;
    if (step == PROBE_CONNECT && server_uri_is_tls(ladder->server))
        return PROBE_TLS;
    return step == PROBE_TLS ? PROBE_CERTIFICATE : PROBE_REQUEST;
}

static enum probe_step step_after_smtp(const struct ladder *ladder, enum probe_step step)
{
    const struct smtp_security security = smtp_security_of(ladder->probe->profile, ladder->index);
    const enum smtp_tls tls = security.tls;

    switch (step) {
    case PROBE_RESOLVE: return PROBE_CONNECT;
    case PROBE_CONNECT: return tls == SMTP_TLS_AT_ONCE ? PROBE_TLS : PROBE_GREETING;
    case PROBE_TLS: return PROBE_GREETING;
    case PROBE_GREETING: return PROBE_EHLO;
    case PROBE_EHLO:
        if (tls != SMTP_TLS_NEVER && tls != SMTP_TLS_AT_ONCE && !ladder->is_secured)
            return PROBE_STARTTLS;
        return security.username != NULL ? PROBE_AUTH : PROBE_QUIT;
    case PROBE_STARTTLS:
    case PROBE_CERTIFICATE: return tls == SMTP_TLS_AT_ONCE ? PROBE_GREETING : PROBE_EHLO;
    case PROBE_AUTH:
    case PROBE_REQUEST:
    case PROBE_QUIT:
    case PROBE_STEP_COUNT:
    default: return PROBE_QUIT;
    }
}

void ladder_tell(struct ladder *ladder, enum probe_step step, enum probe_result result,
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
    ladder->waits_for =
        is_web(ladder) ? step_after_web(ladder, step) : step_after_smtp(ladder, step);
    if (result == PROBE_FAILED)
        ladder->has_failed = true;
    if (result != PROBE_OK || ladder->passed[step]++ < PASSED_TOLD)
        channel_send(ladder->probe->prober->channel, IPC_PROBE_STEP, &told);
}

void ladder_end(struct ladder *ladder)
{
    if (ladder->is_over)
        return;
    ladder->is_over = true;
    resolver_cancel(&ladder->query);
    stream_free(&ladder->stream);
    rest_cancel(&ladder->question);
    smtp_guest_leave(&ladder->guest);
    loop_timer_clear(ladder->limit);
    ladder->probe->has_failed |= ladder->has_failed;
    if (--ladder->probe->open == 0)
        loop_timer_set_ms(ladder->probe->end, 0);
}

void ladder_tell_failure(struct ladder *ladder, const struct smtp_failure *failure)
{
    char text[ADVICE_SIZE];

    probe_advise(ladder->server, failure, text, sizeof(text));
    ladder_tell(ladder, probe_step_of(failure->point, server_uri_is_tls(ladder->server)),
                PROBE_FAILED, "%s", text);
}

void ladder_tell_ourselves(struct ladder *ladder, enum probe_step step)
{
    ladder_tell(ladder, step, PROBE_FAILED,
                "this server is this gateway itself: mail would go in circles; name another");
}

/* ---- its turn ---- */

static int64_t time_left_ms(const struct ladder *ladder)
{
    return PROBE_SERVER_LIMIT_MS - (clock_mono_us() - ladder->began_us) / 1000;
}

static void on_turn(void *owner)
{
    struct ladder *ladder = owner;

    ladder->is_waiting = false;
    ladder->step_began_us = clock_mono_us();
    loop_timer_set_ms(ladder->limit, time_left_ms(ladder));
    if (is_web(ladder) || profile_unbuilt_protection(ladder->probe->profile, ladder->index) != NULL)
        ladder_connect(ladder);
    else
        ladder_open_smtp(ladder);
}

static void tell_crowded(struct ladder *ladder)
{
    unsigned limit = smtp_guest_limit(ladder->guest);

    if (limit > 0)
        ladder_tell(
            ladder, PROBE_CONNECT, PROBE_FAILED,
            "all %u connections that max_connections allows, or that the server was seen to bear, "
            "are in use; none ended within %d s: test again when less mail is under way there",
            limit, PROBE_LEASE_WAIT_MS / 1000);
    else
        ladder_tell(
            ladder, PROBE_CONNECT, PROBE_FAILED,
            "the gateway did not say within %d s whether one more connection may be opened; test "
            "again",
            PROBE_LEASE_WAIT_MS / 1000);
}

/* A profile that was never stored has no connections that could be counted. */
static void await_turn(struct ladder *ladder)
{
    const struct profile *profile = ladder->probe->profile;
    int64_t left_ms = time_left_ms(ladder);

    if (profile->id == 0) {
        on_turn(ladder);
        return;
    }
    ladder->guest = smtp_guest_new(ladder->probe->prober->pool, profile->id,
                                   server_uri_identity(ladder->server->text), on_turn, ladder);
    if (ladder->guest == NULL) {
        ladder_tell(ladder, PROBE_CONNECT, PROBE_FAILED, "out of memory");
        ladder_end(ladder);
        return;
    }
    ladder->is_waiting = true;
    loop_timer_set_ms(ladder->limit, left_ms < PROBE_LEASE_WAIT_MS ? left_ms : PROBE_LEASE_WAIT_MS);
}

/* ---- resolve ---- */

static void on_resolved(struct resolver_answer *answer, const char *why, void *arg)
{
    struct ladder *ladder = arg;
    char first[ADDRESS_TEXT_SIZE];

    ladder->query = NULL;
    if (answer == NULL) {
        ladder_tell(ladder, PROBE_RESOLVE, PROBE_FAILED, "%s: %s; is the name right?",
                    ladder->server->host, why);
        ladder_end(ladder);
        return;
    }
    ladder->answer = resolver_answer_hold(answer);
    ladder_tell(ladder, PROBE_RESOLVE, PROBE_OK, answer->count > 1 ? "%s and %u more" : "%s",
                address_host_text(&answer->addresses[0].sa, first), answer->count - 1);
    await_turn(ladder);
}

/* A server that only keeps us waiting for its farewell has shown everything a delivery needs. */
static void on_limit(void *arg)
{
    struct ladder *ladder = arg;
    char text[ADVICE_SIZE];

    if (ladder->is_waiting) {
        tell_crowded(ladder);
        ladder_end(ladder);
        return;
    }
    smtp_connection_free(&ladder->connection);
    if (ladder->waits_for == PROBE_QUIT) {
        ladder_tell_farewell(ladder, NULL);
        return;
    }
    probe_advise_late(ladder->server, ladder->waits_for, PROBE_SERVER_LIMIT_MS / 1000, text,
                      sizeof(text));
    ladder_tell(ladder, ladder->waits_for, PROBE_FAILED, "%s", text);
    ladder_end(ladder);
}

void ladder_start(struct ladder *ladder)
{
    struct resolver_answer *answer = NULL;
    struct reason why = { "" };
    int found;

    ladder->began_us = ladder->step_began_us = clock_mono_us();
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
    rest_cancel(&ladder->question);
    smtp_guest_leave(&ladder->guest);
    resolver_answer_release(ladder->answer);
    if (ladder->limit != NULL)
        loop_timer_free(&ladder->limit);
}
