#include "master/life.h"

#include <string.h>

#define FOLLOWS_MS 200 /* an end so soon after a message was because of it */
#define LEAST_MS   500 /* shorter times say more about the traffic than about the server */
#define SLACK_MS   50
#define RAISES_MAX 1000000 /* by then nothing is left of it */

static uint32_t least_of(const uint32_t values[LIFE_ENDS])
{
    uint32_t least = values[0];

    for (unsigned i = 1; i < LIFE_ENDS; i++)
        least = values[i] < least ? values[i] : least;
    return least;
}

static uint32_t most_of(const uint32_t values[LIFE_ENDS])
{
    uint32_t most = values[0];

    for (unsigned i = 1; i < LIFE_ENDS; i++)
        most = values[i] > most ? values[i] : most;
    return most;
}

static bool agree(const uint32_t times_ms[LIFE_ENDS])
{
    uint64_t least = least_of(times_ms);

    return least >= LEAST_MS && most_of(times_ms) <= least + least / 10 + SLACK_MS;
}

/* What they have in common; all zero: nothing. */
static struct life_span common_of(const struct life_span ends[LIFE_ENDS])
{
    uint32_t idle[LIFE_ENDS], age[LIFE_ENDS], messages[LIFE_ENDS];

    for (unsigned i = 0; i < LIFE_ENDS; i++) {
        idle[i] = ends[i].idle_ms;
        age[i] = ends[i].age_ms;
        messages[i] = ends[i].messages;
    }
    if (most_of(idle) < FOLLOWS_MS && least_of(messages) > 1 &&
        least_of(messages) == most_of(messages))
        return (struct life_span){ .messages = messages[0] };
    if (agree(idle))
        return (struct life_span){ .idle_ms = least_of(idle) };
    if (agree(age))
        return (struct life_span){ .age_ms = least_of(age) };
    return (struct life_span){ 0 };
}

/* One kind is enough for a server; another, seen later, comes beside it. */
static void keep(struct life_span *learnt, const struct life_span *seen)
{
    if (seen->idle_ms != 0)
        learnt->idle_ms = seen->idle_ms;
    if (seen->age_ms != 0)
        learnt->age_ms = seen->age_ms;
    if (seen->messages != 0)
        learnt->messages = seen->messages;
}

bool life_ended(struct life *life, const struct life_span *end, int64_t now_ms)
{
    struct life_span seen;

    if (now_ms - end->age_ms < life->ended_ms)
        return false;
    memmove(&life->ends[1], &life->ends[0], (LIFE_ENDS - 1) * sizeof(life->ends[0]));
    life->ends[0] = *end;
    life->ended_ms = now_ms;
    seen = common_of(life->ends);
    if (seen.idle_ms == 0 && seen.age_ms == 0 && seen.messages == 0)
        return false;
    keep(&life->learnt, &seen);
    life->learnt_ms = now_ms;
    return true;
}

static uint32_t below(uint32_t learnt_ms, int64_t raises)
{
    uint64_t using_ms = (uint64_t)learnt_ms * 85 / 100 * (uint64_t)(20 + raises) / 20;

    return using_ms < UINT32_MAX ? (uint32_t)using_ms : UINT32_MAX;
}

struct life_span life_using(const struct life *life, int64_t now_ms, int64_t raise_ms)
{
    int64_t raises = (now_ms - life->learnt_ms) / raise_ms;
    const struct life_span *learnt = &life->learnt;

    raises = raises < RAISES_MAX ? raises : RAISES_MAX;
    return (struct life_span){
        .idle_ms = below(learnt->idle_ms, raises),
        .age_ms = below(learnt->age_ms, raises),
        .messages = learnt->messages != 0 ? learnt->messages + (uint32_t)raises : 0,
    };
}
