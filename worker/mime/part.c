#include "worker/mime/part.h"

#include <stdlib.h>

void mime_parts_free(struct mime_parts **parts)
{
    struct mime_parts *p = *parts;

    if (p == NULL)
        return;
    for (size_t i = 0; i < p->count; i++) {
        free(p->parts[i].name);
        free(p->parts[i].type);
        free(p->parts[i].md5);
    }
    free(p->parts);
    free(p);
    *parts = NULL;
}
