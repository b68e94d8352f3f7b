/* worker/trail.h: the record of one attempt, for people: which servers the message could have gone
 * to, in their order, and what became of each: why it was passed over or failed, how its connection
 * was come by, how long each part took, and what was said last.
 *
 * It goes into the group's note ("tried"), is shown by `queue show` and, where there is more to
 * tell than one server, by the log. It decides nothing. */
#ifndef WORKER_TRAIL_H
#define WORKER_TRAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

struct profile;

#define TRAIL_STEPS_MAX 100  /* of one attempt; what comes after them is not kept */
#define TRAIL_TEXT_SIZE 1000 /* a line of the log takes no more */

enum trail_result {
    TRAIL_FAILED,
    TRAIL_UNFIT,
    TRAIL_UNBUILT,
    TRAIL_DEFERRED,
    TRAIL_REFUSED,
    TRAIL_LOST,
    TRAIL_DELIVERED,
    TRAIL_DONE,    /* a scan, or an upload */
    TRAIL_BLOCKED, /* a scan whose verdict that is */
    TRAIL_DOWN,    /* this one and those below: passed over */
    TRAIL_REFUSES_LOGIN,
    TRAIL_DRAINED,
    TRAIL_DOUBTED,
    TRAIL_TRIED_BEFORE,
    TRAIL_RESULT_COUNT
};

/* How the connection was come by. */
enum trail_pool {
    TRAIL_POOL_NONE,        /* it was not */
    TRAIL_POOL_HIT,         /* an idle one was there */
    TRAIL_POOL_HANDED_OVER, /* straight from another delivery */
    TRAIL_POOL_MISS,        /* none was idle */
    TRAIL_POOL_MISS_OFF,    /* pooling is off */
    TRAIL_POOL_MISS_STALE,  /* the idle one turned out to be dead (SP48) */
    TRAIL_POOL_COUNT
};

struct trail_times {      /* milliseconds */
    int64_t lookup_ms;    /* of the server's name */
    int64_t wait_ms;      /* until a connection might be opened, or one came free */
    int64_t connect_ms;   /* this and the next: of a fresh one that came about */
    int64_t handshake_ms; /* greeting and EHLO */
    int64_t envelope_ms;  /* from MAIL until the content could follow, or until the end */
    int64_t data_ms;      /* the content, and the reply to it */
};

struct trail_step {
    int server; /* index in the profile, -1: the attempt as a whole */
    enum trail_result result;
    enum trail_pool pool;
    unsigned code; /* of the reply that decided, 0: none */
    struct trail_times times;
    int64_t took_ms;  /* at this server, -1: it was not asked */
    const char *tls;  /* how the connection was protected, NULL or "": not; in a trail its own */
    const char *text; /* what was said or happened, NULL: nothing to add; in a trail its own */
};

struct trail {
    struct trail_step *steps;
    size_t count, room;
};

/* Takes a copy of the step and of its text. Without memory for it the step is missing. */
void trail_add(struct trail *trail, const struct trail_step *step);
void trail_clear(struct trail *trail);

const char *trail_pool_name(enum trail_pool pool); /* NULL for NONE */

/* [ { "server", "result", "code", "text", "ms", "pool", "lookup_ms", ... } ]: what is not known, or
 * took no time, is left out. `profile` may be NULL. */
json_t *trail_json(const struct trail *trail, const struct profile *profile);
/* "smtp://a:25 is down; smtp://b:25 server failed after 12 ms: 421 ...", cut where it is full. */
void trail_text(const struct trail *trail, const struct profile *profile,
                char out[TRAIL_TEXT_SIZE]);

/* As JSON, cut and without what is no UTF-8. */
json_t *trail_shown(const char *text);

#endif
