/* Transactions with a scripted server: every way one can end, by name. */
#include "transaction_stage.h"

TestSuite(transaction, .init = setup, .fini = teardown, .timeout = 60);

Test(transaction, SP22_delivers_and_leaves_the_session_ready)
{
    run();
    cr_assert_eq(result.verdict, SMTP_DELIVERED);
    cr_assert_eq(reply.code, 250);
    cr_assert_str_eq(reply.text, "2.0.0 queued as 1");
    cr_assert(result.is_usable);
    cr_assert_str_eq(peer->log, ENVELOPE "(21)|", "%s", peer->log);
    cr_assert_str_eq(peer->content, "Subject: x\r\n\r\nhello\r\n");
    cr_assert_eq(peer->most_lines_in_a_read, 3u, "the envelope is one write");

    run();
    cr_assert_eq(result.verdict, SMTP_DELIVERED);
    cr_assert_eq(peer->messages, 2u);
    cr_assert_eq(peer->connections, 1u);
    cr_assert_str_eq(peer->log, ENVELOPE "(21)|" ENVELOPE "(21)|", "no RSET, no NOOP: %s",
                     peer->log);
}

Test(transaction, SP22_delivers_without_pipelining)
{
    without_pipelining();
    tx.rcpt_count = 3;
    run();
    cr_assert_eq(result.verdict, SMTP_DELIVERED);
    cr_assert_eq(peer->most_lines_in_a_read, 1u, "one command, one reply");
    cr_assert_str_eq(peer->log, "MAIL FROM:<sender@example.com> SIZE=21|RCPT TO:<r0@example.net>|"
                                "RCPT TO:<r1@example.net>|RCPT TO:<r2@example.net>|DATA|(21)|");
}

Test(transaction, parameters_only_where_offered_and_needed)
{
    tx.body.flags = BODY_8BIT;
    tx.sender = "";
    run();
    cr_assert_eq(strncmp(peer->log, "MAIL FROM:<> SIZE=21 BODY=8BITMIME|", 34), 0, "%s", peer->log);
    smtp_connection_free(&connection);

    peer->extensions = "250 SMTPUTF8\r\n";
    tx.body.flags = BODY_UTF8_ENVELOPE;
    run();
    cr_assert_eq(strncmp(peer->log, "MAIL FROM:<> SMTPUTF8|", 22), 0, "%s", peer->log);
}

Test(transaction, MQ08_what_a_server_lacks_for_a_message)
{
    static const struct smtp_extensions nothing,
        both = { .flags = SMTP_HAS_8BITMIME | SMTP_HAS_SMTPUTF8 };

    cr_assert_null(smtp_transaction_lacks(&nothing, BODY_LEADING_DOT));
    cr_assert_str_eq(smtp_transaction_lacks(&nothing, BODY_8BIT), "8BITMIME");
    cr_assert_str_eq(smtp_transaction_lacks(&nothing, BODY_UTF8_ENVELOPE | BODY_8BIT), "SMTPUTF8");
    cr_assert_null(smtp_transaction_lacks(&both, BODY_UTF8_ENVELOPE | BODY_8BIT));
}

/* ---- recipients ---- */

static void expect_verdicts(enum smtp_verdict a, enum smtp_verdict b, enum smtp_verdict c)
{
    cr_expect_eq(rcpts[0].verdict, a, "%s", smtp_verdict_name(rcpts[0].verdict));
    cr_expect_eq(rcpts[1].verdict, b, "%s", smtp_verdict_name(rcpts[1].verdict));
    cr_expect_eq(rcpts[2].verdict, c, "%s", smtp_verdict_name(rcpts[2].verdict));
}

Test(transaction, SP22_each_recipient_has_its_own_verdict)
{
    for (unsigned pipelining = 0; pipelining < 2; pipelining++) {
        if (!pipelining)
            without_pipelining();
        else
            peer->extensions = PEER_EXTENSIONS;
        peer->rule_count = 0;
        peer_on(peer, "RCPT TO:<r0", "550 5.1.1 nobody", -1);
        peer_on(peer, "RCPT TO:<r2", "451 4.7.1 later", -1);
        tx.rcpt_count = 3;
        told = 0;
        run();
        cr_expect_eq(result.verdict, SMTP_DELIVERED);
        expect_verdicts(SMTP_REFUSED, SMTP_GO_ON, SMTP_DEFERRED);
        cr_expect_eq(told, 2u);
        cr_expect(result.is_usable);
        smtp_connection_free(&connection);
    }
    cr_expect_eq(peer->messages, 2u);
}

Test(transaction, SP22_nobody_accepted_then_RSET_before_the_next)
{
    peer_on(peer, "RCPT", "550 5.1.1 nobody", 1);
    peer_on(peer, "DATA", "554 5.5.1 no valid recipients", 1);
    run();
    cr_assert_eq(result.verdict, SMTP_GO_ON);
    cr_assert_eq(rcpts[0].verdict, SMTP_REFUSED);
    cr_assert(result.is_usable);
    run();
    cr_assert_eq(result.verdict, SMTP_DELIVERED);
    cr_assert_str_eq(peer->log, ENVELOPE "RSET|" ENVELOPE "(21)|", "%s", peer->log);
    run();
    cr_assert_null(strstr(peer->log + strlen(ENVELOPE) + 6, "RSET"), "only once: %s", peer->log);
}

Test(transaction, SP22_nobody_accepted_without_pipelining_sends_no_DATA)
{
    without_pipelining();
    peer_on(peer, "RCPT", "550 5.1.1 nobody", 1);
    run();
    cr_assert_eq(result.verdict, SMTP_GO_ON);
    run();
    cr_assert_eq(result.verdict, SMTP_DELIVERED);
    cr_assert_str_eq(
        peer->log,
        "MAIL FROM:<sender@example.com> SIZE=21|RCPT TO:<r0@example.net>|RSET|" ENVELOPE "(21)|",
        "%s", peer->log);
}

Test(transaction, SP22_nobody_accepted_and_354_all_the_same_gets_an_empty_message)
{
    peer_on(peer, "RCPT", "550 5.1.1 nobody", 1);
    peer_on(peer, ".", "554 5.5.1 no recipients", 1);
    run();
    cr_assert_eq(result.verdict, SMTP_GO_ON);
    cr_assert_eq(rcpts[0].verdict, SMTP_REFUSED);
    cr_assert(result.is_usable);
    cr_assert_str_eq(peer->log, ENVELOPE "(0)|", "RFC 2920: %s", peer->log);
    cr_assert_eq(peer->messages, 0u);
    run();
    cr_assert_eq(result.verdict, SMTP_DELIVERED);
    cr_assert_str_eq(peer->log, ENVELOPE "(0)|" ENVELOPE "(21)|", "%s", peer->log);
}

Test(transaction, SP22_too_many_recipients_after_an_accepted_one_come_again)
{
    static const char *const many[] = { "452 4.5.3 too many", "452 too many", "552 5.5.3 too many",
                                        "552 4.5.3 too many" };

    for (unsigned i = 0; i < 4; i++) {
        peer->rule_count = 0;
        peer_on(peer, "RCPT TO:<r1", many[i], -1);
        peer_on(peer, "RCPT TO:<r2", many[i], -1);
        tx.rcpt_count = 3;
        run();
        cr_expect_eq(result.verdict, SMTP_DELIVERED);
        expect_verdicts(SMTP_GO_ON, SMTP_SPLIT, SMTP_SPLIT);
        peer->rule_count = 0;
        peer_on(peer, "RCPT TO:<r0", many[i], -1);
        tx.rcpt_count = 1;
        run();
        cr_expect_eq(result.verdict, SMTP_GO_ON);
        cr_expect_eq(rcpts[0].verdict, SMTP_DEFERRED, "too many when nobody was accepted: %s",
                     many[i]);
    }
}

Test(transaction, SP22_every_recipient_met_system_trouble)
{
    tx.rcpt_count = 3;
    peer_on(peer, "RCPT", "451 4.3.0 trouble", -1);
    run();
    cr_assert_eq(result.verdict, SMTP_FAILED);
    expect_verdicts(SMTP_DEFERRED_BY_SYSTEM, SMTP_DEFERRED_BY_SYSTEM, SMTP_DEFERRED_BY_SYSTEM);
    cr_assert_not(result.is_usable);
}

Test(transaction, SP22_some_recipients_met_system_trouble)
{
    tx.rcpt_count = 3;
    peer_on(peer, "RCPT TO:<r1", "451 4.3.0 trouble", -1);
    run();
    cr_assert_eq(result.verdict, SMTP_DELIVERED);
    expect_verdicts(SMTP_GO_ON, SMTP_DEFERRED_BY_SYSTEM, SMTP_GO_ON);
}

/* ---- replies that decide ---- */

static const struct deciding {
    const char *when, *say;
    enum smtp_verdict verdict;
    enum smtp_point point;
    bool is_usable;
} deciding[] = {
    { "MAIL", "550 5.7.1 not from you", SMTP_REFUSED, SMTP_AT_MAIL, true },
    { "MAIL", "552 5.3.4 too large", SMTP_REFUSED, SMTP_AT_MAIL, true },
    { "MAIL", "450 4.7.1 greylisted", SMTP_DEFERRED, SMTP_AT_MAIL, true },
    { "MAIL", "451 4.3.0 trouble", SMTP_FAILED, SMTP_AT_MAIL, false },
    { "MAIL", "452 4.3.1 disk full", SMTP_FAILED, SMTP_AT_MAIL, false },
    { "MAIL", "432 4.3.2 concurrent", SMTP_FAILED, SMTP_AT_MAIL, false },
    { "MAIL", "451 4.7.500 busy", SMTP_FAILED, SMTP_AT_MAIL, false },
    { "MAIL", "451 bare", SMTP_FAILED, SMTP_AT_MAIL, false },
    { "MAIL", "421 4.3.2 closing", SMTP_FAILED, SMTP_AT_MAIL, false },
    { "MAIL", "421 closing!close", SMTP_FAILED, SMTP_AT_MAIL, false },
    { "MAIL", "354 what", SMTP_FAILED, SMTP_AT_MAIL, false },
    { "MAIL", "garbage", SMTP_FAILED, SMTP_AT_MAIL, false },
    { "MAIL", "!close", SMTP_FAILED, SMTP_AT_MAIL, false },
    { "MAIL", "!reset", SMTP_FAILED, SMTP_AT_MAIL, false },
    { "RCPT", "421 4.4.2 closing!close", SMTP_FAILED, SMTP_AT_RCPT, false },
    { "RCPT", "!close", SMTP_FAILED, SMTP_AT_RCPT, false },
    { "DATA", "451 4.3.0 trouble", SMTP_FAILED, SMTP_AT_DATA, false },
    { "DATA", "451 4.7.1 later", SMTP_DEFERRED, SMTP_AT_DATA, true },
    { "DATA", "554 5.7.1 never", SMTP_REFUSED, SMTP_AT_DATA, true },
    { "DATA", "421 closing", SMTP_FAILED, SMTP_AT_DATA, false },
    { "DATA", "250 what", SMTP_FAILED, SMTP_AT_DATA, false },
    { "DATA", "!close", SMTP_FAILED, SMTP_AT_DATA, false },
    { ".", "550 5.7.1 spam", SMTP_REFUSED, SMTP_AT_END, true },
    { ".", "552 5.3.4 too large", SMTP_REFUSED, SMTP_AT_END, true },
    { ".", "451 4.7.1 later", SMTP_DEFERRED, SMTP_AT_END, true },
    { ".", "451 4.3.0 trouble", SMTP_DEFERRED, SMTP_AT_END, true },
    { ".", "421 4.3.2 closing", SMTP_FAILED, SMTP_AT_END, false },
    { ".", "!close", SMTP_LOST, SMTP_AT_END, false },
    { ".", "!reset", SMTP_LOST, SMTP_AT_END, false },
    { ".", "garbage", SMTP_LOST, SMTP_AT_END, false },
    { ".", "354 more", SMTP_LOST, SMTP_AT_END, false },
};

static void check_deciding(bool pipelining)
{
    for (unsigned i = 0; i < sizeof(deciding) / sizeof(deciding[0]); i++) {
        const struct deciding *row = &deciding[i];

        peer->rule_count = 0;
        peer_on(peer, row->when, row->say, -1);
        tx.rcpt_count = 2;
        if (connection != NULL)
            smtp_connection_free(&connection);
        run();
        cr_expect_eq(result.verdict, row->verdict, "%s to %s: %s", row->say, row->when,
                     smtp_verdict_name(result.verdict));
        cr_expect_eq(result.point, row->point, "%s to %s: at %s", row->say, row->when,
                     smtp_point_name(result.point));
        cr_expect_eq(result.is_usable, row->is_usable, "%s to %s", row->say, row->when);
        if (!row->is_usable)
            UNTIL(loop, connection == NULL);
        if (!row->is_usable || !pipelining)
            continue;
        /* What is called usable is in step: the next message goes through. */
        peer->rule_count = 0;
        run();
        cr_expect_eq(result.verdict, SMTP_DELIVERED, "after %s to %s", row->say, row->when);
    }
}

Test(transaction, SP22_each_reply_that_decides_with_pipelining)
{
    check_deciding(true);
}

Test(transaction, SP22_each_reply_that_decides_without_pipelining)
{
    without_pipelining();
    check_deciding(false);
}

Test(transaction, SP22_silence_before_the_end_of_data_is_a_failure_and_after_it_a_loss)
{
    static const struct {
        const char *when;
        enum smtp_verdict verdict;
    } rows[] = { { "MAIL", SMTP_FAILED }, { "DATA", SMTP_FAILED }, { ".", SMTP_LOST } };

    timeout_s = 1;
    without_pipelining(); /* otherwise the next reply would be taken for the missing one */
    for (unsigned i = 0; i < 3; i++) {
        peer->rule_count = 0;
        peer_on(peer, rows[i].when, "", -1);
        run();
        cr_expect_eq(result.verdict, rows[i].verdict, "%s", rows[i].when);
        cr_expect_eq(result.event, SMTP_TIMED_OUT);
        UNTIL(loop, connection == NULL);
    }
}

/* ---- reused sessions ---- */

Test(transaction, SP48_a_used_session_that_is_gone_starts_over)
{
    static const char *const ends[][2] = {
        { "MAIL", "!close" },     { "MAIL", "421 4.4.2 idle too long!close" },
        { "MAIL", "!reset" },     { "RCPT", "!close" },
        { "DATA", "421 enough" }, { "RSET", "500 what" },
    };

    for (unsigned i = 0; i < 6; i++) {
        peer->rule_count = 0;
        if (strcmp(ends[i][0], "RSET") == 0) {
            peer_on(peer, "RCPT", "550 no", 1);
            peer_on(peer, "DATA", "554 no", 1);
        }
        run();
        cr_assert(result.is_usable);
        peer_on(peer, ends[i][0], ends[i][1], -1);
        run();
        cr_expect_eq(result.verdict, SMTP_RESTART, "%s to %s: %s", ends[i][1], ends[i][0],
                     smtp_verdict_name(result.verdict));
        cr_expect_not(result.is_usable);
        UNTIL(loop, connection == NULL);
    }
}

Test(transaction, SP48_but_not_after_the_end_of_data)
{
    run();
    peer_on(peer, ".", "!close", -1);
    run();
    cr_assert_eq(result.verdict, SMTP_LOST);
}

Test(transaction, SP22_no_content_leaves_before_a_recipient_was_accepted)
{
    /* DATA's 354 comes, but MAIL's reply is held back: a server out of its mind. */
    run();
    peer_on(peer, "RCPT", "", 1);
    peer_on(peer, "DATA", "", 1);
    begin();
    UNTIL(loop, strcmp(peer->log, ENVELOPE "(21)|" ENVELOPE) == 0);
    for (unsigned i = 0; i < 20; i++)
        loop_turn(loop, 5);
    cr_assert_str_eq(peer->log, ENVELOPE "(21)|" ENVELOPE, "nothing more was sent");
    cr_assert_not(smtp_transaction_is_past_end(&tx));
}

Test(transaction, SP22_a_server_that_stops_reading_fails_in_time)
{
    size_t bytes = 64U << 20;
    char *body = malloc(bytes);

    memset(body, 'x', bytes);
    tx.body.data = body;
    tx.body.bytes = bytes;
    timeout_s = 1;
    begin();
    UNTIL(loop, strstr(peer->log, "DATA|") != NULL);
    peer->is_deaf = true;
    UNTIL(loop, done == 1);
    cr_assert_eq(result.verdict, SMTP_FAILED, "%s", smtp_verdict_name(result.verdict));
    cr_assert_eq(result.event, SMTP_TIMED_OUT);
    cr_assert_eq(result.point, SMTP_AT_BODY);
    free(body);
}

Test(transaction, SP22_a_refusal_in_the_middle_of_the_content)
{
    size_t bytes = 64U << 20;
    char *body = malloc(bytes);

    memset(body, 'x', bytes);
    tx.body.data = body;
    tx.body.bytes = bytes;
    begin();
    UNTIL(loop, strstr(peer->log, "DATA|") != NULL);
    cr_assert_gt(send(LIST_FIRST(&peer->clients)->fd, "552 5.3.4 enough\r\n", 18, 0), 0);
    peer->is_deaf = true;
    UNTIL(loop, done == 1);
    cr_assert_eq(result.verdict, SMTP_REFUSED, "%s", smtp_verdict_name(result.verdict));
    cr_assert_eq(result.point, SMTP_AT_BODY);
    cr_assert_not(result.is_usable);
    cr_assert_null(connection, "no QUIT into the content");
    free(body);
}

Test(transaction, cutting_the_connection_frees_the_body)
{
    peer_on(peer, ".", "", -1);
    tx.body.bytes = 21;
    begin();
    UNTIL(loop, strstr(peer->log, "(21)|") != NULL);
    cr_assert(smtp_transaction_is_past_end(&tx));
    smtp_connection_free(&connection);
    cr_assert_eq(done, 0u);
}

Test(transaction, a_hundred_recipients_in_one_write)
{
    tx.rcpt_count = RCPTS_MAX;
    run();
    cr_assert_eq(result.verdict, SMTP_DELIVERED);
    cr_assert_eq(peer->most_lines_in_a_read, RCPTS_MAX + 2U);
}
