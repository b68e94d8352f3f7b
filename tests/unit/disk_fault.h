/* Calls of the spool's disk (worker/disk.h) that fail, of files whose names end in a certain way.
 * Only in builds with hooks. */
#ifndef TESTS_UNIT_DISK_FAULT_H
#define TESTS_UNIT_DISK_FAULT_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "worker/disk.h"

#if POSTERN_HOOKS

static enum disk_call faulty_call;
static char faulty_name[32];

static inline bool is_faulty(enum disk_call call, int fd)
{
    char link[32], path[256];
    ssize_t n;

    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    n = readlink(link, path, sizeof(path) - 1);
    path[n > 0 ? n : 0] = '\0';
    return call == faulty_call && strlen(path) >= strlen(faulty_name) &&
           strcmp(path + strlen(path) - strlen(faulty_name), faulty_name) == 0;
}

static inline int fail_if_faulty(enum disk_call call, int fd)
{
    return is_faulty(call, fd) ? -EIO : 0;
}

/* "": of all files. disk_set_fault(NULL) ends it. */
static inline void set_fault(enum disk_call call, const char *name)
{
    faulty_call = call;
    snprintf(faulty_name, sizeof(faulty_name), "%s", name);
    disk_set_fault(fail_if_faulty);
}

static inline void set_fault_in(enum disk_call call, uint32_t segment, const char *ending)
{
    char name[32];

    snprintf(name, sizeof(name), "/%u.%s", segment, ending);
    set_fault(call, name);
}

#endif
#endif
