/* tests/crash/record_private.h: between interpose.c, which stands before the C library, and
 * record.c, which keeps what was seen. All but record_is_on() with the lock held. */
#ifndef TESTS_CRASH_RECORD_PRIVATE_H
#define TESTS_CRASH_RECORD_PRIVATE_H

#include <sys/stat.h>
#include <sys/uio.h>

#include "record.h"

bool record_is_on(void);
void record_lock(void);
void record_unlock(void);

/* RECORD_NO_NODE: not below the root. */
uint32_t record_find_fd(int fd);
uint32_t record_find_path(int at, const char *path);
/* Of a path: the node of its folder, and its last part. */
uint32_t record_find_folder(int at, const char *path, const char **ret_name);
uint32_t record_add_node(const struct stat *status);

size_t record_count(void);
struct record_entry *record_add(enum record_what what, uint32_t node);
struct record_entry *record_add_name(enum record_what what, uint32_t node, uint32_t folder,
                                     const char *name);
void record_add_write(uint32_t node, const struct iovec *parts, int count, uint64_t offset,
                      size_t bytes);

#endif
