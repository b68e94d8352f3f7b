/* worker/mime/entity.h: what the header of a message or part says, read by GMime.
 *
 * The only door to GMime. It is given one field at a time, of at most MIME_FIELD_MAX bytes, and
 * never a header or content as a whole: its parser keeps preambles and headers in memory, makes an
 * object of every header field, and takes the middle of a long line for a line's begin where its
 * buffer of 4 KiB happens to end. What it is wanted for is what the world writes into fields:
 * RFC 2231, RFC 2047, charsets, and what is nearly right. Like all of GLib it ends the process when
 * memory is short. Not for two threads at a time. */
#ifndef WORKER_MIME_ENTITY_H
#define WORKER_MIME_ENTITY_H

#include <stdbool.h>

#include "common/reason.h"
#include "worker/mime/part.h"

#define MIME_FIELD_MAX (256 << 10)

struct mime_header;

enum mime_disposition { MIME_NOT_DISPOSED, MIME_INLINE, MIME_ATTACHED };

struct mime_entity {
    char type[MIME_TYPE_MAX + 1]; /* "text/plain" if there is none, or none that makes sense */
    char *boundary;               /* of a multipart; NULL: none that could be found */
    char *name;                   /* as given, not yet safe; NULL: none */
    enum mime_disposition disposition;
    enum mime_encoding encoding; /* an unknown one is none */
    bool has_type;
    bool has_id;
};

/* -E2BIG: a field is too long; -ENOMEM. */
int mime_entity_read(const struct mime_header *header, struct mime_entity *ret_entity,
                     struct reason *reterr_why);
void mime_entity_done(struct mime_entity *entity);

/* The header's subject in UTF-8 (free()). 0; -ENOENT: there is none; -ENOMEM. */
int mime_entity_subject(const struct mime_header *header, char **ret_subject);

#endif
