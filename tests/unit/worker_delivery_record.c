/* MQ03: what a final reply said is in the cell before anything else happens, transaction by
 * transaction, and what is in the cell is believed. */
#include "delivery_stage.h"

TestSuite(delivery_record, .init = stage_up, .fini = stage_down, .timeout = 60);

/* The cell when a peer heard a line that begins with `moment`, the n-th time. */
static struct {
    const char *moment;
    unsigned left;
    struct ipc_place place;
    struct cell cell;
} seen;

static void look(struct peer *peer, const char *line)
{
    (void)peer;
    if (seen.moment == NULL || strncmp(line, seen.moment, strlen(seen.moment)) != 0 ||
        --seen.left > 0)
        return;
    seen.cell = stage_cell(&seen.place);
    seen.moment = NULL;
}

static struct ipc_place look_at(unsigned recipients, const char *moment, unsigned times)
{
    seen.place = stage_store(recipients);
    seen.moment = moment;
    seen.left = times;
    stage.on_line = look;
    return seen.place;
}

Test(delivery_record, MQ03_done_is_written_before_anybody_hears_of_it)
{
    stage_profile("");
    cr_assert_eq(stage_deliver(look_at(2, "QUIT", 1))->outcome, IPC_OUTCOME_DONE);
    cr_assert_eq(stage_last_cell()->stage, CELL_DONE);
    cr_assert_eq(stage_last_cell()->attempts, 1u);
    UNTIL(stage.loop, seen.moment == NULL);
    cr_assert_eq(seen.cell.stage, CELL_DONE, "before the server heard QUIT");
    cr_assert_str_eq(stage_states(&seen.cell, 2), "DD");
}

Test(delivery_record, MQ03_failed_is_written_at_once_and_then_again_with_its_note)
{
    const struct ipc_place place = stage_store(2);
    struct cell before;

    stage_profile("");
    peer_on(stage.peers[0], "RCPT TO:<r1@", "550 5.1.1 nobody", 1);
    cr_assert_eq(stage_deliver(place)->outcome, IPC_OUTCOME_FAILED);
    cr_assert_eq(stage_last_cell()->stage, CELL_FAILED);
    cr_assert_neq(stage_last_cell()->note.segment, 0u);
    before = stage_cell_at(&place, 1);
    cr_assert_eq(before.stage, CELL_FAILED);
    cr_assert_eq(before.attempts, 1u);
    cr_assert_eq(before.note.segment, 0u);
    cr_assert_str_eq(stage_states(&before, 2), "DR");
}

Test(delivery_record, MQ03_so_is_what_is_deferred)
{
    const struct ipc_place place = stage_store(2);
    struct cell before;

    stage_profile("");
    peer_on(stage.peers[0], "RCPT TO:<r1@", "450 4.2.1 busy", 1);
    cr_assert_eq(stage_deliver(place)->outcome, IPC_OUTCOME_DEFERRED);
    before = stage_cell_at(&place, 1);
    cr_assert_eq(before.stage, CELL_OPEN);
    cr_assert_eq(before.attempts, 1u);
    cr_assert_eq(before.next_attempt_s, stage.outcomes[0].said.next_attempt_s);
    cr_assert_eq(before.note.segment, 0u);
    cr_assert_str_eq(stage_states(&before, 2), "Do");
}

Test(delivery_record, MQ03_each_transaction_is_recorded_before_the_next_begins)
{
    stage_profile("'max_recipients': 2");
    cr_assert_eq(stage_deliver(look_at(5, "MAIL", 2))->outcome, IPC_OUTCOME_DONE);
    cr_assert_eq(seen.cell.stage, CELL_OPEN);
    cr_assert_eq(seen.cell.attempts, 0u, "the attempt goes on");
    cr_assert_str_eq(stage_states(&seen.cell, 5), "DDooo");

    cr_assert_eq(stage_deliver(look_at(5, "MAIL", 3))->outcome, IPC_OUTCOME_DONE);
    cr_assert_str_eq(stage_states(&seen.cell, 5), "DDDDo");
}

Test(delivery_record, MQ03_a_full_cell_takes_them_all)
{
    char want[CELL_RECIPIENTS + 1];

    stage_profile("");
    peer_on(stage.peers[0], "RCPT TO:<r127@", "550 5.1.1 nobody", 1);
    cr_assert_eq(stage_deliver(look_at(CELL_RECIPIENTS, "MAIL", 2))->outcome, IPC_OUTCOME_FAILED);
    memset(want, 'D', CELL_RECIPIENTS);
    want[CELL_RECIPIENTS] = '\0';
    memset(want + 100, 'o', 28); /* max_recipients is 100 */
    cr_assert_str_eq(stage_states(&seen.cell, CELL_RECIPIENTS), want);
    memset(want + 100, 'D', 27);
    want[127] = 'R';
    cr_assert_str_eq(stage_states(stage_last_cell(), CELL_RECIPIENTS), want);
}

Test(delivery_record, MQ03_a_worker_that_ends_amid_transactions_leaves_what_was_said)
{
    struct ipc_mail_deliver order;

    stage_profile("'max_recipients': 2");
    order = stage_order(look_at(5, "MAIL", 3));
    delivery_start(stage.delivery, &order);
    UNTIL(stage.loop, seen.moment == NULL);
    delivery_free(&stage.delivery);
    cr_assert_eq(stage.outcome_count, 0u);
    cr_assert_eq(stage.peers[0]->messages, 2u);
    smtp_pool_free(&stage.pool);
    stage.pool = smtp_pool_new(stage.loop, stage.world->worker, NULL);
    stage.delivery = stage_make_delivery();
    stage_begin_again();
    cr_assert_eq(stage_run(&order)->outcome, IPC_OUTCOME_DONE);
    cr_assert_not_null(strstr(stage.peers[0]->log, "|RCPT TO:<r4@example.net>|DATA|"));
    cr_assert_null(strstr(stage.peers[0]->log, "<r3@"), "%s", stage.peers[0]->log);
    cr_assert_eq(stage.peers[0]->messages, 1u);
}

/* ---- what is on disk counts ---- */

Test(delivery_record, MQ03_what_is_finished_on_disk_is_not_delivered_whatever_the_master_says)
{
    static const struct {
        enum cell_stage stage;
        enum ipc_outcome outcome;
    } rows[] = { { CELL_DONE, IPC_OUTCOME_DONE },
                 { CELL_DELETED, IPC_OUTCOME_DONE },
                 { CELL_FAILED, IPC_OUTCOME_FAILED },
                 { CELL_MOVED, IPC_OUTCOME_NOT_HELD } }; /* it goes on in a copy */

    stage_profile("");
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct ipc_place place = stage_store(3);
        struct cell cell = { .stage = rows[i].stage,
                             .attempts = 9,
                             .note = { .segment = 7, .slot = 2 } };
        const struct ipc_mail_outcome *said;

        cell_recipient_set(&cell, 0, CELL_RCPT_DELIVERED);
        stage_set_cell(&place, &cell);
        said = stage_deliver(place);
        cr_expect_eq(said->outcome, rows[i].outcome);
        cr_expect_eq(said->attempts, 9u);
        cr_expect_eq(said->note_segment, 7u);
        cr_expect_eq(said->note_slot, 2u);
        cr_expect_eq(said->recipients, 2u, "that are open");
    }
    cr_assert_str_eq(stage.visits, "");
}

Test(delivery_record, MQ09_what_comes_to_its_end_did_not_kill_the_workers_before)
{
    const struct ipc_place place = stage_store(1);
    const struct cell cell = { .attempts = 1, .crashes = 1 };

    stage_profile("");
    stage_set_cell(&place, &cell);
    peer_on(stage.peers[0], "RCPT", "450 4.2.1 busy", 1);
    cr_assert_eq(stage_deliver(place)->outcome, IPC_OUTCOME_DEFERRED);
    cr_assert_eq(stage_last_cell()->crashes, 0u);
}

Test(delivery_record, what_is_not_the_message_is_not_delivered)
{
    struct ipc_place place;
    const struct ipc_mail_outcome *said;

    stage_profile("");
    place = stage_store(1);
    place.offset += 8;
    said = stage_deliver(place);
    cr_assert_eq(said->outcome, IPC_OUTCOME_NOT_HELD);
    cr_assert_eq(said->attempts, 0u);
    cr_assert_eq(said->recipients, 0u);
    cr_assert_eq(said->served, -1);
    cr_assert_str_eq(stage.visits, "");
}
