/* What the answers of a Core or Vault mean, and what of them a person is shown. */
#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include "worker/http.h"
#include "worker/rest/judge.h"

TestSuite(rest_judge, .timeout = 20);

static struct http_answer answer_of(long status, const char *body)
{
    return (struct http_answer){
        .event = HTTP_ANSWERED, .status = status, .body = body, .body_bytes = strlen(body)
    };
}

static struct http_answer end_of(enum http_event event, const char *why)
{
    return (struct http_answer){ .event = event, .body = "", .why = why };
}

Test(rest_judge, each_status_and_each_end_has_its_word)
{
    static const struct {
        long status;
        enum rest_word word;
    } statuses[] = {
        { 200, REST_OK },      { 204, REST_OK },      { 301, REST_FAILED }, { 400, REST_NO },
        { 401, REST_REFUSED }, { 403, REST_REFUSED }, { 404, REST_NO },     { 405, REST_NO },
        { 408, REST_BUSY },    { 411, REST_NO },      { 422, REST_NO },     { 429, REST_BUSY },
        { 500, REST_FAILED },  { 502, REST_FAILED },  { 503, REST_BUSY },   { 504, REST_FAILED },
        { 999, REST_FAILED },
    };
    static const struct {
        enum http_event event;
        enum rest_word word;
    } ends[] = {
        { HTTP_UNREACHABLE, REST_FAILED }, { HTTP_TIMED_OUT, REST_FAILED },
        { HTTP_TLS_FAILED, REST_FAILED },  { HTTP_NONSENSE, REST_FAILED },
        { HTTP_TOO_LARGE, REST_FAILED },   { HTTP_SHORT, REST_SHORT },
    };

    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        const struct http_answer answer = answer_of(statuses[i].status, "");

        cr_expect_eq(rest_judge(&answer), statuses[i].word, "%ld", statuses[i].status);
    }
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        const struct http_answer answer = end_of(ends[i].event, "why");

        cr_expect_eq(rest_judge(&answer), ends[i].word, "event %d", (int)ends[i].event);
    }
}

Test(rest_judge, a_page_is_known_by_its_beginning)
{
    static const char *const pages[] = { "<html>", " \r\n\t<!DOCTYPE html>", "\xef\xbb\xbf<p>" };
    static const char *const others[] = { "", "{\"a\":\"<\"}", "x <html>", "\xef\xbb" };

    for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
        const struct http_answer answer = answer_of(200, pages[i]);

        cr_expect(rest_is_page(&answer), "%s", pages[i]);
    }
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        const struct http_answer answer = answer_of(200, others[i]);

        cr_expect_not(rest_is_page(&answer), "%s", others[i]);
    }
}

/* As a client does. */
static const char *say(const struct http_answer *answer, const char *secret)
{
    static struct reason said;
    json_t *body = json_loadb(answer->body, answer->body_bytes, JSON_DECODE_ANY, NULL);

    rest_say(answer, body, secret, &said);
    json_decref(body);
    return said.text;
}

#define SECRET "tell-nobody-of-this-key"

Test(rest_judge, the_servers_own_words_are_found_in_each_form)
{
    static const struct {
        const char *body, *said;
    } rows[] = {
        { "{\"err\":\"Access denied\"}", "it answered 403: Access denied" },
        { "{\"message\":\"No such key\",\"ui_message_key\":\"X\"}",
          "it answered 403: No such key" },
        { "{\"error\":\"no\"}", "it answered 403: no" },
        { "{\"message\":null,\"err\":\"\",\"error\":\"no\"}", "it answered 403: no" },
        { "[{\"status_code\":\"X\"},{\"message\":\"second\"}]", "it answered 403: second" },
        { "[]", "it answered 403" },
        { "[[{\"err\":\"deep\"}]]", "it answered 403" },
        { "{\"err\":{\"message\":\"deep\"}}", "it answered 403" },
        { "{\"err\":17}", "it answered 403" },
        { "\"words\"", "it answered 403" },
        { "", "it answered 403" },
        { "<html><h1>403 Forbidden</h1></html>", "it answered 403" },
        { "{\"err\":\"cut", "it answered 403" },
        { "{\"err\":\"one\\ntwo\\u001b[31m\\u0000\xc3\xa9\"}",
          "it answered 403" }, /* NUL: no text */
        { "{\"err\":\"one\\ntwo\\u001b[31m\xc3\xa9\\u007f\"}", "it answered 403: one?two?[31m???" },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct http_answer answer = answer_of(403, rows[i].body);

        cr_expect_str_eq(say(&answer, SECRET), rows[i].said, "%s", rows[i].body);
        cr_expect_str_eq(say(&answer, NULL), rows[i].said, "%s", rows[i].body);
    }
}

Test(rest_judge, without_an_answer_it_is_said_why)
{
    const struct http_answer answer = end_of(HTTP_TIMED_OUT, "vault.test:443: no answer");

    cr_expect_str_eq(say(&answer, SECRET), "vault.test:443: no answer");
}

/* Also where the words are cut. */
Test(rest_judge, SP60_a_server_that_repeats_the_key_is_not_repeated)
{
    char before[400], body[1024];

    memset(before, '.', sizeof(before));
    for (int i = 0; i < (int)sizeof(before); i++) {
        struct http_answer answer;

        snprintf(body, sizeof(body), "{\"message\":\"%.*s%s is no key\"}", i, before, SECRET);
        answer = answer_of(401, body);
        cr_assert_str_eq(say(&answer, SECRET), "it answered 401");
    }
}

Test(rest_judge, words_have_an_end)
{
    char text[1000], out[10];

    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    rest_clean(text, NULL, out, sizeof(out));
    cr_expect_str_eq(out, "xxxxxxxxx");
    rest_clean(text, "", out, 1);
    cr_expect_str_eq(out, "");
}
