/* The stage of a Vault: what a job does, says and leaves behind (VA01, VA03, SR05). */
#include "visit_stage.h"

TestSuite(delivery_upload, .init = visit_up, .fini = visit_down, .timeout = 60);

#define VAULT "/vault_rest"
#define FILES "GET " VAULT "/transfer_file"

static void is_well(unsigned web)
{
    struct web *vault = webs[web];

    web_on(vault, "GET " VAULT "/transfer", web_answer(vault, 200, "{'group_id': 'g1'}"), -1);
    web_on(vault, FILES, web_answer(vault, 200, "{'file_id': 'f1'}"), 1);
    web_on(vault, FILES, web_answer(vault, 200, "{'file_id': 'f2'}"), 1);
    web_on(vault, "POST " VAULT "/transfer",
           web_answer(vault, 200,
                      "{'files': [{'file_id': 'f1', 'file_url': 'http://v/1'},"
                      " {'file_id': 'f2', 'file_url': 'http://v/2'}]}"),
           -1);
}

static struct ipc_place begin(const char *rule)
{
    visit_profile("vault", 1, 0, 1, "");
    visit_rule(rule);
    return stage_store_body(2, 0, VISIT_BODY);
}

static unsigned count_of(const char *log, const char *line)
{
    unsigned count = 0;

    for (; (log = strstr(log, line)) != NULL; log++)
        count++;
    return count;
}

Test(delivery_upload, VA01_attachments_are_uploaded_and_what_is_known_of_them_is_kept)
{
    const struct ipc_place place = begin("");
    const struct ipc_mail_outcome *said;
    char server[64];

    is_well(0);
    said = visit_run(place, STAGE_UPLOAD);
    cr_assert_eq(said->outcome, IPC_OUTCOME_ADVANCED);
    cr_assert_eq(said->stages, CELL_UPLOADED);
    cr_assert_eq(said->served, 0);
    cr_assert_eq(stage_last_cell()->flags, CELL_UPLOADED);
    cr_assert_eq(stage_last_cell()->attempts, 0u);
    cr_assert_str_eq(stage_states(stage_last_cell(), 2), "oo");
    (void)snprintf(server, sizeof(server), "http://127.0.0.1:%u/vault_rest", webs[0]->port);
    cr_assert_str_eq(visit_told(place, "upload", "server"), server);
    cr_assert_str_eq(visit_told(place, "upload", "group"), "g1");
    cr_assert_str_eq(visit_told(place, "upload", "closed"), "true");
    cr_assert_str_eq(visit_told(place, "upload", "closing"), "");
    cr_assert_str_eq(visit_files(place, "upload", "name"), "a.txt,b.txt");
    cr_assert_str_eq(visit_files(place, "upload", "id"), "f1,f2");
    cr_assert_str_eq(visit_files(place, "upload", "whole"), "true,true");
    cr_assert_str_eq(visit_files(place, "upload", "url"), "http://v/1,http://v/2");
    expect_nothing_left();
    cr_assert_eq(webs[0]->connections, 1u);
}

Test(delivery_upload, VA03_the_master_hears_of_each_note_on_the_way)
{
    const struct ipc_place place = begin("");

    is_well(0);
    cr_assert_eq(visit_run(place, STAGE_UPLOAD)->outcome, IPC_OUTCOME_ADVANCED);
    cr_assert_eq(stage.noted_count, 3u, "two files, and the end");
    cr_assert_eq(stage.noted.job, stage.outcomes[0].said.job);
    cr_assert_neq(stage.noted.note_segment, 0u);
    cr_assert_gt(stage.noted.note_bytes, 100u);
}

Test(delivery_upload, VA01_without_attachments_there_is_nothing_to_ask)
{
    struct ipc_place place;

    (void)begin("");
    place = stage_store(1);
    cr_assert_eq(visit_run(place, STAGE_UPLOAD)->outcome, IPC_OUTCOME_ADVANCED);
    cr_assert_eq(stage_last_cell()->flags, CELL_UPLOADED);
    cr_assert_eq(stage_last_cell()->note.segment, 0u, "nor to tell");
    cr_assert_eq(webs[0]->connections, 0u);
}

Test(delivery_upload, SR05_inline_images_are_not_uploaded)
{
    struct ipc_place place;

    (void)begin("");
    place = stage_store_body(1, 0,
                             VISIT_HEAD "--x\r\nContent-Type: image/png\r\n"
                                        "Content-Disposition: inline; filename=i.png\r\n\r\n"
                                        "png\r\n" VISIT_PART("b.txt", "four") "--x--\r\n");
    is_well(0);
    cr_assert_eq(visit_run(place, STAGE_UPLOAD)->outcome, IPC_OUTCOME_ADVANCED);
    cr_assert_str_eq(visit_files(place, "upload", "name"), "b.txt");
}

Test(delivery_upload, VA01_a_message_that_cannot_be_taken_apart_is_uploaded_as_one_file)
{
    const struct ipc_place place = begin("");

    stage.world->conf->mime_max_parts = 2;
    is_well(0);
    cr_assert_eq(visit_run(place, STAGE_UPLOAD)->outcome, IPC_OUTCOME_ADVANCED);
    cr_assert_str_eq(visit_files(place, "upload", "name"), "message.eml");
    cr_assert_eq(count_of(webs[0]->log, "PATCH "), 1u);
}

/* ---- refusals ---- */

static const struct {
    int status;
    const char *rule;
    enum ipc_outcome outcome;
    unsigned failures;
    unsigned word; /* of the failure */
} refusals[] = {
    { 400, "", IPC_OUTCOME_DEFERRED, 0, 0 },
    { 401, "", IPC_OUTCOME_DEFERRED, 1, IPC_WORD_REFUSES_LOGIN },
    { 403, "", IPC_OUTCOME_DEFERRED, 1, IPC_WORD_REFUSES_LOGIN },
    { 503, "", IPC_OUTCOME_DEFERRED, 1, IPC_WORD_FAILED },
    { 500, "", IPC_OUTCOME_DEFERRED, 1, IPC_WORD_FAILED },
    { 400, ", 'upload': {'on_unavailable': 'skip'}", IPC_OUTCOME_ADVANCED, 0, 0 },
    { 500, ", 'upload': {'on_unavailable': 'skip'}", IPC_OUTCOME_ADVANCED, 1, IPC_WORD_FAILED },
};

Test(delivery_upload, VA03_a_refusal_defers_with_the_reason_or_is_passed_over_by_the_rule)
{
    for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
        const bool is_skipped = refusals[i].outcome == IPC_OUTCOME_ADVANCED;
        const struct ipc_place place = begin(refusals[i].rule);
        const struct ipc_mail_outcome *said;
        const unsigned before = stage.failure_count;

        web_forget(webs[0]);
        web_on(webs[0], "GET " VAULT "/transfer",
               web_answer(webs[0], refusals[i].status, "{'message': 'for the-key'}"), -1);
        said = visit_run(place, STAGE_UPLOAD);
        cr_expect_eq(said->outcome, refusals[i].outcome, "row %zu", i);
        cr_expect_eq(said->served, refusals[i].failures == 0 ? 0 : -1, "row %zu", i);
        cr_expect_eq(stage.failure_count - before, refusals[i].failures, "row %zu", i);
        if (refusals[i].failures > 0)
            cr_expect_eq(stage.failures[before].said.word, refusals[i].word, "row %zu", i);
        cr_expect_eq(stage_last_cell()->attempts, is_skipped ? 0u : 1u, "row %zu", i);
        cr_expect_eq(stage_last_cell()->flags, is_skipped ? CELL_UPLOADED : 0u, "row %zu", i);
        cr_expect_str_eq(visit_told(place, "upload", "verdict"), is_skipped ? "unavailable" : "");
        expect_nothing_left();
    }
}

/* ---- again ---- */

/* The second file could not be completed. */
static struct ipc_place fail_half_way(void)
{
    const struct ipc_place place = begin("");
    struct web *vault = webs[0];

    web_on(vault, "POST " VAULT "/transfer_file", web_answer(vault, 200, "{}"), 1);
    web_on(vault, "POST " VAULT "/transfer_file", web_answer(vault, 500, "{}"), -1);
    is_well(0);
    cr_assert_eq(visit_run(place, STAGE_UPLOAD)->outcome, IPC_OUTCOME_DEFERRED);
    cr_assert_str_eq(visit_files(place, "upload", "id"), "f1,f2");
    cr_assert_str_eq(visit_files(place, "upload", "whole"), "true,");
    expect_nothing_left();
    web_forget(vault);
    return place;
}

Test(delivery_upload, VA03_the_next_attempt_goes_on_where_it_was)
{
    const struct ipc_place place = fail_half_way();

    web_on(webs[0], "GET " VAULT "/file/status/f2", web_answer(webs[0], 200, "{}"), 1);
    is_well(0);
    cr_assert_eq(visit_run(place, STAGE_UPLOAD)->outcome, IPC_OUTCOME_ADVANCED);
    cr_assert_str_eq(webs[0]->log, "GET " VAULT "/file/status/f2|POST " VAULT "/transfer|");
    cr_assert_str_eq(visit_files(place, "upload", "url"), "http://v/1,http://v/2");
}

Test(delivery_upload, VA03_not_at_another_address)
{
    const struct ipc_place place = fail_half_way();
    struct ipc_mail_deliver order = visit_order(place, STAGE_UPLOAD);

    visit_profile("vault", 2, 1, 1, "");
    is_well(1);
    order.version = 2;
    cr_assert_eq(stage_run(&order)->outcome, IPC_OUTCOME_ADVANCED);
    cr_assert_str_eq(webs[0]->log, "");
    cr_assert_eq(count_of(webs[1]->log, "PATCH "), 2u);
}

Test(delivery_upload, VA03_not_when_the_files_are_others)
{
    struct ipc_place place;

    (void)begin("");
    place = stage_store_body(
        1, 0, VISIT_HEAD "--x\r\n\r\nhello\r\n" VISIT_PART("b.txt", "four") "--x--\r\n");
    web_on(webs[0], "POST " VAULT "/transfer", web_answer(webs[0], 500, "{}"), -1);
    is_well(0);
    stage.world->conf->mime_max_parts = 1; /* as one file */
    cr_assert_eq(visit_run(place, STAGE_UPLOAD)->outcome, IPC_OUTCOME_DEFERRED);
    cr_assert_str_eq(visit_files(place, "upload", "name"), "message.eml");
    cr_assert_str_eq(visit_files(place, "upload", "whole"), "true");
    web_forget(webs[0]);
    is_well(0);
    stage.world->conf->mime_max_parts = 1000;
    cr_assert_eq(visit_run(place, STAGE_UPLOAD)->outcome, IPC_OUTCOME_ADVANCED);
    cr_assert_str_eq(visit_files(place, "upload", "name"), "b.txt");
    cr_assert_eq(count_of(webs[0]->log, "PATCH "), 1u, "%s", webs[0]->log);
}

Test(delivery_upload, VA03_whether_the_end_was_asked_for_is_kept)
{
    const struct ipc_place place = begin("");

    web_on(webs[0], "POST " VAULT "/transfer", web_answer(webs[0], 500, "{}"), -1);
    is_well(0);
    cr_assert_eq(visit_run(place, STAGE_UPLOAD)->outcome, IPC_OUTCOME_DEFERRED);
    cr_assert_str_eq(visit_told(place, "upload", "closing"), "true");
    web_forget(webs[0]);
    web_on(webs[0], "POST " VAULT "/transfer", web_answer(webs[0], 400, "{}"), -1);
    web_on(webs[0], "GET " VAULT "/file/status/f2", web_answer(webs[0], 200, "{}"), -1);
    cr_assert_eq(visit_run(place, STAGE_UPLOAD)->outcome, IPC_OUTCOME_ADVANCED);
    cr_assert_str_eq(webs[0]->log, "POST " VAULT "/transfer|GET " VAULT "/file/status/f2|");
}
