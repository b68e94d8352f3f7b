/* Which segment is emptied next. */
#include "common/loop.h"
#include "master/segments_private.h"
#include "master/worker.h"

#define MIN_AGE_MS    250 /* sealed so long, unless little is alive: what was on its way has left */
#define VAIN_RUNS_MAX 6   /* 64 times as long */

struct slot_sum {
    uint64_t bytes, live; /* of sealed segments */
};

static bool may_be_chosen(const struct segment_entry *entry, int64_t now_ms)
{
    return entry->is_sealed && entry->bytes > 0 && entry->pins > 0 && entry->phase == IN_USE &&
           now_ms >= entry->rest_until_ms &&
           (entry->is_retired || 4 * entry->live <= entry->bytes ||
            now_ms - entry->sealed_ms >= MIN_AGE_MS);
}

static bool is_worth_it(const struct segment_entry *entry, const struct slot_sum *sum)
{
    return entry->is_retired || (sum->bytes > 2 * sum->live && 2 * entry->live <= entry->bytes);
}

static bool is_better(const struct segment_entry *a, const struct segment_entry *b)
{
    if (b == NULL || a->is_retired != b->is_retired)
        return b == NULL || a->is_retired;
    return a->live * b->bytes < b->live * a->bytes;
}

bool segments_choose(const struct segments *segments, int64_t now_ms, segments_may *may, void *arg,
                     struct ipc_segment *ret_segment)
{
    struct slot_sum sums[ID_SLOTS] = { { 0, 0 } };
    const struct segment_entry *best = NULL;

    for (size_t i = 0; i < segments->count; i++) {
        const struct segment_entry *entry = segments->items[i];

        if (entry->is_sealed && entry->bytes > 0) {
            sums[entry->slot].bytes += entry->bytes;
            sums[entry->slot].live += entry->live;
        }
    }
    for (size_t i = 0; i < segments->count; i++) {
        const struct segment_entry *entry = segments->items[i];

        if (may_be_chosen(entry, now_ms) && is_worth_it(entry, &sums[entry->slot]) &&
            is_better(entry, best) && may(entry->slot, arg))
            best = entry;
    }
    if (best == NULL)
        return false;
    *ret_segment = (struct ipc_segment){ .slot = best->slot, .segment = best->number };
    return true;
}

int64_t segments_age_ms(const struct segments *segments, unsigned slot, uint32_t number)
{
    const struct segment_entry *entry = segments_find(segments, slot, number);

    return entry == NULL || entry->is_retired
               ? INT64_MAX
               : loop_now_ms(segments->workers->loop) - entry->sealed_ms;
}

void segments_rest(struct segments *segments, unsigned slot, uint32_t number, int64_t for_ms,
                   bool is_in_vain)
{
    struct segment_entry *entry = segments_find(segments, slot, number);

    if (entry == NULL)
        return;
    entry->rest_until_ms = loop_now_ms(segments->workers->loop) + (for_ms << entry->vain_runs);
    if (!is_in_vain)
        entry->vain_runs = 0;
    else if (entry->vain_runs < VAIN_RUNS_MAX)
        entry->vain_runs++;
}
