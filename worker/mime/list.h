/* worker/mime/list.h: the list of parts while it is made. */
#ifndef WORKER_MIME_LIST_H
#define WORKER_MIME_LIST_H

#include "worker/mime/digest.h"
#include "worker/mime/entity.h"
#include "worker/mime/part.h"

struct mime_list {
    struct mime_parts *parts;
    size_t room;
    size_t numbers[MIME_MESSAGE + 1]; /* parts of each kind, for the names of those without */
    struct mime_digest *digest;       /* NULL: none is asked for */
};

/* Each 0, -ENOMEM, or -ENOTSUP from init. */
int mime_list_init(struct mime_list *list, uint64_t chunk_bytes);
void mime_list_done(struct mime_list *list);
int mime_list_add(struct mime_list *list, enum mime_kind kind, const struct mime_entity *entity,
                  size_t offset, size_t *ret_index);

/* After the subject in the header, if there is one. */
int mime_list_rename(struct mime_list *list, size_t index, const struct mime_header *header);

#endif
