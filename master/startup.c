#include "master/startup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/auto.h"
#include "common/clock.h"
#include "common/process.h"

#define PATH_SIZE        4096
#define LOCK_PATIENCE_MS 1000
#define LOCK_LOOK_MS     10

/* ---- background ---- */

struct report {
    int status;
    char message[400];
};

_Noreturn static void wait_for_report(int fd)
{
    struct report report = { .status = 1, .message = "the daemon died while it started" };
    ssize_t got;

    do
        got = read(fd, &report, sizeof(report));
    while (got < 0 && errno == EINTR);
    if (report.status != 0)
        fprintf(stderr, "posternd: %.*s\n", (int)sizeof(report.message), report.message);
    _exit(report.status);
}

int startup_daemonise(struct reason *reterr_why)
{
    int ends[2], nowhere;
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC) != 0)
        return reason_set(reterr_why, -errno, "pipe: %s", strerror(errno));
    pid = fork();
    if (pid < 0) {
        close(ends[0]);
        close(ends[1]);
        return reason_set(reterr_why, -errno, "fork: %s", strerror(errno));
    }
    if (pid > 0) {
        close(ends[1]);
        wait_for_report(ends[0]);
    }
    close(ends[0]);
    setsid();
    /* Standard error stays: it is where the configuration sends the log, unless that is a file. */
    nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (nowhere >= 0) {
        (void)dup2(nowhere, STDIN_FILENO);
        (void)dup2(nowhere, STDOUT_FILENO);
        close(nowhere);
    }
    return ends[1];
}

void startup_report(int *fd, int status, const char *message)
{
    struct report report = { .status = status };

    if (*fd < 0)
        return;
    snprintf(report.message, sizeof(report.message), "%s", message != NULL ? message : "");
    (void)!write(*fd, &report, sizeof(report));
    close(*fd);
    *fd = -1;
}

/* ---- folders and locks ---- */

static int make_folder(const char *path, mode_t mode, struct reason *reterr_why)
{
    if (mkdir(path, mode) == 0 || errno == EEXIST)
        return 0;
    return reason_set(reterr_why, -errno, "cannot make %s: %s", path, strerror(errno));
}

/* A master that was killed while it started a worker may have left its lock with the new process,
 * until that runs its own program. */
static int lock_file(int fd)
{
    const struct timespec pause = { .tv_nsec = LOCK_LOOK_MS * 1000000L };
    const int64_t until_ms = clock_mono_ms() + LOCK_PATIENCE_MS;
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

    while (fcntl(fd, F_OFD_SETLK, &lock) != 0) {
        if ((errno != EAGAIN && errno != EACCES) || clock_mono_ms() >= until_ms)
            return -errno;
        nanosleep(&pause, NULL);
    }
    return 0;
}

int startup_lock(const struct conf *conf, int *ret_lock_fd, struct reason *reterr_why)
{
    char path[PATH_SIZE];
    AUTO(close) int fd = -1;
    int err = make_folder(conf->top_state_dir, 0700, reterr_why);

    if (err == 0)
        err = make_folder(conf->top_run_dir, 0755, reterr_why);
    if (err != 0)
        return err;
    snprintf(path, sizeof(path), "%s/lock", conf->top_state_dir);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return reason_set(reterr_why, -errno, "%s: %s", path, strerror(errno));
    err = lock_file(fd);
    if (err == -EAGAIN || err == -EACCES)
        return reason_set(reterr_why, -EBUSY, "another posternd runs on %s", conf->top_state_dir);
    if (err != 0)
        return reason_set(reterr_why, err, "cannot lock %s: %s", path, strerror(-err));
    *ret_lock_fd = take_fd(&fd);
    return 0;
}

/* ---- pid files: "pid start-time" ---- */

static int write_pid(const char *path, pid_t pid)
{
    FILE *out = fopen(path, "we");

    if (out == NULL)
        return -errno;
    fprintf(out, "%d %" PRIu64 "\n", (int)pid, process_start_time(pid));
    return fclose(out) == 0 ? 0 : -errno;
}

static void pid_path(const struct conf *conf, char *out)
{
    snprintf(out, PATH_SIZE, "%s/posternd.pid", conf->top_run_dir);
}

int startup_write_pid(const struct conf *conf, struct reason *reterr_why)
{
    char path[PATH_SIZE];
    int err;

    pid_path(conf, path);
    err = write_pid(path, getpid());
    return err == 0 ? 0 : reason_set(reterr_why, err, "cannot write %s: %s", path, strerror(-err));
}

void startup_remove_pid(const struct conf *conf)
{
    char path[PATH_SIZE];

    pid_path(conf, path);
    (void)unlink(path);
}

static void slot_path(const struct conf *conf, unsigned slot, const char *name, char *out)
{
    snprintf(out, PATH_SIZE, "%s/spool/%u/%s", conf->top_state_dir, slot, name);
}

void startup_record_worker(const struct conf *conf, unsigned slot, pid_t pid)
{
    char path[PATH_SIZE];

    snprintf(path, sizeof(path), "%s/spool", conf->top_state_dir);
    (void)mkdir(path, 0700);
    snprintf(path, sizeof(path), "%s/spool/%u", conf->top_state_dir, slot);
    (void)mkdir(path, 0700);
    slot_path(conf, slot, "pid", path);
    (void)write_pid(path, pid);
}
