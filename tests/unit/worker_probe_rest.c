/* The connection test of a Core or Vault (SP51): the request that it ends with, each answer, and
 * what is said about it. */
#include <signal.h>

#include "web_peer.h"

#include "probe_world.h"
#include "tls_helper.h"

static struct web *web;

static void setup(void)
{
    signal(SIGPIPE, SIG_IGN); /* as in every process of ours */
    probe_world_setup();
    web = web_new(loop, NULL);
}

static void teardown(void)
{
    web_free(&web);
    probe_world_teardown();
}

TestSuite(probe_rest, .init = setup, .fini = teardown, .timeout = 60);

#define KEY   "tell-nobody-of-the-api-key"
#define VAULT ", 'api_key': '" KEY "'"

#define ASKED            "resolve:ok connect:ok request:ok"
#define ASKED_TLS        "resolve:ok connect:ok tls:ok certificate:ok request:ok"
#define FAILED           "resolve:ok connect:ok request:failed"
#define FAILED_TLS       "resolve:ok connect:ok tls:ok certificate:ok request:failed"
#define JSON(body)       "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" body "!close"
#define SAYS(line, body) "HTTP/1.1 " line "\r\nConnection: close\r\n\r\n" body "!close"

static void run_web(const char *type, const char *scheme, const char *more)
{
    char uri[64];

    snprintf(uri, sizeof(uri), "%s://127.0.0.1:%u", scheme, web->port);
    run(type, uri, more);
    expect_no_secret();
}

/* ---- all is well ---- */

Test(probe_rest, SP51_a_vault_is_asked_for_its_version_with_the_key)
{
    web_on(web, "/vault_rest/version", JSON("{\"version\":\"3.11.4\",\"message\":null}"), 1);
    run_web("vault", "http", VAULT);
    cr_assert_str_eq(ladder(0), ASKED, "%s", ladder(0));
    cr_assert(told.done.passed);
    cr_expect_str_eq(text_of(0, PROBE_REQUEST), "MetaDefender Vault 3.11.4");
    cr_expect_eq(web->requests, 1u);
    cr_expect_not_null(strstr(web->head, "\r\nAuthorization: Bearer " KEY "\r\n"), "%s", web->head);
    UNTIL(loop, web->open == 0);
}

Test(probe_rest, SP51_a_core_is_asked_for_its_version_and_whether_it_is_ready)
{
    web_on(web, "/version",
           "HTTP/1.1 200 OK\r\nContent-Length: 42\r\n\r\n"
           "{\"product_id\":\"MSCL\", \"version\":\"5.11.0\"}\n",
           -1);
    web_on(web, "/readyz", WEB_OK, 1);
    run_web("core", "http", ", 'api_key': '" KEY "'");
    cr_assert_str_eq(ladder(0), ASKED, "%s: %s", ladder(0), text_of(0, PROBE_REQUEST));
    cr_expect_str_eq(text_of(0, PROBE_REQUEST), "MetaDefender Core MSCL 5.11.0, ready");
    cr_expect_eq(web->requests, 2u);
    cr_expect_eq(web->connections, 2u, "one for the steps before, one for both requests");
    cr_expect_eq(web->most_open, 1u);
    cr_expect_not_null(strstr(web->head, "\r\napikey: " KEY "\r\n"), "%s", web->head);
    UNTIL(loop, web->open == 0);
    run_web("core", "http", "");
    cr_assert_str_eq(ladder(0), ASKED, "%s", ladder(0));
    cr_expect_null(strcasestr(web->head, "apikey"), "%s", web->head);
}

Test(probe_rest, SP51_an_old_core_does_not_know_whether_it_is_ready)
{
    web_on(web, "/version", JSON("{}"), 1);
    web_on(web, "/readyz", SAYS("404 Not Found", "<html>"), 1);
    run_web("core", "http", "");
    cr_assert_str_eq(ladder(0), ASKED, "%s", ladder(0));
    cr_expect_str_eq(
        text_of(0, PROBE_REQUEST),
        "MetaDefender Core; Cores before version 5 do not tell whether they are ready");
}

Test(probe_rest, SP51_TLS_and_certificate_are_shown_and_the_request_trusts_as_they_do)
{
    struct tls_paper *ca = tls_issue("ca", NULL, NULL, true, 30);
    struct tls_paper *paper = tls_issue("web", "IP:127.0.0.1", ca, false, 20);
    const struct tls_identity identity = { paper->certificate_file, paper->key_file };
    struct tls_context *context = NULL;
    char *pem = tls_pem_of(ca), *escaped = calloc(1, 8192), more[8500];

    cr_assert_eq(tls_server_new(&identity, &context, NULL), 0);
    web_free(&web);
    web = web_new(loop, context);
    tls_release(context);
    web_on(web, "/vault_rest/version", JSON("{\"version\":\"3\"}"), -1);
    run_web("vault", "https", VAULT);
    cr_expect_str_eq(ladder(0), "resolve:ok connect:ok tls:ok certificate:failed", "%s", ladder(0));
    cr_expect_eq(web->requests, 0u);
    run_web("vault", "https", VAULT ", 'verify_certificate': false");
    cr_expect_str_eq(ladder(0), ASKED_TLS, "%s", ladder(0));
    for (size_t i = 0, used = 0; pem[i] != '\0'; i++)
        used += (size_t)sprintf(escaped + used, pem[i] == '\n' ? "\\n" : "%c", pem[i]);
    snprintf(more, sizeof(more), VAULT ", 'ca': '%s'", escaped);
    run_web("vault", "https", more);
    cr_expect_str_eq(ladder(0), ASKED_TLS, "%s", ladder(0));
    EXPECT_HAS(text_of(0, PROBE_CERTIFICATE), "verified, for ");
    free(escaped);
    free(pem);
    tls_paper_free(&paper);
    tls_paper_free(&ca);
}

/* ---- what can be wrong ---- */

static const struct {
    const char *type, *more, *target, *say;
    const char *seen, *advice;
} failing[] = {
    { "vault", VAULT, "/vault_rest/version", SAYS("401 No", "{\"message\":\"Unauthorized\"}"),
      "GET /vault_rest/version: it answered 401: Unauthorized",
      "make one in the Vault's settings" },
    { "vault", VAULT, "/vault_rest/version", SAYS("403 No", "[{\"message\":\"" KEY " is none\"}]"),
      "it answered 403; ", "make one in the Vault's settings" },
    { "vault", VAULT, "/vault_rest/version", SAYS("404 No", "<html>404</html>"),
      "it answered 404; ", "is the path right?" },
    { "vault", VAULT, "/vault_rest/version", JSON("<!DOCTYPE html><title>Vault</title>"),
      "it answered with a page for people, but not as a MetaDefender Vault does",
      "check host, port and path" },
    { "vault", VAULT, "/vault_rest/version", JSON("hello"), "it answered, but not as a",
      "check host" },
    { "vault", VAULT, "/vault_rest/version", SAYS("302 There\r\nLocation: https://x/", ""),
      "it answered 302", "write https://" },
    { "vault", VAULT, "/vault_rest/version", SAYS("500 Oh", "{\"message\":\"temporarily\"}"),
      "it answered 500: temporarily", "in trouble itself" },
    { "vault", VAULT, "/vault_rest/version", SAYS("503 Busy", ""), "it answered 503",
      "takes nothing now" },
    { "vault", VAULT, "/vault_rest/version",
      SAYS("400 Bad", "<html>The plain HTTP request was sent to HTTPS port</html>"),
      "it answered 400", "this port speaks TLS: write https://" },
    { "core", "", "/version", SAYS("400 Bad", "Client sent an HTTP request to an HTTPS server."),
      "it answered 400", "this port speaks TLS: write https://" },
    { "core", "", "/version", SAYS("400 Bad", "{\"err\":\"what\"}"), "it answered 400: what",
      "another service" },
    { "core", "", "/version", "\x15\x03\x01\x02\x02\x46!close", "what came is not HTTP",
      "if this port speaks TLS, write https://" },
    { "core", "", "/version", "!reset", "the connection was lost", "another service" },
    { "core", "", "/version", "!close", "the connection was closed", "another service" },
    { "core", "", "/version", SAYS("403 No", "{\"err\":\"Access denied\"}"),
      "it answered 403: Access denied", "it asks for a key: set `api_key`" },
    { "core", VAULT, "/version", SAYS("403 No", "{\"err\":\"Access denied\"}"),
      "it answered 403: Access denied", "the key is wrong" },
    { "core", "", "/version", SAYS("404 No", ""), "it answered 404", "is it a Core?" },
    { "core", "", "/version", JSON("[\"product_id\"]"), "not as a MetaDefender Core does",
      "check host and port" },
    { "core", "", "/version", JSON("\"5.0\""), "not as a MetaDefender Core does", "check host" },
    { "core", "", "/version", SAYS("204 Nothing", ""), "not as a MetaDefender Core does",
      "check host" },
    { "core", "", "/readyz", SAYS("503 Not ready", "{\"err\":\"No engine\"}"),
      "GET /readyz: it answered 503: No engine", "takes nothing now" },
    { "core", "", "/readyz", SAYS("500 Oh", ""), "GET /readyz: it answered 500",
      "in trouble itself" },
    { "core", "", "/readyz", "!close", "GET /readyz: ", "another service" },
};

Test(probe_rest, SP51_every_failure_says_what_was_seen_and_what_to_do)
{
    for (unsigned i = 0; i < ARRAY_LEN(failing); i++) {
        web->rule_count = 0;
        web_on(web, failing[i].target, failing[i].say, -1);
        web_on(web, "/version", JSON("{\"version\":\"5\"}"), -1);
        run_web(failing[i].type, "http", failing[i].more);
        cr_expect_str_eq(ladder(0), FAILED, "%s: %s", failing[i].say, ladder(0));
        cr_expect_not(told.done.passed);
        EXPECT_HAS(text_of(0, PROBE_REQUEST), failing[i].seen);
        EXPECT_HAS(text_of(0, PROBE_REQUEST), failing[i].advice);
        UNTIL(loop, web->open == 0);
    }
}

/* run() would not wait for so long. */
Test(probe_rest, SP51_silence_ends_with_the_servers_time)
{
    const int64_t began_ms = clock_mono_ms();
    char input[128];

    web_on(web, "/version", "", -1);
    snprintf(input, sizeof(input), "'servers': ['http://127.0.0.1:%u']", web->port);
    start(4711, "core", input);
    while (told.dones == 0) {
        loop_turn(loop, 100);
        cr_assert_lt(clock_mono_ms() - began_ms, PROBE_SERVER_LIMIT_MS + 5000);
    }
    cr_expect_geq(clock_mono_ms() - began_ms, PROBE_SERVER_LIMIT_MS - 10);
    cr_expect_str_eq(ladder(0), FAILED, "%s", ladder(0));
    EXPECT_HAS(text_of(0, PROBE_REQUEST), "not through within 10 s; it does not answer");
    UNTIL(loop, web->open == 0);
}

/* What a web server says to the first octets of TLS. */
Test(probe_rest, SP51_TLS_to_a_port_in_clear)
{
    web_on(web, "(connected)", "HTTP/1.1 400 Bad Request\r\n\r\n!close", 1);
    run_web("core", "https", "");
    cr_expect_str_eq(ladder(0), "resolve:ok connect:ok tls:failed", "%s", ladder(0));
    EXPECT_HAS(text_of(0, PROBE_TLS), "this port does not speak TLS: write http://");
}

Test(probe_rest, SP51_a_server_of_mail_is_no_core)
{
    run("core", at_peer("http://127.0.0.1"), "");
    cr_expect_str_eq(ladder(0), FAILED, "%s", ladder(0));
    EXPECT_HAS(text_of(0, PROBE_REQUEST), "what came is not HTTP; if this port speaks TLS");
}

Test(probe_rest, SP51_nobody_listens_and_which_port_it_may_be)
{
    run("vault", "http://127.0.0.1:2", VAULT);
    cr_expect_str_eq(ladder(0), "resolve:ok connect:failed");
    EXPECT_HAS(text_of(0, PROBE_CONNECT), "Connection refused; ");
    EXPECT_HAS(text_of(0, PROBE_CONNECT), "a Vault on 8010, or 8000 if it is old");
    expect_no_secret();
    run("vault", "https://nowhere.test", VAULT);
    cr_expect_str_eq(ladder(0), "resolve:failed");
    expect_no_secret();
}

Test(probe_rest, OP07_an_incomplete_profile_asks_nothing)
{
    char input[256];
    struct profile *profile;

    snprintf(input, sizeof(input), "'servers': ['http://127.0.0.1:%u']" VAULT, web->port);
    profile = accept_profile(input_of("vault", input), NULL, NULL);
    profile->incomplete = true;
    start_profile(1, profile);
    UNTIL(loop, told.dones == 1);
    cr_expect_str_eq(ladder(0), "resolve:ok connect:ok request:not tested");
    EXPECT_HAS(text_of(0, PROBE_REQUEST), "incomplete");
    cr_expect(told.done.passed);
    UNTIL(loop, web->open == 0);
    cr_expect_eq(web->requests, 0u);
}

/* A test that ends with its worker while its answer is awaited. */
Test(probe_rest, what_is_asked_ends_with_the_prober)
{
    char input[128];

    web_on(web, "/version", "", -1);
    snprintf(input, sizeof(input), "'servers': ['http://127.0.0.1:%u']", web->port);
    start(1, "core", input);
    UNTIL(loop, web->requests == 1);
    prober_free(&prober);
    UNTIL(loop, web->open == 0);
    cr_expect_eq(told.dones, 0u);
}
