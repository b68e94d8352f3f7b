/* Connection tests side by side (SP51): many servers, the limit, many tests, the end of all. */
#include <fcntl.h>
#include <sys/mman.h>

#include "probe_world.h"

TestSuite(probe_many, .init = probe_world_setup, .fini = probe_world_teardown, .timeout = 60);

/* ---- many servers ---- */

Test(probe_many, SP51_each_server_has_its_own_steps)
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
Test(probe_many, SP51_side_by_side_each_at_most_10_s)
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
    cr_expect_geq(step_of(3, PROBE_GREETING)->ms, 8500u);
    cr_expect_lt(step_of(3, PROBE_EHLO)->ms, 2000u, "each step has its own time");
    cr_expect_str_eq(ladder(4), "resolve:ok connect:failed");
    EXPECT_HAS(text_of(4, PROBE_CONNECT), "does a firewall let us pass?");
    cr_expect_str_eq(ladder(5), "resolve:failed");
    EXPECT_HAS(text_of(5, PROBE_RESOLVE), "name servers");
    cr_expect_str_eq(ladder(6), "resolve:ok connect:failed");
    EXPECT_HAS(text_of(6, PROBE_CONNECT), "does a firewall let us pass?");
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

Test(probe_many, a_profile_that_cannot_be_read_is_refused_with_the_reason)
{
    int loose = memfd_create("loose", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    refused(1, loose, "not permitted");
    refused(2, sealed(""), "not JSON");
    refused(3, sealed("{\"v\":1,\"password\":\"tell-nobody"), "not JSON");
    refused(4, sealed("{}"), "version");
    refused(5, sealed("{\"v\":1,\"type\":\"smtp\",\"name\":\"x\",\"password\":\"tell-nobody\"}"),
            "");
}

Test(probe_many, more_tests_than_may_be_under_way_are_refused)
{
    char input[128];

    (void)snprintf(input, sizeof(input), "'servers': ['%s']", PEER);
    peer_on(peers[0], "greeting", "", -1);
    for (unsigned i = 1; i <= IPC_PROBES_MAX; i++)
        start(i, "smtp", input);
    UNTIL(loop, peers[0]->open == IPC_PROBES_MAX);
    cr_assert_eq(told.dones, 0u);
    refused(99, sealed("{}"), "too many tests at a time");

    forget_told();
    peer_hang_up_all(peers[0]);
    UNTIL(loop, told.dones == IPC_PROBES_MAX);
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
Test(probe_many, the_end_of_a_test_does_not_overtake_its_steps_in_the_frame_of_another)
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

Test(probe_many, two_tests_at_a_time_are_told_apart)
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

Test(probe_many, its_end_cuts_tests_in_every_step_and_nothing_more_is_told)
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

Test(probe_many, its_end_comes_before_the_word_that_a_test_is_over)
{
    struct profile *profile =
        accept_profile(input_of("smtp", "'source_address': '::1'"), NULL, NULL);

    start_profile(1, profile); /* fails on the spot */
    prober_free(&prober);
    turn_a_while();
    cr_assert_eq(told.dones, 0u);
    prober_free(&prober);
}
