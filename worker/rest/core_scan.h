/* worker/rest/core_scan.h: a message's files through a Core (CO01, SP24).
 *
 *   SUBMIT for each file, then POLL for each until all have a verdict
 *
 * A file's id lives only at the server that took it, and so do its polls. One that the server has
 * forgotten (it was restarted) is submitted once more, each. Empty files are not sent: a Core
 * refuses them. What a Core will never take (too large for its configuration) is blocked: nobody
 * has looked into it.
 *
 * What is not confirmed of the API is decided in core_verdict.c. The scan knows nothing of jobs and
 * logs nothing. */
#ifndef WORKER_REST_CORE_SCAN_H
#define WORKER_REST_CORE_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "common/reason.h"
#include "worker/rest/client.h"

struct core_scan;
struct loop;
struct mime_part;

#define CORE_ID_SIZE  128
#define CORE_WHY_SIZE 160

enum core_verdict {
    CORE_UNKNOWN, /* not sent, or no verdict yet */
    CORE_ALLOWED,
    CORE_BLOCKED,
    CORE_EMPTY, /* not sent: nothing is in it */
};

struct core_file {
    const struct mime_part *part; /* the owner's */
    char id[CORE_ID_SIZE];        /* data_id, "": not submitted */
    enum core_verdict verdict;
    char why[CORE_WHY_SIZE]; /* of CORE_BLOCKED */
    bool was_forgotten;      /* in this scan, and submitted once more */
};

struct core_plan {
    const char *body; /* of the message, that the parts lie in */
    struct core_file *files;
    size_t count;
    const char *workflow; /* name of the Core's rule, NULL: its default */
    int64_t result_ms;    /* the longest wait for one file's verdict */
};

struct core_result {
    enum rest_word word; /* REST_OK: every file has a verdict */
    long status;
    const char *why; /* for people */
};

/* Last: it may free the scan. Never from inside a call. */
typedef void core_done_cb(const struct core_result *result, void *owner);

/* Borrows all of it, and writes into the plan. Files with an id are polled for: they were submitted
 * here before. The client is its own until it is done. NULL: no memory. */
struct core_scan *core_scan_new(struct loop *loop, struct rest_client *client,
                                struct core_plan *plan, core_done_cb *done, void *owner);
/* Also in the middle; before the client goes. NULL inside is allowed. */
void core_scan_free(struct core_scan **scan);

/* 0, or a negative errno with the reason: it could not even begin. */
int core_scan_start(struct core_scan *scan, struct reason *reterr_why);

/* ---- core_verdict.c ---- */

enum core_progress {
    CORE_WORKING,
    CORE_FORGOTTEN, /* it knows no such file */
    CORE_READY,     /* `verdict` and `why` are set */
};

/* What the answer to a poll for `file` says of it: CORE_FORGOTTEN whatever its status, a verdict
 * only with one that is a yes. */
enum core_progress core_read_result(const struct rest_answer *answer, struct core_file *file);
/* A file that was refused because of what it is, and will be again: then its verdict is set. */
bool core_read_refusal(const struct rest_answer *answer, struct core_file *file);

#endif
