/* master/ctl/text.c: text for a terminal. */
#include "master/ctl/text.h"

#include <ctype.h>
#include <locale.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#define ESCAPE_MAX 12 /* \u{10FFFF} and the final NUL */

static _Noreturn void end_without_memory(void)
{
    fputs("posternctl: out of memory\n", stderr);
    exit(1);
}

void *text_alloc(void *old, size_t bytes)
{
    void *memory = realloc(old, bytes);

    if (!memory)
        end_without_memory();
    return memory;
}

char *text_format(const char *format, ...)
{
    va_list arguments;
    char *text = NULL;
    int length;

    va_start(arguments, format);
    length = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (length < 0)
        end_without_memory();
    return text;
}

/* Reads one code point and moves on; a byte that is no UTF-8 comes back as itself above 0x10FFFF.
 */
static uint32_t next_point(const unsigned char **at)
{
    static const uint32_t least[] = { 0, 0x80, 0x800, 0x10000 };
    const unsigned char *p = *at;
    uint32_t point = *p;
    unsigned more = 0;

    (*at)++;
    if (point < 0x80)
        return point;
    if (point >= 0xC2 && point <= 0xDF) {
        point &= 0x1F;
        more = 1;
    } else if (point >= 0xE0 && point <= 0xEF) {
        point &= 0x0F;
        more = 2;
    } else if (point >= 0xF0 && point <= 0xF4) {
        point &= 0x07;
        more = 3;
    } else {
        return 0x110000 + *p;
    }
    for (unsigned i = 1; i <= more; i++) {
        if ((p[i] & 0xC0) != 0x80)
            return 0x110000 + *p;
        point = (point << 6) | (p[i] & 0x3F);
    }
    if (point < least[more] || point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF))
        return 0x110000 + *p;
    *at = p + 1 + more;
    return point;
}

static int width_of(uint32_t point)
{
    static bool has_locale;

    if (!has_locale) {
        /* wcwidth() knows only what the locale knows; what people set in LANG may know nothing. */
        (void)setlocale(LC_CTYPE, "C.UTF-8");
        has_locale = true;
    }
    return wcwidth((wchar_t)point);
}

static bool is_plain(uint32_t point)
{
    if (point < 0x80)
        return point >= 0x20 && point != 0x7F;
    /* Marks and overrides of direction, and line ends of other alphabets. */
    if (point == 0x061C || point == 0xFEFF || (point >= 0x200B && point <= 0x200F) ||
        (point >= 0x2028 && point <= 0x202E) || (point >= 0x2060 && point <= 0x206F))
        return false;
    return point <= 0x10FFFF && width_of(point) >= 0;
}

char *text_clean(const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    char *clean = text_alloc(NULL, strlen(text) * (ESCAPE_MAX - 1) + 1);
    char *out = clean;

    while (*at) {
        const unsigned char *from = at;
        uint32_t point = next_point(&at);

        if (is_plain(point)) {
            memcpy(out, from, (size_t)(at - from));
            out += at - from;
        } else if (point > 0x10FFFF) {
            out += sprintf(out, "\\x%02X", point - 0x110000);
        } else {
            out += sprintf(out, "\\u{%X}", point);
        }
    }
    *out = '\0';
    return text_alloc(clean, (size_t)(out - clean) + 1);
}

size_t text_width(const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    size_t width = 0;

    while (*at) {
        int columns = width_of(next_point(&at));

        width += columns > 0 ? (size_t)columns : 0;
    }
    return width;
}

char *text_query(const char *text)
{
    char *query = text_alloc(NULL, strlen(text) * 3 + 1);
    char *out = query;

    for (const unsigned char *at = (const unsigned char *)text; *at; at++) {
        if (*at < 0x80 && (isalnum(*at) || strchr("-._~", *at)))
            *out++ = (char)*at;
        else
            out += sprintf(out, "%%%02X", *at);
    }
    *out = '\0';
    return query;
}
