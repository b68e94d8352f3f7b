#include "master/due_heap.h"

#include <errno.h>
#include <stdlib.h>

#include "master/group.h"

void due_heap_done(struct due_heap *heap)
{
    free(heap->items);
    *heap = (struct due_heap){ 0 };
}

int due_heap_reserve(struct due_heap *heap, size_t groups)
{
    size_t room = heap->room == 0 ? 1024 : heap->room;
    struct group **grown;

    if (groups <= heap->room)
        return 0;
    while (room < groups)
        room *= 2;
    grown = realloc(heap->items, room * sizeof(struct group *));
    if (grown == NULL)
        return -ENOMEM;
    heap->items = grown;
    heap->room = room;
    return 0;
}

static void put(struct due_heap *heap, size_t at, struct group *group)
{
    heap->items[at] = group;
    group->heap_at = (uint32_t)at;
}

static void sift_up(struct due_heap *heap, size_t at, struct group *group)
{
    while (at > 0 && heap->items[(at - 1) / 2]->due_ms > group->due_ms) {
        put(heap, at, heap->items[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    put(heap, at, group);
}

static void sift_down(struct due_heap *heap, size_t at, struct group *group)
{
    for (;;) {
        size_t child = 2 * at + 1;

        if (child >= heap->count)
            break;
        if (child + 1 < heap->count && heap->items[child + 1]->due_ms < heap->items[child]->due_ms)
            child++;
        if (heap->items[child]->due_ms >= group->due_ms)
            break;
        put(heap, at, heap->items[child]);
        at = child;
    }
    put(heap, at, group);
}

void due_heap_push(struct due_heap *heap, struct group *group)
{
    sift_up(heap, heap->count++, group);
}

void due_heap_remove(struct due_heap *heap, struct group *group)
{
    struct group *last = heap->items[--heap->count];
    size_t at = group->heap_at;

    if (last == group)
        return;
    if (at > 0 && heap->items[(at - 1) / 2]->due_ms > last->due_ms)
        sift_up(heap, at, last);
    else
        sift_down(heap, at, last);
}

struct group *due_heap_first(const struct due_heap *heap)
{
    return heap->count > 0 ? heap->items[0] : NULL;
}
