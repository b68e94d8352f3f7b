#include "master/queue_lanes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "master/group.h"

void queue_lanes_done(struct queue_lanes *lanes)
{
    for (size_t i = 0; i < lanes->count; i++)
        free(lanes->items[i]);
    free(lanes->items);
    free(lanes->rules);
    *lanes = (struct queue_lanes){ 0 };
}

/* Where `profile` is, or where it would be put. */
static size_t lane_place(const struct queue_lanes *lanes, uint32_t profile)
{
    size_t low = 0, high = lanes->count;

    while (low < high) {
        size_t mid = (low + high) / 2;

        if (lanes->items[mid]->profile < profile)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

struct lane *queue_lanes_find(const struct queue_lanes *lanes, uint32_t profile)
{
    size_t at = lane_place(lanes, profile);

    return at < lanes->count && lanes->items[at]->profile == profile ? lanes->items[at] : NULL;
}

struct lane *queue_lanes_get(struct queue_lanes *lanes, uint32_t profile)
{
    size_t at = lane_place(lanes, profile);
    struct lane **grown, *lane;

    if (at < lanes->count && lanes->items[at]->profile == profile)
        return lanes->items[at];
    grown = realloc(lanes->items, (lanes->count + 1) * sizeof(struct lane *));
    if (grown == NULL)
        return NULL;
    lanes->items = grown;
    lane = calloc(1, sizeof(*lane));
    if (lane == NULL)
        return NULL;
    lane->profile = profile;
    lane->oldest_s = UINT32_MAX;
    for (unsigned i = 0; i < READY_CLASS_COUNT; i++)
        TAILQ_INIT(&lane->ready[i]);
    memmove(grown + at + 1, grown + at, (lanes->count - at) * sizeof(struct lane *));
    grown[at] = lane;
    lanes->count++;
    return lane;
}

static size_t rule_place(const struct queue_lanes *lanes, uint32_t rule)
{
    size_t low = 0, high = lanes->rule_count;

    while (low < high) {
        size_t mid = (low + high) / 2;

        if (lanes->rules[mid].rule < rule)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static struct rule_count *find_rule(const struct queue_lanes *lanes, uint32_t rule)
{
    size_t at = rule_place(lanes, rule);

    return at < lanes->rule_count && lanes->rules[at].rule == rule ? &lanes->rules[at] : NULL;
}

int queue_lanes_reserve_rule(struct queue_lanes *lanes, uint32_t rule)
{
    size_t at = rule_place(lanes, rule);
    struct rule_count *grown;

    if (find_rule(lanes, rule) != NULL)
        return 0;
    grown = realloc(lanes->rules, (lanes->rule_count + 1) * sizeof(*grown));
    if (grown == NULL)
        return -ENOMEM;
    lanes->rules = grown;
    memmove(grown + at + 1, grown + at, (lanes->rule_count - at) * sizeof(*grown));
    grown[at] = (struct rule_count){ .rule = rule };
    lanes->rule_count++;
    return 0;
}

void queue_lanes_count_rule(struct queue_lanes *lanes, uint32_t rule, int by)
{
    struct rule_count *found = find_rule(lanes, rule);

    if (found != NULL)
        found->groups += (uint64_t)by;
}

uint64_t queue_lanes_rule_count(const struct queue_lanes *lanes, uint32_t rule)
{
    const struct rule_count *found = find_rule(lanes, rule);

    return found != NULL ? found->groups : 0;
}
