#include "worker/read_ahead.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/auto.h"
#include "worker/disk.h"
#include "worker/spooler_private.h"

#define PIECE_BYTES (256U << 10)

struct read_ahead {
    struct sync_job job;
    struct ipc_place place;
    read_ahead_cb *done; /* NULL: cancelled */
    void *arg;
};

/* ---- in the sync thread ---- */

/* What is read is thrown away: it is in the page cache then. */
static void warm(int fd, uint64_t from, uint64_t bytes)
{
    static unsigned char scratch[PIECE_BYTES]; /* there is one sync thread */
    uint64_t at = 0;

    while (at < bytes && at < READ_AHEAD_BYTES) {
        const size_t want = bytes - at < PIECE_BYTES ? (size_t)(bytes - at) : PIECE_BYTES;
        size_t n;

        if (disk_read(fd, scratch, want, from + at, &n) < 0 || n < want)
            return; /* whoever reads it in earnest will see why */
        at += n;
    }
    if (at < bytes)
        (void)posix_fadvise(fd, (off_t)(from + at), (off_t)(bytes - at), POSIX_FADV_WILLNEED);
}

static void warm_record(int fd, uint64_t offset)
{
    struct spool_record record; /* not checked: it only says how much to read */
    size_t n;

    if (disk_read(fd, &record, sizeof(record), offset, &n) == 0 && n == sizeof(record))
        warm(fd, offset + sizeof(record), spool_align(record.envelope_bytes) + record.body_bytes);
}

static void warm_note(const struct spool_disk *disk, const struct cell_note_place *place)
{
    const uint64_t offset = (uint64_t)place->offset * SPOOL_ALIGN;
    AUTO(close)
    int fd = spool_open(disk->spool_dir, place->slot, place->segment, SPOOL_FILE_SEGMENT, O_RDONLY);
    struct spool_note note;
    size_t n;

    if (fd >= 0 && disk_read(fd, &note, sizeof(note), offset, &n) == 0 && n == sizeof(note))
        warm(fd, offset + sizeof(note),
             note.text_bytes < SPOOL_NOTE_MAX ? note.text_bytes : SPOOL_NOTE_MAX);
}

static void warm_message(const struct spool_disk *disk, const struct ipc_place *place)
{
    AUTO(close)
    int fd = spool_open(disk->spool_dir, place->slot, place->segment, SPOOL_FILE_SEGMENT, O_RDONLY);
    AUTO(close)
    int state_fd =
        spool_open(disk->spool_dir, place->slot, place->segment, SPOOL_FILE_STATE, O_RDONLY);
    struct cell_key key = { .id = place->id, .group = place->group };
    struct cell cell;
    uint16_t sequence;

    if (fd < 0 || spool_incarnation_of(fd, &key.incarnation) < 0)
        return;
    warm_record(fd, place->offset);
    if (state_fd >= 0 && cell_read(state_fd, place->cell, &key, &cell, &sequence) == 0 &&
        cell.note.segment != 0)
        warm_note(disk, &cell.note);
}

static void read_later(struct sync_job *job, void *arg)
{
    struct spool_disk *disk = arg;

    warm_message(disk, &((struct read_ahead *)job)->place);
    sync_list_add(&disk->out, job);
}

/* New mail is written first. */
static void read_work(struct sync_job *job, void *arg)
{
    struct spool_disk *disk = arg;

    job->work = read_later;
    sync_list_add(&disk->later, job);
}

/* ---- in the loop ---- */

static void on_read(struct sync_job *job)
{
    const struct read_ahead ahead = *(struct read_ahead *)job;

    free(job);
    if (ahead.done != NULL)
        ahead.done(ahead.arg);
}

struct read_ahead *read_ahead_begin(struct spooler *spooler, const struct ipc_place *place,
                                    read_ahead_cb *done, void *arg)
{
    struct read_ahead *ahead = malloc(sizeof(*ahead));

    if (ahead == NULL)
        return NULL;
    *ahead = (struct read_ahead){
        .job = { .work = read_work, .done = on_read }, .place = *place, .done = done, .arg = arg
    };
    spooler_give(spooler, &ahead->job);
    return ahead;
}

void read_ahead_cancel(struct read_ahead **ahead)
{
    if (*ahead != NULL)
        (*ahead)->done = NULL;
    *ahead = NULL;
}
