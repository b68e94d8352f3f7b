/* master/dispatch.h: which group goes next, to which worker, from which start server.
 *
 * Profiles are served in turn, within a profile new mail before deferred 3:1 (MQ0A). A profile has
 * at most max_in_flight groups out, and at most half of a worker's credit while others have mail,
 * so that one whose servers hang delays nobody else (SP25). The start server is the cursor's
 * (SP20, SP21). The worker is one with an idle connection to it, else the one whose spool has the
 * message if its load is within 25 % of the least, else the least loaded. */
#ifndef MASTER_DISPATCH_H
#define MASTER_DISPATCH_H

#include <stdint.h>

struct dispatch;

/* Which server (index) the next delivery of this profile would start with; -ENOENT: no such
 * profile. Hands nothing out (SR06). */
int dispatch_next_start(const struct dispatch *dispatch, uint32_t profile);

/* Groups of this profile that are with workers now. */
unsigned dispatch_in_flight(const struct dispatch *dispatch, uint32_t profile);

#endif
