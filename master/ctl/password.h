/* master/ctl/password.h: a password from whoever runs posternctl.
 *
 * From a terminal it is asked for twice, without echo; otherwise it is the first line of the
 * standard input. Never an argument: those are seen by every user of the machine. */
#ifndef MASTER_CTL_PASSWORD_H
#define MASTER_CTL_PASSWORD_H

#define PASSWORD_SIZE 1024 /* more than the daemon takes, for it to say so */

struct ctl;

/* Into `out`, which the caller wipes. enum ctl_exit; the reason was printed. */
int password_read(struct ctl *ctl, char out[PASSWORD_SIZE]);

#endif
