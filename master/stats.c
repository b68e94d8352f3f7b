#include "master/stats.h"

#include <stdlib.h>

#include "common/clock.h"

#define MINUTE_MS 60000

struct row { /* a minute */
    uint32_t figures[STATS_SERIES_COUNT];
};

struct stats {
    int64_t started_ms;
    int64_t minute;         /* since the epoch: the newest row's */
    unsigned newest, count; /* of the rows, a ring */
    struct row rows[STATS_MINUTES];
    uint64_t totals[STATS_SERIES_COUNT];
};

struct stats *stats_new(int64_t wall_ms)
{
    struct stats *stats = calloc(1, sizeof(*stats));

    if (stats == NULL)
        return NULL;
    stats->started_ms = wall_ms;
    stats->minute = wall_ms / MINUTE_MS;
    stats->count = 1;
    return stats;
}

void stats_free(struct stats **stats)
{
    free(*stats);
    *stats = NULL;
}

/* ---- time ---- */

static void open_row(struct stats *stats)
{
    stats->newest = (stats->newest + 1) % STATS_MINUTES;
    stats->rows[stats->newest] = (struct row){ 0 };
    if (stats->count < STATS_MINUTES)
        stats->count++;
}

/* The newest row is that of now. */
static struct row *row_of_now(struct stats *stats, int64_t wall_ms)
{
    const int64_t minute = wall_ms / MINUTE_MS;
    int64_t passed = minute - stats->minute;

    /* A clock that is corrected by moments over the end of a minute: the minute goes on. */
    if (passed == -1)
        return &stats->rows[stats->newest];
    stats->minute = minute;
    for (unsigned i = 0; passed > 0 && i < STATS_MINUTES; i++, passed--)
        open_row(stats);
    return &stats->rows[stats->newest];
}

/* The row of a minute, NULL: it is not kept. */
static const struct row *row_of(const struct stats *stats, int64_t minute)
{
    const int64_t age = stats->minute - minute;

    if (age < 0 || age >= stats->count)
        return NULL;
    return &stats->rows[(stats->newest + STATS_MINUTES - (unsigned)age) % STATS_MINUTES];
}

/* ---- counting ---- */

static void add(struct stats *stats, enum stats_series series, uint64_t count, int64_t wall_ms)
{
    uint32_t *figure = &row_of_now(stats, wall_ms)->figures[series];

    if (count > UINT32_MAX) /* no worker does that: nobody's sum is to overflow for it */
        count = UINT32_MAX;
    *figure = count > UINT32_MAX - *figure ? UINT32_MAX : *figure + (uint32_t)count;
    stats->totals[series] += count;
}

/* A sum that has become smaller is nonsense, and counts nothing. */
static uint64_t gained(uint64_t before, uint64_t now)
{
    return now > before ? now - before : 0;
}

void stats_beat(struct stats *stats, const struct ipc_heartbeat *before,
                const struct ipc_heartbeat *now, int64_t wall_ms)
{
    add(stats, STATS_IN, gained(before->taken, now->taken), wall_ms);
    add(stats, STATS_REFUSED, gained(before->refused, now->refused), wall_ms);
    add(stats, STATS_PUT_OFF, gained(before->put_off, now->put_off), wall_ms);
}

void stats_outcome(struct stats *stats, enum ipc_outcome outcome, int64_t wall_ms)
{
    switch (outcome) {
    case IPC_OUTCOME_DONE: add(stats, STATS_OUT, 1, wall_ms); return;
    case IPC_OUTCOME_FAILED: add(stats, STATS_FAILED, 1, wall_ms); return;
    case IPC_OUTCOME_DEFERRED: add(stats, STATS_DEFERRED, 1, wall_ms); return;
    case IPC_OUTCOME_QUARANTINED: add(stats, STATS_QUARANTINED, 1, wall_ms); return;
    case IPC_OUTCOME_NO_ROOM:
    case IPC_OUTCOME_NOT_HELD:
    case IPC_OUTCOME_ADVANCED:
    case IPC_OUTCOME_COUNT: return;
    }
}

void stats_queue_length(struct stats *stats, uint64_t length, int64_t wall_ms)
{
    uint32_t *most = &row_of_now(stats, wall_ms)->figures[STATS_QUEUE_LENGTH];

    if (length > *most)
        *most = length < UINT32_MAX ? (uint32_t)length : UINT32_MAX;
}

/* ---- shown ---- */

/* Of the minutes from `first` on. */
static uint64_t sum_up(const struct stats *stats, enum stats_series series, int64_t first,
                       unsigned step)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < step; i++) {
        const struct row *row = row_of(stats, first + i);
        const uint32_t figure = row != NULL ? row->figures[series] : 0;

        if (series != STATS_QUEUE_LENGTH)
            sum += figure;
        else if (figure > sum)
            sum = figure;
    }
    return sum;
}

static json_t *list_series(const struct stats *stats, enum stats_series series, int64_t first,
                           unsigned step)
{
    json_t *list = json_array();

    for (int64_t at = first; at <= stats->minute; at += step)
        (void)json_array_append_new(list,
                                    json_integer((json_int_t)sum_up(stats, series, at, step)));
    return list;
}

static json_t *list_times(const struct stats *stats, int64_t first, unsigned step)
{
    json_t *list = json_array();

    for (int64_t at = first; at <= stats->minute; at += step)
        (void)json_array_append_new(list, json_integer(at * 60));
    return list;
}

json_t *stats_shown(struct stats *stats, unsigned minutes, unsigned step, int64_t wall_ms)
{
    static const char *const names[STATS_SERIES_COUNT] = {
#define X(NAME, name, meaning) [STATS_##NAME] = #name,
        STATS_SERIES(X)
#undef X
    };
    json_t *series = json_object(), *totals = json_object();
    char since[CLOCK_TEXT_SIZE];
    int64_t first;

    (void)row_of_now(stats, wall_ms);
    first = stats->minute + 1 - (minutes < stats->count ? minutes : stats->count);
    first -= first % step;
    for (unsigned i = 0; i < STATS_SERIES_COUNT; i++) {
        (void)json_object_set_new(series, names[i], list_series(stats, i, first, step));
        if (i != STATS_QUEUE_LENGTH)
            (void)json_object_set_new(totals, names[i], json_integer((json_int_t)stats->totals[i]));
    }
    return json_pack("{s:s, s:I, s:o, s:o, s:o}", "since", clock_text(stats->started_ms, since),
                     "step_s", (json_int_t)step * 60, "time", list_times(stats, first, step),
                     "series", series, "totals", totals);
}
