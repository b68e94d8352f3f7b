/* tests/crash/dice.h: seeded chance. The same seed, the same throws. */
#ifndef TESTS_CRASH_DICE_H
#define TESTS_CRASH_DICE_H

#include <stdbool.h>
#include <stdint.h>

struct dice {
    uint64_t state;
};

/* splitmix64's step: every seed is a good one, also 0. */
static inline uint64_t dice_throw(struct dice *dice)
{
    uint64_t z = dice->state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static inline uint32_t dice_below(struct dice *dice, uint64_t end) /* 0 if `end` is */
{
    return end > 0 ? (uint32_t)(dice_throw(dice) % end) : 0;
}

static inline bool dice_one_in(struct dice *dice, uint32_t count)
{
    return dice_below(dice, count) == 0;
}

#endif
