/* master/due_heap.h: what waits, the earliest first. Each group knows its place (heap_at). */
#ifndef MASTER_DUE_HEAP_H
#define MASTER_DUE_HEAP_H

#include <stddef.h>

struct group;

struct due_heap { /* all zero is empty */
    struct group **items;
    size_t count, room;
};

void due_heap_done(struct due_heap *heap);
/* Room for one more; call it when a group is made, so that later moves cannot fail. 0 or -ENOMEM.
 */
int due_heap_reserve(struct due_heap *heap, size_t groups);
void due_heap_push(struct due_heap *heap, struct group *group);
void due_heap_remove(struct due_heap *heap, struct group *group);
struct group *due_heap_first(const struct due_heap *heap);

#endif
