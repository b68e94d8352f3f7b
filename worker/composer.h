/* worker/composer.h: carries out COMPOSE: mail of the appliance's own.
 *
 * The message is built (worker/composition.h), stored as any other is, and reported as MAIL_QUEUED;
 * only then COMPOSED says so: it is as durable as mail that was answered 250 (MQ02). It is relayed
 * by the profile that the order names, under the rule that it names, with all stages of that, or
 * under none (0). It has room of its own (spooler_reserve_own()), so that a gateway that is full
 * can say so.
 *
 * A stored message that goes with it is copied from where it lies, in pieces as large as the
 * spooler takes them: memory does not grow with it. */
#ifndef WORKER_COMPOSER_H
#define WORKER_COMPOSER_H

#include "common/ipc.h"

struct channel;
struct composer;
struct conf;
struct segment_cache;
struct spooler;

/* All borrowed. NULL: no memory. */
struct composer *composer_new(struct channel *channel, const struct conf *conf,
                              struct segment_cache *cache, struct spooler *spooler);

/* What is being copied is given up; what the spooler has is answered when it is done. Before
 * spooler_free(). NULL inside is allowed. */
void composer_free(struct composer **composer);

/* Answered with COMPOSED exactly once, unless the process ends before. `fd` is closed here. */
void composer_order(struct composer *composer, const struct ipc_compose *order, int fd);

#endif
