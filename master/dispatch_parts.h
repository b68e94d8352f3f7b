/* master/dispatch_parts.h: what the files of dispatch share: dispatch.c (turns and sending),
 * dispatch_choice.c (which worker), dispatch_outcome.c (how jobs end), dispatch_alone.c (MQ09). */
#ifndef MASTER_DISPATCH_PARTS_H
#define MASTER_DISPATCH_PARTS_H

#include "master/dispatch.h"

struct jobs;
struct job;
struct lane;
struct loop_timer;

struct dispatch {
    struct loop *loop;
    struct queue *queue;
    struct workers *workers;
    struct cells *cells;
    struct jobs *jobs;
    struct loop_timer *wake;  /* for what waits */
    struct loop_timer *watch; /* for deadlines, while jobs are out */
    struct dispatch_hooks hooks;
    unsigned first_slot; /* where the search for a worker begins: ties go round */
    bool is_stopped;
    bool is_queue_short;       /* an entry could not be kept: said once */
    struct {                   /* MQ09 */
        struct worker *worker; /* being emptied for a suspect, or running one; NULL: neither */
        uint64_t job;          /* 0: not sent yet */
        int64_t since_ms;
        int64_t rest_until_ms; /* the others' time before the next suspect */
    } alone;
};

/* Could this worker take one more of this lane? */
bool dispatch_has_room(const struct dispatch *dispatch, const struct worker *worker,
                       const struct lane *lane);
bool dispatch_any_room(const struct dispatch *dispatch, const struct lane *lane);
/* NULL: nobody has room. */
struct worker *dispatch_choose(struct dispatch *dispatch, const struct group *group, size_t start);

/* Sends it; the group is ready and its lane has a route. NULL: no memory, nothing happened. */
struct job *dispatch_send(struct dispatch *dispatch, struct group *group, struct worker *worker,
                          size_t start);
/* The start server of its next attempt: a kept turn, or a new one. */
size_t dispatch_start_of(struct dispatch *dispatch, struct group *group);

void dispatch_alone_serve(struct dispatch *dispatch);
void dispatch_alone_ended(struct dispatch *dispatch, uint64_t job);
void dispatch_alone_lost(struct dispatch *dispatch, const struct worker *worker);
bool dispatch_alone_is_busy(const struct dispatch *dispatch);

void dispatch_tell_recalled(struct dispatch *dispatch, struct group *group, uint64_t id,
                            unsigned number);

#endif
