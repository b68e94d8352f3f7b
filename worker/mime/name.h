/* worker/mime/name.h: file names that do no harm.
 *
 * The name of an attachment is what a stranger wrote. What is made of it is valid UTF-8 of 1 to
 * MIME_NAME_MAX bytes that names a file in the folder where it is put and shows itself as it is: no
 * path, no control character, nothing that turns the direction of reading, no blank or dot at its
 * end. Pure: text in, text out. */
#ifndef WORKER_MIME_NAME_H
#define WORKER_MIME_NAME_H

#include "worker/mime/part.h"

/* Text as UTF-8: itself where it is that, else read as windows-1252. free(). NULL: no memory. */
char *mime_name_utf8(const char *text);

/* A safe name out of `given`, which need not be UTF-8. 0; -ENOENT: nothing is left of it; -ENOMEM.
 */
int mime_name_safe(const char *given, char **ret_name);

/* A name for a part that has none: "attachment-2.png", "text-1.html". `number` is its place among
 * its kind. NULL: no memory. */
char *mime_name_made(enum mime_kind kind, const char *type, size_t number);

/* The name of a message after its subject. As mime_name_safe(). */
int mime_name_of_subject(const char *subject, char **ret_name);

#endif
