/* master/control/ladder.c: one connection test, as JSON. */
#include "master/control/ladder.h"

#include <errno.h>
#include <stdlib.h>

#include "common/auto.h"
#include "common/clock.h"
#include "common/probe_step.h"
#include "common/profile.h"
#include "master/control/control_private.h"
#include "master/control/last_tests.h"

/* Per server; a worker that sends more than a ladder can have is not believed. */
#define MAX_STEPS (2 * PROBE_STEP_COUNT)

struct ladder {
    struct control *control;
    uint64_t token;
    size_t server_count;
    uint32_t profile;      /* 0: it is not stored */
    uint64_t seen, failed; /* servers, bit = index */
    json_t *test;          /* what the answer will hold */
    ladder_step_cb *on_step;
    ladder_done_cb *done;
    void *arg;
    LIST_ENTRY(ladder) all;
};

static json_t *empty_test(const struct profile *profile)
{
    json_t *servers = json_array();

    for (size_t i = 0; servers && i < profile->server_count; i++)
        json_array_append_new(servers, json_pack("{s:s, s:b, s:[]}", "server",
                                                 profile->servers[i].text, "passed", 0, "steps"));
    return json_pack("{s:b, s:o}", "passed", 0, "servers", servers);
}

static void on_step(const struct ipc_probe_step *step, void *arg)
{
    struct ladder *ladder = arg;
    json_t *server = json_array_get(json_object_get(ladder->test, "servers"), step->server);
    json_t *steps = json_object_get(server, "steps");
    AUTO(json) json_t *shown = NULL;

    if (step->server >= ladder->server_count || json_array_size(steps) >= MAX_STEPS)
        return;
    shown =
        json_pack("{s:s, s:s, s:I, s:s}", "step", probe_step_name(step->step), "result",
                  probe_result_name(step->result), "ms", (json_int_t)step->ms, "text", step->text);
    if (!shown) /* the text is no UTF-8: the step counts all the same */
        shown = json_pack("{s:s, s:s, s:I}", "step", probe_step_name(step->step), "result",
                          probe_result_name(step->result), "ms", (json_int_t)step->ms);
    ladder->seen |= UINT64_C(1) << step->server;
    if (step->result == PROBE_FAILED)
        ladder->failed |= UINT64_C(1) << step->server;
    if (!shown || json_array_append(steps, shown) < 0)
        return;
    if (ladder->on_step) {
        AUTO(json) json_t *line = json_pack("{s:O}", "server", json_object_get(server, "server"));

        if (line && json_object_update(line, shown) == 0)
            ladder->on_step(line, ladder->arg);
    }
}

static void tell_changes(struct ladder *ladder, const json_t *server)
{
    const json_t *changes = json_object_get(server, "changes"), *change;
    const json_t *last = json_object_get(server, "last");
    size_t i;

    json_array_foreach ((json_t *)changes, i, change) {
        AUTO(json)
        json_t *line = json_pack("{s:O, s:O}", "server", json_object_get(server, "server"), "since",
                                 json_object_get(last, "time"));

        if (line && json_object_update(line, (json_t *)change) == 0)
            ladder->on_step(line, ladder->arg);
    }
}

/* A test that was not run to its end says nothing about a server. */
static void compare_with_last(struct ladder *ladder)
{
    json_t *servers = json_object_get(ladder->test, "servers"), *server;
    size_t i;

    json_array_foreach (servers, i, server) {
        last_tests_take(ladder->control->last_tests, ladder->profile, server, clock_wall_ms());
        if (ladder->on_step)
            tell_changes(ladder, server);
    }
}

/* A server passed when it has steps and none of them failed. */
static void finish(struct ladder *ladder, int err, bool passed)
{
    ladder_done_cb *done = ladder->done;
    void *arg = ladder->arg;
    AUTO(json) json_t *test = ladder->test;

    for (size_t i = 0; i < ladder->server_count; i++) {
        uint64_t bit = UINT64_C(1) << i;
        bool good = (ladder->seen & bit) && !(ladder->failed & bit);
        json_t *server = json_array_get(json_object_get(test, "servers"), i);

        passed = passed && good;
        json_object_set_new(server, "passed", json_boolean(good));
    }
    if (err == 0)
        compare_with_last(ladder);
    passed = passed && err == 0;
    json_object_set_new(test, "passed", json_boolean(passed));
    LIST_REMOVE(ladder, all);
    free(ladder);
    done(err, passed, test, arg);
}

static void on_done(int err, bool passed, void *arg)
{
    finish(arg, err, passed);
}

int ladder_start(struct control *control, const struct profile *profile, ladder_step_cb *on_line,
                 ladder_done_cb *done, void *arg)
{
    struct ladder *ladder = calloc(1, sizeof(*ladder));
    int err = -ENOMEM;

    if (!ladder)
        return err;
    *ladder = (struct ladder){ .control = control,
                               .server_count = profile->server_count,
                               .profile = profile->id,
                               .test = empty_test(profile),
                               .on_step = on_line,
                               .done = done,
                               .arg = arg };
    if (ladder->test)
        err = control->backend.probe(control->backend.self, profile, on_step, on_done, ladder,
                                     &ladder->token);
    if (err < 0) {
        json_decref(ladder->test);
        free(ladder);
        return err;
    }
    LIST_INSERT_HEAD(&control->ladders, ladder, all);
    return 0;
}

void ladder_cancel_all(struct control *control)
{
    while (!LIST_EMPTY(&control->ladders)) {
        struct ladder *ladder = LIST_FIRST(&control->ladders);

        control->backend.probe_forget(control->backend.self, ladder->token);
        finish(ladder, -ECANCELED, false);
    }
}

const char *ladder_error_text(int err)
{
    switch (err) {
    case -EAGAIN: return "no worker is running";
    case -EBUSY: return "too many connection tests are under way";
    case -ETIMEDOUT: return "the worker gave no result in time";
    case -EPIPE: return "the worker that ran it died";
    case -ECANCELED: return "the daemon is stopping";
    default: return "memory is short";
    }
}
