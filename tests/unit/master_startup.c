/* One posternd for one state directory (OP02). */
#include <criterion/criterion.h>

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/conf.h"
#include "master/startup.h"

static char dir[64];
static struct conf *conf;

static void set_up(void)
{
    struct reason why = { "" };
    char text[256];

    strcpy(dir, "/tmp/postern-startup-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
    snprintf(text, sizeof(text), "state_dir = \"%s/state\"\nrun_dir = \"%s/run\"\n", dir, dir);
    cr_assert_eq(conf_parse(text, "test", &conf, &why), 0, "%s", why.text);
}

static int remove_one(const char *path, const struct stat *about, int kind, struct FTW *ftw)
{
    (void)about;
    (void)kind;
    (void)ftw;
    return remove(path);
}

static void tear_down(void)
{
    conf_free(&conf);
    nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

TestSuite(startup, .init = set_up, .fini = tear_down, .timeout = 60);

Test(startup, OP02_a_second_one_is_refused)
{
    struct reason why = { "" };
    int first, second;

    cr_assert_eq(startup_lock(conf, &first, &why), 0, "%s", why.text);
    cr_assert_eq(startup_lock(conf, &second, &why), -EBUSY);
    cr_assert_not_null(strstr(why.text, "another posternd runs on"));
    close(first);
    cr_assert_eq(startup_lock(conf, &second, &why), 0, "%s", why.text);
    close(second);
}

/* It is killed between the fork and the exec of a worker: for that moment the child has its lock.
 */
Test(startup, OP02_what_a_killed_one_leaves_for_a_moment_is_waited_for)
{
    const struct timespec moment = { .tv_nsec = 200000000 };
    struct reason why = { "" };
    int lock;
    pid_t pid;

    cr_assert_eq(startup_lock(conf, &lock, &why), 0, "%s", why.text);
    pid = fork();
    cr_assert_geq(pid, 0);
    if (pid == 0) {
        nanosleep(&moment, NULL);
        _exit(0);
    }
    close(lock);
    cr_assert_eq(startup_lock(conf, &lock, &why), 0, "%s", why.text);
    close(lock);
    cr_assert_eq(waitpid(pid, NULL, 0), pid);
}
