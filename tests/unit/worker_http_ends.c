/* How HTTP requests end that get no answer: each event by name. */
#include "http_stage.h"

static void setup(void)
{
    http_stage_begin(NULL);
    web = web_new(loop, NULL);
}

TestSuite(http_ends, .init = setup, .fini = http_stage_end, .timeout = 60);

/* What `say` is as an answer, to somebody who takes a hundred bytes. */
static void expect_end(const char *say, enum http_event event, const char *why)
{
    struct asked *asked = asked_new("http", "web.test", "/");

    web->rule_count = 0;
    web_on(web, "/", say, -1);
    asked->request.answer_max = 100;
    asked_run(asked);
    expect_event(asked, event, why);
    asked_free(&asked);
}

/* ---- unreachable ---- */

Test(http_ends, nobody_listens)
{
    struct asked *asked;

    loop_watch_free(&web->watch);
    close(web->fd);
    web->fd = -1;
    asked = get("/");
    expect_event(asked, HTTP_UNREACHABLE, "web.test:");
    expect_event(asked, HTTP_UNREACHABLE, ": Connection refused");
    asked_free(&asked);
    asked = asked_new("http", "[::1]", "/");
    asked_run(asked);
    expect_event(asked, HTTP_UNREACHABLE, "[::1]:");
    asked_free(&asked);
}

Test(http_ends, no_such_name)
{
    for (unsigned i = 0; i < 2; i++) { /* the second time the resolver knows */
        struct asked *asked = asked_new("http", "nowhere.test", "/");

        asked_run(asked);
        expect_event(asked, HTTP_UNREACHABLE, "no such name");
        asked_free(&asked);
    }
}

Test(http_ends, the_name_servers_are_silent)
{
    struct asked *asked = asked_new("http", "silent.test", "/");

    asked_run(asked);
    expect_event(asked, HTTP_UNREACHABLE, "the name servers do not answer");
    asked_free(&asked);
}

Test(http_ends, the_connection_ends_before_the_answer_or_within)
{
    expect_end("!close", HTTP_UNREACHABLE, "closed before an answer");
    expect_end("!reset", HTTP_UNREACHABLE, "the connection was lost");
    expect_end("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf!close", HTTP_UNREACHABLE,
               "in the middle of the answer");
    expect_end("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n!close", HTTP_UNREACHABLE,
               "in the middle of the answer");
    expect_end("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf!reset", HTTP_UNREACHABLE,
               "the connection was lost");
    expect_end("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf!close",
               HTTP_UNREACHABLE, "in the middle of the answer");
    expect_end("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n!close",
               HTTP_UNREACHABLE, "in the middle of the answer");
    expect_end("HTTP/1.1 200 OK\r\nContent-Len!close", HTTP_UNREACHABLE,
               "in the middle of the answer");
    expect_end("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Len!close",
               HTTP_UNREACHABLE, "in the middle of the answer");
    expect_end("HTTP/1.1 100 Continue\r\n\r\n!close", HTTP_UNREACHABLE, "before an answer");
    expect_end("HTTP/1.1 101 Other\r\nUpgrade: x\r\n\r\n!close", HTTP_UNREACHABLE,
               "before an answer");
    expect_end("HTTP/1.1 20!close", HTTP_UNREACHABLE, "closed before an answer");
}

/* ---- timed out ---- */

static void expect_timeout(const char *scheme, const char *host, const char *say,
                           int64_t connect_ms, int64_t total_ms, const char *why)
{
    struct asked *asked = asked_new(scheme, host, "/");
    int64_t began_ms = clock_mono_ms();

    web->rule_count = 0;
    web_on(web, "/", say, -1);
    asked->request.connect_ms = connect_ms;
    asked->request.total_ms = total_ms;
    asked_run(asked);
    expect_event(asked, HTTP_TIMED_OUT, why);
    cr_expect_geq(clock_mono_ms() - began_ms, 190);
    cr_expect_lt(clock_mono_ms() - began_ms, 3000, "it was another deadline");
    asked_free(&asked);
}

Test(http_ends, no_answer_in_time)
{
    expect_timeout("http", "web.test", "", 5000, 200, "no answer within 200 ms");
    expect_timeout("http", "web.test", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", 5000,
                   200, "no answer within 200 ms");
}

Test(http_ends, no_name_in_time)
{
    expect_timeout("http", "silent.test", "", 100, 200, "no answer within 200 ms");
}

/* A handshake that is not answered is no connection yet. */
Test(http_ends, no_connection_in_time)
{
    expect_timeout("https", "web.test", "", 200, 5000, "no connection within 200 ms");
}

/* A byte now and then is no answer. */
static struct loop_timer *drip;

static void on_drip(void *arg)
{
    struct web_client *client = LIST_FIRST(&web->clients);

    (void)arg;
    if (client != NULL && web->requests > 0) {
        stream_add(client->stream, "x", 1);
        stream_kick(client->stream);
    }
    loop_timer_set_ms(drip, 20);
}

Test(http_ends, a_server_that_drips_is_not_waited_for)
{
    drip = loop_timer_new(loop, on_drip, NULL);
    loop_timer_set_ms(drip, 20);
    expect_timeout("http", "web.test", "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", 5000,
                   300, "no answer within 300 ms");
    loop_timer_free(&drip);
}

/* ---- too large ---- */

/* free(). */
static char *repeat(const char *head, const char *line, unsigned times, const char *tail)
{
    char *text = malloc(strlen(head) + strlen(line) * times + strlen(tail) + 1), *at = text;

    at = stpcpy(at, head);
    for (unsigned i = 0; i < times; i++)
        at = stpcpy(at, line);
    strcpy(at, tail);
    return text;
}

static void expect_large(char *say, const char *why)
{
    expect_end(say, HTTP_TOO_LARGE, why);
    free(say);
}

Test(http_ends, an_answer_over_its_limit_is_not_taken)
{
    struct asked *asked;
    char *exact = repeat("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", "x", 100, "");

    expect_large(repeat("HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n", "x", 101, ""),
                 "the answer is larger than 100 bytes");
    /* Announced is enough. */
    expect_large(repeat("HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n", "x", 0, ""),
                 "the answer is larger than 100 bytes");
    expect_large(repeat("HTTP/1.0 200 OK\r\n\r\n", "x", 101, ""),
                 "the answer is larger than 100 bytes");
    expect_large(
        repeat("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n", 101, ""),
        "the answer is larger than 100 bytes");
    web->rule_count = 0;
    web_on(web, "/", exact, -1);
    asked = asked_new("http", "web.test", "/");
    asked->request.answer_max = 100;
    asked_run(asked);
    cr_expect_eq(asked->event, HTTP_ANSWERED, "%s", asked->why);
    cr_expect_eq(asked->body_bytes, 100u);
    asked_free(&asked);
    free(exact);
}

Test(http_ends, who_takes_no_body_gets_none)
{
    struct asked *asked = asked_new("http", "web.test", "/");

    asked->request.answer_max = 0;
    asked_run(asked);
    expect_event(asked, HTTP_TOO_LARGE, "the answer is larger than 0 bytes");
    asked_free(&asked);
}

Test(http_ends, a_head_over_its_limit_is_not_taken)
{
    expect_large(repeat("HTTP/1.1 200 OK\r\n",
                        "X-Long: 0123456789012345678901234567890123456789\r\n", 2000,
                        "Content-Length: 0\r\n\r\n"),
                 "the head of the answer is too large");
    expect_large(repeat("HTTP/1.1 200 OK\r\nX-Long: ", "0123456789", 20000, "\r\n\r\n"),
                 "the head of the answer is too large");
    expect_large(repeat("", "HTTP/1.1 100 Continue\r\n\r\n", 4000, ""),
                 "the head of the answer is too large");
}

/* ---- nonsense ---- */

Test(http_ends, what_is_not_http_is_told_as_that)
{
    expect_end("220 mail.test ESMTP\r\n", HTTP_NONSENSE, "not HTTP");
    expect_end("<html>hello</html>!close", HTTP_NONSENSE, "not HTTP");
    expect_end("HTTP/1.1 OK\r\n\r\n!close", HTTP_NONSENSE, "not HTTP");
    expect_end("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\nabc\r\n", HTTP_NONSENSE,
               "not HTTP");
    expect_end("HTTP/1.1 200 OK\r\nContent-Length: -4\r\n\r\nok", HTTP_NONSENSE, "not HTTP");
}

/* Never what was received. */
Test(http_ends, words_hold_nothing_of_an_answer)
{
    static const char *const says[] = {
        "SECRET!close",
        "HTTP/1.1 SECRET\r\n\r\n!close",
        "HTTP/1.1 200 SECRET\r\nSECRET\r\n\r\n!close",
        "HTTP/1.1 200 OK\r\nContent-Length: SECRET\r\n\r\n!close",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: SECRET\r\n\r\nx!close",
        "HTTP/1.1 200 OK\r\nContent-Encoding: SECRET\r\nContent-Length: 9\r\n\r\nx!close",
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nSECRET!close"
    };

    for (size_t i = 0; i < sizeof(says) / sizeof(says[0]); i++) {
        struct asked *asked;

        web->rule_count = 0;
        web_on(web, "/SECRET", says[i], -1);
        asked = get("/SECRET");
        cr_expect_null(strstr(asked->why, "SECRET"), "%s: %s", says[i], asked->why);
        asked_free(&asked);
    }
}
