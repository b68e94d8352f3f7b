/* worker/spool_item.h: one record or note on its way to a segment.
 *
 * The loop's thread makes it, the sync thread gives it a place, and the loop hears what became of
 * it. The head (header and packed envelope, or header and text) is part of the one allocation; the
 * body stays where it was collected. */
#ifndef WORKER_SPOOL_ITEM_H
#define WORKER_SPOOL_ITEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/cell.h"
#include "common/envelope.h"
#include "common/spool_format.h"
#include "worker/spooler.h"
#include "worker/sync_thread.h"

struct spool_item {
    struct sync_job job;
    struct spooler *spooler;

    unsigned char *head; /* SPOOL_ALIGN bytes of zero lie before it: padding of the one before */
    size_t head_bytes;
    const void *body; /* malloc'd; NULL: none, or it is in the segment already */
    size_t body_bytes;
    uint64_t body_sum; /* of a body that is in the segment already */
    uint32_t cells;    /* so many groups; 0 of a note */
    struct cell
        *states; /* malloc'd, of a copy: its cells are written before it is; NULL: of none */
    bool is_note;
    bool is_own; /* made here, not handed in */
    uint64_t id;

    /* What became of it. */
    int err;
    uint32_t segment;
    uint32_t first_cell;
    uint64_t offset;

    /* For the loop's thread. */
    struct envelope_group *groups; /* `cells` of them */
    size_t reserved;
    uint32_t received_s;
    union {
        spooler_done_cb *message;
        spooler_note_cb *note;
    } done;
    void *arg;
};

/* A message without its body. -ENOMEM, or -EINVAL: the envelope cannot be packed, or no cell has
 * room for one of its groups. Until something else becomes of it an item's `err` is -ECANCELED. */
int spool_item_new_message(uint64_t id, int64_t received_ms, const struct envelope *envelope,
                           const struct spooler_body_facts *facts, struct spool_item **ret_item);
int spool_item_new_note(uint64_t id, uint32_t group, struct cell_note_place previous,
                        const char *text, size_t bytes, struct spool_item **ret_item);
/* The same message once more (`record` was read, and its checksums hold): what follows the record's
 * header lies at `content`. `states`, malloc'd, are the `record->group_count` cells of the copy;
 * taken over if it is made. -ENOMEM. */
int spool_item_new_copy(const struct spool_record *record, const void *content, struct cell *states,
                        struct spool_item **ret_item);
void spool_item_set_facts(struct spool_item *item, const struct spooler_body_facts *facts);
void spool_item_free(struct spool_item **item); /* and the body */

/* Bytes in the segment, not padded. */
static inline uint64_t spool_item_bytes(const struct spool_item *item)
{
    return item->head_bytes + item->body_bytes;
}

/* A copy's cells, of which `sequence` was the last that was written. 0 or a negative errno. */
int spool_item_write_states(const struct spool_item *item, int state_fd, uint64_t incarnation,
                            uint16_t sequence);
/* From now on its cells say that the message goes on elsewhere. One that is no copy is allowed. */
void spool_item_withdraw(struct spool_item *item);

/* Fills in the place and all checksums: offset and first_cell are set. */
void spool_item_seal(struct spool_item *item, uint64_t incarnation);

#endif
