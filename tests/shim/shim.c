/* tests/shim/shim.c: the rules, and what they make of a call. */
#include "tests/shim/shim.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define RULES_MAX    32
#define MISTAKE_EXIT 97

enum what { WHAT_FAIL, WHAT_SHORT, WHAT_DELAY, WHAT_HANG, WHAT_LOG };

struct shim_rule {
    enum shim_kind kind;
    uint64_t first, last, every; /* every 0: from first to last */
    enum what what;
    int err;
    unsigned delay_ms;
    char *did, *path, *when, *once; /* NULL: no such condition */
    atomic_uint_fast64_t count;
};

static struct shim_rule rules[RULES_MAX];
static unsigned rule_count;
static atomic_bool has_rules[SHIM_KINDS];

static const struct {
    const char *name;
    int number;
} errors[] = {
#define E(name)     \
    {               \
#name, name \
    }
    E(EIO),    E(ENOSPC), E(EDQUOT), E(EMFILE), E(ENFILE),  E(ENOMEM),     E(EINTR),
    E(EAGAIN), E(EACCES), E(EROFS),  E(EFBIG),  E(ENOBUFS), E(EOPNOTSUPP),
#undef E
};

/* ---- reading ---- */

_Noreturn static void mistake(const char *text, const char *why)
{
    dprintf(STDERR_FILENO, "shim: \"%s\": %s\n", text, why);
    _exit(MISTAKE_EXIT);
}

static bool take_kind(const char *text, struct shim_rule *rule)
{
    for (unsigned i = 0; i < SHIM_KINDS; i++) {
        if (strcmp(text, shim_name((enum shim_kind)i)) != 0)
            continue;
        rule->kind = (enum shim_kind)i;
        return true;
    }
    return false;
}

static bool take_which(const char *text, struct shim_rule *rule)
{
    char *end;

    rule->first = 1;
    rule->last = UINT64_MAX;
    if (strcmp(text, "always") == 0)
        return true;
    if (*text == '%') {
        rule->every = strtoull(text + 1, &end, 10);
        return rule->every > 0 && *end == '\0';
    }
    rule->first = strtoull(text, &end, 10);
    if (end == text || rule->first == 0)
        return false;
    if (*end == '\0')
        rule->last = rule->first;
    else if (*end == '-' && end[1] != '\0')
        rule->last = strtoull(end + 1, &end, 10);
    else if (*end == '-')
        end++;
    return *end == '\0';
}

static bool take_what(const char *text, struct shim_rule *rule)
{
    char *end;

    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        if (strcmp(text, errors[i].name) == 0) {
            rule->what = WHAT_FAIL;
            rule->err = errors[i].number;
            return true;
        }
    }
    rule->what = strcmp(text, "short") == 0  ? WHAT_SHORT
                 : strcmp(text, "hang") == 0 ? WHAT_HANG
                 : strcmp(text, "log") == 0  ? WHAT_LOG
                                             : WHAT_DELAY;
    if (rule->what != WHAT_DELAY)
        return true;
    rule->delay_ms = (unsigned)strtoul(text, &end, 10);
    return end != text && strcmp(end, "ms") == 0;
}

/* False: the rule is for another program. */
static bool take_option(const char *all, const char *text, struct shim_rule *rule)
{
    if (strncmp(text, "path=", 5) == 0)
        rule->path = strdup(text + 5);
    else if (strncmp(text, "when=", 5) == 0)
        rule->when = strdup(text + 5);
    else if (strncmp(text, "once=", 5) == 0)
        rule->once = strdup(text + 5);
    else if (strncmp(text, "in=", 3) == 0)
        return strcmp(text + 3, program_invocation_short_name) == 0;
    else
        mistake(all, "an option is path=, when=, once= or in=");
    return true;
}

static void take_rule(const char *text)
{
    struct shim_rule rule = { .delay_ms = 0 };
    char copy[1024], *part, *save = NULL;
    bool is_ours = true;

    if (strlen(text) >= sizeof(copy) || rule_count == RULES_MAX)
        mistake(text, "too much");
    strcpy(copy, text);
    part = strtok_r(copy, ":", &save);
    if (part == NULL || !take_kind(part, &rule))
        mistake(text, "no such call");
    part = strtok_r(NULL, ":", &save);
    if (part == NULL || !take_which(part, &rule))
        mistake(text, "which ones: always, N, N-M, N- or %N");
    part = strtok_r(NULL, ":", &save);
    if (part == NULL || !take_what(part, &rule))
        mistake(text, "what: an errno, short, Nms, hang or log");
    rule.did = strdup(part);
    while ((part = strtok_r(NULL, ":", &save)) != NULL)
        is_ours &= take_option(text, part, &rule);
    if (rule.what == WHAT_HANG && rule.when == NULL)
        mistake(text, "hang needs when=");
    if (!is_ours)
        return;
    rules[rule_count++] = rule;
}

__attribute__((constructor(102))) static void read_rules(void)
{
    const char *given = getenv("POSTERN_FAULT");
    char *text = given != NULL ? strdup(given) : NULL, *rule, *save = NULL;

    for (rule = text != NULL ? strtok_r(text, " ", &save) : NULL; rule != NULL;
         rule = strtok_r(NULL, " ", &save))
        take_rule(rule);
    free(text);
    for (unsigned i = 0; i < rule_count;
         i++) /* last: what the reading itself does does not count */
        atomic_store(&has_rules[rules[i].kind], true);
}

/* ---- a call ---- */

static bool is_there(const char *path)
{
    return syscall(SYS_faccessat, AT_FDCWD, path, F_OK) == 0;
}

static bool is_meant(struct shim_rule *rule, const struct shim_call *call)
{
    char path[PATH_MAX];

    if (rule->kind != call->kind)
        return false;
    if (rule->when != NULL && !is_there(rule->when)) {
        atomic_store(&rule->count, 0);
        return false;
    }
    if (rule->path == NULL)
        return true;
    shim_path(call, path, sizeof(path));
    return strstr(path, rule->path) != NULL;
}

static bool is_its_turn(const struct shim_rule *rule, uint64_t nth)
{
    if (rule->every > 0)
        return nth % rule->every == 0;
    return nth >= rule->first && nth <= rule->last;
}

static bool is_first(const char *path)
{
    long fd = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

    if (fd >= 0)
        (void)close((int)fd);
    return fd >= 0;
}

static void sleep_ms(unsigned ms)
{
    const struct timespec wait = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };

    (void)nanosleep(&wait, NULL);
}

static bool act(const struct shim_rule *rule, struct shim_call *call)
{
    switch (rule->what) {
    case WHAT_FAIL: errno = rule->err; return false;
    case WHAT_SHORT: call->bytes -= call->bytes / 2; return true;
    case WHAT_DELAY: sleep_ms(rule->delay_ms); return true;
    case WHAT_HANG:
        while (is_there(rule->when))
            sleep_ms(10);
        return true;
    case WHAT_LOG: return true;
    }
    return true;
}

bool shim_begin(struct shim_call *call)
{
    const int before = errno;
    bool goes_on = true;

    call->rule = NULL;
    if (!atomic_load_explicit(&has_rules[call->kind], memory_order_relaxed))
        return true;
    for (unsigned i = 0; i < rule_count && goes_on; i++) {
        struct shim_rule *rule = &rules[i];
        uint64_t nth;

        if (!is_meant(rule, call))
            continue;
        nth = atomic_fetch_add(&rule->count, 1) + 1;
        if (!is_its_turn(rule, nth) || (rule->once != NULL && !is_first(rule->once)))
            continue;
        if (call->rule == NULL)
            call->begin = shim_draw();
        call->rule = rule;
        call->nth = nth;
        goes_on = act(rule, call);
    }
    if (goes_on)
        errno = before;
    return goes_on;
}

ssize_t shim_end(struct shim_call *call, ssize_t result)
{
    const int err = errno;

    if (call->rule != NULL)
        shim_log(call, call->rule->did, result < 0 ? -err : result);
    errno = err;
    return result;
}
