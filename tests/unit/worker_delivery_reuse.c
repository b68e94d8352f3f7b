/* Deliveries over connections that others have used, and what a delivery does when there is no room
 * for one more. */
#include "delivery_stage.h"

#define POOLED "'pool': {'enabled': true}"

TestSuite(delivery_reuse, .init = stage_up, .fini = stage_down, .timeout = 60);

Test(delivery_reuse, SP42_the_next_delivery_takes_the_idle_connection)
{
    stage_profile(POOLED);
    for (unsigned i = 0; i < 3; i++) {
        cr_assert_eq(stage_deliver(stage_store(1))->outcome, IPC_OUTCOME_DONE);
        cr_assert_eq(stage.outcomes[i].said.reused, i > 0);
    }
    cr_assert_str_eq(stage.visits, "0");
    cr_assert_null(strstr(stage.peers[0]->log, "RSET"));
    cr_assert_null(strstr(stage.peers[0]->log, "NOOP"));
    cr_assert_eq(stage_figures().connections, 1u);
}

Test(delivery_reuse, SP45_without_the_pool_each_delivery_has_its_own)
{
    stage_profile("");
    for (unsigned i = 0; i < 3; i++) {
        cr_assert_eq(stage_deliver(stage_store(1))->outcome, IPC_OUTCOME_DONE);
        cr_assert_eq(stage.outcomes[i].said.reused, 0u);
    }
    cr_assert_str_eq(stage.visits, "000");
    UNTIL(stage.loop, stage_figures().connections == 0);
}

Test(delivery_reuse, SP43_a_waiting_delivery_is_handed_the_connection)
{
    struct ipc_mail_deliver orders[3];

    stage_profile(POOLED);
    stage.lease_limit = 1;
    for (unsigned i = 0; i < 3; i++)
        orders[i] = stage_order(stage_store(1));
    for (unsigned i = 0; i < 3; i++)
        delivery_start(stage.delivery, &orders[i]);
    UNTIL(stage.loop, stage.outcome_count == 3);
    for (unsigned i = 0; i < 3; i++) {
        cr_expect_eq(stage.outcomes[i].said.outcome, IPC_OUTCOME_DONE);
        cr_expect_eq(stage.outcomes[i].said.job, orders[i].job, "first come, first served");
        cr_expect_eq(stage.outcomes[i].said.reused, i > 0);
    }
    cr_assert_str_eq(stage.visits, "0");
}

/* ---- SP48 ---- */

static void expect_fresh_start(const char *when, const char *say)
{
    const struct ipc_mail_outcome *said;

    stage_begin_again();
    cr_assert_eq(stage_deliver(stage_store(1))->outcome, IPC_OUTCOME_DONE); /* leaves an idle one */
    peer_on(stage.peers[0], when, say, 1);
    said = stage_deliver(stage_store(1));
    cr_expect_eq(said->outcome, IPC_OUTCOME_DONE, "%s %s", when, say);
    cr_expect_eq(said->failed, 0u, "%s %s", when, say);
    cr_expect_eq(said->served, 0);
    cr_expect_eq(said->tried, 1u);
    cr_expect_eq(said->attempts, 1u);
    cr_expect_eq(said->reused, 0u, "it was another connection that served");
    cr_expect_eq(stage.peers[0]->messages, 2u);
    cr_expect_null(strstr(stage.visits, "1"), "no other server was asked");
}

Test(delivery_reuse, SP48_a_reused_connection_that_turns_out_dead_is_no_failure)
{
    stage_profile(POOLED);
    expect_fresh_start("MAIL", "!close");
    expect_fresh_start("MAIL", "!reset");
    expect_fresh_start("MAIL", "421 4.4.2 idle for too long!close");
    expect_fresh_start("RCPT", "421 4.3.2 going down");
    expect_fresh_start("DATA", "421 4.3.2 going down!close");
    for (unsigned i = 0; i < STAGE_PEERS; i++)
        stage.peers[i]->extensions = "250 SIZE\r\n";
    expect_fresh_start("MAIL", "");
    expect_fresh_start("RCPT", "!close");
}

Test(delivery_reuse, SP48_one_that_was_closed_while_idle_is_gone_from_the_pool)
{
    stage_profile(POOLED);
    cr_assert_eq(stage_deliver(stage_store(1))->outcome, IPC_OUTCOME_DONE);
    peer_hang_up_all(stage.peers[0]);
    UNTIL(stage.loop, stage_figures().connections == 0);
    cr_assert_eq(stage_deliver(stage_store(1))->outcome, IPC_OUTCOME_DONE);
    cr_assert_eq(stage.outcomes[1].said.reused, 0u);
    cr_assert_str_eq(stage.visits, "00");
}

Test(delivery_reuse, SP48_a_fresh_connection_that_fails_the_same_way_is_a_failure)
{
    const struct ipc_mail_outcome *said;

    stage_profile(POOLED);
    peer_on(stage.peers[0], "MAIL", "!close", 1);
    said = stage_deliver(stage_store(1));
    cr_assert_eq(said->outcome, IPC_OUTCOME_DONE);
    cr_assert_eq(said->failed, 1u);
    cr_assert_eq(said->served, 1);
}

Test(delivery_reuse, SP48_the_fresh_connection_may_fail_and_then_the_next_server_is_asked)
{
    const struct ipc_mail_outcome *said;

    stage_profile(POOLED);
    cr_assert_eq(stage_deliver(stage_store(1))->outcome, IPC_OUTCOME_DONE);
    peer_on(stage.peers[0], "MAIL", "!close", 1);
    peer_on(stage.peers[0], "greeting", "554 5.3.2 not any more", 1);
    said = stage_deliver(stage_store(1));
    cr_assert_eq(said->outcome, IPC_OUTCOME_DONE);
    cr_assert_eq(said->failed, 1u);
    cr_assert_eq(said->served, 1);
    cr_assert_str_eq(stage.visits, "001");
}

/* ---- SP49 ---- */

/* One delivery hangs with a connection to peer 0; another comes for it. */
static const struct ipc_mail_outcome *crowd(const char *when, const char *say, uint64_t tried)
{
    struct ipc_mail_deliver first = stage_order(stage_store(1)), second;

    peer_on(stage.peers[0], "EHLO", "", 1);
    delivery_start(stage.delivery, &first);
    UNTIL(stage.loop, strstr(stage.peers[0]->log, "EHLO") != NULL);
    peer_on(stage.peers[0], when, say, 1);
    second = stage_order(stage_store(2));
    second.tried = tried;
    second.attempts = 4;
    return stage_run(&second);
}

Test(delivery_reuse, SP49_too_many_connections_is_neither_failure_nor_attempt)
{
    static const char *const says[][2] = { { "greeting", "421 4.3.2 too many connections" },
                                           { "greeting", "421 4.7.0 slow down!close" },
                                           { "MAIL", "432 4.3.2 too many" } };

    stage_profile("");
    for (unsigned i = 0; i < 3; i++) {
        const struct ipc_mail_outcome *said;

        stage_begin_again();
        said = crowd(says[i][0], says[i][1], 4);
        cr_expect_eq(said->outcome, IPC_OUTCOME_NO_ROOM, "%s", says[i][1]);
        cr_expect_eq(said->tried, 4u, "this one may be asked again");
        cr_expect_eq(said->failed, 0u);
        cr_expect_eq(said->served, -1);
        cr_expect_eq(said->attempts, 4u);
        cr_expect_eq(said->recipients, 2u);
        cr_expect_eq(stage_last_cell()->attempts, 0u, "nothing is recorded");
        cr_expect_str_eq(stage.visits, "00");
        peer_hang_up_all(stage.peers[0]); /* the first goes elsewhere */
        (void)stage_wait();
    }
}

Test(delivery_reuse, SP49_alone_the_same_words_are_a_failure)
{
    const struct ipc_mail_outcome *said;

    stage_profile("");
    peer_on(stage.peers[0], "greeting", "421 4.3.2 too many connections", 1);
    said = stage_deliver(stage_store(1));
    cr_assert_eq(said->outcome, IPC_OUTCOME_DONE);
    cr_assert_eq(said->failed, 1u);
}

Test(delivery_reuse, a_worker_takes_no_more_jobs_than_it_may_have)
{
    struct ipc_mail_deliver order;
    struct ipc_place place;

    stage_profile("'timeouts': {'greeting': 60}, 'max_connections': 1");
    peer_on(stage.peers[0], "greeting", "", -1);
    place = stage_store(1);
    for (unsigned i = 0; i < IPC_JOBS_PER_WORKER; i++) { /* one place will do: none gets there */
        order = stage_order(place);
        delivery_start(stage.delivery, &order);
    }
    cr_assert_eq(stage_figures().jobs, IPC_JOBS_PER_WORKER);
    order = stage_order(place);
    order.tried = 2;
    order.attempts = 3;
    cr_assert_eq(stage_run(&order)->outcome, IPC_OUTCOME_NO_ROOM);
    cr_assert_eq(stage.outcomes[0].said.job, order.job);
    cr_assert_eq(stage.outcomes[0].said.tried, 2u);
    cr_assert_eq(stage.outcomes[0].said.attempts, 3u);
    cr_assert_eq(stage_figures().jobs, IPC_JOBS_PER_WORKER);
}
