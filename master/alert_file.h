/* master/alert_file.h: what stands, kept over a restart in <state_dir>/alerts.
 *
 * Rewritten by the I/O thread when it has changed, and not synced: a crash of the machine may bring
 * a mail twice, no more. */
#ifndef MASTER_ALERT_FILE_H
#define MASTER_ALERT_FILE_H

struct alert_file;
struct alerts;
struct io_thread;

/* Reads the file into `alerts` (alerts_remember()): for the start, it waits for the disk. NULL: no
 * memory. */
struct alert_file *alert_file_new(struct io_thread *io, struct alerts *alerts,
                                  const char *state_dir);
void alert_file_free(struct alert_file **file); /* after io_thread_free() */

/* Called again and again: writes when something has changed. */
void alert_file_look(struct alert_file *file);
/* The same at once, for the end: after io_thread_free(). */
void alert_file_write(struct alert_file *file);

#endif
