/* master/retention.h: what was quarantined longer ago than it is to be kept is deleted (SR05).
 *
 * The whole queue is looked through now and then, a slice in each turn of the loop. Each message is
 * deleted as an operator does it: durably, with a log line. */
#ifndef MASTER_RETENTION_H
#define MASTER_RETENTION_H

#include <stdint.h>

struct loop;
struct queue;
struct queue_orders;
struct retention;

/* NULL: no memory. */
struct retention *retention_new(struct loop *loop, struct queue *queue,
                                struct queue_orders *orders);
void retention_free(struct retention **retention); /* NULL inside is allowed */
/* Seconds since the message was received, 0: for ever. Looks at once. */
void retention_set(struct retention *retention, int64_t keep_s);

#endif
