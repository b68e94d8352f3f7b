/* The budget of connections: who may open one, who waits, who is refused, and what a server that
 * says "too many" teaches. Workers are the other ends of channels. */
#include <criterion/criterion.h>

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "common/channel.h"
#include "common/clock.h"
#include "common/loop.h"
#include "common/profile.h"
#include "common/server_uri.h"
#include "master/budget.h"
#include "master/worker.h"

enum { WORKERS = 3 };

static struct loop *loop;
static struct workers workers;
static struct budget *budget;
static const char *const uris[] = { "smtp://a:25", "smtp://b:25" };

static struct fake {
    struct channel *channel;
    unsigned granted, refused, unneeded, others, limit, reclaimed, bears;
} fakes[WORKERS];

static void on_lease(void *owner, const void *payload, int fd)
{
    const struct ipc_lease *lease = payload;
    struct fake *fake = owner;

    (void)fd;
    fake->granted += lease->granted;
    fake->refused += lease->refused;
    fake->unneeded += lease->unneeded;
    fake->others = lease->others;
    fake->limit = lease->limit;
}

static void on_reclaim(void *owner, const void *payload, int fd)
{
    const struct ipc_reclaim *order = payload;
    struct fake *fake = owner;

    (void)fd;
    fake->reclaimed += order->count;
}

static void on_bears(void *owner, const void *payload, int fd)
{
    const struct ipc_server_bears *bears = payload;
    struct fake *fake = owner;

    (void)fd;
    fake->bears = bears->idle_ms;
}

static void on_end(void *owner, int err)
{
    (void)owner;
    (void)err;
}

static void setup(void)
{
    static channel_handler *const from_master[IPC_KIND_COUNT] = {
        [IPC_LEASE] = on_lease,
        [IPC_RECLAIM] = on_reclaim,
        [IPC_SERVER_BEARS] = on_bears,
    };
    static channel_handler *const from_worker[IPC_KIND_COUNT];

    loop = workers.loop = loop_new();
    budget = budget_new(loop, &workers);
    for (unsigned slot = 0; slot < WORKERS; slot++) {
        struct worker *worker = workers_add(&workers, slot);
        int fds[2];

        cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
        worker->channel = channel_new(loop, fds[0], IPC_MASTER, from_worker, on_end, worker);
        worker->state = WORKER_RUNNING;
        fakes[slot] = (struct fake){ .channel = channel_new(loop, fds[1], IPC_WORKER, from_master,
                                                            on_end, &fakes[slot]) };
    }
}

static void teardown(void)
{
    budget_free(&budget);
    for (unsigned slot = 0; slot < WORKERS; slot++) {
        worker_free(&workers.slots[slot]);
        channel_free(&fakes[slot].channel);
    }
    loop_free(loop);
}

TestSuite(budget, .init = setup, .fini = teardown, .timeout = 30);

static void turns(void)
{
    for (int i = 0; i < 6; i++)
        loop_turn(loop, 1);
}

static struct account *set_profile(uint32_t id, unsigned servers, unsigned max)
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

static int want_from(unsigned slot, unsigned server, unsigned count)
{
    const struct ipc_lease_want want = { .server = server_uri_identity(uris[server]),
                                         .profile = 1,
                                         .count = count };

    return budget_want(budget, workers.slots[slot], &want);
}

static void want(unsigned slot, unsigned count)
{
    cr_assert_eq(want_from(slot, 0, count), 0);
    turns();
}

static int back_from(unsigned slot, unsigned count, unsigned too_many)
{
    const struct ipc_lease_back back = {
        .server = server_uri_identity(uris[0]), .profile = 1, .count = count, .too_many = too_many
    };

    return budget_back(budget, workers.slots[slot], &back);
}

static void give_back(unsigned slot, unsigned count, unsigned too_many)
{
    cr_assert_eq(back_from(slot, count, too_many), 0);
    turns();
}

static void say_idle(unsigned slot, unsigned idle)
{
    const struct ipc_connections said = { .server = server_uri_identity(uris[0]),
                                          .profile = 1,
                                          .idle = (uint16_t)idle };

    budget_connections(budget, workers.slots[slot], &said);
}

/* How many more a delivery to this worker could be given. */
static unsigned take_all(struct account *account, unsigned slot, unsigned most)
{
    unsigned taken = 0;

    while (taken < most && budget_take(budget, account, slot))
        taken++;
    return taken;
}

/* ---- the limit ---- */

Test(budget, SP49_no_more_than_max_connections_over_all_workers)
{
    struct account *account = set_profile(1, 2, 5);

    cr_assert_eq(take_all(account, 0, 2), 2u);
    cr_assert_eq(take_all(account, 1, 9), 3u);
    cr_assert_not(budget_has_room(budget, account));
    cr_assert_eq(budget_others(account, 1), 2u);
    give_back(0, 1, 0);
    cr_assert(budget_has_room(budget, account));
    cr_assert_eq(take_all(account, 2, 9), 1u);
}

Test(budget, SP49_zero_is_no_limit)
{
    cr_assert_eq(take_all(set_profile(1, 1, 0), 0, 1000), 1000u);
}

Test(budget, SP49_each_server_and_each_profile_has_its_own)
{
    struct account *mine = set_profile(1, 2, 1), *other = set_profile(2, 2, 1);

    cr_assert_eq(take_all(mine, 0, 9), 1u);
    cr_assert_eq(take_all(other, 0, 9), 1u);
    cr_assert_eq(want_from(0, 1, 1), 0);
    turns();
    cr_assert_eq(fakes[0].granted, 1u);
}

/* ---- asking ---- */

Test(budget, SP49_who_asks_gets_what_is_left)
{
    set_profile(1, 1, 3);
    want(0, 2);
    cr_assert_eq(fakes[0].granted, 2u);
    cr_assert_eq(fakes[0].others, 0u);
    want(1, 1);
    cr_assert_eq(fakes[1].granted, 1u);
    cr_assert_eq(fakes[1].others, 2u, "so that it knows that others are open");
}

Test(budget, SP49_who_has_none_is_refused_at_once)
{
    set_profile(1, 1, 1);
    want(0, 1);
    want(1, 3);
    cr_assert_eq(fakes[1].refused, 3u);
    cr_assert_eq(fakes[1].granted, 0u);
    give_back(0, 1, 0);
    cr_assert_eq(fakes[1].granted, 0u, "its deliveries have gone back to the master");
}

Test(budget, SP49_who_has_some_waits_and_is_served_in_turn)
{
    set_profile(1, 1, 3);
    want(0, 1);
    want(1, 1);
    want(2, 1);
    want(0, 2);
    want(1, 2);
    cr_assert_eq(fakes[0].refused + fakes[1].refused, 0u);
    give_back(2, 1, 0);
    cr_assert_eq(fakes[0].granted + fakes[1].granted, 3u);
    give_back(0, 1, 0);
    give_back(1, 1, 0);
    cr_assert_eq(fakes[0].granted, 3u, "one each, then the next");
    cr_assert_eq(fakes[1].granted, 2u);
}

Test(budget, SP49_what_a_dead_worker_had_or_waited_for_is_free)
{
    struct account *account = set_profile(1, 1, 2);

    want(0, 1);
    want(1, 1);
    want(0, 5);
    want(1, 1);
    budget_worker_lost(budget, 0);
    turns();
    cr_assert_eq(fakes[1].granted, 2u);
    cr_assert_eq(budget_leases(account, 0), 0u);
    give_back(1, 2, 0);
    cr_assert_eq(take_all(account, 2, 9), 2u, "nobody waits any more");
}

Test(budget, nobody_gives_back_what_he_does_not_have)
{
    set_profile(1, 1, 2);
    cr_assert_eq(back_from(0, 1, 0), -EBADMSG);
    want(0, 1);
    cr_assert_eq(back_from(0, 2, 0), -EBADMSG);
    cr_assert_eq(back_from(0, 1, 0), 0);
    cr_assert_eq(want_from(0, 0, 0), -EBADMSG);
    cr_assert_eq(want_from(0, 0, IPC_JOBS_PER_WORKER + IPC_PROBES_MAX + 1), -EBADMSG);
}

/* ---- edits ---- */

Test(budget, SP49_a_server_that_the_profile_has_no_more_is_refused_and_its_leases_counted)
{
    struct account *account;

    set_profile(1, 2, 2);
    cr_assert_eq(want_from(0, 1, 2), 0);
    turns();
    set_profile(1, 1, 2);
    cr_assert_eq(want_from(0, 1, 1), 0);
    turns();
    cr_assert_eq(fakes[0].granted, 2u);
    cr_assert_eq(fakes[0].refused, 1u);
    set_profile(1, 2, 2);
    account = budget_account(budget, 1, server_uri_identity(uris[1]));
    cr_assert_eq(take_all(account, 1, 9), 0u, "they are still open");
    budget_worker_lost(budget, 0);
    cr_assert_eq(take_all(account, 1, 9), 2u);
}

Test(budget, SP49_a_deleted_profile_s_account_goes_with_its_last_lease)
{
    uint64_t server = server_uri_identity(uris[0]);

    set_profile(1, 1, 2);
    want(0, 1);
    budget_drop_profile(budget, 1);
    cr_assert_not_null(budget_account(budget, 1, server));
    cr_assert_eq(back_from(0, 1, 0), 0);
    cr_assert_null(budget_account(budget, 1, server));
}

Test(budget, SP49_a_lowered_limit_calls_idle_ones_back_first)
{
    set_profile(1, 1, 6);
    want(0, 3);
    want(1, 3);
    say_idle(1, 2);
    set_profile(1, 1, 3);
    turns();
    cr_assert_eq(fakes[1].reclaimed, 2u);
    cr_assert_eq(fakes[0].reclaimed, 1u);
    set_profile(1, 1, 3);
    turns();
    cr_assert_eq(fakes[0].reclaimed + fakes[1].reclaimed, 3u, "once");
}

Test(budget, SP49_who_waits_long_is_served_from_others_idle_connections)
{
    int64_t begun_ms = clock_mono_ms();

    set_profile(1, 1, 2);
    want(0, 1);
    want(1, 1);
    say_idle(1, 1);
    want(0, 1);
    budget_tend(budget);
    turns();
    cr_assert_eq(fakes[1].reclaimed, 0u, "not at once: it may come by itself");
    while (fakes[1].reclaimed == 0 && clock_mono_ms() - begun_ms < 5000) {
        budget_tend(budget);
        loop_turn(loop, 50);
    }
    cr_assert_eq(fakes[1].reclaimed, 1u);
    cr_assert_geq(clock_mono_ms() - begun_ms, 990);
    budget_tend(budget);
    turns();
    cr_assert_eq(fakes[1].reclaimed, 1u, "it has no more of them");
}

/* ---- what a server teaches ---- */

Test(budget, SP49_the_connections_that_were_not_refused_are_what_a_server_bears)
{
    struct account *account = set_profile(1, 1, 20);

    cr_assert_eq(take_all(account, 0, 4), 4u);
    cr_assert_eq(take_all(account, 1, 4), 4u);
    for (unsigned i = 0; i < 5; i++)
        give_back(i % 2, 1, 1);
    cr_assert_not(budget_has_room(budget, account));
    give_back(0, 1, 0);
    cr_assert_eq(take_all(account, 2, 9), 1u, "three are open, three may be");
}

Test(budget, SP49_one_that_is_still_closing_is_not_counted_as_borne)
{
    struct account *account = set_profile(1, 1, 20);

    cr_assert_eq(take_all(account, 0, 4), 4u);
    give_back(0, 0, 1);
    give_back(0, 1, 0);
    cr_assert_not(budget_has_room(budget, account));
    give_back(0, 1, 0);
    cr_assert_eq(take_all(account, 0, 9), 1u);
}

Test(budget, SP49_one_is_always_borne)
{
    struct account *account = set_profile(1, 1, 20);

    want(0, 1);
    give_back(0, 1, 1);
    cr_assert_eq(take_all(account, 0, 9), 1u);
}

Test(budget, SP49_what_was_learnt_rises_slowly_up_to_what_is_configured)
{
    struct account *account = set_profile(1, 1, 3);
    int64_t begun_ms;

    budget_set_raise_ms(budget, 200);
    want(0, 2);
    give_back(0, 1, 1);
    cr_assert_not(budget_has_room(budget, account));
    begun_ms = clock_mono_ms();
    while (!budget_has_room(budget, account) && clock_mono_ms() - begun_ms < 5000)
        loop_turn(loop, 20);
    cr_assert_geq(clock_mono_ms() - begun_ms, 150);
    while (clock_mono_ms() - begun_ms < 1500)
        loop_turn(loop, 50);
    cr_assert_eq(take_all(account, 0, 9), 2u);
}

Test(budget, SP49_a_limit_is_learnt_also_where_none_is_configured)
{
    struct account *account = set_profile(1, 1, 0);

    cr_assert_eq(take_all(account, 0, 10), 10u);
    give_back(0, 1, 1);
    cr_assert_not(budget_has_room(budget, account));
}

/* ---- how long connections live ---- */

static void end_one(void)
{
    const struct ipc_server_ended told = {
        .server = server_uri_identity(uris[0]), .profile = 1, .idle_ms = 900, .age_ms = 0
    };

    cr_assert_eq(budget_ended(budget, &told), 0);
    turns();
}

Test(budget, SP49_what_three_ends_say_is_told_to_all_and_to_who_comes_later)
{
    set_profile(1, 1, 20);
    end_one();
    end_one();
    cr_assert_eq(fakes[0].bears, 0u);
    end_one();
    cr_assert_eq(fakes[0].bears, 765u);
    cr_assert_eq(fakes[2].bears, 765u);
    fakes[2].bears = 0;
    budget_worker_ready(budget, workers.slots[2]);
    turns();
    cr_assert_eq(fakes[2].bears, 765u);
}

Test(budget, SP49_what_was_learnt_of_lives_rises_slowly)
{
    int64_t begun_ms = clock_mono_ms();

    set_profile(1, 1, 20);
    budget_set_raise_ms(budget, 200);
    for (unsigned i = 0; i < 3; i++)
        end_one();
    while (fakes[1].bears < 800 && clock_mono_ms() - begun_ms < 5000) {
        budget_tend(budget);
        loop_turn(loop, 20);
    }
    cr_assert_geq(fakes[1].bears, 803u);
    cr_assert_geq(clock_mono_ms() - begun_ms, 150);
}

/* ---- patient wants: the connection test's (SP51) ---- */

static void want_patiently(unsigned slot, unsigned server, unsigned count)
{
    const struct ipc_lease_want want = {
        .server = server_uri_identity(uris[server]), .profile = 1, .count = count, .is_patient = 1
    };

    cr_assert_eq(budget_want(budget, workers.slots[slot], &want), 0);
    turns();
}

Test(budget, SP49_SP51_a_test_gets_what_is_left)
{
    struct account *account = set_profile(1, 1, 2);

    want_patiently(0, 0, 1);
    cr_assert_eq(fakes[0].granted, 1u);
    cr_assert_eq(fakes[0].limit, 2u);
    cr_assert_eq(take_all(account, 1, 9), 1u, "it counts as any other");
}

Test(budget, SP49_SP51_a_test_waits_where_no_lease_is)
{
    set_profile(1, 1, 1);
    want(0, 1);
    want_patiently(1, 0, 1);
    cr_assert_eq(fakes[1].granted + fakes[1].refused, 0u);
    cr_assert_eq(fakes[1].limit, 1u, "how many there are, for people");
    want(1, 1);
    cr_assert_eq(fakes[1].refused, 1u, "a delivery does not");
    give_back(0, 1, 0);
    cr_assert_eq(fakes[1].granted, 1u);
}

Test(budget, SP49_SP51_an_idle_connection_makes_room_for_a_test_at_once)
{
    set_profile(1, 1, 2);
    want(0, 1);
    want(1, 1);
    say_idle(1, 1);
    want_patiently(2, 0, 1);
    cr_assert_eq(fakes[1].reclaimed, 1u);
    cr_assert_eq(fakes[0].reclaimed, 0u);
    give_back(1, 1, 0);
    cr_assert_eq(fakes[2].granted, 1u);
}

Test(budget, SP49_SP51_an_idle_connection_of_the_same_worker_makes_room_too)
{
    set_profile(1, 1, 1);
    want(0, 1);
    say_idle(0, 1);
    want_patiently(0, 0, 1);
    cr_assert_eq(fakes[0].reclaimed, 1u);
    give_back(0, 1, 0);
    cr_assert_eq(fakes[0].granted, 2u);
}

Test(budget, SP49_SP51_while_all_are_busy_the_next_that_ends_makes_room)
{
    set_profile(1, 1, 2);
    want(0, 1);
    want(1, 1);
    want_patiently(2, 0, 1);
    cr_assert_eq(fakes[0].reclaimed + fakes[1].reclaimed, 1u);
}

Test(budget, SP49_SP51_another_is_called_back_when_that_one_takes_long)
{
    int64_t begun_ms = clock_mono_ms();

    set_profile(1, 1, 2);
    want(0, 1);
    want(1, 1);
    want_patiently(2, 0, 1);
    budget_tend(budget);
    turns();
    cr_assert_eq(fakes[0].reclaimed + fakes[1].reclaimed, 1u, "not at once");
    while (fakes[0].reclaimed + fakes[1].reclaimed < 2 && clock_mono_ms() - begun_ms < 5000) {
        budget_tend(budget);
        loop_turn(loop, 50);
    }
    cr_assert_eq(fakes[0].reclaimed, 1u);
    cr_assert_eq(fakes[1].reclaimed, 1u);
    cr_assert_geq(clock_mono_ms() - begun_ms, 990);
}

Test(budget, SP49_SP51_a_test_comes_before_deliveries_that_wait)
{
    set_profile(1, 1, 2);
    want(0, 1);
    want(1, 1);
    want(0, 1);
    want(1, 1);
    want_patiently(2, 0, 1);
    give_back(0, 1, 0);
    cr_assert_eq(fakes[2].granted, 1u);
    give_back(2, 1, 0);
    cr_assert_eq(fakes[0].granted + fakes[1].granted, 3u, "then it is their turn again");
}

Test(budget, SP49_SP51_a_test_of_a_server_that_no_profile_has_needs_no_lease)
{
    set_profile(1, 1, 1);
    want_patiently(0, 1, 1);
    cr_assert_eq(fakes[0].unneeded, 1u);
    cr_assert_eq(fakes[0].granted + fakes[0].refused, 0u);
}

Test(budget, SP49_SP51_a_test_ends_with_its_worker)
{
    struct account *account = set_profile(1, 1, 1);

    want(0, 1);
    want_patiently(1, 0, 1);
    want(0, 1);
    budget_worker_lost(budget, 1);
    give_back(0, 1, 0);
    cr_assert_eq(fakes[0].granted, 2u, "nobody is in the way of who waits");
    give_back(0, 1, 0);
    cr_assert_eq(take_all(account, 2, 9), 1u);
}
