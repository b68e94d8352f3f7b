/* master/life.h: how long a server lets a connection live, learnt from the ends that it made. Pure.
 *
 * Servers end connections that are idle for too long, too old, or have carried enough messages, and
 * rarely say which. Three ends in a row that agree in one of the three say it: exactly for messages
 * (the end then follows the last of them), within a tenth for times. So that one event (a restart)
 * does not look like three, an end counts only for a connection that was opened after the one
 * before had ended.
 *
 * What is used stays below what was learnt, and rises by a twentieth (a message) for each interval
 * without another such end, until the configuration is all that limits. */
#ifndef MASTER_LIFE_H
#define MASTER_LIFE_H

#include <stdbool.h>
#include <stdint.h>

#define LIFE_ENDS 3

struct life_span { /* of a connection that a server has ended; of limits: 0 means none */
    uint32_t idle_ms, age_ms, messages;
};

struct life {                         /* all zero: nothing is known */
    struct life_span ends[LIFE_ENDS]; /* in a row, the last one first; zeros say nothing */
    int64_t ended_ms, learnt_ms;
    struct life_span learnt;
};

/* True: something was learnt, or seen again. */
bool life_ended(struct life *life, const struct life_span *end, int64_t now_ms);

/* What connections should stay within now. */
struct life_span life_using(const struct life *life, int64_t now_ms, int64_t raise_ms);

#endif
