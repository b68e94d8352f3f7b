/* Slots as the pool sees them: asked for, refused, taken away (SP46). */
#include "pool_world.h"

#include "common/clock.h"

static struct worker_profile *version;

static void setup(void)
{
    world_setup();
    version = put_version(1, 2, POOLED);
}

TestSuite(pool_slots, .init = setup, .fini = world_teardown, .timeout = 60);

static struct keeper *keeper(void)
{
    return keeper_of(PROFILE);
}

/* Opens so many at once and gives them back in this order. */
static void use(struct wish *wishes, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        get(&wishes[i], version, 0);
    for (unsigned i = 0; i < count; i++)
        give_back(&wishes[i]);
}

Test(pool_slots, SP46_one_is_asked_for_when_it_is_needed_and_kept)
{
    struct wish wish = { 0 };

    cr_assert_eq(keeper()->out, 0u);
    use(&wish, 1);
    UNTIL(loop, keeper()->out == 1);
    for (unsigned i = 0; i < 3; i++) {
        cr_assert(take(&wish, version, 0));
        give_back(&wish);
        turn_a_while();
    }
    cr_assert_eq(keeper()->out, 1u, "one connection needs one slot");
    cr_assert_eq(peers[0]->connections, 1u);
}

Test(pool_slots, SP43_the_one_that_came_last_is_closed_when_there_is_none)
{
    struct wish wishes[3] = { 0 }, taken = { 0 };
    struct smtp_connection *last;

    for (unsigned i = 0; i < 3; i++)
        get(&wishes[i], version, 0);
    last = wishes[2].connection;
    for (unsigned i = 0; i < 3; i++)
        give_back(&wishes[i]);
    UNTIL(loop, peers[0]->open == 2);
    cr_assert_eq(keeper()->refused, 1u);
    for (unsigned i = 0; i < 2; i++) {
        cr_assert(take(&taken, version, 0));
        cr_assert_neq(taken.connection, last);
        smtp_connection_free(&taken.connection);
    }
    cr_assert_not(take(&taken, version, 0));
}

Test(pool_slots, SP46_it_may_be_used_while_the_master_is_asked)
{
    struct wish wishes[3] = { 0 }, taken = { 0 };
    struct smtp_connection *last;

    for (unsigned i = 0; i < 3; i++)
        get(&wishes[i], version, 0);
    last = wishes[2].connection;
    for (unsigned i = 0; i < 3; i++)
        give_back(&wishes[i]);
    cr_assert(take(&taken, version, 0));
    cr_assert_eq(taken.connection, last);
    UNTIL(loop, keeper()->out == 2);
    turn_a_while();
    cr_assert_eq(taken.lost, 0u);
    cr_assert_eq(peers[0]->open, 3u, "the two others have slots, and this one needs none");
    cr_assert(take(&wishes[0], version, 0));
    for (unsigned i = 0; i < 3; i++) { /* it is like any other when it comes back */
        give_back(&taken);
        cr_assert(take(&taken, version, 0));
        cr_assert_eq(taken.connection, last);
    }
    turn_a_while();
    cr_assert_eq(keeper()->wants, 2u);
}

Test(pool_slots, SP46_it_has_the_slot_of_another_that_is_taken)
{
    struct wish first = { 0 }, second = { 0 };

    keeper()->limit = 1;
    use(&first, 1);
    UNTIL(loop, keeper()->out == 1);
    get(&second, version, 1);
    give_back(&second);
    cr_assert(take(&first, version, 0));
    turn_a_while();
    cr_assert_eq(keeper()->wants, 1u);
    cr_assert_eq(peers[1]->open, 1u);
}

Test(pool_slots, SP46_answers_are_for_the_profile_s_own)
{
    struct worker_profile *other = put_profile(8, 1, 0, POOLED);
    struct wish mine = { 0 }, wish_of_other = { 0 };

    get(&wish_of_other, other, 1);
    get(&mine, version, 0);
    give_back(&wish_of_other); /* the earlier one */
    give_back(&mine);
    UNTIL(loop, keeper()->out == 1 && keeper_of(8)->refused == 1);
    UNTIL(loop, peers[1]->open == 0);
    cr_assert_eq(peers[0]->open, 1u);
}

Test(pool_slots, SP46_what_is_taken_is_the_profile_s_own)
{
    struct worker_profile *other = put_profile(8, 1, 1, POOLED);
    struct wish mine = { 0 }, wish_of_other = { 0 };

    get(&wish_of_other, other, 1);
    give_back(&wish_of_other); /* the oldest */
    get(&mine, version, 0);
    give_back(&mine);
    UNTIL(loop, keeper()->out == 1 && keeper_of(8)->out == 1);
    turn_a_while();
    take_slots(PROFILE, 1, true);
    UNTIL(loop, peers[0]->open == 0);
    cr_assert_eq(peers[1]->open, 1u);
}

/* A master that says nothing must not make it two. */
Test(pool_slots, SP46_without_an_answer_it_does_not_stay)
{
    struct wish wish = { 0 };

    is_silent = true;
    pool->tolerated_ms = SMTP_POOL_TOLERATED_MS;
    get(&wish, version, 0);
    give_back(&wish);
    UNTIL(loop, peers[0]->open == 0 && told.last[0].counts.full == 1);
    cr_assert_str_eq(peers[0]->log, "EHLO gw.test|QUIT|");
}

Test(pool_slots, SP46_what_was_asked_for_is_not_asked_for_again)
{
    struct wish wishes[2] = { 0 };

    is_silent = true;
    for (unsigned i = 0; i < 2; i++)
        get(&wishes[i], version, 0);
    for (unsigned i = 0; i < 2; i++) {
        give_back(&wishes[i]);
        turn_a_while();
    }
    cr_assert_leq(keeper()->wants, 2u);
}

Test(pool_slots, SP46_one_that_is_not_used_goes_where_it_is_wanted)
{
    struct wish wishes[2] = { 0 };

    use(wishes, 2);
    UNTIL(loop, keeper()->out == 2);
    cr_assert(take(&wishes[0], version, 0));
    take_slots(PROFILE, 1, false);
    UNTIL(loop, keeper()->out == 1);
    turn_a_while();
    cr_assert_eq(peers[0]->open, 2u, "no connection was closed for it");
    keeper()->limit = 1;
    give_back(&wishes[0]);
    UNTIL(loop, peers[0]->open == 1);
    cr_assert_eq(keeper()->refused, 1u);
}

Test(pool_slots, SP46_one_that_is_used_stays)
{
    struct wish wishes[2] = { 0 };

    use(wishes, 2);
    UNTIL(loop, keeper()->out == 2);
    take_slots(PROFILE, 2, false);
    turn_a_while();
    cr_assert_eq(keeper()->out, 2u);
    cr_assert_eq(peers[0]->open, 2u);
    take_slots(PROFILE, 1, true);
    UNTIL(loop, keeper()->out == 1 && peers[0]->open == 1);
}

Test(pool_slots, SP46_more_than_there_are_cannot_be_taken)
{
    struct wish wish = { 0 };

    use(&wish, 1);
    UNTIL(loop, keeper()->out == 1);
    take_slots(PROFILE, 7, true);
    UNTIL(loop, keeper()->out == 0 && peers[0]->open == 0);
    use(&wish, 1);
    UNTIL(loop, keeper()->out == 1);
    turn_a_while();
    cr_assert_eq(peers[0]->open, 1u, "that is over");
}

Test(pool_slots, SP46_what_is_asked_for_in_vain_is_answered)
{
    take_slots(PROFILE, 1, false);
    UNTIL(loop, keeper()->answered == 1);
    cr_assert_eq(keeper()->out, 0u);
}

Test(pool_slots, SP46_SP47_a_new_version_has_the_slots_of_the_old_one)
{
    struct wish wishes[2] = { 0 };

    use(wishes, 2);
    UNTIL(loop, keeper()->out == 2);
    version = put_version(2, 2, POOLED);
    use(wishes, 2);
    turn_a_while();
    cr_assert_eq(keeper()->refused, 0u);
    cr_assert_eq(keeper()->out, 2u);
    UNTIL(loop, peers[0]->open == 2);
}

Test(pool_slots, SP46_SP47_also_when_nothing_was_left_of_the_old_one)
{
    struct wish wishes[2] = { 0 };

    use(wishes, 2);
    UNTIL(loop, keeper()->out == 2);
    version = put_version(2, 2, POOLED);
    UNTIL(loop, peers[0]->open == 0);
    turn_a_while();
    use(wishes, 2);
    turn_a_while();
    cr_assert_eq(keeper()->wants, 2u);
}

Test(pool_slots, SP46_SP47_what_the_old_one_asked_for_is_the_new_one_s)
{
    struct wish wish = { 0 };

    is_silent = true;
    use(&wish, 1);
    UNTIL(loop, keeper()->wants == 1);
    version = put_version(2, 2, POOLED);
    UNTIL(loop, peers[0]->open == 0);
    turn_a_while();
    use(&wish, 1);
    turn_a_while();
    cr_assert_eq(keeper()->wants, 1u);
}

Test(pool_slots, SP44_one_that_was_tolerated_has_its_whole_time_once_it_has_a_slot)
{
    struct wish wish = { 0 };
    int64_t begun_ms;

    version = put_version(2, 2, "'pool': {'enabled': true, 'expiry': 1}");
    get(&wish, version, 0);
    begun_ms = clock_mono_ms();
    give_back(&wish);
    UNTIL(loop, peers[0]->open == 0);
    cr_assert_geq(clock_mono_ms() - begun_ms, 980);
}

Test(pool_slots, SP46_a_deleted_profile_has_none)
{
    struct wish wish = { 0 };

    use(&wish, 1);
    UNTIL(loop, keeper()->out == 1);
    turn_a_while();
    directory_drop_profile(directory, PROFILE);
    smtp_pool_forget_profile(pool, PROFILE);
    UNTIL(loop, peers[0]->open == 0);
    keeper()->out = 0;
    version = put_version(9, 0, POOLED);
    use(&wish, 1);
    UNTIL(loop, keeper()->refused == 1 && peers[0]->open == 0);
}
