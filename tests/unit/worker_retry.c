/* When a deferred group is tried again: a table of the edges, then the spread. */
#include "profile_helper.h"

#include "worker/retry.h"

#define RECEIVED_MS 1800000000000
#define ID          ((uint64_t)0x1234567 << 22)

/* The wait's middle, with at most 5 % either way. */
#define LEAST(ms) ((ms) - (ms) / 20 - 1)
#define MOST(ms)  ((ms) + (ms) / 20)

static const struct profile_retry usual = {
    .first_s = 60, .factor = 2, .max_s = 3600, .lifetime_s = 432000
};
static const struct profile_retry steady = {
    .first_s = 60, .factor = 1, .max_s = 3600, .lifetime_s = 432000
};
static const struct profile_retry gentle = {
    .first_s = 100, .factor = 1.5, .max_s = 86400, .lifetime_s = 432000
};
static const struct profile_retry steep = {
    .first_s = 1, .factor = 10, .max_s = 86400, .lifetime_s = 2592000
};
static const struct profile_retry capped_at_once = {
    .first_s = 600, .factor = 10, .max_s = 600, .lifetime_s = 432000
};

Test(retry, MQ05_waits_grow_by_the_factor_from_first_to_max)
{
    static const struct {
        const struct profile_retry *retry;
        unsigned attempts;
        int64_t wait_ms;
    } rows[] = {
        { &usual, 1, 60000 },           { &usual, 2, 120000 },
        { &usual, 3, 240000 },          { &usual, 6, 1920000 },
        { &usual, 7, 3600000 },         { &usual, 8, 3600000 },
        { &usual, 65535, 3600000 },     { &usual, 0, 60000 },
        { &steady, 1, 60000 },          { &steady, 2, 60000 },
        { &steady, 65535, 60000 },      { &gentle, 1, 100000 },
        { &gentle, 2, 150000 },         { &gentle, 3, 225000 },
        { &gentle, 4, 337500 },         { &steep, 1, 1000 },
        { &steep, 5, 10000000 },        { &steep, 6, 86400000 },
        { &capped_at_once, 1, 600000 }, { &capped_at_once, 9, 600000 },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        for (uint64_t id = ID; id < ID + 50; id++) {
            int64_t next_ms = 0, now_ms = RECEIVED_MS + 1000;

            cr_assert(
                retry_next(rows[i].retry, id, rows[i].attempts, RECEIVED_MS, now_ms, &next_ms));
            cr_assert_geq(next_ms - now_ms, LEAST(rows[i].wait_ms), "row %zu: %ld ms", i,
                          (long)(next_ms - now_ms));
            cr_assert_leq(next_ms - now_ms, MOST(rows[i].wait_ms), "row %zu: %ld ms", i,
                          (long)(next_ms - now_ms));
        }
    }
}

Test(retry, MQ05_the_last_one_comes_when_the_lifetime_ends_and_not_later)
{
    const int64_t end_ms = RECEIVED_MS + (int64_t)usual.lifetime_s * 1000;
    static const struct {
        int64_t before_end_ms;
        bool is_last; /* comes at the end itself */
    } rows[] = { { 1, true },        { 1000, true }, { 3000000, true },
                 { 3419998, true },  /* even the shortest wait leads past the end */
                 { 3780001, false }, /* even the longest does not */
                 { 86400000, false } };
    int64_t next_ms;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        for (uint64_t id = ID; id < ID + 50; id++) {
            int64_t now_ms = end_ms - rows[i].before_end_ms;

            cr_assert(retry_next(&usual, id, 20, RECEIVED_MS, now_ms, &next_ms));
            cr_assert_leq(next_ms, end_ms);
            cr_assert_gt(next_ms, now_ms);
            cr_assert_eq(next_ms == end_ms, rows[i].is_last, "row %zu: %ld ms before the end", i,
                         (long)(end_ms - next_ms));
        }
    }
    cr_assert_not(retry_next(&usual, ID, 20, RECEIVED_MS, end_ms, &next_ms));
    cr_assert_not(retry_next(&usual, ID, 20, RECEIVED_MS, end_ms + 1, &next_ms));
    cr_assert_not(retry_next(&usual, ID, 1, RECEIVED_MS, end_ms + 86400000, &next_ms),
                  "also if it was never tried before");
}

Test(retry, MQ05_the_first_wait_may_be_longer_than_the_lifetime)
{
    const struct profile_retry slow = {
        .first_s = 86400, .factor = 2, .max_s = 86400, .lifetime_s = 60
    };
    int64_t next_ms;

    cr_assert(retry_next(&slow, ID, 1, RECEIVED_MS, RECEIVED_MS, &next_ms));
    cr_assert_eq(next_ms, RECEIVED_MS + 60000);
}

Test(retry, MQ05_the_longest_lifetime_overflows_nothing)
{
    const struct profile_retry longest = {
        .first_s = 86400, .factor = 10, .max_s = 86400, .lifetime_s = 2592000
    };
    int64_t next_ms, now_ms = RECEIVED_MS + 2592000000 - 1;

    cr_assert(retry_next(&longest, ID, 30, RECEIVED_MS, now_ms, &next_ms));
    cr_assert_eq(next_ms, RECEIVED_MS + 2592000000);
}

/* A clock that was set back: the wait counts from now, the end from when it was received. */
Test(retry, MQ05_received_in_the_future_waits_as_usual)
{
    int64_t next_ms, now_ms = RECEIVED_MS - 7200000;

    cr_assert(retry_next(&usual, ID, 1, RECEIVED_MS, now_ms, &next_ms));
    cr_assert_geq(next_ms - now_ms, LEAST(60000));
    cr_assert_leq(next_ms - now_ms, MOST(60000));
}

Test(retry, the_same_message_gets_the_same_wait)
{
    for (unsigned attempts = 1; attempts < 20; attempts++) {
        int64_t first_ms, again_ms, later_ms;

        cr_assert(retry_next(&usual, ID, attempts, RECEIVED_MS, RECEIVED_MS, &first_ms));
        cr_assert(retry_next(&usual, ID, attempts, RECEIVED_MS, RECEIVED_MS, &again_ms));
        cr_assert(retry_next(&usual, ID, attempts, RECEIVED_MS, RECEIVED_MS + 5000, &later_ms));
        cr_assert_eq(first_ms, again_ms);
        cr_assert_eq(later_ms, first_ms + 5000, "and it does not depend on the time");
    }
}

/* How many of `count` messages, whose ids are `step` apart, fall into each tenth of the window. */
static void count_tenths(uint64_t step, unsigned count, unsigned tenths[10])
{
    for (unsigned i = 0; i < count; i++) {
        int64_t next_ms, from_least_ms;

        cr_assert(retry_next(&steady, ID + i * step, 1, RECEIVED_MS, RECEIVED_MS, &next_ms));
        from_least_ms = next_ms - RECEIVED_MS - 57000;
        cr_assert(from_least_ms >= 0 && from_least_ms <= 6000, "%ld", (long)from_least_ms);
        tenths[from_least_ms < 6000 ? from_least_ms / 600 : 9]++;
    }
}

Test(retry, what_was_deferred_together_does_not_come_back_together)
{
    /* One after the other from one slot; at one moment from all slots; a second apart. */
    static const uint64_t steps[] = { 1, (uint64_t)1 << 14, (uint64_t)1000 << 22 };

    for (size_t s = 0; s < ARRAY_LEN(steps); s++) {
        unsigned tenths[10] = { 0 };

        count_tenths(steps[s], 10000, tenths);
        for (unsigned i = 0; i < 10; i++)
            cr_expect(tenths[i] > 700 && tenths[i] < 1300, "step %zu: %u in tenth %u", s, tenths[i],
                      i);
    }
}

Test(retry, a_message_is_early_at_one_attempt_and_late_at_another)
{
    unsigned early = 0;

    for (unsigned attempts = 1; attempts <= 100; attempts++) {
        int64_t next_ms;

        cr_assert(retry_next(&steady, ID, attempts, RECEIVED_MS, RECEIVED_MS, &next_ms));
        early += next_ms - RECEIVED_MS < 60000;
    }
    cr_assert(early > 25 && early < 75, "%u of 100", early);
}

/* For mail whose profile is not known here: the same as a profile that says nothing of it. */
Test(retry, SP11_the_default_is_that_of_a_profile)
{
    struct profile *profile = accept_profile(input_of("smtp", ""), NULL, NULL);

    cr_assert_eq(retry_default.first_s, profile->retry.first_s);
    cr_assert_eq(retry_default.factor, profile->retry.factor);
    cr_assert_eq(retry_default.max_s, profile->retry.max_s);
    cr_assert_eq(retry_default.lifetime_s, profile->retry.lifetime_s);
    cr_assert_eq(retry_default.warn_s, profile->retry.warn_s);
    profile_free(&profile);
}
