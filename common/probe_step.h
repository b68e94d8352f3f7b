/* common/probe_step.h: the steps of a connection test (SP51), in their order. */
#ifndef COMMON_PROBE_STEP_H
#define COMMON_PROBE_STEP_H

enum probe_step {
    PROBE_RESOLVE,
    PROBE_CONNECT,
    PROBE_TLS,
    PROBE_GREETING,
    PROBE_EHLO,
    PROBE_STARTTLS,
    PROBE_CERTIFICATE,
    PROBE_AUTH,
    PROBE_REQUEST, /* core, vault: an authenticated request */
    PROBE_QUIT,
    PROBE_STEP_COUNT
};

enum probe_result {
    PROBE_OK,
    PROBE_FAILED,
    PROBE_NOT_TESTED, /* a protection this build does not have yet: says so, does not block (OP09)
                       */
};

/* "resolve", "connect", ...: as they stand in answers. */
const char *probe_step_name(enum probe_step step);
const char *probe_result_name(enum probe_result result);

#endif
