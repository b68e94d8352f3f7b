/* master/health.h: is a server of a profile to be used? One breaker per (profile, server) (SP23).
 *
 *            failure                 so many failures in a row
 *    UP <-------------> DOUBTED --------------------------------> DOWN <---------------+
 *     ^     success       |  ^                                     |  due: a probe     |
 *     |                   |  | failure                             |  or trial goes    | failed
 *     | enough successes  |  |                                     v  out              |
 *     +------------------ WARMING <----------- answered --------- TRYING --------------+
 *                            |                                                         |
 *                            +---- failure before the first success -------------------+
 *
 *    from any: password refused --> REFUSED -- the profile is saved, an operator enables -->
 * WARMING
 *
 * DOUBTED: its last word was a failure. One delivery at a time shows how it is; meanwhile the other
 * servers have the mail, so that a server that died costs few messages anything. WARMING: it
 * answers again, and is given a few deliveries at a time, more with each that succeeds.
 *
 * What counts as a failure is for the worker to say (SP22); limits ("too many connections", SP49)
 * and shortages here are none. A failure counts only if its delivery began after the one before it
 * was known: of many that were under way when a server died, one counts. A probe and a trial are
 * never out at once.
 *
 * Drained is beside all this: a drained server is given no new mail at all, not even when every
 * other is down (then mail waits), and is not probed. What is under way there goes on, and its
 * outcome still counts. Whoever enables a server says that it can be tried: one that was down, or
 * refused the password, is WARMING then.
 *
 * Pure: clock, chance and the numbers of deliveries are passed in. */
#ifndef MASTER_HEALTH_H
#define MASTER_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

enum health_state {
    HEALTH_UP,
    HEALTH_DOUBTED,
    HEALTH_DOWN,
    HEALTH_TRYING, /* down; a probe or a trial delivery is out */
    HEALTH_WARMING,
    HEALTH_REFUSED, /* our password: 535 */
    HEALTH_STATE_COUNT
};

enum health_event {
    HEALTH_FAILED,        /* a delivery did */
    HEALTH_TRY_FAILED,    /* the probe or trial did */
    HEALTH_LOGIN_REFUSED, /* to whichever */
    HEALTH_ANSWERED,      /* whichever: it took or judged a message, or passed the probe */
    HEALTH_TRIED,         /* a probe or trial goes out */
    HEALTH_TRY_UNDECIDED, /* it ended without a word on the server: asked again soon */
    HEALTH_PROFILE_SAVED, /* perhaps with what was wrong: a server that is down is tried at once */
    HEALTH_ENABLED,       /* by an operator; ends a drain */
    HEALTH_EVENT_COUNT
};

#define HEALTH_AGAIN_MS   1000 /* after a try without a word */
#define HEALTH_WARM_FIRST 2    /* deliveries at a time, and one more with each success ... */
#define HEALTH_WARM_LAST  64   /* ... until it is UP */
#define HEALTH_WHY_SIZE   240

struct health_rules {
    unsigned failures;                    /* in a row, until a server is down */
    int64_t probe_first_ms, probe_max_ms; /* the wait doubles from the one to the other, +-20 % */
};

struct health { /* all zero: up, and never heard of */
    enum health_state state;
    bool is_drained;
    unsigned failures;         /* in a row, as they count */
    unsigned allowance;        /* WARMING: deliveries at a time */
    int64_t since_wall_ms;     /* it takes mail, or does not, since then; 0: always */
    int64_t wait_ms;           /* between the last tries; 0: the next is the first */
    int64_t next_ms;           /* DOWN: when it is tried, monotonic */
    uint64_t mark;             /* a delivery of at most this number began too early to count */
    char why[HEALTH_WHY_SIZE]; /* the last failure, as text; "": none since it was UP */
};

/* What an event comes with. */
struct health_moment {
    int64_t mono_ms, wall_ms;
    uint64_t last_delivery; /* number of the last one that was sent */
    uint32_t chance;
};

enum health_turn {
    HEALTH_NO_TURN,
    HEALTH_OPENED, /* no mail goes there any more */
    HEALTH_CLOSED, /* it takes mail again */
};

/* `delivery`: the number of the one that the event is about, HEALTH_NO_DELIVERY: of none;
 * `why`: of a failure, otherwise NULL. */
#define HEALTH_NO_DELIVERY UINT64_MAX
enum health_turn health_take(struct health *health, const struct health_rules *rules,
                             enum health_event event, const struct health_moment *moment,
                             uint64_t delivery, const char *why);

/* Is mail given to it? */
bool health_is_up(const struct health *health);
/* And one more delivery now, while so many are there that began after `mark`? */
bool health_has_room(const struct health *health, unsigned recent);
/* Is it time for a probe or a trial? */
bool health_is_due(const struct health *health, int64_t mono_ms);

const char *health_state_name(enum health_state state); /* "up", "down", "warming" ... */

#endif
