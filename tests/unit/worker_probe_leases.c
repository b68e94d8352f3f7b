/* The connections of a test count among the server's max_connections (SP49, SP51). */
#include "common/ipc.h"

static struct { /* what the master heard */
    struct ipc_lease_want want;
    struct ipc_connections connections;
    unsigned wanted, back;
} heard;

static void on_lease_want(void *owner, const void *payload, int fd);
static void on_lease_back(void *owner, const void *payload, int fd);
static void on_connections(void *owner, const void *payload, int fd);

#define PROBE_MORE_AT_MASTER                                            \
    [IPC_LEASE_WANT] = on_lease_want, [IPC_LEASE_BACK] = on_lease_back, \
    [IPC_CONNECTIONS] = on_connections

#include "probe_world.h"
#include "web_peer.h"

#include "common/clock.h"
#include "common/server_uri.h"

#define STORED 7

static void on_lease_want(void *owner, const void *payload, int fd)
{
    (void)owner;
    (void)fd;
    memcpy(&heard.want, payload, sizeof(heard.want));
    heard.wanted += heard.want.count;
}

static void on_lease_back(void *owner, const void *payload, int fd)
{
    const struct ipc_lease_back *back = payload;

    (void)owner;
    (void)fd;
    heard.back += back->count;
}

static void on_connections(void *owner, const void *payload, int fd)
{
    (void)owner;
    (void)fd;
    memcpy(&heard.connections, payload, sizeof(heard.connections));
}

TestSuite(probe_leases, .init = probe_world_setup, .fini = probe_world_teardown, .timeout = 30);

static void test_stored(unsigned id, const char *more)
{
    char input[512];
    struct profile *profile;

    (void)snprintf(input, sizeof(input), "'servers': ['%s']%s", PEER, more);
    profile = accept_profile(input_of("smtp", input), NULL, NULL);
    profile->id = id;
    start_profile(4711, profile);
}

static void say(unsigned granted, unsigned unneeded, unsigned limit)
{
    const struct ipc_lease lease = { .server = heard.want.server,
                                     .profile = heard.want.profile,
                                     .granted = granted,
                                     .unneeded = unneeded,
                                     .limit = limit };

    channel_send(master, IPC_LEASE, &lease);
}

static void end_well(void)
{
    UNTIL(loop, told.dones == 1);
    cr_assert_str_eq(ladder(0), ALL_WELL);
}

Test(probe_leases, SP49_the_test_of_a_stored_profile_asks_before_it_connects)
{
    test_stored(STORED, "");
    UNTIL(loop, heard.wanted == 1);
    turn_a_while();
    cr_assert_eq(peers[0]->connections, 0u);
    cr_assert_eq(heard.want.profile, STORED);
    cr_assert_eq(heard.want.server, server_uri_identity(at_peer("smtp://127.0.0.1")));
    cr_assert_eq(heard.want.is_patient, 1u, "it cannot go to another worker");
    say(1, 0, 1);
    end_well();
    UNTIL(loop, heard.back == 1);
    cr_assert_eq(heard.wanted, 1u);
}

Test(probe_leases, SP49_the_lease_stays_until_the_server_has_ended_the_connection)
{
    peer_on(peers[0], "QUIT", "221 2.0.0 soon", 1);
    test_stored(STORED, "");
    UNTIL(loop, heard.wanted == 1);
    say(1, 0, 1);
    end_well();
    turn_a_while();
    cr_assert_eq(peers[0]->open, 1u);
    cr_assert_eq(heard.back, 0u);
    cr_assert_eq(heard.connections.open, 1u, "people see it, too");
    peer_hang_up_all(peers[0]);
    UNTIL(loop, heard.back == 1);
    UNTIL(loop, heard.connections.open == 0);
}

Test(probe_leases, SP49_the_lease_stays_two_seconds_after_QUIT_at_the_most)
{
    int64_t begun_ms;

    peer_on(peers[0], "QUIT", "221 2.0.0 soon", 1);
    test_stored(STORED, "");
    UNTIL(loop, heard.wanted == 1);
    say(1, 0, 1);
    end_well();
    begun_ms = clock_mono_ms();
    UNTIL(loop, heard.back == 1);
    cr_assert_geq(clock_mono_ms() - begun_ms, 1800);
    cr_assert_leq(clock_mono_ms() - begun_ms, 4000);
}

Test(probe_leases, SP49_a_test_that_fails_gives_its_lease_back)
{
    peer_on(peers[0], "greeting", "554 5.3.2 no mail here", 1);
    test_stored(STORED, "");
    UNTIL(loop, heard.wanted == 1);
    say(1, 0, 1);
    UNTIL(loop, told.dones == 1);
    cr_assert_str_eq(ladder(0), "resolve:ok connect:ok greeting:failed");
    UNTIL(loop, heard.back == 1);
}

Test(probe_leases, SP49_SP51_that_none_became_free_is_said_with_the_number)
{
    int64_t begun_ms = clock_mono_ms();

    test_stored(STORED, "");
    UNTIL(loop, heard.wanted == 1);
    say(0, 0, 3);
    UNTIL(loop, told.dones == 1);
    cr_assert_str_eq(ladder(0), "resolve:ok connect:failed");
    ASSERT_HAS(text_of(0, PROBE_CONNECT), "all 3 connections that max_connections allows");
    cr_assert_geq(clock_mono_ms() - begun_ms, PROBE_LEASE_WAIT_MS - 50);
    cr_assert_eq(peers[0]->connections, 0u);
    say(1, 0, 3); /* too late */
    UNTIL(loop, heard.back == 1);
}

Test(probe_leases, SP49_its_time_begins_anew_when_its_turn_comes)
{
    peer_on(peers[0], "EHLO", "", 1);
    test_stored(STORED, ",'timeouts': {'handshake': 7}");
    UNTIL(loop, heard.wanted == 1);
    say(1, 0, 1);
    UNTIL(loop, told.dones == 1); /* after the 7 s of its own, not the 5 s that it may wait */
    cr_assert_str_eq(ladder(0), "resolve:ok connect:ok greeting:ok ehlo:failed");
    ASSERT_HAS(text_of(0, PROBE_EHLO), "timed out");
}

Test(probe_leases, SP49_a_server_that_no_stored_profile_has_needs_none)
{
    test_stored(STORED, "");
    UNTIL(loop, heard.wanted == 1);
    say(0, 1, 0);
    end_well();
    turn_a_while();
    cr_assert_eq(heard.back, 0u);
}

Test(probe_leases, SP49_a_profile_that_was_never_stored_asks_nobody)
{
    test_stored(0, "");
    end_well();
    cr_assert_eq(heard.wanted, 0u);
}

/* One lease for the connection that looks and for the one that asks. */
Test(probe_leases, SP49_a_core_s_lease_stays_until_its_request_is_over)
{
    struct web *web = web_new(loop, NULL);
    struct profile *profile;
    char input[128];

    web_on(web, "/version", "", 1);
    (void)snprintf(input, sizeof(input), "'servers': ['http://127.0.0.1:%u']", web->port);
    profile = accept_profile(input_of("core", input), NULL, NULL);
    profile->id = STORED;
    start_profile(4711, profile);
    UNTIL(loop, heard.wanted == 1);
    turn_a_while();
    cr_expect_eq(web->connections, 0u);
    say(1, 0, 1);
    UNTIL(loop, web->requests == 1);
    turn_a_while();
    cr_expect_eq(web->open, 1u);
    cr_expect_eq(heard.back, 0u);
    web_say_all(web, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
    UNTIL(loop, told.dones == 1);
    cr_expect_str_eq(ladder(0), "resolve:ok connect:ok request:ok");
    UNTIL(loop, heard.back == 1);
    UNTIL(loop, web->open == 0);
    cr_expect_eq(web->most_open, 1u);
    cr_expect_eq(heard.wanted, 1u);
    web_free(&web);
}

Test(probe_leases, SP49_the_end_of_the_worker_finds_one_that_waits_and_one_that_says_QUIT)
{
    peer_on(peers[0], "QUIT", "", 1);
    test_stored(STORED, "");
    UNTIL(loop, heard.wanted == 1);
    say(1, 0, 1);
    UNTIL(loop, strstr(peers[0]->log, "QUIT|") != NULL);
    test_stored(STORED, "");
    UNTIL(loop, heard.wanted == 2);
} /* teardown; the sanitizer looks */
