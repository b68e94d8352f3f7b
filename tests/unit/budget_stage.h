/* tests/unit/budget_stage.h: a budget, its workers, and what they say to it. Included once per test
 * executable. */
#ifndef TESTS_UNIT_BUDGET_STAGE_H
#define TESTS_UNIT_BUDGET_STAGE_H

#include "fake_workers.h"

#include <errno.h>
#include <string.h>

#include "common/clock.h"
#include "common/profile.h"
#include "common/server_uri.h"
#include "master/budget.h"

static struct budget *budget;
static const char *const uris[] = { "smtp://a:25", "smtp://b:25" };

static inline void setup(void)
{
    set_up_workers();
    budget = budget_new(loop, &workers);
}

static inline void teardown(void)
{
    budget_free(&budget);
    tear_down_workers();
}

static inline struct account *set_profile(uint32_t id, unsigned servers, unsigned max)
{
    static struct server_uri list[2];
    struct profile profile = { .id = id,
                               .type = PROFILE_SMTP,
                               .servers = list,
                               .server_count = servers,
                               .max_connections = max };

    for (unsigned i = 0; i < servers; i++)
        strcpy(list[i].text, uris[i]);
    cr_assert_eq(budget_set_profile(budget, &profile), 0);
    return budget_account(budget, id, server_uri_identity(uris[0]));
}

static inline int want_from(unsigned slot, unsigned server, unsigned count)
{
    const struct ipc_lease_want want = { .server = server_uri_identity(uris[server]),
                                         .profile = 1,
                                         .count = count };

    return budget_want(budget, workers.slots[slot], &want);
}

static inline void want(unsigned slot, unsigned count)
{
    cr_assert_eq(want_from(slot, 0, count), 0);
    turns();
}

static inline void unwant(unsigned slot, unsigned count, bool is_patient)
{
    const struct ipc_lease_unwant order = { .server = server_uri_identity(uris[0]),
                                            .profile = 1,
                                            .count = count,
                                            .is_patient = is_patient };

    cr_assert_eq(budget_unwant(budget, workers.slots[slot], &order), 0);
    turns();
}

static inline int back_from(unsigned slot, unsigned count, unsigned too_many)
{
    const struct ipc_lease_back back = {
        .server = server_uri_identity(uris[0]), .profile = 1, .count = count, .too_many = too_many
    };

    return budget_back(budget, workers.slots[slot], &back);
}

static inline void give_back(unsigned slot, unsigned count, unsigned too_many)
{
    cr_assert_eq(back_from(slot, count, too_many), 0);
    turns();
}

/* Returns by how many it has changed. */
static inline int say_idle(unsigned slot, unsigned idle)
{
    const struct ipc_connections said = { .server = server_uri_identity(uris[0]),
                                          .profile = 1,
                                          .idle = (uint16_t)idle };

    return budget_connections(budget, workers.slots[slot], &said);
}

/* How many more a delivery to this worker could be given. */
static inline unsigned take_all(struct account *account, unsigned slot, unsigned most)
{
    unsigned taken = 0;

    while (taken < most && budget_take(budget, account, slot))
        taken++;
    return taken;
}

#endif
