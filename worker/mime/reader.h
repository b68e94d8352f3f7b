/* worker/mime/reader.h: a part's content, decoded piece by piece where it lies.
 *
 * What is broken is read so that least is lost, and always in the same way: a reader gives exactly
 * part->decoded_bytes, however it is asked.
 *
 *   - base64: what is not of its alphabet is passed over; "=" ends a group of four, not the data
 *     (some programs read on behind it, so what lies there has to be seen); a last group may be
 *     short
 *   - quoted-printable: "=" before anything but two hexadecimal digits or a line end is itself
 *   - uuencode: from "begin" to "end"
 */
#ifndef WORKER_MIME_READER_H
#define WORKER_MIME_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "worker/mime/part.h"

/* A part with about so much between two bytes of what it means does not pass the scan. */
#define MIME_NOISE_MAX (1U << 20)

/* May be copied to remember a place. */
struct mime_reader {
    const char *at, *end;
    enum mime_encoding encoding;
    uint32_t bits;       /* base64: of a group that is not complete */
    unsigned count;      /* base64: its characters; uuencode: what is left of a line */
    bool stops_at_noise; /* the scan's, which finds what would keep a reader for too long, */
    bool is_noise;       /* and here it is */
    unsigned char held[3], held_at, held_end;
};

void mime_reader_init(struct mime_reader *reader, const struct mime_part *part, const char *body);

/* The next bytes; 0: the end. Fewer than `max` (which is not 0) at any time, but then there is
 * noise or the end is near. Looks at no more than 4 * max + 3 * MIME_NOISE_MAX bytes of the body.
 */
size_t mime_reader_read(struct mime_reader *reader, char *out, size_t max);

#endif
