/* common/reason.h: why something failed, in words for a person.
 *
 * A function that can fail returns 0 or a negative errno; the words go through a reterr_why
 * parameter, which may be NULL. A function logs or returns its reason, never both. */
#ifndef COMMON_REASON_H
#define COMMON_REASON_H

struct reason {
    char text[384];
};

/* Formats into `why` (NULL is allowed), cut at its size, and returns `err` unchanged so that
 * "return reason_set(why, -EINVAL, ...)" reads as one thought. */
int reason_set(struct reason *why, int err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
