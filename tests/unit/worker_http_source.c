/* HTTP requests whose body is fetched piece by piece: what is sent, how it ends when it cannot be
 * fetched, when the server says no in the middle of it, and when nothing moves. */
#include "http_stage.h"
#include "tls_helper.h"

static void setup(void)
{
    http_stage_begin(NULL);
    web = web_new(loop, NULL);
}

TestSuite(http_source, .init = setup, .fini = http_stage_end, .timeout = 60);

#define PIECE_MAX (64U << 10)

struct body {
    struct http_source source;
    uint64_t at, ends_at; /* the second: where there is no more, whatever was announced */
    int err, rewind_err;
    unsigned rewinds, reads;
    size_t largest; /* that was asked for */
};

static char byte_at(uint64_t at)
{
    return (char)('a' + at % 23);
}

static ssize_t read_body(char *out, size_t max, void *arg)
{
    struct body *body = arg;
    size_t bytes = body->ends_at - body->at < max ? (size_t)(body->ends_at - body->at) : max;

    body->reads++;
    if (max > body->largest)
        body->largest = max;
    if (bytes > 7777)
        bytes = 7777; /* a source need not fill what there is */
    for (size_t i = 0; i < bytes; i++)
        out[i] = byte_at(body->at++);
    return bytes > 0 ? (ssize_t)bytes : body->err;
}

static int rewind_body(void *arg)
{
    struct body *body = arg;

    body->rewinds++;
    body->at = 0;
    return body->rewind_err;
}

static struct body body_of(uint64_t bytes)
{
    return (struct body){
        .source = { .bytes = bytes, .read = read_body, .rewind = rewind_body },
        .ends_at = bytes,
    };
}

static struct asked *send_new(const char *method, const char *target, struct body *body)
{
    struct asked *asked = asked_new("http", "web.test", target);

    body->source.arg = body;
    asked->request.method = method;
    asked->request.source = &body->source;
    return asked;
}

static void expect_received(const char *first_line, uint64_t bytes)
{
    char length[64];

    snprintf(length, sizeof(length), "\r\nContent-Length: %llu\r\n", (unsigned long long)bytes);
    cr_expect_eq(strncmp(web->head, first_line, strlen(first_line)), 0, "%s", web->head);
    cr_expect_not_null(strstr(web->head, length), "%s", web->head);
    cr_expect_null(strcasestr(web->head, "Encoding"), "%s", web->head);
    cr_expect_null(strcasestr(web->head, "Expect"), "%s", web->head);
    cr_assert_eq(web->body_bytes, bytes);
    for (size_t i = 0; i < bytes; i++)
        cr_assert_eq(web->body[i], byte_at(i), "byte %zu", i);
}

/* ---- what is sent ---- */

Test(http_source, a_body_is_fetched_as_it_is_sent_by_any_method)
{
    static const char *const methods[] = { "POST", "PATCH", "PUT" };
    static const uint64_t sizes[] = { 1, 7777, 100000, (3U << 20) + 1 };

    for (size_t i = 0; i < 3; i++) {
        for (size_t j = 0; j < 4; j++) {
            struct body body = body_of(sizes[j]);
            struct asked *asked = send_new(methods[i], "/part?of=it", &body);
            char first_line[64];

            asked_run(asked);
            cr_assert_eq(asked->event, HTTP_ANSWERED, "%s", asked->why);
            snprintf(first_line, sizeof(first_line), "%s /part?of=it HTTP/1.1\r\n", methods[i]);
            expect_received(first_line, sizes[j]);
            cr_expect_null(strcasestr(web->head, "Content-Type"), "%s", web->head);
            cr_expect_leq(body.largest, PIECE_MAX);
            cr_expect_eq(body.rewinds, 0u);
            asked_free(&asked);
        }
    }
    cr_expect_eq(web->connections, 1u);
}

Test(http_source, its_headers_are_the_callers)
{
    static const char *const headers[] = { "Content-Type: application/octet-stream",
                                           "file_name: a.txt", NULL };
    struct body body = body_of(10);
    struct asked *asked = send_new("PATCH", "/", &body);

    asked->request.headers = headers;
    asked_run(asked);
    expect_received("PATCH / HTTP/1.1\r\n", 10);
    cr_expect_not_null(strstr(web->head, "\r\nContent-Type: application/octet-stream\r\n"));
    cr_expect_not_null(strstr(web->head, "\r\nfile_name: a.txt\r\n"));
    asked_free(&asked);
}

Test(http_source, it_may_have_no_byte)
{
    struct body body = body_of(0);
    struct asked *asked = send_new("POST", "/", &body);

    asked_run(asked);
    cr_expect_eq(asked->event, HTTP_ANSWERED, "%s", asked->why);
    expect_received("POST / HTTP/1.1\r\n", 0);
    cr_expect_eq(body.reads, 0u);
    asked_free(&asked);
}

Test(http_source, it_goes_through_tls)
{
    const uint64_t bytes = (1U << 20) + 1;
    struct tls_paper *paper = tls_issue("web", "DNS:web.test", NULL, true, 20);
    const struct tls_identity identity = { paper->certificate_file, paper->key_file };
    struct tls_context *context = NULL;
    struct body body = body_of(bytes);
    struct asked *asked;
    char *pem = tls_pem_of(paper);

    cr_assert_eq(tls_server_new(&identity, &context, NULL), 0);
    web_free(&web);
    web = web_new(loop, context);
    tls_release(context);
    asked = send_new("POST", "/", &body);
    snprintf(asked->url, sizeof(asked->url), "https://web.test:%u/", web->port);
    asked->request.ca = pem;
    asked_run(asked);
    cr_expect_eq(asked->event, HTTP_ANSWERED, "%s", asked->why);
    expect_received("POST / HTTP/1.1\r\n", bytes);
    asked_free(&asked);
    tls_paper_free(&paper);
    free(pem);
}

Test(http_source, there_is_one_body)
{
    struct body body = body_of(1);
    struct asked *asked = send_new("POST", "/", &body);
    struct reason why = { "" };

    asked->request.body = "";
    cr_expect_eq(http_start(http, &asked->request, asked_done, asked, &asked->job, &why), -EINVAL);
    asked_free(&asked);
}

/* ---- when it cannot be fetched ---- */

static void expect_unreadable(struct body *body, const char *why)
{
    struct asked *asked = send_new("POST", "/", body);

    asked_run(asked);
    expect_event(asked, HTTP_SHORT, why);
    cr_expect_eq(web->requests, 0u, "it was not whole");
    UNTIL(web->open == 0);
    asked_free(&asked);
}

Test(http_source, what_cannot_be_fetched_is_nothing_to_count_against_a_server)
{
    struct body early = body_of(100000), never = body_of(5), broken = body_of(2U << 20);

    early.ends_at = 99999;
    expect_unreadable(&early, "cannot be read: No data available");
    never.ends_at = 0;
    expect_unreadable(&never, "cannot be read: No data available");
    broken.ends_at = 1U << 20;
    broken.err = -EIO;
    expect_unreadable(&broken, "cannot be read: Input/output error");
}

/* ---- once more ---- */

static struct asked *send_on_a_dead_connection(struct body *body)
{
    struct asked *first = get("/"), *asked = send_new("PATCH", "/again", body);

    asked_free(&first);
    web_on(web, "/again", "!close", 1);
    asked_run(asked);
    return asked;
}

Test(http_source, on_a_kept_connection_that_ended_it_is_sent_once_more_from_its_beginning)
{
    struct body body = body_of(200000);
    struct asked *asked = send_on_a_dead_connection(&body);

    cr_expect_eq(asked->event, HTTP_ANSWERED, "%s", asked->why);
    cr_expect_eq(body.rewinds, 1u);
    cr_expect_eq(web->requests, 3u);
    cr_expect_eq(web->connections, 2u);
    expect_received("PATCH /again HTTP/1.1\r\n", 200000);
    asked_free(&asked);
}

Test(http_source, what_has_no_beginning_any_more_is_not)
{
    struct body body = body_of(200000);
    struct asked *asked;

    body.rewind_err = -ESTALE;
    asked = send_on_a_dead_connection(&body);
    expect_event(asked, HTTP_SHORT, "cannot be read: Stale file handle");
    cr_expect_eq(body.rewinds, 1u);
    cr_expect_eq(web->requests, 2u);
    asked_free(&asked);
}

/* ---- an answer in the middle of it ---- */

#define MUCH (64U << 20) /* more than sockets hold */

static struct asked *say_while_it_is_sent(const char *say, struct body *body)
{
    struct asked *asked;

    *body = body_of(MUCH);
    asked = send_new("POST", "/", body);
    web->rule_count = 0;
    web_on(web, "(begun)", say, 1);
    asked_run(asked);
    cr_expect_lt(body->at, body->ends_at, "it was all sent");
    return asked;
}

Test(http_source, a_no_before_it_was_sent_is_the_answer_however_the_connection_ends)
{
    static const struct {
        const char *say;
        long status;
        const char *body;
    } rows[] = {
        { "HTTP/1.1 401 No\r\nContent-Length: 4\r\n\r\nwhat!close", 401, "what" },
        { "HTTP/1.1 413 Large\r\nConnection: close\r\nContent-Length: 4\r\n\r\nmuch!close", 413,
          "much" },
        { "HTTP/1.1 413 Large\r\nConnection: close\r\nContent-Length: 4\r\n\r\nmuch!reset", 413,
          "much" },
        { "HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy!reset", 503, "busy" },
        { "HTTP/1.1 503 Busy\r\nContent-Length: 9\r\n\r\nhalf!reset", 503, "half" },
        { "HTTP/1.1 503 Busy\r\nContent-Length: 9\r\n\r\nhalf!close", 503, "half" },
        { "HTTP/1.1 503 Busy\r\n\r\nuntil the end!close", 503, "until the end" },
        { "HTTP/1.1 307 There\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n!reset", 307, "" },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (unsigned times = 0; times < 5; times++) {
            struct body body;
            struct asked *asked = say_while_it_is_sent(rows[i].say, &body);

            cr_expect_eq(asked->event, HTTP_ANSWERED, "%s: %s", rows[i].say, asked->why);
            cr_expect_eq(asked->status, rows[i].status, "%s", rows[i].say);
            cr_expect_str_eq(asked->body, rows[i].body, "%s", rows[i].say);
            asked_free(&asked);
        }
    }
    UNTIL(web->open == 0);
}

/* What was announced does not come any more. */
Test(http_source, a_connection_on_which_it_was_not_all_sent_is_not_used_again)
{
    struct body body;
    struct asked *asked =
        say_while_it_is_sent("HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno", &body);
    struct asked *after;

    cr_expect_eq(asked->status, 403, "%s", asked->why);
    after = get("/after");
    cr_expect_eq(after->event, HTTP_ANSWERED, "%s", after->why);
    cr_expect_eq(web->connections, 2u);
    UNTIL(web->open == 1);
    asked_free(&asked);
    asked_free(&after);
}

Test(http_source, a_yes_before_it_was_sent_is_none)
{
    static const char *const says[] = {
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok!close",
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok!reset",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok!reset",
        "HTTP/1.1 200 OK\r\n\r\nok!close",
        "HTTP/1.1 100 Continue\r\n\r\n!reset",
        "!close",
    };

    for (size_t i = 0; i < sizeof(says) / sizeof(says[0]); i++) {
        struct body body;
        struct asked *asked = say_while_it_is_sent(says[i], &body);

        cr_expect_eq(asked->event, HTTP_UNREACHABLE, "%s: %ld %s", says[i], asked->status,
                     asked->why);
        asked_free(&asked);
    }
}

Test(http_source, cancelled_in_the_middle_nothing_more_is_fetched)
{
    struct body body = body_of(MUCH);
    struct asked *asked = send_new("POST", "/", &body), *after;
    unsigned reads;

    web_on(web, "(begun)", "!deaf", 1);
    asked_start(asked);
    UNTIL(LIST_FIRST(&web->clients) != NULL && LIST_FIRST(&web->clients)->has_begun);
    http_cancel(&asked->job);
    reads = body.reads;
    after = get("/after");
    cr_expect_eq(after->event, HTTP_ANSWERED, "%s", after->why);
    cr_expect_gt(reads, 0u);
    cr_expect_eq(body.reads, reads);
    cr_expect_eq(asked->told, 0u);
    asked_free(&asked);
    asked_free(&after);
}

/* ---- when nothing moves ---- */

static struct loop_timer *beat;

Test(http_source, a_server_that_takes_nothing_is_not_waited_for)
{
    struct body body = body_of(MUCH);
    struct asked *asked = send_new("POST", "/", &body);
    int64_t began_ms = clock_mono_ms();

    web_on(web, "(begun)", "!deaf", 1);
    asked->request.stall_ms = 400;
    asked_run(asked);
    expect_event(asked, HTTP_TIMED_OUT, "nothing moved within 400 ms");
    cr_expect_geq(clock_mono_ms() - began_ms, 390);
    cr_expect_lt(clock_mono_ms() - began_ms, 5000, "it was another deadline");
    asked_free(&asked);
}

Test(http_source, one_that_has_everything_and_does_not_answer_neither)
{
    struct body body = body_of(1000);
    struct asked *asked = send_new("POST", "/", &body);

    web_on(web, "/", "", 1);
    asked->request.stall_ms = 400;
    asked_run(asked);
    expect_event(asked, HTTP_TIMED_OUT, "nothing moved within 400 ms");
    cr_expect_eq(web->requests, 1u);
    asked_free(&asked);
}

/* Some bytes now and then. */
static void on_beat(void *arg)
{
    struct web_client *client = LIST_FIRST(&web->clients);
    char some[4096];

    (void)arg;
    if (client != NULL && client->has_begun)
        (void)!recv(client->fd, some, sizeof(some), MSG_DONTWAIT);
    loop_timer_set_ms(beat, 20);
}

/* The kernel has taken all of it at once, which is no matter. */
Test(http_source, a_server_that_is_slow_is_waited_for)
{
    struct body body = body_of(1U << 20);
    struct asked *asked = send_new("POST", "/", &body);
    int64_t began_ms = clock_mono_ms();
    int little = 8192;

    setsockopt(web->fd, SOL_SOCKET, SO_RCVBUF, &little, sizeof(little));
    beat = loop_timer_new(loop, on_beat, NULL);
    loop_timer_set_ms(beat, 20);
    web_on(web, "(begun)", "!deaf", 1);
    asked->request.stall_ms = 1000;
    asked->request.total_ms = 3000;
    asked_start(asked);
    UNTIL(body.at == body.ends_at);
    cr_assert_lt(clock_mono_ms() - began_ms, 1000, "it was no test");
    UNTIL(asked->told == 1);
    expect_event(asked, HTTP_TIMED_OUT, "no answer within 3000 ms");
    cr_expect_geq(clock_mono_ms() - began_ms, 2990);
    loop_timer_free(&beat);
    asked_free(&asked);
}
