/* worker/spool_scan.h: walks a shared segment's image and says what is in it.
 *
 * The image may be anything: a crash, a bad disk or somebody's editor may have been at it. Batches
 * are followed by their commit blocks; where one is missing, the next is searched for. A later
 * commit block proves all that lies below it: there a record counts if its header and envelope
 * check out, and what does not is damage. In the last batch, which nothing proves, a record counts
 * only whole; what does not check out was never answered for and is torn. */
#ifndef WORKER_SPOOL_SCAN_H
#define WORKER_SPOOL_SCAN_H

#include <stdbool.h>
#include <stdint.h>

#include "common/spool_format.h"

enum spool_scan_what {
    SPOOL_SCAN_RECORD, /* with `record` */
    SPOOL_SCAN_NOTE,   /* with `note` */
    SPOOL_SCAN_DAMAGE, /* answered for, and unreadable */
    SPOOL_SCAN_TORN,   /* never answered for */
    SPOOL_SCAN_AGAIN,  /* a slice of searching was done: call again */
    SPOOL_SCAN_END,
};

struct spool_scan_item {
    enum spool_scan_what what;
    uint64_t offset, end; /* the range */
    struct spool_record record;
    struct spool_note note;
};

struct spool_scan {
    const unsigned char *data;
    uint64_t bytes;
    uint64_t incarnation;
    int step; /* enum in spool_scan.c */
    uint64_t search_from, search_at;
    struct spool_commit batch, next;
    bool has_batch, has_next;
    bool is_gap;         /* what is walked is no batch but lies between two */
    uint64_t proven_end; /* for what is being walked */
    uint64_t at, batch_end;
    uint64_t batches;
};

/* `data` has `bytes`; both stay the caller's. */
void spool_scan_init(struct spool_scan *scan, const void *data, uint64_t bytes,
                     uint64_t incarnation);
void spool_scan_next(struct spool_scan *scan, struct spool_scan_item *ret_item);

#endif
