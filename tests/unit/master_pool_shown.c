/* What is shown of connections and slots: sums over the workers and over processes that have ended,
 * what is configured beside what was learnt (SP40 to SP49). */
#include "dispatch_stage.h"

#include <jansson.h>

#include "master/pool_shown.h"
#include "master/slots.h"

static struct account *account;

static struct account *put_profile(uint32_t id, unsigned max_connections)
{
    static char name[] = "relay";
    struct server_uri servers[2] = { 0 };
    struct profile profile = { .id = id,
                               .name = name,
                               .version = 1,
                               .type = PROFILE_SMTP,
                               .servers = servers,
                               .server_count = 2,
                               .pool = { .enabled = true, .size = 6 },
                               .max_connections = max_connections,
                               .max_in_flight = 100 };

    strcpy(servers[0].text, three[0]);
    strcpy(servers[1].text, three[1]);
    cr_assert_eq(dispatch_set_profile(dispatch, &profile, NULL), 0);
    return budget_account(dispatch_budget(dispatch), id, server_uri_identity(three[0]));
}

static void set_up_shown(void)
{
    set_up();
    account = put_profile(1, 20);
}

TestSuite(pool_shown, .init = set_up_shown, .fini = tear_down, .timeout = 30);

static void say(unsigned slot, unsigned open, unsigned idle, const struct ipc_pool_counts *counts)
{
    const struct ipc_connections said = { .server = budget_server(account),
                                          .profile = 1,
                                          .idle = (uint16_t)idle,
                                          .open = (uint16_t)open,
                                          .counts = *counts };

    while (budget_leases(account, slot) < open)
        cr_assert(budget_take(dispatch_budget(dispatch), account, slot));
    budget_connections(dispatch_budget(dispatch), workers.slots[slot], &said);
}

/* Of the first server. To be let go with what it lies in. */
static json_t *first(json_t *list)
{
    cr_assert_eq(json_array_size(list), 2u);
    return json_array_get(list, 0);
}

static json_int_t number(const char *key)
{
    json_t *list = pool_shown(dispatch, 1), *value = json_object_get(first(list), key);
    json_int_t number = json_is_null(value) ? -1 : json_integer_value(value);

    cr_assert_not_null(value, "%s", key);
    json_decref(list);
    return number;
}

static json_int_t number_at(unsigned slot, const char *key)
{
    json_t *list = pool_shown(dispatch, 1);
    json_t *of_worker = json_array_get(json_object_get(first(list), "workers"), slot);
    json_int_t number = json_integer_value(json_object_get(of_worker, key));

    cr_assert_eq(json_integer_value(json_object_get(of_worker, "slot")), slot);
    json_decref(list);
    return number;
}

static double time_in(const char *span, const char *key)
{
    json_t *list = pool_shown(dispatch, 1);
    double value = json_number_value(json_object_get(json_object_get(first(list), span), key));

    json_decref(list);
    return value;
}

Test(pool_shown, SP40_SP43_workers_are_summed_up_and_shown_beside_each_other)
{
    say(0, 3, 2, &(struct ipc_pool_counts){ .misses = 5, .hits = 7 });
    say(1, 2, 1, &(struct ipc_pool_counts){ .misses = 2, .handed_over = 3 });
    cr_expect_eq(number("open"), 5);
    cr_expect_eq(number("idle"), 3);
    cr_expect_eq(number("leases"), 5);
    cr_expect_eq(number("misses"), 7);
    cr_expect_eq(number("handshakes_saved"), 10);
    cr_expect_eq(number_at(0, "open"), 3);
    cr_expect_eq(number_at(1, "open"), 2);
    cr_expect_eq(number_at(0, "idle"), 2);
    cr_expect_eq(number_at(1, "leases"), 2);
    budget_use_idle(account, 0);
    cr_expect_eq(number("idle"), 3, "what is promised to a job is idle until the job is there");
}

Test(pool_shown, SP40_SP43_what_became_of_connections_outlives_the_worker)
{
    say(0, 3, 2, &(struct ipc_pool_counts){ .misses = 5, .lost = 2 });
    say(1, 1, 1, &(struct ipc_pool_counts){ .misses = 2 });
    budget_worker_lost(dispatch_budget(dispatch), 0);
    cr_expect_eq(number("open"), 1);
    cr_expect_eq(number("idle"), 1);
    cr_expect_eq(number("leases"), 1);
    cr_expect_eq(number("misses"), 7);
    say(0, 1, 0, &(struct ipc_pool_counts){ .misses = 1 });
    cr_expect_eq(number("misses"), 8);
    cr_expect_eq(number("lost"), 2);
}

Test(pool_shown, SP46_slots_are_shown_by_worker)
{
    const struct ipc_slot_want want = { .profile = 1, .count = 2 };

    cr_assert_eq(slots_want(dispatch_slots(dispatch), workers.slots[1], &want), 0);
    cr_expect_eq(number("size"), 6);
    cr_expect_eq(number("idle_slots"), 2);
    cr_expect_eq(number_at(0, "idle_slots"), 0);
    cr_expect_eq(number_at(1, "idle_slots"), 2);
}

Test(pool_shown, SP49_what_was_learnt_is_shown_beside_what_is_configured)
{
    const struct ipc_lease_back back = {
        .server = budget_server(account), .profile = 1, .count = 1, .too_many = 1
    };
    const struct ipc_server_ended ended = { .server = budget_server(account),
                                            .profile = 1,
                                            .idle_ms = 2000 };

    cr_expect_eq(number("max_connections"), 20);
    cr_expect_eq(number("learnt"), -1, "nothing");
    cr_expect_eq(number("using"), 20);
    say(0, 4, 0, &(struct ipc_pool_counts){ 0 });
    cr_assert_eq(budget_back(dispatch_budget(dispatch), workers.slots[0], &back), 0);
    cr_expect_eq(number("max_connections"), 20);
    cr_expect_eq(number("learnt"), 3);
    cr_expect_eq(number("using"), 3);
    for (unsigned i = 0; i < 3; i++)
        budget_ended(dispatch_budget(dispatch), &ended);
    cr_expect_float_eq(time_in("learnt_life", "idle"), 2.0, 0.001);
    cr_expect_float_eq(time_in("using_life", "idle"), 1.7, 0.001);
    cr_expect_float_eq(time_in("using_life", "age"), 0.0, 0.001);
}

Test(pool_shown, one_profile_or_all_of_them)
{
    json_t *all, *none;

    (void)put_profile(2, 0);
    all = pool_shown(dispatch, 0);
    none = pool_shown(dispatch, 9);
    cr_expect_eq(json_array_size(all), 4u);
    cr_expect_eq(json_array_size(none), 0u);
    json_decref(all);
    json_decref(none);
}
