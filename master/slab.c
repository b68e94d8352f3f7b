#include "master/slab.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK 1024U /* objects allocated together */
#define NONE  UINT32_MAX

struct chunk {
    uint32_t next_free[CHUNK];
    bool is_used[CHUNK];
    _Alignas(16) unsigned char objects[];
};

struct slab {
    struct chunk **chunks;
    size_t object_bytes, max;
    uint32_t chunk_count, first_free;
};

struct slab *slab_new(size_t object_bytes, size_t max)
{
    struct slab *slab = calloc(1, sizeof(*slab));

    if (slab == NULL)
        return NULL;
    slab->object_bytes = (object_bytes + 15) & ~(size_t)15;
    slab->max = max;
    slab->first_free = NONE;
    return slab;
}

void slab_free(struct slab **slab)
{
    if (*slab == NULL)
        return;
    for (uint32_t i = 0; i < (*slab)->chunk_count; i++)
        free((*slab)->chunks[i]);
    free((*slab)->chunks);
    free(*slab);
    *slab = NULL;
}

static int add_chunk(struct slab *slab)
{
    uint32_t first = slab->chunk_count * CHUNK;
    struct chunk **grown, *chunk;

    if (first >= slab->max || first > NONE - 2 * CHUNK)
        return -1;
    grown = realloc(slab->chunks, (slab->chunk_count + 1) * sizeof(struct chunk *));
    if (grown == NULL)
        return -1;
    slab->chunks = grown;
    chunk = calloc(1, sizeof(*chunk) + CHUNK * slab->object_bytes);
    if (chunk == NULL)
        return -1;
    for (uint32_t i = 0; i < CHUNK; i++)
        chunk->next_free[i] = i + 1 < CHUNK ? first + i + 1 : NONE;
    slab->chunks[slab->chunk_count++] = chunk;
    slab->first_free = first;
    return 0;
}

void *slab_take(struct slab *slab, uint32_t *ret_number)
{
    struct chunk *chunk;
    uint32_t number;
    void *object;

    if (slab->first_free == NONE && add_chunk(slab) != 0)
        return NULL;
    number = slab->first_free;
    chunk = slab->chunks[number / CHUNK];
    slab->first_free = chunk->next_free[number % CHUNK];
    chunk->is_used[number % CHUNK] = true;
    object = chunk->objects + (number % CHUNK) * slab->object_bytes;
    memset(object, 0, slab->object_bytes);
    *ret_number = number;
    return object;
}

void slab_give(struct slab *slab, uint32_t number)
{
    struct chunk *chunk = slab->chunks[number / CHUNK];

    chunk->is_used[number % CHUNK] = false;
    chunk->next_free[number % CHUNK] = slab->first_free;
    slab->first_free = number;
}

void *slab_at(const struct slab *slab, uint32_t number)
{
    struct chunk *chunk;

    if (number >= slab_room(slab))
        return NULL;
    chunk = slab->chunks[number / CHUNK];
    return chunk->is_used[number % CHUNK] ? chunk->objects + (number % CHUNK) * slab->object_bytes
                                          : NULL;
}

uint32_t slab_room(const struct slab *slab)
{
    return slab->chunk_count * CHUNK;
}
