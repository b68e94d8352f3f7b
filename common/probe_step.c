#include "common/probe_step.h"

#include <stddef.h>

static const char *const steps[PROBE_STEP_COUNT] = {
    [PROBE_RESOLVE] = "resolve",
    [PROBE_CONNECT] = "connect",
    [PROBE_TLS] = "tls",
    [PROBE_GREETING] = "greeting",
    [PROBE_EHLO] = "ehlo",
    [PROBE_STARTTLS] = "starttls",
    [PROBE_CERTIFICATE] = "certificate",
    [PROBE_AUTH] = "auth",
    [PROBE_REQUEST] = "request",
    [PROBE_QUIT] = "quit",
};

static const char *const results[] = {
    [PROBE_OK] = "ok",
    [PROBE_FAILED] = "failed",
    [PROBE_NOT_TESTED] = "not tested",
};

/* Both numbers come over the channel from a worker, so they are not trusted to be in range. */
const char *probe_step_name(enum probe_step step)
{
    return (unsigned)step < PROBE_STEP_COUNT ? steps[step] : "unknown";
}

const char *probe_result_name(enum probe_result result)
{
    return (size_t)result < sizeof(results) / sizeof(results[0]) ? results[result] : "unknown";
}
