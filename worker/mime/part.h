/* worker/mime/part.h: what a stored message is made of.
 *
 * A part is a place in the message's body: nothing is copied. The scan is strict about bytes and
 * forgiving about everything else: what is broken is listed in the way that hides least, so that
 * whatever some mail program might show is in one part or another.
 *
 *   - a multipart whose boundary is missing or never comes is one attachment as a whole
 *   - a part ends at its own multipart's boundary or at that of any around it
 *   - the line end before a boundary belongs to the boundary
 *   - a header ends at its blank line, at a boundary, or where a line is no header field
 *   - base64 around a multipart or a message is decoded, and the whole is an attachment; unless its
 *     boundaries, or the message's header, stand there in clear
 */
#ifndef WORKER_MIME_PART_H
#define WORKER_MIME_PART_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/reason.h"

#define MIME_NAME_MAX 255
#define MIME_TYPE_MAX 127
#define MIME_MD5_SIZE 16

enum mime_kind {
    MIME_TEXT,         /* text of the message's own: without a name, not disposed as attachment */
    MIME_INLINE_IMAGE, /* disposed inline, or with a Content-ID inside multipart/related */
    MIME_ATTACHMENT,   /* every other leaf */
    MIME_MESSAGE, /* a message that is attached or has a name, as a whole; its leaves are listed
                   * besides, behind it. One that is neither is only descended into */
};

enum mime_encoding { MIME_IDENTITY, MIME_BASE64, MIME_QUOTED_PRINTABLE, MIME_UUENCODE };

struct mime_part {
    enum mime_kind kind;
    enum mime_encoding encoding;
    char *name;             /* a safe file name: UTF-8, 1 to MIME_NAME_MAX bytes (name.h) */
    char *type;             /* "image/png": lower case, 3 to MIME_TYPE_MAX bytes of a token's */
    uint64_t offset, bytes; /* in the body, encoded */
    uint64_t decoded_bytes; /* exactly what a reader gives (reader.h) */
    unsigned char (
        *md5)[MIME_MD5_SIZE]; /* of each slice of chunk_bytes decoded bytes; NULL: none */
    size_t md5_count;
};

struct mime_parts { /* in the message's order */
    struct mime_part *parts;
    size_t count;
    /* Others may find other parts: a header gives its type or encoding twice, or has a line that is
     * no field; a multipart has no boundary that comes; around its parts stands what looks like
     * one. */
    bool is_ambiguous;
};

struct mime_limits {
    unsigned max_parts;        /* leaves, multiparts and messages inside the message */
    unsigned max_depth;        /* of multiparts and messages within each other */
    uint64_t max_header_bytes; /* of the message's header, and of each part's */
};

/* Work and memory do not depend on what a message claims: a few hundred bytes for each part, one
 * header field at a time, and the content of what is listed read once (attached messages within
 * each other may be listed up to ten times the message, or 64 MiB). `chunk_bytes` 0: no MD5.
 * `cancelled` may be set by another thread, or be NULL. Not for two threads at a time: GMime has
 * state of its own. 0; -E2BIG: a limit is passed, the reason says which; -ECANCELED, -ENOMEM,
 * -ENOTSUP: no MD5. */
int mime_scan(const char *body, size_t bytes, const struct mime_limits *limits,
              uint64_t chunk_bytes, const atomic_bool *cancelled, struct mime_parts **ret_parts,
              struct reason *reterr_why);

void mime_parts_free(struct mime_parts **parts); /* NULL inside is allowed */

#endif
