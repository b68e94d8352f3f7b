#include "worker/note.h"

#include "common/spool_format.h"
#include "worker/segment_cache.h"

static json_t *read_text(const struct segment *segment, const struct cell_note_place *place,
                         uint64_t id, uint32_t group)
{
    const unsigned char *data = segment_data(segment);
    uint64_t bytes = segment_bytes(segment), incarnation = segment_incarnation(segment);
    uint64_t offset = (uint64_t)place->offset * SPOOL_ALIGN;
    struct spool_note note;
    const unsigned char *text;

    if (!spool_note_read(data, bytes, offset, bytes, incarnation, &note) || note.id != id ||
        note.group != group)
        return NULL;
    text = data + offset + sizeof(note);
    if (spool_checksum(incarnation, text, note.text_bytes) != note.text_sum)
        return NULL;
    return json_loadb((const char *)text, note.text_bytes, 0, NULL);
}

json_t *note_read(struct segment_cache *cache, const struct cell_note_place *place, uint64_t id,
                  uint32_t group)
{
    struct segment *segment;
    json_t *json;

    if (place->segment == 0 || segment_hold(cache, place->slot, place->segment, &segment, NULL) < 0)
        return NULL;
    json = read_text(segment, place, id, group);
    segment_release(segment);
    return json;
}
