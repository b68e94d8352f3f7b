/* master/alert_files.h: how full the spool's disk is, and when the digital ID ends.
 *
 * Read by the I/O thread, now and then; here is what it found last. */
#ifndef MASTER_ALERT_FILES_H
#define MASTER_ALERT_FILES_H

#include <stdbool.h>
#include <stdint.h>

struct alert_files;
struct io_thread;

#define ALERT_FILES_EVERY_MS 10000

struct alert_file_facts {
    bool is_known;             /* something was read since the start, or the last change */
    uint64_t disk_bytes;       /* 0: not known */
    uint64_t disk_free;        /* for others than root */
    int64_t certificate_end_s; /* Unix time; 0: there is none, or it cannot be read */
};

/* `spool_dir` is copied. NULL: no memory. */
struct alert_files *alert_files_new(struct io_thread *io, const char *spool_dir);
void alert_files_free(struct alert_files **files); /* after io_thread_free() */

/* "": none. Copied. */
void alert_files_set_certificate(struct alert_files *files, const char *path);

/* Has them read when it is time (`now_ms` is monotonic); what is known by now. */
const struct alert_file_facts *alert_files_look(struct alert_files *files, int64_t now_ms);

#endif
