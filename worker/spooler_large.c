/* Large messages: pieces of the body go to the sync thread as they come, into a segment of their
 * own (worker/own_segment.c). At most LARGE_WAITING bytes are on their way; then the sender waits.
 */
#include "worker/spooler_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "worker/disk.h"

#define PIECE_BYTES   (128U << 10)
#define LARGE_WAITING (1U << 20)
#define LARGE_RESUME  (512U << 10)

struct spooler_large {
    struct sync_job job; /* of commit or abort; the last to come back */
    struct spooler *spooler;
    struct spool_item *item;
    size_t reserved;
    struct piece *piece; /* being filled */
    size_t waiting;
    bool is_choked, is_ended;
    bool has_hole; /* no memory for a piece: what followed is dropped, and it will not be stored */
    spooler_room_cb *on_room;
    void *arg;

    /* In the sync thread: */
    struct own_segment *own; /* NULL: not begun, or failed */
    int err;
};

struct piece {
    struct sync_job job;
    struct spooler_large *large;
    size_t bytes;
    unsigned char data[PIECE_BYTES];
};

/* ---- in the sync thread ---- */

static void take_piece(struct spooler_large *large, struct spool_disk *disk, const void *data,
                       size_t bytes)
{
    if (large->own == NULL && large->err == 0)
        large->err = own_segment_begin(disk, large->item, &large->own);
    if (large->err == 0)
        large->err = own_segment_append(large->own, data, bytes);
    if (large->err < 0 && large->own != NULL)
        own_segment_abort(&large->own);
}

static void piece_work(struct sync_job *job, void *arg)
{
    struct piece *piece = (struct piece *)job;
    struct spool_disk *disk = arg;

    take_piece(piece->large, disk, piece->data, piece->bytes);
    sync_list_add(&disk->out, job);
}

static void commit_later(struct sync_job *job, void *arg)
{
    struct spooler_large *large = (struct spooler_large *)job;
    struct spool_disk *disk = arg;

    if (large->has_hole && large->err == 0)
        large->err = -ENOMEM;
    take_piece(large, disk, "", 0); /* without any body it begins only now */
    if (large->err == 0)
        large->err = own_segment_finish(&large->own);
    own_segment_settle(disk, large->item, large->err);
    sync_list_add(&disk->out, job);
}

static void commit_work(struct sync_job *job, void *arg)
{
    struct spool_disk *disk = arg;

    job->work = commit_later;
    sync_list_add(&disk->later, job);
}

static void abort_work(struct sync_job *job, void *arg)
{
    struct spooler_large *large = (struct spooler_large *)job;
    struct spool_disk *disk = arg;

    if (large->own != NULL)
        own_segment_abort(&large->own);
    sync_list_add(&disk->out, job);
}

/* ---- in the loop ---- */

static void piece_done(struct sync_job *job)
{
    struct piece *piece = (struct piece *)job;
    struct spooler_large *large = piece->large;

    large->waiting -= piece->bytes;
    free(piece);
    if (!large->is_choked || large->waiting > LARGE_RESUME)
        return;
    large->is_choked = false;
    if (!large->is_ended && !large->spooler->is_ending)
        large->on_room(large->arg);
}

static void give_piece(struct spooler_large *large)
{
    if (large->piece == NULL)
        return;
    large->waiting += large->piece->bytes;
    spooler_give(large->spooler, &large->piece->job);
    large->piece = NULL;
}

static struct piece *open_piece(struct spooler_large *large)
{
    struct piece *piece = large->piece;

    if (piece != NULL && piece->bytes < PIECE_BYTES)
        return piece;
    give_piece(large);
    piece = malloc(sizeof(*piece));
    if (piece == NULL)
        return NULL;
    piece->job = (struct sync_job){ .work = piece_work, .done = piece_done };
    piece->large = large;
    piece->bytes = 0;
    large->piece = piece;
    return piece;
}

struct spooler_large *spooler_large_begin(struct spooler *spooler, uint64_t id,
                                          const struct envelope *envelope, size_t reserved,
                                          spooler_room_cb *on_room, spooler_done_cb *done,
                                          void *arg)
{
    static const struct spooler_body_facts not_known;
    struct spooler_large *large = calloc(1, sizeof(*large));

    if (large == NULL)
        return NULL;
    if (spool_item_new_message(id, clock_wall_ms(), envelope, &not_known, &large->item) < 0) {
        free(large);
        return NULL;
    }
    large->spooler = spooler;
    large->reserved = reserved;
    large->on_room = on_room;
    large->arg = arg;
    large->item->reserved = reserved;
    large->item->done.message = done;
    large->item->arg = arg;
    return large;
}

bool spooler_large_write(struct spooler_large *large, const void *data, size_t bytes)
{
    const unsigned char *at = data;

    while (bytes > 0 && !large->has_hole) {
        struct piece *piece = open_piece(large);
        size_t part;

        if (piece == NULL) {
            large->has_hole = true;
            break;
        }
        part = PIECE_BYTES - piece->bytes < bytes ? PIECE_BYTES - piece->bytes : bytes;
        memcpy(piece->data + piece->bytes, at, part);
        piece->bytes += part;
        at += part;
        bytes -= part;
    }
    if (large->waiting >= LARGE_WAITING)
        large->is_choked = true;
    return !large->is_choked;
}

/* The item has told everything, unless the thread never came to it before its end. */
static void commit_done(struct sync_job *job)
{
    struct spooler_large *large = (struct spooler_large *)job;

    if (job->work != commit_later)
        large->item->job.done(&large->item->job);
    free(large);
}

void spooler_large_commit(struct spooler_large *large, const struct spooler_body_facts *facts)
{
    struct spooler *spooler = large->spooler;

    give_piece(large);
    large->is_ended = true;
    spool_item_set_facts(large->item, facts);
    large->job = (struct sync_job){ .work = commit_work, .done = commit_done };
    spooler_take_message(spooler, large->item);
    spooler_give(spooler, &large->job);
}

static void abort_done(struct sync_job *job)
{
    struct spooler_large *large = (struct spooler_large *)job;

    spooler_unreserve(large->spooler, large->reserved);
    spool_item_free(&large->item);
    free(large);
}

void spooler_large_abort(struct spooler_large *large)
{
    free(large->piece);
    large->piece = NULL;
    large->is_ended = true;
    large->job = (struct sync_job){ .work = abort_work, .done = abort_done };
    spooler_give(large->spooler, &large->job);
}
