/* Sessions with a scripted server: how they open, wait and end, each failure by name. */
#include "smtp_peer.h"

#include "worker/resolver.h"
#include "worker/smtp/connection.h"
#include "worker/smtp/reply.h"
#include "worker/stream.h"

static struct loop *loop;
static struct peer *peer;
static struct resolver_answer *answer;

struct seen {
    struct smtp_connection *connection;
    unsigned opened, failed, lost, gone, farewells, steps;
    enum smtp_point point, last_step;
    enum smtp_event event;
    unsigned code, farewell_code;
    bool is_too_many, quits_when_open, frees_when_open;
    char text[512];
};

static void on_step(enum smtp_point point, const struct smtp_reply *reply, void *owner)
{
    struct seen *seen = owner;

    cr_assert_eq(reply == NULL, point == SMTP_AT_CONNECT);
    seen->steps++;
    seen->last_step = point;
}

static void on_open(void *owner)
{
    struct seen *seen = owner;

    seen->opened++;
    if (seen->quits_when_open)
        smtp_connection_quit(seen->connection);
    if (seen->frees_when_open)
        smtp_connection_free(&seen->connection);
}

static void on_failed(const struct smtp_failure *failure, void *owner)
{
    struct seen *seen = owner;

    seen->failed++;
    seen->connection = NULL;
    seen->point = failure->point;
    seen->event = failure->event;
    seen->code = failure->code;
    seen->is_too_many = failure->is_too_many;
    snprintf(seen->text, sizeof(seen->text), "%s", failure->text);
}

static void on_lost(const char *why, void *owner)
{
    struct seen *seen = owner;

    seen->lost++;
    seen->connection = NULL;
    snprintf(seen->text, sizeof(seen->text), "%s", why);
}

static void on_farewell(const struct smtp_reply *reply, void *owner)
{
    struct seen *seen = owner;

    seen->farewells++;
    seen->connection = NULL;
    seen->farewell_code = reply != NULL ? reply->code : 0;
}

static void on_gone(struct smtp_connection *connection, void *arg)
{
    struct seen *seen = arg;

    (void)connection;
    seen->gone++;
}

static const struct smtp_connection_ops ops = { on_step, on_open, on_failed, on_lost, on_farewell };

static void add_address(const char *text)
{
    unsigned count = answer != NULL ? answer->count : 0;

    answer = realloc(answer, sizeof(*answer) + (count + 1) * sizeof(answer->addresses[0]));
    cr_assert_eq(address_parse(text, 1, &answer->addresses[count]), 0);
    answer->holders = 1;
    answer->count = count + 1;
}

static struct smtp_dial dial(struct seen *seen)
{
    return (struct smtp_dial){
        .loop = loop,
        .answer = answer,
        .port = peer->port,
        .timeouts = { .connect_s = 5, .greeting_s = 5, .handshake_s = 5, .command_s = 5 },
        .ehlo_name = "gw.test",
        .on_gone = on_gone,
        .on_gone_arg = seen,
    };
}

static void open_with(struct seen *seen, const struct smtp_dial *with)
{
    struct reason why = { "" };

    cr_assert_eq(smtp_connection_open(with, &ops, seen, &seen->connection, &why), 0, "%s",
                 why.text);
    cr_assert_eq(seen->opened + seen->failed, 0u, "not from inside the call");
}

static void open_it(struct seen *seen)
{
    struct smtp_dial with = dial(seen);

    open_with(seen, &with);
}

static void setup(void)
{
    loop = loop_new();
    peer = peer_new(loop);
    add_address("127.0.0.1");
}

static void teardown(void)
{
    stream_free_closing();
    peer_free(&peer);
    resolver_answer_release(answer);
    loop_free(loop);
}

TestSuite(connection, .init = setup, .fini = teardown, .timeout = 30);

Test(connection, greets_says_EHLO_and_is_ready)
{
    struct seen seen = { 0 };

    open_it(&seen);
    UNTIL(loop, seen.opened == 1);
    cr_assert_str_eq(peer->log, "EHLO gw.test|");
    cr_assert_eq(seen.steps, 3u, "connected, greeted, EHLO");
    cr_assert_eq(smtp_connection_extensions(seen.connection)->size_max, 10485760u);
    cr_assert_eq(smtp_connection_extensions(seen.connection)->flags,
                 SMTP_HAS_PIPELINING | SMTP_HAS_SIZE | SMTP_HAS_8BITMIME | SMTP_HAS_CHUNKING);
    cr_assert_eq(resolver_answer_hold(answer)->holders, 2u, "the answer was let go");
    answer->holders = 1;

    smtp_connection_quit(seen.connection);
    UNTIL(loop, seen.farewells == 1);
    cr_assert_eq(seen.farewell_code, 221u);
    UNTIL(loop, seen.gone == 1);
    cr_assert_str_eq(peer->log, "EHLO gw.test|QUIT|");
}

Test(connection, HELO_if_EHLO_is_refused)
{
    struct seen seen = { 0 };

    peer_on(peer, "EHLO", "502 5.5.1 not here", -1);
    open_it(&seen);
    UNTIL(loop, seen.opened == 1);
    cr_assert_str_eq(peer->log, "EHLO gw.test|HELO gw.test|");
    cr_assert_eq(smtp_connection_extensions(seen.connection)->flags, 0u);
    cr_assert_eq(seen.last_step, SMTP_AT_HELO);
    smtp_connection_free(&seen.connection);
    cr_assert_eq(seen.gone, 1u);
}

/* SP22: what makes a server fail before mail is spoken of. */
struct failing {
    const char *when, *say;
    enum smtp_point point;
    enum smtp_event event;
    unsigned code;
    bool is_too_many;
    const char *text;
};

static const struct failing failing[] = {
    { "greeting", "554 5.3.2 no mail here", SMTP_AT_GREETING, SMTP_SAID_NO, 554, false,
      "554 5.3.2 no mail here" },
    { "greeting", "421 4.3.2 too many", SMTP_AT_GREETING, SMTP_SAID_CLOSING, 421, true,
      "421 4.3.2 too many" },
    { "greeting", "250 not a greeting", SMTP_AT_GREETING, SMTP_SAID_OK, 250, false,
      "250 not a greeting" },
    { "greeting", "450 not now", SMTP_AT_GREETING, SMTP_SAID_LATER_BARE, 450, false,
      "450 not now" },
    { "greeting", "HTTP/1.1 400 Bad Request", SMTP_AT_GREETING, SMTP_GARBAGE, 0, false,
      "not an SMTP reply" },
    { "greeting", "!close", SMTP_AT_GREETING, SMTP_CUT, 0, false,
      "the server closed the connection" },
    { "EHLO", "421 bye!close", SMTP_AT_EHLO, SMTP_SAID_CLOSING, 421, true, "421 bye" },
    { "EHLO", "450 4.7.1 who are you", SMTP_AT_EHLO, SMTP_SAID_LATER, 450, false, "450 4.7.1" },
    { "EHLO", "!close", SMTP_AT_EHLO, SMTP_CUT, 0, false, "the server closed the connection" },
    { "EHLO", "!reset", SMTP_AT_EHLO, SMTP_CUT, 0, false, "reset" },
    { "EHLO", "250-one\r\n550 two", SMTP_AT_EHLO, SMTP_GARBAGE, 0, false, "not an SMTP reply" },
};

Test(connection, SP22_a_server_fails_by_what_it_says)
{
    for (unsigned i = 0; i < sizeof(failing) / sizeof(failing[0]); i++) {
        struct seen seen = { 0 };

        peer->rule_count = 0;
        peer_on(peer, failing[i].when, failing[i].say, -1);
        open_it(&seen);
        UNTIL(loop, seen.failed == 1);
        cr_expect_eq(seen.point, failing[i].point, "%s", failing[i].say);
        cr_expect_eq(seen.event, failing[i].event, "%s: %s", failing[i].say,
                     smtp_event_name(seen.event));
        cr_expect_eq(seen.code, failing[i].code, "%s", failing[i].say);
        cr_expect_eq(seen.is_too_many, failing[i].is_too_many, "%s", failing[i].say);
        cr_expect_not_null(strstr(seen.text, failing[i].text), "%s: %s", failing[i].say, seen.text);
        cr_expect_not_null(strstr(seen.text, "127.0.0.1:"), "names the address: %s", seen.text);
        cr_expect_eq(seen.gone, 1u);
        cr_expect_eq(seen.opened, 0u);
    }
}

Test(connection, SP22_HELO_refused_too)
{
    struct seen seen = { 0 };

    peer_on(peer, "EHLO", "550 no", -1);
    peer_on(peer, "HELO", "550 5.7.1 no", -1);
    open_it(&seen);
    UNTIL(loop, seen.failed == 1);
    cr_assert_eq(seen.point, SMTP_AT_HELO);
    UNTIL(loop, peer->open == 0);
    cr_assert_str_eq(peer->log, "EHLO gw.test|HELO gw.test|QUIT|", "%s", peer->log);
}

Test(connection, SP22_refused_connection)
{
    struct seen seen = { 0 };

    peer_stop(peer);
    open_it(&seen);
    UNTIL(loop, seen.failed == 1);
    cr_assert_eq(seen.point, SMTP_AT_CONNECT);
    cr_assert_eq(seen.event, SMTP_UNREACHABLE);
    cr_assert_not_null(strstr(seen.text, "Connection refused"), "%s", seen.text);
}

Test(connection, SP22_a_server_that_says_nothing_times_out)
{
    static const char *const silent[] = { "greeting", "EHLO" };

    for (unsigned i = 0; i < 2; i++) {
        struct seen seen = { 0 };
        struct smtp_dial with = dial(&seen);
        int64_t begun = clock_mono_ms();

        with.timeouts.greeting_s = with.timeouts.handshake_s = 1;
        peer->rule_count = 0;
        peer_on(peer, silent[i], "", -1);
        open_with(&seen, &with);
        UNTIL(loop, seen.failed == 1);
        cr_expect_eq(seen.event, SMTP_TIMED_OUT);
        cr_expect_geq(clock_mono_ms() - begun, 990);
        cr_expect_not_null(strstr(seen.text, "timed out"));
    }
}

Test(connection, SP17_all_addresses_are_tried_one_after_the_other)
{
    struct peer *refusing;
    struct seen seen = { 0 };

    /* .2 refuses the connection, .3 the greeting, .1 takes it. */
    answer->count = 0;
    add_address("127.0.0.2");
    add_address("127.0.0.3");
    add_address("127.0.0.1");
    refusing = peer_new_at(loop, "127.0.0.3", peer->port);
    peer_on(refusing, "greeting", "554 not here", -1);
    open_it(&seen);
    UNTIL(loop, seen.opened == 1);
    cr_assert_eq(smtp_connection_address(seen.connection), 2u);
    cr_assert_eq(smtp_connection_address_count(seen.connection), 3u);
    cr_assert_eq(refusing->connections, 1u);
    cr_assert_not_null(strstr(smtp_connection_peer(seen.connection), "127.0.0.1:"));
    smtp_connection_free(&seen.connection);
    peer_free(&refusing);
}

Test(connection, SP17_the_failure_tells_of_every_address)
{
    struct seen seen = { 0 };

    peer_on(peer, "greeting", "554 not here", -1);
    add_address("127.0.0.2");
    open_it(&seen);
    UNTIL(loop, seen.failed == 1);
    cr_assert_not_null(strstr(seen.text, "127.0.0.1:"), "%s", seen.text);
    cr_assert_not_null(strstr(seen.text, "554 not here; 127.0.0.2:"), "%s", seen.text);
    cr_assert_eq(seen.code, 0u, "the last address had no reply");
}

Test(connection, source_address_of_the_other_family_fails_at_once)
{
    struct seen seen = { 0 };
    struct smtp_dial with = dial(&seen);
    struct reason why = { "" };

    with.source_address = "::1";
    cr_assert_eq(smtp_connection_open(&with, &ops, &seen, &seen.connection, &why), -EHOSTUNREACH);
    cr_assert_not_null(strstr(why.text, "other family"), "%s", why.text);
    cr_assert_eq(seen.gone, 0u);
    cr_assert_eq(answer->holders, 1u);
}

Test(connection, source_address_is_used)
{
    struct seen seen = { 0 };
    struct smtp_dial with = dial(&seen);
    struct sockaddr_in in;
    socklen_t bytes = sizeof(in);
    char text[ADDRESS_TEXT_SIZE];

    with.source_address = "127.0.0.9";
    open_with(&seen, &with);
    UNTIL(loop, seen.opened == 1);
    cr_assert_eq(getpeername(LIST_FIRST(&peer->clients)->fd, (struct sockaddr *)&in, &bytes), 0);
    cr_assert_str_eq(address_host_text((struct sockaddr *)&in, text), "127.0.0.9");
    smtp_connection_free(&seen.connection);
}

Test(connection, SP48_one_that_the_server_closes_while_ready_is_lost)
{
    struct seen seen = { 0 };

    open_it(&seen);
    UNTIL(loop, seen.opened == 1);
    peer_hang_up_all(peer);
    UNTIL(loop, seen.lost == 1);
    cr_assert_eq(seen.gone, 1u);
}

Test(connection, SP48_one_that_speaks_unasked_while_ready_is_lost)
{
    static const char *const words[] = { "421 4.4.2 timeout, closing\r\n", "250 ok\r\n", "x" };

    for (unsigned i = 0; i < 3; i++) {
        struct seen seen = { 0 };

        open_it(&seen);
        UNTIL(loop, seen.opened == 1);
        cr_assert_gt(send(LIST_FIRST(&peer->clients)->fd, words[i], strlen(words[i]), 0), 0);
        UNTIL(loop, seen.lost == 1);
        cr_expect_eq(seen.gone, 1u);
    }
}

Test(connection, SP48_words_behind_the_EHLO_reply_are_unasked_too)
{
    struct seen seen = { 0 };

    peer_on(peer, "EHLO", "250 ok\r\n421 and bye\r\n", -1);
    open_it(&seen);
    UNTIL(loop, seen.lost == 1);
    cr_assert_eq(seen.opened, 1u);
}

Test(connection, a_server_that_ignores_QUIT_is_left_after_two_seconds)
{
    struct seen seen = { .quits_when_open = true };
    int64_t begun = clock_mono_ms();

    peer_on(peer, "QUIT", "", -1);
    open_it(&seen);
    UNTIL(loop, seen.farewells == 1);
    cr_assert_eq(seen.farewell_code, 0u);
    cr_assert_eq(seen.gone, 1u);
    cr_assert_geq(clock_mono_ms() - begun, SMTP_QUIT_WAIT_MS - 20);
}

Test(connection, may_be_freed_and_quit_inside_its_callbacks)
{
    struct seen freed = { .frees_when_open = true }, quit = { .quits_when_open = true };

    open_it(&freed);
    UNTIL(loop, freed.gone == 1);
    open_it(&quit);
    UNTIL(loop, quit.farewells == 1);
    cr_assert_eq(quit.farewell_code, 221u);
    UNTIL(loop, quit.gone == 1);
    cr_assert_eq(peer->open, 0u);
}

Test(connection, SP49_who_counts_hears_of_the_server_s_end_after_the_farewell)
{
    struct seen quit = { .quits_when_open = true };

    peer_on(peer, "QUIT", "221 2.0.0 soon", -1);
    open_it(&quit);
    UNTIL(loop, quit.farewells == 1);
    for (unsigned i = 0; i < 10; i++)
        loop_turn(loop, 1);
    cr_assert_eq(quit.gone, 0u);
    peer_hang_up_all(peer);
    UNTIL(loop, quit.gone == 1);
    cr_assert_eq(quit.farewells, 1u);
}

Test(connection, quitting_while_it_opens_ends_it)
{
    struct seen seen = { 0 };

    peer_on(peer, "EHLO", "", -1);
    open_it(&seen);
    UNTIL(loop, strcmp(peer->log, "EHLO gw.test|") == 0);
    smtp_connection_quit(seen.connection);
    UNTIL(loop, seen.gone == 1 && peer->open == 0);
    cr_assert_str_eq(peer->log, "EHLO gw.test|QUIT|", "%s", peer->log);
    cr_assert_eq(seen.farewells, 0u);
    cr_assert_eq(seen.failed + seen.lost + seen.opened, 0u);
}

/* ---- TLS ---- */

/* A reload makes contexts anew: the profile's own hold on the old one ends meanwhile. */
Test(connection, SP30_its_context_outlives_a_reload_while_it_connects)
{
    const struct tls_trust trust = { .ca_file = "" };
    const struct tls_identity none = { "", "" };
    struct tls_context *context = NULL;
    struct reason why = { "" };
    struct seen seen = { 0 };
    struct smtp_dial with = dial(&seen);

    cr_assert_eq(tls_client_new(&trust, &none, 1, &context, &why), 0, "%s", why.text);
    with.security = (struct smtp_security){ .tls = SMTP_TLS_AT_ONCE,
                                            .context = context,
                                            .server = { .host = "127.0.0.1" } };
    open_with(&seen, &with);
    tls_release(context);
    UNTIL(loop, seen.failed == 1);
    cr_assert_eq(seen.opened, 0u, "the server does not speak TLS");
}
