/* One delivery in several transactions, and messages that not every server can carry. */
#include "delivery_stage.h"

TestSuite(delivery_split, .init = stage_up, .fini = stage_down, .timeout = 60);

#define MAIL    "MAIL FROM:<sender@example.com> SIZE=21|"
#define RCPT(n) "RCPT TO:<r" n "@example.net>|"
#define CONTENT "DATA|(21)|"

/* What peer 0 heard between EHLO and QUIT. */
static const char *talk(void)
{
    char *end = strstr(stage.peers[0]->log, "QUIT|");

    if (end != NULL)
        *end = '\0';
    return strchr(stage.peers[0]->log, '|') + 1;
}

static void expect_done_in_one_attempt(const struct ipc_mail_outcome *said, unsigned messages)
{
    cr_assert_eq(said->outcome, IPC_OUTCOME_DONE);
    cr_assert_eq(said->attempts, 1u);
    cr_assert_eq(said->failed, 0u);
    cr_assert_eq(said->tried, 1u);
    cr_assert_eq(said->served, 0);
    cr_assert_eq(stage.peers[0]->messages, messages);
    cr_assert_str_eq(stage.visits, "0", "one connection");
}

Test(delivery_split, SP22_too_many_after_an_accepted_one_is_no_attempt)
{
    static const char *const says[] = { "452 4.5.3 too many", "452 too many",
                                        "552 5.5.3 too many" };

    stage_profile("");
    for (unsigned i = 0; i < 3; i++) {
        stage_begin_again();
        peer_on(stage.peers[0], "RCPT TO:<r2@", says[i], 1);
        peer_on(stage.peers[0], "RCPT TO:<r3@", says[i], 1);
        peer_on(stage.peers[0], "RCPT TO:<r4@", says[i], 2);
        expect_done_in_one_attempt(stage_deliver(stage_store(5)), 3);
        cr_expect_str_eq(talk(),
                         MAIL RCPT("0") RCPT("1") RCPT("2") RCPT("3") RCPT("4")
                             CONTENT MAIL RCPT("2") RCPT("3") RCPT("4") CONTENT MAIL RCPT("4")
                                 CONTENT,
                         "%s", stage.peers[0]->log);
    }
}

Test(delivery_split, SP22_too_many_before_anybody_was_accepted_defers)
{
    const struct ipc_mail_outcome *said;

    stage_profile("");
    peer_on(stage.peers[0], "RCPT", "452 4.5.3 too many", -1);
    said = stage_deliver(stage_store(3));
    cr_assert_eq(said->outcome, IPC_OUTCOME_DEFERRED);
    cr_assert_eq(said->recipients, 3u);
    cr_assert_str_eq(stage.visits, "0");
}

Test(delivery_split, no_transaction_has_more_recipients_than_the_profile_says)
{
    stage_profile("'max_recipients': 2");
    expect_done_in_one_attempt(stage_deliver(stage_store(5)), 3);
    cr_assert_str_eq(talk(), MAIL RCPT("0") RCPT("1") CONTENT MAIL RCPT("2") RCPT("3")
                                 CONTENT MAIL RCPT("4") CONTENT);
}

Test(delivery_split, SP49_nor_than_the_server_says)
{
    stage_profile("'max_recipients': 4");
    stage.peers[0]->extensions = "250-PIPELINING\r\n250-SIZE\r\n250 LIMITS RCPTMAX=3\r\n";
    expect_done_in_one_attempt(stage_deliver(stage_store(5)), 2);
    cr_assert_str_eq(talk(),
                     MAIL RCPT("0") RCPT("1") RCPT("2") CONTENT MAIL RCPT("3") RCPT("4") CONTENT);
}

Test(delivery_split, a_transaction_in_which_nobody_is_left_does_not_stop_the_others)
{
    const struct ipc_mail_outcome *said;

    stage_profile("'max_recipients': 2");
    peer_on(stage.peers[0], "RCPT TO:<r0@", "550 5.1.1 nobody", 1);
    peer_on(stage.peers[0], "RCPT TO:<r1@", "450 4.2.1 busy", 1);
    peer_on(stage.peers[0], "DATA", "503 5.5.1 for nobody", 1);
    said = stage_deliver(stage_store(4));
    cr_assert_eq(said->outcome, IPC_OUTCOME_DEFERRED);
    cr_assert_str_eq(stage_states(stage_last_cell(), 4), "RoDD");
    cr_assert_str_eq(talk(),
                     MAIL RCPT("0") RCPT("1") "DATA|RSET|" MAIL RCPT("2") RCPT("3") CONTENT);
}

Test(delivery_split, SP48_a_connection_lost_between_transactions_is_replaced)
{
    const struct ipc_mail_outcome *said;

    stage_profile("'max_recipients': 2");
    peer_on(stage.peers[0], "MAIL", "250 ok", 1);
    peer_on(stage.peers[0], "MAIL", "!close", 1);
    said = stage_deliver(stage_store(4));
    cr_assert_eq(said->outcome, IPC_OUTCOME_DONE);
    cr_assert_eq(said->failed, 0u);
    cr_assert_str_eq(stage.visits, "00");
    cr_assert_eq(stage.peers[0]->messages, 2u);
}

Test(delivery_split, SP22_a_server_that_fails_amid_transactions_is_followed_for_the_rest)
{
    const struct ipc_mail_outcome *said;

    stage_profile("'max_recipients': 2");
    peer_on(stage.peers[0], "MAIL", "250 ok", 1);
    peer_on(stage.peers[0], "MAIL", "451 4.3.0 trouble", 1);
    said = stage_deliver(stage_store(4));
    cr_assert_eq(said->outcome, IPC_OUTCOME_DONE);
    cr_assert_eq(said->failed, 1u);
    cr_assert_eq(said->served, 0, "the first that took any of it");
    cr_assert_str_eq(stage.visits, "01");
    cr_assert_null(strstr(stage.peers[1]->log, "<r1@"));
    cr_assert_eq(stage.peers[1]->messages, 1u);
}

Test(delivery_split, SP22_who_was_lost_is_not_asked_for_again_and_the_rest_goes_on)
{
    const struct ipc_mail_outcome *said;

    stage_profile("'max_recipients': 2");
    peer_on(stage.peers[0], ".", "!close", 1);
    said = stage_deliver(stage_store(4));
    cr_assert_eq(said->outcome, IPC_OUTCOME_DEFERRED);
    cr_assert_eq(said->recipients, 2u);
    cr_assert_eq(said->failed, 0u);
    cr_assert_str_eq(stage_states(stage_last_cell(), 4), "ooDD");
    cr_assert_str_eq(stage.visits, "00");
    cr_assert_eq(stage_figures().ambiguous, 1u);
}

Test(delivery_split, SP49_no_room_after_who_was_lost_must_not_bring_them_back_at_once)
{
    struct ipc_mail_deliver first;
    const struct ipc_mail_outcome *said;

    stage_profile("'max_recipients': 2");
    peer_on(stage.peers[0], "EHLO", "", 1);
    first = stage_order(stage_store(1));
    delivery_start(stage.delivery, &first);
    UNTIL(stage.loop, strstr(stage.peers[0]->log, "EHLO") != NULL);
    peer_on(stage.peers[0], ".", "!close", 1);
    peer_on(stage.peers[0], "greeting", "220 peer.test", 1);
    peer_on(stage.peers[0], "greeting", "421 4.3.2 too many connections", 1);
    said = stage_deliver(stage_store(4));
    cr_assert_eq(said->outcome, IPC_OUTCOME_DEFERRED);
    cr_assert_eq(said->recipients, 4u);
    cr_assert_eq(said->attempts, 1u);
    cr_assert_eq(said->failed, 0u);
    cr_assert_str_eq(stage.visits, "000");
    cr_assert_neq(stage_last_cell()->next_attempt_s, 0u);
}

Test(delivery_split, SP49_no_room_after_some_were_taken_comes_again_for_the_rest_at_once)
{
    struct ipc_mail_deliver first;
    const struct ipc_mail_outcome *said;

    stage_profile("'max_recipients': 2");
    peer_on(stage.peers[0], "EHLO", "", 1);
    first = stage_order(stage_store(1));
    delivery_start(stage.delivery, &first);
    UNTIL(stage.loop, strstr(stage.peers[0]->log, "EHLO") != NULL);
    peer_on(stage.peers[0], "MAIL", "250 ok", 1);
    peer_on(stage.peers[0], "MAIL", "!close", 1); /* dead when it is reused: SP48 */
    peer_on(stage.peers[0], "greeting", "220 peer.test", 1);
    peer_on(stage.peers[0], "greeting", "421 4.3.2 too many connections", 1);
    said = stage_deliver(stage_store(4));
    cr_assert_eq(said->outcome, IPC_OUTCOME_NO_ROOM);
    cr_assert_eq(said->recipients, 2u);
    cr_assert_eq(said->attempts, 0u);
    cr_assert_str_eq(stage_states(stage_last_cell(), 4), "DDoo");
}

/* ---- MQ08 ---- */

static void lack(unsigned peer)
{
    stage.peers[peer]->extensions = "250-PIPELINING\r\n250 SIZE\r\n";
}

Test(delivery_split, MQ08_a_server_that_cannot_carry_it_is_passed_by_and_has_not_failed)
{
    const struct ipc_mail_outcome *said;

    stage_profile("");
    lack(0);
    said = stage_deliver(stage_store_flagged(1, BODY_8BIT));
    cr_assert_eq(said->outcome, IPC_OUTCOME_DONE);
    cr_assert_eq(said->failed, 0u);
    cr_assert_eq(said->tried, 3u);
    cr_assert_eq(said->served, 1);
    cr_assert_null(strstr(stage.peers[0]->log, "MAIL"));
    cr_assert_not_null(strstr(stage.peers[1]->log, " BODY=8BITMIME|"));
}

Test(delivery_split, MQ08_when_none_can_carry_it_it_fails_cleanly)
{
    static const struct {
        unsigned flags;
        const char *enhanced;
    } rows[] = { { BODY_8BIT, "5.6.3" }, { BODY_UTF8_ENVELOPE, "5.6.7" } };

    stage_profile("");
    for (unsigned i = 0; i < STAGE_PEERS; i++)
        lack(i);
    for (unsigned i = 0; i < 2; i++) {
        const struct ipc_place place = stage_store_flagged(2, rows[i].flags);
        const struct ipc_mail_outcome *said = stage_deliver(place);
        json_t *note = stage_note(&place), *entry;

        cr_assert_eq(said->outcome, IPC_OUTCOME_FAILED);
        cr_assert_eq(said->failed, 0u);
        cr_assert_str_eq(stage_states(stage_last_cell(), 2), "RR");
        entry = json_array_get(json_object_get(note, "recipients"), 1);
        cr_assert_str_eq(entry_text(entry, "enhanced"), rows[i].enhanced);
        cr_assert_eq(json_integer_value(json_object_get(entry, "code")), 554);
        json_decref(note);
    }
}

Test(delivery_split, MQ08_a_server_that_is_down_may_be_the_one_that_can)
{
    const struct ipc_mail_outcome *said;

    stage_profile("");
    lack(0);
    lack(2);
    peer_on(stage.peers[1], "greeting", "!close", 1);
    said = stage_deliver(stage_store_flagged(1, BODY_8BIT));
    cr_assert_eq(said->outcome, IPC_OUTCOME_DEFERRED);
    cr_assert_eq(said->failed, 2u);
    cr_assert_str_eq(stage.visits, "012");
}

Test(delivery_split, MQ08_ordinary_mail_asks_for_nothing)
{
    stage_profile("");
    stage.peers[0]->extensions = "250 HELP\r\n";
    cr_assert_eq(stage_deliver(stage_store(1))->served, 0);
}
