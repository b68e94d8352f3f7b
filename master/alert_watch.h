/* master/alert_watch.h: looks for what is an alert, once a second.
 *
 *   server_down     an object for each server that is down, but not those of a profile of which no
 *   login_refused   server takes mail: then that is the cause
 *   profile_down
 *   scans_fail,     ALERT_FAILURES attempts in a row that a server answered and did not do: what it
 *   uploads_fail    was given is refused, while it counts as up. Until one is done
 *   queue_length    groups that wait or are out, from the threshold on; until they are a quarter
 * less queue_age       of the oldest of them, but not of alerts themselves disk_low        the
 * spool's file system, by share, or near where mail is refused (keep_free) certificate     the
 * digital ID's end: from the threshold on, 7 days, 1 day before it, and then message_held    a
 * message that killed workers (MQ09), until an operator decides
 *
 * A queue of any length is walked in slices. */
#ifndef MASTER_ALERT_WATCH_H
#define MASTER_ALERT_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "common/conf.h"

struct alert_file;
struct alert_files;
struct alert_post;
struct alert_watch;
struct alerts;
struct group;
struct loop;
struct queue;
struct registry;
struct stats;

#define ALERT_WATCH_MS 1000
#define ALERT_FAILURES 5U
#define ALERT_HELD_MAX 100U /* messages that are watched; more are in the queue, and in the log */

struct alert_watch_parts {
    struct loop *loop;
    struct alerts *alerts;
    const struct registry *registry;
    const struct queue *queue;
    struct alert_files *files;
    struct alert_post *post; /* looked after as well, as the next; NULL: there is none */
    struct alert_file *file;
    struct stats *stats; /* hears how long the queue is; NULL: nobody asks */
};

/* What waits for its delivery or is under way. */
struct alert_queue {
    uint64_t length;     /* groups, now */
    bool is_known;       /* the whole queue was walked at least once: the rest was true then */
    uint64_t oldest_id;  /* 0: nothing waits. Mail of the appliance's own aside */
    uint32_t received_s; /* of that one, since CLOCK_EPOCH_S */
};

/* All borrowed. The first look comes a second later. NULL: no memory. */
struct alert_watch *alert_watch_new(const struct alert_watch_parts *parts, const struct conf *conf);
void alert_watch_free(struct alert_watch **watch);

/* After a reload; `conf` is not kept. */
void alert_watch_configure(struct alert_watch *watch, const struct conf *conf);

/* A message that killed workers is held. */
void alert_watch_held(struct alert_watch *watch, const struct group *group);

void alert_watch_queue(const struct alert_watch *watch, struct alert_queue *ret_queue);

/* The look that is due every ALERT_WATCH_MS. For tests. */
void alert_watch_look(struct alert_watch *watch);

#endif
