/* master/console/sandbox.h: what a taken-over console can still do: talk on the sockets it has.
 *
 * Two walls, either of which is enough against the store, the keys and the mail: Landlock takes the
 * whole file system away (and, where the kernel can, TCP addresses); seccomp leaves the calls that
 * a loop of sockets needs, and among those that are missing are open, connect, socket, fork and
 * exec. A call that is missing fails with EPERM. For good: nothing takes it back. */
#ifndef MASTER_CONSOLE_SANDBOX_H
#define MASTER_CONSOLE_SANDBOX_H

#include "common/reason.h"

/* After everything has been opened that will be needed. No threads may run yet. A kernel without
 * Landlock is told in the log; without seccomp it is an error: 0 or a negative errno. */
int sandbox_enter(struct reason *reterr_why);

#endif
