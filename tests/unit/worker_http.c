/* HTTP requests: what is sent, what comes back, and each way in which it can go wrong. */
#include "http_stage.h"

#include "common/secret.h"

static void setup(void)
{
    http_stage_begin(NULL);
    web = web_new(loop, NULL);
}

TestSuite(http, .init = setup, .fini = http_stage_end, .timeout = 60);

static void expect_answer(struct asked *asked, long status, const char *body)
{
    cr_expect_eq(asked->event, HTTP_ANSWERED, "%s", asked->why);
    cr_expect_eq(asked->status, status);
    cr_expect_str_eq(asked->body, body);
}

/* ---- requests and answers ---- */

Test(http, a_get_is_answered)
{
    struct asked *asked = get("/a?b=c");

    expect_answer(asked, 200, "ok");
    cr_expect_eq(strncmp(web->head, "GET /a?b=c HTTP/1.1\r\n", 21), 0, "%s", web->head);
    cr_expect_not_null(strstr(web->head, "\r\nHost: web.test:"), "%s", web->head);
    cr_expect_null(strstr(web->head, "Encoding"), "%s", web->head);
    asked_free(&asked);
}

Test(http, a_post_carries_its_headers_and_its_body)
{
    static const char *const headers[] = { "Content-Type: application/json",
                                           "Authorization: Bearer abc", NULL };
    struct asked *asked = asked_new("http", "web.test", "/token");

    asked->request.method = "POST";
    asked->request.headers = headers;
    asked->request.body = "{\"a\":\0 1}";
    asked->request.body_bytes = 9;
    asked_run(asked);
    expect_answer(asked, 200, "ok");
    cr_expect_eq(strncmp(web->head, "POST /token HTTP/1.1\r\n", 22), 0, "%s", web->head);
    cr_expect_not_null(strstr(web->head, "\r\nContent-Type: application/json\r\n"));
    cr_expect_not_null(strstr(web->head, "\r\nAuthorization: Bearer abc\r\n"));
    cr_expect_null(strcasestr(web->head, "Expect"), "%s", web->head);
    cr_expect_eq(web->body_bytes, 9u);
    cr_expect_eq(memcmp(web->body, "{\"a\":\0 1}", 9), 0);
    asked_free(&asked);
}

Test(http, a_status_other_than_200_is_an_answer)
{
    struct asked *asked;

    web_on(web, "/no", "HTTP/1.1 401 No\r\nContent-Length: 4\r\n\r\nwhat", 1);
    asked = get("/no");
    expect_answer(asked, 401, "what");
    asked_free(&asked);
}

Test(http, a_redirect_is_an_answer_and_not_followed)
{
    struct asked *asked;

    web_on(web, "/there", "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n",
           1);
    asked = get("/there");
    expect_answer(asked, 302, "");
    cr_expect_eq(web->requests, 1u);
    asked_free(&asked);
}

Test(http, connections_are_used_again)
{
    for (unsigned i = 0; i < 5; i++) {
        struct asked *asked = get("/");

        expect_answer(asked, 200, "ok");
        asked_free(&asked);
    }
    cr_expect_eq(web->requests, 5u);
    cr_expect_eq(web->connections, 1u);
}

/* ---- failures ---- */

Test(http, nobody_listens)
{
    struct asked *asked;

    close(web->fd);
    loop_watch_free(&web->watch);
    web->fd = -1;
    asked = get("/");
    expect_event(asked, HTTP_UNREACHABLE, "Connection refused");
    asked_free(&asked);
}

Test(http, no_such_name)
{
    struct asked *asked = asked_new("http", "nowhere.test", "/");

    asked_run(asked);
    expect_event(asked, HTTP_UNREACHABLE, "no such name");
    asked_free(&asked);
}

Test(http, no_answer_within_the_deadline)
{
    struct asked *asked = asked_new("http", "web.test", "/silence");

    web_on(web, "/silence", "", -1);
    asked->request.total_ms = 200;
    asked_run(asked);
    expect_event(asked, HTTP_TIMED_OUT, "no answer within 200 ms");
    asked_free(&asked);
}

Test(http, what_goes_into_a_form_is_encoded)
{
    char *text = http_encode("a b&c=d+/%\xc3\xa9~");

    cr_assert_str_eq(text, "a%20b%26c%3Dd%2B%2F%25%C3%A9~");
    secret_free(&text);
}
