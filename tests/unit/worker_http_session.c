/* Sessions: HTTP requests on a connection of their own, at most one at a time (SP49). */
#include "http_stage.h"

static void setup(void)
{
    http_stage_begin(NULL);
    web = web_new(loop, NULL);
}

TestSuite(http_session, .init = setup, .fini = http_stage_end, .timeout = 60);

static struct asked *in_session(struct http_session *session, const char *host, const char *target)
{
    struct asked *asked = asked_new("http", host, target);

    asked->request.session = session;
    return asked;
}

static void run_in(struct http_session *session, const char *host, const char *target)
{
    struct asked *asked = in_session(session, host, target);

    asked_run(asked);
    cr_assert_eq(asked->event, HTTP_ANSWERED, "%s", asked->why);
    asked_free(&asked);
}

Test(http_session, each_has_its_connection_and_uses_it_again)
{
    struct http_session *one = http_session_new(http), *two = http_session_new(http);

    for (unsigned i = 0; i < 5; i++) {
        run_in(one, "web.test", "/one");
        run_in(NULL, "web.test", "/shared");
        run_in(two, "web.test", "/two");
    }
    cr_expect_eq(web->requests, 15u);
    cr_expect_eq(web->connections, 3u);
    cr_expect_eq(web->most_open, 3u);
    http_session_free(&one);
    http_session_free(&two);
}

/* Its end is seen there; the others' are used on. */
Test(http_session, SP49_its_connection_ends_with_it_at_once_and_no_other)
{
    struct http_session *one = http_session_new(http), *two = http_session_new(http);

    run_in(one, "web.test", "/one");
    run_in(two, "web.test", "/two");
    run_in(NULL, "web.test", "/shared");
    cr_expect_eq(web->open, 3u);
    http_session_free(&one);
    cr_expect_null(one);
    http_session_free(&one);
    UNTIL(web->open == 2);
    run_in(two, "web.test", "/two");
    run_in(NULL, "web.test", "/shared");
    cr_expect_eq(web->connections, 3u);
    http_session_free(&two);
    UNTIL(web->open == 1);
}

Test(http_session, one_whose_request_was_cancelled_ends_too)
{
    struct http_session *session = http_session_new(http);
    struct asked *asked = in_session(session, "web.test", "/");

    web_on(web, "/", "", -1);
    asked_start(asked);
    UNTIL(web->requests == 1);
    http_cancel(&asked->job);
    http_session_free(&session);
    UNTIL(web->open == 0);
    cr_expect_eq(asked->told, 0u);
    asked_free(&asked);
}

Test(http_session, SP49_at_most_one_is_open_whoever_is_asked)
{
    static const char *const hosts[] = { "web.test", "other.test", "third.test", "127.0.0.1" };
    struct http_session *session = http_session_new(http);

    for (unsigned i = 0; i < 8; i++)
        run_in(session, hosts[i % 4], "/");
    cr_expect_eq(web->connections, 8u);
    cr_expect_eq(web->most_open, 1u);
    http_session_free(&session);
}

Test(http_session, one_that_the_server_has_closed_is_made_anew)
{
    struct http_session *session = http_session_new(http);

    run_in(session, "web.test", "/");
    web_hang_up_all(web);
    run_in(session, "web.test", "/");
    web_on(web, "/again", "!close", 1);
    run_in(session, "web.test", "/again");
    cr_expect_eq(web->connections, 3u);
    cr_expect_eq(web->most_open, 1u);
    http_session_free(&session);
}

/* ---- one after another ---- */

Test(http_session, it_has_one_request_at_a_time)
{
    struct http_session *session = http_session_new(http);
    struct asked *first = in_session(session, "web.test", "/first");
    struct asked *second = in_session(session, "web.test", "/second");
    struct reason why = { "" };

    web_on(web, "/first", "", -1);
    asked_start(first);
    cr_expect_eq(http_start(http, &second->request, asked_done, second, &second->job, &why),
                 -EBUSY);
    UNTIL(web->requests == 1);
    cr_expect_eq(http_start(http, &second->request, asked_done, second, &second->job, &why),
                 -EBUSY);
    http_cancel(&first->job);
    asked_run(second);
    cr_expect_eq(second->event, HTTP_ANSWERED, "%s", second->why);
    asked_free(&first);
    asked_free(&second);
    http_session_free(&session);
}

static void start_next(struct asked *asked)
{
    asked_start(asked->with);
}

static void free_session(struct asked *asked)
{
    http_session_free(asked->with);
}

Test(http_session, the_next_may_begin_and_the_session_end_inside_the_callback)
{
    struct http_session *session = http_session_new(http);
    struct asked *first = in_session(session, "web.test", "/first");
    struct asked *second = in_session(session, "web.test", "/second");

    first->then = start_next;
    first->with = second;
    second->then = free_session;
    second->with = &session;
    asked_start(first);
    UNTIL(second->told == 1);
    cr_expect_eq(second->event, HTTP_ANSWERED, "%s", second->why);
    cr_expect_eq(web->connections, 1u);
    cr_expect_null(session);
    UNTIL(web->open == 0);
    asked_free(&first);
    asked_free(&second);
}

/* ---- beside the others ---- */

#define SESSIONS (HTTP_AT_ONCE + 10)
#define CROWD    (HTTP_AT_ONCE + 1)

Test(http_session, its_requests_wait_for_nobody_and_nobody_waits_for_them)
{
    static const char *const hosts[] = { "web.test", "other.test", "third.test", "fourth.test" };
    struct http_session *sessions[SESSIONS];
    struct asked *crowd[CROWD], *own[SESSIONS];

    web_on(web, "/silence", "", -1);
    for (unsigned i = 0; i < SESSIONS; i++) {
        sessions[i] = http_session_new(http);
        own[i] = in_session(sessions[i], "web.test", "/silence");
        if (i < SESSIONS / 2)
            asked_start(own[i]);
    }
    UNTIL(web->requests == SESSIONS / 2);
    for (unsigned i = 0; i < CROWD; i++) {
        crowd[i] = asked_new("http", hosts[i % 4], "/silence");
        asked_start(crowd[i]);
    }
    UNTIL(web->requests == SESSIONS / 2 + HTTP_AT_ONCE);
    for (unsigned i = SESSIONS / 2; i < SESSIONS; i++)
        asked_start(own[i]);
    UNTIL(web->requests == SESSIONS + HTTP_AT_ONCE);
    cr_expect_eq(web->most_open, (unsigned)(SESSIONS + HTTP_AT_ONCE));
    web->rule_count = 0;
    web_say_all(web, WEB_OK);
    UNTIL(crowd[CROWD - 1]->told == 1);
    for (unsigned i = 0; i < CROWD; i++)
        asked_free(&crowd[i]);
    for (unsigned i = 0; i < SESSIONS; i++) {
        cr_expect_eq(own[i]->event, HTTP_ANSWERED, "%s", own[i]->why);
        asked_free(&own[i]);
        http_session_free(&sessions[i]);
    }
}

/* ---- a server with two addresses ---- */

#define FULL 8

/* Listens there and takes nobody: there are enough connections. */
static void fill(const struct sockaddr *address, socklen_t bytes, int fds[FULL])
{
    int on = 1;

    fds[0] = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fds[0], SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    cr_assert_eq(bind(fds[0], address, bytes), 0);
    cr_assert_eq(listen(fds[0], 0), 0);
    for (unsigned i = 1; i < FULL; i++) {
        fds[i] = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)!connect(fds[i], address, bytes);
    }
}

static void fill_v6(int fds[FULL])
{
    const struct sockaddr_in6 in6 = { .sin6_family = AF_INET6,
                                      .sin6_port = htons(web->port),
                                      .sin6_addr = IN6ADDR_LOOPBACK_INIT };

    fill((const struct sockaddr *)&in6, sizeof(in6), fds);
}

static void fill_v4(int fds[FULL])
{
    const struct sockaddr_in in = { .sin_family = AF_INET,
                                    .sin_port = htons(web->port),
                                    .sin_addr = { htonl(INADDR_LOOPBACK) } };

    loop_watch_free(&web->watch);
    close(web->fd);
    web->fd = -1;
    fill((const struct sockaddr *)&in, sizeof(in), fds);
}

/* Connections to the port that are begun and not there yet: state 2, SYN_SENT. */
static unsigned on_their_way(const char *table)
{
    char line[256], wanted[64];
    unsigned count = 0;
    FILE *rows = fopen(table, "r");

    snprintf(wanted, sizeof(wanted), ":%04X 02 ", web->port);
    while (fgets(line, sizeof(line), rows) != NULL)
        count += strstr(line, wanted) != NULL;
    fclose(rows);
    return count;
}

#define V4 "/proc/net/tcp"
#define V6 "/proc/net/tcp6"

static void close_all(const int fds[FULL])
{
    for (unsigned i = 0; i < FULL; i++)
        close(fds[i]);
}

Test(http_session, the_second_address_is_tried_when_half_of_the_time_is_over)
{
    struct http_session *session = http_session_new(http);
    struct asked *asked = in_session(session, "both.test", "/");
    int64_t began_ms = clock_mono_ms();
    int fds[FULL];

    fill_v6(fds);
    asked->request.connect_ms = 2000;
    asked_run(asked);
    cr_expect_eq(asked->event, HTTP_ANSWERED, "%s", asked->why);
    cr_expect_geq(clock_mono_ms() - began_ms, 990);
    close_all(fds);
    asked_free(&asked);
    http_session_free(&session);
}

Test(http_session, SP49_two_addresses_are_not_tried_at_a_time)
{
    struct http_session *session = http_session_new(http);
    struct asked *asked = in_session(session, "both.test", "/");
    unsigned others_v4, others_v6;
    int v4[FULL], v6[FULL];

    fill_v4(v4);
    fill_v6(v6);
    others_v4 = on_their_way(V4);
    others_v6 = on_their_way(V6);
    asked->request.connect_ms = 1000;
    asked_start(asked);
    UNTIL(on_their_way(V6) == others_v6 + 1);
    UNTIL(on_their_way(V4) == others_v4 + 1);
    cr_expect_eq(on_their_way(V6), others_v6);
    UNTIL(asked->told == 1);
    expect_event(asked, HTTP_TIMED_OUT, "no connection within 1000 ms");
    close_all(v4);
    close_all(v6);
    asked_free(&asked);
    http_session_free(&session);
}
