/* SP22: what each reply and each loss makes of the recipients, the cell and the walk. The table of
 * verdicts itself is worker_outcome.c's; here it is what comes of them. */
#include "delivery_stage.h"

static void setup(void)
{
    stage_up();
    stage_profile("");
}

TestSuite(delivery_outcome, .init = setup, .fini = stage_down, .timeout = 120);

static void without_pipelining(void)
{
    for (unsigned i = 0; i < STAGE_PEERS; i++)
        stage.peers[i]->extensions = "250 SIZE\r\n";
}

/* Peer 0 says it; the others are good. A message for r0 and r1. */
struct row {
    const char *when, *say;
    const char *states; /* in the cell when the outcome came */
    const char *visits;
};

static void expect_row(const struct row *row)
{
    const bool is_done = strcmp(row->states, "DD") == 0, is_open = row->states[0] == 'o';
    const bool is_next = strcmp(row->visits, "01") == 0;
    const struct ipc_mail_outcome *said;
    const struct cell *cell;

    stage_begin_again();
    peer_on(stage.peers[0], row->when, row->say, -1);
    if (strcmp(row->when, "HELO") == 0)
        peer_on(stage.peers[0], "EHLO", "502 5.5.1 what?", -1);
    said = stage_deliver(stage_store(2));
    cell = stage_last_cell();
    cr_expect_eq(said->outcome, is_done   ? IPC_OUTCOME_DONE
                                : is_open ? IPC_OUTCOME_DEFERRED
                                          : IPC_OUTCOME_FAILED);
    cr_expect_eq(cell->stage, is_done ? CELL_DONE : is_open ? CELL_OPEN : CELL_FAILED);
    cr_expect_str_eq(stage_states(cell, 2), row->states, "%s: %s", row->when, row->say);
    cr_expect_str_eq(stage.visits, row->visits, "%s: %s: visited %s", row->when, row->say,
                     stage.visits);
    cr_expect_eq(said->failed, is_next ? 1u : 0u, "%s: %s", row->when, row->say);
    cr_expect_eq(said->served, is_next ? 1 : 0, "%s: %s", row->when, row->say);
    cr_expect_eq(said->attempts, 1u);
    cr_expect_eq(cell->attempts, 1u);
    cr_expect_eq(said->recipients, is_open ? 2u : 0u);
    cr_expect_eq(said->next_attempt_s, cell->next_attempt_s);
    cr_expect_eq(cell->next_attempt_s != 0, is_open, "%s: %s", row->when, row->say);
    cr_expect_eq(cell->note.segment != 0, !is_done, "a note tells what is not simply delivered");
    cr_expect_eq(said->note_segment, cell->note.segment);
}

Test(delivery_outcome, SP22_a_failed_server_is_followed_by_the_next)
{
    static const struct row rows[] = {
        { "greeting", "!close", "DD", "01" },
        { "greeting", "554 5.3.2 not here", "DD", "01" },
        { "greeting", "421 4.3.2 going down!close", "DD", "01" },
        { "greeting", "hello", "DD", "01" },
        { "EHLO", "421 4.3.2 going down", "DD", "01" },
        { "EHLO", "!reset", "DD", "01" },
        { "MAIL", "421 4.3.2 going down", "DD", "01" },
        { "MAIL", "451 4.3.0 trouble", "DD", "01" },
        { "MAIL", "432 4.7.12 later", "DD", "01" },
        { "MAIL", "451 4.7.500 busy", "DD", "01" },
        { "MAIL", "450 later", "DD", "01" },
        { "MAIL", "!close", "DD", "01" },
        { "RCPT", "451 4.3.0 trouble", "DD", "01" },
        { "RCPT", "421 4.3.2 going down", "DD", "01" },
        { "RCPT", "!close", "DD", "01" },
        { "DATA", "451 4.3.0 trouble", "DD", "01" },
        { "DATA", "421 4.3.2 going down", "DD", "01" },
        { "DATA", "!close", "DD", "01" },
        { ".", "421 4.3.2 not taken", "DD", "01" },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        expect_row(&rows[i]);
}

Test(delivery_outcome, SP22_HELO_will_do_and_refused_too_it_is_a_failed_server)
{
    static const struct row taken = { "EHLO", "502 5.5.1 what?", "DD", "0" },
                            refused = { "HELO", "502 5.5.1 what?", "DD", "01" };

    expect_row(&taken);
    expect_row(&refused);
}

Test(delivery_outcome, SP22_what_is_said_of_the_message_defers_it_and_asks_no_other)
{
    static const struct row rows[] = {
        { "MAIL", "450 4.7.1 greylisted", "oo", "0" }, { "MAIL", "452 4.5.3 odd", "oo", "0" },
        { "RCPT", "450 4.2.1 busy", "oo", "0" },       { "RCPT", "450 busy", "oo", "0" },
        { "RCPT", "452 4.5.3 too many", "oo", "0" },   { "RCPT", "452 no space", "oo", "0" },
        { "DATA", "450 4.2.0 not now", "oo", "0" },    { ".", "450 4.7.1 greylisted", "oo", "0" },
        { ".", "451 4.3.0 trouble", "oo", "0" },       { ".", "452 no space", "oo", "0" },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        expect_row(&rows[i]);
}

Test(delivery_outcome, SP22_5xx_is_final)
{
    static const struct row rows[] = {
        { "MAIL", "550 5.7.1 not you", "RR", "0" },
        { "RCPT", "550 5.1.1 nobody", "RR", "0" },
        { "DATA", "554 5.6.0 not this", "RR", "0" },
        { ".", "554 5.7.1 spam", "RR", "0" },
        { ".", "550 spam", "RR", "0" },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        expect_row(&rows[i]);
}

Test(delivery_outcome, SP22_the_same_without_pipelining)
{
    static const struct row rows[] = {
        { "MAIL", "", "DD", "01" }, /* a second of silence */
        { "MAIL", "450 4.7.1 greylisted", "oo", "0" },
        { "RCPT", "", "DD", "01" },
        { "RCPT", "550 5.1.1 nobody", "RR", "0" },
        { "DATA", "", "DD", "01" },
        { "DATA", "450 4.2.0 not now", "oo", "0" },
        { ".", "250 2.0.0 taken", "DD", "0" },
    };

    without_pipelining();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        expect_row(&rows[i]);
}

Test(delivery_outcome, SP22_lost_after_the_end_of_data_is_deferred_and_no_other_server_asked)
{
    static const struct row rows[] = {
        { ".", "!close", "oo", "0" }, { ".", "!reset", "oo", "0" },    { ".", "", "oo", "0" },
        { ".", "hello", "oo", "0" },  { ".", "354 go on", "oo", "0" },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        expect_row(&rows[i]);
        cr_expect_eq(stage_figures().ambiguous, i + 1, "each is counted");
        cr_expect_eq(stage.outcomes[stage.outcome_count - 1].said.flags, IPC_OUTCOME_LOST);
        cr_expect_eq(stage.failure_count, 0u, "that is no failure (SP23)");
    }
    cr_expect_eq(stage_figures().delivered, 0u);
}

Test(delivery_outcome, SP22_each_recipient_has_its_own)
{
    const struct ipc_place place = stage_store(4);
    const struct ipc_mail_outcome *said;

    peer_on(stage.peers[0], "RCPT TO:<r1@", "550 5.1.1 nobody", 1);
    peer_on(stage.peers[0], "RCPT TO:<r2@", "450 4.2.1 busy", 1);
    said = stage_deliver(place);
    cr_assert_eq(said->outcome, IPC_OUTCOME_DEFERRED);
    cr_assert_eq(said->recipients, 1u);
    cr_assert_eq(said->served, 0);
    cr_assert_str_eq(stage_states(stage_last_cell(), 4), "DRoD");
    cr_assert_eq(stage_last_cell()->stage, CELL_OPEN);

    stage.peers[0]->log[0] = '\0';
    said = stage_deliver(place);
    cr_assert_eq(said->outcome, IPC_OUTCOME_FAILED, "one was refused, and nobody is left");
    cr_assert_eq(stage_last_cell()->stage, CELL_FAILED);
    cr_assert_str_eq(stage_states(stage_last_cell(), 4), "DRDD");
    cr_assert_eq(strncmp(strchr(stage.peers[0]->log, '|'),
                         "|MAIL FROM:<sender@example.com> SIZE=21|"
                         "RCPT TO:<r2@example.net>|DATA|",
                         70),
                 0, "nobody else is asked for again: %s", stage.peers[0]->log);
}

Test(delivery_outcome, SP22_deferred_by_a_system_that_then_failed_goes_to_the_next)
{
    const struct ipc_mail_outcome *said;

    peer_on(stage.peers[0], "RCPT TO:<r0@", "451 4.3.0 trouble", 1);
    peer_on(stage.peers[0], "RCPT TO:<r1@", "450 4.2.1 busy", 1);
    peer_on(stage.peers[0], ".", "421 4.3.2 going down", 1);
    said = stage_deliver(stage_store(3));
    cr_assert_eq(said->outcome, IPC_OUTCOME_DEFERRED);
    cr_assert_eq(said->failed, 1u);
    cr_assert_eq(said->served, 1);
    cr_assert_str_eq(stage_states(stage_last_cell(), 3), "DoD", "r1's mailbox is busy everywhere");
    cr_assert_null(strstr(stage.peers[1]->log, "r1@"));
}

Test(delivery_outcome, SP22_deferred_by_a_system_that_took_others_is_deferred)
{
    const struct ipc_mail_outcome *said;

    peer_on(stage.peers[0], "RCPT TO:<r0@", "451 4.3.0 trouble", 1);
    said = stage_deliver(stage_store(2));
    cr_assert_eq(said->outcome, IPC_OUTCOME_DEFERRED);
    cr_assert_eq(said->failed, 0u);
    cr_assert_str_eq(stage_states(stage_last_cell(), 2), "oD");
    cr_assert_str_eq(stage.visits, "0");
}
