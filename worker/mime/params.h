/* worker/mime/params.h: what is nearly right in a field with parameters, made right before GMime
 * reads it, which ends at the first mistake. */
#ifndef WORKER_MIME_PARAMS_H
#define WORKER_MIME_PARAMS_H

/* The value of Content-Type or Content-Disposition, in one line, again:
 *
 *   - without parameters that have no "="
 *   - of a parameter in pieces (RFC 2231) the first piece first: it names the charset
 *   - with a quotation mark at the end of a string that has none
 *   - with two backslashes for one that escapes neither of its kind nor a quotation mark: such a
 *     one is part of a path, written by somebody who did not know of escaping
 *
 * free(). NULL: no memory. */
char *mime_params_tidy(const char *field);

#endif
