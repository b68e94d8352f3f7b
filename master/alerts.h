/* master/alerts.h: what somebody must look at, until alerts are sent by mail (OP08).
 *
 * Every log line of level `alert` of the master is also kept here, newest last, the same line once
 * with a count. In memory: a restart begins afresh, the log has them all. */
#ifndef MASTER_ALERTS_H
#define MASTER_ALERTS_H

#include <jansson.h>

#define ALERTS_MAX 100

struct alerts;

/* Hooks itself onto the log (log_on_alert). NULL: no memory. */
struct alerts *alerts_new(void);
void alerts_free(struct alerts **alerts);

/* [{"number", "time", "last", "count", "module", "text"}, ...], newest first. */
json_t *alerts_shown(const struct alerts *alerts);

#endif
