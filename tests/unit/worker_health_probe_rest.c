/* Does a Core or Vault that is down answer again (SP23)? */
#include "health_probe_world.h"

TestSuite(health_probe_rest, .init = health_probe_setup, .fini = health_probe_teardown,
          .timeout = 60);

#define SAYS(line, body) "HTTP/1.1 " line "\r\nConnection: close\r\n\r\n" body "!close"

static const struct {
    const char *type, *target, *say;
    enum ipc_server_word word;
    const char *text;
} web_answers[] = {
    { "vault", "/vault_rest/version", SAYS("200 OK", "{}"), IPC_WORD_ANSWERS, "" },
    { "vault", "/vault_rest/version", SAYS("401 No", "{\"message\":\"" KEY "\"}"),
      IPC_WORD_REFUSES_LOGIN, "GET /vault_rest/version: it answered 401" },
    { "vault", "/vault_rest/version", SAYS("403 No", ""), IPC_WORD_REFUSES_LOGIN,
      "it answered 403" },
    { "vault", "/vault_rest/version", SAYS("404 No", ""), IPC_WORD_FAILED, "it answered 404" },
    { "vault", "/vault_rest/version", SAYS("200 OK", "<html>"), IPC_WORD_FAILED, "not as a Meta" },
    { "vault", "/vault_rest/version", "!close", IPC_WORD_FAILED, "closed" },
    { "vault", "/vault_rest/version", "what!close", IPC_WORD_FAILED, "not HTTP" },
    { "core", "/readyz", SAYS("200 OK", ""), IPC_WORD_ANSWERS, "" },
    { "core", "/readyz", SAYS("404 No", ""), IPC_WORD_ANSWERS, "" },
    { "core", "/readyz", SAYS("503 No", "{\"err\":\"no engine\"}"), IPC_WORD_FAILED,
      "GET /readyz: it answered 503: no engine" },
    { "core", "/version", SAYS("500 Oh", ""), IPC_WORD_FAILED, "it answered 500" },
};

Test(health_probe_rest, SP23_what_a_core_or_vault_says)
{
    for (size_t i = 0; i < sizeof(web_answers) / sizeof(web_answers[0]); i++) {
        heard = web->rule_count = 0;
        put_web(web_answers[i].type);
        web_on(web, web_answers[i].target, web_answers[i].say, -1);
        web_on(web, "/version", SAYS("200 OK", "{\"version\":\"5\"}"), -1);
        ask_for(PROFILE, 1, 0);
        expect(web_answers[i].word, web_answers[i].text);
        cr_expect_null(strstr(said.text, KEY), "%s", said.text);
        UNTIL(loop, web->open == 0);
    }
    cr_expect_eq(web->most_open, 1u);
}

/* And its connection is closed by then. */
Test(health_probe_rest, SP49_the_lease_of_a_vaults_probe_goes_back_when_it_is_over)
{
    put_web("vault");
    web_on(web, "/vault_rest/version", "", 1);
    ask_for(PROFILE, 1, 0);
    UNTIL(loop, web->requests == 1);
    turn_a_while();
    cr_expect_eq(leases()->out, 1u);
    cr_expect_eq(heard, 0u);
    web_say_all(web, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
    expect(IPC_WORD_ANSWERS, "");
    UNTIL(loop, web->open == 0);
}

Test(health_probe_rest, SP23_ten_seconds_are_the_most_for_a_core_too)
{
    const int64_t began_ms = clock_mono_ms();

    put_web("core");
    web_on(web, "/version", "", 1);
    ask_for(PROFILE, 1, 0);
    while (heard == 0 && clock_mono_ms() < began_ms + IPC_HEALTH_PROBE_MS + 5000)
        loop_turn(loop, 100);
    expect(IPC_WORD_FAILED, "within 10 s");
    cr_expect_geq(clock_mono_ms() - began_ms, IPC_HEALTH_PROBE_MS);
    UNTIL(loop, web->open == 0);
}
