/* The connection test (SP50, SP51): every step, every failure by name, the limit, the end. */
#include <fcntl.h>
#include <sys/mman.h>

#include "probe_world.h"

TestSuite(probe, .init = probe_world_setup, .fini = probe_world_teardown, .timeout = 60);

#define ALL_WELL "resolve:ok connect:ok greeting:ok ehlo:ok quit:ok"

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

/* ---- many servers ---- */

Test(probe, SP51_each_server_has_its_own_steps)
{
    char input[512];

    peer_on(peers[1], "greeting", "554 no", -1);
    peer_stop(peers[2]);
    (void)snprintf(input, sizeof(input),
                   "'servers': ['127.0.0.1:%u', '127.0.0.1:%u', '127.0.0.1:%u', 'nowhere.test',"
                   "'smtps://127.0.0.1:%u']",
                   peers[0]->port, peers[1]->port, peers[2]->port, peers[3]->port);
    start(9, "smtp", input);
    UNTIL(loop, told.dones == 1);
    cr_assert_eq(told.done.token, 9u);
    cr_assert_eq(told.done.servers, 5u);
    cr_assert_not(told.done.passed);
    cr_assert_str_eq(ladder(0), ALL_WELL);
    cr_assert_str_eq(ladder(1), "resolve:ok connect:ok greeting:failed");
    cr_assert_str_eq(ladder(2), "resolve:ok connect:failed");
    cr_assert_str_eq(ladder(3), "resolve:failed");
    ASSERT_HAS(ladder(4), "resolve:ok connect:ok tls:");
}

/* A door that lets nobody in: its queue is full, so what knocks hears nothing. */
struct full_door {
    int fd, inside[8];
    unsigned port;
};

static void full_door_open(struct full_door *door)
{
    struct sockaddr_in in = { .sin_family = AF_INET };
    socklen_t bytes = sizeof(in);

    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    door->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(door->fd, (struct sockaddr *)&in, sizeof(in)), 0);
    cr_assert_eq(getsockname(door->fd, (struct sockaddr *)&in, &bytes), 0);
    cr_assert_eq(listen(door->fd, 0), 0);
    door->port = ntohs(in.sin_port);
    for (unsigned i = 0; i < ARRAY_LEN(door->inside); i++) {
        door->inside[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void)!connect(door->inside[i], (struct sockaddr *)&in, sizeof(in));
    }
}

static void full_door_close(struct full_door *door)
{
    for (unsigned i = 0; i < ARRAY_LEN(door->inside); i++)
        close(door->inside[i]);
    close(door->fd);
}

/* Everything that can hang hangs at the same time; the one that is well does not wait for it. */
Test(probe, SP51_side_by_side_each_at_most_10_s)
{
    struct full_door door, tls_door;
    int64_t begun_ms, took_ms;
    bool has_greeted = false;
    char input[512];

    free_prober();
    make_prober("\"127.0.0.1:2\"", 60);
    full_door_open(&door);
    full_door_open(&tls_door);
    peer_on(peers[1], "greeting", "", -1);
    peer_on(peers[2], "EHLO", "", -1);
    peer_on(peers[3], "greeting", "", -1); /* is late, and then silent at QUIT */
    peer_on(peers[3], "QUIT", "", -1);
    (void)snprintf(input, sizeof(input),
                   "'servers': ['127.0.0.1:%u', '127.0.0.1:%u', '127.0.0.1:%u', '127.0.0.1:%u',"
                   "'127.0.0.1:%u', 'silent.test', 'smtps://127.0.0.1:%u']",
                   peers[0]->port, peers[1]->port, peers[2]->port, peers[3]->port, door.port,
                   tls_door.port);
    begun_ms = clock_mono_ms();
    start(1, "smtp", input);
    UNTIL(loop, step_of(0, PROBE_QUIT) != NULL);
    cr_assert_lt(clock_mono_ms() - begun_ms, 3000);
    while (told.dones == 0) {
        took_ms = clock_mono_ms() - begun_ms;
        cr_assert_lt(took_ms, 12000);
        if (took_ms > 9000 && !has_greeted)
            has_greeted = peer_say(LIST_FIRST(&peers[3]->clients), "220 at last");
        loop_turn(loop, 10);
    }
    took_ms = clock_mono_ms() - begun_ms;
    cr_assert(took_ms >= PROBE_SERVER_LIMIT_MS - 20 && took_ms < 11500, "%ld ms", (long)took_ms);
    cr_assert_not(told.done.passed);
    full_door_close(&door);
    full_door_close(&tls_door);

    cr_expect_str_eq(ladder(0), ALL_WELL);
    cr_expect_str_eq(ladder(1), "resolve:ok connect:ok greeting:failed");
    EXPECT_HAS(text_of(1, PROBE_GREETING), "not through within 10 s");
    EXPECT_HAS(text_of(1, PROBE_GREETING), "write smtps://");
    cr_expect_geq(step_of(1, PROBE_GREETING)->ms, 9000u);
    cr_expect_str_eq(ladder(2), "resolve:ok connect:ok greeting:ok ehlo:failed");
    EXPECT_HAS(text_of(2, PROBE_EHLO), "not through within 10 s");
    cr_expect_null(strstr(text_of(2, PROBE_EHLO), "smtps"), "it has spoken SMTP");
    cr_expect_str_eq(ladder(3), ALL_WELL, "whatever a delivery needs was there: %s", ladder(3));
    cr_expect_geq(step_of(3, PROBE_GREETING)->ms, 8900u);
    cr_expect_lt(step_of(3, PROBE_EHLO)->ms, 2000u, "each step has its own time");
    cr_expect_str_eq(ladder(4), "resolve:ok connect:failed");
    EXPECT_HAS(text_of(4, PROBE_CONNECT), "does a firewall let us pass?");
    cr_expect_str_eq(ladder(5), "resolve:failed");
    EXPECT_HAS(text_of(5, PROBE_RESOLVE), "name servers");
    cr_expect_str_eq(ladder(6), "resolve:ok connect:failed");
    EXPECT_HAS(text_of(6, PROBE_CONNECT), "does a firewall let us pass?");
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
    ASSERT_HAS(ladder(0), "resolve:ok connect:ok greeting:ok ehlo:failed");
    ASSERT_HAS(text_of(0, PROBE_EHLO), "this gateway itself");
    run("smtp", at_peer("smtps://127.0.0.1"), "");
    cr_assert_not(told.done.passed);
    cr_assert_str_eq(ladder(0), "resolve:ok connect:failed", "also where no more can be tested");
    ASSERT_HAS(text_of(0, PROBE_CONNECT), "this gateway itself");
}

/* ---- what this build cannot test (OP09) ---- */

#define AUTH_LADDER "resolve:ok connect:ok auth:not tested"
#define OAUTH                                                                             \
    ", 'encryption': 'none', 'oauth': {'grant': 'client_credentials', 'client_id': 'id'," \
    "'client_secret': 'tell-nobody-2', 'token_url': 'https://a.test/t', 'user': 'u'}"

static const struct {
    enum feature feature;
    const char *type, *uri, *more, *ladder;
    enum probe_step step;
    const char *text;
} untested[] = {
    { FEATURE_SMTPS, "smtp", "smtps://127.0.0.1", "",
      "resolve:ok connect:ok tls:not tested certificate:not tested greeting:not tested", PROBE_TLS,
      "this version has no TLS yet; its mail is deferred" },
    { FEATURE_STARTTLS, "smtp", "127.0.0.1", ", 'encryption': 'starttls_required'",
      "resolve:ok connect:ok starttls:not tested certificate:not tested greeting:not tested",
      PROBE_STARTTLS, "this version has no TLS yet; its mail is deferred" },
    { FEATURE_CREDENTIALS, "smtp", "127.0.0.1", ", 'username': 'u', 'password': 'tell-nobody-1'",
      AUTH_LADDER, PROBE_AUTH, "does not log in yet; its mail is deferred" },
    { FEATURE_SMTPS, "smtp", "smtps://127.0.0.1", ", 'username': 'u', 'password': 'tell-nobody-1'",
      "resolve:ok connect:ok tls:not tested certificate:not tested auth:not tested", PROBE_AUTH,
      "does not log in yet" },
    { FEATURE_OAUTH, "smtp", "127.0.0.1", OAUTH, AUTH_LADDER, PROBE_AUTH, "does not log in yet" },
    { FEATURE_CLIENT_CERTIFICATE, "smtp", "127.0.0.1", ", 'client_certificate': true",
      "resolve:ok connect:ok greeting:not tested", PROBE_GREETING, "client_certificate" },
    { FEATURE_CORE, "core", "http://127.0.0.1", "", "resolve:ok connect:ok request:not tested",
      PROBE_REQUEST, "makes no requests to a core yet; its mail is deferred" },
    { FEATURE_CORE, "core", "https://127.0.0.1", ", 'api_key': 'tell-nobody-3'",
      "resolve:ok connect:ok tls:not tested certificate:not tested request:not tested",
      PROBE_REQUEST, "makes no requests to a core yet" },
    { FEATURE_VAULT, "vault", "http://127.0.0.1", ", 'api_key': 'tell-nobody-4'",
      "resolve:ok connect:ok request:not tested", PROBE_REQUEST,
      "makes no requests to a vault yet; its mail is deferred" },
};

Test(probe, OP09_what_cannot_be_tested_yet_is_said_and_does_not_block)
{
    for (unsigned i = 0; i < ARRAY_LEN(untested); i++) {
        if (features[untested[i].feature].is_built)
            continue;
        peers[0]->log[0] = '\0';
        run(untested[i].type, at_peer(untested[i].uri), untested[i].more);
        cr_expect_str_eq(ladder(0), untested[i].ladder, "row %u: %s", i, ladder(0));
        EXPECT_HAS(text_of(0, untested[i].step), "not tested");
        EXPECT_HAS(text_of(0, untested[i].step), untested[i].text);
        cr_expect(told.done.passed, "row %u", i);
        UNTIL(loop, peers[0]->open == 0);
        cr_expect_eq(peers[0]->log[0], '<', "row %u: not a word without protection: %s", i,
                     peers[0]->log);
    }
}

Test(probe, OP09_starttls_optional_goes_on_in_clear_and_says_so)
{
    if (features[FEATURE_STARTTLS].is_built)
        cr_skip_test("STARTTLS is built");
    run("smtp", PEER, ", 'encryption': 'starttls_optional'");
    cr_assert_str_eq(ladder(0), "resolve:ok connect:ok greeting:ok ehlo:ok starttls:not tested "
                                "quit:ok");
    ASSERT_HAS(text_of(0, PROBE_STARTTLS), "mail goes in clear");
    cr_assert(told.done.passed);
}

Test(probe, OP07_an_incomplete_profile_says_what_is_not_tested)
{
    struct profile *profile = accept_profile(input_of("smtp", ""), NULL, NULL);

    profile->servers[0].port = peers[0]->port;
    (void)snprintf(profile->servers[0].text, sizeof(profile->servers[0].text),
                   "smtp://127.0.0.1:%u", peers[0]->port);
    profile->incomplete = true;
    start_profile(1, profile);
    UNTIL(loop, told.dones == 1);
    cr_assert_str_eq(ladder(0), "resolve:ok connect:ok greeting:not tested");
    ASSERT_HAS(text_of(0, PROBE_GREETING), "incomplete");
}

/* The part of the test that is left without TLS connects as the client does. */
Test(probe, SP17_all_addresses_are_tried_also_where_only_the_connection_can_be_tested)
{
    static const char *const hosts[] = { "ab.test", "ba.test" };
    const char *more = ", 'username': 'u', 'password': 'p'";

    if (features[FEATURE_CREDENTIALS].is_built)
        cr_skip_test("credentials are built");
    for (unsigned i = 0; i < 2; i++) {
        run("smtp", at_peer(hosts[i]), more);
        cr_assert_str_eq(ladder(0), AUTH_LADDER, "%s: %s", hosts[i], ladder(0));
    }
    run("smtp", at_peer("both.test"),
        ", 'username': 'u', 'password': 'p', 'source_address': '127.0.0.5'");
    cr_assert_str_eq(ladder(0), AUTH_LADDER, "%s", text_of(0, PROBE_CONNECT));

    peer_stop(peers[0]);
    run("smtp", at_peer("ab.test"), more);
    cr_assert_str_eq(ladder(0), "resolve:ok connect:failed");
    ASSERT_HAS(text_of(0, PROBE_CONNECT), "127.0.0.1:");
    ASSERT_HAS(text_of(0, PROBE_CONNECT), "127.0.0.9:");
    ASSERT_HAS(text_of(0, PROBE_CONNECT), "Connection refused; is the address right, and does");
    run("smtp", at_peer("six.test"),
        ", 'username': 'u', 'password': 'p', 'source_address': '127.0.0.5'");
    cr_assert_str_eq(ladder(0), "resolve:ok connect:failed");
    ASSERT_HAS(text_of(0, PROBE_CONNECT), "source_address is of the other family");
}

/* ---- SP60 ---- */

static void expect_no_secret(void)
{
    for (unsigned i = 0; i < told.count; i++)
        cr_expect_null(strstr(told.steps[i].text, "tell-nobody"), "%s", told.steps[i].text);
    for (unsigned i = 0; i < PEERS; i++)
        cr_expect_null(strstr(peers[i]->log, "tell-nobody"), "%s", peers[i]->log);
}

Test(probe, SP60_no_step_holds_a_secret)
{
    unsigned with_secrets = 0;

    for (unsigned i = 0; i < ARRAY_LEN(untested); i++) {
        with_secrets += strstr(untested[i].more, "tell-nobody") != NULL;
        run(untested[i].type, at_peer(untested[i].uri), untested[i].more);
        expect_no_secret();
        run(untested[i].type, "nowhere.test:1", untested[i].more);
        expect_no_secret();
        run(untested[i].type, "127.0.0.1:2", untested[i].more);
        expect_no_secret();
    }
    cr_assert_eq(with_secrets, 5u);
}

/* ---- tests that cannot be made ---- */

static int sealed(const char *text)
{
    return memfd_seal("probe", text, strlen(text));
}

static void refused(uint64_t token, int fd, const char *why)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

    forget_told();
    prober_start(prober, token, fd);
    UNTIL(loop, told.dones == 1);
    cr_expect_eq(told.count, 1u);
    cr_expect_eq(told.steps[0].token, token);
    cr_expect_eq(told.steps[0].server, 0u);
    cr_expect_eq(told.steps[0].result, PROBE_FAILED);
    EXPECT_HAS(told.steps[0].text, "the test could not be made: ");
    EXPECT_HAS(told.steps[0].text, why);
    cr_expect_eq(told.done.token, token);
    cr_expect_not(told.done.passed);
    cr_expect_eq(told.steps_before_done, 1u);
    cr_expect_eq(fcntl(fd, F_GETFD), -1, "the descriptor was left open");
    expect_no_secret();
    close(copy);
}

Test(probe, a_profile_that_cannot_be_read_is_refused_with_the_reason)
{
    int loose = memfd_create("loose", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    refused(1, loose, "not permitted");
    refused(2, sealed(""), "not JSON");
    refused(3, sealed("{\"v\":1,\"password\":\"tell-nobody"), "not JSON");
    refused(4, sealed("{}"), "version");
    refused(5, sealed("{\"v\":1,\"type\":\"smtp\",\"name\":\"x\",\"password\":\"tell-nobody\"}"),
            "");
}

Test(probe, more_tests_than_may_be_under_way_are_refused)
{
    char input[128];

    (void)snprintf(input, sizeof(input), "'servers': ['%s']", PEER);
    peer_on(peers[0], "greeting", "", -1);
    for (unsigned i = 1; i <= PROBE_MAX; i++)
        start(i, "smtp", input);
    UNTIL(loop, peers[0]->open == PROBE_MAX);
    cr_assert_eq(told.dones, 0u);
    refused(99, sealed("{}"), "too many tests at a time");

    forget_told();
    peer_hang_up_all(peers[0]);
    UNTIL(loop, told.dones == PROBE_MAX);
    peers[0]->rule_count = 0;
    run("smtp", PEER, "");
    cr_assert_str_eq(ladder(0), ALL_WELL, "there is room again");
}

static void refuse_another(void *arg)
{
    (void)arg;
    prober_start(prober, 2, sealed("{}"));
}

/* What is told of one kind in a turn shares a frame, which may have been begun by another test. */
Test(probe, the_end_of_a_test_does_not_overtake_its_steps_in_the_frame_of_another)
{
    struct loop_timer *timer = loop_timer_new(loop, refuse_another, NULL);
    struct profile *profile =
        accept_profile(input_of("smtp", "'source_address': '::1'"), NULL, NULL);

    start_profile(1, profile); /* fails on the spot: its end is told in the next turn */
    loop_timer_set_ms(timer, 0);
    loop_turn(loop, 0);
    UNTIL(loop, told.dones == 2);
    cr_assert_eq(told.done.token, 2u);
    cr_assert_eq(told.steps_before_done, told.count);
    cr_assert_eq(told.steps[told.count - 1].token, 2u);
    loop_timer_free(&timer);
}

Test(probe, two_tests_at_a_time_are_told_apart)
{
    char first[128], second[128];

    (void)snprintf(first, sizeof(first), "'servers': ['127.0.0.1:%u']", peers[0]->port);
    (void)snprintf(second, sizeof(second), "'servers': ['127.0.0.1:%u']", peers[1]->port);
    peer_on(peers[0], "greeting", "", -1);
    start(1, "smtp", first);
    UNTIL(loop, peers[0]->open == 1);
    start(2, "smtp", second);
    UNTIL(loop, told.dones == 1);
    cr_assert_eq(told.done.token, 2u);
    cr_assert(told.done.passed);
    peer_hang_up_all(peers[0]);
    UNTIL(loop, told.dones == 2);
    cr_assert_eq(told.done.token, 1u);
    cr_assert_not(told.done.passed);
}

/* ---- the owner goes ---- */

static void on_lookup(struct resolver_answer *looked_up, const char *why, void *arg)
{
    cr_assert_null(looked_up);
    cr_assert_not_null(why);
    *(bool *)arg = true;
}

Test(probe, its_end_cuts_tests_in_every_step_and_nothing_more_is_told)
{
    struct full_door door;
    struct resolver_answer *none = NULL;
    struct resolver_query *query = NULL;
    bool is_answered = false;
    char input[512];
    unsigned before;

    full_door_open(&door);
    peer_on(peers[0], "greeting", "", -1);
    peer_on(peers[1], "EHLO", "", -1);
    peer_on(peers[2], "QUIT", "", -1);
    (void)snprintf(input, sizeof(input),
                   "'servers': ['127.0.0.1:%u', '127.0.0.1:%u', '127.0.0.1:%u', '127.0.0.1:%u',"
                   "'silent.test', 'smtps://127.0.0.1:%u', '127.0.0.1:1']",
                   peers[0]->port, peers[1]->port, peers[2]->port, door.port, door.port);
    start(1, "smtp", input);
    UNTIL(loop, step_of(0, PROBE_CONNECT) != NULL && strcmp(peers[1]->log, "EHLO gw.test|") == 0 &&
                    strstr(peers[2]->log, "QUIT|") != NULL && names->asked > 0 &&
                    step_of(6, PROBE_CONNECT) != NULL);
    turn_a_while();
    before = told.count;
    prober_free(&prober);
    UNTIL(loop, peers[0]->open + peers[1]->open + peers[2]->open == 0);
    turn_a_while();
    cr_assert_eq(
        resolver_lookup(resolver, "silent.test", on_lookup, &is_answered, &none, &query, NULL), 0);
    UNTIL(loop, is_answered); /* so the test would have been, too */
    cr_assert_eq(told.count, before);
    cr_assert_eq(told.dones, 0u);
    full_door_close(&door);
}

Test(probe, its_end_comes_before_the_word_that_a_test_is_over)
{
    struct profile *profile =
        accept_profile(input_of("smtp", "'source_address': '::1'"), NULL, NULL);

    start_profile(1, profile); /* fails on the spot */
    prober_free(&prober);
    turn_a_while();
    cr_assert_eq(told.dones, 0u);
    prober_free(&prober);
}
