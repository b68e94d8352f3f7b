#include "master/alert_files.h"

#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "common/certificate.h"
#include "master/io_thread.h"

struct alert_files {
    struct io_thread *io;
    char *spool_dir, *certificate;
    struct alert_file_facts facts;
    int64_t next_ms;
    bool is_reading;
    bool is_changed; /* what is being read is no more what is wanted */
};

struct reading {
    struct alert_files *files;
    char *certificate; /* "": none */
    struct alert_file_facts facts;
};

struct alert_files *alert_files_new(struct io_thread *io, const char *spool_dir)
{
    struct alert_files *files = calloc(1, sizeof(*files));

    if (files == NULL)
        return NULL;
    *files =
        (struct alert_files){ .io = io, .spool_dir = strdup(spool_dir), .certificate = strdup("") };
    if (files->spool_dir == NULL || files->certificate == NULL)
        alert_files_free(&files);
    return files;
}

void alert_files_free(struct alert_files **files)
{
    if (*files == NULL)
        return;
    free((*files)->spool_dir);
    free((*files)->certificate);
    free(*files);
    *files = NULL;
}

void alert_files_set_certificate(struct alert_files *files, const char *path)
{
    char *copy = strdup(path);

    if (copy == NULL)
        return; /* the old one is looked at until the next reload */
    free(files->certificate);
    files->certificate = copy;
    files->is_changed = files->is_reading;
    files->facts.is_known = false;
    files->next_ms = 0;
}

static int read_all(void *arg)
{
    struct reading *reading = arg;
    struct statvfs figures;

    reading->facts.is_known = true;
    if (statvfs(reading->files->spool_dir, &figures) == 0) {
        reading->facts.disk_bytes = (uint64_t)figures.f_blocks * figures.f_frsize;
        reading->facts.disk_free = (uint64_t)figures.f_bavail * figures.f_frsize;
    }
    if (reading->certificate[0] != '\0' &&
        certificate_end(reading->certificate, &reading->facts.certificate_end_s) < 0)
        reading->facts.certificate_end_s = 0;
    return 0;
}

static void on_read(int result, void *arg)
{
    struct reading *reading = arg;
    struct alert_files *files = reading->files;

    (void)result;
    if (!files->is_changed)
        files->facts = reading->facts;
    files->is_reading = files->is_changed = false;
    free(reading->certificate);
    free(reading);
}

static void begin(struct alert_files *files)
{
    struct reading *reading = calloc(1, sizeof(*reading));

    if (reading == NULL)
        return;
    *reading = (struct reading){ .files = files, .certificate = strdup(files->certificate) };
    if (reading->certificate != NULL && io_thread_run(files->io, read_all, on_read, reading) == 0) {
        files->is_reading = true;
        return;
    }
    free(reading->certificate);
    free(reading);
}

const struct alert_file_facts *alert_files_look(struct alert_files *files, int64_t now_ms)
{
    if (!files->is_reading && now_ms >= files->next_ms) {
        files->next_ms = now_ms + ALERT_FILES_EVERY_MS;
        begin(files);
    }
    return &files->facts;
}
