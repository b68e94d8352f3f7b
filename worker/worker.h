/* worker/worker.h: the worker as a whole: its parts, made in order and bound to the channel.
 *
 * Life: READY, then CONFIGURE makes the parts and recovers the own slot, LISTENER opens the doors,
 * MAIL_DELIVER brings work. DRAIN cuts what may be cut and answers DRAINED when nothing is left. At
 * the end of the channel the master is gone: no further 250 is sent, a transaction past its end of
 * data gets WORKER_LAST_WAIT_MS to be recorded, then the process exits. */
#ifndef WORKER_WORKER_H
#define WORKER_WORKER_H

#define WORKER_HEARTBEAT_MS 5000
#define WORKER_LAST_WAIT_MS 5000

struct loop;

/* Runs until the master ends it; returns the exit status. */
int worker_run(struct loop *loop, int channel_fd);

#endif
