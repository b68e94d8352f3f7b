/* common/auto.h: scope cleanup for straight-line functions.
 *
 * Objects with events are not scope objects: they have one _free and live as long as their
 * owner says. Never mix AUTO() and goto in one function. */
#ifndef COMMON_AUTO_H
#define COMMON_AUTO_H

#include <stdlib.h>
#include <unistd.h>

#include <jansson.h>

#define AUTO(fn) __attribute__((cleanup(auto_##fn)))

static inline void auto_free(void *p)
{
    free(*(void **)p);
}

static inline void auto_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static inline void auto_json(json_t **json)
{
    json_decref(*json);
}

/* Moves a pointer or a descriptor out of its scope. */
#define TAKE_PTR(p)                 \
    __extension__({                 \
        __typeof__(p) taken_ = (p); \
        (p) = NULL;                 \
        taken_;                     \
    })

static inline int take_fd(int *fd)
{
    int taken = *fd;

    *fd = -1;
    return taken;
}

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#endif
