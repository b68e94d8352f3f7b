#include "common/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/auto.h"

/* A missing descriptor 0, 1 or 2 would be given to the next file that is opened, and a stray print
 * would land in it. */
static int open_standard(struct reason *reterr_why)
{
    for (int fd = 0; fd <= 2; fd++) {
        if (fcntl(fd, F_GETFD) >= 0)
            continue;
        if (open("/dev/null", fd == 0 ? O_RDONLY : O_WRONLY) != fd)
            return reason_set(reterr_why, -errno, "cannot open /dev/null for descriptor %d", fd);
    }
    return 0;
}

static void raise_nofile(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

int process_harden(struct reason *reterr_why)
{
    const struct rlimit no_core = { 0, 0 };
    int err = open_standard(reterr_why);

    if (err != 0)
        return err;
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        return reason_set(reterr_why, -errno, "PR_SET_DUMPABLE: %s", strerror(errno));
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return reason_set(reterr_why, -errno, "PR_SET_NO_NEW_PRIVS: %s", strerror(errno));
    if (setrlimit(RLIMIT_CORE, &no_core) != 0)
        return reason_set(reterr_why, -errno, "RLIMIT_CORE: %s", strerror(errno));
    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        return reason_set(reterr_why, -errno, "SIGPIPE: %s", strerror(errno));
    raise_nofile();
    return 0;
}

uint64_t process_nofile(void)
{
    struct rlimit limit;

    return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? (uint64_t)limit.rlim_cur : 0;
}

uint64_t process_start_time(pid_t pid)
{
    char path[64], text[1024], *at, *save = NULL;
    AUTO(close) int fd = -1;
    ssize_t got;

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || (got = read(fd, text, sizeof(text) - 1)) <= 0)
        return 0;
    text[got] = '\0';
    /* The name in parentheses may hold anything; what follows its end is field 3. */
    at = strrchr(text, ')');
    if (at == NULL)
        return 0;
    at = strtok_r(at + 1, " ", &save);
    for (int field = 3; at != NULL && field < 22; field++)
        at = strtok_r(NULL, " ", &save);
    return at != NULL ? strtoull(at, NULL, 10) : 0;
}

void process_close_from(int first)
{
    if (close_range((unsigned)first, ~0U, 0) == 0)
        return;
    for (int fd = first; fd < 65536; fd++)
        close(fd);
}
