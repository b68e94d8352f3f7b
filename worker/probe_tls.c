/* worker/probe_tls.c: TLS in a test's sessions: what it is made with, and what is shown of it. */
#include <stdio.h>
#include <time.h>

#include "common/profile.h"
#include "worker/probe_private.h"
#include "worker/tls.h"
#include "worker/tls_keeper.h"

bool ladder_make_tls(struct ladder *ladder, struct tls_context **ret_context)
{
    struct probe *probe = ladder->probe;
    struct reason why = { "" };
    int err = 0;

    if (probe->tls == NULL)
        err = tls_keeper_make(probe->prober->keeper, probe->profile, &probe->tls, &why);
    *ret_context = probe->tls;
    if (err == 0)
        return true;
    ladder_tell(ladder, PROBE_TLS, PROBE_FAILED, "%s", why.text);
    ladder_end(ladder);
    return false;
}

void ladder_tell_tls(struct ladder *ladder, const struct tls_facts *facts)
{
    ladder->is_secured = true;
    ladder_tell(ladder, server_uri_is_tls(ladder->server) ? PROBE_TLS : PROBE_STARTTLS, PROBE_OK,
                "%s, %s", facts->version, facts->cipher);
}

void ladder_tell_certificate(struct ladder *ladder, const struct tls_facts *facts)
{
    const time_t ends = (time_t)facts->ends_s;
    struct tm tm = { 0 };
    char day[16] = "?";

    (void)gmtime_r(&ends, &tm);
    (void)strftime(day, sizeof(day), "%Y-%m-%d", &tm);
    if (facts->is_verified)
        ladder_tell(ladder, PROBE_CERTIFICATE, PROBE_OK, "verified, for %s, ends %s",
                    facts->subject, day);
    else
        ladder_tell(ladder, PROBE_CERTIFICATE, PROBE_OK,
                    "not verified, which %s accepts: %s; for %s, ends %s",
                    ladder->probe->profile->verify_certificate ? "starttls_optional"
                                                               : "verify_certificate = false",
                    facts->why_not, facts->subject, day);
}
