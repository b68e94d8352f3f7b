#include "common/envelope.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* The packed form, all little-endian:
 *   u32 version, u32 groups, u32 recipients
 *   text sender, text client, text helo, text envid
 *   groups times {u32 rule, u32 profile, u32 count}
 *   recipients times {text address, text orcpt, u8 notify}
 * A text is a u16 length and that many bytes; length ABSENT stands for NULL. */
enum { VERSION = 1, HEAD_BYTES = 12, GROUP_BYTES = 12 };
enum { ABSENT = 0xffff };

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "integers are copied as they are");

/* ---- packing ---- */

/* Counts a text, or says that it is too long to be read back. */
static bool add_text(const char *text, size_t *bytes)
{
    size_t length = text != NULL ? strlen(text) : 0;

    *bytes += 2 + length;
    return length <= ENVELOPE_MAX_ADDRESS;
}

size_t envelope_packed_bytes(const struct envelope *envelope)
{
    size_t bytes = HEAD_BYTES + (size_t)envelope->group_count * GROUP_BYTES;
    uint32_t next = 0;
    bool fits = envelope->group_count >= 1 && envelope->group_count <= ENVELOPE_MAX_GROUPS &&
                envelope->recipient_count <= ENVELOPE_MAX_RECIPIENTS;

    fits = fits && add_text(envelope->sender, &bytes) && add_text(envelope->client, &bytes) &&
           add_text(envelope->helo, &bytes) && add_text(envelope->envid, &bytes);
    for (uint32_t i = 0; fits && i < envelope->group_count; i++) {
        const struct envelope_group *group = &envelope->groups[i];

        fits = group->first == next && group->count >= 1 &&
               group->count <= envelope->recipient_count - next;
        next += group->count;
    }
    fits = fits && next == envelope->recipient_count;
    for (uint32_t i = 0; fits && i < envelope->recipient_count; i++) {
        const struct envelope_recipient *recipient = &envelope->recipients[i];

        fits = add_text(recipient->address, &bytes) && add_text(recipient->orcpt, &bytes);
        bytes++;
    }
    return fits ? bytes : 0;
}

static unsigned char *put_u16(unsigned char *at, size_t value)
{
    const uint16_t v = (uint16_t)value;

    memcpy(at, &v, sizeof(v));
    return at + sizeof(v);
}

static unsigned char *put_u32(unsigned char *at, uint32_t value)
{
    memcpy(at, &value, sizeof(value));
    return at + sizeof(value);
}

static unsigned char *put_text(unsigned char *at, const char *text)
{
    size_t length;

    if (text == NULL)
        return put_u16(at, ABSENT);
    length = strlen(text);
    at = put_u16(at, length);
    memcpy(at, text, length);
    return at + length;
}

void envelope_pack(const struct envelope *envelope, void *out)
{
    unsigned char *at = out;

    at = put_u32(at, VERSION);
    at = put_u32(at, envelope->group_count);
    at = put_u32(at, envelope->recipient_count);
    at = put_text(at, envelope->sender);
    at = put_text(at, envelope->client);
    at = put_text(at, envelope->helo);
    at = put_text(at, envelope->envid);
    for (uint32_t i = 0; i < envelope->group_count; i++) {
        at = put_u32(at, envelope->groups[i].rule);
        at = put_u32(at, envelope->groups[i].profile);
        at = put_u32(at, envelope->groups[i].count);
    }
    for (uint32_t i = 0; i < envelope->recipient_count; i++) {
        at = put_text(at, envelope->recipients[i].address);
        at = put_text(at, envelope->recipients[i].orcpt);
        *at++ = envelope->recipients[i].notify;
    }
}

/* ---- unpacking ---- */

/* Every take_ returns zeros once something did not fit; `is_bad` is looked at in the end. */
struct reader {
    const unsigned char *at, *end;
    char *text; /* where the next text is copied to, NULL: texts are only measured */
    size_t text_bytes;
    bool is_bad;
};

static bool has(struct reader *reader, size_t bytes)
{
    if (!reader->is_bad && (size_t)(reader->end - reader->at) < bytes)
        reader->is_bad = true;
    return !reader->is_bad;
}

static uint16_t take_u16(struct reader *reader)
{
    uint16_t value = 0;

    if (has(reader, sizeof(value))) {
        memcpy(&value, reader->at, sizeof(value));
        reader->at += sizeof(value);
    }
    return value;
}

static uint32_t take_u32(struct reader *reader)
{
    uint32_t value = 0;

    if (has(reader, sizeof(value))) {
        memcpy(&value, reader->at, sizeof(value));
        reader->at += sizeof(value);
    }
    return value;
}

static uint8_t take_u8(struct reader *reader)
{
    return has(reader, 1) ? *reader->at++ : 0;
}

static const char *take_text(struct reader *reader, bool may_be_absent)
{
    const uint16_t length = take_u16(reader);
    const char *copy;

    if (length == ABSENT) {
        reader->is_bad = reader->is_bad || !may_be_absent;
        return NULL;
    }
    if (!has(reader, length))
        return NULL;
    if (length > ENVELOPE_MAX_ADDRESS || memchr(reader->at, '\0', length) != NULL) {
        reader->is_bad = true;
        return NULL;
    }
    copy = reader->text;
    if (copy != NULL) {
        memcpy(reader->text, reader->at, length);
        reader->text[length] = '\0';
        reader->text += length + 1U;
    }
    reader->text_bytes += length + 1U;
    reader->at += length;
    return copy;
}

static void take_groups(struct reader *reader, struct envelope *envelope,
                        struct envelope_group *groups)
{
    uint32_t next = 0;

    for (uint32_t i = 0; i < envelope->group_count && !reader->is_bad; i++) {
        struct envelope_group group = { .first = next };

        group.rule = take_u32(reader);
        group.profile = take_u32(reader);
        group.count = take_u32(reader);
        if (group.count < 1 || group.count > envelope->recipient_count - next)
            reader->is_bad = true;
        else
            next += group.count;
        if (groups != NULL)
            groups[i] = group;
    }
    if (next != envelope->recipient_count)
        reader->is_bad = true;
}

/* Walks the whole packed form. `groups` and `recipients` are NULL when it is only checked. */
static void take_envelope(struct reader *reader, struct envelope *envelope)
{
    if (take_u32(reader) != VERSION)
        reader->is_bad = true;
    envelope->group_count = take_u32(reader);
    envelope->recipient_count = take_u32(reader);
    if (envelope->group_count > ENVELOPE_MAX_GROUPS ||
        envelope->recipient_count > ENVELOPE_MAX_RECIPIENTS)
        reader->is_bad = true;
    envelope->sender = take_text(reader, false);
    envelope->client = take_text(reader, false);
    envelope->helo = take_text(reader, false);
    envelope->envid = take_text(reader, true);
    take_groups(reader, envelope, envelope->groups);
    for (uint32_t i = 0; i < envelope->recipient_count && !reader->is_bad; i++) {
        struct envelope_recipient recipient = { .address = take_text(reader, false) };

        recipient.orcpt = take_text(reader, true);
        recipient.notify = take_u8(reader);
        if (envelope->recipients != NULL)
            envelope->recipients[i] = recipient;
    }
    if (reader->at != reader->end)
        reader->is_bad = true;
}

int envelope_unpack(const void *data, size_t bytes, struct envelope **ret_envelope)
{
    const unsigned char *start = data;
    struct reader reader = { .at = start, .end = start + bytes };
    struct envelope counted = { 0 }, *envelope;
    size_t groups_bytes, recipients_bytes;

    take_envelope(&reader, &counted);
    if (reader.is_bad || counted.group_count == 0)
        return -EBADMSG;
    groups_bytes = counted.group_count * sizeof(struct envelope_group);
    recipients_bytes = counted.recipient_count * sizeof(struct envelope_recipient);
    envelope = malloc(sizeof(*envelope) + recipients_bytes + groups_bytes + reader.text_bytes);
    if (envelope == NULL)
        return -ENOMEM;
    envelope->recipients = (struct envelope_recipient *)(envelope + 1);
    envelope->groups = (struct envelope_group *)(envelope->recipients + counted.recipient_count);
    reader = (struct reader){ .at = start,
                              .end = start + bytes,
                              .text = (char *)(envelope->groups + counted.group_count) };
    take_envelope(&reader, envelope);
    *ret_envelope = envelope;
    return 0;
}
