/* Listeners that outlive their worker, and another number of workers. */
#include "tests/unit/supervisor_stage.h"

#include "common/log.h"

TestSuite(supervisor_reload, .init = set_up, .fini = tear_down, .timeout = 60);

Test(supervisor_reload, OP02_a_successor_greets_those_who_waited)
{
    int fds[40];

    start(2, "");
    WAIT_FOR(is_started);
    kill(workers.slots[0]->pid, SIGSTOP);
    for (size_t i = 0; i < 40; i++)
        fds[i] = dial();
    kill(workers.slots[0]->pid, SIGKILL);
    for (size_t i = 0; i < 40; i++) {
        WAIT_FOR(greeting(fds[i]) >= 0);
        close(fds[i]);
    }
}

Test(supervisor_reload, OP01_a_reload_adds_workers)
{
    start(1, "");
    WAIT_FOR(is_started);
    reload(3);
    WAIT_FOR(running() == 3);
}

Test(supervisor_reload, OP01_a_reload_takes_workers_away_and_loses_nobody)
{
    int fds[60];

    start(3, "");
    WAIT_FOR(is_started);
    reload(1);
    for (size_t i = 0; i < 60; i++)
        fds[i] = dial();
    for (size_t i = 0; i < 60; i++) {
        WAIT_FOR(greeting(fds[i]) >= 0);
        cr_assert_eq(greeting(fds[i]), 0, "all new ones go to the worker that stays");
        close(fds[i]);
    }
    WAIT_FOR(workers.slots[1] == NULL && workers.slots[2] == NULL);
    cr_assert_eq(running(), 1);
    WAIT_FOR(queue_group(parts.queue, 1001, 0) != NULL &&
             queue_group(parts.queue, 1002, 0) != NULL);
}

static bool is_logged(FILE *file, const char *what)
{
    char line[1024];
    bool is_there = false;

    log_flush();
    rewind(file);
    while (fgets(line, sizeof(line), file) != NULL)
        is_there |= strstr(line, what) != NULL;
    return is_there;
}

Test(supervisor_reload, OP01_one_that_is_not_wanted_any_more_before_it_was_ready_has_not_died)
{
    FILE *file = tmpfile();

    start(1, "");
    WAIT_FOR(is_started);
    log_open("test", fileno(file));
    log_set_level(LOG_LEVEL_INFO);
    reload(2);
    cr_assert_eq(workers.slots[1]->state, WORKER_STARTING);
    reload(1);
    WAIT_FOR(workers.slots[1] == NULL);
    cr_expect(is_logged(file, "worker has ended"));
    cr_expect_not(is_logged(file, "worker has died"));
    log_open("test", STDERR_FILENO);
    fclose(file);
}

/* Somebody of each slot below `count` greets. */
static void expect_greetings_of(unsigned count)
{
    unsigned seen = 0;
    int64_t until_ms = clock_mono_ms() + 10000;

    while (seen != (1U << count) - 1 && clock_mono_ms() < until_ms) {
        int fd = dial();

        WAIT_FOR(greeting(fd) >= 0);
        seen |= 1U << greeting(fd);
        close(fd);
    }
    cr_assert_eq(seen, (1U << count) - 1);
}

Test(supervisor_reload, OP01_one_that_has_not_left_yet_stays_when_it_is_wanted_again)
{
    pid_t pid;

    start(3, "busy");
    WAIT_FOR(is_started);
    pid = workers.slots[2]->pid;
    reload(1);
    cr_assert_eq(running(), 1);
    reload(3);
    cr_assert_eq(running(), 3);
    cr_assert_eq(workers.slots[2]->pid, pid);
    expect_greetings_of(3);
}

/* What it accepts last, it serves, too. */
Test(supervisor_reload, OP01_a_worker_that_still_accepts_is_not_drained)
{
    int64_t beat_ms;

    start(2, "accepting");
    WAIT_FOR(is_started);
    reload(1);
    beat_ms = workers.slots[1]->heartbeat_ms;
    WAIT_FOR(workers.slots[1] == NULL || workers.slots[1]->heartbeat_ms > beat_ms);
    cr_assert_not_null(workers.slots[1], "a heartbeat that was under way says nothing");
    cr_assert_not(workers.slots[1]->is_drain_sent);
    WAIT_FOR(workers.slots[1] == NULL);
}

Test(supervisor_reload, OP01_one_reload_is_enough_while_a_worker_is_leaving)
{
    pid_t pid;

    start(2, "slow");
    WAIT_FOR(is_started);
    pid = workers.slots[1]->pid;
    reload(1);
    WAIT_FOR(workers.slots[1]->is_drain_sent);
    reload(3);
    cr_assert_eq(running(), 1, "the slot is not free");
    WAIT_FOR(running() == 3);
    cr_assert_neq(workers.slots[1]->pid, pid);
    expect_greetings_of(3);
}

/* What was asked for last counts. */
Test(supervisor_reload, OP01_a_slot_that_becomes_free_is_not_filled_when_nobody_wants_it_any_more)
{
    start(3, "slow");
    WAIT_FOR(is_started);
    reload(1);
    WAIT_FOR(workers.slots[1]->is_drain_sent && workers.slots[2]->is_drain_sent);
    reload(3);
    reload(2);
    WAIT_FOR(workers.slots[2] == NULL && running() == 2);
    expect_greetings_of(2);
    cr_assert_null(workers.slots[2]);
}

Test(supervisor_reload, OP01_reloads_in_a_row_lose_nobody)
{
    static const unsigned counts[] = { 3, 2, 1, 3, 2, 4, 1, 2 };
    int fds[8][20];

    start(4, "busy");
    WAIT_FOR(is_started);
    for (size_t i = 0; i < 8; i++) {
        reload(counts[i]);
        for (size_t k = 0; k < 20; k++)
            fds[i][k] = dial();
    }
    for (size_t i = 0; i < 8; i++) {
        for (size_t k = 0; k < 20; k++) {
            WAIT_FOR(greeting(fds[i][k]) >= 0);
            close(fds[i][k]);
        }
    }
    cr_assert_eq(running(), 2);
}
