/* What a client says and what it hears, over a real socket. */
#include "tests/unit/ingress_stage.h"

#include "common/id.h"

TestSuite(session, .init = stage_up, .fini = stage_down, .timeout = 60);

static struct client c;

#define CONTENT "From: a\r\nSubject: b\r\n\r\nhello\r\n"

Test(session, MQ01_greeting_and_extensions)
{
    client_connect(&c);
    client_expect(&c, "220 gw.example ESMTP");
    client_send(&c, "EHLO client.example\r\n");
    cr_assert_str_eq(client_reply(&c), "250-gw.example\r\n250-PIPELINING\r\n250-SIZE 8388608\r\n"
                                       "250-8BITMIME\r\n250 ENHANCEDSTATUSCODES");
    client_send(&c, "HELO client.example\r\n");
    cr_assert_str_eq(client_reply(&c), "250 gw.example");
    say(&c, "QUIT", "221 2.0.0");
    cr_assert_str_eq(client_reply(&c), "(closed)");
    UNTIL(connections() == 0);
    client_close(&c);
}

Test(session, MQ01_a_message_with_recipients_of_two_rules)
{
    char text[64], id[ID_TEXT_SIZE];
    const struct stored *m = &fake.stored[0];
    const char *body;

    client_start(&c);
    say(&c, "MAIL FROM:<s@client.example> SIZE=100 BODY=8BITMIME", "250 2.1.0");
    say(&c, "RCPT TO:<a@one.example>", "250 2.1.5");
    say(&c, "RCPT TO:<b@two.example>", "250 2.1.5");
    say(&c, "RCPT TO:<@route.example:c@ONE.example>", "250 2.1.5");
    say(&c, "RCPT TO:<a@One.Example>", "250 2.1.5");
    say(&c, "DATA", "354 ");
    client_send(&c, CONTENT "..dot\r\n\xe9\r\n.\r\n");
    snprintf(text, sizeof(text), "250 2.0.0 Ok: queued as %s", id_text(1, id));
    cr_assert_str_eq(client_reply(&c), text);
    cr_assert_eq(fake.stored_count, 1);
    cr_assert_str_eq(m->envelope,
                     "s@client.example > 1/11: a@one.example c@ONE.example; 2/12: b@two.example");
    cr_assert_str_eq(m->client, "127.0.0.1");
    cr_assert_str_eq(m->helo, "client.example");
    cr_assert_eq(m->facts.flags, BODY_LEADING_DOT | BODY_8BIT);
    cr_assert_eq(m->facts.longest_line, strlen("Subject: b"));
    body = m->body + m->bytes - strlen(CONTENT ".dot\r\n\xe9\r\n");
    cr_assert_eq(memcmp(body, CONTENT ".dot\r\n\xe9\r\n", strlen(CONTENT ".dot\r\n\xe9\r\n")), 0);
    snprintf(text, sizeof(text), "with ESMTP id %s;", id);
    cr_assert_eq(strncmp(m->body, "Received: from client.example ([127.0.0.1])\r\n", 45), 0);
    cr_assert_not_null(memmem(m->body, m->bytes, text, strlen(text)));
    client_close(&c);
}

Test(session, no_received_line_when_switched_off)
{
    conf->smtp_received_header = false;
    client_start(&c);
    client_data(&c);
    client_send(&c, CONTENT ".\r\n");
    client_expect(&c, "250 2.0.0");
    cr_assert_eq(fake.stored[0].bytes, strlen(CONTENT));
    cr_assert_eq(memcmp(fake.stored[0].body, CONTENT, strlen(CONTENT)), 0);
    client_close(&c);
}

Test(session, MQ02_250_comes_after_the_spoolers_word)
{
    fake.is_holding = true;
    client_start(&c);
    client_data(&c);
    client_send(&c, CONTENT ".\r\nNOOP\r\n");
    UNTIL(fake.waiting_count == 1);
    for (int i = 0; i < 5; i++)
        turn();
    client_read(&c);
    cr_assert_eq(c.bytes, 0, "not before, and nothing else overtakes it");
    fake.is_holding = false;
    client_expect(&c, "250 2.0.0 Ok: queued");
    client_expect(&c, "250 2.0.0 Ok");
    client_close(&c);
}

Test(session, MQ07_what_cannot_be_stored_is_never_5xx)
{
    static const struct {
        int err;
        const char *reply;
    } rows[] = { { -EIO, "451 4.3.0" },
                 { -ENOSPC, "452 4.3.1" },
                 { -EDQUOT, "452 4.3.1" },
                 { -ECANCELED, "451 4.3.0" } };

    client_start(&c);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        fake.done_err = rows[i].err;
        client_data(&c);
        client_send(&c, CONTENT ".\r\n");
        client_expect(&c, rows[i].reply);
    }
    client_close(&c);
}

Test(session, MQ07_no_room_is_said_before_354)
{
    client_start(&c);
    say(&c, "MAIL FROM:<s@client.example>", "250 2.1.0");
    say(&c, "RCPT TO:<a@one.example>", "250 2.1.5");
    fake.reserve_err = -ENOMEM;
    say(&c, "DATA", "452 4.3.1");
    fake.reserve_err = -ENOSPC;
    say(&c, "DATA", "452 4.3.1");
    fake.reserve_err = -EAGAIN;
    say(&c, "DATA", "451 4.3.0");
    fake.reserve_err = 0;
    say(&c, "DATA", "354 ");
    client_send(&c, CONTENT ".\r\n");
    client_expect(&c, "250 2.0.0");
    client_close(&c);
}

Test(session, early_talker_is_refused)
{
    client_connect(&c);
    client_send(&c, "EHLO spammer.example\r\n");
    client_expect(&c, "554 5.5.1");
    cr_assert_str_eq(client_reply(&c), "(closed)");
    client_close(&c);
}

Test(session, order_of_commands)
{
    client_connect(&c);
    client_expect(&c, "220 ");
    say(&c, "MAIL FROM:<a@b.example>", "503 5.5.1");
    say(&c, "RCPT TO:<a@one.example>", "503 5.5.1");
    say(&c, "DATA", "503 5.5.1");
    say(&c, "NOOP", "250 2.0.0");
    say(&c, "RSET", "250 2.0.0");
    say(&c, "VRFY a", "252 2.5.0");
    say(&c, "MAIL FROM:<a@b.example>", "503 5.5.1");
    say(&c, "HELO x", "250 gw.example");
    say(&c, "RCPT TO:<a@one.example>", "503 5.5.1");
    say(&c, "DATA", "503 5.5.1");
    say(&c, "MAIL FROM:<a@b.example>", "250 2.1.0");
    say(&c, "MAIL FROM:<a@b.example>", "503 5.5.1");
    say(&c, "DATA", "554 5.5.1");
    say(&c, "RCPT TO:<a@one.example>", "250 2.1.5");
    say(&c, "RSET", "250 2.0.0");
    say(&c, "RCPT TO:<a@one.example>", "503 5.5.1");
    say(&c, "MAIL FROM:<a@b.example>", "250 2.1.0");
    say(&c, "EHLO x", "250-gw.example");
    say(&c, "DATA", "503 5.5.1");
    client_close(&c);
}

Test(session, commands_and_their_replies)
{
    static const struct {
        const char *command, *reply;
    } rows[] = {
        { "EHLO", "501 Syntax" },
        { "EHLO a b", "501 Syntax" },
        { "HELO (x)", "501 Syntax" },
        { "RSET now", "501 5.5.4" },
        { "VRFY", "501 5.5.4" },
        { "NOOP whatever", "250 2.0.0" },
        { "EXPN list", "502 5.5.1" },
        { "STARTTLS", "502 5.5.1" },
        { "BDAT 5", "502 5.5.1" },
        { "NONSENSE", "500 5.5.2" },
        { "", "500 5.5.2" },
        { "MAIL", "501 5.5.4" },
        { "MAIL TO:<a@b.example>", "501 5.5.4" },
        { "MAIL FROM:", "501 5.1.7" },
        { "MAIL FROM:<root>", "501 5.1.7" },
        { "MAIL FROM:<a@b@c.example>", "501 5.1.7" },
        { "MAIL FROM:<m\xc3\xbcller@b.example>", "553 5.6.7" },
        { "MAIL FROM:<a@b.example> SIZE=8388609", "552 5.3.4" },
        { "MAIL FROM:<a@b.example> SIZE=99999999999999999999", "552 5.3.4" },
        { "MAIL FROM:<a@b.example> SIZE=999999999999999999999", "501 5.5.4" },
        { "MAIL FROM:<a@b.example> SIZE=1k", "501 5.5.4" },
        { "MAIL FROM:<a@b.example> SIZE", "501 5.5.4" },
        { "MAIL FROM:<a@b.example> SIZE=1 SIZE=1", "501 5.5.4" },
        { "MAIL FROM:<a@b.example> BODY=BINARYMIME", "501 5.5.4" },
        { "MAIL FROM:<a@b.example> BODY=7BIT BODY=7BIT", "501 5.5.4" },
        { "MAIL FROM:<a@b.example> SMTPUTF8", "555 5.5.4" },
        { "MAIL FROM:<a@b.example> RET=FULL", "555 5.5.4" },
        { "MAIL FROM:<a@b.example> <x>", "501 5.5.4" },
        { "MAIL FROM:<a%x!y@b.example>", "250 2.1.0" },
        { "RSET", "250 2.0.0" },
        { "MAIL FROM:<a@b.example> SIZE=8388608 BODY=7BIT", "250 2.1.0" },
        { "RSET", "250 2.0.0" },
        { "mail from: <>", "250 2.1.0" },
        { "DATA now", "501 5.5.4" },
    };

    conf->smtp_max_errors = 1000;
    client_start(&c);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        say(&c, rows[i].command, rows[i].reply);
    client_close(&c);
}

Test(session, SR03_recipients)
{
    static const struct {
        const char *recipient, *reply;
    } rows[] = {
        { "<a@one.example>", "250 2.1.5" },
        { "<a@two.example> ", "250 2.1.5" },
        { "b@one.example", "250 2.1.5" },
        { "<a@off.example>", "550 5.7.1" },
        { "<a@elsewhere.example>", "550 5.7.1" },
        { "<a%one.example@one.example>", "550 5.7.1" },
        { "<one.example!a@one.example>", "550 5.7.1" },
        { "<a@b@one.example>", "550 5.7.1" },
        { "<\"a%b@c!d\"@one.example>", "250 2.1.5" },
        { "<>", "501 5.1.3" },
        { "<root>", "501 5.1.3" },
        { "<a b@one.example>", "501 5.1.3" },
        { "<\xc3\xa9@one.example>", "553 5.6.7" },
        { "<a@one.example> NOTIFY=NEVER", "555 5.5.4" },
        { "<a@one.example> =", "501 5.5.4" },
        { "<postmaster>", "451 4.3.5" },
        { "<Postmaster@one.example>", "451 4.3.5" },
    };

    client_start(&c);
    say(&c, "MAIL FROM:<>", "250 2.1.0");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char command[128];

        snprintf(command, sizeof(command), "RCPT TO:%s", rows[i].recipient);
        say(&c, command, rows[i].reply);
    }
    client_close(&c);
}

Test(session, SR03_postmaster_goes_to_the_setting)
{
    static char mailbox[] = "admin@inside.example";

    rules.postmaster = mailbox;
    rules.postmaster_profile = 99;
    client_start(&c);
    say(&c, "MAIL FROM:<>", "250 2.1.0");
    say(&c, "RCPT TO:<PostMaster>", "250 2.1.5");
    say(&c, "RCPT TO:<postmaster@one.example>", "250 2.1.5");
    say(&c, "DATA", "354 ");
    client_send(&c, CONTENT ".\r\n");
    client_expect(&c, "250 2.0.0");
    cr_assert_str_eq(fake.stored[0].envelope, " > 0/99: admin@inside.example");
    client_close(&c);
}

Test(session, SR03_no_rule_enabled_is_our_trouble)
{
    rules.enabled_count = 0;
    rules.count = 0;
    client_start(&c);
    say(&c, "MAIL FROM:<a@b.example>", "250 2.1.0");
    say(&c, "RCPT TO:<a@one.example>", "451 4.3.5");
    client_close(&c);
}

/* ---- pipelining ---- */

Test(session, MQ01_pipelined_groups_are_answered_in_order)
{
    client_start(&c);
    client_send(&c, "MAIL FROM:<s@x.example>\r\nRCPT TO:<a@one.example>\r\n"
                    "RCPT TO:<a@nowhere.example>\r\nDATA\r\n");
    client_expect(&c, "250 2.1.0");
    client_expect(&c, "250 2.1.5");
    client_expect(&c, "550 5.7.1");
    client_expect(&c, "354 ");
    /* The content may be followed by the next group (RFC 2920, 3.1). */
    client_send(&c, CONTENT ".\r\nMAIL FROM:<t@x.example>\r\nRCPT TO:<b@two.example>\r\nDATA\r\n");
    client_expect(&c, "250 2.0.0");
    client_expect(&c, "250 2.1.0");
    client_expect(&c, "250 2.1.5");
    client_expect(&c, "354 ");
    client_send(&c, CONTENT ".\r\nQUIT\r\n");
    client_expect(&c, "250 2.0.0");
    client_expect(&c, "221 2.0.0");
    cr_assert_str_eq(fake.stored[0].envelope, "s@x.example > 1/11: a@one.example");
    cr_assert_str_eq(fake.stored[1].envelope, "t@x.example > 2/12: b@two.example");
    client_close(&c);
}

Test(session, MQ04_content_that_does_not_wait_for_354)
{
    for (int with_recipient = 0; with_recipient < 2; with_recipient++) {
        client_start(&c);
        say(&c, "MAIL FROM:<s@x.example>", "250 2.1.0");
        if (with_recipient)
            say(&c, "RCPT TO:<a@one.example>", "250 2.1.5");
        client_send(&c, "DATA\r\n" CONTENT ".\r\nMAIL FROM:<evil@x.example>\r\n");
        client_expect(&c, "554 5.5.1");
        cr_assert_str_eq(client_reply(&c), "(closed)");
        cr_assert_eq(fake.stored_count, 0);
        client_close(&c);
    }
}

/* ---- lines that are none ---- */

Test(session, MQ04_bare_line_ends_in_commands_end_the_session)
{
    static const struct {
        const char *text;
        size_t bytes;
    } rows[] = { { "NOOP\nMAIL FROM:<a@b.example>\r\n", 30 },
                 { "NOOP\rQUIT\r\n", 11 },
                 { "NO\0OP\r\n", 7 } };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        client_start(&c);
        client_send_bytes(&c, rows[i].text, rows[i].bytes);
        client_expect(&c, "521 5.5.2");
        cr_assert_str_eq(client_reply(&c), "(closed)");
        client_close(&c);
    }
}

Test(session, a_line_that_is_too_long_is_skipped)
{
    static char text[20000];

    memset(text, 'a', sizeof(text));
    memcpy(text + sizeof(text) - 2, "\r\n", 2);
    client_start(&c);
    client_send_bytes(&c, text, sizeof(text));
    client_expect(&c, "500 5.5.2 Line too long");
    say(&c, "NOOP", "250 2.0.0");
    client_close(&c);
}

/* ---- content that is refused ---- */

Test(session, MQ04_refused_content_is_read_to_its_end_and_is_one_message)
{
    static const struct {
        const char *text;
        size_t bytes;
        const char *reply;
    } rows[] = {
#define ROW(text, reply) { text, sizeof(text) - 1, reply }
        ROW("A: b\r\n\r\nx\n.\nMAIL FROM:<evil@x>\r\n.\r\n", "550 5.6.0 Bare CR or bare LF"),
        ROW("A: b\r\n\r\nx\r.\rMAIL FROM:<evil@x>\r\n.\r\n", "550 5.6.0 Bare CR or bare LF"),
        ROW("A: b\r\n\r\nx\r\n.\nRSET\r\n.\r\n", "550 5.6.0 Bare CR or bare LF"),
        ROW("A: b\r\n\r\nx\n.\r\nRSET\r\n.\r\n", "550 5.6.0 Bare CR or bare LF"),
        ROW("A: b\r\n\r\nx\r\n.\r\r\nRSET\r\n.\r\n", "550 5.6.0 Bare CR or bare LF"),
        ROW("A: b\r\n\r\nx\0\r\n.\r\n", "550 5.6.0 NUL"),
        ROW("A: b\r\n\r\n\0.\r\nRSET\r\n.\r\n", "550 5.6.0 NUL"),
#undef ROW
    };

    client_start(&c);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        client_data(&c);
        client_send_bytes(&c, rows[i].text, rows[i].bytes);
        client_expect(&c, rows[i].reply);
        say(&c, "NOOP", "250 2.0.0 Ok");
    }
    cr_assert_eq(fake.stored_count, 0);
    client_close(&c);
}

Test(session, VA05_mail_loops_and_foreign_headers)
{
    conf->smtp_max_hops = 10;
    client_start(&c);
    client_data(&c);
    for (int i = 0; i < 11; i++)
        client_send(&c, "Received: again\r\n");
    client_send(&c, "\r\n.\r\n");
    client_expect(&c, "554 5.4.6");
    client_data(&c);
    client_send(&c, "X-Postern-Scan: allowed\r\nA: b\r\n\r\n.\r\n");
    client_expect(&c, "250 2.0.0");
    cr_assert_null(memmem(fake.stored[0].body, fake.stored[0].bytes, "X-Postern", 9));
    client_close(&c);
}

/* ---- clients that leave ---- */

Test(session, client_leaves_at_any_point)
{
    static const char *const parts[] = { "EHLO x\r\n", "MAIL FROM:<a@b.example>\r\n",
                                         "RCPT TO:<a@one.example>\r\n", "DATA\r\n", "half a mess" };

    for (size_t last = 0; last <= sizeof(parts) / sizeof(parts[0]); last++) {
        client_connect(&c);
        client_expect(&c, "220 ");
        for (size_t i = 0; i < last; i++) {
            client_send(&c, parts[i]);
            if (parts[i][0] != 'h')
                (void)client_reply(&c);
        }
        client_close(&c);
        UNTIL(connections() == 0);
    }
    cr_assert_eq(fake.stored_count, 0);
    cr_assert_eq(fake.reserved, 0);
}

Test(session, client_leaves_while_its_message_is_stored)
{
    fake.is_holding = true;
    client_start(&c);
    client_data(&c);
    client_send(&c, CONTENT ".\r\n");
    UNTIL(fake.waiting_count == 1);
    client_close(&c);
    UNTIL(connections() == 0);
    fake.is_holding = false;
    turn();
    cr_assert_eq(fake.waiting_count, 0);
    client_start(&c);
    client_close(&c);
}
