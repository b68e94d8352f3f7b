#include "common/cell.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <xxhash.h>

/* One of a cell's two slots as it lies on disk, little-endian. */
struct disk_slot {
    uint64_t checksum; /* of all that follows, seeded by the key */
    uint32_t next_attempt_s;
    uint32_t profile;
    uint32_t note_segment;
    uint32_t note_offset;
    uint16_t sequence; /* even ones lie in slot 0, odd ones in slot 1 */
    uint16_t attempts;
    uint8_t stage;
    uint8_t crashes;
    uint8_t note_slot;
    uint8_t flags;
    uint8_t recipients[CELL_RECIPIENTS / 4];
};

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "slots are copied as they are");
_Static_assert(sizeof(struct disk_slot) * 2 == CELL_BYTES, "two slots fill a cell");

enum cell_recipient cell_recipient_get(const struct cell *cell, unsigned index)
{
    if (index >= CELL_RECIPIENTS)
        return CELL_RCPT_OPEN;
    return (enum cell_recipient)(cell->recipients[index / 4] >> index % 4 * 2 & 3);
}

void cell_recipient_set(struct cell *cell, unsigned index, enum cell_recipient state)
{
    const unsigned shift = index % 4 * 2;
    unsigned byte;

    if (index >= CELL_RECIPIENTS)
        return;
    byte = cell->recipients[index / 4];
    byte = (byte & ~(3U << shift)) | (unsigned)state << shift;
    cell->recipients[index / 4] = (uint8_t)byte;
}

static uint64_t checksum_of(const struct disk_slot *slot, const struct cell_key *key)
{
    const uint64_t words[2] = { key->id, key->group };
    const uint64_t seed = XXH3_64bits_withSeed(words, sizeof(words), key->incarnation);

    return XXH3_64bits_withSeed((const unsigned char *)slot + sizeof(slot->checksum),
                                sizeof(*slot) - sizeof(slot->checksum), seed);
}

static bool is_valid(const struct disk_slot *slot, unsigned index, const struct cell_key *key)
{
    return slot->sequence % 2 == index && slot->stage < CELL_STAGE_COUNT &&
           slot->checksum == checksum_of(slot, key);
}

/* Sequence numbers wrap; of two in use one is the other's successor. */
static bool is_later(uint16_t a, uint16_t b)
{
    return (int16_t)(uint16_t)(a - b) > 0;
}

bool cell_decode(const void *slots, const struct cell_key *key, struct cell *ret_cell,
                 uint16_t *ret_sequence)
{
    struct disk_slot slot[2];
    const struct disk_slot *found = NULL;

    memcpy(slot, slots, sizeof(slot));
    for (unsigned i = 0; i < 2; i++) {
        if (is_valid(&slot[i], i, key) &&
            (found == NULL || is_later(slot[i].sequence, found->sequence)))
            found = &slot[i];
    }
    *ret_cell = (struct cell){ 0 };
    *ret_sequence = 0;
    if (found == NULL)
        return false;
    *ret_cell = (struct cell){ .stage = (enum cell_stage)found->stage,
                               .flags = found->flags,
                               .attempts = found->attempts,
                               .crashes = found->crashes,
                               .next_attempt_s = found->next_attempt_s,
                               .profile = found->profile,
                               .note = { .segment = found->note_segment,
                                         .offset = found->note_offset,
                                         .slot = found->note_slot } };
    memcpy(ret_cell->recipients, found->recipients, sizeof(ret_cell->recipients));
    *ret_sequence = found->sequence;
    return true;
}

int cell_read(int fd, uint32_t index, const struct cell_key *key, struct cell *ret_cell,
              uint16_t *ret_sequence)
{
    unsigned char slots[CELL_BYTES] = { 0 };
    ssize_t n;

    do {
        n = pread(fd, slots, sizeof(slots), (off_t)index * CELL_BYTES);
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    (void)cell_decode(slots, key, ret_cell, ret_sequence);
    return 0;
}

int cell_write(int fd, uint32_t index, const struct cell_key *key, const struct cell *cell,
               uint16_t *sequence)
{
    const uint16_t next = (uint16_t)(*sequence + 1);
    struct disk_slot slot = { .next_attempt_s = cell->next_attempt_s,
                              .profile = cell->profile,
                              .note_segment = cell->note.segment,
                              .note_offset = cell->note.offset,
                              .sequence = next,
                              .attempts = cell->attempts,
                              .stage = (uint8_t)cell->stage,
                              .crashes = cell->crashes,
                              .note_slot = cell->note.slot,
                              .flags = (uint8_t)cell->flags };
    const off_t at = (off_t)index * CELL_BYTES + (off_t)(next % 2 * sizeof(slot));
    ssize_t n;

    memcpy(slot.recipients, cell->recipients, sizeof(slot.recipients));
    slot.checksum = checksum_of(&slot, key);
    do {
        n = pwrite(fd, &slot, sizeof(slot), at);
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    if ((size_t)n != sizeof(slot))
        return -EIO;
    *sequence = next;
    return 0;
}
