/* tests/unit/vault_stage.h: uploads (worker/rest/vault_upload.h) to a scripted Vault that has the
 * ids g1 for a group and f1 for its files, unless the test says otherwise. */
#ifndef TESTS_UNIT_VAULT_STAGE_H
#define TESTS_UNIT_VAULT_STAGE_H

#include "rest_stage.h"
#include "worker/rest/vault_upload.h"

#define VAULT "/vault_rest"

static struct vault_file files[REST_FILES];
static struct vault_plan plan;
static struct vault_upload *upload;
static struct {
    unsigned begun, done;
    enum rest_word word;
    long status;
    char why[512];
    bool is_held; /* what is begun is not kept yet */
} told;

static inline void on_begun(void *owner)
{
    (void)owner;
    told.begun++;
    see("keep %s %s%s\n", plan.group, files[plan.count - 1].id, plan.is_closing ? " closing" : "");
    if (!told.is_held)
        vault_upload_go_on(upload);
}

/* The last thing that is heard of it. */
static inline void on_done(const struct vault_result *result, void *owner)
{
    (void)owner;
    told.done++;
    told.word = result->word;
    told.status = result->status;
    (void)snprintf(told.why, sizeof(told.why), "%s", result->why);
    vault_upload_free(&upload);
}

static inline void vault_setup(void)
{
    rest_begin("vault", "");
}

static inline void vault_teardown(void)
{
    vault_upload_free(&upload);
    rest_end();
}

/* What it says when nothing is wrong: behind the test's own rules. */
static inline void vault_is_well(void)
{
    web_on(web, "GET " VAULT "/transfer", answer(200, "{'group_id': 'g1'}"), -1);
    web_on(web, "GET " VAULT "/transfer_file", answer(200, "{'file_id': 'f1'}"), -1);
    web_on(web, "PATCH " VAULT "/transfer_file", answer(200, "{}"), -1);
    web_on(web, "POST " VAULT "/transfer_file", answer(200, "{'result': 'success'}"), -1);
    web_on(web, "POST " VAULT "/transfer", answer(200, "{'files': []}"), -1);
    web_on(web, "DELETE " VAULT "/transfer", answer(200, "{}"), -1);
}

/* Of all files that were added, in chunks of four bytes. */
static inline void vault_begin(void)
{
    static const struct vault_upload_ops ops = { .on_begun = on_begun, .on_done = on_done };
    struct reason why = { "" };

    plan.body = content;
    plan.files = files;
    plan.count = part_count;
    plan.chunk_bytes = 4;
    for (unsigned i = 0; i < part_count; i++)
        files[i].part = &parts[i];
    memset(&told, 0, sizeof(told));
    upload = vault_upload_new(client, &plan, &ops, NULL);
    cr_assert_eq(vault_upload_start(upload, &why), 0, "%s", why.text);
    cr_assert_eq(told.begun + told.done, 0u, "nothing from inside the call");
}

static inline void vault_run(void)
{
    vault_begin();
    UNTIL(told.done > 0);
    cr_assert_null(strstr(told.why, REST_KEY));
}

static inline void expect_ended(enum rest_word word, long status, const char *why)
{
    cr_expect_eq(told.word, word, "word %d: %s", (int)told.word, told.why);
    cr_expect_eq(told.status, status, "status %ld: %s", told.status, told.why);
    cr_expect_not_null(strstr(told.why, why), "%s: %s", why, told.why);
    cr_expect_eq(plan.is_closed, word == REST_OK);
}

#endif
