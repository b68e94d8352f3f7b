/* master/scans.h: who looks through which slot's spool for mail, and when.
 *
 * A starting worker scans its own slot. A slot whose worker is not coming back soon, or at all (a
 * folder above the present worker count), is scanned by another worker at the master's order, one
 * slot at a time per worker. While a slot is scanned, what is finished there stays known
 * (master/group.h); and as long as any slot is not scanned, no segment is recycled: mail in one
 * slot may have notes in another. */
#ifndef MASTER_SCANS_H
#define MASTER_SCANS_H

#include <stdbool.h>

#include "common/ipc.h"

struct loop;
struct queue;
struct scans;
struct segments;
struct worker;
struct workers;

/* A slot's scan by another worker has ended, well or not. */
typedef void scans_done_cb(unsigned slot, void *arg);

struct scans *scans_new(struct loop *loop, struct workers *workers, struct queue *queue,
                        struct segments *segments, scans_done_cb *done, void *arg);
void scans_free(struct scans **scans);

/* Marks for a scan every folder spool/<n> with n of `first` and above. */
void scans_find_surplus(struct scans *scans, const char *spool_dir, unsigned first);

/* Its own slot: from the moment it is told to. */
void scans_own_began(struct scans *scans, struct worker *worker);

/* By whoever runs, as soon as somebody does. */
void scans_want(struct scans *scans, unsigned slot);
/* The same a little later: some of its mail could not be taken in. */
void scans_want_again(struct scans *scans, unsigned slot);
/* By its own worker, which is being started. */
void scans_expect(struct scans *scans, unsigned slot);
bool scans_is_under_way(const struct scans *scans, unsigned slot); /* by another worker */

/* May this worker report mail of that slot now? */
bool scans_may_report(const struct scans *scans, const struct worker *worker, unsigned slot);

void scans_worker_ready(struct scans *scans);
void scans_worker_gone(struct scans *scans, struct worker *worker);
/* 0, or -EBADMSG: nobody asked it. */
int scans_rescanned(struct scans *scans, struct worker *worker,
                    const struct ipc_rescanned *rescanned);

/* Slots that wait for a scan or have one under way: the queue is not complete yet. */
unsigned scans_open(const struct scans *scans);

#endif
