/* Hashes of passwords, made by a thread of their own. */
#include <criterion/criterion.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/loop.h"
#include "master/hasher.h"

static struct loop *loop;
static struct hasher *hasher;

static void start(void)
{
    loop = loop_new();
    hasher = hasher_new(loop);
    cr_assert_not_null(hasher);
}

static void stop(void)
{
    hasher_free(&hasher);
    loop_free(loop);
}

TestSuite(hasher, .init = start, .fini = stop, .timeout = 60);

struct told {
    unsigned times;
    int err;
    bool matches;
    char hash[HASHER_TEXT_SIZE];
};

static void on_told(const struct hasher_answer *answer, void *arg)
{
    struct told *told = arg;

    told->times++;
    told->err = answer->err;
    told->matches = answer->matches;
    (void)snprintf(told->hash, sizeof(told->hash), "%s", answer->hash);
}

static void wait_for(const struct told *told)
{
    int64_t until = clock_mono_ms() + 20000;

    cr_assert_eq(told->times, 0, "never from inside the call");
    while (told->times == 0) {
        cr_assert_lt(clock_mono_ms(), until, "no answer");
        loop_turn(loop, 50);
    }
    cr_assert_eq(told->times, 1);
}

static struct told made(const char *password)
{
    struct told told = { 0 };

    cr_assert_eq(hasher_make(hasher, password, on_told, &told), 0);
    wait_for(&told);
    cr_assert_eq(told.err, 0);
    return told;
}

static struct told checked(const char *password, const char *hash)
{
    struct told told = { 0 };

    cr_assert_eq(hasher_check(hasher, password, hash, on_told, &told), 0);
    wait_for(&told);
    return told;
}

Test(hasher, OP04_a_password_matches_its_own_hash_only)
{
    struct told first = made("correct horse"), second = made("correct horse");

    cr_assert_eq(strncmp(first.hash, "$y$jBT$", 7), 0, "yescrypt at the reviewed cost: %s",
                 first.hash);
    cr_assert_str_neq(first.hash, second.hash, "each has a salt of its own");
    cr_assert(checked("correct horse", first.hash).matches);
    cr_assert(checked("correct horse", second.hash).matches);
    cr_assert_str_eq(checked("correct horse", first.hash).hash, first.hash);
    cr_assert_not(checked("correct horsf", first.hash).matches);
    cr_assert_not(checked("", first.hash).matches);
    cr_assert_null(strstr(first.hash, "horse"));
}

/* What is asked of the helper is the same, so what it does takes the same time. */
Test(hasher, OP04_a_name_that_there_is_not_is_checked_like_any_other)
{
    struct told real = made("correct horse"), none;
    int64_t began_us = clock_mono_us(), real_us, none_us;

    (void)checked("correct horsf", real.hash);
    real_us = clock_mono_us() - began_us;
    began_us = clock_mono_us();
    none = checked("correct horse", NULL);
    none_us = clock_mono_us() - began_us;
    cr_assert_eq(none.err, 0);
    cr_assert_not(none.matches);
    cr_assert_eq(strncmp(none.hash, real.hash, 7), 0, "same method, same cost: %s", none.hash);
    cr_assert_gt(none_us * 4, real_us, "%lld us beside %lld us", (long long)none_us,
                 (long long)real_us);
}

Test(hasher, a_hash_that_is_none_matches_nothing)
{
    struct told told = checked("x", "*0");

    cr_assert_lt(told.err, 0);
    cr_assert_not(told.matches);
}

Test(hasher, OP04_no_more_than_so_many_wait)
{
    struct told told[HASHER_MAX_WAITING] = { { 0 } }, more = { 0 };

    for (unsigned i = 0; i < HASHER_MAX_WAITING; i++)
        cr_assert_eq(hasher_check(hasher, "x", NULL, on_told, &told[i]), 0);
    cr_assert_eq(hasher_check(hasher, "x", NULL, on_told, &more), -EBUSY);
    cr_assert_eq(hasher_make(hasher, "x", on_told, &more), -EBUSY);
    wait_for(&told[0]);
    cr_assert_eq(hasher_check(hasher, "x", NULL, on_told, &more), 0, "one has left");
    wait_for(&more);
    for (unsigned i = 0; i < HASHER_MAX_WAITING; i++)
        cr_assert_eq(told[i].times, 1);
}

static void ask_again(const struct hasher_answer *answer, void *arg)
{
    struct told *told = arg;

    on_told(answer, arg);
    cr_assert_eq(hasher_make(hasher, "x", on_told, told), -ECANCELED);
}

Test(hasher, the_end_answers_what_waits_and_takes_no_more)
{
    struct told told[4] = { { 0 } }, late = { 0 };
    unsigned canceled = 0;

    for (unsigned i = 0; i < 4; i++)
        cr_assert_eq(hasher_check(hasher, "x", NULL, ask_again, &told[i]), 0);
    hasher_free(&hasher);
    cr_assert_null(hasher);
    for (unsigned i = 0; i < 4; i++) {
        cr_assert_eq(told[i].times, 1);
        canceled += told[i].err == -ECANCELED;
    }
    cr_assert_geq(canceled, 3, "only the one at work is finished");
    cr_assert_eq(hasher_make(hasher, "x", on_told, &late), -ECANCELED);
}

Test(hasher, what_is_longer_than_crypt_takes_is_refused)
{
    char text[HASHER_MAX_PASSWORD + 2];
    struct told told = { 0 };

    memset(text, 'a', sizeof(text));
    text[HASHER_MAX_PASSWORD + 1] = '\0';
    cr_assert_eq(hasher_make(hasher, text, on_told, &told), -E2BIG);
    text[HASHER_MAX_PASSWORD] = '\0';
    cr_assert(checked(text, made(text).hash).matches);
}
