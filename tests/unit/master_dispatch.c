/* Whom mail goes to, and in which order. */
#include "dispatch_stage.h"

#include "master/queue_private.h"

TestSuite(dispatch, .init = set_up, .fini = tear_down);

/* ---- order of servers ---- */

Test(dispatch, SP20_failover_starts_with_the_first)
{
    set_profile(1, PREFERENCE_FAILOVER, 100);
    queue_mail(1, 0, 10, 0);
    turns();
    cr_assert_eq(sent(), 10);
    for (unsigned slot = 0; slot < WORKERS; slot++) {
        for (size_t i = 0; i < fakes[slot].count; i++)
            cr_assert_eq(fakes[slot].jobs[i].start, 0);
    }
    cr_assert_eq(cursor_moves, 0);
}

Test(dispatch, SP21_one_by_one_strictly_in_turn)
{
    set_profile(1, PREFERENCE_ROUND_ROBIN, 100);
    keep_workers(1);
    for (unsigned i = 0; i < 7; i++) {
        cr_assert_eq(dispatch_next_start(dispatch, 1), (int)(i % 3));
        queue_mail(1, 0, 1, 0);
        turns();
        cr_assert_eq(fakes[0].count, i + 1);
        cr_assert_eq(fakes[0].jobs[i].start, i % 3);
        answer_all();
    }
    cr_assert_eq(cursor_moves, 7);
    cr_assert_eq(queue_mail_count(0, 0, queue), 0);
}

/* 3,000 over all workers at once, one server failing over half way: even to within one. */
Test(dispatch, SP21_parallel_over_all_workers_shares_exactly)
{
    unsigned served[3] = { 0 };
    size_t done = 0;

    set_profile(1, PREFERENCE_ROUND_ROBIN, 60);
    for (unsigned i = 0; i < 3000; i++)
        queue_mail(1, i % WORKERS, 1, 0);
    while (done < 3000) {
        loop_turn(loop, 2);
        for (unsigned slot = 0; slot < WORKERS; slot++) {
            struct fake *fake = &fakes[slot];

            for (; fake->answered < fake->count; fake->answered++, done++) {
                const struct ipc_mail_deliver *job = &fake->jobs[fake->answered];

                served[job->start]++;
                answer(slot, job, IPC_OUTCOME_DONE, job->start);
            }
        }
    }
    for (int i = 0; i < 3; i++)
        cr_assert_eq(served[i], 1000, "server %d: %u", i, served[i]);
}

Test(dispatch, SP21_the_others_share_a_dead_servers_part_evenly)
{
    unsigned served[3] = { 0 };
    size_t done = 0;

    set_profile(1, PREFERENCE_ROUND_ROBIN, 60);
    for (unsigned i = 0; i < 3000; i++)
        queue_mail(1, i % WORKERS, 1, 0);
    while (done < 3000) {
        loop_turn(loop, 2);
        for (unsigned slot = 0; slot < WORKERS; slot++) {
            struct fake *fake = &fakes[slot];

            for (; fake->answered < fake->count; fake->answered++, done++) {
                const struct ipc_mail_deliver *job = &fake->jobs[fake->answered];
                int by = job->start == 1 ? 2 : job->start;

                served[by]++;
                answer(slot, job, IPC_OUTCOME_DONE, by);
            }
        }
    }
    cr_assert_eq(served[1], 0);
    cr_assert_leq(abs((int)served[0] - (int)served[2]), 75, "%u and %u: beyond 5 %%", served[0],
                  served[2]);
}

Test(dispatch, SP21_an_edit_keeps_the_order)
{
    const char *const edited[] = { "smtp://a:25", "smtp://x:25", "smtp://b:25", "smtp://c:25" };

    set_profile(1, PREFERENCE_ROUND_ROBIN, 100);
    queue_mail(1, 0, 2, 0); /* a, b */
    turns();
    set_profile_of(1, 2, PREFERENCE_ROUND_ROBIN, 100, edited, 4);
    cr_assert_eq(dispatch_next_start(dispatch, 1), 3, "c follows b");
    queue_mail(1, 0, 1, 0);
    turns();
    for (unsigned slot = 0; slot < WORKERS; slot++) {
        for (size_t i = 0; i < fakes[slot].count; i++)
            cr_assert(fakes[slot].jobs[i].version == 1 || fakes[slot].jobs[i].start == 3);
    }
}

/* An outcome that speaks of the list before an edit is understood by that list. */
Test(dispatch, SP21_outcomes_speak_of_the_list_they_were_given)
{
    const char *const edited[] = { "smtp://c:25", "smtp://a:25", "smtp://b:25" };

    set_profile(1, PREFERENCE_ROUND_ROBIN, 100);
    keep_workers(1);
    queue_mail(1, 0, 1, 0);
    turns();
    set_profile_of(1, 2, PREFERENCE_ROUND_ROBIN, 100, edited, 3);
    answer(0, &fakes[0].jobs[0], IPC_OUTCOME_DONE, 1); /* b, in the old list, by failover */
    cr_assert_eq(dispatch_next_start(dispatch, 1), 0, "b has had its turn, so c");
}

/* ---- fairness ---- */

Test(dispatch, MQ0A_new_before_deferred_three_to_one)
{
    unsigned fresh = 0;

    set_profile(1, PREFERENCE_FAILOVER, 12);
    keep_workers(1);
    queue_mail(1, 0, 50, 1);
    queue_mail(1, 0, 50, 0);
    turns();
    cr_assert_eq(fakes[0].count, 12);
    for (size_t i = 0; i < 12; i++)
        fresh += fakes[0].jobs[i].attempts == 0 ? 1 : 0;
    cr_assert_eq(fresh, 9);
}

Test(dispatch, MQ0A_profiles_are_served_in_turn)
{
    unsigned of_second = 0;

    set_profile(1, PREFERENCE_FAILOVER, 1000);
    set_profile(2, PREFERENCE_FAILOVER, 1000);
    keep_workers(1);
    queue_mail(1, 0, 2000, 0);
    queue_mail(2, 0, 10, 0);
    turns();
    for (size_t i = 0; i < 20; i++)
        of_second += fakes[0].jobs[i].profile == 2 ? 1 : 0;
    cr_assert_eq(of_second, 10, "every other one, as long as there are any");
}

Test(dispatch, max_in_flight_holds)
{
    set_profile(1, PREFERENCE_FAILOVER, 5);
    queue_mail(1, 0, 50, 0);
    turns();
    cr_assert_eq(sent(), 5);
    cr_assert_eq(dispatch_in_flight(dispatch, 1), 5);
    answer_all();
    turns();
    cr_assert_eq(sent(), 10);
}

/* Two profiles whose servers hang, with all the room in the world, leave room for a third. */
Test(dispatch, SP25_hanging_profiles_leave_room_for_others)
{
    set_profile(1, PREFERENCE_FAILOVER, 10000);
    set_profile(2, PREFERENCE_FAILOVER, 10000);
    set_profile(3, PREFERENCE_FAILOVER, 10000);
    queue_mail(1, 0, 5000, 0);
    turns();
    queue_mail(2, 0, 5000, 0);
    turns();
    cr_assert_leq(dispatch_in_flight(dispatch, 1), WORKERS * IPC_JOBS_PER_WORKER / 2);
    queue_mail(3, 0, 20, 0);
    turns();
    cr_assert_eq(dispatch_in_flight(dispatch, 3), 20);
}

Test(dispatch, a_single_profile_may_use_all_credit_and_no_more)
{
    set_profile(1, PREFERENCE_FAILOVER, 10000);
    queue_mail(1, 0, 5000, 0);
    for (int i = 0; i < 10; i++)
        turns();
    cr_assert_eq(sent(), WORKERS * IPC_JOBS_PER_WORKER);
    for (unsigned slot = 0; slot < WORKERS; slot++)
        cr_assert_eq(workers.slots[slot]->job_count, IPC_JOBS_PER_WORKER);
}

Test(dispatch, credit_is_given_back_for_what_was_taken_in)
{
    set_profile(1, PREFERENCE_FAILOVER, 1);
    queue_mail(1, 2, 100, 0);
    turns();
    cr_assert_eq(fakes[2].credit, 100);
    cr_assert_eq(fakes[0].credit, 0);
}

/* ---- which worker ---- */

Test(dispatch, MQ07_a_full_queue_gives_no_credit_back)
{
    set_profile(1, PREFERENCE_FAILOVER, 1);
    keep_workers(1);
    queue_mail(1, 0, 1, 0);
    queue->total += QUEUE_FULL_GROUPS;
    turns();
    cr_assert_eq(fakes[0].credit, 0);
    queue->total -= QUEUE_FULL_GROUPS;
    turns();
    cr_assert_eq(fakes[0].credit, 1);
}

Test(dispatch, SP46_prefers_an_idle_connection)
{
    set_profile(1, PREFERENCE_FAILOVER, 100);
    give_connections(3, 1, 1);
    queue_mail(1, 0, 2, 0);
    turns();
    cr_assert_eq(fakes[3].count, 1, "one idle connection, one job for it");
    cr_assert_eq(fakes[0].count, 1, "the other goes to where the message is");
}

/* ---- leases ---- */

static unsigned leases_sent(unsigned slot)
{
    unsigned leases = 0;

    for (size_t i = 0; i < fakes[slot].count; i++)
        leases += fakes[slot].jobs[i].leased != 0;
    return leases;
}

static void set_limited(unsigned max_connections)
{
    struct server_uri servers[2] = { 0 };
    struct profile profile = { .id = 1,
                               .version = 1,
                               .type = PROFILE_SMTP,
                               .servers = servers,
                               .server_count = 2,
                               .preference = PREFERENCE_FAILOVER,
                               .max_connections = max_connections,
                               .max_in_flight = 100 };

    strcpy(servers[0].text, three[0]);
    strcpy(servers[1].text, three[1]);
    cr_assert_eq(dispatch_set_profile(dispatch, &profile, NULL), 0);
}

Test(dispatch, SP49_a_lease_travels_with_each_as_long_as_there_are_some)
{
    set_limited(3);
    queue_mail(1, 0, 10, 0);
    turns();
    cr_assert_eq(sent(), 10, "the others wait where connections are open");
    cr_assert_eq(leases_sent(0) + leases_sent(1) + leases_sent(2) + leases_sent(3), 3u);
    for (unsigned slot = 0; slot < WORKERS; slot++)
        cr_assert(fakes[slot].count == 0 || leases_sent(slot) > 0, "worker %u has none", slot);
    cr_assert_eq(fakes[0].jobs[0].leased, server_uri_identity(three[0]));
}

Test(dispatch, SP49_with_an_idle_connection_no_lease_is_sent)
{
    set_limited(3);
    give_connections(1, 1, 1);
    queue_mail(1, 0, 1, 0);
    turns();
    cr_assert_eq(fakes[1].count, 1);
    cr_assert_eq(leases_sent(1), 0u);
}

/* Whoever has all leases cannot be asked: it waits with its turn, not at a worker. */
Test(dispatch, SP49_nothing_goes_out_while_no_connection_can_be_had)
{
    set_limited(1);
    give_connections(2, 1, 1);
    workers.slots[2]->state = WORKER_DRAINING;
    queue_mail(1, 0, 2, 0);
    turns();
    cr_assert_eq(sent(), 0);
    cr_assert_eq(fakes[2].reclaimed, 1u, "its idle connection makes room, once");
    budget_worker_lost(dispatch_budget(dispatch), 2);
    turns();
    cr_assert_eq(sent(), 2);
    cr_assert_eq(fakes[0].jobs[0].start, 0);
}

Test(dispatch, SP49_one_that_found_no_room_goes_to_where_the_next_server_is_connected)
{
    struct ipc_mail_outcome said;
    struct budget *budget;
    struct account *second;

    set_limited(1);
    keep_workers(2);
    queue_mail(1, 0, 1, 0);
    turns();
    budget = dispatch_budget(dispatch);
    second = budget_account(budget, 1, server_uri_identity(three[1]));
    cr_assert(budget_take(budget, second, 1));
    said = outcome_of(&fakes[0].jobs[0], IPC_OUTCOME_NO_ROOM, -1);
    said.tried = 1;
    said.flags = IPC_OUTCOME_BUSY;
    cr_assert_eq(dispatch_outcome(dispatch, workers.slots[0], &said), 0);
    for (int i = 0; i < 100 && sent() < 2; i++)
        loop_turn(loop, 20);
    cr_assert_eq(fakes[1].count, 1);
    cr_assert_eq(fakes[1].jobs[0].tried, 1);
    cr_assert_eq(fakes[1].jobs[0].leased, 0, "it waits for the one that is open");
}

Test(dispatch, goes_to_its_origin_unless_that_is_busy)
{
    set_profile(1, PREFERENCE_FAILOVER, 1000);
    queue_mail(1, 1, 40, 0);
    turns();
    cr_assert_leq(fakes[1].count, 14, "its load stays near the others'");
    cr_assert_geq(fakes[1].count, 10);
}

Test(dispatch, nothing_goes_to_a_worker_that_is_not_running)
{
    set_profile(1, PREFERENCE_FAILOVER, 100);
    workers.slots[0]->state = WORKER_DRAINING;
    workers.slots[1]->state = WORKER_STARTING;
    queue_mail(1, 0, 10, 0);
    turns();
    cr_assert_eq(fakes[0].count + fakes[1].count, 0);
    cr_assert_eq(fakes[2].count + fakes[3].count, 10);
}

Test(dispatch, mail_of_an_unknown_profile_waits)
{
    queue_mail(9, 0, 3, 0);
    turns();
    cr_assert_eq(sent(), 0);
    set_profile(9, PREFERENCE_FAILOVER, 100);
    turns();
    cr_assert_eq(sent(), 3);
}

/* ---- outcomes ---- */

static const struct {
    enum ipc_outcome outcome;
    int state; /* -1: gone */
    unsigned attempts;
} ends[] = {
    { IPC_OUTCOME_DONE, -1, 0 },
    { IPC_OUTCOME_FAILED, QUEUE_FAILED, 1 },
    { IPC_OUTCOME_DEFERRED, QUEUE_WAITING, 1 },
    { IPC_OUTCOME_NO_ROOM, QUEUE_WAITING, 0 },
    { IPC_OUTCOME_NOT_HELD, QUEUE_WAITING, 0 },
    { IPC_OUTCOME_QUARANTINED, QUEUE_QUARANTINED, 1 },
};

Test(dispatch, every_outcome_has_its_state)
{
    const size_t count = sizeof(ends) / sizeof(ends[0]);

    cr_assert_eq(count + 1, IPC_OUTCOME_COUNT, "ADVANCED: see master_dispatch_stages.c");
    set_profile(1, PREFERENCE_FAILOVER, 100);
    keep_workers(1);
    for (size_t i = 0; i < count; i++) {
        const struct group *group;

        queue_mail(1, 0, 1, 0);
        turns();
        answer(0, &fakes[0].jobs[i], ends[i].outcome, -1);
        group = queue_group(queue, last_id, 0);
        if (ends[i].state < 0) {
            cr_assert_null(group);
            continue;
        }
        cr_assert_eq(group->state, ends[i].state, "outcome %zu", i);
        cr_assert_eq(group->attempts, ends[i].attempts, "outcome %zu", i);
        cr_assert_eq(segments_pins(segments, 0, 1), i, "still needed");
    }
}

Test(dispatch, MQ02_the_segment_of_a_note_is_needed_as_long_as_its_group)
{
    struct ipc_mail_outcome said;
    const uint32_t segments_of_notes[] = { 7, 8 };

    set_profile(1, PREFERENCE_FAILOVER, 100);
    keep_workers(1);
    queue_mail(1, 0, 1, 0);
    for (size_t i = 0; i < 2; i++) {
        turns();
        cr_assert_eq(fakes[0].count, i + 1);
        said = outcome_of(&fakes[0].jobs[i], IPC_OUTCOME_DEFERRED, -1);
        said.note_segment = segments_of_notes[i];
        said.next_attempt_s = clock_to_epoch_s(clock_wall_ms()) + 600;
        cr_assert_eq(dispatch_outcome(dispatch, workers.slots[0], &said), 0);
        cr_assert_eq(segments_pins(segments, 0, segments_of_notes[i]), 1);
        queue_set_ready(queue, queue_group(queue, last_id, 0), true);
    }
    cr_assert_eq(segments_pins(segments, 0, 7), 0, "its newest note alone");
    turns();
    answer(0, &fakes[0].jobs[2], IPC_OUTCOME_DONE, 0);
    cr_assert_eq(segments_pins(segments, 0, 8), 0);
}

Test(dispatch, no_room_comes_again_with_its_turn_and_what_was_tried)
{
    struct ipc_mail_outcome said;

    set_profile(1, PREFERENCE_ROUND_ROBIN, 100);
    keep_workers(1);
    queue_mail(1, 0, 2, 0);
    turns();
    said = outcome_of(&fakes[0].jobs[1], IPC_OUTCOME_NO_ROOM, -1);
    said.tried = 5;
    cr_assert_eq(dispatch_outcome(dispatch, workers.slots[0], &said), 0);
    for (int i = 0; i < 400 && fakes[0].count < 3; i++)
        loop_turn(loop, 10);
    cr_assert_eq(fakes[0].count, 3);
    cr_assert_eq(fakes[0].jobs[2].start, 1, "no new turn");
    cr_assert_eq(fakes[0].jobs[2].tried, 5);
    cr_assert_eq(dispatch_next_start(dispatch, 1), 2);
}

Test(dispatch, nonsense_is_told_from_what_is_late)
{
    struct ipc_mail_outcome said;

    set_profile(1, PREFERENCE_FAILOVER, 100);
    keep_workers(1);
    queue_mail(1, 0, 1, 0);
    turns();
    said = outcome_of(&fakes[0].jobs[0], IPC_OUTCOME_DONE, 0);
    said.outcome = IPC_OUTCOME_COUNT;
    cr_assert_eq(dispatch_outcome(dispatch, workers.slots[0], &said), -EBADMSG);
    said = outcome_of(&fakes[0].jobs[0], IPC_OUTCOME_DONE, 3);
    cr_assert_eq(dispatch_outcome(dispatch, workers.slots[0], &said), -EBADMSG, "no such server");
    said = outcome_of(&fakes[0].jobs[0], IPC_OUTCOME_DONE, -2);
    cr_assert_eq(dispatch_outcome(dispatch, workers.slots[0], &said), -EBADMSG);
    said = outcome_of(&fakes[0].jobs[0], IPC_OUTCOME_DONE, 0);
    said.place.id++;
    cr_assert_eq(dispatch_outcome(dispatch, workers.slots[0], &said), -EBADMSG);
    said = outcome_of(&fakes[0].jobs[0], IPC_OUTCOME_DONE, 0);
    cr_assert_eq(dispatch_outcome(dispatch, workers.slots[1], &said), -EBADMSG, "not its job");
    said.note_slot = ID_SLOTS;
    cr_assert_eq(dispatch_outcome(dispatch, workers.slots[0], &said), -EBADMSG);
    said = outcome_of(&fakes[0].jobs[0], IPC_OUTCOME_DONE, 0);
    cr_assert_eq(dispatch_outcome(dispatch, workers.slots[0], &said), 0);
    cr_assert_eq(dispatch_outcome(dispatch, workers.slots[0], &said), 0, "twice: ignored");
}

Test(dispatch, nonsense_about_queued_mail_is_refused)
{
    const struct ipc_mail_queued bad[] = {
        { .place = { .id = 0, .segment = 1 }, .profile = 1 },
        { .place = { .id = 1, .segment = 0 }, .profile = 1 },
        { .place = { .id = 1, .segment = 1, .slot = ID_SLOTS }, .profile = 1 },
        { .place = { .id = 1, .segment = 1 }, .note_slot = ID_SLOTS },
        { .place = { .id = 1, .segment = 1, .group = 1000 }, .profile = 1 },
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        cr_assert_eq(dispatch_queued(dispatch, workers.slots[0], &bad[i]), -EBADMSG, "%zu", i);
}

Test(dispatch, stopped_gives_nothing_out_and_takes_outcomes_in)
{
    set_profile(1, PREFERENCE_FAILOVER, 1);
    keep_workers(1);
    queue_mail(1, 0, 2, 0);
    turns();
    dispatch_stop(dispatch);
    answer(0, &fakes[0].jobs[0], IPC_OUTCOME_DONE, 0);
    turns();
    cr_assert_eq(fakes[0].count, 1);
    cr_assert_eq(queue_mail_count(0, 0, queue), 1);
}

Test(dispatch, cursors_are_printed_for_the_file)
{
    char *text;

    set_profile(4, PREFERENCE_ROUND_ROBIN, 100);
    set_profile(5, PREFERENCE_FAILOVER, 100);
    queue_mail(4, 0, 1, 0);
    turns();
    text = dispatch_cursors(dispatch);
    cr_assert_eq(strncmp(text, "4 ", 2), 0);
    cr_assert_eq(strchr(text, '\n')[1], '\0', "no line for one without turns");
    free(text);
}
