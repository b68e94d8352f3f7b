/* Messages scanned, and their parts looked at. Texts are written with "\n"; scanned is "\r\n". */
#ifndef TESTS_UNIT_MIME_HELPER_H
#define TESTS_UNIT_MIME_HELPER_H

#include <criterion/criterion.h>

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/mime/reader.h"

static struct mime_limits mime_limits = { .max_parts = 1000,
                                          .max_depth = 100,
                                          .max_header_bytes = 1 << 20 };
static uint64_t mime_chunk_bytes;
static struct mime_parts *parts; /* of the last message */
static char *mime_body;
static size_t mime_bytes;

static inline void mime_forget(void)
{
    mime_parts_free(&parts);
    free(mime_body);
    mime_body = NULL;
}

/* Takes a block that is exactly as long: a sanitizer sees what looks behind it. */
static inline int scan_block(char *block, size_t bytes, struct reason *why)
{
    mime_forget();
    mime_body = block;
    mime_bytes = bytes;
    return mime_scan(block, bytes, &mime_limits, mime_chunk_bytes, NULL, &parts, why);
}

static inline int scan_bytes(const char *text, size_t bytes, struct reason *why)
{
    char *block = malloc(bytes > 0 ? bytes : 1);

    memcpy(block, text, bytes);
    return scan_block(block, bytes, why);
}

/* With line ends as they are. */
static inline void scan_raw(const char *text)
{
    struct reason why = { "" };

    cr_assert_eq(scan_bytes(text, strlen(text), &why), 0, "%s", why.text);
}

static inline void scan(const char *text)
{
    char *mail = malloc(2 * strlen(text) + 1);
    size_t used = 0;

    for (const char *p = text; *p != '\0'; p++) {
        if (*p == '\n')
            mail[used++] = '\r';
        mail[used++] = *p;
    }
    mail[used] = '\0';
    scan_raw(mail);
    free(mail);
}

/* Decoded, NUL-terminated; free(). As many bytes as announced, or the test fails. */
static inline char *content_of(const struct mime_part *part)
{
    char *content = malloc((size_t)part->decoded_bytes + 1);
    struct mime_reader reader;
    char piece[61];
    size_t used = 0, n;

    mime_reader_init(&reader, part, mime_body);
    while ((n = mime_reader_read(&reader, piece, sizeof(piece))) > 0) {
        cr_assert_leq(used + n, part->decoded_bytes);
        memcpy(content + used, piece, n);
        used += n;
    }
    cr_assert_eq(used, part->decoded_bytes);
    content[used] = '\0';
    return content;
}

static inline void expect_count(size_t count)
{
    cr_assert_eq(parts->count, count, "%zu parts, not %zu", parts->count, count);
}

static inline void expect_part(size_t i, enum mime_kind kind, const char *type, const char *name,
                               const char *content)
{
    const struct mime_part *part = &parts->parts[i];
    char *found;

    cr_assert_lt(i, parts->count, "only %zu parts", parts->count);
    found = content_of(part);
    cr_expect_eq(part->kind, kind, "part %zu is of kind %d", i, (int)part->kind);
    cr_expect_str_eq(part->type, type, "part %zu: %s", i, part->type);
    cr_expect_str_eq(part->name, name, "part %zu: %s", i, part->name);
    cr_expect_str_eq(found, content, "part %zu: %s", i, found);
    free(found);
}

static inline void expect_text(size_t i, const char *content)
{
    cr_assert_lt(i, parts->count, "only %zu parts", parts->count);
    expect_part(i, MIME_TEXT, parts->parts[i].type, parts->parts[i].name, content);
}

#endif
