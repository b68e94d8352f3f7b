/* tests/shim/shim_memory.c: allocations. The C library's own (strdup, asprintf ...) come here too.
 */
#include "tests/shim/shim.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>

/* What stands behind malloc() in the C library, whoever takes its name. */
extern void *__libc_malloc(size_t bytes);
extern void *__libc_calloc(size_t count, size_t bytes);
extern void *__libc_realloc(void *old, size_t bytes);
extern void *__libc_memalign(size_t alignment, size_t bytes);

static bool may_have(size_t bytes)
{
    struct shim_call call = { .kind = SHIM_MALLOC, .fd = -1, .bytes = bytes };
    bool may = shim_begin(&call);

    (void)shim_end(&call, may ? 0 : -1);
    return may;
}

void *malloc(size_t bytes)
{
    return may_have(bytes) ? __libc_malloc(bytes) : NULL;
}

void *calloc(size_t count, size_t bytes)
{
    return may_have(count * bytes) ? __libc_calloc(count, bytes) : NULL;
}

void *realloc(void *old, size_t bytes)
{
    return may_have(bytes) ? __libc_realloc(old, bytes) : NULL;
}

void *reallocarray(void *old, size_t count, size_t bytes)
{
    size_t all;

    if (__builtin_mul_overflow(count, bytes, &all)) {
        errno = ENOMEM;
        return NULL;
    }
    return realloc(old, all);
}

void *memalign(size_t alignment, size_t bytes)
{
    return may_have(bytes) ? __libc_memalign(alignment, bytes) : NULL;
}

void *aligned_alloc(size_t alignment, size_t bytes)
{
    return memalign(alignment, bytes);
}

int posix_memalign(void **out, size_t alignment, size_t bytes)
{
    const int before = errno;
    void *made = memalign(alignment, bytes);

    errno = before;
    if (made == NULL)
        return ENOMEM;
    *out = made;
    return 0;
}
