/* master/alerts.h: what somebody must look at, until alerts are sent by mail (OP08).
 *
 * Every log line of level `alert`, of the master and of its workers, is also kept here, the same
 * once with a count. In memory: a restart begins afresh, the log has them all. */
#ifndef MASTER_ALERTS_H
#define MASTER_ALERTS_H

#include <jansson.h>

#define ALERTS_MAX 100

struct alerts;

/* Hooks itself onto the log (log_on_alert). NULL: no memory. */
struct alerts *alerts_new(void);
void alerts_free(struct alerts **alerts);

/* One that this process has not logged itself. `alerts` NULL: nobody keeps it. */
void alerts_take(struct alerts *alerts, const char *process, const char *module, const char *text);

/* [{"number", "time", "last", "count", "process", "module", "text"}, ...], the one that was heard
 * last is first. */
json_t *alerts_shown(const struct alerts *alerts);

#endif
