#include "worker/spooler_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/channel.h"
#include "common/clock.h"
#include "common/loop.h"
#include "common/oom.h"
#include "common/spool_path.h"
#include "worker/disk.h"

/* What a message takes beside its body: envelope, padding, its part of a block. */
#define RESERVE_OVERHEAD (2U * SPOOL_BLOCK)

/* ---- credit ---- */

static bool has_credit(const struct spooler *spooler)
{
    return spooler->credit_used + spooler->groups_waiting < IPC_QUEUED_CREDIT;
}

void spooler_credit(struct spooler *spooler, uint32_t queued)
{
    spooler->credit_used -= queued < spooler->credit_used ? queued : spooler->credit_used;
    spooler_report(spooler);
}

void spooler_watch_credit(struct spooler *spooler, spooler_credit_cb *changed, void *arg)
{
    spooler->credit_changed = changed;
    spooler->credit_arg = arg;
    spooler->is_out_of_credit = false;
}

/* Once a turn: what is used and given back within it stops nobody. */
static void tell_credit(struct spooler *spooler)
{
    if (spooler->credit_changed == NULL || spooler->is_out_of_credit != has_credit(spooler))
        return;
    spooler->is_out_of_credit = !spooler->is_out_of_credit;
    spooler->credit_changed(!spooler->is_out_of_credit, spooler->credit_arg);
}

/* ---- to the sync thread ---- */

void spooler_give(struct spooler *spooler, struct sync_job *job)
{
    sync_list_add(&spooler->given, job);
}

static void on_turn_end(void *arg)
{
    struct spooler *spooler = arg;

    sync_thread_give(spooler->disk.thread, &spooler->given);
    tell_credit(spooler);
}

/* ---- reservation ---- */

static size_t memory_share(size_t bytes)
{
    return bytes < SPOOLER_SMALL_BYTES ? bytes : SPOOLER_SMALL_BYTES;
}

/* What small messages may use beyond the limits of others. */
struct extra {
    size_t memory;
    uint64_t disk;
};

static uint64_t room_for(const struct spooler *spooler, size_t bytes, uint64_t extra)
{
    const struct spool_disk *disk = &spooler->disk;
    uint64_t room, shared;

    if (bytes > SPOOLER_SMALL_BYTES)
        return atomic_load_explicit(&disk->own_room, memory_order_relaxed);
    shared = atomic_load_explicit(&disk->shared_room, memory_order_relaxed);
    if (extra == 0)
        return shared;
    room = atomic_load_explicit(&disk->room, memory_order_relaxed);
    return shared + extra < room ? shared + extra : room;
}

static int reserve(struct spooler *spooler, size_t bytes, const struct extra *extra)
{
    const uint64_t room = room_for(spooler, bytes, extra->disk);

    if (spooler->memory_used + memory_share(bytes) > spooler->memory_limit + extra->memory)
        return -ENOMEM;
    if (atomic_load_explicit(&spooler->disk.is_stopped, memory_order_relaxed) ||
        spooler->disk_reserved + bytes + RESERVE_OVERHEAD > room)
        return -ENOSPC;
    if (!has_credit(spooler))
        return -EAGAIN;
    spooler->memory_used += memory_share(bytes);
    spooler->disk_reserved += bytes + RESERVE_OVERHEAD;
    return 0;
}

int spooler_reserve(struct spooler *spooler, size_t bytes)
{
    static const struct extra none;

    return reserve(spooler, bytes, &none);
}

int spooler_reserve_own(struct spooler *spooler, size_t bytes)
{
    const bool is_small = bytes <= SPOOLER_SMALL_BYTES;
    const struct extra extra = { .memory = is_small ? SPOOLER_OWN_MEMORY : 0,
                                 .disk = is_small ? spooler->disk.segment_bytes / 8 : 0 };

    return reserve(spooler, bytes, &extra);
}

void spooler_unreserve(struct spooler *spooler, size_t bytes)
{
    spooler->memory_used -= memory_share(bytes);
    spooler->disk_reserved -= bytes + RESERVE_OVERHEAD;
}

/* ---- messages ---- */

uint64_t spooler_next_id(struct spooler *spooler)
{
    const uint64_t id = id_next(&spooler->ids, clock_wall_ms());

    atomic_store_explicit(&spooler->disk.max_id, id, memory_order_relaxed);
    return id;
}

static void send_queued(struct spooler *spooler, const struct spool_item *item)
{
    struct ipc_mail_queued queued = { .place = { .id = item->id,
                                                 .offset = item->offset,
                                                 .segment = item->segment,
                                                 .slot = (uint16_t)spooler->dir.slot },
                                      .body_bytes = item->body_bytes,
                                      .received_s = item->received_s,
                                      .record_bytes =
                                          spool_share(spool_item_bytes(item), item->cells) };

    for (uint32_t i = 0; i < item->cells; i++) {
        queued.place.group = (uint16_t)i;
        queued.place.cell = item->first_cell + i;
        queued.profile = item->groups[i].profile;
        queued.rule = item->groups[i].rule;
        queued.recipients = item->groups[i].count;
        queued.flags = i + 1 == item->cells ? IPC_QUEUED_LAST : 0;
        if (item->is_own)
            queued.flags |= IPC_QUEUED_OWN;
        channel_send(spooler->channel, IPC_MAIL_QUEUED, &queued);
    }
    spooler->credit_used += item->cells;
}

static void on_message_done(struct sync_job *job)
{
    struct spool_item *item = (struct spool_item *)job;
    struct spooler *spooler = item->spooler;

    spooler->groups_waiting -= item->cells;
    if (item->err == 0) {
        send_queued(spooler, item);
        spooler->messages++;
        spooler->bytes += item->body_bytes;
    }
    spooler_unreserve(spooler, item->reserved);
    item->done.message(item->err, item->id, item->arg);
    spool_item_free(&item);
}

void spooler_take_message(struct spooler *spooler, struct spool_item *item)
{
    item->spooler = spooler;
    item->job.done = on_message_done;
    spooler->groups_waiting += item->cells;
}

static void give_message(struct spooler *spooler, struct spool_item *item)
{
    const uint64_t groups = spooler->credit_used + spooler->groups_waiting + item->cells;

    spooler_take_message(spooler, item);
    item->job.work = spool_disk_write_item;
    if (groups > IPC_QUEUED_CREDIT) {
        item->err = -EAGAIN;
        item->job.work = spool_disk_bounce;
    } else if (!segment_writer_fits(spooler->disk.segment_bytes / 2, item)) {
        item->job.work = spool_disk_write_own;
    }
    spooler_give(spooler, &item->job);
}

struct failure {
    struct sync_job job;
    struct spooler *spooler;
    int err;
    uint64_t id;
    size_t reserved;
    spooler_done_cb *done;
    void *arg;
};

static void on_failure_done(struct sync_job *job)
{
    struct failure *failure = (struct failure *)job;

    spooler_unreserve(failure->spooler, failure->reserved);
    failure->done(failure->err, failure->id, failure->arg);
    free(failure);
}

static void fail(struct spooler *spooler, int err, uint64_t id, size_t reserved,
                 spooler_done_cb *done, void *arg)
{
    struct failure *failure = malloc(sizeof(*failure));

    if (failure == NULL)
        oom_exit("spooler", "a refusal"); /* nothing was answered */
    *failure = (struct failure){ .job = { .work = spool_disk_bounce, .done = on_failure_done },
                                 .spooler = spooler,
                                 .err = err,
                                 .id = id,
                                 .reserved = reserved,
                                 .done = done,
                                 .arg = arg };
    spooler_give(spooler, &failure->job);
}

void spooler_submit(struct spooler *spooler, uint64_t id, const struct envelope *envelope,
                    char *body, size_t bytes, const struct spooler_body_facts *facts,
                    size_t reserved, spooler_done_cb *done, void *arg)
{
    struct spool_item *item;
    int err = spool_item_new_message(id, clock_wall_ms(), envelope, facts, &item);

    if (err < 0) {
        free(body);
        fail(spooler, err, id, reserved, done, arg);
        return;
    }
    item->body = body;
    item->body_bytes = bytes;
    item->reserved = reserved;
    item->done.message = done;
    item->arg = arg;
    give_message(spooler, item);
}

/* ---- notes ---- */

static void on_note_done(struct sync_job *job)
{
    struct spool_item *item = (struct spool_item *)job;
    const struct cell_note_place place = { .segment = item->segment,
                                           .offset = (uint32_t)(item->offset / SPOOL_ALIGN),
                                           .slot = (uint8_t)item->spooler->dir.slot };
    static const struct cell_note_place none;

    item->done.note(item->err, item->err == 0 ? place : none, item->arg);
    spool_item_free(&item);
}

void spooler_note(struct spooler *spooler, uint64_t id, uint32_t group,
                  struct cell_note_place previous, const char *json, size_t bytes,
                  spooler_note_cb *done, void *arg)
{
    struct spool_item *item;
    int err = spool_item_new_note(id, group, previous, json, bytes, &item);

    if (err < 0) { /* an empty one carries the bad news */
        if (spool_item_new_note(id, group, previous, "", 0, &item) < 0)
            oom_exit("spooler", "a note");
        item->err = err;
    }
    item->spooler = spooler;
    item->done.note = done;
    item->arg = arg;
    item->job.done = on_note_done;
    item->job.work = err == 0 ? spool_disk_write_item : spool_disk_bounce;
    spooler_give(spooler, &item->job);
}

void spooler_figures(const struct spooler *spooler, struct spooler_figures *ret_figures)
{
    *ret_figures = (struct spooler_figures){ .messages = spooler->messages,
                                             .bytes = spooler->bytes,
                                             .syncs = disk_sync_count(),
                                             .disk_hangs = disk_hangs() };
}

/* ---- life ---- */

int spooler_new(struct loop *loop, struct channel *channel, const struct conf *conf, unsigned slot,
                struct spooler **ret_spooler, struct reason *reterr_why)
{
    struct spooler *spooler = calloc(1, sizeof(*spooler));
    int err;

    if (spooler == NULL)
        return reason_set(reterr_why, -ENOMEM, "out of memory");
    spooler->loop = loop;
    spooler->channel = channel;
    spooler->memory_limit = (size_t)conf->spool_memory;
    (void)snprintf(spooler->spool_dir, sizeof(spooler->spool_dir), "%s/spool", conf->top_state_dir);
    err = slot_dir_open(spooler->spool_dir, slot, &spooler->dir, reterr_why);
    if (err < 0) {
        free(spooler);
        return err;
    }
    id_source_init(&spooler->ids, slot, slot_dir_last_id(spooler->dir.fd));
    atomic_store(&spooler->disk.max_id, spooler->ids.last);
    err = spool_disk_open(&spooler->disk, spooler, conf, &spooler->dir);
    if (err == 0)
        err = sync_thread_new(loop, spool_disk_round, &spooler->disk, &spooler->disk.thread);
    loop_at_turn_end(loop, on_turn_end, spooler);
    if (err < 0) {
        (void)reason_set(reterr_why, err, "%s/%u: %s", spooler->spool_dir, slot, strerror(-err));
        spooler_free(&spooler);
        return err;
    }
    *ret_spooler = spooler;
    return 0;
}

static void run_done(struct sync_list *jobs)
{
    struct sync_job *job;

    while ((job = sync_list_take(jobs)) != NULL)
        job->done(job);
}

void spooler_free(struct spooler **spooler)
{
    struct spooler *s = *spooler;
    struct sync_list left = { 0 }, kept = { 0 };

    if (s == NULL)
        return;
    s->is_ending = true;
    loop_forget_turn_end(s->loop, on_turn_end, s);
    if (s->disk.thread != NULL)
        sync_thread_stop(s->disk.thread, &left);
    spool_disk_close(&s->disk, &kept);
    run_done(&kept);
    run_done(&left);
    run_done(&s->given); /* also what a callback has added just now */
    spooler_drop_reports(s);
    spooler_compaction_done(s);
    spooler_touch_done(s);
    sync_thread_free(&s->disk.thread);
    slot_dir_close(&s->dir);
    free(s);
    *spooler = NULL;
}
