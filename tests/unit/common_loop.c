/* The loop: deadlines, hooks of a turn, work from other threads. */
#include <criterion/criterion.h>

#include <pthread.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/loop.h"

static struct loop *loop;
static unsigned fired, order[16], order_count;

static void on_timer(void *arg)
{
    (void)arg;
    fired++;
}

static void turn_for_ms(int64_t ms)
{
    int64_t end = clock_mono_ms() + ms;

    while (clock_mono_ms() < end)
        loop_turn(loop, 5);
}

static void turn_until(const unsigned *value, unsigned wanted)
{
    int64_t end = clock_mono_ms() + 5000;

    while (*value < wanted && clock_mono_ms() < end)
        loop_turn(loop, 10);
    cr_assert_eq(*value, wanted);
}

Test(loop, a_deadline_fires_once_and_not_early)
{
    struct loop_timer *timer;
    int64_t began;

    loop = loop_new();
    timer = loop_timer_new(loop, on_timer, NULL);
    began = clock_mono_ms();
    loop_timer_set_ms(timer, 50);
    cr_assert(loop_timer_is_set(timer));
    turn_until(&fired, 1);
    cr_assert_geq(clock_mono_ms() - began, 49);
    cr_assert_not(loop_timer_is_set(timer));
    turn_for_ms(80);
    cr_assert_eq(fired, 1u);
    loop_timer_free(&timer);
    loop_free(loop);
}

Test(loop, a_deadline_moves_later_and_earlier_and_away)
{
    struct loop_timer *timer;
    int64_t began;

    loop = loop_new();
    timer = loop_timer_new(loop, on_timer, NULL);
    began = clock_mono_ms();
    loop_timer_set_ms(timer, 20);
    loop_timer_set_ms(timer, 120);
    turn_until(&fired, 1);
    cr_assert_geq(clock_mono_ms() - began, 119);

    began = clock_mono_ms();
    loop_timer_set_ms(timer, 60000);
    loop_timer_set_ms(timer, 20);
    turn_until(&fired, 2);
    cr_assert_lt(clock_mono_ms() - began, 5000);

    loop_timer_set_ms(timer, 20);
    loop_timer_clear(timer);
    turn_for_ms(60);
    cr_assert_eq(fired, 2u);
    loop_timer_set_ms(timer, 10);
    turn_until(&fired, 3);
    loop_timer_free(&timer);
    loop_free(loop);
}

static void note(void *arg)
{
    if (order_count < 16)
        order[order_count++] = *(unsigned *)arg;
}

static unsigned one = 1, two = 2, last = 9;

Test(loop, hooks_run_in_order_and_the_last_ones_behind_all)
{
    loop = loop_new();
    loop_at_turn_last(loop, note, &last);
    loop_at_turn_end(loop, note, &one);
    loop_at_turn_end(loop, note, &two);
    loop_turn(loop, 0);
    cr_assert_eq(order_count, 3u);
    cr_assert(order[0] == 1 && order[1] == 2 && order[2] == 9);
    loop_forget_turn_end(loop, note, &one);
    loop_forget_turn_end(loop, note, &last);
    loop_turn(loop, 0);
    cr_assert_eq(order_count, 4u);
    cr_assert_eq(order[3], 2u);
    loop_free(loop);
}

static void *post_many(void *arg)
{
    for (unsigned i = 0; i < 1000; i++)
        cr_assert_eq(loop_post(arg, on_timer, NULL), 0);
    return NULL;
}

Test(loop, what_other_threads_post_runs_here)
{
    pthread_t threads[4];

    loop = loop_new();
    for (unsigned i = 0; i < 4; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, post_many, loop), 0);
    turn_until(&fired, 4000);
    for (unsigned i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    loop_free(loop);
}

static struct loop_watch *watch;

static void on_ready(int fd, unsigned what, void *arg)
{
    char byte;

    (void)arg;
    cr_assert_eq(what, (unsigned)LOOP_READ);
    cr_assert_eq(read(fd, &byte, 1), 1);
    fired++;
    loop_watch_free(&watch);
}

Test(loop, a_watch_may_be_freed_in_its_own_callback_and_long_turns_are_seen)
{
    int pipes[2];

    loop = loop_new();
    cr_assert_eq(pipe(pipes), 0);
    watch = loop_watch_new(loop, pipes[0], on_ready, NULL);
    loop_watch_set(watch, LOOP_READ);
    cr_assert_eq(write(pipes[1], "xy", 2), 2);
    turn_until(&fired, 1);
    turn_for_ms(20);
    cr_assert_eq(fired, 1u);
    cr_assert_gt(loop_take_longest_turn_us(loop), 0);
    cr_assert_eq(loop_take_longest_turn_us(loop), 0);
    close(pipes[0]);
    close(pipes[1]);
    loop_free(loop);
}
