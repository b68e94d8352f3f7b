/* worker/mime/decode.h: the three encodings, for the reader.
 *
 * Each writes at most `max` bytes (3 or more) and moves reader->at; it returns when there is no
 * more room, at the end, or when it has looked at `look` bytes of the body and has something to
 * show (or nothing, and the reader stops at noise). */
#ifndef WORKER_MIME_DECODE_H
#define WORKER_MIME_DECODE_H

#include "worker/mime/reader.h"

size_t mime_decode_base64(struct mime_reader *reader, unsigned char *out, size_t max, size_t look);
size_t mime_decode_quoted(struct mime_reader *reader, unsigned char *out, size_t max, size_t look);
size_t mime_decode_uu(struct mime_reader *reader, unsigned char *out, size_t max, size_t look);

/* The line that uuencoded data begins with, NULL if there is none. A part begins there. */
const char *mime_find_uu_begin(const char *at, const char *end);

#endif
