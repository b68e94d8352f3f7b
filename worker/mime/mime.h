/* worker/mime/mime.h: messages scanned in a thread of their own (worker/body_work.h).
 *
 * GMime's objects stay in it; what comes out is plain data. */
#ifndef WORKER_MIME_MIME_H
#define WORKER_MIME_MIME_H

#include "common/reason.h"
#include "worker/body_work.h"
#include "worker/mime/part.h"

struct mime_job;

/* Once for each start that was not cancelled, in the loop, never from inside the call. `parts` are
 * the callee's to free; with an error (as of mime_scan()) there are none, and `why` says it. */
typedef void mime_done_cb(int err, struct mime_parts *parts, const char *why, void *arg);

/* `chunk_bytes` 0: no MD5. The job is over when `done` runs. 0, -ENOMEM, -EAGAIN: no thread. */
int mime_start(struct body_work *work, const struct body_ref *body,
               const struct mime_limits *limits, uint64_t chunk_bytes, mime_done_cb *done,
               void *arg, struct mime_job **ret_job, struct reason *reterr_why);

/* `done` does not run any more. The pointer becomes NULL. */
void mime_cancel(struct mime_job **job);

#endif
