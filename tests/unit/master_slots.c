/* Who may keep how many idle connections: given, moved, refused, taken back (SP46). Workers answer
 * when the test says so. */
#include "fake_workers.h"

#include <errno.h>

#include "common/profile.h"
#include "master/slots.h"

static struct slots *slots;

static int set_profile(uint32_t id, bool is_pooled, unsigned size)
{
    const struct profile profile = { .id = id,
                                     .type = PROFILE_SMTP,
                                     .pool = { .enabled = is_pooled, .size = size } };

    return slots_set_profile(slots, &profile);
}

static void setup(void)
{
    set_up_workers();
    slots = slots_new(&workers);
    cr_assert_eq(set_profile(1, true, 4), 0);
}

static void teardown(void)
{
    slots_free(&slots);
    tear_down_workers();
}

TestSuite(slots, .init = setup, .fini = teardown, .timeout = 30);

static int want_of(unsigned slot, uint32_t profile, unsigned count)
{
    const struct ipc_slot_want want = { .profile = profile, .count = count };

    return slots_want(slots, workers.slots[slot], &want);
}

static void want(unsigned slot, unsigned count)
{
    cr_assert_eq(want_of(slot, 1, count), 0);
    turns();
}

static void say_idle(unsigned slot, int change)
{
    slots_idle_changed(slots, workers.slots[slot], 1, change);
}

static int given_of(unsigned slot, unsigned count, unsigned asked)
{
    const struct ipc_slot_given given = { .profile = 1, .count = count, .asked = asked };

    return slots_given(slots, workers.slots[slot], &given);
}

static void give(unsigned slot, unsigned count, unsigned asked)
{
    cr_assert_eq(given_of(slot, count, asked), 0);
    turns();
}

Test(slots, SP46_there_are_size_of_them_over_all_workers)
{
    want(0, 1);
    want(1, 3);
    say_idle(0, 1);
    say_idle(1, 3);
    cr_assert_eq(fakes[0].granted, 1u);
    cr_assert_eq(fakes[1].granted, 3u);
    want(2, 2);
    cr_assert_eq(fakes[2].refused, 2u, "all are in use");
    cr_assert_eq(fakes[0].taken + fakes[1].taken, 0u);
}

Test(slots, SP46_one_that_is_not_used_moves_when_its_holder_has_let_go)
{
    want(0, 4);
    say_idle(0, 3);
    want(1, 1);
    cr_assert_eq(fakes[0].taken, 1u);
    cr_assert_eq(fakes[1].granted + fakes[1].refused, 0u);
    give(0, 1, 1);
    cr_assert_eq(fakes[1].granted, 1u);
    cr_assert_eq(slots_of(slots, 1, 0), 3u);
    cr_assert_eq(slots_of(slots, 1, 1), 1u);
}

Test(slots, SP46_from_whom_has_the_most_to_spare)
{
    want(0, 1);
    want(1, 3);
    say_idle(1, 1);
    want(2, 1);
    cr_assert_eq(fakes[1].taken, 1u);
    cr_assert_eq(fakes[0].taken, 0u);
}

Test(slots, SP46_if_he_needs_it_himself_after_all_another_is_asked_and_then_nobody)
{
    want(0, 2);
    want(1, 2);
    want(2, 1);
    cr_assert_eq(fakes[0].taken, 1u);
    say_idle(0, 2);
    give(0, 0, 1);
    cr_assert_eq(fakes[1].taken, 1u);
    say_idle(1, 2);
    give(1, 0, 1);
    cr_assert_eq(fakes[2].refused, 1u);
    cr_assert_eq(slots_of(slots, 1, 0) + slots_of(slots, 1, 1), 4u);
}

Test(slots, SP46_who_waits_is_served_in_turn)
{
    want(0, 4);
    want(1, 2);
    want(2, 2);
    give(0, 1, 1);
    cr_assert_eq(fakes[1].granted, 1u);
    give(0, 1, 1);
    cr_assert_eq(fakes[2].granted, 1u, "one each");
    give(0, 1, 1);
    cr_assert_eq(fakes[1].granted, 2u, "then the next");
}

Test(slots, SP46_each_that_waits_has_his_own_on_its_way)
{
    want(0, 4);
    want(1, 2);
    want(2, 3);
    cr_assert_eq(fakes[0].taken, 4u);
    cr_assert_eq(fakes[1].refused + fakes[2].refused, 1u, "the fifth");
    give(0, 3, 3);
    give(0, 1, 1);
    cr_assert_eq(fakes[1].granted + fakes[2].granted, 4u);
}

Test(slots, SP46_those_of_a_dead_worker_are_free)
{
    want(0, 4);
    say_idle(0, 4);
    slots_worker_lost(slots, 0);
    want(1, 4);
    cr_assert_eq(fakes[1].granted, 4u);
    slots_worker_lost(slots, 1);
    want(0, 4);
    want(1, 1);
    cr_assert_eq(fakes[0].taken, 1u, "who came in its place has no idle connections");
}

Test(slots, SP46_what_a_dead_worker_was_asked_for_comes_no_more)
{
    want(0, 4);
    want(1, 1);
    slots_worker_lost(slots, 0);
    say_idle(1, 1);
    want(2, 3);
    say_idle(2, 3);
    want(2, 1);
    cr_assert_eq(fakes[2].granted, 3u);
    cr_assert_eq(fakes[2].refused, 1u);
}

Test(slots, SP46_none_is_asked_for_a_dead_worker)
{
    want(0, 4);
    want(1, 2);
    slots_worker_lost(slots, 1);
    give(0, 2, 2);
    want(2, 1);
    cr_assert_eq(fakes[2].granted, 1u);
    cr_assert_eq(fakes[0].taken, 2u);
}

/* It was drained: it keeps what it has until its process has ended, and cannot be spoken to. */
Test(slots, OP02_a_worker_whose_channel_has_ended_is_neither_asked_nor_served)
{
    want(0, 4);
    end_channel(0);
    want(1, 1);
    cr_assert_eq(fakes[1].refused, 1u);
    cr_assert_eq(set_profile(1, true, 2), 0);
    slots_worker_lost(slots, 0);
    want(1, 2);
    cr_assert_eq(fakes[1].granted, 2u);
    want(2, 1);
    cr_assert_eq(fakes[1].taken, 1u);
    end_channel(2);
    give(1, 1, 1);
    cr_assert_eq(slots_of(slots, 1, 2), 0u);
}

Test(slots, SP46_who_waits_for_a_dead_worker_is_served_or_refused)
{
    want(0, 3);
    want(1, 1);
    say_idle(1, 1);
    want(2, 2);
    cr_assert_eq(fakes[0].taken, 2u);
    slots_worker_lost(slots, 0);
    turns();
    cr_assert_eq(fakes[2].granted, 2u);
    slots_worker_lost(slots, 2);
    want(0, 3);
    cr_assert_eq(fakes[0].granted, 3u + 3u);
}

Test(slots, SP46_a_smaller_size_takes_also_what_is_in_use)
{
    want(0, 3);
    want(1, 1);
    say_idle(0, 3);
    say_idle(1, 1);
    cr_assert_eq(set_profile(1, true, 1), 0);
    turns();
    cr_assert_eq(fakes[0].forced + fakes[1].forced, 3u);
    cr_assert_eq(set_profile(1, true, 1), 0);
    turns();
    cr_assert_eq(fakes[0].forced + fakes[1].forced, 3u, "once");
}

Test(slots, SP46_nobody_is_asked_for_more_than_he_has)
{
    want(0, 2);
    want(1, 2);
    say_idle(1, 2);
    want(2, 1);
    cr_assert_eq(fakes[0].taken, 1u);
    cr_assert_eq(set_profile(1, true, 1), 0);
    turns();
    cr_assert_eq(fakes[0].forced, 1u, "it was asked for the other one already");
    cr_assert_eq(fakes[1].forced, 1u);
}

Test(slots, SP46_what_was_not_given_is_taken_if_it_must)
{
    want(0, 4);
    want(1, 1);
    cr_assert_eq(fakes[0].taken, 1u);
    cr_assert_eq(set_profile(1, true, 3), 0);
    turns();
    cr_assert_eq(fakes[0].forced, 0u, "one is on its way, and now another");
    cr_assert_eq(fakes[0].taken, 2u);
    say_idle(0, 4);
    give(0, 0, 2);
    cr_assert_eq(fakes[0].forced, 1u);
    cr_assert_eq(fakes[1].refused, 1u);
}

Test(slots, SP45_with_pooling_off_there_is_none)
{
    cr_assert_eq(set_profile(1, false, 4), 0);
    want(0, 1);
    cr_assert_eq(fakes[0].refused, 1u);
}

Test(slots, SP46_each_profile_has_its_own)
{
    cr_assert_eq(set_profile(2, true, 1), 0);
    want(0, 4);
    say_idle(0, 4);
    cr_assert_eq(want_of(0, 2, 1), 0);
    turns();
    cr_assert_eq(fakes[0].granted, 5u);
}

Test(slots, SP46_a_deleted_profile_has_none)
{
    want(0, 1);
    slots_drop_profile(slots, 1);
    want(0, 1);
    cr_assert_eq(fakes[0].refused, 1u);
    cr_assert_eq(given_of(0, 1, 1), 0, "said before it knew");
    cr_assert_eq(slots_of(slots, 1, 0), 0u);
}

Test(slots, nobody_gives_what_he_does_not_have)
{
    cr_assert_eq(given_of(0, 1, 1), -EBADMSG);
    want(0, 2);
    cr_assert_eq(given_of(0, 1, 1), -EBADMSG, "nobody asked");
    want(0, 2);
    want(1, 1);
    cr_assert_eq(given_of(0, 2, 1), -EBADMSG, "more than was asked for");
    cr_assert_eq(given_of(0, 1, 1), 0);
    cr_assert_eq(given_of(0, 1, 1), -EBADMSG, "once");
}

Test(slots, nobody_wants_none_or_more_than_he_has_deliveries)
{
    cr_assert_eq(want_of(0, 1, 0), -EBADMSG);
    cr_assert_eq(want_of(0, 1, IPC_JOBS_PER_WORKER + 1), -EBADMSG);
    cr_assert_eq(want_of(0, 9, IPC_JOBS_PER_WORKER + 1), -EBADMSG, "nor of an unknown profile's");
    want(0, 4);
    want(1, 4);
    cr_assert_eq(want_of(1, 1, IPC_JOBS_PER_WORKER - 3), -EBADMSG, "nor in all");
    cr_assert_eq(want_of(1, 1, UINT32_MAX), -EBADMSG);
}
