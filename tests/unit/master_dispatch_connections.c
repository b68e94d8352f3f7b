/* Dispatch and what it knows of connections: what a delivery and a probe are told of others, what
 * goes with a profile or with a worker, and the second that passes for who waits (SP46, SP49). */
#include "health_stage.h"

#include "master/dispatch_parts.h"
#include "master/slots.h"

static struct account *account;

static void set_limited(unsigned max_connections)
{
    char name[] = "relay";
    struct server_uri servers[2] = { 0 };
    const struct profile profile = { .id = 1,
                                     .name = name,
                                     .version = 1,
                                     .type = PROFILE_SMTP,
                                     .servers = servers,
                                     .server_count = 2,
                                     .preference = PREFERENCE_FAILOVER,
                                     .pool = { .enabled = true, .size = 4 },
                                     .max_connections = max_connections,
                                     .max_in_flight = 100 };

    strcpy(servers[0].text, three[0]);
    strcpy(servers[1].text, three[1]);
    cr_assert_eq(dispatch_set_profile(dispatch, &profile, NULL), 0);
    account = budget_account(dispatch_budget(dispatch), 1, server_uri_identity(three[0]));
}

TestSuite(dispatch_connections, .init = set_up, .fini = tear_down, .timeout = 30);

static void give_slot(unsigned slot)
{
    const struct ipc_slot_want want = { .profile = 1, .count = 1 };

    cr_assert_eq(slots_want(dispatch_slots(dispatch), workers.slots[slot], &want), 0);
    cr_assert_eq(slots_of(dispatch_slots(dispatch), 1, slot), 1u);
}

Test(dispatch_connections, SP49_a_delivery_is_told_how_many_others_have)
{
    set_limited(0);
    keep_workers(1);
    for (unsigned i = 0; i < 3; i++)
        cr_assert(budget_take(dispatch_budget(dispatch), account, 2));
    queue_mail(1, 0, 1, 0);
    turns();
    cr_assert_eq(fakes[0].count, 1u);
    cr_assert_eq(fakes[0].jobs[0].others, 3u);
}

Test(dispatch_connections, SP46_SP49_a_deleted_profile_leaves_nothing)
{
    set_limited(3);
    give_slot(1);
    dispatch_drop_profile(dispatch, 1);
    cr_assert_eq(slots_of(dispatch_slots(dispatch), 1, 1), 0u);
    cr_assert_null(budget_account(dispatch_budget(dispatch), 1, server_uri_identity(three[0])));
}

Test(dispatch_connections, SP46_SP49_a_dead_worker_leaves_nothing)
{
    set_limited(3);
    give_slot(1);
    cr_assert(budget_take(dispatch_budget(dispatch), account, 1));
    dispatch_worker_lost(dispatch, workers.slots[1], false);
    cr_assert_eq(slots_of(dispatch_slots(dispatch), 1, 1), 0u);
    cr_assert_eq(budget_leases(account, 1), 0u);
    cr_assert_eq(budget_others(account, 0), 0u);
}

/* While anything is out, somebody may wait. */
Test(dispatch_connections, SP49_who_waits_is_looked_after_once_a_second)
{
    const struct ipc_lease_want want = { .server = server_uri_identity(three[0]),
                                         .profile = 1,
                                         .count = 1 };

    set_limited(2);
    keep_workers(1);
    queue_mail(1, 0, 1, 0);
    turns();
    cr_assert_eq(fakes[0].jobs[0].leased, want.server);
    give_connections(1, 1, 1);
    cr_assert_eq(budget_want(dispatch_budget(dispatch), workers.slots[0], &want), 0);
    UNTIL(fakes[1].reclaimed == 1);
}

/* ---- probes ---- */

static void open_the_first(void)
{
    set_limited(1);
    keep_workers(1);
    set_waits(PATIENT_MS);
    open_first(1);
    budget_worker_lost(dispatch_budget(dispatch), 0); /* the connections of its deliveries */
}

Test(dispatch_connections, SP23_SP49_a_probe_needs_a_lease)
{
    open_the_first();
    cr_assert(budget_take(dispatch_budget(dispatch), account, 2));
    set_waits(FIRST_MS);
    route()->states[0].health.next_ms = loop_now_ms(loop);
    for (unsigned i = 0; i < 10; i++) {
        dispatch_health_on_timer(dispatch);
        turns();
    }
    cr_assert_eq(fakes[0].probe_count, 0u, "it would be one too many");
    budget_worker_lost(dispatch_budget(dispatch), 2);
    UNTIL(fakes[0].probe_count == 1);
    cr_assert_eq(fakes[0].probes[0].leased, server_uri_identity(three[0]));
    cr_assert_eq(budget_leases(account, 0), 1u);
}

Test(dispatch_connections, SP23_SP49_a_probe_is_told_how_many_others_have)
{
    open_the_first();
    set_limited(5);
    for (unsigned i = 0; i < 3; i++)
        cr_assert(budget_take(dispatch_budget(dispatch), account, 2));
    route()->states[0].health.next_ms = loop_now_ms(loop);
    dispatch_health_on_timer(dispatch);
    UNTIL(fakes[0].probe_count == 1);
    cr_assert_eq(fakes[0].probes[0].others, 3u);
}
