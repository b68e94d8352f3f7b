/* Scans by a Core: what is asked when, and what comes of each answer (CO01, SP24). */
#include "core_stage.h"

TestSuite(core_scan, .init = core_setup, .fini = core_teardown, .timeout = 60);

#define POST_AS(name, text)                                                                 \
    "POST /file Content-Type=application/octet-stream filename=" name " user_agent=Postern" \
    " [" text "]\n"

static void expect_log(const char *expected)
{
    cr_expect_str_eq(web->log, expected, "%s\nexpected: %s", web->log, expected);
}

Test(core_scan, CO01_all_are_submitted_then_polled_where_they_were_taken)
{
    add_file("a.txt", "one", 0);
    add_file("none", "", 0);
    add_file("b.txt", "two", 0);
    core_knows("id1", SAYS(WORKING, RESULT("Allowed")));
    core_knows("id2", SAYS(RESULT("Blocked")));
    core_run();
    expect_ended(REST_OK, 0, "");
    expect_seen(POST_AS("a.txt", "one") POST_AS("b.txt", "two") "GET /file/id1\nGET /file/id2\n"
                                                                "GET /file/id1\n");
    cr_expect_str_eq(verdicts(), "aeb");
    cr_expect_str_eq(files[2].why, "Blocked");
    cr_expect_eq(web->connections, 1u);
}

Test(core_scan, CO01_names_and_rules_are_percent_encoded)
{
    add_file("\xc3\xa4 b.txt", "x", 0);
    plan.workflow = "Mail & more";
    core_knows("id1", SAYS(RESULT("Allowed")));
    core_run();
    expect_seen("POST /file Content-Type=application/octet-stream filename=%C3%A4%20b.txt "
                "rule=Mail%20%26%20more user_agent=Postern [x]\nGET /file/id1\n");
}

Test(core_scan, CO01_nothing_to_send_is_no_request)
{
    add_file("none", "", 0);
    core_run();
    expect_ended(REST_OK, 0, "");
    expect_log("");
    cr_expect_str_eq(verdicts(), "e");
}

Test(core_scan, CO01_content_is_sent_again_for_another_connection)
{
    add_file("a", "one", 0);
    add_file("b", "two", 0);
    core_knows("id1", SAYS(RESULT("Allowed")));
    web_on(web, "POST /file", "!close", 1);
    core_knows("id2", SAYS(RESULT("Allowed")));
    core_run();
    expect_ended(REST_OK, 0, "");
    expect_seen(POST_AS("a", "one") POST_AS("b", "two") POST_AS("b", "two") "GET /file/id1\n"
                                                                            "GET /file/id2\n");
    cr_expect_eq(web->most_open, 1u, "one at a time (SP49)");
}

/* ---- polls ---- */

Test(core_scan, CO01_pauses_between_polls_grow_and_are_bounded)
{
    add_file("a", "x", 0);
    core_knows("id1", SAYS(WORKING));
    core_run();
    expect_ended(REST_FAILED, 0, "no verdict within the time for one (timeouts.result)");
    cr_assert_geq(rest_count, 10u);
    for (unsigned i = 0; i < rest_count; i++) {
        cr_expect_leq(rests[i], 1000);
        cr_expect(i == 0 || rests[i] > rests[i - 1] || rests[i] == 1000, "%u: %lld", i,
                  (long long)rests[i]);
    }
    cr_expect_leq(rests[0], 100);
    cr_expect_eq(rests[rest_count - 1], 1000);
    cr_expect_lt(forward_ms, plan.result_ms + 1000, "and not beyond its time");
    cr_expect_geq(forward_ms, plan.result_ms);
    cr_expect_eq(web->requests, rest_count + 1, "one poll for each pause");
    cr_expect_str_eq(files[0].id, "id1", "whoever comes later asks for it");
}

Test(core_scan, CO01_only_what_has_no_verdict_is_asked_for_again)
{
    add_file("a", "x", 0);
    add_file("b", "y", 0);
    core_knows("id1", SAYS(RESULT("Allowed")));
    core_knows("id2", SAYS(WORKING, WORKING, RESULT("Allowed")));
    core_run();
    expect_log("POST /file|POST /file|GET /file/id1|GET /file/id2|GET /file/id2|GET /file/id2|");
    cr_expect_str_eq(verdicts(), "aa");
}

Test(core_scan, SP24_what_was_submitted_here_before_is_not_submitted_again)
{
    add_file("a", "x", 0);
    add_file("b", "y", 0);
    add_file("c", "z", 0);
    strcpy(files[0].id, "old");
    files[1].verdict = CORE_ALLOWED;
    web_on(web, "GET /file/old", answer(200, RESULT("Allowed")), -1);
    core_knows("id3", SAYS(RESULT("Allowed")));
    core_run();
    expect_ended(REST_OK, 0, "");
    expect_log("POST /file|GET /file/old|GET /file/id3|");
}

/* ---- a Core that forgets ---- */

Test(core_scan, SP24_a_Core_that_was_restarted_gets_each_file_once_more)
{
    add_file("a", "x", 0);
    add_file("b", "y", 0);
    add_file("c", "z", 0);
    core_knows("id1", SAYS("{'id1': 'Not Found'}"));
    core_knows("id2", SAYS("{'id2': 'Not Found'}"));
    core_knows("id3", SAYS(RESULT("Allowed")));
    core_knows("id4", SAYS(RESULT("Allowed")));
    core_knows("id5", SAYS(WORKING, RESULT("Blocked")));
    core_run();
    expect_ended(REST_OK, 0, "");
    expect_log("POST /file|POST /file|POST /file|GET /file/id1|GET /file/id2|GET /file/id3|"
               "POST /file|POST /file|GET /file/id4|GET /file/id5|GET /file/id5|");
    cr_expect_str_eq(verdicts(), "aba");
}

Test(core_scan, SP24_one_that_forgets_again_has_failed)
{
    add_file("a", "x", 0);
    web_on(web, "POST /file", answer(200, "{'data_id': 'id1'}"), -1);
    web_on(web, "GET /file/id1", answer(404, "{}"), -1);
    core_run();
    expect_ended(REST_FAILED, 0, "it does not know what it took");
    expect_log("POST /file|GET /file/id1|POST /file|GET /file/id1|");
    cr_expect_str_eq(verdicts(), "?");
}

Test(core_scan, SP24_and_may_do_so_in_the_next_scan)
{
    add_file("a", "x", 0);
    strcpy(files[0].id, "old");
    files[0].was_forgotten = true;
    web_on(web, "GET /file/old", answer(404, "{}"), -1);
    core_knows("id1", SAYS(RESULT("Allowed")));
    core_run();
    expect_ended(REST_OK, 0, "");
}

/* ---- refusals ---- */

static const struct {
    int status;
    enum rest_word word;
} statuses[] = {
    { 301, REST_FAILED }, { 400, REST_NO },     { 401, REST_REFUSED }, { 403, REST_REFUSED },
    { 408, REST_BUSY },   { 411, REST_NO },     { 422, REST_NO },      { 429, REST_BUSY },
    { 500, REST_FAILED }, { 502, REST_FAILED }, { 503, REST_BUSY },
};

static void begin_again(void)
{
    memset(files, 0, sizeof(files));
    web_forget(web);
    seen[0] = '\0';
}

Test(core_scan, SP24_a_no_ends_it_with_the_reason_and_without_a_verdict)
{
    const char *allowed = "{'err': 'the key " REST_KEY "', 'process_info': "
                          "{'progress_percentage': 100, 'result': 'Allowed'}}";

    add_file("a", "x", 0);
    add_file("b", "y", 0);
    for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
        begin_again();
        web_on(web, "POST /file", answer(statuses[i].status, allowed), -1);
        core_run();
        expect_ended(statuses[i].word, statuses[i].status, "submission: it answered");
        expect_log("POST /file|");
        cr_expect_str_eq(verdicts(), "??");

        begin_again();
        web_on(web, "GET /file/id1", answer(statuses[i].status, allowed), -1);
        core_knows("id1", SAYS(WORKING));
        core_knows("id2", SAYS(WORKING));
        core_run();
        expect_ended(statuses[i].word, statuses[i].status, "verdict: it answered");
        cr_expect_str_eq(verdicts(), "??", "%d: a no is no verdict", statuses[i].status);
    }
}

Test(core_scan, CO01_what_it_will_never_take_is_blocked_and_the_others_go_on)
{
    add_file("a", "x", 0);
    add_file("b", "y", 0);
    web_on(web, "POST /file", answer(413, "{}"), 1);
    core_knows("id2", SAYS(RESULT("Allowed")));
    core_run();
    expect_ended(REST_OK, 0, "");
    cr_expect_str_eq(verdicts(), "ba");
    expect_log("POST /file|POST /file|GET /file/id2|");
}

static const char *const odd_answers[] = {
    "",
    "<html>",
    "[]",
    "{}",
    "{'data_id': null}",
    "{'data_id': ''}",
    "{'data_id': '../stat'}",
    "{'data_id': 'a/b'}",
    "{'data_id': 'a.b'}",
    "{'data_id': 'a\\r\\nX: y'}",
    "{'data_id': "
    "'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'}",
};

Test(core_scan, an_answer_without_an_id_that_can_be_used_is_a_failure)
{
    add_file("a", "x", 0);
    for (size_t i = 0; i < ARRAY_LEN(odd_answers); i++) {
        begin_again();
        web_on(web, "POST /file", answer(200, odd_answers[i]), -1);
        core_run();
        expect_ended(REST_FAILED, 0, "submission: the answer has no data_id");
        cr_expect_str_eq(files[0].id, "", "%s", odd_answers[i]);
    }
}

Test(core_scan, SP24_what_is_no_answer_of_a_Core_is_not_waited_on)
{
    static const char *const others[] = { "<html>log in first</html>", "", "[]", "null", "ok" };

    add_file("a", "x", 0);
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        begin_again();
        web_on(web, "GET /file/id1", answer(200, others[i]), -1);
        core_knows("id1", SAYS(WORKING));
        core_run();
        expect_ended(REST_FAILED, 0, "verdict: the answer is none of a Core");
        expect_log("POST /file|GET /file/id1|");
        cr_expect_str_eq(verdicts(), "?");
        cr_expect_str_eq(files[0].id, "id1", "it may be asked for once more");
    }
}

Test(core_scan, SP24_a_connection_that_is_cut_is_a_failure)
{
    add_file("a", "x", 0);
    web_on(web, "GET /file/id1", "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{!reset", -1);
    core_knows("id1", SAYS(WORKING));
    core_run();
    expect_ended(REST_FAILED, 0, "verdict: ");
    cr_expect_str_eq(files[0].id, "id1");
}

Test(core_scan, it_may_end_in_the_middle_of_a_pause)
{
    add_file("a", "x", 0);
    core_knows("id1", SAYS(WORKING));
    core_begin();
    UNTIL(rest_count == 2);
    core_scan_free(&scan);
    for (unsigned i = 0; i < 20; i++)
        loop_turn(loop, 0);
    cr_assert_eq(told.done, 0u);
}
