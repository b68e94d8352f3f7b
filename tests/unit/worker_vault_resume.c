/* Uploads to a Vault that were begun before: only what is missing is sent (VA03). */
#include "vault_stage.h"

static void setup(void)
{
    vault_setup();
    add_file("one", "0123", 0);
    add_file("two", "4567", 0);
    strcpy(plan.group, "g0");
    strcpy(files[0].id, "f0");
}

TestSuite(vault_resume, .init = setup, .fini = vault_teardown, .timeout = 60);

#define ASKS_STATE   "GET " VAULT "/file/status/f0"
#define ANEW         "GET " VAULT "/transfer|DELETE " VAULT "/transfer|" ONE TWO
#define ONE          FILE_ "PATCH " VAULT "/transfer_file|POST " VAULT "/transfer_file|"
#define FILE_        "GET " VAULT "/transfer_file|"
#define TWO          ONE
#define CLOSE        "POST " VAULT "/transfer|"
#define IN_THE_STATE ASKS_STATE "|"

static void expect_log(const char *expected)
{
    cr_expect_str_eq(web->log, expected, "%s\nexpected: %s", web->log, expected);
}

/* ---- the state of a file ---- */

#define COMPLETES "POST " VAULT "/transfer_file|"
#define SENDS     "PATCH " VAULT "/transfer_file|POST " VAULT "/transfer_file|"

static const struct {
    int status;
    const char *body;
    const char *then; /* what is asked about this file after its state */
} states[] = {
    { 200, "{'size': 4, 'processing_state': 'Available'}", "" },
    { 200, "{'processing_state': 'available'}", "" },
    { 200, "{}", "" },
    { 200, "{'size': 'four'}", "" },
    { 200, "{'size': 4, 'processing_state': 'Processing'}", COMPLETES },
    { 200, "{'size': 3}", SENDS },
    { 200, "{'size': 3, 'processing_state': 'Available'}", SENDS },
    { 200, "{'size': -4}", SENDS },
    { 200, "[]", SENDS }, /* of no file at all */
    { 200, "", SENDS },
    { 200, "null", SENDS },
    { 404, "{'message': 'no such file'}", SENDS },
    { 400, "{}", SENDS },
};

Test(vault_resume, VA03_a_file_that_is_whole_is_not_sent_again)
{
    char expected[512];

    for (size_t i = 0; i < ARRAY_LEN(states); i++) {
        web_forget(web);
        files[0].is_whole = files[1].is_whole = plan.is_closed = plan.is_closing = false;
        files[1].id[0] = '\0';
        web_on(web, ASKS_STATE, answer(states[i].status, states[i].body), -1);
        vault_is_well();
        vault_run();
        expect_ended(REST_OK, 200, "");
        (void)snprintf(expected, sizeof(expected), "%s%s%s", IN_THE_STATE, states[i].then,
                       TWO CLOSE);
        expect_log(expected);
        cr_expect_str_eq(plan.group, "g0");
        cr_expect_str_eq(files[0].id, "f0", "with the id that it has");
    }
}

Test(vault_resume, VA03_one_that_cannot_be_completed_once_more_is_sent)
{
    web_on(web, ASKS_STATE, answer(200, "{'size': 4, 'processing_state': 'x'}"), -1);
    web_on(web, "POST " VAULT "/transfer_file", answer(400, "{}"), 1);
    vault_is_well();
    vault_run();
    expect_ended(REST_OK, 200, "");
    expect_log(IN_THE_STATE COMPLETES IN_THE_STATE SENDS TWO CLOSE);
}

Test(vault_resume, VA03_nor_one_that_cannot_be_completed_at_all_for_ever)
{
    web_on(web, ASKS_STATE, answer(200, "{'size': 4, 'processing_state': 'x'}"), -1);
    web_on(web, "POST " VAULT "/transfer_file", answer(422, "{}"), -1);
    vault_is_well();
    vault_run();
    expect_ended(REST_NO, 422, "the end of a file");
    expect_log(IN_THE_STATE COMPLETES IN_THE_STATE SENDS);
}

/* By a worker that has died since, whose request was still on its way. */
Test(vault_resume, VA03_one_that_was_completed_at_that_moment_is_not_sent)
{
    web_on(web, ASKS_STATE, answer(200, "{'size': 4, 'processing_state': 'x'}"), 1);
    web_on(web, ASKS_STATE, answer(200, "{'size': 4, 'processing_state': 'Available'}"), 1);
    web_on(web, "POST " VAULT "/transfer_file", answer(400, "{}"), 1);
    vault_is_well();
    vault_run();
    expect_ended(REST_OK, 200, "");
    expect_log(IN_THE_STATE COMPLETES IN_THE_STATE TWO CLOSE);
}

Test(vault_resume, VA03_what_is_known_to_be_whole_is_not_even_asked_about)
{
    files[0].is_whole = true;
    vault_is_well();
    vault_run();
    expect_ended(REST_OK, 200, "");
    expect_log(TWO CLOSE);
}

Test(vault_resume, VA03_a_server_that_cannot_tell_now_is_asked_another_time)
{
    web_on(web, ASKS_STATE, answer(503, "{}"), -1);
    vault_is_well();
    vault_run();
    expect_ended(REST_BUSY, 503, "the state of a file");
    expect_log(IN_THE_STATE);
    cr_expect_str_eq(plan.group, "g0");
    cr_expect_str_eq(files[0].id, "f0");
}

Test(vault_resume, VA03_a_page_for_people_does_not_say_that_a_file_is_there)
{
    web_on(web, ASKS_STATE, answer(200, "<html>log in first</html>"), -1);
    vault_is_well();
    vault_run();
    expect_ended(REST_FAILED, 200, "the state of a file: it answered with a page");
    expect_log(IN_THE_STATE);
    cr_expect_not(files[0].is_whole);
    cr_expect_str_eq(files[0].id, "f0");
}

/* ---- a group that cannot be gone on with ---- */

static void expect_anew(void)
{
    cr_expect_str_eq(plan.group, "g1");
    cr_expect_str_eq(files[0].id, "f1");
    expect_ended(REST_OK, 200, "");
}

Test(vault_resume, VA03_a_group_that_is_stale_is_begun_anew_and_the_old_one_dropped)
{
    static const int statuses[] = { 400, 401, 403, 404, 409, 410 };

    for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
        web_forget(web);
        seen[0] = '\0';
        memset(files, 0, sizeof(files));
        memset(&plan, 0, sizeof(plan));
        strcpy(plan.group, "g0");
        strcpy(files[0].id, "f0");
        strcpy(files[0].url, "http://v/old");
        files[0].is_whole = true;
        web_on(web, "GET " VAULT "/transfer_file", answer(statuses[i], "{}"), 1);
        vault_is_well();
        vault_run();
        expect_anew();
        expect_log(FILE_ ANEW CLOSE);
        cr_expect_not_null(strstr(seen, "DELETE " VAULT "/transfer group_id=g0\n"), "%s", seen);
        cr_expect_str_eq(files[0].url, "", "that was the old one's");
    }
}

Test(vault_resume, VA03_each_call_about_a_stale_group_shows_that_it_is)
{
    web_on(web, ASKS_STATE, answer(403, "{}"), -1);
    vault_is_well();
    vault_run();
    expect_anew();
    expect_log(IN_THE_STATE ANEW CLOSE);
}

Test(vault_resume, VA03_content_and_end_of_a_stale_group)
{
    web_on(web, ASKS_STATE, answer(404, "{}"), -1);
    web_on(web, "PATCH " VAULT "/transfer_file", answer(404, "{}"), 1);
    vault_is_well();
    vault_run();
    expect_anew();
    expect_log(IN_THE_STATE "PATCH " VAULT "/transfer_file|" ANEW CLOSE);
}

Test(vault_resume, VA03_a_refusal_that_is_about_what_was_asked_begins_nothing_anew)
{
    web_on(web, ASKS_STATE, answer(404, "{}"), -1);
    web_on(web, "PATCH " VAULT "/transfer_file", answer(413, "{}"), -1);
    vault_is_well();
    vault_run();
    expect_ended(REST_NO, 413, "a file's content");
    expect_log(IN_THE_STATE "PATCH " VAULT "/transfer_file|");
    cr_expect_str_eq(plan.group, "g0", "what it has is not sent twice");
}

Test(vault_resume, VA03_anew_only_once)
{
    web_on(web, "GET " VAULT "/transfer_file", answer(404, "{}"), -1);
    web_on(web, ASKS_STATE, answer(200, "{}"), -1);
    vault_is_well();
    vault_run();
    expect_ended(REST_NO, 404, "a new file");
    expect_log(IN_THE_STATE FILE_ "GET " VAULT "/transfer|DELETE " VAULT "/transfer|" FILE_);
}

Test(vault_resume, VA03_while_our_key_is_refused_nothing_is_forgotten)
{
    files[0].is_whole = true;
    web_on(web, "GET " VAULT "/transfer_file", answer(401, "{}"), -1);
    web_on(web, "GET " VAULT "/transfer", answer(401, "{}"), -1);
    vault_run();
    expect_ended(REST_REFUSED, 401, "a new group");
    expect_log(FILE_ "GET " VAULT "/transfer|");
    cr_expect_str_eq(plan.group, "g0");
    cr_expect_str_eq(files[0].id, "f0");
    cr_expect(files[0].is_whole);
}

Test(vault_resume, VA03_nor_when_the_new_group_has_no_id)
{
    files[0].is_whole = true;
    web_on(web, "GET " VAULT "/transfer_file", answer(404, "{}"), -1);
    web_on(web, "GET " VAULT "/transfer", answer(200, "{}"), -1);
    vault_run();
    expect_ended(REST_FAILED, 0, "no group_id");
    cr_expect_str_eq(plan.group, "g0");
    cr_expect_str_eq(files[0].id, "f0");
    cr_expect(files[0].is_whole);
}

Test(vault_resume, an_old_group_that_cannot_be_dropped_is_left)
{
    web_on(web, ASKS_STATE, answer(403, "{}"), -1);
    web_on(web, "DELETE " VAULT "/transfer", answer(405, "{}"), -1);
    vault_is_well();
    vault_run();
    expect_anew();
}

/* ---- the end of the group ---- */

static void all_is_whole(bool was_closing)
{
    strcpy(files[1].id, "f9");
    files[0].is_whole = files[1].is_whole = true;
    plan.is_closing = was_closing;
}

Test(vault_resume, VA03_a_group_whose_end_was_asked_for_is_asked_again)
{
    all_is_whole(true);
    vault_is_well();
    vault_run();
    expect_ended(REST_OK, 200, "");
    expect_log(CLOSE);
    cr_expect_not(plan.is_closing);
}

Test(vault_resume, VA03_one_that_is_closed_already_is_as_good)
{
    all_is_whole(true);
    web_on(web, "POST " VAULT "/transfer", answer(400, "{}"), -1);
    web_on(web, "GET " VAULT "/file/status/f9", answer(200, "{}"), -1);
    vault_run();
    expect_ended(REST_OK, 200, "");
    expect_log(CLOSE "GET " VAULT "/file/status/f9|");
}

Test(vault_resume, VA03_what_tells_no_state_closes_no_group)
{
    all_is_whole(true);
    web_on(web, "POST " VAULT "/transfer", answer(400, "{}"), -1);
    web_on(web, "GET " VAULT "/file/status/f9", answer(200, "[]"), -1);
    vault_run();
    expect_ended(REST_FAILED, 0, "tells no state");
    cr_expect(plan.is_closing, "it may be closed");
}

Test(vault_resume, VA03_one_that_is_gone_is_begun_anew)
{
    all_is_whole(true);
    web_on(web, "POST " VAULT "/transfer", answer(404, "{}"), 1);
    web_on(web, "GET " VAULT "/file/status/f9", answer(404, "{}"), -1);
    vault_is_well();
    vault_run();
    expect_anew();
    expect_log(CLOSE "GET " VAULT "/file/status/f9|" ANEW CLOSE);
}

Test(vault_resume, VA03_one_whose_last_file_is_not_there_yet_is_no_closed_one)
{
    all_is_whole(true);
    web_on(web, "POST " VAULT "/transfer", answer(400, "{}"), 1);
    web_on(web, "GET " VAULT "/file/status/f9", answer(200, "{'processing_state': 'x'}"), -1);
    vault_is_well();
    vault_run();
    expect_anew();
}

/* It was never asked to close before, so its no is one. */
Test(vault_resume, VA03_a_first_no_to_the_end_is_not_taken_for_a_closed_group)
{
    web_on(web, ASKS_STATE, answer(200, "{}"), -1);
    web_on(web, "POST " VAULT "/transfer", answer(422, "{}"), -1);
    vault_is_well();
    vault_run();
    expect_ended(REST_NO, 422, "the end of the group");
    expect_log(IN_THE_STATE TWO CLOSE);
    cr_expect_not(plan.is_closing, "that is known");
}

/* The connection broke, so it was sent once more: the no may be to the second of two. */
Test(vault_resume, VA03_a_first_no_over_another_connection_may_be_a_second_one)
{
    files[0].is_whole = true;
    web_on(web, "POST " VAULT "/transfer", "!close", 1);
    web_on(web, "POST " VAULT "/transfer", answer(400, "{}"), 1);
    web_on(web, "GET " VAULT "/file/status/f1", answer(200, "{}"), -1);
    vault_is_well();
    vault_run();
    expect_ended(REST_OK, 200, "");
    expect_log(TWO CLOSE CLOSE "GET " VAULT "/file/status/f1|");
    cr_expect_eq(web->connections, 2u);
}

Test(vault_resume, VA03_nor_a_second_one)
{
    all_is_whole(false);
    web_on(web, "GET " VAULT "/file/status/f9", answer(200, "{}"), -1);
    web_on(web, "POST " VAULT "/transfer", answer(422, "{}"), -1);
    vault_is_well();
    vault_run();
    expect_ended(REST_NO, 422, "the end of the group");
    cr_expect_eq(told.begun, 1u, "it is kept that the end is asked for");
    expect_log("GET " VAULT "/file/status/f9|" CLOSE);
}

Test(vault_resume, VA03_it_may_be_closed_when_no_answer_was_read)
{
    all_is_whole(true);
    web_on(web, "POST " VAULT "/transfer", answer(500, "{}"), -1);
    vault_run();
    expect_ended(REST_FAILED, 500, "the end of the group");
    cr_expect(plan.is_closing);
}
