/* tests/unit/health_stage.h: dispatch with one worker, and servers that fail when a test says so
 * (SP23). Included once per test executable. */
#ifndef TESTS_UNIT_HEALTH_STAGE_H
#define TESTS_UNIT_HEALTH_STAGE_H

#include "dispatch_stage.h"

#include <stdio.h>

#include "common/log.h"
#include "master/route.h"

enum { FIRST_MS = 40, PATIENT_MS = 3600000 };

static inline void set_waits(int64_t first_ms)
{
    const struct health_rules rules = { .failures = 3,
                                        .probe_first_ms = first_ms,
                                        .probe_max_ms = 4 * first_ms };

    dispatch_set_health(dispatch, &rules);
}

static unsigned alerts_heard;

static inline void on_alert(const char *module, const char *text, void *arg)
{
    (void)text;
    (void)arg;
    alerts_heard += strcmp(module, "health") == 0 ? 1 : 0;
}

/* One worker is enough to see everything in its order. */
static inline void set_up_health(void)
{
    set_up();
    keep_workers(1);
    set_waits(PATIENT_MS);
    log_on_alert(on_alert, NULL);
}

static inline const struct ipc_mail_deliver *last_job(void)
{
    cr_assert_gt(fakes[0].count, 0u);
    return &fakes[0].jobs[fakes[0].count - 1];
}

static inline struct ipc_server_failed failure_of(const struct ipc_mail_deliver *job,
                                                  unsigned server)
{
    struct ipc_server_failed failed = { .job = job->job,
                                        .server = (uint16_t)server,
                                        .word = IPC_WORD_FAILED };

    strcpy(failed.text, "connection refused");
    return failed;
}

static inline void fails(const struct ipc_mail_deliver *job, unsigned server)
{
    const struct ipc_server_failed failed = failure_of(job, server);

    cr_assert_eq(dispatch_server_failed(dispatch, workers.slots[0], &failed), 0);
}

/* What comes of a job whose tried servers have all failed. */
static inline void defer(const struct ipc_mail_deliver *job, uint32_t in_s)
{
    struct ipc_mail_outcome said = outcome_of(job, IPC_OUTCOME_DEFERRED, -1);

    said.next_attempt_s = clock_to_epoch_s(clock_wall_ms()) + in_s;
    said.tried = said.failed = (uint64_t)1 << job->start;
    cr_assert_eq(dispatch_outcome(dispatch, workers.slots[0], &said), 0);
}

static inline void serve(const struct ipc_mail_deliver *job, int by)
{
    struct ipc_mail_outcome said = outcome_of(job, IPC_OUTCOME_DONE, by);

    said.tried = (uint64_t)1 << job->start | (uint64_t)1 << by;
    cr_assert_eq(dispatch_outcome(dispatch, workers.slots[0], &said), 0);
}

/* One message more, which fails at `server`, where it starts, and is then served by `by`, or by
 * nobody (-1). */
static inline void fail_one(unsigned server, int by)
{
    size_t before = fakes[0].count;

    queue_mail(1, 0, 1, 0);
    turns();
    cr_assert_eq(fakes[0].count, before + 1);
    cr_assert_eq(last_job()->start, server);
    fails(last_job(), server);
    if (by >= 0)
        serve(last_job(), by);
    else
        defer(last_job(), 600);
}

static inline struct route *route(void)
{
    return queue_lane_known(queue, 1)->route;
}

static inline enum health_state state_of(unsigned server)
{
    return route()->states[server].health.state;
}

static inline void set_servers(unsigned count, unsigned max_in_flight)
{
    set_profile_of(1, 1, PREFERENCE_FAILOVER, max_in_flight, three, count);
}

static inline void open_first(int by)
{
    for (unsigned i = 0; i < 3; i++)
        fail_one(0, by);
    cr_assert_eq(state_of(0), HEALTH_DOWN);
}

#define UNTIL(condition)                                                    \
    do {                                                                    \
        int64_t limit_ = clock_mono_ms() + 10000;                           \
        while (!(condition)) {                                              \
            cr_assert_lt(clock_mono_ms(), limit_, "never: %s", #condition); \
            loop_turn(loop, 5);                                             \
        }                                                                   \
    } while (0)

static inline void answer_probe(enum ipc_server_word word)
{
    const struct ipc_health_probe *probe = &fakes[0].probes[fakes[0].probe_count - 1];
    struct ipc_health_probed probed = { .token = probe->token,
                                        .profile = probe->profile,
                                        .word = word };

    strcpy(probed.text, "no banner");
    cr_assert_eq(dispatch_probed(dispatch, workers.slots[0], &probed), 0);
}

#endif
