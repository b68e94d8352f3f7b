/* common/names.h: names that people type: Unicode text, host names, mail domains.
 *
 * The only user of libidn2 and utf8proc. Pure: text in, text out. */
#ifndef COMMON_NAMES_H
#define COMMON_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#include "common/reason.h"

#define NAMES_HOST_SIZE  256 /* a host name in A-labels, with its NUL */
#define NAMES_SHOWN_SIZE 768 /* the same in U-labels */
#define NAMES_MAX_CHARS  128

/* SP02: NFC, outer blanks trimmed, 1 to 128 characters, none of them a control character, nor one
 * that turns the direction of writing (its text would pretend to be another). free(). NULL with the
 * reason; its text is "out of memory" when that is it. */
char *names_clean(const char *text, struct reason *reterr_why);

/* The form in which two such names are compared: NFC, case-folded. free(). NULL: not UTF-8, or
 * memory is short. */
char *names_key(const char *text);

/* NFC of a secret, and case-folded if wished for, into `out`, which the caller wipes: nothing of it
 * is left elsewhere. The number of characters, or -EINVAL: it is not UTF-8, or -E2BIG: `out` has
 * too little room. */
int names_compose(const char *text, bool is_folded, char *out, size_t size);

/* No control character (C0, DEL, C1) and no line or paragraph separator; valid UTF-8. */
bool names_is_clean_text(const char *text);

/* A host name as it is looked up and compared: A-labels, lower case, no final dot. Accepts U-labels
 * (IDNA 2008) and underscores, which Windows networks use. 0 or -EINVAL. */
int names_host(const char *text, char ret_host[NAMES_HOST_SIZE], struct reason *reterr_why);

/* An A-label name for people's eyes; a name that does not decode is copied. */
void names_host_shown(const char *host, char ret_shown[NAMES_SHOWN_SIZE]);

#endif
