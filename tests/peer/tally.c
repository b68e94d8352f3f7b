#include "tally.h"

#include <poll.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/loop.h"

#define IDLE_AFTER_MS 100
#define ROWS_MAX      (1U << 24)

void tally_init(struct tally *tally, struct loop *loop)
{
    *tally = (struct tally){
        .loop = loop, .began_ms = clock_mono_ms(), .first_taken_ms = -1, .last_taken_ms = -1
    };
    TAILQ_INIT(&tally->marks);
    TAILQ_INIT(&tally->becoming_idle);
}

void tally_clear(struct tally *tally)
{
    free(tally->rows);
    seen_clear(&tally->messages);
    seen_clear(&tally->deliveries);
}

int64_t tally_now_ms(const struct tally *tally)
{
    return clock_mono_ms() - tally->began_ms;
}

struct tally_row *tally_row_of(struct tally *tally, const struct tally_mark *mark)
{
    return &tally->rows[mark->number - 1];
}

/* ---- open ---- */

static void count_out(struct tally *tally, struct tally_mark *mark)
{
    tally->open--;
    tally->served -= !mark->is_turned_away;
}

/* Lets those of the open count no longer whose end the kernel knows already. */
static void ask_for_ends(struct tally *tally)
{
    struct pollfd *asked = calloc(tally->open, sizeof(*asked));
    struct tally_mark *mark;
    nfds_t count = 0;

    if (asked == NULL)
        abort();
    TAILQ_FOREACH (mark, &tally->marks, open_link) {
        if (!mark->has_ended)
            asked[count++] = (struct pollfd){ .fd = mark->fd, .events = POLLRDHUP };
    }
    if (poll(asked, count, 0) > 0) {
        count = 0;
        TAILQ_FOREACH (mark, &tally->marks, open_link) {
            if (mark->has_ended)
                continue;
            mark->has_ended = (asked[count++].revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
            if (mark->has_ended)
                count_out(tally, mark);
        }
    }
    free(asked);
}

bool tally_open(struct tally *tally, struct tally_mark *mark, int fd, unsigned limit)
{
    if (tally->accepted == tally->rows_room) {
        tally->rows_room = tally->rows_room > 0 ? tally->rows_room * 2 : 256;
        tally->rows = realloc(tally->rows, tally->rows_room * sizeof(*tally->rows));
        if (tally->rows == NULL || tally->rows_room > ROWS_MAX)
            abort();
    }
    *mark = (struct tally_mark){ .number = tally->accepted + 1, .fd = fd };
    tally->rows[tally->accepted++] = (struct tally_row){ .accepted_ms = tally_now_ms(tally),
                                                         .ended_ms = -1,
                                                         .longest_idle_ms = -1 };
    tally->open++;
    tally->served++;
    if (tally->open > tally->most_open || (limit > 0 && tally->served > limit))
        ask_for_ends(tally);
    TAILQ_INSERT_TAIL(&tally->marks, mark, open_link); /* it was open, whatever it is now */
    if (tally->open > tally->most_open) {
        tally->most_open = tally->open;
        tally->most_open_at_ms = tally_now_ms(tally);
    }
    mark->is_turned_away = limit > 0 && tally->served > limit;
    tally->served -= mark->is_turned_away;
    tally->turned_away += mark->is_turned_away;
    return !mark->is_turned_away;
}

void tally_close(struct tally *tally, struct tally_mark *mark, enum tally_end end)
{
    struct tally_row *row = tally_row_of(tally, mark);

    tally_end_idle(tally, mark);
    TAILQ_REMOVE(&tally->marks, mark, open_link);
    if (!mark->has_ended)
        count_out(tally, mark);
    row->ended_ms = tally_now_ms(tally);
    row->end = end;
}

/* ---- idle ---- */

static void idle_until(struct tally *tally, int64_t now_ms)
{
    struct tally_mark *mark;

    while ((mark = TAILQ_FIRST(&tally->becoming_idle)) != NULL &&
           mark->idle_since_ms + IDLE_AFTER_MS < now_ms) {
        TAILQ_REMOVE(&tally->becoming_idle, mark, idle_link);
        mark->is_counted_idle = true;
        if (++tally->idle > tally->most_idle) {
            tally->most_idle = tally->idle;
            tally->most_idle_at_ms = mark->idle_since_ms + IDLE_AFTER_MS - tally->began_ms;
        }
    }
}

void tally_to_now(struct tally *tally)
{
    if (tally->open > 0)
        ask_for_ends(tally);
    idle_until(tally, clock_mono_ms());
}

void tally_begin_idle(struct tally *tally, struct tally_mark *mark)
{
    if (mark->is_idle)
        return;
    mark->is_idle = true;
    mark->idle_since_ms = clock_mono_ms();
    TAILQ_INSERT_TAIL(&tally->becoming_idle, mark, idle_link);
}

void tally_end_idle(struct tally *tally, struct tally_mark *mark)
{
    struct tally_row *row = tally_row_of(tally, mark);
    int64_t now_ms = loop_now_ms(tally->loop);

    if (!mark->is_idle)
        return;
    idle_until(tally, now_ms);
    if (mark->is_counted_idle)
        tally->idle--;
    else
        TAILQ_REMOVE(&tally->becoming_idle, mark, idle_link);
    mark->is_idle = mark->is_counted_idle = false;
    if (now_ms - mark->idle_since_ms > row->longest_idle_ms)
        row->longest_idle_ms = now_ms - mark->idle_since_ms;
}

/* ---- messages ---- */

static uint64_t mixed(uint64_t id, uint64_t recipient)
{
    return (id ^ (recipient >> 31) ^ (recipient << 33)) * 0x9e3779b97f4a7c15U;
}

void tally_take(struct tally *tally, struct tally_mark *mark, uint64_t id,
                const uint64_t *recipients, unsigned count)
{
    bool is_repeated = false;

    tally_row_of(tally, mark)->taken++;
    tally->taken++;
    tally->recipients += count;
    tally->last_taken_ms = tally_now_ms(tally);
    if (tally->first_taken_ms < 0)
        tally->first_taken_ms = tally->last_taken_ms;
    if (id == 0) {
        tally->unnamed++;
        return;
    }
    (void)seen_add(&tally->messages, id);
    for (unsigned i = 0; i < count; i++)
        is_repeated |= !seen_add(&tally->deliveries, mixed(id, recipients[i]));
    tally->repeated += is_repeated;
}
