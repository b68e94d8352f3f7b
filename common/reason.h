/* common/reason.h: why something failed, in words for a person.
 *
 * A function that can fail returns 0 or a negative errno; the words go through a reterr_why
 * parameter, which may be NULL. A function logs or returns its reason, never both. */
#ifndef COMMON_REASON_H
#define COMMON_REASON_H

struct reason {
    char text[384];
};

/* reason_set(why, err, format, ...) formats into `why` (NULL is allowed), cut at its size, and has
 * the value of `err`, so that "return reason_set(why, -EINVAL, ...)" reads as one thought. A macro,
 * so that a static analyser sees which value that is. */
#define reason_set(why, err, ...)          \
    __extension__({                        \
        int reason_err_ = (err);           \
        reason_format((why), __VA_ARGS__); \
        reason_same(reason_err_);          \
    })

void reason_format(struct reason *why, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static inline int reason_same(int err)
{
    return err;
}

#endif
