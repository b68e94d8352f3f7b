/* master/settle.h: puts a group where its cell says it belongs. */
#ifndef MASTER_SETTLE_H
#define MASTER_SETTLE_H

struct cell;
struct group;
struct queue;

/* The group is QUEUE_CHECKING and nobody holds its job. It may be gone afterwards. */
void settle_by_cell(struct queue *queue, struct group *group, const struct cell *cell);

#endif
