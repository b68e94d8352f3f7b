/* A slot's folder: what makes its name last. */
#include <criterion/criterion.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "worker/disk.h"
#include "worker/slot_dir.h"

#if POSTERN_HOOKS
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
