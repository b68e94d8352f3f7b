/* master/cursor_file.h: <state_dir>/cursors: whose turn it was, for the next start (SP21).
 *
 * Rewritten as a whole at most once a second through the I/O thread, and synced at the stop. A file
 * that is missing or damaged costs the turns and nothing else. */
#ifndef MASTER_CURSOR_FILE_H
#define MASTER_CURSOR_FILE_H

#include <stdint.h>

#define CURSOR_FILE_MAX (8U << 20)

struct cursor;
struct cursor_file;
struct dispatch;
struct io_thread;
struct loop;

/* Reads what there is. NULL: no memory. */
struct cursor_file *cursor_file_new(struct loop *loop, struct io_thread *io, const char *state_dir);
void cursor_file_free(struct cursor_file **file); /* after the I/O thread has ended */

/* What was read for this profile, NULL: nothing. */
const struct cursor *cursor_file_saved(const struct cursor_file *file, uint32_t profile);

/* Some cursor of `dispatch` moved: it is written soon. */
void cursor_file_touch(struct cursor_file *file, const struct dispatch *dispatch);

/* Writes and syncs now, before the end. */
void cursor_file_sync(struct cursor_file *file, const struct dispatch *dispatch);

#endif
