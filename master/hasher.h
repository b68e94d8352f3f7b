/* master/hasher.h: hashes of passwords, made and checked by a thread of their own.
 *
 * yescrypt at the cost below takes a tenth of a second and 64 MiB: never the loop's. One at a time,
 * in the order they came, and no more than HASHER_MAX_WAITING: who comes then is told so. A
 * password is copied, and the copy wiped when it is done. */
#ifndef MASTER_HASHER_H
#define MASTER_HASHER_H

#include <stdbool.h>

struct hasher;
struct loop;

#define HASHER_MAX_WAITING  16
#define HASHER_TEXT_SIZE    384 /* of a hash, with its NUL */
#define HASHER_MAX_PASSWORD 511 /* bytes: what crypt(3) takes */

/* libxcrypt's scale; 7 is N = 16384 blocks of 4 KiB. Its default, 5, is meant for a log-in at a
 * console of a small machine. Reviewed: November 2026. */
#define HASHER_COST 7

struct hasher_answer {
    int err;          /* 0, -ENOMEM, -ECANCELED (the end has begun) or another negative errno */
    bool matches;     /* of a check */
    const char *hash; /* of a new one: as it is kept; of a check: what was compared with */
};
typedef void hasher_cb(const struct hasher_answer *answer, void *arg); /* answer: borrowed */

/* NULL: memory, descriptors, threads or randomness are short. */
struct hasher *hasher_new(struct loop *loop);

/* What waits is answered -ECANCELED, what is under way is finished, both from inside this call. A
 * `done` may ask for more, which is refused. NULL inside is allowed. */
void hasher_free(struct hasher **hasher);

/* 0, -EBUSY (too many wait), -ENOMEM, -ECANCELED (`hasher` is NULL or ends): then `done` does not
 * run. It never runs from inside the call. */
int hasher_make(struct hasher *hasher, const char *password, hasher_cb *done, void *arg);

/* `hash` NULL: there is no such account. It takes the same time, and never matches. */
int hasher_check(struct hasher *hasher, const char *password, const char *hash, hasher_cb *done,
                 void *arg);

#endif
