/* Guests: connections that others open than deliveries, which count as much (SP49, SP51). */
#include "pool_world.h"

#include "worker/smtp/pool_guest.h"

static struct worker_profile *version;

static void setup(void)
{
    world_setup();
    version = put_version(1, 20, POOLED ", 'max_connections': 1");
}

TestSuite(pool_guests, .init = setup, .fini = world_teardown, .timeout = 60);

struct visit {
    struct smtp_guest *guest;
    unsigned turns;
    bool leaves_at_once;
};

static void on_turn(void *owner)
{
    struct visit *visit = owner;

    visit->turns++;
    if (visit->leaves_at_once)
        smtp_guest_leave(&visit->guest);
}

static void come(struct visit *visit)
{
    visit->guest = smtp_guest_new(pool, PROFILE, identity_of(version, 0), on_turn, visit);
    cr_assert_not_null(visit->guest);
    cr_assert_eq(visit->turns, 0u, "not from inside the call");
}

static void leave(struct visit *visit)
{
    smtp_guest_leave(&visit->guest);
    cr_assert_null(visit->guest);
}

static void reclaim(unsigned count)
{
    const struct ipc_reclaim order = { .server = identity_of(version, 0),
                                       .profile = PROFILE,
                                       .count = count };

    channel_send(master, IPC_RECLAIM, &order);
}

Test(pool_guests, SP49_a_guest_s_lease_counts_until_it_has_left)
{
    struct visit visit = { 0 };
    struct wish wish = { 0 };

    come(&visit);
    UNTIL(loop, visit.turns == 1);
    UNTIL(loop, is_told(0, 0, 1));
    cr_assert_eq(smtp_pool_open_count(pool), 1u);
    ask(&wish, version, 0);
    turn_a_while();
    cr_assert_eq(wish.got, 0u);
    leave(&visit);
    cr_assert_eq(smtp_pool_open_count(pool), 0u);
    UNTIL(loop, wish.got == 1);
    cr_assert_eq(lender_at(version, 0)->out, 1u, "the lease stayed for who waits here");
}

Test(pool_guests, SP49_a_guest_comes_before_the_deliveries_that_wait)
{
    struct visit visit = { .leaves_at_once = true };
    struct wish first = { 0 }, second = { 0 };

    get(&first, version, 0);
    ask(&second, version, 0);
    come(&visit);
    turn_a_while();
    reclaim(1);
    turn_a_while();
    give_back(&first);
    UNTIL(loop, second.got == 1);
    cr_assert_eq(visit.turns, 1u);
    cr_assert_eq(first.got + second.got, 2u);
    cr_assert_not(second.is_reused, "the first connection made room");
}

Test(pool_guests, SP49_who_comes_while_a_guest_waits_does_not_take_its_turn)
{
    struct visit visit = { 0 };
    struct wish wish = { 0 };

    come(&visit);
    ask(&wish, version, 0); /* with the only lease */
    turn_a_while();
    cr_assert_eq(visit.turns, 1u);
    cr_assert_eq(wish.got, 0u);
    leave(&visit);
    UNTIL(loop, wish.got == 1);
}

Test(pool_guests, SP49_an_idle_connection_is_left_alone_while_there_is_room)
{
    struct visit visit = { 0 };
    struct wish wish = { 0 };

    lender_at(version, 0)->limit = 2;
    get(&wish, version, 0);
    give_back(&wish);
    come(&visit);
    UNTIL(loop, visit.turns == 1);
    leave(&visit);
    turn_a_while();
    cr_assert_eq(peers[0]->open, 1u);
    cr_assert(is_told(0, 1, 1));
}

Test(pool_guests, SP49_one_that_is_called_back_makes_room)
{
    struct visit visit = { 0 };
    struct wish wish = { 0 };

    get(&wish, version, 0);
    give_back(&wish);
    come(&visit);
    turn_a_while();
    cr_assert_eq(visit.turns, 0u);
    reclaim(1);
    UNTIL(loop, visit.turns == 1);
    cr_assert_eq(peers[0]->open, 0u);
    leave(&visit);
    UNTIL(loop, lender_at(version, 0)->out == 0);
}

Test(pool_guests, SP49_one_that_has_gone_before_its_turn_leaves_nothing_behind)
{
    struct visit visit = { 0 };
    struct wish wish = { 0 };

    get(&wish, version, 0);
    come(&visit);
    turn_a_while();
    leave(&visit);
    give_back(&wish);
    reclaim(1);
    UNTIL(loop, lender_at(version, 0)->out == 0);
    turn_a_while();
    cr_assert_eq(visit.turns, 0u);
    cr_assert_eq(lender_at(version, 0)->wanted, 0u);
}

Test(pool_guests, SP49_refusals_are_for_deliveries)
{
    struct visit visit = { 0 };
    struct wish wish = { 0 };
    const struct ipc_lease refusal = { .server = identity_of(version, 0),
                                       .profile = PROFILE,
                                       .refused = 1 };

    lender_at(version, 0)->out = 1; /* elsewhere */
    come(&visit);
    ask(&wish, version, 0);
    turn_a_while();
    channel_send(master, IPC_LEASE, &refusal);
    UNTIL(loop, wish.failed == 1);
    cr_assert_eq(visit.turns, 0u);
    lender_at(version, 0)->out = 0;
    serve_lender(lender_at(version, 0));
    UNTIL(loop, visit.turns == 1);
    leave(&visit);
}

Test(pool_guests, SP49_where_none_is_needed_all_may_open_one)
{
    struct visit visits[3] = { 0 };
    const struct ipc_lease free_for_all = { .server = identity_of(version, 0),
                                            .profile = PROFILE,
                                            .unneeded = 3 };

    lender_at(version, 0)->out = 1;
    for (unsigned i = 0; i < 3; i++)
        come(&visits[i]);
    turn_a_while();
    channel_send(master, IPC_LEASE, &free_for_all);
    for (unsigned i = 0; i < 3; i++) {
        UNTIL(loop, visits[i].turns == 1);
        leave(&visits[i]);
    }
    turn_a_while();
    cr_assert_eq(lender_at(version, 0)->out, 1u, "nothing came back that was not given");
}

Test(pool_guests, SP49_a_guest_of_a_deleted_profile_has_its_account_until_it_leaves)
{
    struct visit visits[2] = { 0 };
    struct lender *lender = lender_at(version, 0);
    const struct ipc_lease free_for_all = { .server = lender->server,
                                            .profile = PROFILE,
                                            .unneeded = 1 };

    come(&visits[0]);
    UNTIL(loop, visits[0].turns == 1);
    come(&visits[1]);
    turn_a_while();
    lender->wanted = 0;
    channel_send(master, IPC_LEASE, &free_for_all);
    UNTIL(loop, visits[1].turns == 1);
    directory_drop_profile(directory, PROFILE);
    smtp_pool_forget_profile(pool, PROFILE);
    turn_a_while();
    leave(&visits[0]);
    UNTIL(loop, lender->out == 0);
    turn_a_while();
    leave(&visits[1]);
}

Test(pool_guests, SP49_an_account_goes_with_its_last_guest)
{
    struct visit visit = { 0 };
    struct lender *lender = lender_at(version, 0);

    come(&visit);
    UNTIL(loop, visit.turns == 1);
    directory_drop_profile(directory, PROFILE);
    smtp_pool_forget_profile(pool, PROFILE);
    turn_a_while();
    cr_assert_not(LIST_EMPTY(&pool->accounts));
    leave(&visit);
    UNTIL(loop, lender->out == 0);
    turn_a_while();
    cr_assert(LIST_EMPTY(&pool->accounts));
}

Test(pool_guests, SP49_a_lease_that_nobody_used_is_a_guest_s)
{
    struct visit visit = { 0 };

    cr_assert(lend(lender_at(version, 0)));
    smtp_pool_add_lease(pool, PROFILE, identity_of(version, 0), 0);
    come(&visit);
    UNTIL(loop, visit.turns == 1);
    cr_assert_eq(lender_at(version, 0)->wants, 0u);
    leave(&visit);
    UNTIL(loop, lender_at(version, 0)->out == 0);
}

Test(pool_guests, SP49_what_comes_for_a_guest_of_a_deleted_profile_goes_back)
{
    struct visit visit = { 0 };
    struct lender *lender = lender_at(version, 0);

    lender->out = 1; /* elsewhere */
    come(&visit);
    UNTIL(loop, lender->wanted == 1);
    leave(&visit);
    directory_drop_profile(directory, PROFILE);
    smtp_pool_forget_profile(pool, PROFILE);
    turn_a_while();
    lender->out = 0;
    serve_lender(lender);
    cr_assert_eq(lender->out, 1u);
    UNTIL(loop, lender->out == 0);
}

/* ---- with a connection ---- */

static unsigned opened;

static void count_opened(void *owner)
{
    (void)owner;
    opened++;
}

static void ignore_lost(const char *why, void *owner)
{
    (void)why;
    (void)owner;
}

/* Its turn has come. */
static void open_one(struct visit *visit)
{
    static const struct smtp_connection_ops ops = { .on_open = count_opened,
                                                    .on_lost = ignore_lost };
    struct smtp_connection *connection;
    struct reason why = { "" };
    struct smtp_dial dial = { .loop = loop,
                              .answer = answer,
                              .port = peers[0]->port,
                              .timeouts = version->profile->timeouts,
                              .ehlo_name = "gw.test" };

    smtp_guest_dial(visit->guest, &dial);
    cr_assert_eq(smtp_connection_open(&dial, &ops, NULL, &connection, &why), 0, "%s", why.text);
    smtp_guest_opened(visit->guest, connection);
    UNTIL(loop, opened == 1);
}

Test(pool_guests, SP49_the_lease_of_one_that_has_left_goes_back_when_its_connection_has_ended)
{
    struct visit visit = { 0 };

    come(&visit);
    UNTIL(loop, visit.turns == 1);
    open_one(&visit);
    leave(&visit);
    turn_a_while();
    cr_assert_eq(lender_at(version, 0)->out, 1u);
    peer_hang_up_all(peers[0]);
    UNTIL(loop, lender_at(version, 0)->out == 0);
}

Test(pool_guests, the_pool_s_end_cuts_what_those_that_have_left_had_open)
{
    struct visit visit = { 0 };

    come(&visit);
    UNTIL(loop, visit.turns == 1);
    open_one(&visit);
    leave(&visit);
    smtp_pool_free(&pool);
    UNTIL(loop, peers[0]->open == 0);
    directory_watch(directory, NULL, NULL);
}
