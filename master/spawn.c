#include "master/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/auto.h"
#include "common/console.h"
#include "common/ipc.h"
#include "common/process.h"

_Static_assert(SPAWN_CHANNEL_FD == IPC_CHANNEL_FD, "a worker finds its channel there");
_Static_assert(SPAWN_CHANNEL_FD == CONSOLE_LINK_FD, "the console its link");

#define EXEC_FAILED 127

int spawn_find(const char *name, char *ret_path, size_t size, struct reason *reterr_why)
{
    static const char *const places[] = { "", "../libexec/postern/", "../lib/postern/" };
    char self[4096], *slash;
    ssize_t bytes = readlink("/proc/self/exe", self, sizeof(self) - 1);

    if (bytes <= 0)
        return reason_set(reterr_why, -errno, "/proc/self/exe: %s", strerror(errno));
    self[bytes] = '\0';
    slash = strrchr(self, '/');
    if (slash == NULL)
        return reason_set(reterr_why, -ENOENT, "this program has no place");
    slash[1] = '\0';
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        int used = snprintf(ret_path, size, "%s%s%s", self, places[i], name);

        if (used > 0 && (size_t)used < size && access(ret_path, X_OK) == 0)
            return 0;
    }
    return reason_set(reterr_why, -ENOENT, "there is no %s beside %s", name, self);
}

/* What they may know of the environment; tests of builds with hooks hand faults through it. */
static bool is_kept(const char *variable)
{
    static const char *const kept[] = {
        "PATH=",
        "TZ=",
#if POSTERN_HOOKS
        "ASAN_OPTIONS=",
        "UBSAN_OPTIONS=",
        "LSAN_OPTIONS=",
        "LD_PRELOAD=",
        "POSTERN_HOOK", /* and what begins so */
        "POSTERN_FAULT",
#endif
    };

    for (size_t i = 0; i < ARRAY_LEN(kept); i++) {
        if (strncmp(variable, kept[i], strlen(kept[i])) == 0)
            return true;
    }
    return false;
}

static void clean_environment(char **out, size_t max)
{
    size_t count = 0;

    for (char **at = environ; *at != NULL && count + 1 < max; at++) {
        if (is_kept(*at))
            out[count++] = *at;
    }
    out[count] = NULL;
}

/* Who stops or reloads Postern means the master, and may well send the signal to every process (a
 * service manager, a terminal): what becomes of the others is the master's decision. */
static void leave_signals_to_master(void)
{
    static const int masters[] = { SIGTERM, SIGINT, SIGHUP };
    sigset_t none;

    for (size_t i = 0; i < ARRAY_LEN(masters); i++)
        signal(masters[i], SIG_IGN);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* In the child of a process with threads: only calls that are safe in a signal handler. */
_Noreturn static void become(const char *path, int channel_fd, int log_fd, char **environment)
{
    char *arguments[] = { (char *)(uintptr_t)path, NULL };

    leave_signals_to_master();
    setpgid(0, 0);
    if (log_fd != STDERR_FILENO && dup2(log_fd, STDERR_FILENO) < 0)
        _exit(EXEC_FAILED);
    if (channel_fd == SPAWN_CHANNEL_FD) {
        if (fcntl(channel_fd, F_SETFD, 0) != 0)
            _exit(EXEC_FAILED);
    } else if (dup2(channel_fd, SPAWN_CHANNEL_FD) < 0) {
        _exit(EXEC_FAILED);
    }
    process_close_from(SPAWN_CHANNEL_FD + 1);
    execve(path, arguments, environment);
    _exit(EXEC_FAILED);
}

int spawn_process(const char *path, int log_fd, pid_t *ret_pid, int *ret_channel_fd)
{
    char *environment[16];
    int ends[2];
    pid_t pid;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0)
        return -errno;
    clean_environment(environment, ARRAY_LEN(environment));
    pid = fork();
    if (pid == 0)
        become(path, ends[1], log_fd, environment);
    close(ends[1]);
    if (pid < 0) {
        int err = -errno;

        close(ends[0]);
        return err;
    }
    *ret_pid = pid;
    *ret_channel_fd = ends[0];
    return 0;
}
