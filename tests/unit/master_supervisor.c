/* How workers start, die, are replaced, and end. */
#include "tests/unit/supervisor_stage.h"

#include "common/server_uri.h"
#include "master/budget.h"

TestSuite(supervisor, .init = set_up, .fini = tear_down, .timeout = 60);

/* ---- start and end ---- */

Test(supervisor, OP01_starts_as_many_as_wanted)
{
    start(3, "");
    WAIT_FOR(is_started);
    cr_assert_eq(running(), 3);
    WAIT_FOR(supervisor_open_scans(supervisor) == 0);
    WAIT_FOR(workers.slots[2]->figures.accepted == 1);
}

Test(supervisor, delivers_through_a_worker)
{
    start(1, "");
    WAIT_FOR(is_started);
    give_mail(1, 0, 1);
    cr_assert_eq(queued(), 1);
    WAIT_FOR(queued() == 0);
}

Test(supervisor, OP02_stop_drains_all)
{
    start(2, "");
    WAIT_FOR(is_started);
    supervisor_stop(supervisor, note_stopped, NULL);
    cr_assert_not(is_stopped);
    WAIT_FOR(is_stopped);
    cr_assert_eq(workers.slots[0]->pid, 0);
    cr_assert_eq(workers.slots[0]->restarts, 0);
    cr_assert_str_eq(workers.slots[0]->last_exit, "exit status 0");
}

Test(supervisor, OP02_stop_kills_who_does_not_drain)
{
    start(1, "stubborn");
    WAIT_FOR(is_started);
    supervisor_stop(supervisor, note_stopped, NULL);
    WAIT_FOR(is_stopped);
    cr_assert_not_null(strstr(workers.slots[0]->last_exit, "signal 9"));
}

Test(supervisor, OP02_what_ends_a_worker_is_the_master_s_decision)
{
    pid_t pid;
    int64_t beat_ms;

    start(1, "");
    WAIT_FOR(is_started);
    pid = workers.slots[0]->pid;
    for (size_t i = 0; i < sizeof(masters_signals) / sizeof(masters_signals[0]); i++)
        kill(pid, masters_signals[i]);
    beat_ms = workers.slots[0]->heartbeat_ms;
    WAIT_FOR(workers.slots[0]->heartbeat_ms > beat_ms + 200);
    cr_assert_eq(workers.slots[0]->pid, pid);
    cr_assert_eq(workers.slots[0]->restarts, 0);
}

/* ---- deaths ---- */

Test(supervisor, OP02_a_dead_worker_is_replaced_at_once)
{
    pid_t first;

    start(2, "");
    WAIT_FOR(is_started);
    first = workers.slots[1]->pid;
    kill(first, SIGKILL);
    WAIT_FOR(workers.slots[1]->pid != first && running() == 2);
    cr_assert_eq(workers.slots[1]->restarts, 1);
    cr_assert_not_null(strstr(workers.slots[1]->last_exit, "signal 9"));
}

Test(supervisor, OP02_one_that_keeps_dying_is_held_back)
{
    int64_t began_ms = clock_mono_ms();

    start(1, "crash");
    WAIT_FOR(workers.slots[0]->restarts == 3);
    cr_assert_geq(clock_mono_ms() - began_ms, 1900, "at once, then after 2 s");
    cr_assert_leq(clock_mono_ms() - began_ms, 6000);
    cr_assert_not(is_started);
}

Test(supervisor, the_slot_of_one_that_is_held_back_is_scanned_by_another)
{
    start(2, "");
    WAIT_FOR(is_started);
    WAIT_FOR(supervisor_open_scans(supervisor) == 0);
    for (unsigned i = 1; i <= 2; i++) {
        kill(workers.slots[1]->pid, SIGKILL);
        WAIT_FOR(workers.slots[1]->restarts == i && (i == 2 || running() == 2));
    }
    WAIT_FOR(queue_group(parts.queue, 1001, 0) != NULL);
}

Test(supervisor, surplus_slots_on_disk_are_scanned_at_start)
{
    char path[128];

    snprintf(path, sizeof(path), "%s/spool", dir);
    mkdir(path, 0700);
    snprintf(path, sizeof(path), "%s/spool/7", dir);
    mkdir(path, 0700);
    snprintf(path, sizeof(path), "%s/spool/damaged", dir);
    mkdir(path, 0700);
    start(1, "");
    WAIT_FOR(queue_group(parts.queue, 1007, 0) != NULL);
    WAIT_FOR(supervisor_open_scans(supervisor) == 0);
}

Test(supervisor, MQ09_a_message_that_kills_two_workers_is_held)
{
    start(1, "");
    WAIT_FOR(is_started);
    give_mail(1, 0, 66);
    WAIT_FOR(queue_group(parts.queue, 1, 0)->state == QUEUE_HELD);
    cr_assert_eq(queue_group(parts.queue, 1, 0)->crashes, 2);
    WAIT_FOR(running() == 1);
    give_mail(2, 0, 1);
    WAIT_FOR(queued() == 1);
}

Test(supervisor, SP49_a_new_worker_hears_what_is_known_of_servers_when_it_is_ready)
{
    const struct ipc_server_ended ended = { .server = server_uri_identity("smtp://a:25"),
                                            .profile = 1,
                                            .idle_ms = 1000 };

    start(1, "");
    give_profile();
    for (unsigned i = 0; i < 3; i++)
        budget_ended(dispatch_budget(parts.dispatch), &ended);
    WAIT_FOR(queue_group(parts.queue, BEARS_ID, 0) != NULL);
    cr_assert_eq(workers.slots[0]->restarts, 0u);
}

Test(supervisor, a_worker_that_talks_nonsense_is_killed_and_the_others_go_on)
{
    start(2, "nonsense");
    WAIT_FOR(workers.slots[0]->restarts >= 1);
    WAIT_FOR(worker_is_running(workers.slots[1]));
    cr_assert_eq(workers.slots[1]->restarts, 0);
    cr_assert_null(queue_group(parts.queue, NONSENSE_ID, 0), "what it says then is not believed");
}

Test(supervisor, a_worker_that_speaks_for_another_s_slot_is_killed)
{
    start(2, "trespasser");
    WAIT_FOR(workers.slots[0]->restarts >= 1);
    WAIT_FOR(worker_is_running(workers.slots[1]));
    cr_assert_eq(workers.slots[1]->restarts, 0);
    cr_assert_null(queue_group(parts.queue, NONSENSE_ID, 0));
}

Test(supervisor, a_worker_of_another_version_is_not_used)
{
    start(1, "old");
    WAIT_FOR(workers.slots[0]->restarts >= 1);
    cr_assert_not(is_started);
}

Test(supervisor, a_program_that_cannot_be_started_is_said_so)
{
    char path[128];

    snprintf(path, sizeof(path), "%s/not-there", dir);
    start_program(path, 1, "");
    WAIT_FOR(workers.slots[0]->restarts >= 1);
    cr_assert_str_eq(workers.slots[0]->last_exit, "its program could not be started");
}
