/* master/control/profile_save.c: saving and testing a server profile (SP50 to SP54).
 *
 * check -> test -> store, and each only if the one before succeeded:
 *
 *   registry_profile_check   every mistake at once: 422, nothing was connected to
 *   ladder_start             the connection to every server: 422 with the ladder, nothing stored
 *                            (?test=skip goes past it, and the audit says so)
 *   registry_profile_put     durable when answered; 412 when somebody else was quicker
 *
 * What a client has asked for goes on when it leaves; only its answer goes nowhere. */
#include "master/control/call.h"
#include "master/control/control_private.h"
#include "master/control/ladder.h"
#include "master/control/routes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/auto.h"

struct save {
    struct call *call;
    struct profile *profile; /* with its secrets in clear, until it is stored */
    json_t *warnings;
    json_t *test; /* NULL: not tested */
    bool is_new;
    bool test_only;
};

static struct call *end_save(struct save *save)
{
    struct call *call = save->call;

    profile_free(&save->profile);
    json_decref(save->warnings);
    json_decref(save->test);
    free(save);
    return call;
}

/* Members that stand beside every answer from here on. */
static json_t *add_findings(json_t *body, const struct save *save)
{
    if (!body)
        return NULL;
    call_add_warnings(body, save->warnings);
    json_object_set(body, "test", save->test ? save->test : json_null());
    return body;
}

/* ---- store ---- */

static void answer_stored(struct save *save, uint32_t id, uint64_t version)
{
    const struct profile *profile = registry_profile(save->call->control->registry, id);
    /* It was stored; that it is gone again already is no error of this call. */
    json_t *shown = profile ? profile_to_json(profile, PROFILE_FORM_SHOWN) : json_null();
    json_t *body = json_pack("{s:o, s:b}", "profile", shown, "created", save->is_new);
    int status = save->is_new ? 201 : 200;
    char location[64];

    body = add_findings(body, save);
    call_set_version(save->call, version);
    snprintf(location, sizeof(location), "/api/v1/profiles/%u", id);
    if (save->is_new && !http_request_is_streaming(save->call->request))
        http_request_set_header(save->call->request, "Location", location);
    call_answer(end_save(save), status, body);
}

static void on_stored(struct registry_answer *answer, void *arg)
{
    struct save *save = arg;
    json_t *findings;

    if (answer->result == REGISTRY_OK) {
        answer_stored(save, answer->id, answer->version);
        return;
    }
    findings = add_findings(json_object(), save);
    call_refuse_registry(end_save(save), answer, "profile", findings);
}

static void store(struct save *save, const char *how)
{
    registry_profile_put(save->call->control->registry, TAKE_PTR(save->profile),
                         save->call->if_match, how, &save->call->actor, on_stored, save);
}

/* ---- test ---- */

static void on_step(json_t *step, void *arg)
{
    struct save *save = arg;

    if (save->call->wants_stream)
        call_stream(save->call, json_incref(step));
}

static size_t count_failed(const json_t *test)
{
    const json_t *server;
    size_t failed = 0, i;

    json_array_foreach (json_object_get(test, "servers"), i, server) {
        failed += !json_is_true(json_object_get(server, "passed"));
    }
    return failed;
}

static void refuse_failed(struct save *save)
{
    json_t *findings = add_findings(json_object(), save);
    size_t failed = count_failed(save->test);
    size_t all = json_array_size(json_object_get(save->test, "servers"));
    const char *behind = save->test_only ? "" : "; nothing was stored";

    call_refuse_with(end_save(save), 422, "test_failed", findings,
                     "the connection test failed for %zu of %zu server%s%s", failed, all,
                     all == 1 ? "" : "s", behind);
}

static void refuse_not_run(struct save *save, int err)
{
    json_t *findings = add_findings(json_object(), save);

    call_refuse_with(end_save(save), 503, "test_not_run", findings,
                     "the connection test could not be run: %s", ladder_error_text(err));
}

static void on_tested(int err, bool passed, json_t *test, void *arg)
{
    struct save *save = arg;

    save->test = json_incref(test);
    if (err < 0) {
        refuse_not_run(save, err);
    } else if (!passed) {
        refuse_failed(save);
    } else if (save->test_only) {
        json_t *body = add_findings(json_pack("{s:b}", "passed", 1), save);

        call_answer(end_save(save), 200, body);
    } else {
        store(save, "tested");
    }
}

static void start_test(struct save *save)
{
    int err = ladder_start(save->call->control, save->profile, on_step, on_tested, save);

    if (err < 0)
        refuse_not_run(save, err);
}

/* ---- check ---- */

static void refuse_invalid(struct call *call, struct problems *problems)
{
    size_t count = json_array_size(problems->errors);

    if (count == 0)
        call_refuse_memory(call);
    else
        call_refuse_with(call, 422, "invalid", call_problems(problems),
                         "the profile has %zu mistake%s; nothing was changed", count,
                         count == 1 ? "" : "s");
}

static struct save *begin_save(struct call *call, uint32_t id)
{
    struct save *save = calloc(1, sizeof(*save));
    struct problems problems;

    if (!save || problems_init(&problems) < 0) {
        free(save);
        call_refuse_memory(call);
        return NULL;
    }
    save->call = call;
    save->profile = registry_profile_check(call->control->registry, call->body, id, &problems);
    if (save->profile) {
        save->warnings = json_incref(problems.warnings);
        save->is_new = save->profile->id == 0;
    } else {
        refuse_invalid(call, &problems);
        free(save);
        save = NULL;
    }
    problems_done(&problems);
    return save;
}

static void save_profile(struct call *call, uint32_t id)
{
    struct save *save;
    bool skip;

    if (!call_query_test(call, &skip))
        return;
    save = begin_save(call, id);
    if (!save)
        return;
    if (skip)
        store(save, "not tested");
    else
        start_test(save);
}

void serve_profile_post(struct call *call)
{
    save_profile(call, 0);
}

void serve_profile_put(struct call *call)
{
    uint32_t id = call_number(call, "profile");

    if (id == 0)
        return;
    if (!registry_profile(call->control->registry, id))
        call_refuse(call, 404, "not_found", "there is no profile %u", id);
    else if (call_has_precondition(call))
        save_profile(call, id);
}

void serve_profile_test(struct call *call)
{
    struct save *save = begin_save(call, 0);

    if (!save)
        return;
    save->test_only = true;
    start_test(save);
}
