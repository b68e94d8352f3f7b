/* The spooler's orders about whole segments and slots: scans, and segments handed back. */
#include "worker/spooler_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/channel.h"
#include "common/clock.h"
#include "common/oom.h"
#include "worker/disk.h"
#include "worker/recovery.h"
#include "worker/segment_file.h"

struct order {
    struct sync_job job;
    struct spooler *spooler;
    unsigned slot;
    uint32_t segment;
    int err;
};

static void give_order(struct spooler *spooler, const struct order *content)
{
    struct order *order = malloc(sizeof(*order));

    if (order == NULL)
        oom_exit("spooler", "an order"); /* the master waits for the answer: a successor gives it */
    *order = *content;
    order->spooler = spooler;
    spooler_give(spooler, &order->job);
}

/* ---- reports of scans ---- */

static void send_rescanned(struct spooler *spooler, const struct ipc_rescanned *result)
{
    struct id_source *ids = &spooler->ids;

    if (result->slot == spooler->dir.slot && result->max_id > ids->last) {
        ids->last = result->max_id;
        atomic_store_explicit(&spooler->disk.max_id, ids->last, memory_order_relaxed);
    }
    channel_flush(spooler->channel); /* after all that was found */
    channel_send(spooler->channel, IPC_RESCANNED, result);
}

static void send_chunk(struct spooler *spooler, const struct recovery_chunk *chunk)
{
    for (unsigned i = 0; i < chunk->count; i++)
        channel_send(spooler->channel, IPC_MAIL_QUEUED, &chunk->queued[i]);
    spooler->credit_used += chunk->count;
    if (chunk->sealed != 0) {
        const struct ipc_segment_sealed sealed = { .slot = chunk->result.slot,
                                                   .segment = chunk->sealed,
                                                   .bytes = chunk->sealed_bytes,
                                                   .is_retired = chunk->is_retired };

        channel_flush(spooler->channel);
        channel_send(spooler->channel, IPC_SEGMENT_SEALED, &sealed);
    }
    if (chunk->is_last)
        send_rescanned(spooler, &chunk->result);
}

void spooler_report(struct spooler *spooler)
{
    struct sync_job *job;

    while ((job = spooler->reports.first) != NULL) {
        struct recovery_chunk *chunk = (struct recovery_chunk *)job;

        if (spooler->credit_used + chunk->count > IPC_QUEUED_CREDIT)
            return;
        (void)sync_list_take(&spooler->reports);
        send_chunk(spooler, chunk);
        recovery_chunk_free(chunk);
    }
}

void spooler_drop_reports(struct spooler *spooler)
{
    struct sync_job *job;

    while ((job = sync_list_take(&spooler->reports)) != NULL)
        recovery_chunk_free((struct recovery_chunk *)job);
}

static void on_chunk(struct sync_job *job)
{
    struct recovery_chunk *chunk = (struct recovery_chunk *)job;
    struct spooler *spooler = chunk->spooler;

    sync_list_add(&spooler->reports, job);
    if (!spooler->is_ending)
        spooler_report(spooler);
}

/* ---- RESCAN ---- */

static void rescan_later(struct sync_job *job, void *arg)
{
    struct order *order = (struct order *)job;
    struct spool_disk *disk = arg;
    struct recovery *recovery;

    order->err = -EBUSY;
    if (disk->recovery_count < SPOOL_DISK_SCANS)
        order->err = recovery_begin(disk, order->slot, on_chunk, &recovery);
    if (order->err == 0)
        disk->recoveries[disk->recovery_count++] = recovery;
    sync_list_add(&disk->out, job);
}

/* After the segments that were given back before: they are to be found gone. */
static void rescan_work(struct sync_job *job, void *arg)
{
    struct spool_disk *disk = arg;

    job->work = rescan_later;
    sync_list_add(&disk->later, job);
}

static void rescan_done(struct sync_job *job)
{
    struct order *order = (struct order *)job;
    const struct ipc_rescanned failed = { .slot = order->slot, .err = order->err };

    if (order->err < 0)
        send_rescanned(order->spooler, &failed);
    free(order);
}

void spooler_rescan(struct spooler *spooler, unsigned slot)
{
    const struct order order = { .job = { .work = rescan_work, .done = rescan_done },
                                 .slot = slot,
                                 .err = -ECANCELED };

    give_order(spooler, &order);
}

/* ---- SEGMENT_RETIRE ---- */

static void retire_work(struct sync_job *job, void *arg)
{
    struct order *order = (struct order *)job;
    struct spool_disk *disk = arg;

    segment_writer_retire(disk->writer, order->segment, clock_mono_ms());
    sync_list_add(&disk->out, job);
}

static void retire_done(struct sync_job *job)
{
    free(job);
}

void spooler_segment_retire(struct spooler *spooler, uint32_t segment)
{
    const struct order order = { .job = { .work = retire_work, .done = retire_done },
                                 .segment = segment };

    give_order(spooler, &order);
}

/* ---- SEGMENT_REUSE ---- */

/* Of a slot whose worker is gone for good: under its lock, and its ids are kept in mind. A slot
 * that is locked has a worker again, which finds the segment by itself. */
static int remove_foreign(struct spool_disk *disk, unsigned slot, uint32_t number)
{
    struct slot_dir dir;
    struct id_source ids;
    int err = slot_dir_open_again(disk->dir, slot, &dir);

    if (err < 0)
        return err == -EBUSY ? 0 : err;
    id_source_init(&ids, slot, slot_dir_last_id(dir.fd));
    err = slot_dir_remember_id(dir.fd, id_next(&ids, clock_wall_ms()));
    if (err == 0)
        err = segment_file_unlink(dir.fd, number);
    slot_dir_close(&dir);
    return err;
}

static void reuse_later(struct sync_job *job, void *arg)
{
    struct order *order = (struct order *)job;
    struct spool_disk *disk = arg;

    if (order->slot != disk->dir->slot)
        order->err = remove_foreign(disk, order->slot, order->segment);
    else if (!spool_disk_is_writing(disk, order->segment))
        segment_writer_reuse(disk->writer, order->segment, clock_mono_ms());
    sync_list_add(&disk->out, job);
}

static void reuse_work(struct sync_job *job, void *arg)
{
    struct spool_disk *disk = arg;

    job->work = reuse_later;
    sync_list_add(&disk->later, job);
}

static void reuse_done(struct sync_job *job)
{
    struct order *order = (struct order *)job;

    if (order->err < 0)
        log_error("spooler", "cannot remove a segment of another slot",
                  LOG_INT("slot", order->slot), LOG_INT("segment", order->segment),
                  LOG_INT("errno", -order->err));
    free(order);
}

void spooler_segment_reuse(struct spooler *spooler, unsigned slot, uint32_t segment)
{
    const struct order order = { .job = { .work = reuse_work, .done = reuse_done },
                                 .slot = slot,
                                 .segment = segment };

    give_order(spooler, &order);
}
