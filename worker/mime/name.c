#include "worker/mime/name.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/auto.h"

#define EXTENSION_MAX 16 /* with its dot; a longer one is no extension */
#define MESSAGE_END   ".eml"

/* ---- UTF-8 ---- */

/* The bytes of the character at `text`, 0 if what is there is not UTF-8. */
static size_t char_at(const char *text, uint32_t *ret_code)
{
    const unsigned char *p = (const unsigned char *)text;
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    const size_t bytes = p[0] < 0x80   ? 1
                         : p[0] < 0xc2 ? 0
                         : p[0] < 0xe0 ? 2
                         : p[0] < 0xf0 ? 3
                         : p[0] < 0xf5 ? 4
                                       : 0;
    uint32_t code = bytes == 1 ? p[0] : p[0] & (0x7fU >> bytes);

    for (size_t i = 1; i < bytes; i++) {
        if ((p[i] & 0xc0) != 0x80) /* the NUL at the end is none either */
            return 0;
        code = code << 6 | (p[i] & 0x3f);
    }
    if (bytes == 0 || code < least[bytes] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
        return 0;
    *ret_code = code;
    return bytes;
}

static size_t put_char(char *out, uint32_t code)
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xc0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    out[0] = (char)(0xe0 | code >> 12);
    out[1] = (char)(0x80 | (code >> 6 & 0x3f));
    out[2] = (char)(0x80 | (code & 0x3f));
    return 3;
}

char *mime_name_utf8(const char *text)
{
    /* 0x80 to 0x9f; five of them are nothing. */
    static const uint16_t windows[32] = {
        0x20ac, 0xfffd, 0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021, 0x02c6, 0x2030, 0x0160,
        0x2039, 0x0152, 0xfffd, 0x017d, 0xfffd, 0xfffd, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022,
        0x2013, 0x2014, 0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0xfffd, 0x017e, 0x0178,
    };
    const char *p = text;
    uint32_t code;
    size_t bytes, used = 0;
    char *out;

    while (*p != '\0' && (bytes = char_at(p, &code)) > 0)
        p += bytes;
    if (*p == '\0')
        return strdup(text);
    out = malloc(strlen(text) * 3 + 1);
    for (p = text; out != NULL && *p != '\0'; p++) {
        const unsigned char c = (unsigned char)*p;

        used += put_char(out + used, c >= 0x80 && c < 0xa0 ? windows[c - 0x80] : c);
    }
    if (out != NULL)
        out[used] = '\0';
    return out;
}

/* ---- safe names ---- */

/* Control characters, what separates lines, what is not seen and what turns the direction of text.
 */
static bool is_unsafe(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x61c || code == 0xfeff ||
           (code >= 0x200b && code <= 0x200f) || (code >= 0x2028 && code <= 0x202e) ||
           (code >= 0x2060 && code <= 0x206f);
}

static void drop_unsafe(char *name)
{
    size_t used = 0, bytes;
    uint32_t code;

    for (const char *p = name; *p != '\0' && (bytes = char_at(p, &code)) > 0; p += bytes) {
        if (*p == '\t')
            name[used++] = ' ';
        if (is_unsafe(code))
            continue;
        memmove(name + used, p, bytes);
        used += bytes;
    }
    name[used] = '\0';
}

static void trim_end(char *name)
{
    size_t bytes = strlen(name);

    while (bytes > 0 && (name[bytes - 1] == ' ' || name[bytes - 1] == '.'))
        bytes--;
    name[bytes] = '\0';
}

/* The longest begin of `name` with at most `max` bytes in whole characters. */
static size_t whole_chars(const char *name, size_t max)
{
    while (max > 0 && ((unsigned char)name[max] & 0xc0) == 0x80)
        max--;
    return max;
}

/* From the first dot in the last EXTENSION_MAX bytes: ".tar.gz" is one extension. */
static size_t extension_bytes(const char *name, size_t bytes)
{
    const char *dot = strchr(name + bytes - EXTENSION_MAX, '.');

    return dot != NULL ? bytes - (size_t)(dot - name) : 0;
}

/* Cut at the end of the stem: the extension says what it is. */
static void shorten(char *name)
{
    const size_t bytes = strlen(name);
    size_t ending, stem;

    if (bytes <= MIME_NAME_MAX)
        return;
    ending = extension_bytes(name, bytes);
    stem = whole_chars(name, MIME_NAME_MAX - ending);
    memmove(name + stem, name + bytes - ending, ending + 1);
    trim_end(name);
}

static const char *last_component(const char *path)
{
    const char *last = path;

    for (const char *p = path; *p != '\0'; p++)
        if (*p == '/' || *p == '\\')
            last = p + 1;
    return last;
}

int mime_name_safe(const char *given, char **ret_name)
{
    AUTO(free) char *name = mime_name_utf8(given);
    const char *begin;

    if (name == NULL)
        return -ENOMEM;
    drop_unsafe(name);
    begin = last_component(name);
    begin += strspn(begin, " ");
    memmove(name, begin, strlen(begin) + 1);
    trim_end(name); /* "." and ".." are gone, too */
    shorten(name);
    if (name[0] == '\0')
        return -ENOENT;
    *ret_name = TAKE_PTR(name);
    return 0;
}

/* ---- names for what has none ---- */

/* What a file of a type is commonly called; of the rest nobody knows. */
static const char *ending_of(const char *type)
{
    static const struct {
        const char *type, *ending;
    } known[] = {
        { "application/gzip", "gz" },
        { "application/javascript", "js" },
        { "application/json", "json" },
        { "application/msword", "doc" },
        { "application/ms-tnef", "dat" },
        { "application/pdf", "pdf" },
        { "application/pgp-encrypted", "pgp" },
        { "application/pgp-signature", "asc" },
        { "application/pkcs7-mime", "p7m" },
        { "application/pkcs7-signature", "p7s" },
        { "application/rtf", "rtf" },
        { "application/vnd.ms-excel", "xls" },
        { "application/vnd.ms-powerpoint", "ppt" },
        { "application/vnd.openxmlformats-officedocument.presentationml.presentation", "pptx" },
        { "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx" },
        { "application/vnd.openxmlformats-officedocument.wordprocessingml.document", "docx" },
        { "application/x-7z-compressed", "7z" },
        { "application/x-pkcs7-mime", "p7m" },
        { "application/x-pkcs7-signature", "p7s" },
        { "application/x-rar-compressed", "rar" },
        { "application/xml", "xml" },
        { "application/zip", "zip" },
        { "audio/mpeg", "mp3" },
        { "audio/wav", "wav" },
        { "image/bmp", "bmp" },
        { "image/gif", "gif" },
        { "image/jpeg", "jpg" },
        { "image/png", "png" },
        { "image/svg+xml", "svg" },
        { "image/tiff", "tiff" },
        { "image/webp", "webp" },
        { "message/global", "eml" },
        { "message/news", "eml" },
        { "message/rfc2822", "eml" },
        { "message/rfc822", "eml" },
        { "text/calendar", "ics" },
        { "text/csv", "csv" },
        { "text/html", "html" },
        { "text/rtf", "rtf" },
        { "text/vcard", "vcf" },
        { "text/xml", "xml" },
        { "video/mp4", "mp4" },
        { "video/mpeg", "mpg" },
    };

    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (strcmp(known[i].type, type) == 0)
            return known[i].ending;
    return strncmp(type, "text/", 5) == 0 || strncmp(type, "message/", 8) == 0 ? "txt" : "bin";
}

char *mime_name_made(enum mime_kind kind, const char *type, size_t number)
{
    static const char *const stems[] = { [MIME_TEXT] = "text",
                                         [MIME_INLINE_IMAGE] = "image",
                                         [MIME_ATTACHMENT] = "attachment",
                                         [MIME_MESSAGE] = "message" };
    char *name = NULL;

    if (asprintf(&name, "%s-%zu.%s", stems[kind], number, ending_of(type)) < 0)
        return NULL;
    return name;
}

int mime_name_of_subject(const char *subject, char **ret_name)
{
    AUTO(free) char *flat = strdup(subject);
    AUTO(free) char *safe = NULL;
    size_t stem;
    int err;

    if (flat == NULL)
        return -ENOMEM;
    /* A subject is no path: all of it counts. */
    for (char *p = flat; *p != '\0'; p++)
        if (*p == '/' || *p == '\\')
            *p = '_';
    err = mime_name_safe(flat, &safe);
    if (err < 0)
        return err;
    stem = strlen(safe);
    if (stem > MIME_NAME_MAX - strlen(MESSAGE_END))
        stem = whole_chars(safe, MIME_NAME_MAX - strlen(MESSAGE_END));
    return asprintf(ret_name, "%.*s" MESSAGE_END, (int)stem, safe) < 0 ? -ENOMEM : 0;
}
