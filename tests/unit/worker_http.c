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

/* The server closes it behind the answer. */
Test(http, a_connection_that_is_not_to_be_kept_is_not)
{
    web_on(web, "/last", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", 1);
    for (unsigned i = 0; i < 2; i++) {
        struct asked *asked = get(i == 0 ? "/last" : "/");

        expect_answer(asked, 200, "ok");
        asked_free(&asked);
    }
    cr_expect_eq(web->connections, 2u);
}

Test(http, a_connection_that_was_closed_meanwhile_costs_nothing)
{
    struct asked *asked = get("/");

    asked_free(&asked);
    web_hang_up_all(web);
    asked = get("/");
    expect_answer(asked, 200, "ok");
    cr_expect_eq(web->connections, 2u);
    asked_free(&asked);
}

/* It can happen while the request is on its way. */
Test(http, a_request_without_any_answer_on_a_kept_connection_is_sent_once_more)
{
    struct asked *asked = get("/");

    asked_free(&asked);
    web_on(web, "/again", "!close", 1);
    asked = get("/again");
    expect_answer(asked, 200, "ok");
    cr_expect_eq(web->requests, 3u);
    cr_expect_eq(web->connections, 2u);
    asked_free(&asked);
}

Test(http, one_that_is_alone_is_sent_once_on_a_connection_of_its_own)
{
    struct asked *first = get("/"), *alone = asked_new("http", "web.test", "/alone");
    struct asked *last;

    web_on(web, "/alone", "!close", 1);
    alone->request.is_alone = true;
    asked_run(alone);
    expect_event(alone, HTTP_UNREACHABLE, "the connection was closed before an answer");
    cr_expect_eq(web->requests, 2u);
    cr_expect_eq(web->connections, 2u);
    alone->told = 0;
    asked_run(alone);
    expect_answer(alone, 200, "ok");
    cr_expect_eq(web->connections, 3u);
    last = get("/");
    expect_answer(last, 200, "ok");
    cr_expect_eq(web->connections, 3u, "the first one, which was kept");
    UNTIL(web->open == 1);
    asked_free(&first);
    asked_free(&alone);
    asked_free(&last);
}

Test(http, a_large_body_goes_out_whole_and_at_once)
{
    const size_t bytes = 3U << 20;
    struct asked *asked = asked_new("http", "web.test", "/much");
    char *body = malloc(bytes);

    for (size_t i = 0; i < bytes; i++)
        body[i] = (char)('a' + i % 23);
    asked->request.method = "PUT";
    asked->request.body = body;
    asked->request.body_bytes = bytes;
    asked_run(asked);
    expect_answer(asked, 200, "ok");
    cr_expect_eq(strncmp(web->head, "PUT /much ", 10), 0, "%s", web->head);
    cr_expect_null(strcasestr(web->head, "Expect"), "%s", web->head);
    cr_assert_eq(web->body_bytes, bytes);
    cr_expect_eq(memcmp(web->body, body, bytes), 0);
    free(body);
    asked_free(&asked);
}

/* What the caller does with its own afterwards is no matter. */
Test(http, a_request_is_copied)
{
    char method[] = "POST", header[] = "X-Word: before", body[] = "before";
    const char *headers[] = { header, NULL };
    struct asked *asked = asked_new("http", "web.test", "/");

    asked->request.method = method;
    asked->request.headers = headers;
    asked->request.body = body;
    asked->request.body_bytes = 6;
    asked_start(asked);
    memset(method, 'x', 4);
    memset(header, 'x', 14);
    memset(body, 'x', 6);
    memset(asked->url, 'x', 20);
    headers[0] = NULL;
    UNTIL(asked->told > 0);
    cr_expect_eq(strncmp(web->head, "POST / ", 7), 0, "%s", web->head);
    cr_expect_not_null(strstr(web->head, "X-Word: before"));
    cr_expect_str_eq(web->body, "before");
    asked_free(&asked);
}

Test(http, bodies_come_in_each_form)
{
    static const struct {
        const char *say;
        long status;
        const char *body;
    } rows[] = {
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
          200, "abcde" },
        { "HTTP/1.0 200 OK\r\n\r\nuntil the end!close", 200, "until the end" },
        { "HTTP/1.1 204 Nothing\r\n\r\n", 204, "" },
        { "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Made\r\nContent-Length: 1\r\n\r\nx", 201,
          "x" },
        { "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nraw", 200, "raw" },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct asked *asked;

        web_on(web, "/body", rows[i].say, 1);
        asked = get("/body");
        expect_answer(asked, rows[i].status, rows[i].body);
        asked_free(&asked);
    }
}

Test(http, a_head_request_waits_for_no_body)
{
    struct asked *asked = asked_new("http", "web.test", "/head");

    web_on(web, "/head", "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", 1);
    asked->request.method = "HEAD";
    asked_run(asked);
    expect_answer(asked, 200, "");
    asked_free(&asked);
}

Test(http, hosts_are_names_in_any_case_and_addresses)
{
    static const char *const hosts[] = { "WEB.Test", "127.0.0.1", "127.1", "both.test",
                                         "web.test." };

    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
        struct asked *asked = asked_new("http", hosts[i], "/");

        asked_run(asked);
        expect_answer(asked, 200, "ok");
        asked_free(&asked);
    }
}

/* ---- what is none of a request's business ---- */

Test(http, the_environment_does_not_matter)
{
    static const char *const names_of_proxies[] = { "http_proxy", "HTTP_PROXY", "ALL_PROXY",
                                                    "all_proxy" };
    char home[] = "/tmp/postern-http-XXXXXX", path[64];
    struct asked *asked;
    FILE *netrc;

    cr_assert_not_null(mkdtemp(home));
    snprintf(path, sizeof(path), "%s/.netrc", home);
    netrc = fopen(path, "w");
    fprintf(netrc, "default login me password secret\n");
    fclose(netrc);
    setenv("HOME", home, 1);
    for (size_t i = 0; i < 4; i++)
        setenv(names_of_proxies[i], "http://127.0.0.1:1", 1);
    asked = get("/");
    expect_answer(asked, 200, "ok");
    cr_expect_null(strcasestr(web->head, "Authorization"), "%s", web->head);
    asked_free(&asked);
    unlink(path);
    rmdir(home);
}

Test(http, cookies_are_not_kept)
{
    struct asked *asked;

    web_on(web, "/cookie", "HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n", 1);
    asked = get("/cookie");
    asked_free(&asked);
    asked = get("/cookie");
    cr_expect_null(strcasestr(web->head, "Cookie:"), "%s", web->head);
    asked_free(&asked);
}

/* ---- what is no request ---- */

static void expect_invalid(const struct http_request *request, const char *what)
{
    struct http_job *job = NULL;
    struct reason why = { "" };

    cr_expect_eq(http_start(http, request, asked_done, NULL, &job, &why), -EINVAL, "%s", what);
    cr_expect_null(job);
    cr_expect_str_neq(why.text, "");
}

Test(http, what_is_no_request_is_not_begun)
{
    static const char *const urls[] = { "",
                                        "web.test/",
                                        "http://",
                                        "ftp://web.test/",
                                        "file:///etc/passwd",
                                        "http://user@web.test/",
                                        "http://user:word@web.test/",
                                        "http://web.test:99999/",
                                        "http://web.test/a b",
                                        "http://web.test/\r\nX: y",
                                        "http://w\xc3\xa4\x62.test/" };
    static const char *const methods[] = { "", "GET ", "GET / HTTP/1.1\r\nX:", "G\xc3\xa4T" };
    static const char *const lines[] = { "",           "Name",   "Name:",           ": value",
                                         "N v:",       "Name:v", "Name: v\r\nX: y", "Name: v\ny",
                                         "Na\r\nme: v" };
    const struct http_request good = {
        .method = "GET", .url = "http://web.test/", .connect_ms = 1, .total_ms = 1
    };
    struct http_request bad;

    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        bad = good;
        bad.url = urls[i];
        expect_invalid(&bad, urls[i]);
    }
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        bad = good;
        bad.method = methods[i];
        expect_invalid(&bad, methods[i]);
    }
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        const char *const headers[] = { "Good: one", lines[i], NULL };

        bad = good;
        bad.headers = headers;
        expect_invalid(&bad, lines[i]);
    }
    bad = good;
    bad.total_ms = HTTP_TOTAL_MAX_MS + 1;
    expect_invalid(&bad, "too long");
    bad = good;
    bad.connect_ms = 0;
    expect_invalid(&bad, "no time to connect");
    bad = good;
    bad.url = "https://web.test/";
    bad.ca = "no PEM";
    expect_invalid(&bad, "a CA that is none");
}

Test(http, what_goes_into_a_form_is_encoded)
{
    char *text = http_encode("a b&c=d+/%\xc3\xa9~");

    cr_assert_str_eq(text, "a%20b%26c%3Dd%2B%2F%25%C3%A9~");
    secret_free(&text);
}
