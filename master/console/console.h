/* master/console/console.h: the console as a whole: an HTTPS server that shows the page and passes
 * on what the page asks of the API.
 *
 * It knows no session and no account: it hands the cookie to the master, who does. */
#ifndef MASTER_CONSOLE_CONSOLE_H
#define MASTER_CONSOLE_CONSOLE_H

struct loop;

/* Waits for its settings at `link_fd`, closes itself in (sandbox.h), and serves until the master is
 * gone. Returns the exit status. */
int console_run(struct loop *loop, int link_fd);

#endif
