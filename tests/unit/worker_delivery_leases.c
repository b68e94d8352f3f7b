/* A delivery and its lease: it comes with the order, and is used, or goes back; and what a delivery
 * makes of "too many connections" (SP49). */
#include "delivery_stage.h"

#define POOLED "'pool': {'enabled': true}"

TestSuite(delivery_leases, .init = stage_up, .fini = stage_down, .timeout = 60);

/* As the master orders it: with a lease for the first server, of which others have some, too. */
static struct ipc_mail_deliver with_lease(unsigned others)
{
    struct ipc_mail_deliver order = stage_order(stage_store(1));
    struct worker_profile *version = directory_hold(stage.directory, 3);

    order.leased = server_uri_identity(version->profile->servers[0].text);
    order.others = others;
    directory_release(version);
    stage.leases++;
    return order;
}

Test(delivery_leases, SP49_the_one_that_came_with_it_is_used)
{
    struct ipc_mail_deliver order;

    stage_profile(POOLED);
    stage.is_refusing = true;
    order = with_lease(0);
    cr_assert_eq(stage_run(&order)->outcome, IPC_OUTCOME_DONE);
    cr_assert_str_eq(stage.visits, "0");
    cr_assert_eq(stage.leases, 1u, "the idle connection has it");
}

Test(delivery_leases, SP49_one_that_is_not_needed_goes_back)
{
    struct ipc_mail_deliver order;

    stage_profile(POOLED);
    cr_assert_eq(stage_deliver(stage_store(1))->outcome, IPC_OUTCOME_DONE);
    order = with_lease(0);
    peer_on(stage.peers[0], "DATA", "", 1);
    delivery_start(stage.delivery, &order);
    UNTIL(stage.loop, stage.leases == 1);
    cr_assert_eq(stage.outcome_count, 1u, "at once, whatever becomes of the delivery");
    cr_assert_str_eq(stage.visits, "0");
    (void)stage_wait();
}

Test(delivery_leases, SP49_one_of_a_job_that_is_not_taken_goes_back)
{
    struct ipc_mail_deliver order;

    stage_profile(POOLED);
    order = with_lease(0);
    delivery_drain(stage.delivery, stage_on_drained, NULL);
    cr_assert_eq(stage_run(&order)->outcome, IPC_OUTCOME_NO_ROOM);
    UNTIL(stage.loop, stage.leases == 0);
}

Test(delivery_leases, SP49_one_of_a_job_with_nothing_to_deliver_goes_back)
{
    struct ipc_mail_deliver order;

    stage_profile(POOLED);
    order = with_lease(0);
    order.place.offset += 8; /* there is no message */
    cr_assert_eq(stage_run(&order)->outcome, IPC_OUTCOME_NOT_HELD);
    cr_assert_str_eq(stage.visits, "");
    UNTIL(stage.loop, stage.leases == 0);
}

Test(delivery_leases, SP49_one_for_a_server_that_failed_goes_back_and_the_next_needs_another)
{
    struct ipc_mail_deliver order;

    stage_profile(POOLED);
    peer_on(stage.peers[0], "greeting", "554 5.3.2 closed", 1);
    order = with_lease(0);
    cr_assert_eq(stage_run(&order)->outcome, IPC_OUTCOME_DONE);
    cr_assert_str_eq(stage.visits, "01");
    UNTIL(stage.loop, stage.leases == 1);
}

Test(delivery_leases, SP49_who_is_refused_one_comes_again)
{
    struct ipc_mail_deliver order;
    const struct ipc_mail_outcome *said;

    stage_profile(POOLED);
    stage.is_refusing = true;
    order = stage_order(stage_store(1));
    order.tried = 2;
    order.attempts = 4;
    said = stage_run(&order);
    cr_assert_eq(said->outcome, IPC_OUTCOME_NO_ROOM);
    cr_assert_eq(said->flags & IPC_OUTCOME_BUSY, IPC_OUTCOME_BUSY);
    cr_assert_eq(said->tried, 2u);
    cr_assert_eq(said->attempts, 4u);
    cr_assert_str_eq(stage.visits, "");
}

/* ---- too many connections ---- */

static void expect_no_room(const char *when, const char *say)
{
    struct ipc_mail_deliver order;
    const struct ipc_mail_outcome *said;
    unsigned before = stage.too_many;

    stage_begin_again();
    peer_on(stage.peers[0], when, say, 1);
    order = with_lease(1);
    said = stage_run(&order);
    cr_expect_eq(said->outcome, IPC_OUTCOME_NO_ROOM, "%s %s", when, say);
    cr_expect_eq(said->flags & IPC_OUTCOME_BUSY, IPC_OUTCOME_BUSY, "%s %s", when, say);
    cr_expect_eq(said->failed, 0u, "%s %s", when, say);
    UNTIL(stage.loop, stage.leases == 0);
    cr_expect_eq(stage.too_many, before + 1, "%s %s: the master hears of it once", when, say);
}

Test(delivery_leases, SP49_too_many_beside_another_worker_s_is_no_failure_and_is_told)
{
    stage_profile("");
    expect_no_room("greeting", "421 4.3.2 too many connections");
    expect_no_room("greeting", "450 4.7.0 too many connections");
    expect_no_room("EHLO", "421 4.7.0 too many connections");
    expect_no_room("MAIL", "432 4.3.2 too many connections");
    expect_no_room("MAIL", "421 4.3.2 too many connections");
}

Test(delivery_leases, SP49_other_failures_teach_nothing_of_the_number)
{
    struct ipc_mail_deliver order;

    stage_profile("");
    peer_on(stage.peers[0], "greeting", "554 5.3.2 closed", 1);
    order = with_lease(1);
    cr_assert_eq(stage_run(&order)->outcome, IPC_OUTCOME_DONE);
    cr_assert_eq(stage.outcomes[0].said.failed, 1u);
    UNTIL(stage.loop, stage.leases == 0);
    cr_assert_eq(stage.too_many, 0u);
}
