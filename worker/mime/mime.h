/* worker/mime/mime.h: messages scanned in a thread of its own, for a loop whose turns are short.
 *
 * One thread, made with the first scan, takes one message after the other. GMime's objects stay in
 * it; what comes out is plain data. The body is held from the start of a scan until the thread is
 * through with it, also when the scan is cancelled: so cancelling never waits. */
#ifndef WORKER_MIME_MIME_H
#define WORKER_MIME_MIME_H

#include "common/reason.h"
#include "worker/mime/part.h"

struct loop;
struct mime;
struct mime_job;

struct mime_body {
    const char *data;
    size_t bytes;
    /* Keeps the memory: what hold() returns is given to release() once, in the loop, maybe long
     * after a cancel. NULL from hold(): no memory. */
    void *(*hold)(void *arg);
    void (*release)(void *held);
    void *arg;
};

/* Once for each start that was not cancelled, in the loop, never from inside the call. `parts` are
 * the callee's to free; with an error (as of mime_scan()) there are none, and `why` says it. */
typedef void mime_done_cb(int err, struct mime_parts *parts, const char *why, void *arg);

/* NULL: no memory. */
struct mime *mime_new(struct loop *loop, const struct mime_limits *limits);

/* Waits for the thread, which ends soon; what was not cancelled is not called back any more. All
 * bodies are released. NULL inside is allowed. */
void mime_free(struct mime **mime);

/* `chunk_bytes` 0: no MD5. The job is over when `done` runs. 0, -ENOMEM, -EAGAIN: no thread. */
int mime_start(struct mime *mime, const struct mime_body *body, uint64_t chunk_bytes,
               mime_done_cb *done, void *arg, struct mime_job **ret_job, struct reason *reterr_why);

/* `done` does not run any more. The pointer becomes NULL. */
void mime_cancel(struct mime_job **job);

#endif
