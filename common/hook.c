#include "common/hook.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if POSTERN_HOOKS

#define SETTINGS_MAX 16

struct setting {
    unsigned hook; /* index in names */
    uint64_t nth;
    int signal;
    char *once, *when, *mark; /* NULL: no such condition */
    atomic_uint_fast64_t count;
};

static struct setting settings[SETTINGS_MAX];
static unsigned setting_count;
static pthread_once_t is_read = PTHREAD_ONCE_INIT;

static const char *const names[] = {
#define X(name, what) #name,
    HOOKS(X)
#undef X
};
#define NAMES (sizeof(names) / sizeof(names[0]))

_Noreturn static void mistake(const char *text, const char *why)
{
    dprintf(STDERR_FILENO, "POSTERN_HOOK: \"%s\": %s\n", text, why);
    abort();
}

static unsigned find(const char *name)
{
    unsigned i = 0;

    while (i < NAMES && strcmp(names[i], name) != 0)
        i++;
    if (i == NAMES)
        mistake(name, "no such hook, see common/hook.h");
    return i;
}

static int find_signal(const char *action)
{
    static const struct {
        const char *name;
        int number;
    } actions[] = { { "stop", SIGSTOP }, { "kill", SIGKILL }, { "abort", SIGABRT } };

    for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
        if (strcmp(action, actions[i].name) == 0)
            return actions[i].number;
    }
    mistake(action, "an action is stop, kill or abort");
}

static void take_option(struct setting *setting, const char *option)
{
    if (strncmp(option, "once=", 5) == 0)
        setting->once = strdup(option + 5);
    else if (strncmp(option, "when=", 5) == 0)
        setting->when = strdup(option + 5);
    else if (strncmp(option, "mark=", 5) == 0)
        setting->mark = strdup(option + 5);
    else
        mistake(option, "an option is once=, when= or mark=");
}

static void take(char *text)
{
    struct setting *setting = &settings[setting_count];
    char *save = NULL;
    const char *name = strtok_r(text, ":", &save), *nth = strtok_r(NULL, ":", &save),
               *action = strtok_r(NULL, ":", &save), *option;

    if (name == NULL || nth == NULL || action == NULL || setting_count == SETTINGS_MAX)
        mistake(text, "a setting is NAME:N:ACTION");
    setting->hook = find(name);
    setting->nth = strtoull(nth, NULL, 10);
    setting->signal = find_signal(action);
    while ((option = strtok_r(NULL, ":", &save)) != NULL)
        take_option(setting, option);
    if (setting->nth == 0)
        mistake(name, "N is a number from 1 on");
    setting_count++;
}

static void read_settings(void)
{
    const char *given = getenv("POSTERN_HOOK");
    char *text = given != NULL ? strdup(given) : NULL, *save = NULL;

    for (char *one = text != NULL ? strtok_r(text, " ", &save) : NULL; one != NULL;
         one = strtok_r(NULL, " ", &save))
        take(one);
    free(text);
}

static bool is_first(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static void come_to(struct setting *setting)
{
    if (setting->when != NULL && access(setting->when, F_OK) != 0)
        return;
    if (atomic_fetch_add(&setting->count, 1) + 1 != setting->nth)
        return;
    if (setting->once != NULL && !is_first(setting->once))
        return;
    if (setting->signal == SIGABRT)
        abort();
    /* To this thread: the process as a whole would stop when another thread gets around to it. */
    (void)raise(setting->signal);
}

void hook_message(const char *name, const void *data, size_t bytes)
{
    (void)pthread_once(&is_read, read_settings);
    if (setting_count == 0)
        return;
    for (unsigned i = 0, hook = find(name); i < setting_count; i++) {
        struct setting *setting = &settings[i];
        const char *mark = setting->mark;

        if (setting->hook == hook &&
            (mark == NULL || (bytes > 0 && memmem(data, bytes, mark, strlen(mark)) != NULL)))
            come_to(setting);
    }
}

void hook_stop(const char *name)
{
    hook_message(name, NULL, 0);
}

#endif
