/* From server to server: which is tried, in which order, and what makes it the next one's turn. */
#include "delivery_stage.h"

static void setup(void)
{
    stage_up();
    stage_profile("");
}

TestSuite(delivery_walk, .init = setup, .fini = stage_down, .timeout = 60);

static void fail_all(void)
{
    for (unsigned i = 0; i < STAGE_PEERS; i++)
        peer_on(stage.peers[i], "greeting", "554 5.3.2 not here", -1);
}

static struct ipc_mail_deliver order_from(unsigned start)
{
    struct ipc_mail_deliver order = stage_order(stage_store(2));

    order.start = (uint16_t)start;
    return order;
}

Test(delivery_walk, SP21_every_start_server_is_followed_by_the_list_round_to_it)
{
    static const char *const visits[] = { "012", "120", "201" };

    for (unsigned start = 0; start < STAGE_PEERS; start++) {
        const struct ipc_mail_deliver order = order_from(start);
        const struct ipc_mail_outcome *said;

        stage_begin_again();
        fail_all();
        said = stage_run(&order);
        cr_expect_str_eq(stage.visits, visits[start], "from %u: %s", start, stage.visits);
        cr_expect_eq(said->outcome, IPC_OUTCOME_DEFERRED);
        cr_expect_eq(said->tried, 7u);
        cr_expect_eq(said->failed, 7u);
        cr_expect_eq(said->served, -1);
        cr_expect_eq(said->recipients, 2u);
        cr_expect_eq(said->attempts, 1u);
    }
}

Test(delivery_walk, SP20_the_first_that_takes_it_ends_the_walk)
{
    const struct ipc_mail_deliver order = order_from(0);
    const struct ipc_mail_outcome *said;

    peer_on(stage.peers[0], "greeting", "!close", -1);
    said = stage_run(&order);
    cr_assert_eq(said->outcome, IPC_OUTCOME_DONE);
    cr_assert_str_eq(stage.visits, "01");
    cr_assert_eq(said->served, 1);
    cr_assert_eq(said->tried, 3u);
    cr_assert_eq(said->failed, 1u);
    cr_assert_eq(said->job, order.job);
    cr_assert_eq(said->place.id, order.place.id);
    cr_assert_eq(said->version, 1u);
    cr_assert_eq(said->profile, 3u);
    cr_assert_eq(said->recipients, 0u);
}

Test(delivery_walk, a_server_that_nobody_listens_at_is_passed)
{
    const struct ipc_mail_deliver order = order_from(0);

    peer_stop(stage.peers[0]);
    peer_stop(stage.peers[1]);
    cr_assert_eq(stage_run(&order)->outcome, IPC_OUTCOME_DONE);
    cr_assert_eq(stage.outcomes[0].said.served, 2);
    cr_assert_eq(stage.outcomes[0].said.failed, 3u);
}

/* ---- masks ---- */

Test(delivery_walk, SP23_one_to_be_skipped_is_not_tried)
{
    struct ipc_mail_deliver order = order_from(0);
    const struct ipc_mail_outcome *said;

    order.skip = 1;
    said = stage_run(&order);
    cr_assert_eq(said->outcome, IPC_OUTCOME_DONE);
    cr_assert_str_eq(stage.visits, "1");
    cr_assert_eq(said->tried, 2u);
}

Test(delivery_walk, SP23_one_to_be_skipped_is_no_last_resort)
{
    struct ipc_mail_deliver order = order_from(1);
    const struct ipc_mail_outcome *said;

    fail_all();
    stage.peers[0]->rule_count = 0;
    order.skip = 1;
    said = stage_run(&order);
    cr_assert_eq(said->outcome, IPC_OUTCOME_DEFERRED);
    cr_assert_str_eq(stage.visits, "12");
    cr_assert_eq(said->failed, 6u);
    cr_assert_eq(stage.peers[0]->connections, 0);
}

/* ---- what the master hears of a failure ---- */

Test(delivery_walk, SP23_each_failure_is_told_before_the_outcome)
{
    const struct ipc_mail_deliver order = order_from(0);

    peer_on(stage.peers[0], "greeting", "554 5.3.2 not here", -1);
    peer_on(stage.peers[1], "MAIL", "421 4.3.2 closing", -1);
    cr_assert_eq(stage_run(&order)->outcome, IPC_OUTCOME_DONE);
    cr_assert_eq(stage.failure_count, 2u);
    for (unsigned i = 0; i < 2; i++) {
        cr_expect_eq(stage.failures[i].said.job, order.job);
        cr_expect_eq(stage.failures[i].said.server, i);
        cr_expect_eq(stage.failures[i].said.word, IPC_WORD_FAILED);
        cr_expect_eq(stage.failures[i].outcomes, 0u);
    }
    cr_expect_not_null(strstr(stage.failures[0].said.text, "554 5.3.2 not here"));
    cr_expect_not_null(strstr(stage.failures[1].said.text, "421 4.3.2 closing"));
}

Test(delivery_walk, SP23_a_refused_password_is_told_as_such)
{
    const struct ipc_mail_deliver order = order_from(0);

    peer_on(stage.peers[0], "EHLO", "535 5.7.8 who are you", -1);
    peer_on(stage.peers[0], "HELO", "535 5.7.8 who are you", -1);
    cr_assert_eq(stage_run(&order)->outcome, IPC_OUTCOME_DONE);
    cr_assert_eq(stage.failure_count, 1u);
    cr_assert_eq(stage.failures[0].said.word, IPC_WORD_REFUSES_LOGIN);
}

Test(delivery_walk, SP49_no_room_is_no_failure)
{
    struct ipc_mail_deliver first = order_from(0), second = order_from(0);

    peer_on(stage.peers[0], "DATA", "", 1); /* so long the first one is open */
    delivery_start(stage.delivery, &first);
    UNTIL(stage.loop, strstr(stage.peers[0]->log, "DATA") != NULL);
    peer_on(stage.peers[0], "greeting", "421 4.3.2 too many", 1);
    cr_assert_eq(stage_run(&second)->outcome, IPC_OUTCOME_NO_ROOM);
    cr_assert_eq(stage.failure_count, 0u);
}

Test(delivery_walk, SP23_a_judgement_is_no_failure)
{
    const struct ipc_mail_deliver order = order_from(0);

    peer_on(stage.peers[0], "RCPT", "450 4.2.1 busy", -1);
    cr_assert_eq(stage_run(&order)->outcome, IPC_OUTCOME_DEFERRED);
    cr_assert_eq(stage.failure_count, 0u);
    cr_assert_eq(stage.outcomes[0].said.flags, 0u);
}

Test(delivery_walk, SP49_what_was_tried_before_there_was_no_room_is_not_tried_again)
{
    struct ipc_mail_deliver order = order_from(1);
    const struct ipc_mail_outcome *said;

    fail_all();
    order.tried = 2;
    said = stage_run(&order);
    cr_assert_str_eq(stage.visits, "20");
    cr_assert_eq(said->tried, 7u);
    cr_assert_eq(said->failed, 5u, "not the one that was tried by another job");

    stage_begin_again();
    order = order_from(1);
    order.tried = 7;
    said = stage_run(&order);
    cr_assert_eq(said->outcome, IPC_OUTCOME_DEFERRED);
    cr_assert_str_eq(stage.visits, "");
    cr_assert_eq(said->attempts, 1u);
}

/* ---- names ---- */

static const char *const two_addresses[] = { "127.0.0.2", "127.0.0.1" };

/* A server of that name before peer 1; at 127.0.0.1 peer 0 answers for it. */
static void name_first(const char *name)
{
    char more[120];

    snprintf(more, sizeof(more), "'servers': ['%s:%u', '127.0.0.1:%u']", name, stage.peers[0]->port,
             stage.peers[1]->port);
    stage_profile(more);
}

Test(delivery_walk, SP17_a_name_without_an_address_is_a_server_that_failed)
{
    static const char *const names[] = { "nowhere.test", "unknown.test" };

    for (unsigned i = 0; i < 2; i++) {
        const struct ipc_mail_deliver order = order_from(0);
        const struct ipc_mail_outcome *said = &stage.outcomes[i].said;

        name_first(names[i]);
        delivery_start(stage.delivery, &order);
        if (i == 1)
            stage_name_is(NULL, 0);
        UNTIL(stage.loop, stage.outcome_count == i + 1);
        cr_expect_eq(said->outcome, IPC_OUTCOME_DONE);
        cr_expect_eq(said->served, 1);
        cr_expect_eq(said->failed, 1u);
    }
}

Test(delivery_walk, SP17_all_addresses_are_tried_before_the_server_has_failed)
{
    struct peer *other = peer_new_at(stage.loop, "127.0.0.2", stage.peers[0]->port);
    const struct ipc_mail_deliver order = order_from(0);

    name_first("two.test");
    peer_on(other, "MAIL", "421 4.3.2 going down", 1);
    delivery_start(stage.delivery, &order);
    stage_name_is(two_addresses, 2);
    UNTIL(stage.loop, stage.outcome_count == 1);
    cr_assert_eq(stage.outcomes[0].said.outcome, IPC_OUTCOME_DONE);
    cr_assert_eq(stage.outcomes[0].said.served, 0);
    cr_assert_eq(stage.outcomes[0].said.failed, 0u, "one of its addresses took it");
    cr_assert_eq(other->connections, 1u);
    cr_assert_str_eq(stage.visits, "0");
    peer_free(&other);
}

Test(delivery_walk, SP17_the_server_has_failed_when_its_last_address_has)
{
    struct peer *other = peer_new_at(stage.loop, "127.0.0.2", stage.peers[0]->port);
    const struct ipc_mail_deliver order = order_from(0);

    name_first("two.test");
    peer_on(other, "MAIL", "!close", 1);
    peer_on(stage.peers[0], "MAIL", "451 4.3.0 trouble", 1);
    delivery_start(stage.delivery, &order);
    stage_name_is(two_addresses, 2);
    UNTIL(stage.loop, stage.outcome_count == 1);
    cr_assert_eq(stage.outcomes[0].said.served, 1);
    cr_assert_eq(stage.outcomes[0].said.failed, 1u);
    cr_assert_str_eq(stage.visits, "01");
    peer_free(&other);
}
