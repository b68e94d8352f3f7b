/* Deliveries that are cut: called back, drained, out of time, or left without a worker. */
#include "delivery_stage.h"

TestSuite(delivery_cut, .init = stage_up, .fini = stage_down, .timeout = 60);

/* Where a delivery hangs: the peer does not answer this. Without PIPELINING, so that silence is
 * about one command. */
static void hang_at(const char *when)
{
    stage_profile("'timeouts': {'command': 60, 'end_of_data': 60}");
    for (unsigned i = 0; i < STAGE_PEERS; i++)
        stage.peers[i]->extensions = "250 SIZE\r\n";
    peer_on(stage.peers[0], when, "", 1);
}

/* A delivery to r0 and r1 that has got that far. */
static struct ipc_mail_deliver hang_in(const char *heard)
{
    const struct ipc_mail_deliver order = stage_order(stage_store(2));

    stage.peers[0]->log[0] = '\0';
    delivery_start(stage.delivery, &order);
    UNTIL(stage.loop, strstr(stage.peers[0]->log, heard) != NULL);
    return order;
}

static struct peer_client *client_of(unsigned peer)
{
    return LIST_FIRST(&stage.peers[peer]->clients);
}

/* Everything that is on its way has time to arrive. */
static void let_pass(void)
{
    for (unsigned i = 0; i < 20; i++)
        loop_turn(stage.loop, 2);
}

static void expect_back(const struct ipc_mail_deliver *order)
{
    const struct ipc_mail_outcome *said = &stage.outcomes[stage.outcome_count - 1].said;

    cr_assert_eq(said->job, order->job);
    cr_assert_eq(said->outcome, IPC_OUTCOME_NO_ROOM);
    cr_assert_eq(said->attempts, 0u);
    cr_assert_eq(said->failed, 0u);
    cr_assert_eq(said->tried, 0u);
    cr_assert_eq(said->recipients, 2u);
    cr_assert_eq(stage_last_cell()->attempts, 0u);
    cr_assert_str_eq(stage_states(stage_last_cell(), 2), "oo");
}

/* ---- called back ---- */

Test(delivery_cut, MQ06_before_its_end_of_data_it_comes_back_at_once)
{
    static const char *const moments[][2] = {
        { "EHLO", "EHLO" }, { "MAIL", "MAIL" }, { "RCPT", "RCPT" }, { "DATA", "DATA" }
    };

    for (unsigned i = 0; i < ARRAY_LEN(moments); i++) {
        struct ipc_mail_deliver order;

        stage_begin_again();
        hang_at(moments[i][0]);
        order = hang_in(moments[i][1]);
        delivery_cancel(stage.delivery, order.job);
        (void)stage_wait();
        expect_back(&order);
        UNTIL(stage.loop, stage.peers[0]->open == 0);
        cr_assert_null(strstr(stage.peers[0]->log, "("), "no content left: %s",
                       stage.peers[0]->log);
        cr_assert_eq(stage_figures().jobs, 0u);
    }
    cr_assert_eq(stage_figures().ambiguous, 0u);
}

Test(delivery_cut, MQ06_while_it_is_read_from_the_disk)
{
    struct ipc_mail_deliver order;

    stage_profile("");
    order = stage_order(stage_store_old(1));
    delivery_start(stage.delivery, &order);
    delivery_cancel(stage.delivery, order.job);
    cr_assert_eq(stage_wait()->outcome, IPC_OUTCOME_NO_ROOM);
    let_pass();
    cr_assert_str_eq(stage.visits, "");

    delivery_start(stage.delivery, &order);
    delivery_drain(stage.delivery, stage_on_drained, NULL);
    cr_assert_eq(stage_wait()->outcome, IPC_OUTCOME_NO_ROOM);
    UNTIL(stage.loop, stage.drained == 1);
    cr_assert_eq(stage.outcome_count, 2u);
}

Test(delivery_cut, MQ06_while_a_name_is_looked_up)
{
    struct ipc_mail_deliver order;

    stage_profile("'servers': ['slow.test']");
    order = stage_order(stage_store(2));
    delivery_start(stage.delivery, &order);
    cr_assert(stage_query.is_open);
    delivery_cancel(stage.delivery, order.job);
    cr_assert_not(stage_query.is_open);
    (void)stage_wait();
    expect_back(&order);
}

Test(delivery_cut, MQ06_while_it_waits_for_a_connection)
{
    struct ipc_mail_deliver first, order;

    hang_at("EHLO");
    stage_profile("'max_connections': 1");
    first = hang_in("EHLO");
    order = stage_order(stage_store(2));
    delivery_start(stage.delivery, &order);
    delivery_cancel(stage.delivery, order.job);
    (void)stage_wait();
    expect_back(&order);
    delivery_cancel(stage.delivery, first.job);
    (void)stage_wait();
    expect_back(&first);
}

Test(delivery_cut, MQ06_past_its_end_of_data_it_goes_on)
{
    struct ipc_mail_deliver order;

    hang_at(".");
    order = hang_in("(21)");
    delivery_cancel(stage.delivery, order.job);
    let_pass();
    cr_assert_eq(stage.outcome_count, 0u);
    cr_assert(peer_say(client_of(0), "250 2.0.0 taken"));
    cr_assert_eq(stage_wait()->outcome, IPC_OUTCOME_DONE);
    cr_assert_eq(stage_last_cell()->stage, CELL_DONE);
}

Test(delivery_cut, MQ06_a_job_that_is_over_or_unknown_is_no_matter)
{
    stage_profile("");
    cr_assert_eq(stage_deliver(stage_store(1))->outcome, IPC_OUTCOME_DONE);
    delivery_cancel(stage.delivery, stage.job);
    delivery_cancel(stage.delivery, 12345);
    let_pass();
    cr_assert_eq(stage.outcome_count, 1u);
}

Test(delivery_cut, MQ06_what_was_delivered_stays_delivered)
{
    struct ipc_mail_deliver order;
    const struct ipc_mail_outcome *said;

    hang_at("RCPT TO:<r2@");
    stage_profile("'max_recipients': 2");
    order = stage_order(stage_store(3));
    delivery_start(stage.delivery, &order);
    UNTIL(stage.loop, strstr(stage.peers[0]->log, "<r2@") != NULL);
    delivery_cancel(stage.delivery, order.job);
    said = stage_wait();
    cr_assert_eq(said->outcome, IPC_OUTCOME_NO_ROOM);
    cr_assert_eq(said->recipients, 1u);
    cr_assert_str_eq(stage_states(stage_last_cell(), 3), "DDo");
}

Test(delivery_cut, MQ06_what_a_server_has_judged_is_kept_as_an_attempt)
{
    static const struct {
        const char *say, *states;
    } rows[] = { { "550 5.1.1 nobody", "Ro" }, { "450 4.2.1 busy", "oo" } };

    for (unsigned i = 0; i < 2; i++) {
        struct ipc_mail_deliver order;
        const struct ipc_mail_outcome *said;
        json_t *note, *entry;

        stage_begin_again();
        hang_at("RCPT TO:<r1@");
        peer_on(stage.peers[0], "RCPT TO:<r0@", rows[i].say, 1);
        order = hang_in("<r1@");
        delivery_cancel(stage.delivery, order.job);
        said = stage_wait();
        cr_expect_eq(said->outcome, IPC_OUTCOME_DEFERRED);
        cr_expect_eq(said->attempts, 1u);
        cr_expect_eq(said->failed, 0u);
        cr_expect_str_eq(stage_states(stage_last_cell(), 2), rows[i].states);
        note = stage_note(&order.place);
        entry = json_array_get(json_object_get(note, "recipients"), 0);
        cr_expect_str_eq(entry_text(entry, "text"), rows[i].say + 4);
        json_decref(note);
    }
}

/* ---- drained ---- */

Test(delivery_cut, OP02_what_is_before_its_end_of_data_is_cut_and_the_rest_recorded)
{
    struct ipc_mail_deliver before, past, late;

    hang_at(".");
    past = hang_in("(21)");
    peer_on(stage.peers[0], "MAIL", "", 1);
    before = hang_in("MAIL");
    delivery_drain(stage.delivery, stage_on_drained, NULL);
    cr_assert_eq(stage.drained, 0u);
    (void)stage_wait();
    expect_back(&before);

    late = stage_order(stage_store(2));
    delivery_start(stage.delivery, &late);
    cr_assert_eq(stage_wait()->outcome, IPC_OUTCOME_NO_ROOM);
    cr_assert_eq(stage.outcomes[1].said.job, late.job);
    let_pass();
    cr_assert_eq(stage.drained, 0u);

    cr_assert(peer_say(client_of(0), "250 2.0.0 taken"));
    cr_assert_eq(stage_wait()->outcome, IPC_OUTCOME_DONE);
    cr_assert_eq(stage.outcomes[2].said.job, past.job);
    UNTIL(stage.loop, stage.drained == 1);
}

Test(delivery_cut, OP02_with_nothing_to_do_it_is_drained_at_once_but_not_from_inside)
{
    delivery_drain(stage.delivery, stage_on_drained, NULL);
    cr_assert_eq(stage.drained, 0u);
    UNTIL(stage.loop, stage.drained == 1);
    let_pass();
    cr_assert_eq(stage.drained, 1u);
}

static void on_other_drained(void *arg)
{
    *(unsigned *)arg += 1;
}

Test(delivery_cut, OP02_a_second_drain_takes_the_place_of_the_first)
{
    unsigned other = 0;

    delivery_drain(stage.delivery, stage_on_drained, NULL);
    delivery_drain(stage.delivery, on_other_drained, &other);
    UNTIL(stage.loop, other == 1);
    let_pass();
    cr_assert_eq(stage.drained, 0u);
    cr_assert_eq(other, 1u);
}

Test(delivery_cut, OP02_a_note_under_way_is_waited_for)
{
    struct ipc_mail_deliver order;

    stage_profile("");
    peer_on(stage.peers[0], "RCPT", "450 4.2.1 busy", 1);
    order = stage_order(stage_store(1));
    delivery_start(stage.delivery, &order);
    while (stage_cell(&order.place).attempts == 0)
        loop_turn(stage.loop, 10);
    delivery_drain(stage.delivery, stage_on_drained, NULL);
    UNTIL(stage.loop, stage.drained == 1 && stage.outcome_count == 1);
    cr_assert_eq(stage.outcomes[0].said.outcome, IPC_OUTCOME_DEFERRED);
    cr_assert_neq(stage.outcomes[0].said.note_segment, 0u);
}

/* ---- out of time ---- */

static const struct ipc_mail_outcome *run_out_of_time(const char *when)
{
    struct ipc_mail_deliver order;

    hang_at(when);
    order = stage_order(stage_store(2));
    order.deadline_ms = 100;
    return stage_run(&order);
}

Test(delivery_cut, SP25_before_the_end_of_data_it_is_deferred_with_what_was_learnt)
{
    static const char *const moments[] = { "greeting", "EHLO", "MAIL", "DATA" };

    for (unsigned i = 0; i < ARRAY_LEN(moments); i++) {
        const struct ipc_mail_outcome *said;

        stage_begin_again();
        said = run_out_of_time(moments[i]);
        cr_expect_eq(said->outcome, IPC_OUTCOME_DEFERRED, "%s", moments[i]);
        cr_expect_eq(said->attempts, 1u);
        cr_expect_eq(said->recipients, 2u);
        cr_expect_eq(said->served, -1);
        cr_expect_eq(stage_last_cell()->attempts, 1u);
        cr_expect_geq(said->duration_ms, 90u);
        cr_expect_leq(said->duration_ms, 5000u);
        cr_expect_str_eq(stage.visits, "0");
        UNTIL(stage.loop, stage_figures().connections == 0);
    }
    cr_assert_eq(stage_figures().ambiguous, 0u);
}

Test(delivery_cut, SP25_past_the_end_of_data_it_may_have_arrived)
{
    const struct ipc_mail_outcome *said = run_out_of_time(".");
    const struct ipc_place place = said->place;
    json_t *note = stage_note(&place), *entry;

    cr_assert_eq(said->outcome, IPC_OUTCOME_DEFERRED);
    cr_assert_eq(stage_figures().ambiguous, 1u);
    cr_assert_eq(said->served, 0, "whoever looks for it has to know where");
    cr_assert(said->flags & IPC_OUTCOME_LOST);
    entry = json_array_get(json_object_get(note, "recipients"), 0);
    cr_assert_not_null(strstr(entry_text(entry, "text"), "lost after the end of data"));
    json_decref(note);
}

Test(delivery_cut, SP25_while_a_name_is_looked_up)
{
    struct ipc_mail_deliver order;

    stage_profile("'servers': ['slow.test']");
    order = stage_order(stage_store(1));
    order.deadline_ms = 50;
    cr_assert_eq(stage_run(&order)->outcome, IPC_OUTCOME_DEFERRED);
    cr_assert_not(stage_query.is_open);
}

/* ---- left ---- */

Test(delivery_cut, MQ03_a_delivery_that_goes_leaves_no_word_but_what_the_cells_say)
{
    struct ipc_mail_deliver noting, talking, reading;

    stage_profile("");
    peer_on(stage.peers[0], "RCPT TO:<r1@", "550 5.1.1 nobody", 1);
    noting = stage_order(stage_store(2));
    delivery_start(stage.delivery, &noting);
    while (stage_cell(&noting.place).stage != CELL_FAILED)
        loop_turn(stage.loop, 10);
    hang_at("DATA");
    talking = hang_in("DATA");
    reading = stage_order(stage_store_old(1));
    delivery_start(stage.delivery, &reading);
    stage.outcome_count = 0;
    delivery_free(&stage.delivery);
    let_pass();
    cr_assert_eq(stage.outcome_count, 0u);
    cr_assert_eq(stage_cell(&noting.place).stage, CELL_FAILED);
    cr_assert_eq(stage_cell(&talking.place).attempts, 0u);
}

Test(delivery_cut, a_delivery_may_go_while_a_note_is_being_written)
{
    struct ipc_mail_deliver order;

    stage_profile("");
    peer_on(stage.peers[0], "RCPT", "450 4.2.1 busy", 1);
    order = stage_order(stage_store(1));
    delivery_start(stage.delivery, &order);
    while (stage_cell(&order.place).attempts == 0)
        loop_turn(stage.loop, 10);
    delivery_free(&stage.delivery);
    let_pass();
    cr_assert_eq(stage_cell(&order.place).attempts, 1u);
}
