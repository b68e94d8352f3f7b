/* What a Core's answers mean (CO01). */
#include <criterion/criterion.h>

#include <string.h>

#include "worker/rest/core_scan.h"

static json_t *json_of(const char *text)
{
    json_t *json = json_loads(text, JSON_DECODE_ANY, NULL);

    cr_assert_not_null(json, "%s", text);
    return json;
}

static const struct {
    const char *answer;
    enum core_progress progress;
    enum core_verdict verdict;
    const char *why;
} results[] = {
    { "{\"process_info\":{\"progress_percentage\":100,\"result\":\"Allowed\"}}", CORE_READY,
      CORE_ALLOWED, "" },
    { "{\"process_info\":{\"progress_percentage\":100,\"result\":\"Blocked\","
      "\"blocked_reason\":\"Infected\"},\"scan_results\":{\"scan_all_result_a\":\"x\"}}",
      CORE_READY, CORE_BLOCKED, "Infected" },
    { "{\"process_info\":{\"progress_percentage\":100,\"result\":\"Blocked\","
      "\"blocked_reason\":\"\"},\"scan_results\":{\"scan_all_result_a\":\"Encrypted Archive\"}}",
      CORE_READY, CORE_BLOCKED, "Encrypted Archive" },
    { "{\"process_info\":{\"progress_percentage\":100,\"result\":\"Blocked\","
      "\"blocked_reason\":\"a\\r\\nb\\u0000c\"}}",
      CORE_READY, CORE_BLOCKED, NULL },
    /* Only one word lets it through. */
    { "{\"process_info\":{\"progress_percentage\":100,\"result\":\"allowed\"}}", CORE_READY,
      CORE_BLOCKED, "allowed" },
    { "{\"process_info\":{\"progress_percentage\":100,\"result\":\"\"}}", CORE_READY, CORE_BLOCKED,
      "no reason was given" },
    { "{\"process_info\":{\"progress_percentage\":100}}", CORE_READY, CORE_BLOCKED,
      "no reason was given" },
    { "{\"process_info\":{\"progress_percentage\":100,\"result\":true}}", CORE_READY, CORE_BLOCKED,
      "no reason was given" },
    { "{\"process_info\":{\"progress_percentage\":100.0,\"result\":\"Allowed\"}}", CORE_READY,
      CORE_ALLOWED, "" },
    /* Not ready, whatever else it says. */
    { "{\"process_info\":{\"progress_percentage\":99.9,\"result\":\"Allowed\"}}", CORE_WORKING,
      CORE_UNKNOWN, "" },
    { "{\"process_info\":{\"progress_percentage\":99,\"result\":\"Allowed\"}}", CORE_WORKING,
      CORE_UNKNOWN, "" },
    { "{\"process_info\":{\"progress_percentage\":100,\"result\":\"Processing\"}}", CORE_WORKING,
      CORE_UNKNOWN, "" },
    { "{\"process_info\":{\"progress_percentage\":\"100\",\"result\":\"Allowed\"}}", CORE_WORKING,
      CORE_UNKNOWN, "" },
    { "{\"scan_results\":{\"progress_percentage\":100,\"scan_all_result_a\":\"No Threat\"}}",
      CORE_WORKING, CORE_UNKNOWN, "" },
    { "{}", CORE_WORKING, CORE_UNKNOWN, "" },
    { "[]", CORE_WORKING, CORE_UNKNOWN, "" },
    { "\"Allowed\"", CORE_WORKING, CORE_UNKNOWN, "" },
    { "null", CORE_WORKING, CORE_UNKNOWN, "" },
    /* It does not know the file. */
    { "{\"f1\":\"Not Found\"}", CORE_FORGOTTEN, CORE_UNKNOWN, "" },
    { "{\"f2\":\"Not Found\"}", CORE_WORKING, CORE_UNKNOWN, "" },
};

Test(core_verdict, CO01_every_result_is_read)
{
    for (size_t i = 0; i < sizeof(results) / sizeof(results[0]); i++) {
        struct core_file file = { .id = "f1" };
        json_t *body = json_loads(results[i].answer, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        const struct rest_answer answer = { .word = REST_OK, .status = 200, .body = body };

        cr_assert_not_null(body, "%s", results[i].answer);
        cr_expect_eq(core_read_result(&answer, &file), results[i].progress, "%s",
                     results[i].answer);
        cr_expect_eq(file.verdict, results[i].verdict, "%s", results[i].answer);
        if (results[i].why != NULL)
            cr_expect_str_eq(file.why, results[i].why, "%s", results[i].answer);
        cr_expect_null(strpbrk(file.why, "\r\n"), "%s", results[i].answer);
        json_decref(body);
    }
}

Test(core_verdict, CO01_only_a_yes_has_a_verdict)
{
    static const enum rest_word words[] = { REST_REFUSED, REST_NO, REST_BUSY, REST_FAILED };
    json_t *body =
        json_of("{\"process_info\":{\"progress_percentage\":100,\"result\":\"Allowed\"}}");

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        struct core_file file = { .id = "f1" };
        const struct rest_answer answer = { .word = words[i], .status = 500, .body = body };

        cr_expect_eq(core_read_result(&answer, &file), CORE_WORKING);
        cr_expect_eq(file.verdict, CORE_UNKNOWN);
    }
    json_decref(body);
}

Test(core_verdict, CO01_a_file_is_forgotten_whatever_the_status)
{
    json_t *body = json_of("{\"f1\":\"Not Found\"}");
    struct core_file file = { .id = "f1" };

    cr_expect_eq(
        core_read_result(&(struct rest_answer){ .word = REST_FAILED, .status = 500, .body = body },
                         &file),
        CORE_FORGOTTEN);
    cr_expect_eq(core_read_result(&(struct rest_answer){ .word = REST_NO, .status = 404 }, &file),
                 CORE_FORGOTTEN);
    json_decref(body);
}

Test(core_verdict, a_long_reason_is_cut)
{
    struct core_file file = { .id = "f1" };
    char reason[1000];
    json_t *body;

    memset(reason, 'x', sizeof(reason));
    reason[sizeof(reason) - 1] = '\0';
    body = json_pack("{s:{s:i, s:s, s:s}}", "process_info", "progress_percentage", 100, "result",
                     "Blocked", "blocked_reason", reason);
    cr_assert_eq(core_read_result(&(struct rest_answer){ .status = 200, .body = body }, &file),
                 CORE_READY);
    cr_assert_eq(strlen(file.why), (size_t)CORE_WHY_SIZE - 1);
    json_decref(body);
}

static const struct {
    long status;
    const char *body; /* NULL: no JSON */
    bool is_final;
    enum core_verdict verdict;
} refusals[] = {
    { 422, "{\"err\":\"File is empty.\"}", false, CORE_UNKNOWN }, /* none that is was sent */
    { 500,
      "{\"err\":\"Failed to request scan. File size exceeded the maximum size permitted by your "
      "configuration.\"}",
      true, CORE_BLOCKED },
    { 413, NULL, true, CORE_BLOCKED }, /* a front says so */
    { 500, "{\"err\":\"unexpected\"}", false, CORE_UNKNOWN },
    { 500, NULL, false, CORE_UNKNOWN },
    { 503, "{\"err\":\"Server is too busy. Try again later.\"}", false, CORE_UNKNOWN },
    { 400, "{\"err\":\"not enough free disk\"}", false, CORE_UNKNOWN },
    { 403, "{\"err\":\"Access denied\"}", false, CORE_UNKNOWN },
    { 411, "{\"err\":\"Missing Content-Length header.\"}", false, CORE_UNKNOWN },
};

Test(core_verdict, CO01_a_file_that_a_core_will_never_take_has_its_verdict)
{
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        struct core_file file = { .verdict = CORE_UNKNOWN };
        json_t *body = refusals[i].body != NULL ? json_of(refusals[i].body) : NULL;
        const struct rest_answer answer = { .status = refusals[i].status, .body = body };

        cr_expect_eq(core_read_refusal(&answer, &file), refusals[i].is_final, "row %zu", i);
        cr_expect_eq(file.verdict, refusals[i].verdict, "row %zu", i);
        json_decref(body);
    }
}
