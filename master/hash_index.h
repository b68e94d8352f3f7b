/* master/hash_index.h: finds an object by a 64-bit key, for tables that grow to millions.
 *
 * Linear hashing: the table grows by one bucket per entry, so that no single insert is slow (a turn
 * of the master's loop stays under 5 ms). The node lies in the object; nothing is owned here. */
#ifndef MASTER_HASH_INDEX_H
#define MASTER_HASH_INDEX_H

#include <stddef.h>
#include <stdint.h>

struct hash_node {
    struct hash_node *next;
    uint64_t key; /* well mixed: see hash_mix() */
};

struct hash_index {
    struct hash_node **buckets;
    size_t bucket_count, bucket_room, count;
};

/* All zero is a valid empty index. */
void hash_index_done(struct hash_index *index);

/* Several nodes may have the same key: walk from hash_index_first() with hash_index_next(). */
int hash_index_insert(struct hash_index *index, struct hash_node *node, uint64_t key);
void hash_index_remove(struct hash_index *index, struct hash_node *node);
struct hash_node *hash_index_first(const struct hash_index *index, uint64_t key);
struct hash_node *hash_index_next(const struct hash_node *node);

uint64_t hash_mix(uint64_t a, uint64_t b);

#endif
