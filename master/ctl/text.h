/* master/ctl/text.h: text for a terminal.
 *
 * What is shown came from afar (replies of servers, addresses, names): no byte of it may move the
 * cursor, change colours or turn the direction of writing. */
#ifndef MASTER_CTL_TEXT_H
#define MASTER_CTL_TEXT_H

#include <stddef.h>

/* A copy with everything that is not plain visible text written as \u{...}. free(). Ends the
 * program when memory is short, as everything here. */
char *text_clean(const char *text);

/* Columns it takes on a terminal; `text` is clean. */
size_t text_width(const char *text);

/* For one value in a query: everything but letters, digits and "-._~" as %XX. free(). */
char *text_query(const char *text);

/* printf into fresh memory. free(). */
char *text_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* malloc and realloc that do not return NULL. */
void *text_alloc(void *old, size_t bytes);

#endif
