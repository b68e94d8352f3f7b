/* common/shortage.h: errors that say nothing about a disk, a server or a message.
 *
 * This process, or the machine, has no memory or no descriptor left for now. Who meets that counts
 * it against nobody and tries again a little later. */
#ifndef COMMON_SHORTAGE_H
#define COMMON_SHORTAGE_H

#include <errno.h>
#include <stdbool.h>

/* `err` is a negative errno. */
static inline bool is_shortage(int err)
{
    return err == -ENOMEM || err == -EMFILE || err == -ENFILE || err == -ENOBUFS;
}

#endif
