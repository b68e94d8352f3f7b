/* worker/delivery.h: the jobs of this worker: one stage of one group of one message each, one
 * attempt each (common/stage.h).
 *
 * MAIL_DELIVER in, MAIL_OUTCOME out. A job walks the profile's servers from its start server on
 * (SP20, SP21). To relay, it takes a pooled connection or opens one, runs as many transactions as
 * its recipients need, and records what came of it in the group's cell in the handler that read the
 * final reply (MQ03). To scan or to upload, it takes the message apart first and asks a Core or a
 * Vault (worker/rest/). Whatever is not simply delivered is told in a note (worker/note.h). */
#ifndef WORKER_DELIVERY_H
#define WORKER_DELIVERY_H

#include <stdint.h>

#include "common/ipc.h"

struct body_work;
struct channel;
struct conf;
struct delivery;
struct directory;
struct http;
struct loop;
struct resolver;
struct segment_cache;
struct smtp_pool;
struct spooler;

struct delivery_parts { /* borrowed */
    struct loop *loop;
    struct channel *channel;
    const struct conf *conf;
    struct directory *directory;
    struct segment_cache *cache;
    struct spooler *spooler;
    struct resolver *resolver;
    struct smtp_pool *pool;
    struct http *http;
    struct body_work *body_work;
};

/* NULL when memory is short. */
struct delivery *delivery_new(const struct delivery_parts *parts);

/* Drops the jobs that are left without a word: their cells say what was done. Before the pool, the
 * resolver and the spooler. NULL inside is allowed. */
void delivery_free(struct delivery **delivery);

void delivery_start(struct delivery *delivery, const struct ipc_mail_deliver *order);

/* The master wants it back: cut, unless it is past its end of data; then it goes on. What is cut is
 * neither failure nor attempt (NO_ROOM), but when a server has judged some recipient already it is
 * an attempt that ended (DEFERRED). Unknown jobs are over already. */
void delivery_cancel(struct delivery *delivery, uint64_t job);

/* Cuts what has not sent its end of data as delivery_cancel() does, takes nothing more, and runs
 * `done` once, never from inside the call, when the rest is recorded. A second call replaces
 * `done`. */
typedef void delivery_drained_cb(void *arg);
void delivery_drain(struct delivery *delivery, delivery_drained_cb *done, void *arg);

struct delivery_figures {
    uint64_t delivered; /* groups finished */
    uint64_t ambiguous; /* connections lost after the end of data */
    unsigned jobs;
    unsigned connections; /* outbound, open */
};
void delivery_figures(const struct delivery *delivery, struct delivery_figures *ret_figures);

#endif
