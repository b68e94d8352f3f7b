/* MQ03 when a cell cannot be written: nobody hears of the outcome, and nothing more is delivered,
 * until it can. Files that may not grow stand for the disk. */
#include "delivery_stage.h"

#include <signal.h>
#include <sys/resource.h>

#include "worker/delivery_private.h"

static void allow_writes(rlim_t bytes)
{
    const struct rlimit limit = { .rlim_cur = bytes, .rlim_max = RLIM_INFINITY };

    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void setup(void)
{
    (void)signal(SIGXFSZ, SIG_IGN);
    stage_up();
    log_set_level(LOG_LEVEL_COUNT); /* the alert is expected */
    stage_profile("'timeouts': {'command': 60, 'end_of_data': 60}");
    stage.peers[0]->extensions = "250 SIZE\r\n"; /* silence is about one command */
}

static void teardown(void)
{
    allow_writes(RLIM_INFINITY);
    stage_down();
}

TestSuite(delivery_pause, .init = setup, .fini = teardown, .timeout = 60);

/* A delivery to r0 and r1 that waits for the answer to this. */
static struct ipc_mail_deliver wait_at(const char *when, const char *heard)
{
    const struct ipc_mail_deliver order = stage_order(stage_store(2));

    peer_on(stage.peers[0], when, "", 1);
    stage.peers[0]->log[0] = '\0';
    delivery_start(stage.delivery, &order);
    UNTIL(stage.loop, strstr(stage.peers[0]->log, heard) != NULL);
    return order;
}

Test(delivery_pause, MQ03_an_outcome_that_cannot_be_recorded_is_not_told_and_the_others_pause)
{
    const struct ipc_mail_deliver first = wait_at(".", "(21)");
    struct peer_client *client = LIST_FIRST(&stage.peers[0]->clients);
    const struct ipc_mail_deliver second = wait_at("RCPT", "RCPT");
    const struct ipc_mail_deliver third = stage_order(stage_store(2));

    allow_writes(0);
    cr_assert(peer_say(client, "250 2.0.0 taken"));
    (void)stage_wait();
    cr_assert_eq(stage.outcomes[0].said.job, second.job, "what was under way comes back");
    cr_assert_eq(stage.outcomes[0].said.outcome, IPC_OUTCOME_NO_ROOM);
    cr_assert_eq(stage_run(&third)->outcome, IPC_OUTCOME_NO_ROOM, "and so does what comes");
    cr_assert_eq(stage_cell(&first.place).stage, CELL_OPEN);
    cr_assert_eq(stage_figures().jobs, 1u);

    allow_writes(RLIM_INFINITY);
    cr_assert_eq(stage_wait()->outcome, IPC_OUTCOME_DONE);
    cr_assert_eq(stage.outcomes[2].said.job, first.job);
    cr_assert_eq(stage_last_cell()->stage, CELL_DONE);
    cr_assert_eq(stage_run(&third)->outcome, IPC_OUTCOME_DONE, "and it goes on");
}

Test(delivery_pause, MQ03_it_is_tried_until_it_is_recorded)
{
    const struct ipc_mail_deliver order = wait_at(".", "(21)");

    allow_writes(0);
    cr_assert(peer_say(LIST_FIRST(&stage.peers[0]->clients), "250 2.0.0 taken"));
    UNTIL(stage.loop, stage.delivery->unrecorded == 1);
    for (unsigned i = 0; i < 3; i++) {
        cr_assert(loop_timer_is_set(stage.delivery->record_timer));
        loop_timer_set_ms(stage.delivery->record_timer, 0);
        loop_turn(stage.loop, 10);
    }
    cr_assert_eq(stage.outcome_count, 0);
    allow_writes(RLIM_INFINITY);
    cr_assert_eq(stage_wait()->outcome, IPC_OUTCOME_DONE);
    cr_assert_eq(stage.outcomes[0].said.job, order.job);
}

Test(delivery_pause, more_jobs_than_there_is_credit_for_are_given_back)
{
    const struct ipc_place place = stage_store(2);

    stage.delivery->job_count = IPC_JOBS_PER_WORKER;
    cr_assert_eq(stage_deliver(place)->outcome, IPC_OUTCOME_NO_ROOM);
    stage.delivery->job_count--;
    cr_assert_eq(stage_deliver(place)->outcome, IPC_OUTCOME_DONE);
    stage.delivery->job_count = 0;
}

Test(delivery_pause, OP02_a_drain_waits_until_it_is_recorded)
{
    const struct ipc_mail_deliver order = wait_at(".", "(21)");

    allow_writes(0);
    cr_assert(peer_say(LIST_FIRST(&stage.peers[0]->clients), "554 5.7.1 spam"));
    UNTIL(stage.loop, strstr(stage.peers[0]->log, "QUIT") != NULL); /* the reply was read */
    delivery_drain(stage.delivery, stage_on_drained, NULL);
    for (unsigned i = 0; i < 20; i++)
        loop_turn(stage.loop, 5);
    cr_assert_eq(stage.drained + stage.outcome_count, 0u);
    allow_writes(RLIM_INFINITY);
    UNTIL(stage.loop, stage.drained == 1 && stage.outcome_count == 1);
    cr_assert_eq(stage.outcomes[0].said.outcome, IPC_OUTCOME_FAILED);
    cr_assert_eq(stage_cell(&order.place).stage, CELL_FAILED);
}
