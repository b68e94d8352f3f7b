/* The connection test (SP50, SP51): every step and every failure by name. */
#include "probe_world.h"

TestSuite(probe, .init = probe_world_setup, .fini = probe_world_teardown, .timeout = 60);

/* ---- all is well ---- */

Test(probe, SP51_goes_through_everything_and_mails_nothing)
{
    char address[64];

    run("smtp", PEER, "");
    cr_assert_str_eq(ladder(0), ALL_WELL);
    cr_assert(told.done.passed);
    (void)snprintf(address, sizeof(address), "127.0.0.1:%u", peers[0]->port);
    cr_assert_str_eq(text_of(0, PROBE_RESOLVE), "127.0.0.1");
    cr_assert_str_eq(text_of(0, PROBE_CONNECT), address);
    cr_assert_str_eq(text_of(0, PROBE_GREETING), "peer.test ESMTP");
    cr_assert_str_eq(text_of(0, PROBE_EHLO), "offers PIPELINING SIZE 8BITMIME CHUNKING");
    cr_assert_str_eq(text_of(0, PROBE_QUIT), "2.0.0 bye");
    cr_assert_str_eq(peers[0]->log, "EHLO gw.test|QUIT|", "%s", peers[0]->log);
    cr_assert_eq(peers[0]->messages, 0u);
    for (unsigned i = 0; i < told.count; i++) {
        cr_assert_eq(told.steps[i].token, 4711u);
        cr_assert_lt(told.steps[i].ms, 5000u);
    }
}

Test(probe, SP51_a_server_that_only_knows_HELO_offers_nothing)
{
    peer_on(peers[0], "EHLO", "502 5.5.1 not here", -1);
    run("smtp", PEER, "");
    cr_assert_str_eq(ladder(0), ALL_WELL);
    cr_assert_str_eq(text_of(0, PROBE_EHLO), "offers nothing");
    cr_assert_str_eq(peers[0]->log, "EHLO gw.test|HELO gw.test|QUIT|");
}

Test(probe, SP51_the_profile_s_own_name_and_source_address_are_used)
{
    char from[ADDRESS_TEXT_SIZE] = "";
    struct sockaddr_in in;
    socklen_t bytes = sizeof(in);
    char more[] = ", 'ehlo_name': 'own.test', 'source_address': '127.0.0.77'";
    char input[512];

    peer_on(peers[0], "EHLO", "", 1);
    (void)snprintf(input, sizeof(input), "'servers': ['%s']%s", PEER, more);
    start(1, "smtp", input);
    UNTIL(loop, strcmp(peers[0]->log, "EHLO own.test|") == 0);
    cr_assert_eq(getpeername(LIST_FIRST(&peers[0]->clients)->fd, (struct sockaddr *)&in, &bytes),
                 0);
    cr_assert_str_eq(address_host_text((struct sockaddr *)&in, from), "127.0.0.77");
    (void)peer_say(LIST_FIRST(&peers[0]->clients), "250 ok");
    UNTIL(loop, told.dones == 1);
    cr_assert(told.done.passed);
}

Test(probe, SP51_a_name_is_looked_up)
{
    run("smtp", at_peer("one.test"), "");
    cr_assert_str_eq(ladder(0), ALL_WELL);
    cr_assert_str_eq(text_of(0, PROBE_RESOLVE), "127.0.0.1");
    cr_assert_gt(names->asked, 0u);
}

Test(probe, SP17_all_addresses_of_a_name_are_tried)
{
    static const char *const hosts[] = { "ab.test", "ba.test" }; /* .9 refuses */

    for (unsigned i = 0; i < 2; i++) {
        run("smtp", at_peer(hosts[i]), "");
        cr_assert_str_eq(ladder(0), ALL_WELL, "%s: %s", hosts[i], ladder(0));
        ASSERT_HAS(text_of(0, PROBE_RESOLVE), " and 1 more");
        ASSERT_HAS(text_of(0, PROBE_CONNECT), "127.0.0.1:");
    }
}

/* ---- failures ---- */

Test(probe, SP51_a_name_that_does_not_exist)
{
    run("smtp", at_peer("nowhere.test"), "");
    cr_assert_str_eq(ladder(0), "resolve:failed");
    cr_assert_not(told.done.passed);
    cr_assert_str_eq(text_of(0, PROBE_RESOLVE), "nowhere.test: no such name; is the name right?");
    run("smtp", at_peer("nowhere.test"), "");
    cr_assert_str_eq(ladder(0), "resolve:failed", "the same when it is known to be so");
}

Test(probe, SP51_name_servers_that_do_not_answer)
{
    run("smtp", at_peer("silent.test"), "");
    cr_assert_str_eq(ladder(0), "resolve:failed");
    ASSERT_HAS(text_of(0, PROBE_RESOLVE), "the name servers do not answer");
}

Test(probe, SP51_nobody_listens)
{
    peer_stop(peers[0]);
    run("smtp", PEER, "");
    cr_assert_str_eq(ladder(0), "resolve:ok connect:failed");
    cr_assert_not(told.done.passed);
    ASSERT_HAS(text_of(0, PROBE_CONNECT), "127.0.0.1:");
    ASSERT_HAS(text_of(0, PROBE_CONNECT), "Connection refused; is the address right, and does");
}

Test(probe, SP51_a_source_address_that_leads_nowhere)
{
    run("smtp", PEER, ", 'source_address': '::1'");
    cr_assert_str_eq(ladder(0), "resolve:ok connect:failed");
    ASSERT_HAS(text_of(0, PROBE_CONNECT), "source_address is of the other family");
}

static const struct {
    const char *when, *say;
    const char *ladder;
    enum probe_step step;
    const char *seen, *advice;
} failing[] = {
    { "greeting", "554 5.7.1 go away", "resolve:ok connect:ok greeting:failed", PROBE_GREETING,
      "554 5.7.1 go away", "let its administrator allow our address" },
    { "greeting", "421 4.3.2 later", "resolve:ok connect:ok greeting:failed", PROBE_GREETING,
      "421 4.3.2 later", "the server is not ready" },
    { "greeting", "!close", "resolve:ok connect:ok greeting:failed", PROBE_GREETING,
      "the server closed the connection", "the server sent no greeting" },
    { "greeting", "SSH-2.0-OpenSSH_9.2", "resolve:ok connect:ok greeting:failed", PROBE_GREETING,
      "not an SMTP reply", "it is no SMTP server" },
    { "greeting", "\x15\x03\x01", "resolve:ok connect:ok greeting:failed", PROBE_GREETING,
      "not an SMTP reply", "write smtps://" },
    { "EHLO", "450 4.7.1 who?", "resolve:ok connect:ok greeting:ok ehlo:failed", PROBE_EHLO,
      "450 4.7.1 who?", "the server is not ready" },
    { "EHLO", "250-x\r\n550 y", "resolve:ok connect:ok greeting:ok ehlo:failed", PROBE_EHLO,
      "not an SMTP reply", "it is no SMTP server" },
    { "EHLO", "!reset", "resolve:ok connect:ok greeting:ok ehlo:failed", PROBE_EHLO, "reset",
      "the server is not ready" },
    { "QUIT", "", ALL_WELL, PROBE_QUIT, "closed without a reply", "does no harm" },
    { "QUIT", "!close", ALL_WELL, PROBE_QUIT, "closed without a reply", "does no harm" },
    { "QUIT", "500 what?!close", ALL_WELL, PROBE_QUIT, "what?", "" },
};

Test(probe, SP51_every_failure_says_what_was_seen_and_what_to_do)
{
    for (unsigned i = 0; i < ARRAY_LEN(failing); i++) {
        peers[0]->rule_count = 0;
        peer_on(peers[0], failing[i].when, failing[i].say, -1);
        run("smtp", PEER, "");
        cr_expect_str_eq(ladder(0), failing[i].ladder, "%s: %s", failing[i].say, ladder(0));
        EXPECT_HAS(text_of(0, failing[i].step), failing[i].seen);
        EXPECT_HAS(text_of(0, failing[i].step), failing[i].advice);
        cr_expect_eq(told.done.passed, failing[i].step == PROBE_QUIT, "%s", failing[i].say);
    }
}

Test(probe, SP51_a_name_that_is_refused_says_which_property_to_set)
{
    peer_on(peers[0], "EHLO", "550 5.7.1 no", -1);
    peer_on(peers[0], "HELO", "550 5.7.1 your name", -1);
    run("smtp", PEER, "");
    cr_assert_str_eq(ladder(0), "resolve:ok connect:ok greeting:ok ehlo:failed");
    ASSERT_HAS(text_of(0, PROBE_EHLO), "550 5.7.1 your name");
    ASSERT_HAS(text_of(0, PROBE_EHLO), "`ehlo_name`");
}

Test(probe, SP51_the_profile_s_own_timeouts_count_where_they_are_shorter)
{
    int64_t begun_ms = clock_mono_ms();

    peer_on(peers[0], "greeting", "", -1);
    run("smtp", PEER, ", 'timeouts': {'greeting': 1}");
    cr_assert_str_eq(ladder(0), "resolve:ok connect:ok greeting:failed");
    ASSERT_HAS(text_of(0, PROBE_GREETING), "timed out; the server sent no greeting");
    cr_assert_lt(clock_mono_ms() - begun_ms, 4000);
    cr_assert_geq(step_of(0, PROBE_GREETING)->ms, 980u);
}

/* A server's words are cut, and so is the list of addresses; the advice stays. */
Test(probe, SP51_long_words_leave_room_for_the_advice)
{
    char greeting[600] = "554 ";

    memset(greeting + 4, 'x', 500);
    peer_on(peers[0], "greeting", greeting, -1);
    run("smtp", PEER, "");
    ASSERT_HAS(text_of(0, PROBE_GREETING), "let its administrator allow our address");
    memcpy(greeting, "220", 3);
    peers[0]->rule_count = 0;
    peer_on(peers[0], "greeting", greeting, -1);
    run("smtp", PEER, "");
    cr_assert_eq(strlen(text_of(0, PROBE_GREETING)),
                 sizeof(((struct ipc_probe_step *)NULL)->text) - 1);
}

/* The master takes so many steps of a server and no more. */
Test(probe, SP51_a_name_with_many_addresses_does_not_fill_the_ladder)
{
    struct peer *everywhere = peer_new_at(loop, "0.0.0.0", 0);
    char uri[64];

    peer_on(everywhere, "EHLO", "421 4.3.2 not now", -1);
    (void)snprintf(uri, sizeof(uri), "many.test:%u", everywhere->port);
    run("smtp", uri, ", 'timeouts': {'connect': 1}");
    cr_assert_geq(everywhere->connections, 8u);
    cr_assert_leq(told.count, 12u, "%s", ladder(0));
    cr_assert_eq(told.steps[told.count - 1].step, PROBE_EHLO);
    cr_assert_eq(told.steps[told.count - 1].result, PROBE_FAILED);
    peer_free(&everywhere);
}

/* Four addresses let it in and do not greet as they should, the last one refuses. */
Test(probe, SP51_the_failure_is_told_however_often_its_step_had_passed)
{
    struct peer *others[4];
    char uri[64];

    for (unsigned i = 0; i < 4; i++) {
        char address[16];

        (void)snprintf(address, sizeof(address), "127.0.0.%u", 2 + i);
        others[i] = peer_new_at(loop, address, i == 0 ? 0 : others[0]->port);
        peer_on(others[i], "greeting", "554 no", -1);
    }
    (void)snprintf(uri, sizeof(uri), "five.test:%u", others[0]->port);
    run("smtp", uri, "");
    cr_assert_eq(told.steps[told.count - 1].result, PROBE_FAILED, "%s", ladder(0));
    cr_assert_not(told.done.passed);
    for (unsigned i = 0; i < 4; i++) {
        cr_assert_eq(others[i]->connections, 1u);
        peer_free(&others[i]);
    }
}

/* ---- this very gateway ---- */

Test(probe, SP17_the_gateway_itself_is_refused)
{
    char listen[64];

    (void)snprintf(listen, sizeof(listen), "\"0.0.0.0:%u\"", peers[0]->port);
    free_prober();
    make_prober(listen, 1);
    run("smtp", PEER, "");
    cr_assert_not(told.done.passed);
    ASSERT_HAS(ladder(0), "resolve:ok connect:failed");
    ASSERT_HAS(text_of(0, PROBE_CONNECT), "this gateway itself");
    run("smtp", at_peer("smtps://127.0.0.1"), "");
    cr_assert_not(told.done.passed);
    cr_assert_str_eq(ladder(0), "resolve:ok connect:failed", "before a byte of TLS");
    ASSERT_HAS(text_of(0, PROBE_CONNECT), "this gateway itself");
}

/* ---- what this build cannot test (OP09) ---- */

#define CONNECTED "resolve:ok connect:ok greeting:not tested"

Test(probe, OP07_an_incomplete_profile_says_what_is_not_tested)
{
    struct profile *profile = accept_profile(input_of("smtp", ""), NULL, NULL);

    profile->servers[0].port = peers[0]->port;
    (void)snprintf(profile->servers[0].text, sizeof(profile->servers[0].text),
                   "smtp://127.0.0.1:%u", peers[0]->port);
    profile->incomplete = true;
    start_profile(1, profile);
    UNTIL(loop, told.dones == 1);
    cr_assert_str_eq(ladder(0), CONNECTED);
    ASSERT_HAS(text_of(0, PROBE_GREETING), "incomplete");
}

/* One that is incomplete: only the connection can be tested. */
static void run_incomplete(const char *host, const char *more)
{
    char input[512];
    struct profile *profile;

    (void)snprintf(input, sizeof(input), "'servers': ['%s']%s", at_peer(host), more);
    profile = accept_profile(input_of("smtp", input), NULL, NULL);
    profile->incomplete = true;
    forget_told();
    start_profile(4711, profile);
    UNTIL(loop, told.dones == 1);
}

/* The part of the test that is left then connects as the client does. */
Test(probe, SP17_all_addresses_are_tried_also_where_only_the_connection_can_be_tested)
{
    static const char *const hosts[] = { "ab.test", "ba.test" };

    for (unsigned i = 0; i < 2; i++) {
        run_incomplete(hosts[i], "");
        cr_assert_str_eq(ladder(0), CONNECTED, "%s: %s", hosts[i], ladder(0));
    }
    run_incomplete("both.test", ", 'source_address': '127.0.0.5'");
    cr_assert_str_eq(ladder(0), CONNECTED, "%s", text_of(0, PROBE_CONNECT));

    peer_stop(peers[0]);
    run_incomplete("ab.test", "");
    cr_assert_str_eq(ladder(0), "resolve:ok connect:failed");
    ASSERT_HAS(text_of(0, PROBE_CONNECT), "127.0.0.1:");
    ASSERT_HAS(text_of(0, PROBE_CONNECT), "127.0.0.9:");
    ASSERT_HAS(text_of(0, PROBE_CONNECT), "Connection refused; is the address right, and does");
    run_incomplete("six.test", ", 'source_address': '127.0.0.5'");
    cr_assert_str_eq(ladder(0), "resolve:ok connect:failed");
    ASSERT_HAS(text_of(0, PROBE_CONNECT), "source_address is of the other family");
}

/* ---- SP60 ---- */

/* At a server that is there, at one that has no name, and at a port where nobody is. */
static void keep_secret(const char *type, const char *uri, const char *more)
{
    cr_assert_not_null(strstr(more, "tell-nobody"));
    run(type, at_peer(uri), more);
    expect_no_secret();
    run(type, "nowhere.test:1", more);
    expect_no_secret();
    run(type, "127.0.0.1:2", more);
    expect_no_secret();
}

Test(probe, SP60_no_step_holds_a_secret)
{
    const char *login = ", 'username': 'u', 'password': 'tell-nobody-1'";

    keep_secret("smtp", "127.0.0.1", login);
    keep_secret("smtp", "smtps://127.0.0.1", login);
    peers[0]->extensions = "250 AUTH PLAIN\r\n";
    peer_on(peers[0], "AUTH", "535 5.7.8 AHUAdGVsbC1ub2JvZHktMQ== is wrong", -1);
    keep_secret("smtp", "127.0.0.1", login);
    peer_on(peers[0], "AUTH", "535 5.7.8 tell-nobody-1 is no password", -1);
    peers[0]->rules[0] = peers[0]->rules[--peers[0]->rule_count];
    keep_secret("smtp", "127.0.0.1", login);
}
