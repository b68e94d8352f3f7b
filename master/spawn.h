/* master/spawn.h: fork and exec of the other processes. */
#ifndef MASTER_SPAWN_H
#define MASTER_SPAWN_H

#include <stddef.h>
#include <sys/types.h>

#include "common/reason.h"

#define SPAWN_CHANNEL_FD 3 /* IPC_CHANNEL_FD of a worker, CONSOLE_LINK_FD of the console */

/* Beside this program's own file, else in ../libexec/postern or ../lib/postern. */
int spawn_find(const char *name, char *ret_path, size_t size, struct reason *reterr_why);

/* The new process has its channel (SOCK_SEQPACKET) at descriptor SPAWN_CHANNEL_FD, `log_fd` as
 * standard error, a clean environment, its own process group, SIGTERM, SIGINT and SIGHUP ignored
 * (they are the master's) and nothing else that was open here. 0, with the master's end of the
 * channel, or a negative errno. */
int spawn_process(const char *path, int log_fd, pid_t *ret_pid, int *ret_channel_fd);

#endif
