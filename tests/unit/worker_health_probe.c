/* Does a server that is down answer again? */
#include "health_probe_world.h"

TestSuite(health_probe, .init = health_probe_setup, .fini = health_probe_teardown, .timeout = 60);

/* With servers and time-outs of its own. */
static void put_own(uint64_t version, const char *servers, const char *timeouts)
{
    char more[512];

    (void)snprintf(more, sizeof(more), "'servers': [%s], 'timeouts': {%s}", servers, timeouts);
    put_typed("smtp", version, more);
}

static void put_patient(unsigned greeting_s)
{
    char server[32], timeouts[32];

    (void)snprintf(server, sizeof(server), "'127.0.0.1:%u'", peers[0]->port);
    (void)snprintf(timeouts, sizeof(timeouts), "'greeting': %u", greeting_s);
    put_own(1, server, timeouts);
}

Test(health_probe, SP23_a_server_that_answers_is_left_with_quit_and_sent_no_mail)
{
    put_version(1, 0, POOLED);
    ask_for(PROFILE, 1, 1);
    expect(IPC_WORD_ANSWERS, "");
    UNTIL(loop, peers[1]->open == 0);
    cr_expect_str_eq(peers[1]->log, "EHLO gw.test|QUIT|");
    cr_expect_eq(peers[0]->connections, 0u);
    cr_expect_eq(told.messages, 0u, "the pool has nothing to do with it");
}

static void expect_lease_until_the_end(const char *farewell)
{
    heard = 0;
    peers[0]->log[0] = '\0';
    peers[0]->rule_count = 0;
    peer_on(peers[0], "QUIT", farewell, -1);
    ask_for(PROFILE, 1, 0);
    UNTIL(loop, strstr(peers[0]->log, "QUIT|") != NULL && heard == 1);
    turn_a_while();
    cr_expect_eq(leases()->out, 1u, "'%s' is no end", farewell);
    peer_hang_up_all(peers[0]);
    UNTIL(loop, leases()->out == 0);
}

Test(health_probe, SP49_its_lease_is_kept_until_the_server_has_ended_it)
{
    put_version(1, 0, POOLED);
    expect_lease_until_the_end("");
    expect_lease_until_the_end("221 2.0.0 bye");
}

static const struct {
    const char *when, *say;
    enum ipc_server_word word;
    const char *text;
} answers[] = {
    { "greeting", "554 5.3.2 closed", IPC_WORD_FAILED, "554 5.3.2 closed" },
    { "greeting", "421 4.3.2 too many", IPC_WORD_FAILED, "421 4.3.2 too many" },
    { "greeting", "!close", IPC_WORD_FAILED, "closed" },
    { "greeting", "!reset", IPC_WORD_FAILED, "127.0.0.1" },
    { "greeting", "what", IPC_WORD_FAILED, "not an SMTP reply" },
    { "EHLO", "421 4.3.2 closing", IPC_WORD_FAILED, "421" },
    { "EHLO", "!close", IPC_WORD_FAILED, "closed" },
    { "EHLO", "500 what", IPC_WORD_ANSWERS, "" }, /* HELO it is */
    { "QUIT", "!close", IPC_WORD_ANSWERS, "" },
    { "QUIT", "500 never", IPC_WORD_ANSWERS, "" },
};

Test(health_probe, SP23_what_a_server_says)
{
    put_version(1, 0, POOLED);
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        heard = peers[0]->rule_count = 0;
        peer_on(peers[0], answers[i].when, answers[i].say, -1);
        ask_for(PROFILE, 1, 0);
        expect(answers[i].word, answers[i].text);
    }
}

Test(health_probe, SP23_a_refused_password_is_told_as_such)
{
    put_version(1, 0, POOLED);
    peer_on(peers[0], "EHLO", "535 5.7.8 who are you", -1);
    peer_on(peers[0], "HELO", "535 5.7.8 who are you", -1);
    ask_for(PROFILE, 1, 0);
    expect(IPC_WORD_REFUSES_LOGIN, "535");
}

Test(health_probe, SP23_nobody_listens)
{
    put_version(1, 0, POOLED);
    peer_stop(peers[0]);
    ask_for(PROFILE, 1, 0);
    expect(IPC_WORD_FAILED, "refused");
}

Test(health_probe, SP23_the_profiles_time_outs_hold)
{
    put_patient(1);
    peer_on(peers[0], "greeting", "", -1);
    ask_for(PROFILE, 1, 0);
    expect(IPC_WORD_FAILED, "timed out");
}

Test(health_probe, SP23_ten_seconds_are_the_most)
{
    int64_t began_ms = clock_mono_ms();

    put_patient(600);
    peer_on(peers[0], "greeting", "", -1);
    ask_for(PROFILE, 1, 0);
    while (heard == 0 && clock_mono_ms() < began_ms + IPC_HEALTH_PROBE_MS + 5000)
        loop_turn(loop, 100);
    expect(IPC_WORD_FAILED, "within 10 s");
    cr_expect_geq(clock_mono_ms() - began_ms, IPC_HEALTH_PROBE_MS);
    UNTIL(loop, peers[0]->open == 0);
}

Test(health_probe, SP49_too_many_while_another_is_open_is_an_answer)
{
    struct wish other = { 0 };

    get(&other, put_version(1, 1, POOLED), 0);
    peer_on(peers[0], "greeting", "421 4.3.2 too many", -1);
    ask_for(PROFILE, 1, 0);
    expect(IPC_WORD_ANSWERS, "");
    give_back(&other);
}

Test(health_probe, SP49_so_it_is_when_that_is_another_worker_s)
{
    put_version(1, 1, POOLED);
    peer_on(peers[0], "greeting", "421 4.3.2 too many", -1);
    ask_beside(1, PROFILE, 1, 0);
    expect(IPC_WORD_ANSWERS, "");
}

Test(health_probe, SP23_what_cannot_be_asked_here_says_nothing_about_the_server)
{
    static const struct {
        uint32_t profile;
        uint64_t version;
        uint32_t server;
    } asked[] = { { PROFILE, 2, 0 }, { PROFILE, 1, 2 }, { PROFILE, 1, UINT32_MAX } };

    ask_for(PROFILE, 1, 0);
    expect(IPC_WORD_UNDECIDED, "from here");
    put_version(1, 0, POOLED);
    for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
        heard = 0;
        ask_for(asked[i].profile, asked[i].version, asked[i].server);
        expect(IPC_WORD_UNDECIDED, "from here");
    }
    cr_expect_eq(peers[0]->connections, 0u);
}

Test(health_probe, SP23_names)
{
    put_own(1, "'nowhere.test', 'short.test'", "");
    ask_for(PROFILE, 1, 0);
    expect(IPC_WORD_FAILED, "no such name");
    heard = 0;
    ask_for(PROFILE, 1, 1);
    expect(IPC_WORD_UNDECIDED, "memory");
    put_own(2, "'slow.test'", "");
    heard = 0;
    ask_for(PROFILE, 2, 0);
    turn_a_while();
    cr_assert_eq(heard, 0u);
    query.done(NULL, "no answer in time", query.arg);
    expect(IPC_WORD_FAILED, "no answer in time");
}

Test(health_probe, what_is_under_way_ends_with_the_worker)
{
    put_version(1, 0, POOLED);
    peer_on(peers[0], "greeting", "", -1); /* one waits for a greeting, ... */
    ask_for(PROFILE, 1, 0);
    peer_on(peers[1], "QUIT", "", -1); /* ... one for a farewell, ... */
    ask_for(PROFILE, 1, 1);
    UNTIL(loop, heard == 1 && peers[0]->open == 1);
    put_web("core");
    web_on(web, "/version", "", 1); /* ... one for an answer, ... */
    ask_for(PROFILE, 1, 0);
    UNTIL(loop, web->requests == 1);
    put_own(2, "'slow.test'", "");
    ask_for(PROFILE, 2, 0); /* ... and one for an address */
    health_prober_free(&prober);
    cr_expect(is_cancelled);
    UNTIL(loop, peers[0]->open == 0 && peers[1]->open == 0 && web->open == 0);
    cr_expect_eq(heard, 1u);
}
