/* How long a server lets connections live: what three ends in a row say, and what they do not. */
#include <criterion/criterion.h>

#include "master/life.h"

static struct life life;

static void setup(void)
{
    life = (struct life){ 0 };
}

TestSuite(life, .init = setup);

/* One connection after the other, a second between them. */
static bool end_in_turn(uint32_t idle_ms, uint32_t age_ms, uint32_t messages)
{
    static int64_t now_ms = 1000000;
    const struct life_span end = { idle_ms, age_ms, messages };

    now_ms += age_ms + 1000;
    return life_ended(&life, &end, now_ms);
}

static const struct {
    const char *what;
    struct life_span ends[3], learnt;
} cases[] = {
    { "idle",
      { { 118000, 500000, 9 }, { 118100, 130000, 2 }, { 119000, 300000, 4 } },
      { 118000, 0, 0 } },
    { "age", { { 10, 2000, 31 }, { 900, 2010, 5 }, { 300, 2100, 17 } }, { 0, 2000, 0 } },
    { "messages", { { 1, 400, 7 }, { 0, 9000, 7 }, { 3, 700, 7 } }, { 0, 0, 7 } },
    { "messages, but not as many", { { 1, 400, 7 }, { 0, 9000, 8 }, { 3, 700, 7 } }, { 0, 0, 0 } },
    { "short times, nearly alike",
      { { 500, 900, 2 }, { 595, 5000, 9 }, { 520, 20000, 4 } },
      { 500, 0, 0 } },
    { "nothing in common", { { 10, 2000, 31 }, { 900, 5010, 5 }, { 300, 9100, 17 } }, { 0, 0, 0 } },
    { "one message each is the traffic's",
      { { 1, 40, 1 }, { 0, 90, 1 }, { 3, 70, 1 } },
      { 0, 0, 0 } },
    { "as many messages, but not because of them",
      { { 700, 9000, 3 }, { 1700, 2000, 3 }, { 3900, 20000, 3 } },
      { 0, 0, 0 } },
    { "idle before age",
      { { 1000, 2000, 1 }, { 1000, 2000, 1 }, { 1000, 2000, 1 } },
      { 1000, 0, 0 } },
    { "too short to say anything",
      { { 400, 450, 2 }, { 400, 450, 3 }, { 400, 450, 2 } },
      { 0, 0, 0 } },
};

Test(life, three_that_agree)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct life_span *learnt = &cases[i].learnt;
        bool is_learnt = false;

        setup();
        for (unsigned k = 0; k < 3; k++) {
            cr_expect_not(is_learnt, "%s: only with the third", cases[i].what);
            is_learnt = end_in_turn(cases[i].ends[k].idle_ms, cases[i].ends[k].age_ms,
                                    cases[i].ends[k].messages);
        }
        cr_expect_eq(is_learnt, learnt->idle_ms + learnt->age_ms + learnt->messages > 0, "%s",
                     cases[i].what);
        cr_expect_eq(life.learnt.idle_ms, learnt->idle_ms, "%s", cases[i].what);
        cr_expect_eq(life.learnt.age_ms, learnt->age_ms, "%s", cases[i].what);
        cr_expect_eq(life.learnt.messages, learnt->messages, "%s", cases[i].what);
    }
}

Test(life, a_restart_that_ends_many_is_one_event)
{
    const struct life_span end = { 60000, 90000, 2 };

    for (unsigned i = 0; i < 10; i++)
        cr_assert_not(life_ended(&life, &end, 1000000 + i));
    cr_assert_eq(life.ends[1].age_ms, 0u);
}

Test(life, the_next_was_opened_after_the_first_of_such_an_event)
{
    const struct life_span first = { 60000, 90000, 2 }, next = { 500, 1000, 2 };

    cr_assert_not(life_ended(&life, &first, 1000000));
    cr_assert_not(life_ended(&life, &first, 1000005));
    cr_assert_not(life_ended(&life, &next, 1001002));
    cr_assert_eq(life.ends[0].age_ms, 1000u);
    cr_assert_eq(life.ends[1].age_ms, 90000u);
    cr_assert_eq(life.ends[2].age_ms, 0u);
}

Test(life, what_was_seen_last_counts)
{
    int64_t first_ms;

    for (unsigned i = 0; i < 3; i++)
        (void)end_in_turn(118000, 600000 * (i + 1), i);
    first_ms = life.learnt_ms;
    for (unsigned i = 0; i < 3; i++)
        (void)end_in_turn(60000, 600000 * (i + 1), i);
    cr_assert_eq(life.learnt.idle_ms, 60000u);
    cr_assert_gt(life.learnt_ms, first_ms, "from then on it rises");
}

Test(life, what_is_used_stays_below_and_rises_slowly)
{
    for (unsigned i = 0; i < 3; i++)
        (void)end_in_turn(118000, 600000 * (i + 1), i);
    for (unsigned i = 0; i < 3; i++)
        (void)end_in_turn(0, 1000 * (i + 1), 40);
    for (unsigned i = 0; i < 3; i++)
        (void)end_in_turn(300 * i, 30000, i);
    cr_assert_eq(life_using(&life, life.learnt_ms, 60000).idle_ms, 100300u);
    cr_assert_eq(life_using(&life, life.learnt_ms, 60000).messages, 40u);
    cr_assert_eq(life_using(&life, life.learnt_ms, 60000).age_ms, 25500u);
    cr_assert_eq(life_using(&life, life.learnt_ms + 60000, 60000).idle_ms, 105315u);
    cr_assert_eq(life_using(&life, life.learnt_ms + 600000, 60000).messages, 50u);
    cr_assert_eq(life_using(&life, life.learnt_ms + (INT64_C(1) << 50), 60000).idle_ms, UINT32_MAX);
    cr_assert_geq(life_using(&life, life.learnt_ms + (INT64_C(60000) << 32), 60000).messages,
                  1000000u);
}

Test(life, nothing_known_limits_nothing)
{
    struct life_span now = life_using(&life, 123456789, 60000);

    cr_assert_eq(now.idle_ms + now.age_ms + now.messages, 0u);
}
