/* worker/composition_text.h: text as a header and a body of 7 bits carry it. Pure. */
#ifndef WORKER_COMPOSITION_TEXT_H
#define WORKER_COMPOSITION_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* An unstructured header field with its final CRLF: as it is, or in encoded words (RFC 2047) with
 * folds between them. At most `max` bytes of `text` (UTF-8) are written. */
void composition_put_field(FILE *out, const char *name, const char *text, size_t max);

/* Can it stand in a body as it is: short lines of visible ASCII, none that begins with a dot? */
bool composition_is_plain(const char *text);

/* Lines end with CRLF, also the last; control characters become '?'. */
void composition_put_plain(FILE *out, const char *text);
void composition_put_quoted(FILE *out, const char *text); /* quoted-printable */

#endif
