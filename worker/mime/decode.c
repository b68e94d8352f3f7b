#include "worker/mime/decode.h"

#include <pthread.h>
#include <string.h>

#include "worker/mime/frames.h"

/* ---- base64 ---- */

#define NO_DIGIT (1U << 24)

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* The value of a digit in each of the four places of a group. */
static uint32_t places[4][256];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void fill_places(void)
{
    for (unsigned place = 0; place < 4; place++) {
        for (unsigned c = 0; c < 256; c++)
            places[place][c] = NO_DIGIT;
        for (uint32_t value = 0; value < 64; value++)
            places[place][(unsigned char)digits[value]] = value << (18 - 6 * place);
    }
}

static size_t put_group(unsigned char *out, uint32_t bits, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        out[i] = (unsigned char)(bits >> (16 - 8 * i));
    return bytes;
}

/* Whole groups, as nearly all are. */
static size_t decode_groups(struct mime_reader *reader, unsigned char *out, size_t max)
{
    const unsigned char *at = (const unsigned char *)reader->at;
    const unsigned char *end = (const unsigned char *)reader->end;
    size_t used = 0;

    while (end - at >= 4 && max - used >= 3) {
        const uint32_t bits =
            places[0][at[0]] | places[1][at[1]] | places[2][at[2]] | places[3][at[3]];

        if ((bits & NO_DIGIT) != 0)
            break;
        out[used] = (unsigned char)(bits >> 16);
        out[used + 1] = (unsigned char)(bits >> 8);
        out[used + 2] = (unsigned char)bits;
        used += 3;
        at += 4;
    }
    reader->at = (const char *)at;
    return used;
}

/* A group that ends before its fourth digit: two make one byte, three make two. */
static size_t end_group(struct mime_reader *reader, unsigned char *out)
{
    const unsigned count = reader->count;

    reader->count = 0;
    return count < 2 ? 0 : put_group(out, reader->bits << (24 - 6 * count), count - 1);
}

static bool has_looked(struct mime_reader *reader, const char *from, size_t look, size_t used)
{
    if ((size_t)(reader->at - from) <= look || (used == 0 && !reader->stops_at_noise))
        return false;
    reader->is_noise = used == 0;
    return true;
}

size_t mime_decode_base64(struct mime_reader *reader, unsigned char *out, size_t max, size_t look)
{
    const char *from = reader->at;
    size_t used = 0;

    pthread_once(&once, fill_places);
    while (max - used >= 3) {
        uint32_t value;
        char c;

        if (reader->count == 0)
            used += decode_groups(reader, out + used, max - used);
        if (max - used < 3 || has_looked(reader, from, look, used))
            break;
        if (reader->at == reader->end) {
            used += end_group(reader, out + used);
            break;
        }
        c = *reader->at++;
        value = places[3][(unsigned char)c];
        if (value != NO_DIGIT) {
            reader->bits =
                reader->bits << 6 | value; /* what is above 24 bits is of groups before */
            if (++reader->count == 4) {
                reader->count = 0;
                used += put_group(out + used, reader->bits, 3);
            }
        } else if (c == '=') {
            used += end_group(reader, out + used);
        }
    }
    return used;
}

/* ---- quoted-printable ---- */

static int hex_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Behind a soft line break whose "=" is at `at`, NULL if it is none. Blanks at a line's end were
 * added on the way (RFC 2045, 6.7); more than a line has room for were not. */
static const char *behind_soft_break(const char *at, const char *end)
{
    const char *p = at + 1;

    while (p < end && p - at < 1000 && (*p == ' ' || *p == '\t'))
        p++;
    if (p == end)
        return end;
    if (*p == '\r' && end - p > 1)
        p++;
    return *p == '\n' ? p + 1 : NULL;
}

static size_t decode_escape(struct mime_reader *reader, unsigned char *out)
{
    const char *at = reader->at;
    const int high = reader->end - at > 2 ? hex_of(at[1]) : -1;
    const int low = reader->end - at > 2 ? hex_of(at[2]) : -1;
    const char *behind;

    if (high >= 0 && low >= 0) {
        *out = (unsigned char)(high << 4 | low);
        reader->at += 3;
        return 1;
    }
    behind = behind_soft_break(at, reader->end);
    if (behind != NULL) {
        reader->at = behind;
        return 0;
    }
    *out = '=';
    reader->at++;
    return 1;
}

size_t mime_decode_quoted(struct mime_reader *reader, unsigned char *out, size_t max, size_t look)
{
    const char *from = reader->at;
    size_t used = 0;

    while (used < max && reader->at < reader->end && !has_looked(reader, from, look, used)) {
        const size_t left = (size_t)(reader->end - reader->at);
        size_t run = left < max - used ? left : max - used;
        const char *escape = memchr(reader->at, '=', run);

        if (escape != NULL)
            run = (size_t)(escape - reader->at);
        memcpy(out + used, reader->at, run);
        used += run;
        reader->at += run;
        if (escape != NULL)
            used += decode_escape(reader, out + used);
    }
    return used;
}

/* ---- uuencode ---- */

static bool is_octal(char c)
{
    return c >= '0' && c <= '7';
}

const char *mime_find_uu_begin(const char *at, const char *end)
{
    for (; at < end; at = mime_next_line(at, end))
        if (end - at > 10 && memcmp(at, "begin ", 6) == 0 && is_octal(at[6]) && is_octal(at[7]) &&
            is_octal(at[8]))
            return at;
    return NULL;
}

/* Blanks at a line's end may be lost: they are the digit 0. */
static uint32_t uu_digit(struct mime_reader *reader)
{
    if (reader->at == reader->end || *reader->at == '\n' || *reader->at == '\r')
        return 0;
    return (uint32_t)(*reader->at++ - ' ') & 0x3f;
}

static size_t decode_uu_group(struct mime_reader *reader, unsigned char *out)
{
    const unsigned bytes = reader->count < 3 ? reader->count : 3;
    uint32_t bits = 0;

    for (int i = 0; i < 4; i++)
        bits = bits << 6 | uu_digit(reader);
    reader->count -= bytes;
    if (reader->count == 0)
        reader->at = mime_next_line(reader->at, reader->end);
    return put_group(out, bits, bytes);
}

/* The length of a line, which is its first character. A line that has none is passed over,
 * "begin" as well. */
static void begin_uu_line(struct mime_reader *reader)
{
    const char *line = reader->at, *end = reader->end;

    if (end - line >= 3 && memcmp(line, "end", 3) == 0 && mime_next_line(line, end) - line <= 5) {
        reader->at = end;
        return;
    }
    reader->count = *line > ' ' && *line < '`' ? (unsigned)(*line - ' ') : 0;
    reader->at = reader->count > 0 ? line + 1 : mime_next_line(line, end);
}

size_t mime_decode_uu(struct mime_reader *reader, unsigned char *out, size_t max, size_t look)
{
    const char *from = reader->at;
    size_t used = 0;

    while (max - used >= 3 && reader->at < reader->end && !has_looked(reader, from, look, used)) {
        if (reader->count == 0)
            begin_uu_line(reader);
        else
            used += decode_uu_group(reader, out + used);
    }
    return used;
}
