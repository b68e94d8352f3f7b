/* common/process.h: what every process of Postern does to itself before anything else. */
#ifndef COMMON_PROCESS_H
#define COMMON_PROCESS_H

#include <stdint.h>
#include <sys/types.h>

#include "common/reason.h"

/* Not dumpable (nobody of the same uid reads its memory, no core), no new privileges, SIGPIPE
 * ignored, the descriptor limit raised as far as it goes, standard descriptors open. Returns 0 or a
 * negative errno with the reason; nothing of it needs a privilege. */
int process_harden(struct reason *reterr_why);

/* The present limit of open descriptors, for `status`. */
uint64_t process_nofile(void);

/* When the process started, in clock ticks since boot: together with the pid this names a process
 * for good. 0 if there is no such process. */
uint64_t process_start_time(pid_t pid);

/* Closes every descriptor from `first` on. */
void process_close_from(int first);

#endif
