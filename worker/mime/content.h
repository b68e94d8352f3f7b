/* worker/mime/content.h: a part's content read through once: how much it is, and its MD5s. */
#ifndef WORKER_MIME_CONTENT_H
#define WORKER_MIME_CONTENT_H

#include <stdatomic.h>

#include "worker/mime/digest.h"
#include "worker/mime/part.h"

/* `digest` may be NULL. 0, -E2BIG, -ECANCELED, -ENOMEM as mime_scan(). */
int mime_content_measure(struct mime_part *part, const char *body, struct mime_digest *digest,
                         const atomic_bool *cancelled, struct reason *reterr_why);

#endif
