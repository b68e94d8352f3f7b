/* master/spawn.h: fork and exec of a worker. */
#ifndef MASTER_SPAWN_H
#define MASTER_SPAWN_H

#include <stddef.h>
#include <sys/types.h>

#include "common/reason.h"

/* Beside this program's own file, else in ../libexec/postern or ../lib/postern. */
int spawn_find_worker(char *ret_path, size_t size, struct reason *reterr_why);

/* The new process has its channel at IPC_CHANNEL_FD, `log_fd` as standard error, a clean
 * environment, its own process group, SIGTERM, SIGINT and SIGHUP ignored (they are the master's)
 * and nothing else that was open here. 0, with the master's end of the channel, or a negative
 * errno. */
int spawn_worker(const char *path, int log_fd, pid_t *ret_pid, int *ret_channel_fd);

#endif
