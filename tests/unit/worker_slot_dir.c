/* A slot's folder: what makes its name last. */
#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "worker/disk.h"
#include "worker/slot_dir.h"

/* ---- the lock ---- */

struct release {
    struct slot_dir *dir;
    int64_t at_ms;
};

static void *release_later(void *arg)
{
    const struct release *release = arg;

    while (clock_mono_ms() < release->at_ms)
        (void)nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
    slot_dir_close(release->dir);
    return NULL;
}

/* Another slot's worker removes what was left there, while the slot is opened again. */
Test(slot_dir, OP02_who_starts_waits_for_whoever_still_removes_something)
{
    char state_dir[] = "/tmp/postern-slot.XXXXXX", spool_dir[64], command[64];
    struct slot_dir own, there, dir;
    struct release release = { .dir = &there };
    struct reason why = { "" };
    pthread_t thread;

    cr_assert_not_null(mkdtemp(state_dir));
    snprintf(spool_dir, sizeof(spool_dir), "%s/spool", state_dir);
    cr_assert_eq(slot_dir_open(spool_dir, 5, &dir, &why), 0, "%s", why.text);
    slot_dir_close(&dir);
    cr_assert_eq(slot_dir_open(spool_dir, 0, &own, &why), 0, "%s", why.text);
    cr_assert_eq(slot_dir_open_again(&own, 5, &there), 0);
    release.at_ms = clock_mono_ms() + 100;
    cr_assert_eq(pthread_create(&thread, NULL, release_later, &release), 0);
    cr_assert_eq(slot_dir_open(spool_dir, 5, &dir, &why), 0, "%s", why.text);
    cr_assert_geq(clock_mono_ms(), release.at_ms);
    cr_assert_eq(slot_dir_open_again(&own, 5, &there), -EBUSY, "it has a worker: at once");
    cr_assert_eq(pthread_join(thread, NULL), 0);
    slot_dir_close(&dir);
    slot_dir_close(&own);
    snprintf(command, sizeof(command), "rm -rf '%s'", state_dir);
    cr_assert_eq(system(command), 0);
}

#if POSTERN_HOOKS
/* ---- names ---- */

static ino_t synced[16];
static unsigned synced_count;

static int note_sync(enum disk_call call, int fd)
{
    struct stat status;

    if (call == DISK_CALL_SYNC && fstat(fd, &status) == 0 && synced_count < 16)
        synced[synced_count++] = status.st_ino;
    return 0;
}

static bool is_synced(const char *path)
{
    struct stat status;

    cr_assert_eq(stat(path, &status), 0);
    for (unsigned i = 0; i < synced_count; i++) {
        if (synced[i] == status.st_ino)
            return true;
    }
    return false;
}

Test(slot_dir, MQ02_every_name_on_the_way_to_the_mail_is_synced)
{
    char state_dir[] = "/tmp/postern-slot.XXXXXX", spool_dir[64], slot[80], command[64];
    struct slot_dir dir;
    struct reason why = { "" };

    cr_assert_not_null(mkdtemp(state_dir));
    snprintf(spool_dir, sizeof(spool_dir), "%s/spool", state_dir);
    disk_set_fault(note_sync);
    cr_assert_eq(slot_dir_open(spool_dir, 5, &dir, &why), 0, "%s", why.text);
    cr_assert(is_synced(spool_dir), "the slot's name stands in it");
    cr_assert(is_synced(state_dir), "the spool's name stands in it");
    snprintf(slot, sizeof(slot), "%s/5", spool_dir);
    cr_assert(is_synced(slot), "what was removed from it, too");
    slot_dir_close(&dir);
    snprintf(command, sizeof(command), "rm -rf '%s'", state_dir);
    cr_assert_eq(system(command), 0);
}
#endif
