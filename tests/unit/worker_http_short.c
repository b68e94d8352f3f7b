/* HTTP requests when memory or descriptors are short, and libcurl in trouble: each ends once, and
 * the next one is answered. CMakeLists.txt puts this file between the module and what it calls. */
#include <sys/resource.h>

#include "http_stage.h"

#include <curl/curl.h>

#include "common/secret.h"
#include "tls_helper.h"

/* ---- faults on demand ---- */

static int64_t blocks_until_failure = -1; /* -1: none fails */
static unsigned actions_to_fail;
static bool is_failed;

static bool fails(void)
{
    if (blocks_until_failure < 0 || blocks_until_failure-- > 0)
        return false;
    is_failed = true;
    return true;
}

void *__real_secret_block_new(size_t bytes);
void *__wrap_secret_block_new(size_t bytes)
{
    return fails() ? NULL : __real_secret_block_new(bytes);
}

void *__real_secret_block_resize(void *block, size_t bytes);
void *__wrap_secret_block_resize(void *block, size_t bytes)
{
    return fails() ? NULL : __real_secret_block_resize(block, bytes);
}

CURLMcode __real_curl_multi_socket_action(CURLM *multi, curl_socket_t fd, int what, int *running);
CURLMcode __wrap_curl_multi_socket_action(CURLM *multi, curl_socket_t fd, int what, int *running)
{
    if (actions_to_fail > 0 && actions_to_fail-- == 1) {
        is_failed = true;
        return CURLM_INTERNAL_ERROR;
    }
    return __real_curl_multi_socket_action(multi, fd, what, running);
}

/* ---- the stage ---- */

static void setup(void)
{
    http_stage_begin(NULL);
    web = web_new(loop, NULL);
}

TestSuite(http_short, .init = setup, .fini = http_stage_end, .timeout = 120);

static const char *scheme = "http", *pem;

static void expect_next_answered(void)
{
    struct asked *asked = asked_new(scheme, "web.test", "/next");

    asked->request.ca = pem;
    asked_run(asked);
    cr_assert_eq(asked->event, HTTP_ANSWERED, "%s", asked->why);
    asked_free(&asked);
}

/* ---- libcurl fails as a whole ---- */

Test(http_short, what_was_under_way_when_libcurl_failed_ends_and_what_waited_goes_on)
{
    struct asked *asked[HTTP_PER_HOST + 2];

    web_on(web, "/", "", -1);
    for (unsigned i = 0; i < HTTP_PER_HOST + 2; i++) {
        asked[i] = asked_new("http", "web.test", i < HTTP_PER_HOST ? "/" : "/waits");
        asked_start(asked[i]);
    }
    UNTIL(web->requests == HTTP_PER_HOST);
    actions_to_fail = 1;
    web_say_all(web, WEB_OK);
    UNTIL(asked[HTTP_PER_HOST]->told + asked[HTTP_PER_HOST + 1]->told == 2);
    for (unsigned i = 0; i < HTTP_PER_HOST + 2; i++) {
        cr_expect_eq(asked[i]->told, 1u);
        expect_event(asked[i], i < HTTP_PER_HOST ? HTTP_SHORT : HTTP_ANSWERED, "");
        asked_free(&asked[i]);
    }
    UNTIL(web->open <= 2);
    expect_next_answered();
}

Test(http_short, libcurl_may_fail_at_every_step)
{
    unsigned step = 0;

    do {
        struct asked *asked = asked_new("http", "web.test", "/");

        is_failed = false;
        actions_to_fail = ++step;
        asked_run(asked);
        cr_expect_eq(asked->event, is_failed ? HTTP_SHORT : HTTP_ANSWERED, "%u: %s", step,
                     asked->why);
        actions_to_fail = 0;
        asked_free(&asked);
        http_free(&http); /* so that each begins with a connection */
        cr_assert_eq(http_new(loop, resolver, NULL, &http, NULL), 0);
        cr_assert_lt(step, 100u);
    } while (is_failed);
    cr_expect_gt(step, 3u, "it was no test");
}

Test(http_short, a_session_that_fails_does_not_touch_the_others)
{
    struct http_session *one = http_session_new(http), *two = http_session_new(http);
    struct asked *asked[3];

    web_on(web, "/", "", -1);
    for (unsigned i = 0; i < 3; i++) {
        asked[i] = asked_new("http", "web.test", "/");
        asked[i]->request.session = i == 0 ? one : i == 1 ? two : NULL;
        asked_start(asked[i]);
        UNTIL(web->requests == i + 1);
    }
    actions_to_fail = 1;
    web_say(LIST_NEXT(LIST_NEXT(LIST_FIRST(&web->clients), link), link), WEB_OK); /* the first */
    UNTIL(asked[0]->told == 1);
    expect_event(asked[0], HTTP_SHORT, "out of memory");
    UNTIL(web->open == 2);
    web_say_all(web, WEB_OK);
    UNTIL(asked[1]->told + asked[2]->told == 2);
    expect_event(asked[1], HTTP_ANSWERED, "");
    expect_event(asked[2], HTTP_ANSWERED, "");
    web->rule_count = 0;
    asked[0]->told = 0;
    asked_run(asked[0]);
    expect_event(asked[0], HTTP_ANSWERED, "");
    for (unsigned i = 0; i < 3; i++)
        asked_free(&asked[i]);
    http_session_free(&one);
    http_session_free(&two);
    expect_next_answered();
}

/* ---- memory ---- */

/* One block after the other is not to be had. Some of them libcurl does without. */
static void expect_endings(bool is_kept, unsigned at_least)
{
    unsigned failures = 0, shortages = 0;

    for (unsigned nth = 0;; nth++) {
        struct asked *asked = asked_new(scheme, "web.test", "/");
        struct reason why = { "" };
        int err;

        if (is_kept)
            expect_next_answered();
        is_failed = false;
        asked->request.ca = pem;
        asked->request.method = "POST";
        asked->request.body = "grant_type=refresh_token";
        asked->request.body_bytes = 24;
        blocks_until_failure = nth;
        err = http_start(http, &asked->request, asked_done, asked, &asked->job, &why);
        if (err == 0)
            UNTIL(asked->told > 0);
        blocks_until_failure = -1;
        cr_expect_eq(asked->told, err == 0 ? 1u : 0u);
        if (err < 0)
            cr_expect_eq(err, -ENOMEM, "block %u: %d %s", nth, err, why.text);
        else if (asked->event != HTTP_ANSWERED)
            cr_expect_eq(asked->event, HTTP_SHORT, "block %u: %d %s", nth, (int)asked->event,
                         asked->why);
        else
            cr_expect_not_null(strstr(web->head, "User-Agent: Postern/"),
                               "block %u: it is not whole", nth);
        failures += is_failed;
        shortages += err < 0 || asked->event != HTTP_ANSWERED;
        asked_free(&asked);
        expect_next_answered();
        if (!is_kept) {
            http_free(&http);
            cr_assert_eq(http_new(loop, resolver, NULL, &http, NULL), 0);
        }
        if (!is_failed)
            break;
    }
    cr_expect_gt(failures, at_least, "it was no test");
    cr_expect_gt(shortages, at_least / 2, "it was no test");
}

Test(http_short, each_block_of_memory_may_be_missing)
{
    expect_endings(false, 40);
}

Test(http_short, each_block_of_memory_may_be_missing_on_a_kept_connection)
{
    expect_endings(true, 40);
}

Test(http_short, each_block_of_memory_may_be_missing_in_tls)
{
    struct tls_paper *ca = tls_issue("ca", NULL, NULL, true, 30);
    struct tls_paper *paper = tls_issue("web", "DNS:web.test", ca, false, 20);
    const struct tls_identity identity = { paper->certificate_file, paper->key_file };
    struct tls_context *context = NULL;
    char *text = tls_pem_of(ca);

    cr_assert_eq(tls_server_new(&identity, &context, NULL), 0);
    web_free(&web);
    web = web_new(loop, context);
    scheme = "https";
    pem = text;
    expect_endings(false, 40);
    tls_release(context);
    tls_paper_free(&paper);
    tls_paper_free(&ca);
    free(text);
}

Test(http_short, there_may_be_no_memory_for_all_of_it)
{
    unsigned nth = 0;
    int err;

    http_free(&http);
    do {
        is_failed = false;
        blocks_until_failure = nth++;
        err = http_new(loop, resolver, NULL, &http, NULL);
        blocks_until_failure = -1;
        if (err < 0)
            cr_expect_eq(err, -ENOMEM);
        else if (is_failed)
            http_free(&http);
    } while (is_failed);
    expect_next_answered();
}

/* ---- descriptors ---- */

Test(http_short, a_lack_of_descriptors_is_nothing_to_count_against_a_server)
{
    struct rlimit limit, none;
    struct asked *asked = asked_new("http", "web.test", "/");

    expect_next_answered(); /* the name is known */
    web_hang_up_all(web);
    getrlimit(RLIMIT_NOFILE, &limit);
    none = limit;
    none.rlim_cur = 3;
    setrlimit(RLIMIT_NOFILE, &none);
    asked->request.is_alone = true;
    asked_run(asked);
    setrlimit(RLIMIT_NOFILE, &limit);
    expect_event(asked, HTTP_SHORT, "Too many open files");
    asked_free(&asked);
    expect_next_answered();
}
