#include "worker/mime/list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/auto.h"
#include "worker/mime/name.h"

int mime_list_init(struct mime_list *list, uint64_t chunk_bytes)
{
    list->parts = calloc(1, sizeof(*list->parts));
    if (list->parts == NULL)
        return -ENOMEM;
    return chunk_bytes > 0 ? mime_digest_new(chunk_bytes, &list->digest) : 0;
}

void mime_list_done(struct mime_list *list)
{
    mime_parts_free(&list->parts);
    mime_digest_free(&list->digest);
}

static int grow(struct mime_list *list)
{
    const size_t room = list->room == 0 ? 8 : list->room * 2;
    struct mime_part *grown = realloc(list->parts->parts, room * sizeof(*grown));

    if (grown == NULL)
        return -ENOMEM;
    list->parts->parts = grown;
    list->room = room;
    return 0;
}

static int name_part(const struct mime_list *list, const char *given, struct mime_part *part)
{
    int err = given != NULL ? mime_name_safe(given, &part->name) : -ENOENT;

    if (err != -ENOENT)
        return err;
    part->name = mime_name_made(part->kind, part->type, list->numbers[part->kind]);
    return part->name != NULL ? 0 : -ENOMEM;
}

int mime_list_add(struct mime_list *list, enum mime_kind kind, const struct mime_entity *entity,
                  size_t offset, size_t *ret_index)
{
    struct mime_part *part;

    if (list->parts->count == list->room && grow(list) < 0)
        return -ENOMEM;
    part = &list->parts->parts[list->parts->count];
    *part = (struct mime_part){ .kind = kind, .offset = offset };
    part->encoding = kind == MIME_MESSAGE ? MIME_IDENTITY : entity->encoding;
    part->type = strdup(entity->type);
    list->numbers[kind]++;
    *ret_index = list->parts->count++;
    return part->type != NULL ? name_part(list, entity->name, part) : -ENOMEM;
}

int mime_list_rename(struct mime_list *list, size_t index, const struct mime_header *header)
{
    struct mime_part *part = &list->parts->parts[index];
    AUTO(free) char *subject = NULL;
    char *name = NULL;
    int err = mime_entity_subject(header, &subject);

    if (err == 0)
        err = mime_name_of_subject(subject, &name);
    if (err == 0) {
        free(part->name);
        part->name = name;
    }
    return err == -ENOENT ? 0 : err;
}
