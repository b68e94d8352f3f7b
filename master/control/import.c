/* master/control/import.c: taking in what an export wrote, all of it or nothing (OP07).
 *
 * check -> test every profile that is complete -> store in one transaction. Several profiles are
 * tested side by side; all of them are tested even after one failed, so that one run tells
 * everything that is wrong. */
#include "master/control/call.h"
#include "master/control/control_private.h"
#include "master/control/ladder.h"
#include "master/control/routes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/auto.h"

#define SIDE_BY_SIDE 8

struct import {
    struct call *call;
    bool skips_tests;
    struct registry_import *checked; /* until it is stored */
    json_t *warnings;
    json_t *incomplete; /* names of those that came without a secret they need and wait for it */
    json_t *tests;      /* [{"profile", "test"}] */
    size_t next;        /* profile to be tested */
    size_t running;
    size_t failed;
    int err; /* a test could not be run */
};

/* One profile of it under test. */
struct trial {
    struct import *import;
    char *profile;
};

static void test_more(struct import *import);

static struct call *end_import(struct import *import)
{
    struct call *call = import->call;

    registry_import_free(&import->checked);
    json_decref(import->warnings);
    json_decref(import->incomplete);
    json_decref(import->tests);
    free(import);
    return call;
}

static json_t *add_findings(json_t *body, const struct import *import)
{
    if (!body)
        return NULL;
    call_add_warnings(body, import->warnings);
    json_object_set(body, "tests", import->tests);
    return body;
}

/* ---- store ---- */

static void on_stored(struct registry_answer *answer, void *arg)
{
    struct import *import = arg;
    const json_t *input = import->call->body;
    json_t *body;

    if (answer->result != REGISTRY_OK) {
        body = add_findings(json_object(), import);
        call_refuse_registry(end_import(import), answer, "import", body);
        return;
    }
    body = json_pack("{s:I, s:I, s:O}", "profiles",
                     (json_int_t)json_array_size(json_object_get(input, "profiles")), "rules",
                     (json_int_t)json_array_size(json_object_get(input, "rules")), "incomplete",
                     import->incomplete);
    body = add_findings(body, import);
    call_answer(end_import(import), 200, body);
}

static void store(struct import *import, const char *how)
{
    registry_import_store(import->call->control->registry, TAKE_PTR(import->checked), how,
                          &import->call->actor, on_stored, import);
}

/* ---- test ---- */

static void conclude(struct import *import)
{
    size_t count = registry_import_count(import->checked), failed = import->failed;
    int err = import->err;
    json_t *findings;

    if (err == 0 && failed == 0) {
        store(import, "tested");
        return;
    }
    findings = add_findings(json_object(), import);
    if (err < 0)
        call_refuse_with(end_import(import), 503, "test_not_run", findings,
                         "the connection tests could not be run: %s; nothing was stored",
                         ladder_error_text(err));
    else
        call_refuse_with(end_import(import), 422, "test_failed", findings,
                         "the connection test failed for %zu of %zu profiles; nothing was stored",
                         failed, count);
}

static void on_step(json_t *step, void *arg)
{
    struct trial *trial = arg;
    json_t *line;

    if (!trial->import->call->wants_stream)
        return;
    line = json_pack("{s:s}", "profile", trial->profile);
    if (line)
        json_object_update(line, step);
    call_stream(trial->import->call, line);
}

static void on_tested(int err, bool passed, json_t *test, void *arg)
{
    struct trial *trial = arg;
    struct import *import = trial->import;

    json_array_append_new(import->tests,
                          json_pack("{s:s, s:O}", "profile", trial->profile, "test", test));
    free(trial->profile);
    free(trial);
    import->running--;
    if (err < 0)
        import->err = err;
    else if (!passed)
        import->failed++;
    test_more(import);
}

static int test_one(struct import *import, const struct profile *profile)
{
    struct trial *trial = calloc(1, sizeof(*trial));
    int err = -ENOMEM;

    if (trial) {
        trial->import = import;
        trial->profile = strdup(profile->name);
    }
    if (trial && trial->profile)
        err = ladder_start(import->call->control, profile, on_step, on_tested, trial);
    if (err < 0 && trial) {
        free(trial->profile);
        free(trial);
    }
    return err;
}

static void test_more(struct import *import)
{
    size_t count = registry_import_count(import->checked);

    while (import->err == 0 && import->next < count && import->running < SIDE_BY_SIDE) {
        int err = test_one(import, registry_import_profile(import->checked, import->next));

        if (err == -EBUSY && import->running > 0)
            break; /* others test, too: go on when one of ours has ended */
        if (err < 0) {
            import->err = err;
            break;
        }
        import->next++;
        import->running++;
    }
    if (import->running == 0)
        conclude(import);
}

/* ---- check ---- */

static void refuse_unchecked(struct call *call, const struct registry_answer *answer)
{
    size_t count = json_array_size(answer->problems.errors);

    if (answer->result != REGISTRY_INVALID)
        call_refuse_registry(call, answer, "import", NULL);
    else if (count == 0)
        call_refuse_memory(call);
    else
        call_refuse_with(call, 422, "invalid", call_problems(&answer->problems),
                         "the import has %zu mistake%s; nothing was stored", count,
                         count == 1 ? "" : "s");
}

static void on_checked(struct registry_answer *answer, void *arg)
{
    struct import *import = arg;

    if (answer->result != REGISTRY_OK) {
        refuse_unchecked(end_import(import), answer);
        return;
    }
    import->checked = TAKE_PTR(answer->import);
    import->warnings = json_incref(answer->problems.warnings);
    import->incomplete = registry_import_incomplete(import->checked);
    import->tests = json_array();
    if (import->skips_tests)
        store(import, "not tested");
    else
        test_more(import);
}

void serve_import_post(struct call *call)
{
    struct import *import;
    bool skip;

    if (!call_query_test(call, &skip))
        return;
    import = calloc(1, sizeof(*import));
    if (!import) {
        call_refuse_memory(call);
        return;
    }
    import->call = call;
    import->skips_tests = skip;
    registry_import_check(call->control->registry, call->body, on_checked, import);
}
