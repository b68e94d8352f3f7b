#include <criterion/criterion.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/loop.h"
#include "master/io_thread.h"

static struct loop *loop;
static struct io_thread *thread;
static pthread_t loop_thread;

static void start(void)
{
    loop = loop_new();
    thread = io_thread_new(loop);
    cr_assert_not_null(thread);
    loop_thread = pthread_self();
}

static void stop(void)
{
    io_thread_free(&thread);
    loop_free(loop);
}

TestSuite(io_thread, .init = start, .fini = stop, .timeout = 30);

struct item {
    unsigned number, worked, told;
    bool was_in_thread, was_in_loop;
    int result;
    struct item *next; /* given from the first one's done */
};

static atomic_uint works;
static unsigned tells;

static int work(void *arg)
{
    struct item *item = arg;

    item->worked = ++works;
    item->was_in_thread = pthread_equal(pthread_self(), loop_thread) == 0;
    return -(int)item->number;
}

static void on_done(int result, void *arg)
{
    struct item *item = arg;

    item->told = ++tells;
    item->result = result;
    item->was_in_loop = pthread_equal(pthread_self(), loop_thread) != 0;
    if (item->next != NULL)
        cr_assert_eq(io_thread_run(thread, work, on_done, item->next), 0);
}

static void turn_until(const unsigned *value, unsigned wanted)
{
    int64_t limit = clock_mono_ms() + 20000;

    while (*value < wanted && clock_mono_ms() < limit)
        loop_turn(loop, 100);
    cr_assert_geq(*value, wanted);
}

Test(io_thread, works_in_order_and_tells_in_the_loop)
{
    static struct item items[1000];

    for (unsigned i = 0; i < 1000; i++) {
        items[i].number = i;
        cr_assert_eq(io_thread_run(thread, work, on_done, &items[i]), 0);
    }
    cr_assert_eq(tells, 0, "never from inside the call");
    turn_until(&tells, 1000);
    for (unsigned i = 0; i < 1000; i++) {
        cr_assert_eq(items[i].worked, i + 1);
        cr_assert_eq(items[i].told, i + 1);
        cr_assert_eq(items[i].result, -(int)i);
        cr_assert(items[i].was_in_thread && items[i].was_in_loop);
    }
}

Test(io_thread, free_finishes_what_was_given_and_what_that_gives)
{
    static struct item items[100];

    for (unsigned i = 0; i < 100; i++)
        items[i].next = i + 1 < 100 ? &items[i + 1] : NULL;
    cr_assert_eq(io_thread_run(thread, work, on_done, &items[0]), 0);
    io_thread_free(&thread);
    cr_assert_null(thread);
    cr_assert_eq(tells, 100);
    loop_turn(loop, 0); /* nothing of it is left in the loop */
    cr_assert_eq(tells, 100);
}

Test(io_thread, free_right_after_the_work_was_done_but_not_told)
{
    struct item item = { 0 };

    cr_assert_eq(io_thread_run(thread, work, on_done, &item), 0);
    while (works == 0)
        ;
    io_thread_free(&thread);
    cr_assert_eq(tells, 1);
    loop_turn(loop, 0);
    cr_assert_eq(tells, 1);
}

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static int wait_at_gate(void *arg)
{
    (void)arg;
    pthread_mutex_lock(&gate);
    pthread_mutex_unlock(&gate);
    return 0;
}

static void count_done(int result, void *arg)
{
    (void)arg;
    (void)result;
    tells++;
}

Test(io_thread, has_a_maximum)
{
    unsigned given = 0;

    pthread_mutex_lock(&gate);
    while (given <= IO_THREAD_MAX_WAITING &&
           io_thread_run(thread, wait_at_gate, count_done, NULL) == 0)
        given++;
    cr_assert_eq(given, IO_THREAD_MAX_WAITING);
    cr_assert_eq(io_thread_run(thread, wait_at_gate, count_done, NULL), -ENOMEM);
    pthread_mutex_unlock(&gate);
    turn_until(&tells, IO_THREAD_MAX_WAITING);
    cr_assert_eq(io_thread_run(thread, wait_at_gate, count_done, NULL), 0);
}
