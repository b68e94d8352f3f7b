#include "worker/composition_text.h"

#include <string.h>

#define PLAIN_LINE   900 /* bytes; an SMTP line has room for 998 */
#define QUOTED_LINE  76  /* with the "=" of a soft break */
#define WORD_BYTES   63  /* of an encoded word (75), without "=?utf-8?q?" and "?=" */
#define ESCAPED_SIZE 4

static bool is_visible(char c)
{
    return c >= ' ' && c <= '~';
}

/* Bytes of the UTF-8 character at `text`, which may be no UTF-8 at all. */
static size_t character_bytes(const char *text)
{
    size_t bytes = 1;

    if (((unsigned char)text[0] & 0xc0) == 0xc0) {
        while (bytes < 4 && ((unsigned char)text[bytes] & 0xc0) == 0x80)
            bytes++;
    }
    return bytes;
}

/* As many bytes as are whole characters. */
static size_t cut(const char *text, size_t max)
{
    size_t at = 0;

    while (text[at] != '\0' && at + character_bytes(text + at) <= max)
        at += character_bytes(text + at);
    return at;
}

static void escape(char c, char out[ESCAPED_SIZE])
{
    static const char digits[] = "0123456789ABCDEF";

    out[0] = '=';
    out[1] = digits[(unsigned char)c >> 4];
    out[2] = digits[(unsigned char)c & 15];
    out[3] = '\0';
}

/* ---- header fields ---- */

static char cleaned(char c)
{
    return (unsigned char)c < ' ' || c == 0x7f ? '?' : c;
}

static bool needs_words(const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        if ((unsigned char)text[i] >= 0x80)
            return true;
    }
    return memmem(text, bytes, "=?", 2) != NULL;
}

/* Within a word a blank is "_", and what is not surely harmless is escaped. */
static void put_in_word(FILE *out, char c)
{
    static const char harmless[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                   "!*+-/.,:;";
    char escaped[ESCAPED_SIZE];

    if (c == ' ')
        fputc('_', out);
    else if (strchr(harmless, c) != NULL)
        fputc(c, out);
    else {
        escape(c, escaped);
        fputs(escaped, out);
    }
}

static void put_words(FILE *out, const char *text, size_t bytes)
{
    for (size_t at = 0; at < bytes;) {
        const size_t from = at;

        fputs(at == 0 ? "=?utf-8?q?" : "\r\n =?utf-8?q?", out);
        while (at < bytes && (at - from + character_bytes(text + at)) * 3 <= WORD_BYTES) {
            for (size_t n = character_bytes(text + at); n > 0; n--)
                put_in_word(out, cleaned(text[at++]));
        }
        fputs("?=", out);
    }
}

void composition_put_field(FILE *out, const char *name, const char *text, size_t max)
{
    const size_t bytes = cut(text, max);

    fprintf(out, "%s: ", name);
    if (needs_words(text, bytes))
        put_words(out, text, bytes);
    else
        for (size_t i = 0; i < bytes; i++)
            fputc(cleaned(text[i]), out);
    fputs("\r\n", out);
}

/* ---- bodies ---- */

bool composition_is_plain(const char *text)
{
    size_t line = 0;

    for (; *text != '\0'; text++) {
        if (*text == '\n') {
            line = 0;
            continue;
        }
        if ((unsigned char)*text >= 0x80 || (line == 0 && *text == '.') || ++line > PLAIN_LINE)
            return false;
    }
    return true;
}

void composition_put_plain(FILE *out, const char *text)
{
    char last = '\0';

    for (; *text != '\0'; text++) {
        last = *text;
        if (last == '\n')
            fputs("\r\n", out);
        else
            fputc(last == '\t' ? last : cleaned(last), out);
    }
    if (last != '\n')
        fputs("\r\n", out);
}

/* A blank at the end of a line would get lost on the way, and a dot at its begin has to be stuffed.
 */
static void quote(const char *at, size_t column, char out[ESCAPED_SIZE])
{
    const char c = *at == '\t' ? ' ' : cleaned(*at);
    const bool is_last = at[1] == '\n' || at[1] == '\0';

    if (!is_visible(c) || c == '=' || (c == ' ' && is_last) || (c == '.' && column == 0)) {
        escape(c, out);
    } else {
        out[0] = c;
        out[1] = '\0';
    }
}

void composition_put_quoted(FILE *out, const char *text)
{
    size_t column = 0;

    for (; *text != '\0'; text++) {
        char quoted[ESCAPED_SIZE];

        if (*text == '\n') {
            fputs("\r\n", out);
            column = 0;
            continue;
        }
        if (column + ESCAPED_SIZE - 1 >= QUOTED_LINE) {
            fputs("=\r\n", out);
            column = 0;
        }
        quote(text, column, quoted);
        fputs(quoted, out);
        column += strlen(quoted);
    }
    if (column > 0)
        fputs("\r\n", out);
}
