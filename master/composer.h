/* master/composer.h: has a worker make mail of the appliance's own: alerts, reports, forwards,
 * tests.
 *
 * The master writes no message: it says what is to be in one, a worker builds and stores it
 * (worker/composer.h), and it is in the queue before this is answered. It is relayed by the profile
 * that is given, in front of what that profile has waiting (MQ0A): under no rule, or under one that
 * is given, and then it goes through its scan and upload as that rule's mail does. */
#ifndef MASTER_COMPOSER_H
#define MASTER_COMPOSER_H

#include <stddef.h>
#include <stdint.h>

#include "common/ipc.h"

#define COMPOSER_LIMIT_MS 60000 /* a large message may have to be copied */
#define COMPOSER_MAX      16    /* under way at once */

struct composer;
struct loop;
struct worker;
struct workers;

struct composer_mail {
    const char *sender; /* in the envelope; "": the null sender, which nobody reports to */
    const char *from;
    const char *const *recipients; /* visible ASCII, at most 100 of them */
    size_t recipient_count;
    uint32_t profile;
    uint32_t rule;                     /* 0: none */
    const char *subject, *text;        /* UTF-8; lines end with \n */
    const struct ipc_place *attached;  /* a stored group whose message goes with it; NULL: none */
    const char *file_name, *file_text; /* a text that is attached, if no message is; NULL: none */
};

/* Exactly once, never from inside the call. 0 and the new message's id; -EINVAL (an address is
 * none, the text is too long), -ENOENT or -EBADMSG (what was to be attached cannot be read there;
 * it may have been moved), -ENOMEM, -ENOSPC, -EAGAIN (try later) and others: nothing was stored.
 * -EPIPE (the worker died), -ETIMEDOUT, -ECANCELED: perhaps it was all the same. */
typedef void composer_done_cb(int err, uint64_t id, void *arg);

struct composer *composer_new(struct loop *loop, struct workers *workers);
void composer_free(struct composer **composer);

/* `mail` is copied. 0, -EAGAIN (no worker runs), -EBUSY, -EINVAL (no UTF-8), -ENOMEM. */
int composer_send(struct composer *composer, const struct composer_mail *mail,
                  composer_done_cb *done, void *arg);

/* An answer, and the end of a worker; for the supervisor. */
void composer_composed(struct composer *composer, const struct worker *worker,
                       const struct ipc_composed *answer);
void composer_worker_gone(struct composer *composer, const struct worker *worker);

#endif
