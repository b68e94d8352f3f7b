/* One byte that was on the disk for certain reads as another. Whose it is says the spool's format.
 */
#include "states_private.h"

#include <stdio.h>
#include <string.h>

#include "common/spool_format.h"

#define RANGES_MAX 256U

struct range {
    uint64_t from, end;
    struct flip flip;
};

struct ranges {
    struct range items[RANGES_MAX];
    unsigned count;
    uint32_t segment;
};

static void add(struct ranges *ranges, uint64_t from, uint64_t end, const struct flip *flip)
{
    static const struct flip nobody = { .what = FLIP_NOTHING };
    struct range *range;

    if (ranges->count == RANGES_MAX || from >= end)
        return;
    range = &ranges->items[ranges->count++];
    *range = (struct range){ .from = from, .end = end, .flip = flip != NULL ? *flip : nobody };
    range->flip.segment = ranges->segment;
}

/* ---- what lies in a segment ---- */

static void add_record(struct ranges *ranges, const struct ledger *ledger,
                       const struct spool_record *record)
{
    struct flip flip = { .what = FLIP_HEAD, .message = ledger_find(ledger, record->id) };
    const uint64_t envelope_at = spool_record_envelope_at(record);

    add(ranges, record->offset, envelope_at + record->envelope_bytes, &flip);
    flip.what = FLIP_BODY;
    add(ranges, spool_record_body_at(record), spool_record_end(record), &flip);
    /* To a multiple of 8. Nobody reads that. */
    add(ranges, envelope_at + record->envelope_bytes, spool_record_body_at(record), NULL);
    add(ranges, spool_record_end(record), spool_align(spool_record_end(record)), NULL);
}

static void add_batch(struct ranges *ranges, const struct states *states,
                      const struct image_item *item, const struct spool_header *header,
                      const struct spool_commit *commit)
{
    const uint64_t end = commit->offset + commit->bytes;
    struct spool_record record;
    struct spool_note note;

    add(ranges, commit->offset, commit->offset + sizeof(*commit), NULL);
    for (uint64_t at = commit->offset + sizeof(*commit); at < end; at = spool_align(at)) {
        if (spool_record_read(item->data, item->bytes, at, end, header->incarnation, &record)) {
            add_record(ranges, states->ledger, &record);
            at = spool_record_end(&record);
        } else if (spool_note_read(item->data, item->bytes, at, end, header->incarnation, &note)) {
            const struct flip flip = { .what = FLIP_NOTE,
                                       .message = ledger_find(states->ledger, note.id),
                                       .group = note.group };

            add(ranges, at, spool_note_end(&note), &flip);
            at = spool_note_end(&note);
        } else {
            at++;
        }
    }
}

/* Of a shared segment all but the last batch, which nothing proves; all of an own one. */
static void find_ranges(struct ranges *ranges, const struct states *states,
                        const struct image_item *item, const struct spool_header *header)
{
    struct spool_commit commit, next;
    uint64_t at = SPOOL_BLOCK;

    ranges->count = 0;
    ranges->segment = header->number;
    if (item->bytes < SPOOL_BLOCK + sizeof(commit) ||
        !spool_commit_read(item->data + at, at, header->incarnation, &commit))
        return;
    add(ranges, 0, sizeof(*header), NULL);
    add(ranges, sizeof(*header), SPOOL_BLOCK, NULL);
    if (header->kind == SPOOL_OWN) {
        add_batch(ranges, states, item, header, &commit);
        return;
    }
    for (;;) {
        at = spool_block_align(commit.offset + commit.bytes);
        if (at + sizeof(next) > item->bytes ||
            !spool_commit_read(item->data + at, at, header->incarnation, &next))
            return;
        add_batch(ranges, states, item, header, &commit);
        commit = next;
    }
}

/* ---- flipping ---- */

static const struct image_item *choose_segment(struct states *states, const struct image *image,
                                               struct spool_header *ret_header)
{
    for (unsigned tries = 0; tries < 30 && image->count > 0; tries++) {
        const struct image_item *item = &image->items[dice_below(&states->dice, image->count)];

        if (!item->is_folder && strstr(item->path, ".seg") != NULL &&
            spool_header_read(item->data, item->bytes, ret_header, NULL))
            return item;
    }
    return NULL;
}

static void flip(struct states *states, const struct image *image, const struct image_item *item,
                 uint64_t at, const struct flip *flip)
{
    static const char *const words[] = { "nobody's", "a record's head", "a body", "a note",
                                         "a cell" };
    const struct moment moment = { .at = states->at, .flip = flip };
    const unsigned char bit = (unsigned char)(1U << dice_below(&states->dice, 8));
    char detail[400];

    (void)snprintf(detail, sizeof(detail), "%s at %llu: %s", item->path, (unsigned long long)at,
                   words[flip->what]);
    states->kind = STATES_FLIPPED;
    states->detail = detail;
    item->data[at] ^= bit;
    states_trial_image(states, image, &moment);
    item->data[at] ^= bit;
    states->detail = NULL;
}

void states_flip_segment(struct states *states)
{
    static struct ranges ranges;
    const struct image_item *item;
    struct spool_header header;
    const struct range *range;
    struct image image;

    states_set_all(states, FATE_ABSENT);
    model_build(states->model, states->fates, &image);
    item = choose_segment(states, &image, &header);
    if (item == NULL)
        return;
    find_ranges(&ranges, states, item, &header);
    if (ranges.count == 0)
        return;
    range = &ranges.items[dice_below(&states->dice, ranges.count)];
    flip(states, &image, item, range->from + dice_below(&states->dice, range->end - range->from),
         &range->flip);
}

static const struct image_item *find_cells(const struct image *image, const struct image_item *seg)
{
    const size_t stem = strlen(seg->path) - strlen(".seg");

    for (size_t i = 0; i < image->count; i++) {
        if (strncmp(image->items[i].path, seg->path, stem) == 0 &&
            strcmp(image->items[i].path + stem, ".state") == 0)
            return &image->items[i];
    }
    return NULL;
}

void states_flip_cell(struct states *states)
{
    static struct ranges ranges;
    const struct image_item *item, *cells;
    struct spool_header header;
    struct spool_record record;
    struct image image;
    struct flip what = { .what = FLIP_CELL };
    uint64_t at;

    states_set_all(states, FATE_ABSENT);
    model_build(states->model, states->fates, &image);
    item = choose_segment(states, &image, &header);
    cells = item != NULL ? find_cells(&image, item) : NULL;
    if (cells == NULL)
        return;
    find_ranges(&ranges, states, item, &header);
    for (unsigned i = 0; i < ranges.count; i++) {
        const struct range *range = &ranges.items[i];

        if (range->flip.what != FLIP_HEAD || dice_below(&states->dice, ranges.count - i) > 3)
            continue;
        if (!spool_record_read(item->data, item->bytes, range->from, item->bytes,
                               header.incarnation, &record))
            return;
        what.message = range->flip.message;
        if (what.message == NULL || what.message->may_be_copied)
            return; /* a copy's cell has one state only, its original's may be marked as moved */
        what.group = dice_below(&states->dice, record.group_count);
        at = (uint64_t)(record.first_cell + what.group) * CELL_BYTES +
             dice_below(&states->dice, CELL_BYTES);
        if (at < cells->bytes)
            flip(states, &image, cells, at, &what);
        return;
    }
}
