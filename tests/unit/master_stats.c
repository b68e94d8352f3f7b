/* Figures by the minute: what counts where, and what clocks and workers may do meanwhile. */
#include <criterion/criterion.h>

#include "master/stats.h"
#include "master/worker.h"

#define MINUTE  INT64_C(60000)
#define EVENING (INT64_C(1800000000000) + 5 * MINUTE) /* a whole hour, and five minutes */

static struct stats *stats;
static int64_t now;
static json_t *shown;

static void setup(void)
{
    now = EVENING;
    stats = stats_new(now);
    cr_assert_not_null(stats);
}

static void teardown(void)
{
    json_decref(shown);
    stats_free(&stats);
    cr_assert_null(stats);
}

TestSuite(stats, .init = setup, .fini = teardown);

static void look(unsigned minutes, unsigned step)
{
    json_decref(shown);
    shown = stats_shown(stats, minutes, step, now);
    cr_assert_not_null(shown);
}

static size_t times(void)
{
    return json_array_size(json_object_get(shown, "time"));
}

static long long figure(const char *series, size_t index)
{
    const json_t *list = json_object_get(json_object_get(shown, "series"), series);

    cr_assert_eq(json_array_size(list), times(), "%s", series);
    return json_integer_value(json_array_get(list, index));
}

static long long time_at(size_t index)
{
    return json_integer_value(json_array_get(json_object_get(shown, "time"), index));
}

static long long total(const char *series)
{
    return json_integer_value(json_object_get(json_object_get(shown, "totals"), series));
}

static void deliver(unsigned count)
{
    while (count-- > 0)
        stats_outcome(stats, IPC_OUTCOME_DONE, now);
}

/* ---- what counts ---- */

Test(stats, each_outcome_has_its_series)
{
    static const struct {
        enum ipc_outcome outcome;
        const char *series; /* NULL: none, it will come again or go on */
    } rows[] = {
        { IPC_OUTCOME_DONE, "out" },          { IPC_OUTCOME_FAILED, "failed" },
        { IPC_OUTCOME_DEFERRED, "deferred" }, { IPC_OUTCOME_QUARANTINED, "quarantined" },
        { IPC_OUTCOME_NO_ROOM, NULL },        { IPC_OUTCOME_NOT_HELD, NULL },
        { IPC_OUTCOME_ADVANCED, NULL },
    };
    const char *name;
    json_t *value;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        long long sum = 0;

        teardown();
        shown = NULL;
        setup();
        stats_outcome(stats, rows[i].outcome, now);
        look(1, 1);
        json_object_foreach (json_object_get(shown, "totals"), name, value)
            sum += json_integer_value(value);
        cr_assert_eq(sum, rows[i].series != NULL ? 1 : 0, "%d", rows[i].outcome);
        if (rows[i].series != NULL) {
            cr_assert_eq(figure(rows[i].series, 0), 1, "%s", rows[i].series);
            cr_assert_eq(total(rows[i].series), 1, "%s", rows[i].series);
        }
    }
}

Test(stats, what_workers_count_is_taken_by_difference)
{
    const struct ipc_heartbeat nothing = { 0 }, first = { .taken = 10, .refused = 4, .put_off = 3 },
                               second = { .taken = 15, .refused = 4, .put_off = 4 },
                               other = { .taken = 100 };

    stats_beat(stats, &nothing, &first, now);
    stats_beat(stats, &nothing, &other, now);
    stats_beat(stats, &first, &second, now + MINUTE);
    now += MINUTE;
    look(2, 1);
    cr_assert_eq(figure("in", 0), 110);
    cr_assert_eq(figure("in", 1), 5);
    cr_assert_eq(figure("refused", 0), 4);
    cr_assert_eq(figure("refused", 1), 0);
    cr_assert_eq(figure("put_off", 0), 3);
    cr_assert_eq(figure("put_off", 1), 1);
    cr_assert_eq(total("in"), 115);
    cr_assert_eq(figure("out", 0), 0);
}

Test(stats, a_worker_that_begins_anew_takes_nothing_away)
{
    const struct ipc_heartbeat nothing = { 0 }, old = { .taken = 1000 }, young = { .taken = 2 };

    stats_beat(stats, &nothing, &old, now);
    stats_beat(stats, &nothing, &young, now); /* the supervisor forgets the old one's */
    look(1, 1);
    cr_assert_eq(figure("in", 0), 1002);
    stats_beat(stats, &old, &young, now); /* nonsense */
    look(1, 1);
    cr_assert_eq(figure("in", 0), 1002);
    cr_assert_eq(total("in"), 1002);
}

Test(stats, no_sum_overflows_for_what_a_worker_says)
{
    const struct ipc_heartbeat nothing = { 0 }, mad = { .taken = UINT64_MAX };

    for (int i = 0; i < 3; i++)
        stats_beat(stats, &nothing, &mad, now);
    look(1, 1);
    cr_assert_eq(figure("in", 0), UINT32_MAX);
    cr_assert_eq(total("in"), 3LL * UINT32_MAX);
}

Test(stats, of_the_queue_the_most_in_a_minute_is_kept)
{
    stats_queue_length(stats, 5, now);
    stats_queue_length(stats, 50, now);
    stats_queue_length(stats, 7, now);
    now += MINUTE;
    stats_queue_length(stats, 3, now);
    look(2, 1);
    cr_assert_eq(figure("queue_length", 0), 50);
    cr_assert_eq(figure("queue_length", 1), 3);
    look(60, 60);
    cr_assert_eq(times(), 1);
    cr_assert_eq(figure("queue_length", 0), 50);
    cr_assert_null(json_object_get(json_object_get(shown, "totals"), "queue_length"));
}

/* ---- time ---- */

Test(stats, minutes_pass_and_those_without_anything_are_nought)
{
    deliver(1);
    now += MINUTE - 1;
    deliver(1);
    now += 1;
    deliver(3);
    now += 3 * MINUTE;
    deliver(4);
    look(60, 1);
    cr_assert_eq(times(), 5, "as long as it has run");
    for (size_t i = 0; i < 5; i++)
        cr_assert_eq(time_at(i), (EVENING / MINUTE + (int64_t)i) * 60);
    cr_assert_eq(figure("out", 0), 2);
    cr_assert_eq(figure("out", 1), 3);
    cr_assert_eq(figure("out", 2), 0);
    cr_assert_eq(figure("out", 3), 0);
    cr_assert_eq(figure("out", 4), 4);
    look(2, 1);
    cr_assert_eq(times(), 2);
    cr_assert_eq(figure("out", 0), 0);
    cr_assert_eq(figure("out", 1), 4);
    now += MINUTE;
    look(1, 1);
    cr_assert_eq(figure("out", 0), 0, "asking is enough to let a minute pass");
    cr_assert_eq(total("out"), 9);
}

Test(stats, a_day_is_kept)
{
    deliver(1);
    for (unsigned i = 1; i < STATS_MINUTES; i++) {
        now += MINUTE;
        deliver(2);
    }
    look(STATS_MINUTES, 1);
    cr_assert_eq(times(), STATS_MINUTES);
    cr_assert_eq(figure("out", 0), 1);
    cr_assert_eq(figure("out", STATS_MINUTES - 1), 2);
    now += MINUTE;
    look(STATS_MINUTES, 1);
    cr_assert_eq(times(), STATS_MINUTES);
    cr_assert_eq(figure("out", 0), 2, "the first has gone");
    cr_assert_eq(total("out"), 1 + 2 * (STATS_MINUTES - 1), "but not from the sum");
}

Test(stats, steps_are_aligned_and_do_not_move_with_the_question)
{
    for (unsigned i = 0; i < 20; i++) { /* :05 to :24 */
        deliver(1);
        now += MINUTE;
    }
    look(60, 10);
    cr_assert_eq(json_integer_value(json_object_get(shown, "step_s")), 600);
    cr_assert_eq(times(), 3);
    cr_assert_eq(time_at(0), EVENING / 1000 - 300);
    cr_assert_eq(figure("out", 0), 5);
    cr_assert_eq(figure("out", 1), 10);
    cr_assert_eq(figure("out", 2), 5);
    look(7, 10); /* :19 to :25 */
    cr_assert_eq(times(), 2);
    cr_assert_eq(figure("out", 0), 10, "all of its minutes, asked for or not");
    cr_assert_eq(figure("out", 1), 5);
}

Test(stats, a_clock_that_is_set_forward_leaves_a_gap)
{
    deliver(1);
    now += 100 * MINUTE;
    deliver(2);
    look(STATS_MINUTES, 1);
    cr_assert_eq(times(), 101);
    cr_assert_eq(figure("out", 0), 1);
    cr_assert_eq(figure("out", 99), 0);
    cr_assert_eq(figure("out", 100), 2);
    now += INT64_C(20) * 365 * 1440 * MINUTE; /* longer than everything that is kept */
    look(STATS_MINUTES, 1);
    cr_assert_eq(times(), STATS_MINUTES);
    for (size_t i = 0; i < STATS_MINUTES; i++)
        cr_assert_eq(figure("out", i), 0);
    cr_assert_eq(time_at(STATS_MINUTES - 1), now / MINUTE * 60);
}

Test(stats, a_clock_that_is_set_back_leaves_nothing_in_the_future)
{
    deliver(1);
    now += MINUTE;
    deliver(2);
    now -= 60 * MINUTE;
    deliver(4);
    look(STATS_MINUTES, 1);
    cr_assert_eq(times(), 2);
    cr_assert_eq(time_at(1), now / MINUTE * 60);
    cr_assert_eq(figure("out", 0), 1, "it keeps its distance");
    cr_assert_eq(figure("out", 1), 6);
    now += MINUTE;
    look(STATS_MINUTES, 1);
    cr_assert_eq(times(), 3);
    cr_assert_eq(figure("out", 2), 0);
}

Test(stats, a_moment_back_over_the_end_of_a_minute_moves_nothing)
{
    now += MINUTE;
    deliver(1);
    now -= 500;
    deliver(2);
    look(2, 1);
    cr_assert_eq(times(), 2);
    cr_assert_eq(figure("out", 0), 0);
    cr_assert_eq(figure("out", 1), 3);
    cr_assert_eq(time_at(1), (EVENING + MINUTE) / 1000);
    now += 500;
    look(2, 1);
    cr_assert_eq(figure("out", 1), 3);
}

/* ---- the load of a worker ---- */

Test(stats, the_load_of_a_worker_is_what_it_ran_between_heartbeats)
{
    struct worker worker = { .heartbeat_ms = 1000 };
    struct ipc_heartbeat beat = { .cpu_ms = 80 };

    worker_take_figures(&worker, &beat, 1010);
    cr_assert_eq(worker.cpu_percent, 0, "the first comes at once and says nothing");
    beat.cpu_ms += 2500;
    worker_take_figures(&worker, &beat, 6010);
    cr_assert_eq(worker.cpu_percent, 50);
    cr_assert_eq(worker.heartbeat_ms, 6010);
    beat.cpu_ms += 7500;
    worker_take_figures(&worker, &beat, 11010);
    cr_assert_eq(worker.cpu_percent, 150, "it has threads");
    beat.cpu_ms -= 100;
    worker_take_figures(&worker, &beat, 16010);
    cr_assert_eq(worker.cpu_percent, 150, "nonsense");
    cr_assert_eq(worker.figures.cpu_ms, beat.cpu_ms);
}
