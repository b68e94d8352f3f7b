#include "master/health.h"

#include <stdio.h>

/* What an event does in a state. */
enum action {
    STAY,
    DOUBT,   /* the first failure of a row */
    COUNT,   /* one more, if it began late enough */
    RELAPSE, /* the same of a server that warms up */
    LATER,   /* still down: the next try waits longer */
    AGAIN,   /* still down: the next try is soon */
    TRY,     /* a try is out */
    SOON,    /* the next try is due */
    REFUSE,  /* opened until somebody mends it */
    CLEAR,   /* the failure was nothing */
    CLOSE,   /* it answers again */
    GROW,    /* one more at a time */
};

/* clang-format off */
static const unsigned char table[HEALTH_STATE_COUNT][HEALTH_EVENT_COUNT] = {
    /*                    failed   try failed  login   answered tried undecided saved  enabled */
    [HEALTH_UP]      = {  DOUBT,   STAY,       REFUSE, STAY,    STAY, STAY,     STAY,  STAY  },
    [HEALTH_DOUBTED] = {  COUNT,   STAY,       REFUSE, CLEAR,   STAY, STAY,     STAY,  STAY  },
    [HEALTH_DOWN]    = {  STAY,    STAY,       REFUSE, CLOSE,   TRY,  STAY,     SOON,  CLOSE },
    [HEALTH_TRYING]  = {  STAY,    LATER,      REFUSE, CLOSE,   STAY, AGAIN,    STAY,  CLOSE },
    [HEALTH_WARMING] = {  RELAPSE, STAY,       REFUSE, GROW,    STAY, STAY,     STAY,  STAY  },
    [HEALTH_REFUSED] = {  STAY,    STAY,       STAY,   STAY,    STAY, STAY,     CLOSE, CLOSE },
};
/* clang-format on */

static const char *const state_names[HEALTH_STATE_COUNT] = {
    [HEALTH_UP] = "up",         [HEALTH_DOUBTED] = "doubted", [HEALTH_DOWN] = "down",
    [HEALTH_TRYING] = "trying", [HEALTH_WARMING] = "warming", [HEALTH_REFUSED] = "login refused",
};

const char *health_state_name(enum health_state state)
{
    return state_names[state];
}

/* ---- what is done ---- */

struct step {
    struct health *health;
    const struct health_rules *rules;
    const struct health_moment *moment;
    uint64_t delivery;
};

static int64_t within_a_fifth(int64_t wait_ms, uint32_t chance)
{
    return wait_ms * (80 + chance % 41) / 100;
}

/* The next try, which waits twice as long as the one before. */
static void wait_longer(const struct step *step)
{
    struct health *health = step->health;

    health->wait_ms = health->wait_ms == 0 ? step->rules->probe_first_ms : 2 * health->wait_ms;
    if (health->wait_ms > step->rules->probe_max_ms)
        health->wait_ms = step->rules->probe_max_ms;
    health->next_ms = step->moment->mono_ms + within_a_fifth(health->wait_ms, step->moment->chance);
    health->state = HEALTH_DOWN;
}

static enum health_turn open_it(const struct step *step)
{
    step->health->since_wall_ms = step->moment->wall_ms;
    wait_longer(step);
    return HEALTH_OPENED;
}

static enum health_turn count_failure(const struct step *step)
{
    struct health *health = step->health;

    health->failures++;
    health->mark = step->moment->last_delivery;
    if (health->failures >= step->rules->failures)
        return open_it(step);
    health->state = HEALTH_DOUBTED;
    return HEALTH_NO_TURN;
}

static bool began_too_early(const struct step *step)
{
    return step->delivery <= step->health->mark;
}

/* One that has taken nothing yet since it answered has not kept its word. */
static enum health_turn relapse(const struct step *step)
{
    if (began_too_early(step))
        return HEALTH_NO_TURN;
    if (step->health->allowance > HEALTH_WARM_FIRST) {
        step->health->failures = 0;
        return count_failure(step);
    }
    step->health->failures++;
    return open_it(step);
}

static enum health_turn refuse(const struct step *step)
{
    bool was_up = health_is_up(step->health);

    if (step->health->state == HEALTH_WARMING && began_too_early(step))
        return HEALTH_NO_TURN; /* with what was wrong before */
    step->health->failures++;
    step->health->state = HEALTH_REFUSED;
    if (!was_up)
        return HEALTH_NO_TURN;
    step->health->since_wall_ms = step->moment->wall_ms;
    return HEALTH_OPENED;
}

static void be_up(struct health *health)
{
    health->state = HEALTH_UP;
    health->failures = 0;
    health->wait_ms = 0;
    health->why[0] = '\0';
}

static enum health_turn close_it(const struct step *step)
{
    struct health *health = step->health;

    health->state = HEALTH_WARMING;
    health->allowance = HEALTH_WARM_FIRST;
    health->mark = step->moment->last_delivery;
    health->since_wall_ms = step->moment->wall_ms;
    return HEALTH_CLOSED;
}

static void grow(struct health *health)
{
    health->wait_ms = 0; /* it has proved itself: the next trouble is a new one */
    if (++health->allowance > HEALTH_WARM_LAST)
        be_up(health);
}

static enum health_turn act(const struct step *step, enum action action)
{
    struct health *health = step->health;

    switch (action) {
    case STAY: break;
    case DOUBT: return count_failure(step);
    case COUNT:
        if (!began_too_early(step))
            return count_failure(step);
        break;
    case RELAPSE: return relapse(step);
    case LATER:
        health->failures++;
        wait_longer(step);
        break;
    case AGAIN:
        health->state = HEALTH_DOWN;
        health->next_ms = step->moment->mono_ms + HEALTH_AGAIN_MS;
        break;
    case TRY: health->state = HEALTH_TRYING; break;
    case SOON: health->next_ms = step->moment->mono_ms; break;
    case REFUSE: return refuse(step);
    case CLEAR: be_up(health); break;
    case CLOSE: return close_it(step);
    case GROW: grow(health); break;
    }
    return HEALTH_NO_TURN;
}

enum health_turn health_take(struct health *health, const struct health_rules *rules,
                             enum health_event event, const struct health_moment *moment,
                             uint64_t delivery, const char *why)
{
    const struct step step = { health, rules, moment, delivery };

    if (why != NULL)
        (void)snprintf(health->why, sizeof(health->why), "%s", why);
    if (event == HEALTH_ENABLED)
        health->is_drained = false;
    return act(&step, (enum action)table[health->state][event]);
}

/* ---- what is known ---- */

bool health_is_up(const struct health *health)
{
    return !health->is_drained && (health->state == HEALTH_UP || health->state == HEALTH_DOUBTED ||
                                   health->state == HEALTH_WARMING);
}

bool health_has_room(const struct health *health, unsigned recent)
{
    if (!health_is_up(health))
        return false;
    return health->state == HEALTH_UP ||
           recent < (health->state == HEALTH_DOUBTED ? 1 : health->allowance);
}

bool health_is_due(const struct health *health, int64_t mono_ms)
{
    return health->state == HEALTH_DOWN && !health->is_drained && mono_ms >= health->next_ms;
}
