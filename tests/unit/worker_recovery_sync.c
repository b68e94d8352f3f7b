/* What a scan reports is on the disk: a process that was killed may have left it in memory only. */
#include "spool_world.h"

#include "common/spool_format.h"
#include "worker/disk.h"

#if POSTERN_HOOKS

static struct world *world;

static void setup(void)
{
    world = world_new("");
}

static void teardown(void)
{
    disk_set_fault(NULL);
    world_free(world);
}

TestSuite(recovery_sync, .init = setup, .fini = teardown, .timeout = 60);

/* What was done to the first segment's files, in order: 's' a sync of its cells, 'S' of itself, 'r'
 * and 'R' reads. */
static char calls[1024];
static unsigned call_count;
static int sync_err;

static char kind_of(enum disk_call call, int fd)
{
    char link[32], path[256];
    ssize_t n;

    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    n = readlink(link, path, sizeof(path) - 1);
    path[n > 0 ? n : 0] = '\0';
    if (strstr(path, "/1.state") != NULL)
        return call == DISK_CALL_SYNC ? 's' : 'r';
    if (strstr(path, "/1.seg") != NULL)
        return call == DISK_CALL_SYNC ? 'S' : 'R';
    return ' ';
}

static int note_call(enum disk_call call, int fd)
{
    const char kind = kind_of(call, fd);

    if (kind != ' ' && call_count + 1 < sizeof(calls))
        calls[call_count++] = kind;
    return kind == 'S' ? sync_err : 0;
}

static void restart(void)
{
    world_open(world, 0);
    world_submit(world, 1, 3000, 1);
    WORLD_WAIT(world, world->queued_count == 1);
    cr_assert_eq(world->queued[0].place.segment, 1);
    spooler_free(&world->spooler);
    world_turn(world);
    world->queued_count = world->sealed_count = 0;
    world_open(world, 0);
    disk_set_fault(note_call);
    spooler_rescan(world->spooler, 0);
    WORLD_WAIT(world, world->rescanned_count == 1);
    disk_set_fault(NULL);
}

Test(recovery_sync, MQ03_a_segment_is_synced_before_its_mail_is_read)
{
    restart();
    cr_assert_eq(world->queued_count, 1);
    cr_assert_not_null(strchr(calls, 's'));
    cr_assert_not_null(strchr(calls, 'S'));
    cr_assert_lt(strchr(calls, 's'), strchr(calls, 'S'),
                 "cells before the copies that they are of");
    cr_assert_null(strchr(strchr(calls, 'S'), 's'));
    cr_assert_lt(strchr(calls, 's'), strchr(calls, 'r'));
    cr_assert_eq(world->sealed[0].is_retired, 0);
}

Test(recovery_sync, MQ02_one_that_cannot_be_synced_is_to_be_emptied)
{
    sync_err = -EIO;
    restart();
    cr_assert_eq(world->queued_count, 1);
    cr_assert_eq(world->sealed_count, 1);
    cr_assert_eq(world->sealed[0].segment, 1);
    cr_assert_eq(world->sealed[0].is_retired, 1);
    cr_assert_eq(world->rescanned[0].err, 0);
}
#endif
