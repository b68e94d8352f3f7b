#include "master/alert_file.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "common/auto.h"
#include "common/log.h"
#include "master/alerts.h"
#include "master/io_thread.h"

struct alert_file {
    struct io_thread *io;
    struct alerts *alerts;
    char *path, *path_new;
    bool is_writing, is_broken;
    json_t *record; /* being written */
};

static void load(struct alert_file *file)
{
    json_error_t error;
    AUTO(json) json_t *record = json_load_file(file->path, 0, &error);

    if (record == NULL && json_error_code(&error) != json_error_cannot_open_file)
        log_warning("alerts", "cannot be read: what stands is told anew",
                    LOG_STR("path", file->path), LOG_STR("reason", error.text));
    alerts_remember(file->alerts, record);
}

struct alert_file *alert_file_new(struct io_thread *io, struct alerts *alerts,
                                  const char *state_dir)
{
    struct alert_file *file = calloc(1, sizeof(*file));

    if (file == NULL)
        return NULL;
    file->io = io;
    file->alerts = alerts;
    if (asprintf(&file->path, "%s/alerts", state_dir) < 0)
        file->path = NULL;
    if (asprintf(&file->path_new, "%s/alerts.new", state_dir) < 0)
        file->path_new = NULL;
    if (file->path == NULL || file->path_new == NULL)
        alert_file_free(&file);
    else
        load(file);
    return file;
}

void alert_file_free(struct alert_file **file)
{
    if (*file == NULL)
        return;
    free((*file)->path);
    free((*file)->path_new);
    free(*file);
    *file = NULL;
}

static int write_file(void *arg)
{
    const struct alert_file *file = arg;

    if (json_dump_file(file->record, file->path_new, JSON_COMPACT) < 0)
        return errno != 0 ? -errno : -EIO;
    return rename(file->path_new, file->path) == 0 ? 0 : -errno;
}

static void on_written(int result, void *arg)
{
    struct alert_file *file = arg;

    file->is_writing = false;
    json_decref(file->record);
    file->record = NULL;
    if (result < 0 && !file->is_broken) /* once */
        log_warning("alerts", "cannot be written: a restart tells anew what stands",
                    LOG_STR("path", file->path), LOG_STR("reason", strerror(-result)));
    file->is_broken = result < 0;
}

void alert_file_look(struct alert_file *file)
{
    if (file->is_writing || !alerts_has_changed(file->alerts))
        return;
    file->record = alerts_record(file->alerts);
    if (file->record != NULL && io_thread_run(file->io, write_file, on_written, file) == 0) {
        file->is_writing = true;
        return;
    }
    json_decref(file->record);
    file->record = NULL;
}

void alert_file_write(struct alert_file *file)
{
    if (!alerts_has_changed(file->alerts))
        return;
    file->record = alerts_record(file->alerts);
    on_written(file->record != NULL ? write_file(file) : -ENOMEM, file);
}
