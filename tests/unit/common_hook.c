/* Hooks do what POSTERN_HOOK says, where it says so, and nothing anywhere else. */
#include <criterion/criterion.h>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/hook.h"

#if POSTERN_HOOKS

static char made[64];

static void setup(void)
{
    snprintf(made, sizeof(made), "/tmp/postern-hook.%d", (int)getpid());
}

static void teardown(void)
{
    (void)unlink(made);
}

TestSuite(hook, .init = setup, .fini = teardown, .timeout = 20);

typedef void life(void);

/* The wait status of a process that lives so under the setting; SIGSTOP is the end of it too. */
static int status_of(const char *setting, life *live)
{
    pid_t pid = fork();
    int status = 0;

    if (pid == 0) {
        setenv("POSTERN_HOOK", setting, 1);
        live();
        _exit(0);
    }
    cr_assert_eq(waitpid(pid, &status, WUNTRACED), pid);
    if (WIFSTOPPED(status)) {
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
    }
    return status;
}

static bool is_unharmed(const char *setting, life *live)
{
    int status = status_of(setting, live);

    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void twice(void)
{
    hook_stop("after_sync");
    hook_stop("after_sync");
}

static void with_text(void)
{
    hook_message("deliver", "some text", 9);
}

static void without_text(void)
{
    hook_message("deliver", NULL, 0);
}

static void unknown(void)
{
    hook_stop("nowhere");
}

Test(hook, nothing_is_set_and_nothing_happens)
{
    cr_assert(is_unharmed("", twice));
    cr_assert(is_unharmed("", unknown), "where nothing is set, no name is looked for");
}

Test(hook, the_nth_time_counts)
{
    cr_assert_eq(WTERMSIG(status_of("after_sync:1:kill", twice)), SIGKILL);
    cr_assert_eq(WTERMSIG(status_of("after_sync:2:abort", twice)), SIGABRT);
    cr_assert_eq(WSTOPSIG(status_of("after_reply:1:kill after_sync:2:stop", twice)), SIGSTOP);
    cr_assert(is_unharmed("after_sync:3:kill", twice));
    cr_assert(is_unharmed("after_cell:1:kill", twice));
}

/* While its stopped process is looked at, what a thread did beyond the place would show. */
static int beyond[2];

static void *go_on(void *arg)
{
    (void)arg;
    hook_stop("after_sync");
    cr_assert_eq(write(beyond[1], "!", 1), 1);
    return NULL;
}

static void in_a_thread(void)
{
    pthread_t thread;

    cr_assert_eq(pthread_create(&thread, NULL, go_on, NULL), 0);
    pthread_join(thread, NULL);
}

Test(hook, the_thread_that_comes_there_goes_no_further)
{
    char byte;

    for (unsigned i = 0; i < 50; i++) {
        cr_assert_eq(pipe2(beyond, O_NONBLOCK), 0);
        cr_assert_eq(WSTOPSIG(status_of("after_sync:1:stop", in_a_thread)), SIGSTOP);
        cr_assert_lt(read(beyond[0], &byte, 1), 0);
        close(beyond[0]);
        close(beyond[1]);
    }
}

Test(hook, a_marked_message_counts)
{
    cr_assert_eq(WTERMSIG(status_of("deliver:1:abort:mark=text", with_text)), SIGABRT);
    cr_assert_eq(WTERMSIG(status_of("deliver:1:abort", with_text)), SIGABRT);
    cr_assert(is_unharmed("deliver:1:abort:mark=other", with_text));
    cr_assert(is_unharmed("deliver:1:abort:mark=some", without_text));
}

Test(hook, once_is_once_over_all_processes)
{
    char setting[128];

    snprintf(setting, sizeof(setting), "after_sync:1:kill:once=%s", made);
    cr_assert_eq(WTERMSIG(status_of(setting, twice)), SIGKILL);
    cr_assert_eq(access(made, F_OK), 0);
    cr_assert(is_unharmed(setting, twice));
}

Test(hook, only_while_a_file_is_there)
{
    char setting[128];

    snprintf(setting, sizeof(setting), "after_sync:2:kill:when=%s", made);
    cr_assert(is_unharmed(setting, twice));
    fclose(fopen(made, "w"));
    cr_assert_eq(WTERMSIG(status_of(setting, twice)), SIGKILL);
}

Test(hook, what_is_not_understood_ends_the_process)
{
    cr_assert_eq(WTERMSIG(status_of("nowhere:1:kill", twice)), SIGABRT);
    cr_assert_eq(WTERMSIG(status_of("after_sync:1", twice)), SIGABRT);
    cr_assert_eq(WTERMSIG(status_of("after_sync:0:kill", twice)), SIGABRT);
    cr_assert_eq(WTERMSIG(status_of("after_sync:1:dance", twice)), SIGABRT);
    cr_assert_eq(WTERMSIG(status_of("after_sync:1:kill:often", twice)), SIGABRT);
    cr_assert_eq(WTERMSIG(status_of("after_cell:1:kill", unknown)), SIGABRT);
}

#endif
