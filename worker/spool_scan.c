#include "worker/spool_scan.h"

#include <string.h>

/* How far a search goes before the caller gets a say. */
#define SEARCH_BLOCKS 256U
#define SEARCH_BYTES  65536U

enum step {
    STEP_SEARCH, /* for the next batch, which may prove the present one */
    STEP_WALK,   /* through the present batch, or the damaged range before the next */
    STEP_NEXT,   /* what is to be walked after it */
    STEP_END,
};

void spool_scan_init(struct spool_scan *scan, const void *data, uint64_t bytes,
                     uint64_t incarnation)
{
    *scan = (struct spool_scan){ .data = data,
                                 .bytes = bytes,
                                 .incarnation = incarnation,
                                 .step = STEP_SEARCH,
                                 .search_from = SPOOL_BLOCK,
                                 .search_at = SPOOL_BLOCK };
}

static void set_item(struct spool_scan_item *item, enum spool_scan_what what, uint64_t offset,
                     uint64_t end)
{
    item->what = what;
    item->offset = offset;
    item->end = end;
}

/* ---- batches ---- */

static bool read_commit(const struct spool_scan *scan, uint64_t at, struct spool_commit *commit)
{
    return spool_commit_read(scan->data + at, at, scan->incarnation, commit) &&
           commit->bytes <= scan->bytes - at;
}

/* 1: found in `commit`, 0: not yet, call again, -1: there is none. */
static int search_commit(struct spool_scan *scan, struct spool_commit *commit)
{
    for (unsigned i = 0; i < SEARCH_BLOCKS; i++, scan->search_at += SPOOL_BLOCK) {
        if (scan->search_at > scan->bytes || scan->bytes - scan->search_at < sizeof(*commit))
            return -1;
        if (read_commit(scan, scan->search_at, commit))
            return 1;
    }
    return 0;
}

static void walk(struct spool_scan *scan, uint64_t from, uint64_t end, uint64_t proven_end,
                 bool is_gap)
{
    scan->at = from;
    scan->batch_end = end;
    scan->proven_end = proven_end;
    scan->is_gap = is_gap;
    scan->step = STEP_WALK;
}

/* True: there is an item for the caller. */
static bool step_search(struct spool_scan *scan, struct spool_scan_item *item)
{
    const struct spool_commit *batch = &scan->batch;
    int found = search_commit(scan, &scan->next);

    if (found == 0) {
        set_item(item, SPOOL_SCAN_AGAIN, scan->search_from, scan->search_at);
        return true;
    }
    scan->has_next = found > 0;
    if (!scan->has_batch) {
        scan->step = STEP_NEXT;
        return false;
    }
    walk(scan, batch->offset + sizeof(*batch), batch->offset + batch->bytes,
         scan->has_next && scan->next.synced_end > batch->synced_end ? scan->next.synced_end
                                                                     : batch->synced_end,
         false);
    return false;
}

static void step_next(struct spool_scan *scan)
{
    if (!scan->has_next) {
        scan->step = STEP_END;
        return;
    }
    if (!scan->is_gap && scan->next.offset > scan->search_from) {
        /* A batch whose commit block is damaged: its records may be whole. */
        walk(scan, scan->search_from, scan->next.offset, scan->next.synced_end, true);
        return;
    }
    scan->batch = scan->next;
    scan->has_batch = true;
    scan->is_gap = false;
    scan->batches++;
    scan->search_from = spool_block_align(scan->batch.offset + scan->batch.bytes);
    scan->search_at = scan->search_from;
    scan->step = STEP_SEARCH;
}

/* ---- within a batch ---- */

static bool sum_is(const struct spool_scan *scan, uint64_t at, uint64_t bytes, uint64_t sum)
{
    return spool_checksum(scan->incarnation, scan->data + at, bytes) == sum;
}

static bool is_whole(const struct spool_scan *scan, const struct spool_record *record)
{
    return sum_is(scan, spool_record_envelope_at(record), record->envelope_bytes,
                  record->envelope_sum) &&
           (spool_record_end(record) <= scan->proven_end ||
            sum_is(scan, spool_record_body_at(record), record->body_bytes, record->body_sum));
}

static bool read_record(const struct spool_scan *scan, uint64_t at, struct spool_record *record)
{
    return spool_record_read(scan->data, scan->bytes, at, scan->batch_end, scan->incarnation,
                             record);
}

static bool read_note(const struct spool_scan *scan, uint64_t at, struct spool_note *note)
{
    return spool_note_read(scan->data, scan->bytes, at, scan->batch_end, scan->incarnation, note);
}

static enum spool_scan_what lost(const struct spool_scan *scan, uint64_t at)
{
    return at < scan->proven_end ? SPOOL_SCAN_DAMAGE : SPOOL_SCAN_TORN;
}

static bool is_zero(const struct spool_scan *scan, uint64_t from, uint64_t end)
{
    while (from < end && scan->data[from] == 0)
        from++;
    return from == end;
}

/* Nothing begins here: goes to where something does. False: it was the padding behind a batch. */
static bool skip(struct spool_scan *scan, struct spool_scan_item *item)
{
    const uint64_t from = scan->at;
    const uint64_t limit =
        scan->batch_end - from < SEARCH_BYTES ? scan->batch_end : from + SEARCH_BYTES;

    do {
        scan->at += SPOOL_ALIGN;
    } while (scan->at < limit && !read_record(scan, scan->at, &item->record) &&
             !read_note(scan, scan->at, &item->note));
    if (scan->at > scan->batch_end)
        scan->at = scan->batch_end;
    if (scan->is_gap && scan->at == scan->batch_end && scan->at - from < SPOOL_BLOCK &&
        is_zero(scan, from, scan->at))
        return false;
    set_item(item, lost(scan, from), from, scan->at);
    return true;
}

static bool step_walk(struct spool_scan *scan, struct spool_scan_item *item)
{
    const uint64_t at = scan->at;
    bool is_good;

    if (at >= scan->batch_end) {
        scan->step = STEP_NEXT;
        return false;
    }
    if (read_record(scan, at, &item->record)) {
        is_good = is_whole(scan, &item->record);
        set_item(item, is_good ? SPOOL_SCAN_RECORD : lost(scan, at), at,
                 spool_record_end(&item->record));
    } else if (read_note(scan, at, &item->note)) {
        is_good = sum_is(scan, at + sizeof(item->note), item->note.text_bytes, item->note.text_sum);
        set_item(item, is_good ? SPOOL_SCAN_NOTE : lost(scan, at), at, spool_note_end(&item->note));
    } else {
        return skip(scan, item);
    }
    scan->at = spool_align(item->end);
    return true;
}

void spool_scan_next(struct spool_scan *scan, struct spool_scan_item *ret_item)
{
    for (;;) {
        bool has_item = false;

        switch ((enum step)scan->step) {
        case STEP_SEARCH: has_item = step_search(scan, ret_item); break;
        case STEP_WALK: has_item = step_walk(scan, ret_item); break;
        case STEP_NEXT: step_next(scan); break;
        case STEP_END: set_item(ret_item, SPOOL_SCAN_END, scan->bytes, scan->bytes); return;
        }
        if (has_item)
            return;
    }
}
