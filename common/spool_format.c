#include "common/spool_format.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <xxhash.h>

#include "common/envelope.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "blocks are copied as they are");
_Static_assert(sizeof(struct spool_header) == 72, "as docs/spool.md says");
_Static_assert(sizeof(struct spool_commit) == 64, "as docs/spool.md says");
_Static_assert(sizeof(struct spool_record) == 128, "as docs/spool.md says");
_Static_assert(sizeof(struct spool_note) == 64, "as docs/spool.md says");

/* They read as such in a dump. */
static const uint64_t header_magic = UINT64_C(0x314745534e545350); /* PSTNSEG1 */
static const uint64_t commit_magic = UINT64_C(0x31544d434e545350); /* PSTNCMT1 */
static const uint64_t record_magic = UINT64_C(0x314345524e545350); /* PSTNREC1 */
static const uint64_t note_magic = UINT64_C(0x3145544e4e545350);   /* PSTNNTE1 */

enum { SUMMED_FROM = 16 }; /* each begins with magic and checksum */

uint32_t spool_cells_for(uint64_t segment_bytes)
{
    const uint64_t cells = segment_bytes / SPOOL_BYTES_PER_CELL;

    return cells < SPOOL_CELLS_MAX ? (uint32_t)cells : SPOOL_CELLS_MAX;
}

uint64_t spool_checksum(uint64_t incarnation, const void *data, size_t bytes)
{
    return XXH3_64bits_withSeed(data, bytes, incarnation);
}

static uint64_t sum_struct(uint64_t seed, const void *data, size_t bytes)
{
    return spool_checksum(seed, (const unsigned char *)data + SUMMED_FROM, bytes - SUMMED_FROM);
}

/* ---- sealing ---- */

void spool_header_seal(struct spool_header *header)
{
    header->magic = header_magic;
    header->version = SPOOL_VERSION;
    header->checksum = sum_struct(0, header, sizeof(*header));
}

void spool_commit_seal(struct spool_commit *commit)
{
    commit->magic = commit_magic;
    commit->checksum = sum_struct(commit->incarnation, commit, sizeof(*commit));
}

void spool_record_seal(struct spool_record *record, uint64_t incarnation)
{
    record->magic = record_magic;
    record->checksum = sum_struct(incarnation, record, sizeof(*record));
}

void spool_note_seal(struct spool_note *note, uint64_t incarnation)
{
    note->magic = note_magic;
    note->checksum = sum_struct(incarnation, note, sizeof(*note));
}

/* ---- reading ---- */

bool spool_header_read(const void *block, size_t bytes, struct spool_header *ret_header,
                       bool *ret_is_newer)
{
    if (ret_is_newer != NULL)
        *ret_is_newer = false;
    if (bytes < sizeof(*ret_header))
        return false;
    memcpy(ret_header, block, sizeof(*ret_header));
    if (ret_header->magic != header_magic ||
        ret_header->checksum != sum_struct(0, ret_header, sizeof(*ret_header)))
        return false;
    if (ret_header->version != SPOOL_VERSION) {
        if (ret_is_newer != NULL)
            *ret_is_newer = true;
        return false;
    }
    return (ret_header->kind == SPOOL_SHARED || ret_header->kind == SPOOL_OWN) &&
           ret_header->number != 0;
}

bool spool_commit_read(const void *data, uint64_t offset, uint64_t incarnation,
                       struct spool_commit *ret_commit)
{
    memcpy(ret_commit, data, sizeof(*ret_commit));
    return ret_commit->magic == commit_magic && ret_commit->incarnation == incarnation &&
           ret_commit->checksum == sum_struct(incarnation, ret_commit, sizeof(*ret_commit)) &&
           ret_commit->offset == offset && ret_commit->bytes >= sizeof(*ret_commit);
}

uint64_t spool_record_envelope_at(const struct spool_record *record)
{
    return record->offset + sizeof(*record);
}

uint64_t spool_record_body_at(const struct spool_record *record)
{
    return spool_record_envelope_at(record) + spool_align(record->envelope_bytes);
}

uint64_t spool_record_end(const struct spool_record *record)
{
    return spool_record_body_at(record) + record->body_bytes;
}

uint64_t spool_note_end(const struct spool_note *note)
{
    return note->offset + sizeof(*note) + note->text_bytes;
}

static const void *place_of(const void *data, uint64_t bytes, uint64_t offset, uint64_t end,
                            size_t need)
{
    if (offset % SPOOL_ALIGN != 0 || offset > bytes || bytes - offset < need || offset > end ||
        end - offset < need)
        return NULL;
    return (const unsigned char *)data + offset;
}

bool spool_record_read(const void *data, uint64_t bytes, uint64_t offset, uint64_t end,
                       uint64_t incarnation, struct spool_record *ret_record)
{
    const void *place = place_of(data, bytes, offset, end, sizeof(*ret_record));
    uint64_t room;

    if (place == NULL || memcmp(place, &record_magic, sizeof(record_magic)) != 0)
        return false;
    memcpy(ret_record, place, sizeof(*ret_record));
    if (ret_record->checksum != sum_struct(incarnation, ret_record, sizeof(*ret_record)) ||
        ret_record->offset != offset)
        return false;
    room = end - offset - sizeof(*ret_record);
    return ret_record->group_count >= 1 && ret_record->group_count <= ENVELOPE_MAX_GROUPS &&
           ret_record->recipient_count <= ENVELOPE_MAX_RECIPIENTS &&
           ret_record->first_cell <= UINT32_MAX - ENVELOPE_MAX_GROUPS &&
           spool_align(ret_record->envelope_bytes) <= room &&
           ret_record->body_bytes <= room - spool_align(ret_record->envelope_bytes);
}

bool spool_note_read(const void *data, uint64_t bytes, uint64_t offset, uint64_t end,
                     uint64_t incarnation, struct spool_note *ret_note)
{
    const void *place = place_of(data, bytes, offset, end, sizeof(*ret_note));

    if (place == NULL || memcmp(place, &note_magic, sizeof(note_magic)) != 0)
        return false;
    memcpy(ret_note, place, sizeof(*ret_note));
    return ret_note->checksum == sum_struct(incarnation, ret_note, sizeof(*ret_note)) &&
           ret_note->offset == offset && ret_note->text_bytes <= SPOOL_NOTE_MAX &&
           ret_note->text_bytes <= end - offset - sizeof(*ret_note);
}

int spool_incarnation(const void *data, size_t bytes, uint64_t *ret_incarnation)
{
    struct spool_header header;
    struct spool_commit commit;
    bool is_newer;

    if (spool_header_read(data, bytes, &header, &is_newer)) {
        *ret_incarnation = header.incarnation;
        return 0;
    }
    if (is_newer || bytes < SPOOL_BLOCK + sizeof(commit))
        return -EBADMSG;
    memcpy(&commit, (const unsigned char *)data + SPOOL_BLOCK, sizeof(commit));
    *ret_incarnation = commit.incarnation;
    return spool_commit_read((const unsigned char *)data + SPOOL_BLOCK, SPOOL_BLOCK,
                             commit.incarnation, &commit)
               ? 0
               : -EBADMSG;
}

int spool_incarnation_of(int fd, uint64_t *ret_incarnation)
{
    unsigned char start[SPOOL_BLOCK + sizeof(struct spool_commit)] = { 0 };
    ssize_t n;

    do {
        n = pread(fd, start, sizeof(start), 0);
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    return spool_incarnation(start, (size_t)n, ret_incarnation);
}
