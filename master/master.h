/* master/master.h: the master as a whole: its parts, made in order, bound to each other, and ended
 * in the opposite order. */
#ifndef MASTER_MASTER_H
#define MASTER_MASTER_H

#include "common/conf.h"
#include "common/reason.h"

struct master;

/* Runs until SIGTERM or SIGINT has drained it. `conf` is taken over; `conf_path` is read again on
 * SIGHUP; `report_fd` is startup_report()'s. Returns the exit status. */
int master_run(struct conf *conf, const char *conf_path, int report_fd);

/* Opens the log as the configuration says; used again on SIGHUP. 0 or a negative errno. */
int master_open_log(const struct conf *conf, int *log_fd, struct reason *reterr_why);

#endif
