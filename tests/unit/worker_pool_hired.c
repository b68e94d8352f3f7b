/* Connections that are hired of the pool and opened elsewhere, to Cores and Vaults: they need
 * leases and count like any other (SP49). */
#include "pool_world.h"

TestSuite(pool_hired, .init = world_setup, .fini = world_teardown, .timeout = 60);

#define LIMIT(n) "'pool': {'enabled': true}, 'max_connections': " n

struct hirer {
    struct smtp_ticket ticket;
    unsigned turns, failed;
    bool is_busy;
    struct hirer *next; /* asks from inside the turn; NULL: nobody */
    struct worker_profile *version;
};

static void hire(struct hirer *hirer, struct worker_profile *version);

static void on_turn(void *owner)
{
    struct hirer *hirer = owner;

    hirer->turns++;
    if (hirer->next != NULL) {
        smtp_pool_give_up(&hirer->ticket);
        hire(hirer->next, hirer->version);
    }
}

static void on_refused_turn(const struct smtp_failure *failure, void *owner)
{
    struct hirer *hirer = owner;

    hirer->failed++;
    hirer->is_busy = failure->is_busy;
}

static const struct smtp_ticket_ops hire_ops = { .on_turn = on_turn, .on_failed = on_refused_turn };

/* At once, or in line. */
static void hire(struct hirer *hirer, struct worker_profile *version)
{
    const unsigned before = hirer->turns;
    int got;

    hirer->version = version;
    hirer->ticket = (struct smtp_ticket){ .ops = &hire_ops, .owner = hirer };
    got = smtp_pool_hire(pool, version, 0, &hirer->ticket);
    cr_assert_geq(got, 0);
    cr_assert_eq(hirer->turns, before, "not from inside the call");
    hirer->turns += (unsigned)got;
}

Test(pool_hired, SP49_it_waits_for_a_lease_and_gives_it_back)
{
    struct worker_profile *version = put_version(1, 20, LIMIT("1"));
    struct hirer hirer = { 0 };

    hire(&hirer, version);
    cr_assert_eq(hirer.turns, 0u, "there is none yet");
    UNTIL(loop, hirer.turns == 1);
    cr_assert_eq(smtp_pool_open_to(pool, version, 0), 1u);
    cr_assert_eq(smtp_pool_open_count(pool), 1u);
    UNTIL(loop, is_told(0, 0, 1));
    cr_assert_eq(lender_at(version, 0)->out, 1u);
    cr_assert_eq(peers[0]->connections, 0u, "the pool opens nothing itself");
    smtp_pool_give_up(&hirer.ticket);
    cr_assert_eq(smtp_pool_open_count(pool), 0u);
    UNTIL(loop, is_told(0, 0, 0) && lender_at(version, 0)->out == 0);
    smtp_pool_give_up(&hirer.ticket); /* once more is nothing */
    cr_assert_eq(smtp_pool_open_count(pool), 0u);
}

Test(pool_hired, SP49_a_lease_that_is_there_is_used_at_once)
{
    struct worker_profile *version = put_version(1, 20, LIMIT("1"));
    struct hirer hirer = { 0 };

    cr_assert(lend(lender_at(version, 0)));
    smtp_pool_add_lease(pool, PROFILE, identity_of(version, 0), 0);
    hire(&hirer, version);
    cr_assert_eq(hirer.turns, 1u);
    turn_a_while();
    cr_assert_eq(lender_at(version, 0)->wants, 0u);
    smtp_pool_give_up(&hirer.ticket);
}

Test(pool_hired, SP49_never_more_than_there_are_leases_and_in_turn)
{
    struct worker_profile *version = put_version(1, 20, LIMIT("2"));
    struct hirer hirers[5] = { 0 };

    for (unsigned i = 0; i < 5; i++)
        hire(&hirers[i], version);
    for (unsigned i = 0; i < 5; i++) {
        UNTIL(loop, hirers[i].turns == 1);
        turn_a_while();
        cr_assert_leq(smtp_pool_open_count(pool), 2u);
        cr_assert(i + 2 >= 5 || hirers[i + 2].turns == 0, "%u overtakes", i + 2);
        smtp_pool_give_up(&hirers[i].ticket);
    }
    UNTIL(loop, lender_at(version, 0)->out == 0);
}

Test(pool_hired, SP49_beside_the_pool_s_own_connections)
{
    struct worker_profile *version = put_version(1, 20, LIMIT("1"));
    struct wish wish = { 0 };
    struct hirer hirer = { 0 };

    get(&wish, version, 0);
    hire(&hirer, version);
    turn_a_while();
    cr_assert_eq(hirer.turns, 0u);
    smtp_connection_free(&wish.connection);
    UNTIL(loop, hirer.turns == 1);
    cr_assert_eq(lender_at(version, 0)->out, 1u);
    smtp_pool_give_up(&hirer.ticket);
}

Test(pool_hired, SP49_refused_is_busy)
{
    struct worker_profile *version = put_version(1, 20, LIMIT("1"));
    struct hirer hirer = { 0 };

    is_refusing = true;
    hire(&hirer, version);
    UNTIL(loop, hirer.failed == 1);
    cr_assert(hirer.is_busy);
    cr_assert_eq(smtp_pool_open_count(pool), 0u);
    smtp_pool_give_up(&hirer.ticket);
}

Test(pool_hired, SP49_who_does_not_want_to_wait_leaves_the_line)
{
    struct worker_profile *version = put_version(1, 20, LIMIT("1"));
    struct hirer first = { 0 }, second = { 0 }, third = { 0 };

    hire(&first, version);
    UNTIL(loop, first.turns == 1);
    hire(&second, version);
    hire(&third, version);
    smtp_pool_give_up(&second.ticket);
    smtp_pool_give_up(&first.ticket);
    UNTIL(loop, third.turns == 1);
    cr_assert_eq(second.turns + second.failed, 0u);
    smtp_pool_give_up(&third.ticket);
    UNTIL(loop, lender_at(version, 0)->out == 0);
}

Test(pool_hired, one_may_end_and_another_begin_inside_a_turn)
{
    struct worker_profile *version = put_version(1, 20, LIMIT("1"));
    struct hirer second = { 0 }, first = { .next = &second };

    hire(&first, version);
    UNTIL(loop, second.turns == 1);
    cr_assert_eq(smtp_pool_open_count(pool), 1u);
    smtp_pool_give_up(&second.ticket);
}

Test(pool_hired, SP47_a_version_that_is_replaced_lives_until_its_hired_ones_end)
{
    struct worker_profile *version = put_version(1, 20, LIMIT("1"));
    struct hirer hirer = { 0 };

    hire(&hirer, version);
    UNTIL(loop, hirer.turns == 1);
    (void)put_version(2, 20, LIMIT("1"));
    turn_a_while();
    cr_assert_eq(smtp_pool_open_count(pool), 1u);
    smtp_pool_give_up(&hirer.ticket);
    UNTIL(loop, is_told(0, 0, 0));
}

Test(pool_hired, who_outlives_the_pool_may_give_up_afterwards)
{
    struct worker_profile *version = put_version(1, 20, LIMIT("1"));
    struct hirer hired = { 0 }, waiting = { 0 };

    hire(&hired, version);
    UNTIL(loop, hired.turns == 1);
    hire(&waiting, version);
    directory_free(&directory); /* which tells the pool */
    smtp_pool_free(&pool);
    smtp_pool_give_up(&hired.ticket);
    smtp_pool_give_up(&waiting.ticket);
    cr_assert_eq(hired.failed + waiting.failed, 0u);
}
