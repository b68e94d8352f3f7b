/* master/startup.h: what a daemon does once around its work: background, locks, pid file. */
#ifndef MASTER_STARTUP_H
#define MASTER_STARTUP_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/conf.h"
#include "common/reason.h"

/* Goes on in a child of its own session; the parent stays until startup_report() and exits with
 * that status. Returns a descriptor for startup_report(), or a negative errno. Comes before
 * anything that does not survive a fork: locks, threads, LMDB. */
int startup_daemonise(struct reason *reterr_why);

/* Tells the waiting parent how the start went; fd -1 (foreground): nothing to do. `message` is
 * printed by the parent when status is not 0. Closes the descriptor. */
void startup_report(int *fd, int status, const char *message);

/* Makes state_dir and run_dir if they are missing, and locks state_dir for the life of this
 * process. -EBUSY: another posternd has it, and has it for longer than a moment. The descriptor is
 * kept open on purpose. */
int startup_lock(const struct conf *conf, int *ret_lock_fd, struct reason *reterr_why);

/* <run_dir>/posternd.pid: "pid start-time". */
int startup_write_pid(const struct conf *conf, struct reason *reterr_why);
void startup_remove_pid(const struct conf *conf);

/* Workers of a master that died record what they have and end within seconds. Until then they hold
 * their slots' locks and may still write: nothing may be recovered. After 10 s those that were
 * recorded are killed. 0 when all slots are free. */
int startup_wait_for_old_workers(const struct conf *conf, struct reason *reterr_why);

/* Records a worker's pid and start time for that: spool/<slot>/pid. */
void startup_record_worker(const struct conf *conf, unsigned slot, pid_t pid);

#endif
