#include "master/cursor_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/auto.h"
#include "common/log.h"
#include "common/loop.h"
#include "master/cursor.h"
#include "master/dispatch.h"
#include "master/io_thread.h"

#define WRITE_EVERY_MS 1000
#define FIRST_LINE     "postern cursors 1\n"

struct saved {
    uint32_t profile;
    struct cursor cursor;
};

struct cursor_file {
    struct io_thread *io;
    struct loop_timer *timer;
    const struct dispatch *dispatch;
    char *path, *path_new;
    bool is_writing;
    struct saved *saved;
    size_t saved_count;
};

struct write_call {
    struct cursor_file *file;
    char *text;
};

static void on_timer(void *arg);

/* ---- reading ---- */

static char *read_whole(const char *path)
{
    AUTO(close) int fd = open(path, O_RDONLY | O_CLOEXEC);
    AUTO(free) char *text = NULL;
    struct stat about;
    ssize_t got;

    if (fd < 0 || fstat(fd, &about) != 0 || about.st_size > (off_t)CURSOR_FILE_MAX)
        return NULL;
    text = malloc((size_t)about.st_size + 1);
    if (text == NULL)
        return NULL;
    got = pread(fd, text, (size_t)about.st_size, 0);
    if (got != (ssize_t)about.st_size)
        return NULL;
    text[got] = '\0';
    return TAKE_PTR(text);
}

static int take_line(struct cursor_file *file, const char *line)
{
    struct saved saved, *grown;
    char *end;
    unsigned long profile = strtoul(line, &end, 10);

    if (end == line || *end != ' ' || profile == 0 || profile > UINT32_MAX ||
        cursor_parse(end + 1, &saved.cursor) != 0)
        return -EBADMSG;
    saved.profile = (uint32_t)profile;
    grown = realloc(file->saved, (file->saved_count + 1) * sizeof(saved));
    if (grown == NULL)
        return -ENOMEM;
    file->saved = grown;
    grown[file->saved_count++] = saved;
    return 0;
}

static void load(struct cursor_file *file)
{
    AUTO(free) char *text = read_whole(file->path);
    char *save = NULL;

    if (text == NULL)
        return;
    if (strncmp(text, FIRST_LINE, strlen(FIRST_LINE)) != 0) {
        log_warning("cursor_file", "not in a form that is known: turns begin anew",
                    LOG_STR("path", file->path));
        return;
    }
    for (char *line = strtok_r(text + strlen(FIRST_LINE), "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save)) {
        if (take_line(file, line) != 0)
            log_warning("cursor_file", "a line is damaged: the turns of a profile begin anew",
                        LOG_STR("path", file->path));
    }
}

struct cursor_file *cursor_file_new(struct loop *loop, struct io_thread *io, const char *state_dir)
{
    struct cursor_file *file = calloc(1, sizeof(*file));

    if (file == NULL)
        return NULL;
    file->io = io;
    file->timer = loop_timer_new(loop, on_timer, file);
    if (asprintf(&file->path, "%s/cursors", state_dir) < 0)
        file->path = NULL;
    if (asprintf(&file->path_new, "%s/cursors.new", state_dir) < 0)
        file->path_new = NULL;
    if (file->timer == NULL || file->path == NULL || file->path_new == NULL)
        cursor_file_free(&file);
    else
        load(file);
    return file;
}

void cursor_file_free(struct cursor_file **file)
{
    if (*file == NULL)
        return;
    loop_timer_free(&(*file)->timer);
    free((*file)->path);
    free((*file)->path_new);
    free((*file)->saved);
    free(*file);
    *file = NULL;
}

const struct cursor *cursor_file_saved(const struct cursor_file *file, uint32_t profile)
{
    for (size_t i = 0; i < file->saved_count; i++) {
        if (file->saved[i].profile == profile)
            return &file->saved[i].cursor;
    }
    return NULL;
}

/* ---- writing ---- */

static int write_file(const struct cursor_file *file, const char *text, bool is_synced)
{
    AUTO(close)
    int fd = open(file->path_new, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, S_IRUSR | S_IWUSR);
    size_t bytes = strlen(text);

    if (fd < 0)
        return -errno;
    if (write(fd, FIRST_LINE, strlen(FIRST_LINE)) != (ssize_t)strlen(FIRST_LINE) ||
        write(fd, text, bytes) != (ssize_t)bytes)
        return errno != 0 ? -errno : -ENOSPC;
    if (is_synced && fdatasync(fd) != 0)
        return -errno;
    return rename(file->path_new, file->path) == 0 ? 0 : -errno;
}

static int work(void *arg)
{
    const struct write_call *call = arg;

    return write_file(call->file, call->text, false);
}

static void on_written(int result, void *arg)
{
    struct write_call *call = arg;

    call->file->is_writing = false;
    if (result != 0)
        log_warning("cursor_file", "cannot be written: turns begin anew after a crash",
                    LOG_STR("path", call->file->path), LOG_STR("reason", strerror(-result)));
    free(call->text);
    free(call);
}

static void on_timer(void *arg)
{
    struct cursor_file *file = arg;
    struct write_call *call;

    if (file->is_writing) {
        loop_timer_set_ms(file->timer, WRITE_EVERY_MS);
        return;
    }
    call = malloc(sizeof(*call));
    if (call == NULL)
        return;
    *call = (struct write_call){ .file = file, .text = dispatch_cursors(file->dispatch) };
    if (call->text != NULL && io_thread_run(file->io, work, on_written, call) == 0) {
        file->is_writing = true;
        return;
    }
    free(call->text);
    free(call);
}

void cursor_file_touch(struct cursor_file *file, const struct dispatch *dispatch)
{
    file->dispatch = dispatch;
    if (!loop_timer_is_set(file->timer))
        loop_timer_set_ms(file->timer, WRITE_EVERY_MS);
}

void cursor_file_sync(struct cursor_file *file, const struct dispatch *dispatch)
{
    AUTO(free) char *text = dispatch_cursors(dispatch);
    int err = text != NULL ? write_file(file, text, true) : -ENOMEM;

    loop_timer_clear(file->timer);
    if (err != 0)
        log_warning("cursor_file", "cannot be written: turns begin anew",
                    LOG_STR("path", file->path), LOG_STR("reason", strerror(-err)));
}
