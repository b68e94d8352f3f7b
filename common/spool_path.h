/* common/spool_path.h: where things lie in the spool.
 *
 *   <spool_dir>/<slot>/<number>.seg    a segment
 *   <spool_dir>/<slot>/<number>.state  its cells
 *   <spool_dir>/<slot>/lock            held by the slot's worker (OFD lock)
 *   <spool_dir>/<slot>/last-id         the slot's highest id, once no file there has it
 *   <spool_dir>/damaged/               what recovery could not read */
#ifndef COMMON_SPOOL_PATH_H
#define COMMON_SPOOL_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SPOOL_PATH_SIZE 4096

enum spool_file { SPOOL_FILE_SEGMENT, SPOOL_FILE_STATE };

/* Name within the slot's folder; `out` holds at least SPOOL_NAME_SIZE bytes. */
#define SPOOL_NAME_SIZE 24
const char *spool_name(uint32_t number, enum spool_file file, char *out);

/* Is this the name of a segment, and of which number? */
bool spool_name_parse(const char *name, uint32_t *ret_number);

/* Opens a file of the spool with these flags of open(2) (close-on-exec is added). Returns the
 * descriptor or a negative errno. */
int spool_open(const char *spool_dir, unsigned slot, uint32_t number, enum spool_file file,
               int flags);

/* Opens the slot's folder. */
int spool_open_slot(const char *spool_dir, unsigned slot);

#endif
