/* tests/shim/shim_log.c: what was done, a line for each call. Nothing here allocates: it also runs
 * in the midst of an allocation. */
#include "tests/shim/shim.h"

#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define TEXT_MAX       80U
#define FRAMES_SKIPPED 4 /* callers(), shim_log(), shim_end(), malloc() */
#define FRAMES_SHOWN   12

static atomic_uint_fast64_t order;
static int log_fd = -1;

static const char *const names[SHIM_KINDS] = {
#define X(kind, name) [SHIM_##kind] = name,
    SHIM_CALLS(X)
#undef X
};

const char *shim_name(enum shim_kind kind)
{
    return names[kind];
}

uint64_t shim_draw(void)
{
    return atomic_fetch_add(&order, 1) + 1;
}

/* As high as it goes: a program that counts on the next free descriptor is not to notice. */
__attribute__((constructor(101))) static void open_log(void)
{
    const char *path = getenv("POSTERN_FAULT_LOG");
    struct rlimit limit = { 0, 0 };
    void *first;
    int fd;

    if (path == NULL)
        return;
    (void)backtrace(&first, 1); /* loads what it needs, which cannot be done later */
    fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    (void)getrlimit(RLIMIT_NOFILE, &limit);
    log_fd = fcntl(fd, F_DUPFD_CLOEXEC, limit.rlim_cur > 1000 ? 900 : (int)limit.rlim_cur - 20);
    (void)close(fd);
}

void shim_path(const struct shim_call *call, char *out, size_t size)
{
    char link[64];
    ssize_t bytes;

    *out = '\0';
    if (call->path != NULL && (call->path[0] == '/' || call->fd < 0)) {
        (void)snprintf(out, size, "%s", call->path);
        return;
    }
    if (call->fd < 0)
        return;
    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", call->fd);
    bytes = readlink(link, out, size - 1);
    out[bytes > 0 ? bytes : 0] = '\0';
    if (bytes > 0 && call->path != NULL)
        (void)snprintf(out + bytes, size - (size_t)bytes, "/%s", call->path);
}

/* The first line, in one word: what is not printable, and blanks, as "_". */
static void one_word(const struct shim_call *call, char out[TEXT_MAX + 1])
{
    const char *text = call->text;
    size_t at = 0;

    for (; text != NULL && at < call->bytes && at < TEXT_MAX && text[at] != '\r'; at++)
        out[at] = text[at] > ' ' && text[at] < 0x7f ? text[at] : '_';
    out[at] = '\0';
}

/* Who asked for memory, in one word. Our own frames are left out. */
static void callers(char *out, size_t size)
{
    void *frames[FRAMES_SKIPPED + FRAMES_SHOWN];
    int count = backtrace(frames, FRAMES_SKIPPED + FRAMES_SHOWN);
    size_t used = 0;

    *out = '\0';
    for (int i = FRAMES_SKIPPED; i < count && used < size; i++) {
        const char *name;
        Dl_info info;
        int bytes;

        if (dladdr(frames[i], &info) == 0 || info.dli_fname == NULL)
            continue;
        name = strrchr(info.dli_fname, '/');
        bytes = snprintf(out + used, size - used, "%s%s+%#tx", used > 0 ? "," : "",
                         name != NULL ? name + 1 : info.dli_fname,
                         (char *)frames[i] - (char *)info.dli_fbase);
        used += bytes > 0 ? (size_t)bytes : 0;
    }
}

void shim_log(const struct shim_call *call, const char *did, ssize_t result)
{
    char path[PATH_MAX], text[TEXT_MAX + 1], from[512] = "", line[PATH_MAX + 1024];
    int used;

    if (log_fd < 0)
        return;
    shim_path(call, path, sizeof(path));
    one_word(call, text);
    if (call->kind == SHIM_MALLOC)
        callers(from, sizeof(from));
    used = snprintf(line, sizeof(line),
                    "begin=%ju end=%ju pid=%d program=%s call=%s nth=%ju did=%s result=%zd "
                    "offset=%jd bytes=%zu path=%s text=%s from=%s\n",
                    (uintmax_t)call->begin, (uintmax_t)shim_draw(), (int)getpid(),
                    program_invocation_short_name, names[call->kind], (uintmax_t)call->nth, did,
                    result, (intmax_t)call->offset, call->bytes, path, text, from);
    (void)!syscall(SYS_write, log_fd, line, (size_t)used);
}
