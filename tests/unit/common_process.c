#include <criterion/criterion.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/process.h"

Test(process, is_hardened)
{
    struct rlimit core, files;
    struct reason why = { "" };

    cr_assert_eq(process_harden(&why), 0, "%s", why.text);
    cr_assert_eq(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), 0);
    cr_assert_eq(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
    getrlimit(RLIMIT_CORE, &core);
    cr_assert_eq(core.rlim_max, 0);
    getrlimit(RLIMIT_NOFILE, &files);
    cr_assert_eq(files.rlim_cur, files.rlim_max);
    cr_assert_eq(process_nofile(), files.rlim_cur);
    cr_assert_eq(raise(SIGPIPE), 0, "ignored");
}

Test(process, standard_descriptors_are_never_given_to_files)
{
    int fd;

    close(0);
    cr_assert_eq(process_harden(NULL), 0);
    fd = open("/dev/null", O_RDONLY);
    cr_assert_gt(fd, 2);
    close(fd);
}

Test(process, start_time_names_a_process)
{
    pid_t child = fork();

    if (child == 0) {
        pause();
        _exit(0);
    }
    cr_assert_gt(process_start_time(child), 0);
    cr_assert_eq(process_start_time(child), process_start_time(child));
    cr_assert_geq(process_start_time(child), process_start_time(getpid()));
    kill(child, SIGKILL);
    cr_assert_eq(process_start_time(0x7ffffff0), 0);
}

Test(process, closes_what_is_beyond)
{
    int fd = fcntl(1, F_DUPFD, 100);

    cr_assert_eq(fd, 100);
    process_close_from(100);
    cr_assert_eq(fcntl(100, F_GETFD), -1);
    cr_assert_geq(fcntl(1, F_GETFD), 0);
}
