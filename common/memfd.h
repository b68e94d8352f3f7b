/* common/memfd.h: sealed memory passed between processes by descriptor.
 *
 * The maker seals against every change, the taker checks the seals before it maps, so that no
 * side can change under the other's eyes what was checked. Holds secrets: mapped pages are wiped
 * by their last owner's exit, never written to disk (the file lives in memory). */
#ifndef COMMON_MEMFD_H
#define COMMON_MEMFD_H

#include <stddef.h>

#define MEMFD_MAX_BYTES (64U << 20)

/* Returns a descriptor (close-on-exec) or a negative errno. */
int memfd_seal(const char *name, const void *data, size_t bytes);

/* Copies the content into fresh memory with a NUL behind it (free()). -EPERM if it is not sealed,
 * -EFBIG beyond MEMFD_MAX_BYTES. The descriptor stays the caller's. */
int memfd_read(int fd, char **ret_data, size_t *ret_bytes);

#endif
