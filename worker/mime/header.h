/* worker/mime/header.h: the header of a message or of a part, where it lies.
 *
 * Only finds where it ends and where the few fields lie that say what follows. Of a field that is
 * given twice the first counts; others take the last. Nothing is copied: however many fields there
 * are, they cost nothing. */
#ifndef WORKER_MIME_HEADER_H
#define WORKER_MIME_HEADER_H

#include <stdbool.h>
#include <stddef.h>

struct mime_frames;

enum mime_field {
    MIME_FIELD_TYPE,
    MIME_FIELD_DISPOSITION,
    MIME_FIELD_ENCODING,
    MIME_FIELD_ID,
    MIME_FIELD_SUBJECT,
    MIME_FIELD_COUNT
};

struct mime_header {
    struct mime_span {
        const char *at; /* behind the colon, folded as it is; NULL: there is no such field */
        size_t bytes;   /* to the end of its last line */
    } fields[MIME_FIELD_COUNT];
    const char *content; /* what follows the header, or `end` */
    bool is_odd;         /* a type or an encoding comes once more, or what is no field ends it */
};

/* Gives up in a header of more than `max_bytes`, so that its work is bounded, too: `content` is
 * then further from `at` than that. */
void mime_header_read(const char *at, const char *end, size_t max_bytes,
                      const struct mime_frames *frames, struct mime_header *ret_header);

/* Whether `at` begins with a line that has the form of a header field. */
int mime_header_is_field(const char *at, const char *end);

#endif
