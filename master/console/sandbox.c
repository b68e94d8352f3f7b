#include "master/console/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <seccomp.h>

#include "common/auto.h"
#include "common/log.h"

/* ---- Landlock ---- */

/* Newer than some kernel headers that this is built with. */
#define RIGHTS_ABI_1 ((UINT64_C(1) << 13) - 1)
#define RIGHT_REFER  (UINT64_C(1) << 13)
#define RIGHT_TRUNC  (UINT64_C(1) << 14)
#define RIGHT_IOCTL  (UINT64_C(1) << 15)
#define NET_RIGHTS   UINT64_C(3) /* bind, connect */
#define SCOPES       UINT64_C(3) /* abstract sockets, signals */

struct ruleset {
    uint64_t files, net, scopes;
};

static size_t fill_ruleset(long abi, struct ruleset *rules)
{
    rules->files = RIGHTS_ABI_1 | (abi >= 2 ? RIGHT_REFER : 0) | (abi >= 3 ? RIGHT_TRUNC : 0) |
                   (abi >= 5 ? RIGHT_IOCTL : 0);
    rules->net = abi >= 4 ? NET_RIGHTS : 0;
    rules->scopes = abi >= 6 ? SCOPES : 0;
    return abi >= 6 ? sizeof(*rules) : abi >= 4 ? 2 * sizeof(uint64_t) : sizeof(uint64_t);
}

static int forbid_files(void)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    struct ruleset rules;
    long fd;
    int err = 0;

    if (abi < 1)
        return -ENOSYS;
    fd = syscall(SYS_landlock_create_ruleset, &rules, fill_ruleset(abi, &rules), 0);
    if (fd < 0)
        return -errno;
    if (syscall(SYS_landlock_restrict_self, (int)fd, 0) != 0)
        err = -errno;
    close((int)fd);
    return err;
}

/* ---- seccomp ---- */

static const int allowed[] = {
    /* sockets that are there, and those that come in */
    SCMP_SYS(read),
    SCMP_SYS(readv),
    SCMP_SYS(write),
    SCMP_SYS(writev),
    SCMP_SYS(recvfrom),
    SCMP_SYS(recvmsg),
    SCMP_SYS(recvmmsg),
    SCMP_SYS(sendto),
    SCMP_SYS(sendmsg),
    SCMP_SYS(accept),
    SCMP_SYS(accept4),
    SCMP_SYS(shutdown),
    SCMP_SYS(close),
    SCMP_SYS(getsockname),
    SCMP_SYS(getpeername),
    SCMP_SYS(getsockopt),
    SCMP_SYS(setsockopt),
    SCMP_SYS(fcntl),
    SCMP_SYS(fstat),
    /* the loop, and time */
    SCMP_SYS(epoll_wait),
    SCMP_SYS(epoll_pwait),
    SCMP_SYS(epoll_ctl),
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(nanosleep),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(timerfd_settime),
    /* memory, signals to itself, the end */
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(madvise),
    SCMP_SYS(brk),
    SCMP_SYS(futex),
    SCMP_SYS(getrandom),
    SCMP_SYS(getpid),
    SCMP_SYS(gettid),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(sched_yield),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
};

static int allow_calls(scmp_filter_ctx filter)
{
    int err = 0;

    for (size_t i = 0; err == 0 && i < ARRAY_LEN(allowed); i++)
        err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
    return err;
}

/* Calls that are allowed with some arguments only. */
static int allow_some(scmp_filter_ctx filter)
{
    const struct {
        int call;
        struct scmp_arg_cmp only;
    } some[] = {
        /* memory, but none that runs */
        { SCMP_SYS(mmap), { 2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0 } },
        { SCMP_SYS(mprotect), { 2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0 } },
        /* a descriptor's facts, but no path's */
        { SCMP_SYS(newfstatat), { 3, SCMP_CMP_MASKED_EQ, AT_EMPTY_PATH, AT_EMPTY_PATH } },
        /* how much waits in a socket */
        { SCMP_SYS(ioctl), { 1, SCMP_CMP_EQ, FIONREAD, 0 } },
        /* a signal to itself, when it aborts */
        { SCMP_SYS(tgkill), { 0, SCMP_CMP_EQ, (scmp_datum_t)getpid(), 0 } },
    };
    int err = 0;

    for (size_t i = 0; err == 0 && i < ARRAY_LEN(some); i++)
        err = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, some[i].call, 1, &some[i].only);
    return err;
}

static int forbid_calls(void)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    int err;

    if (!filter)
        return -ENOMEM;
    err = allow_calls(filter);
    if (err == 0)
        err = allow_some(filter);
    if (err == 0)
        err = seccomp_load(filter);
    seccomp_release(filter);
    return err;
}

int sandbox_enter(struct reason *reterr_why)
{
    int err = forbid_files();

    if (err < 0)
        log_warning("console", "the kernel has no Landlock: seccomp alone keeps files away",
                    LOG_STR("reason", strerror(-err)));
    err = forbid_calls();
    return err < 0 ? reason_set(reterr_why, err, "seccomp: %s", strerror(-err)) : 0;
}
