#include "worker/mime/reader.h"

#include <string.h>

#include "worker/mime/decode.h"

void mime_reader_init(struct mime_reader *reader, const struct mime_part *part, const char *body)
{
    *reader = (struct mime_reader){ .at = body + part->offset,
                                    .end = body + part->offset + part->bytes,
                                    .encoding = part->encoding };
}

static size_t read_identity(struct mime_reader *reader, unsigned char *out, size_t max)
{
    const size_t left = (size_t)(reader->end - reader->at);
    const size_t bytes = left < max ? left : max;

    if (bytes > 0)
        memcpy(out, reader->at, bytes);
    reader->at += bytes;
    return bytes;
}

static size_t decode(struct mime_reader *reader, unsigned char *out, size_t max)
{
    const size_t look = 4 * max + MIME_NOISE_MAX;

    switch (reader->encoding) {
    case MIME_BASE64: return mime_decode_base64(reader, out, max, look);
    case MIME_QUOTED_PRINTABLE: return mime_decode_quoted(reader, out, max, look);
    case MIME_UUENCODE: return mime_decode_uu(reader, out, max, look);
    case MIME_IDENTITY: break;
    }
    return read_identity(reader, out, max);
}

static size_t take_held(struct mime_reader *reader, char *out, size_t max)
{
    const size_t held = (size_t)(reader->held_end - reader->held_at);
    const size_t bytes = held < max ? held : max;

    memcpy(out, reader->held + reader->held_at, bytes);
    reader->held_at = (unsigned char)(reader->held_at + bytes);
    return bytes;
}

/* A piece that is full but for less than a group's bytes is filled: what is left over would be sent
 * by itself. Not behind much noise, where a call has looked at enough. */
size_t mime_reader_read(struct mime_reader *reader, char *out, size_t max)
{
    const char *from = reader->at;
    size_t bytes = take_held(reader, out, max);

    if (max - bytes >= sizeof(reader->held))
        bytes += decode(reader, (unsigned char *)out + bytes, max - bytes);
    if (bytes == max || max - bytes >= sizeof(reader->held))
        return bytes;
    if (bytes > 0 && (reader->stops_at_noise || (size_t)(reader->at - from) > 4 * max))
        return bytes;
    reader->held_end = (unsigned char)decode(reader, reader->held, sizeof(reader->held));
    reader->held_at = 0;
    return bytes + take_held(reader, out + bytes, max - bytes);
}
