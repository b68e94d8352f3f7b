#include "master/hash_index.h"

#include <errno.h>
#include <stdlib.h>

#define FIRST_BUCKETS 64U

void hash_index_done(struct hash_index *index)
{
    free(index->buckets);
    *index = (struct hash_index){ 0 };
}

/* splitmix64's finaliser over both halves. */
uint64_t hash_mix(uint64_t a, uint64_t b)
{
    uint64_t x = a + 0x9e3779b97f4a7c15U * (b + 1);

    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
    return x ^ (x >> 31);
}

/* The largest power of two that is not above the bucket count: buckets below `count - level` have
 * been split already in this round. */
static size_t level_of(size_t bucket_count)
{
    return (size_t)1 << (63 - __builtin_clzl(bucket_count));
}

static size_t bucket_of(const struct hash_index *index, uint64_t key)
{
    size_t level = level_of(index->bucket_count);
    size_t bucket = key & (2 * level - 1);

    return bucket < index->bucket_count ? bucket : key & (level - 1);
}

static int make_room(struct hash_index *index)
{
    size_t room = index->bucket_room == 0 ? FIRST_BUCKETS : 2 * index->bucket_room;
    struct hash_node **grown;

    if (index->bucket_count < index->bucket_room)
        return 0;
    grown = realloc(index->buckets, room * sizeof(struct hash_node *));
    if (grown == NULL)
        return -ENOMEM;
    index->buckets = grown;
    index->bucket_room = room;
    return 0;
}

/* One more bucket; the one it is split from shares its entries with it. Without memory the chains
 * just grow longer. */
static void grow_by_one(struct hash_index *index)
{
    size_t level = level_of(index->bucket_count);
    size_t split = index->bucket_count - level;
    struct hash_node **from, *node;

    if (make_room(index) != 0)
        return;
    index->buckets[index->bucket_count++] = NULL;
    for (from = &index->buckets[split]; (node = *from) != NULL;) {
        size_t bucket = bucket_of(index, node->key);

        if (bucket == split) {
            from = &node->next;
            continue;
        }
        *from = node->next;
        node->next = index->buckets[bucket];
        index->buckets[bucket] = node;
    }
}

int hash_index_insert(struct hash_index *index, struct hash_node *node, uint64_t key)
{
    size_t bucket;

    if (index->bucket_count == 0) {
        if (make_room(index) != 0)
            return -ENOMEM;
        while (index->bucket_count < FIRST_BUCKETS)
            index->buckets[index->bucket_count++] = NULL;
    }
    if (index->count >= index->bucket_count)
        grow_by_one(index);
    bucket = bucket_of(index, key);
    node->key = key;
    node->next = index->buckets[bucket];
    index->buckets[bucket] = node;
    index->count++;
    return 0;
}

void hash_index_remove(struct hash_index *index, struct hash_node *node)
{
    struct hash_node **from = &index->buckets[bucket_of(index, node->key)];

    while (*from != node)
        from = &(*from)->next;
    *from = node->next;
    node->next = NULL;
    index->count--;
}

static struct hash_node *skip_to(struct hash_node *node, uint64_t key)
{
    while (node != NULL && node->key != key)
        node = node->next;
    return node;
}

struct hash_node *hash_index_first(const struct hash_index *index, uint64_t key)
{
    if (index->bucket_count == 0)
        return NULL;
    return skip_to(index->buckets[bucket_of(index, key)], key);
}

struct hash_node *hash_index_next(const struct hash_node *node)
{
    return skip_to(node->next, node->key);
}
