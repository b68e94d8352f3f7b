/* Waiting for the workers of a master that died. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/auto.h"
#include "common/clock.h"
#include "common/id.h"
#include "common/log.h"
#include "common/process.h"
#include "master/startup.h"

#define PATIENCE_MS   10000
#define AFTER_KILL_MS 5000
#define LOOK_EVERY_MS 50

static bool is_free(const struct conf *conf, unsigned slot)
{
    char path[4096];
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    AUTO(close) int fd = -1;

    snprintf(path, sizeof(path), "%s/spool/%u/lock", conf->top_state_dir, slot);
    fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return true; /* nobody has ever worked there, or nobody can */
    return fcntl(fd, F_OFD_GETLK, &lock) != 0 || lock.l_type == F_UNLCK;
}

/* The first slot that is still locked, -1: none. */
static int find_locked(const struct conf *conf)
{
    for (unsigned slot = 0; slot < ID_SLOTS; slot++) {
        if (!is_free(conf, slot))
            return (int)slot;
    }
    return -1;
}

static int wait_until_free(const struct conf *conf, int64_t limit_ms)
{
    const struct timespec pause = { .tv_nsec = LOOK_EVERY_MS * 1000000L };
    int64_t until_ms = clock_mono_ms() + limit_ms;
    int slot;

    while ((slot = find_locked(conf)) >= 0 && clock_mono_ms() < until_ms)
        nanosleep(&pause, NULL);
    return slot;
}

static bool read_record(const char *path, pid_t *ret_pid, uint64_t *ret_started)
{
    char text[64], *end;
    FILE *in = fopen(path, "re");
    bool is_read;

    if (in == NULL)
        return false;
    is_read = fgets(text, sizeof(text), in) != NULL;
    (void)fclose(in);
    if (!is_read)
        return false;
    *ret_pid = (pid_t)strtol(text, &end, 10);
    *ret_started = strtoull(end, NULL, 10);
    return *ret_pid > 1 && *ret_started != 0;
}

/* Only the process that was recorded: pids are used again, pid and start time together are not. */
static void kill_recorded(const struct conf *conf, unsigned slot)
{
    char path[4096];
    uint64_t started;
    pid_t pid;

    snprintf(path, sizeof(path), "%s/spool/%u/pid", conf->top_state_dir, slot);
    if (!read_record(path, &pid, &started) || process_start_time(pid) != started)
        return;
    log_warning("startup", "a worker of the last posternd does not end and is killed",
                LOG_INT("slot", slot), LOG_INT("pid", pid));
    (void)kill(pid, SIGKILL);
}

int startup_wait_for_old_workers(const struct conf *conf, struct reason *reterr_why)
{
    int slot = wait_until_free(conf, PATIENCE_MS);

    if (slot < 0)
        return 0;
    for (unsigned i = 0; i < ID_SLOTS; i++) {
        if (!is_free(conf, i))
            kill_recorded(conf, i);
    }
    slot = wait_until_free(conf, AFTER_KILL_MS);
    if (slot < 0)
        return 0;
    return reason_set(reterr_why, -EBUSY, "a process still works in %s/spool/%d",
                      conf->top_state_dir, slot);
}
