/* Limits, deadlines, large messages, and how the server comes to its end. */
#include "tests/unit/ingress_stage.h"

#include <fcntl.h>
#include <malloc.h>
#include <sys/resource.h>

TestSuite(limits, .init = stage_up, .fini = stage_down, .timeout = 60);

static struct client c, d;

#define HEADER "From: a\r\nSubject: b\r\n\r\n"

/* Lines of 100 bytes, `bytes` in all. */
static void send_lines(struct client *client, size_t bytes)
{
    static char block[100000];

    memset(block, 'x', sizeof(block));
    for (size_t i = 98; i < sizeof(block); i += 100)
        memcpy(block + i, "\r\n", 2);
    for (; bytes >= sizeof(block); bytes -= sizeof(block))
        client_send_bytes(client, block, sizeof(block));
    client_send_bytes(client, block + sizeof(block) - bytes, bytes);
}

/* ---- how much ---- */

Test(limits, MQ01_recipients)
{
    char command[64];

    conf->smtp_max_recipients = 100;
    client_start(&c);
    say(&c, "MAIL FROM:<s@x.example>", "250 2.1.0");
    for (int i = 0; i < 100; i++) {
        snprintf(command, sizeof(command), "RCPT TO:<user%d@one.example>", i);
        say(&c, command, "250 2.1.5");
    }
    say(&c, "RCPT TO:<user100@one.example>", "452 4.5.3");
    client_close(&c);
}

Test(limits, MQ01_errors_end_the_session)
{
    conf->smtp_max_errors = 3;
    client_start(&c);
    say(&c, "BLAH", "500 ");
    say(&c, "BLAH", "500 ");
    say(&c, "BLAH", "500 ");
    client_expect(&c, "421 4.7.0 Too many errors");
    cr_assert_str_eq(client_reply(&c), "(closed)");
    client_close(&c);
}

Test(limits, messages_per_connection)
{
    conf->smtp_max_messages = 1;
    client_start(&c);
    client_data(&c);
    client_send(&c, HEADER ".\r\n");
    client_expect(&c, "250 2.0.0");
    say(&c, "MAIL FROM:<s@x.example>", "421 4.7.0");
    cr_assert_str_eq(client_reply(&c), "(closed)");
    client_close(&c);
}

Test(limits, connections_per_client)
{
    conf->smtp_max_connections_per_client = 1;
    client_start(&c);
    client_connect(&d);
    client_expect(&d, "421 4.7.0 Too many connections");
    client_close(&d);
    client_close(&c);
    UNTIL(connections() == 0);
    client_start(&c);
    client_close(&c);
}

Test(limits, accepting_pauses_at_the_limit)
{
    conf->smtp_max_connections = 1;
    client_start(&c);
    client_connect(&d);
    for (int i = 0; i < 20; i++)
        turn();
    client_read(&d);
    cr_assert_eq(d.bytes, 0, "it waits in the backlog");
    say(&c, "QUIT", "221 ");
    client_expect(&d, "220 gw.example");
    client_close(&c);
    client_close(&d);
}

Test(limits, accepting_pauses_without_credit_and_resumes_by_itself)
{
    client_start(&c);
    fake.reserve_err = -EAGAIN;
    fake.credit_changed(false, fake.credit_arg);
    client_connect(&d);
    say(&c, "MAIL FROM:<s@client.example>", "250 2.1.0");
    say(&c, "RCPT TO:<a@one.example>", "250 2.1.5");
    say(&c, "DATA", "451 4.3.0");
    cr_assert_eq(connections(), 1, "it waits in the backlog");
    fake.reserve_err = 0;
    fake.credit_changed(true, fake.credit_arg);
    client_expect(&d, "220 gw.example");
    client_close(&c);
    client_close(&d);
}

/* Credit that returns is no reason to take more than the limit, nor the other way round. */
Test(limits, each_reason_to_pause_holds_by_itself)
{
    conf->smtp_max_connections = 1;
    client_start(&c);
    fake.credit_changed(false, fake.credit_arg);
    client_connect(&d);
    fake.credit_changed(true, fake.credit_arg);
    say(&c, "NOOP", "250 ");
    cr_assert_eq(connections(), 1, "the limit still holds");
    fake.credit_changed(false, fake.credit_arg);
    say(&c, "QUIT", "221 ");
    client_close(&c);
    UNTIL(connections() == 0);
    for (int i = 0; i < 20; i++)
        turn();
    cr_assert_eq(connections(), 0, "there is still no credit");
    fake.credit_changed(true, fake.credit_arg);
    client_expect(&d, "220 gw.example");
    client_close(&d);
}

Test(limits, MQ07_a_full_disk_is_told_to_whoever_comes)
{
    fake.reserve_err = -ENOSPC;
    for (int i = 0; i < 3; i++) {
        client_start(&c);
        say(&c, "MAIL FROM:<s@client.example>", "250 2.1.0");
        say(&c, "RCPT TO:<a@one.example>", "250 2.1.5");
        say(&c, "DATA", "452 4.3.1");
        client_close(&c);
    }
}

Test(limits, accepting_goes_on_after_descriptors_were_short)
{
    struct rlimit limit, low;

    client_start(&c);
    client_connect(&d); /* its other end has no descriptor yet */
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    low = (struct rlimit){ .rlim_cur = (rlim_t)d.fd, .rlim_max = limit.rlim_max };
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
    for (int i = 0; i < 20; i++)
        turn();
    cr_assert_eq(connections(), 1);
    say(&c, "NOOP", "250 ");
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    client_expect(&d, "220 gw.example");
    client_close(&c);
    client_close(&d);
}

Test(limits, an_idle_connection_is_cheap)
{
    enum { COUNT = 50 };
    struct client *clients = calloc(COUNT, sizeof(*clients));
    size_t before = mallinfo2().uordblks, used;

    for (int i = 0; i < COUNT; i++) {
        client_start(&clients[i]);
        client_data(&clients[i]);
        client_send(&clients[i], HEADER ".\r\n");
        client_expect(&clients[i], "250 2.0.0");
    }
    forget_stored();
    used = mallinfo2().uordblks - before;
    cr_assert_lt(used, COUNT * 4096U, "%zu bytes each", used / COUNT);
    for (int i = 0; i < COUNT; i++)
        client_close(&clients[i]);
    free(clients);
}

/* ---- how long ---- */

Test(limits, MQ01_waiting_for_a_command_has_an_end)
{
    conf->smtp_command_timeout = 1;
    client_start(&c);
    client_expect(&c, "421 4.4.2 gw.example timed out");
    cr_assert_str_eq(client_reply(&c), "(closed)");
    client_close(&c);
}

Test(limits, MQ01_waiting_for_content_has_an_end)
{
    conf->smtp_data_timeout = 1;
    client_start(&c);
    client_data(&c);
    client_send(&c, "From: a\r\n");
    client_expect(&c, "421 4.4.2 gw.example timed out");
    client_close(&c);
    UNTIL(connections() == 0);
    cr_assert_eq(fake.reserved, 0);
}

Test(limits, MQ01_a_trickle_of_bytes_does_not_buy_time)
{
    int64_t begin = clock_mono_ms();

    conf->smtp_session_timeout = 1;
    client_start(&c);
    client_data(&c);
    do {
        client_send(&c, "x");
        for (int i = 0; i < 50; i++)
            turn();
        client_read(&c);
        cr_assert_lt(clock_mono_ms() - begin, 10000);
    } while (c.bytes == 0);
    client_expect(&c, "421 4.4.2");
    client_close(&c);
}

/* ---- how large ---- */

Test(limits, MQ01_too_big_although_not_announced)
{
    conf->smtp_max_message_size = 200000;
    client_start(&c);
    client_data(&c);
    client_send(&c, HEADER);
    send_lines(&c, 300000);
    client_send(&c, ".\r\n");
    client_expect(&c, "552 5.3.4");
    cr_assert_eq(fake.stored_count, 0);
    say(&c, "NOOP", "250 2.0.0");
    client_close(&c);
}

Test(limits, MQ07_room_that_runs_out_on_the_way)
{
    client_start(&c);
    client_data(&c);
    client_send(&c, HEADER);
    for (int i = 0; i < 5; i++)
        turn();
    fake.reserve_err = -ENOMEM;
    send_lines(&c, 300000);
    client_send(&c, ".\r\n");
    client_expect(&c, "452 4.3.1");
    cr_assert_eq(fake.reserved, 0);
    client_close(&c);
}

static void check_large(const struct stored *message, size_t lines_bytes)
{
    const char *body = memmem(message->body, message->bytes, HEADER, strlen(HEADER));
    size_t bytes;

    cr_assert_not_null(body);
    bytes = message->bytes - (size_t)(body - message->body) - strlen(HEADER);
    cr_assert_eq(bytes, lines_bytes, "%zu", bytes);
    for (size_t i = 0; i < bytes; i += 100)
        cr_assert_eq(body[strlen(HEADER) + i], 'x');
}

Test(limits, large_messages_are_written_as_they_come)
{
    client_start(&c);
    say(&c, "MAIL FROM:<s@x.example> SIZE=4000030", "250 2.1.0");
    say(&c, "RCPT TO:<a@one.example>", "250 2.1.5");
    say(&c, "DATA", "354 ");
    client_send(&c, HEADER);
    send_lines(&c, 4000000);
    client_send(&c, ".\r\n");
    client_expect(&c, "250 2.0.0");
    cr_assert(fake.stored[0].is_large);
    cr_assert_gt(fake.writes, 50, "piece by piece");
    cr_assert_str_eq(fake.stored[0].envelope, "s@x.example > 1/11: a@one.example");
    cr_assert_eq(fake.stored[0].facts.longest_line, 98);
    check_large(&fake.stored[0], 4000000);
    client_close(&c);
}

Test(limits, large_although_not_announced)
{
    client_start(&c);
    for (unsigned i = 0; i < 4; i++) {
        static const size_t sizes[] = { 1000000, 1040000, 1050000, 3000000 };

        client_data(&c);
        client_send(&c, HEADER);
        send_lines(&c, sizes[i]);
        client_send(&c, ".\r\n");
        client_expect(&c, "250 2.0.0");
        cr_assert_eq(fake.stored[i].is_large, sizes[i] > SPOOLER_SMALL_BYTES, "%zu", sizes[i]);
        check_large(&fake.stored[i], sizes[i]);
    }
    client_close(&c);
}

Test(limits, announced_large_but_small)
{
    client_start(&c);
    say(&c, "MAIL FROM:<s@x.example> SIZE=4000030", "250 2.1.0");
    say(&c, "RCPT TO:<a@one.example>", "250 2.1.5");
    say(&c, "DATA", "354 ");
    client_send(&c, HEADER);
    send_lines(&c, 1000);
    client_send(&c, ".\r\n");
    client_expect(&c, "250 2.0.0");
    cr_assert_not(fake.stored[0].is_large);
    check_large(&fake.stored[0], 1000);
    client_close(&c);
}

Test(limits, a_slow_disk_makes_the_client_wait)
{
    unsigned writes;
    ssize_t n;
    static char block[100000];

    fake.has_no_room = true;
    client_start(&c);
    say(&c, "MAIL FROM:<s@x.example> SIZE=8000000", "250 2.1.0");
    say(&c, "RCPT TO:<a@one.example>", "250 2.1.5");
    say(&c, "DATA", "354 ");
    client_send(&c, HEADER);
    memset(block, 'x', sizeof(block));
    for (size_t i = 98; i < sizeof(block); i += 100)
        memcpy(block + i, "\r\n", 2);
    UNTIL((n = send(c.fd, block, sizeof(block), MSG_DONTWAIT), fake.writes == 1));
    writes = fake.writes;
    for (int i = 0; i < 200; i++) {
        (void)!send(c.fd, block, 1, MSG_DONTWAIT);
        turn();
    }
    cr_assert_eq(fake.writes, writes, "nothing more is taken");
    cr_assert_not_null(fake.open_large);
    fake.has_no_room = false;
    fake.open_large->on_room(fake.open_large->arg);
    UNTIL(fake.writes > writes + 3);
    client_close(&c);
    UNTIL(fake.aborted == 1);
    cr_assert_null(fake.open_large);
    (void)n;
}

Test(limits, a_large_message_that_is_refused_late)
{
    client_start(&c);
    client_data(&c);
    client_send(&c, HEADER);
    send_lines(&c, 2000000);
    UNTIL(fake.open_large != NULL);
    client_send(&c, "bare\nline\r\n.\r\n");
    client_expect(&c, "550 5.6.0");
    cr_assert_eq(fake.aborted, 1);
    cr_assert_eq(fake.reserved, 0);
    cr_assert_eq(fake.stored_count, 0);
    client_close(&c);
}

Test(limits, a_header_without_end)
{
    client_start(&c);
    client_data(&c);
    send_lines(&c, 2000000);
    client_send(&c, ".\r\n");
    client_expect(&c, "552 5.3.4 Header");
    cr_assert_eq(fake.stored_count, 0);
    client_close(&c);
}

/* ---- the end ---- */

static unsigned drained;

static void on_drained(void *arg)
{
    cr_assert_eq(arg, &drained);
    drained++;
}

Test(limits, OP02_drain_cuts_what_has_no_message_and_waits_for_the_rest)
{
    struct client e;

    fake.is_holding = true;
    client_start(&c);
    client_data(&c);
    client_send(&c, HEADER ".\r\n");
    client_start(&d);
    client_start(&e);
    client_data(&e);
    client_send(&e, "From: half\r\n");
    UNTIL(fake.waiting_count == 1);
    ingress_drain(ingress, on_drained, &drained);
    cr_assert_eq(drained, 0);
    client_expect(&d, "421 4.3.2");
    cr_assert_str_eq(client_reply(&d), "(closed)");
    client_expect(&e, "421 4.3.2");
    client_close(&d);
    client_close(&e);
    for (int i = 0; i < 5; i++)
        turn();
    cr_assert_eq(drained, 0);
    client_connect(&d);
    for (int i = 0; i < 5; i++)
        turn();
    cr_assert_eq(connections(), 1, "nothing is accepted any more");
    fake.is_holding = false;
    client_expect(&c, "250 2.0.0");
    client_expect(&c, "421 4.3.2");
    UNTIL(drained == 1);
    client_close(&c);
    client_close(&d);
    for (int i = 0; i < 5; i++)
        turn();
    cr_assert_eq(drained, 1);
}

Test(limits, OP02_drain_of_an_idle_server)
{
    ingress_drain(ingress, on_drained, &drained);
    cr_assert_eq(drained, 0, "never from inside the call");
    UNTIL(drained == 1);
}

Test(limits, MQ02_without_a_master_nothing_is_answered_250)
{
    struct ingress_figures figures;

    fake.is_holding = true;
    client_start(&c);
    client_data(&c);
    client_send(&c, HEADER ".\r\n");
    client_start(&d);
    UNTIL(fake.waiting_count == 1);
    ingress_master_gone(ingress);
    fake.is_holding = false;
    client_expect(&c, "421 4.3.2");
    cr_assert_str_eq(client_reply(&c), "(closed)");
    client_expect(&d, "421 4.3.2");
    ingress_figures(ingress, &figures);
    cr_assert_eq(figures.messages, 0);
    client_close(&c);
    client_close(&d);
}

Test(limits, freed_while_a_message_is_being_stored)
{
    fake.is_holding = true;
    client_start(&c);
    client_data(&c);
    client_send(&c, HEADER ".\r\n");
    UNTIL(fake.waiting_count == 1);
    ingress_free(&ingress);
    cr_assert_null(ingress);
    cr_assert_str_eq(client_reply(&c), "(closed)");
    client_close(&c);
    /* the spooler's word comes in stage_down() */
}

/* ---- what is counted ---- */

static void expect_counted(unsigned messages, unsigned refused, unsigned put_off)
{
    struct ingress_figures figures;

    ingress_figures(ingress, &figures);
    cr_assert_eq(figures.messages, messages, "%u taken", (unsigned)figures.messages);
    cr_assert_eq(figures.refused, refused, "%u refused", (unsigned)figures.refused);
    cr_assert_eq(figures.put_off, put_off, "%u put off", (unsigned)figures.put_off);
}

Test(limits, OP04_senders_recipients_and_messages_that_are_refused_are_counted)
{
    client_start(&c);
    say(&c, "NONSENSE", "500 ");
    say(&c, "RCPT TO:<a@one.example>", "503 ");
    expect_counted(0, 0, 0); /* that is no mail */
    say(&c, "MAIL FROM:<nobody>", "501 ");
    say(&c, "MAIL FROM:<s@client.example> SIZE=9999999999", "552 ");
    expect_counted(0, 2, 0);
    say(&c, "MAIL FROM:<s@client.example>", "250 ");
    say(&c, "RCPT TO:<c@off.example>", "550 ");
    say(&c, "DATA", "554 ");
    expect_counted(0, 3, 0); /* it is the recipient's refusal again */
    say(&c, "RCPT TO:<a@one.example>", "250 ");
    fake.reserve_err = -ENOSPC;
    say(&c, "DATA", "452 ");
    expect_counted(0, 3, 1);
    fake.reserve_err = 0;
    client_close(&c);
    client_start(&c);
    client_data(&c);
    client_send(&c, HEADER "bare \n LF\r\n.\r\n");
    client_expect(&c, "550 ");
    expect_counted(0, 4, 1);
    client_data(&c);
    fake.done_err = -EIO;
    client_send(&c, HEADER ".\r\n");
    client_expect(&c, "451 ");
    expect_counted(0, 4, 2);
    fake.done_err = 0;
    client_data(&c);
    client_send(&c, HEADER ".\r\n");
    client_expect(&c, "250 ");
    expect_counted(1, 4, 2);
    client_close(&c);
}

Test(limits, OP04_what_is_stored_counts_though_its_client_has_left)
{
    fake.is_holding = true;
    client_start(&c);
    client_data(&c);
    client_send(&c, HEADER ".\r\n");
    UNTIL(fake.waiting_count == 1);
    client_close(&c);
    UNTIL(connections() == 0);
    expect_counted(0, 0, 0);
    fake.is_holding = false;
    turn();
    expect_counted(1, 0, 0);
}

Test(limits, OP04_connections_that_are_sent_away_are_counted)
{
    conf->smtp_max_connections_per_client = 1;
    client_start(&c);
    client_connect(&d);
    client_expect(&d, "421 4.7.0");
    expect_counted(0, 0, 1);
    client_close(&c);
    client_close(&d);
    UNTIL(connections() == 0);
    client_connect(&c);
    client_send(&c, "EHLO client.example\r\n");
    client_expect(&c, "554 5.5.1 Protocol error: spoke before the greeting");
    expect_counted(0, 1, 1);
    client_close(&c);
}

Test(limits, OP01_a_listener_is_emptied_before_it_is_closed)
{
    struct client waiting[8];

    for (int i = 0; i < 8; i++)
        client_connect(&waiting[i]);
    ingress_close_listener(ingress, 7);
    for (int i = 0; i < 8; i++) {
        client_expect(&waiting[i], "220 gw.example");
        client_close(&waiting[i]);
    }
    UNTIL(fcntl(listener, F_GETFD) < 0);
    cr_assert_eq(connections(), 0);
}

Test(limits, a_new_configuration_is_heard_of)
{
    struct conf *other;
    struct reason why;

    client_start(&c);
    cr_assert_eq(conf_parse("hostname = \"other.example\"\nsmtp { max_message_size = 1M }\n",
                            "test", &other, &why),
                 0);
    cr_assert_eq(ingress_configure(ingress, other), 0);
    conf_free(&conf);
    conf = other;
    client_send(&c, "EHLO client.example\r\n");
    cr_assert_str_eq(client_reply(&c), "250-other.example\r\n250-PIPELINING\r\n250-SIZE 1048576\r\n"
                                       "250-8BITMIME\r\n250 ENHANCEDSTATUSCODES");
    client_close(&c);
}
