/* State files that were written to, each synced by the sync thread within a second (MQ03). After a
 * sync that failed the kernel takes for clean what is not on the disk, so that another one would
 * say nothing: the states have to be written anew, to another file (SEGMENT_FAILED). */
#include "worker/spooler_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/loop.h"
#include "worker/disk.h"

#define TOUCH_DELAY_MS 500 /* leaves as much again for the sync itself */

struct spooler_touch {
    struct sync_job job;
    unsigned count;
    /* A descriptor's number stands for its file: the segment cache closes none before what was
     * written to it must have been synced. */
    struct {
        int fd, copy; /* the copy is ours */
        uint32_t segment;
        uint16_t slot;
    } files[SPOOLER_TOUCHED_MAX];
};

static void sync_all(struct spooler_touch *touch, struct spool_disk *disk)
{
    for (unsigned i = 0; i < touch->count; i++) {
        int err = disk_sync_data(touch->files[i].copy);

        close(touch->files[i].copy);
        if (err < 0 && disk != NULL)
            spool_disk_states_failed(disk, touch->files[i].slot, touch->files[i].segment, err);
    }
    touch->count = 0;
}

static void sync_later(struct sync_job *job, void *arg)
{
    struct spool_disk *disk = arg;

    sync_all((struct spooler_touch *)job, disk);
    sync_list_add(&disk->out, job);
}

static void touch_work(struct sync_job *job, void *arg)
{
    struct spool_disk *disk = arg;

    job->work = sync_later;
    sync_list_add(&disk->later, job);
}

static void touch_done(struct sync_job *job)
{
    struct spooler_touch *touch = (struct spooler_touch *)job;

    sync_all(touch, NULL); /* nothing is left but when the thread ended before it came to it */
    free(touch);
}

static void give_touched(void *arg)
{
    struct spooler *spooler = arg;

    if (spooler->touch == NULL)
        return;
    loop_timer_clear(spooler->touch_timer);
    spooler_give(spooler, &spooler->touch->job);
    spooler->touch = NULL;
}

static struct spooler_touch *open_touch(struct spooler *spooler)
{
    struct spooler_touch *touch;

    if (spooler->touch != NULL && spooler->touch->count == SPOOLER_TOUCHED_MAX)
        give_touched(spooler);
    if (spooler->touch != NULL)
        return spooler->touch;
    if (spooler->touch_timer == NULL)
        spooler->touch_timer = loop_timer_new(spooler->loop, give_touched, spooler);
    touch = spooler->touch_timer != NULL ? malloc(sizeof(*touch)) : NULL;
    if (touch == NULL)
        return NULL;
    touch->job = (struct sync_job){ .work = touch_work, .done = touch_done };
    touch->count = 0;
    loop_timer_set_ms(spooler->touch_timer, TOUCH_DELAY_MS);
    spooler->touch = touch;
    return touch;
}

void spooler_state_touched(struct spooler *spooler, const struct ipc_place *place, int state_fd)
{
    struct spooler_touch *touch = spooler->touch;
    int copy;

    for (unsigned i = 0; touch != NULL && i < touch->count; i++) {
        if (touch->files[i].fd == state_fd)
            return;
    }
    touch = open_touch(spooler);
    copy = touch != NULL ? fcntl(state_fd, F_DUPFD_CLOEXEC, 3) : -1;
    if (copy < 0) {
        /* The state is in the page cache and reaches the disk with the next sync of the file. */
        log_warning("spooler", "a delivery state is synced late", LOG_INT("errno", errno));
        return;
    }
    touch->files[touch->count].fd = state_fd;
    touch->files[touch->count].copy = copy;
    touch->files[touch->count].segment = place->segment;
    touch->files[touch->count].slot = place->slot;
    touch->count++;
}

void spooler_touch_done(struct spooler *spooler)
{
    if (spooler->touch != NULL)
        touch_done(&spooler->touch->job);
    spooler->touch = NULL;
    loop_timer_free(&spooler->touch_timer);
}
