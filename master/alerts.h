/* master/alerts.h: what somebody must look at (OP08): the list of causes, and what is news of them.
 *
 * A cause is a kind and an object ("a server is down", which one). It stands from the first look
 * that finds it so until one that does not; looks come in rounds (master/alert_watch.h). Log lines
 * of level `alert`, of the master and of its workers, are causes as well, the same once with a
 * count: they happen and do not stand.
 *
 * What is news is told by mail (master/alert_post.h): that a cause began, once an hour that it
 * stands still, and its end. Of one cause at most one mail an hour says that it is so, however
 * often it begins anew; its end is told if its begin was.
 *
 * In memory, at most ALERTS_MAX of them: those that are over leave first. What stands is kept over
 * a restart (master/alert_file.h) and is no news then if it is found so again. */
#ifndef MASTER_ALERTS_H
#define MASTER_ALERTS_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#define ALERTS_MAX      400U
#define ALERTS_GRACE_MS 600000 /* for what stood before a restart to be found again */

struct alerts;

enum alert_kind {
    ALERT_LOG, /* a log line */
    ALERT_SERVER_DOWN,
    ALERT_LOGIN_REFUSED,
    ALERT_PROFILE_DOWN,
    ALERT_SCANS_FAIL,
    ALERT_UPLOADS_FAIL,
    ALERT_QUEUE_LENGTH,
    ALERT_QUEUE_AGE,
    ALERT_DISK_LOW,
    ALERT_CERTIFICATE,
    ALERT_MESSAGE_HELD,
    ALERT_KIND_COUNT
};

const char *alert_kind_name(enum alert_kind kind); /* "server_down", ... */

/* Hooks itself onto the log (log_on_alert). NULL: no memory. */
struct alerts *alerts_new(void);
void alerts_free(struct alerts **alerts);

/* Another clock than the wall's. For tests. */
void alerts_set_clock(struct alerts *alerts, int64_t (*wall_ms)(void));
/* How long a cause is no news after it was told: an hour, if nothing is said. */
void alerts_set_repeat(struct alerts *alerts, int64_t repeat_ms);

/* A log line that this process has not logged itself. `alerts` NULL: nobody keeps it. */
void alerts_take(struct alerts *alerts, const char *process, const char *module, const char *text);

/* One round: every cause that stands now is named, with a text for people, which may change. A
 * higher level than the one that was told is news. `known` has a bit for each kind that was looked
 * for: what stands of these and was not named is over. */
void alerts_round(struct alerts *alerts);
void alerts_stands(struct alerts *alerts, enum alert_kind kind, const char *object, int level,
                   const char *text);
void alerts_round_ends(struct alerts *alerts, unsigned known);

/* Does it stand? */
bool alerts_is_standing(const struct alerts *alerts, enum alert_kind kind, const char *object);
bool alerts_has_changed(struct alerts *alerts); /* what stands, since the last call */

/* Nobody is told: what is over is no news for whoever is told later. */
void alerts_forget_news(struct alerts *alerts);

/* What stands, for alerts_remember() after a restart. */
json_t *alerts_record(const struct alerts *alerts);
void alerts_remember(struct alerts *alerts, const json_t *record);

/* [{"number", "time", "last", "count", "process", "module", "text", "kind", "object", "since",
 * "ended", "mailed"}, ...], the one that began, or was heard, last is first. */
json_t *alerts_shown(const struct alerts *alerts);

#endif
