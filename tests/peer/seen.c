#include "seen.h"

#include <stdlib.h>

static bool put(uint64_t *slots, size_t room, uint64_t hash)
{
    size_t at = (size_t)hash & (room - 1);

    while (slots[at] != 0 && slots[at] != hash)
        at = (at + 1) & (room - 1);
    if (slots[at] == hash)
        return false;
    slots[at] = hash;
    return true;
}

static void grow(struct seen *seen)
{
    size_t room = seen->room > 0 ? seen->room * 2 : 1024;
    uint64_t *slots = calloc(room, sizeof(*slots));

    if (slots == NULL)
        abort();
    for (size_t i = 0; i < seen->room; i++) {
        if (seen->slots[i] != 0)
            (void)put(slots, room, seen->slots[i]);
    }
    free(seen->slots);
    seen->slots = slots;
    seen->room = room;
}

bool seen_add(struct seen *seen, uint64_t hash)
{
    bool is_new;

    if (seen->count * 2 >= seen->room)
        grow(seen);
    is_new = put(seen->slots, seen->room, hash != 0 ? hash : 1);
    seen->count += is_new;
    return is_new;
}

void seen_clear(struct seen *seen)
{
    free(seen->slots);
    *seen = (struct seen){ 0 };
}
