#include "worker/spooler_private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/channel.h"
#include "common/clock.h"
#include "worker/disk.h"
#include "worker/recovery.h"

#define MEASURE_MS 1000

/* ---- what the loop is told ---- */

struct notice {
    struct sync_job job;
    struct spooler *spooler;
    enum log_level level;
    const char *what;
    unsigned slot; /* of states that failed; of all else it is the own */
    uint32_t segment;
    int err;
    uint64_t bytes;
    bool is_retired;
};

static void post_notice(struct spool_disk *disk, const struct notice *content,
                        void (*done)(struct sync_job *job))
{
    struct notice *notice = malloc(sizeof(*notice));

    if (notice == NULL)
        return; /* an unsealed segment waits for the restart, a line is lost: both do no harm */
    *notice = *content;
    notice->spooler = disk->spooler;
    notice->job.done = done;
    sync_list_add(&disk->out, &notice->job);
}

static void on_trouble_told(struct sync_job *job)
{
    struct notice *notice = (struct notice *)job;
    char segment[16];

    (void)snprintf(segment, sizeof(segment), "%u", notice->segment);
    LOG_EVENT(notice->level, "spooler", notice->what, LOG_INT("slot", notice->spooler->dir.slot),
              LOG_STR("segment", notice->segment != 0 ? segment : NULL),
              LOG_STR("reason", notice->err != 0 ? strerror(-notice->err) : NULL));
    free(notice);
}

void spool_disk_tell(enum log_level level, const char *what, uint32_t segment, int err, void *arg)
{
    const struct notice notice = { .level = level, .what = what, .segment = segment, .err = err };

    post_notice(arg, &notice, on_trouble_told);
}

static void on_states_failed_told(struct sync_job *job)
{
    struct notice *notice = (struct notice *)job;
    const struct ipc_segment failed = { .slot = notice->slot, .segment = notice->segment };

    log_alert("spooler", "delivery states could not be synced: a power cut may repeat mail",
              LOG_INT("slot", notice->slot), LOG_INT("segment", notice->segment),
              LOG_STR("reason", strerror(-notice->err)));
    channel_send(notice->spooler->channel, IPC_SEGMENT_FAILED, &failed);
    free(notice);
}

void spool_disk_states_failed(struct spool_disk *disk, unsigned slot, uint32_t number, int err)
{
    const struct notice notice = { .slot = slot, .segment = number, .err = err };

    post_notice(disk, &notice, on_states_failed_told);
}

static void on_sealed_told(struct sync_job *job)
{
    struct notice *notice = (struct notice *)job;
    const struct ipc_segment_sealed sealed = { .slot = notice->spooler->dir.slot,
                                               .segment = notice->segment,
                                               .bytes = (uint32_t)notice->bytes,
                                               .is_retired = notice->is_retired };

    /* Frames of different kinds do not keep their order within a turn, and the master must hear of
     * every message and note in the segment first. */
    channel_flush(notice->spooler->channel);
    channel_send(notice->spooler->channel, IPC_SEGMENT_SEALED, &sealed);
    free(notice);
}

void spool_disk_sealed(uint32_t number, uint64_t bytes, bool is_retired, void *arg)
{
    const struct notice notice = { .segment = number,
                                   .bytes = segment_room(bytes),
                                   .is_retired = is_retired };

    post_notice(arg, &notice, on_sealed_told);
}

static void on_settled(struct sync_list *items, void *arg)
{
    struct spool_disk *disk = arg;

    sync_list_join(&disk->out, items);
}

/* ---- room ---- */

static uint64_t folder_bytes(int parent_fd, const char *name)
{
    int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *entry;
    uint64_t bytes = 0;

    if (folder == NULL) {
        if (fd >= 0)
            close(fd);
        return 0;
    }
    while ((entry = readdir(folder)) != NULL) {
        struct stat status;

        if (entry->d_name[0] == '.' || fstatat(fd, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        bytes += S_ISDIR(status.st_mode) ? folder_bytes(fd, entry->d_name)
                                         : (uint64_t)status.st_blocks * 512;
    }
    closedir(folder);
    return bytes;
}

static uint64_t above(uint64_t value, uint64_t floor)
{
    return value > floor ? value - floor : 0;
}

static void measure_room(struct spool_disk *disk, int64_t now_ms)
{
    struct statvfs figures;
    uint64_t left;

    disk->measured_at_ms = now_ms;
    disk->creatable = 0;
    if (fstatvfs(disk->dir->spool_fd, &figures) < 0)
        return;
    disk->creatable = above((uint64_t)figures.f_bavail * figures.f_frsize, disk->keep_free);
    if (disk->limit == 0)
        return;
    left = above(disk->limit, folder_bytes(disk->dir->spool_fd, "."));
    if (left < disk->creatable)
        disk->creatable = left;
}

static bool may_make(uint64_t bytes, void *arg)
{
    struct spool_disk *disk = arg;

    measure_room(disk, clock_mono_ms());
    return disk->creatable >= bytes;
}

static uint64_t max_id(void *arg)
{
    struct spool_disk *disk = arg;

    return atomic_load_explicit(&disk->max_id, memory_order_relaxed);
}

/* New mail leaves room for what is alive in half a segment, so that a full spool in which little is
 * alive can be emptied. */
static void publish(struct spool_disk *disk)
{
    uint64_t room = segment_writer_room(disk->writer);

    if (disk->creatable >= segment_room(disk->segment_bytes))
        room += disk->creatable;
    atomic_store_explicit(&disk->room, room, memory_order_relaxed);
    atomic_store_explicit(&disk->shared_room, above(room, disk->segment_bytes / 2),
                          memory_order_relaxed);
    atomic_store_explicit(&disk->own_room, disk->creatable, memory_order_relaxed);
    atomic_store_explicit(&disk->is_stopped,
                          segment_supply_is_stopped(segment_writer_supply(disk->writer)),
                          memory_order_relaxed);
}

bool spool_disk_is_writing(const struct spool_disk *disk, uint32_t number)
{
    return segment_writer_owns(disk->writer, number) || own_segment_is_open(disk, number);
}

int spool_disk_open_slot(const struct spool_disk *disk, unsigned slot)
{
    char name[16];
    int fd;

    (void)snprintf(name, sizeof(name), "%u", slot);
    fd = openat(disk->dir->spool_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 ? fd : -errno;
}

/* ---- jobs ---- */

void spool_disk_bounce(struct sync_job *job, void *arg)
{
    struct spool_disk *disk = arg;

    sync_list_add(&disk->out, job);
}

void spool_disk_write_item(struct sync_job *job, void *arg)
{
    struct spool_disk *disk = arg;

    segment_writer_add(disk->writer, (struct spool_item *)job);
}

static void adopt(struct spool_disk *disk)
{
    uint32_t *numbers = NULL;
    size_t count = 0;

    disk->is_adopted = true;
    if (slot_dir_list(disk->dir->fd, &numbers, &count) == 0)
        segment_supply_adopt(segment_writer_supply(disk->writer), numbers, count);
    free(numbers);
}

/* The first scan gets a slice. Returns the ms until the next. */
static int64_t scan_slice(struct spool_disk *disk)
{
    int64_t wait_ms;

    if (disk->recovery_count == 0)
        return MEASURE_MS;
    wait_ms = recovery_slice(disk->recoveries[0]);
    if (wait_ms >= 0)
        return wait_ms;
    disk->recovery_count--;
    memmove(disk->recoveries, disk->recoveries + 1,
            disk->recovery_count * sizeof(struct recovery *));
    return 0;
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int64_t spool_disk_round(struct sync_list *jobs, void *arg)
{
    struct spool_disk *disk = arg;
    int64_t now_ms = clock_mono_ms(), wait_ms;
    struct sync_job *job;

    if (!disk->is_adopted)
        adopt(disk);
    while ((job = sync_list_take(jobs)) != NULL)
        job->work(job, disk);
    wait_ms = segment_writer_run(disk->writer, now_ms);
    publish(disk);
    sync_thread_post(disk->thread, &disk->out);

    while ((job = sync_list_take(&disk->later)) != NULL)
        job->work(job, disk);
    now_ms = clock_mono_ms();
    if (now_ms - disk->measured_at_ms >= MEASURE_MS)
        measure_room(disk, now_ms);
    wait_ms = least(wait_ms, scan_slice(disk));
    publish(disk);
    sync_thread_post(disk->thread, &disk->out);
    return least(wait_ms, MEASURE_MS);
}

/* ---- life ---- */

int spool_disk_open(struct spool_disk *disk, struct spooler *spooler, const struct conf *conf,
                    const struct slot_dir *dir)
{
    static const struct segment_writer_callbacks callbacks = { .on_settled = on_settled,
                                                               .on_sealed = spool_disk_sealed };
    struct segment_settings settings = { .dir = dir,
                                         .segment_bytes = (uint64_t)conf->spool_segment_size,
                                         .retry_ms = SPOOLER_RETRY_MS,
                                         .window_ms = SPOOLER_WINDOW_MS,
                                         .first_number = 1,
                                         .arg = disk,
                                         .on_trouble = spool_disk_tell,
                                         .may_make = may_make,
                                         .max_id = max_id };
    uint32_t *numbers = NULL;
    size_t count = 0;
    int err = slot_dir_list(dir->fd, &numbers, &count);

    if (err < 0)
        return err;
    if (count > 0)
        settings.first_number = numbers[count - 1] + 1;
    free(numbers);
    settings.segment_bytes -= settings.segment_bytes % SPOOL_BLOCK;
    disk->spooler = spooler;
    disk->spool_dir = spooler->spool_dir;
    disk->dir = dir;
    disk->segment_bytes = settings.segment_bytes;
    disk->limit = (uint64_t)conf->spool_limit;
    disk->keep_free = (uint64_t)conf->spool_keep_free;
    disk->writer = segment_writer_new(&settings, &callbacks);
    if (disk->writer == NULL)
        return -ENOMEM;
    measure_room(disk, clock_mono_ms());
    publish(disk);
    return 0;
}

void spool_disk_close(struct spool_disk *disk, struct sync_list *ret_left)
{
    struct sync_list items = { 0 };

    while (disk->recovery_count > 0)
        recovery_abort(disk->recoveries[--disk->recovery_count]);
    while (disk->own_segments != NULL) {
        struct own_segment *own = disk->own_segments;

        own_segment_abort(&own);
    }
    *ret_left = disk->out;
    disk->out = (struct sync_list){ 0 };
    if (disk->writer == NULL)
        return;
    segment_writer_free(&disk->writer, &items);
    sync_list_join(ret_left, &items);
    sync_list_join(ret_left, &disk->later);
}
