/* Messages: whatever they claim, parts lie in the body, in order and apart, their names do no harm,
 * and a reader gives what was announced. The first byte chooses how content is asked for. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/names.h"
#include "worker/mime/reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct mime_limits limits = { .max_parts = 50,
                                           .max_depth = 20,
                                           .max_header_bytes = 16384 };

static void require(int holds)
{
    if (!holds)
        abort();
}

static void check_name(const char *name)
{
    const size_t bytes = strlen(name);

    require(bytes >= 1 && bytes <= MIME_NAME_MAX);
    require(names_is_clean_text(name));
    require(strchr(name, '/') == NULL && strchr(name, '\\') == NULL);
    require(name[0] != ' ' && name[bytes - 1] != ' ' && name[bytes - 1] != '.');
    require(strstr(name, "\xe2\x80\xae") == NULL && strstr(name, "\xe2\x81\xa6") == NULL);
}

static void check_type(const char *type)
{
    const char *slash = strchr(type, '/');

    require(strlen(type) <= MIME_TYPE_MAX && slash != NULL && slash != type && slash[1] != '\0');
    for (const char *p = type; *p != '\0'; p++)
        require(*p > ' ' && *p < 127 && (*p < 'A' || *p > 'Z'));
}

static void check_content(const struct mime_part *part, const char *body, size_t piece)
{
    char *out = malloc(piece), *whole = malloc((size_t)part->decoded_bytes + 1);
    struct mime_reader reader;
    uint64_t used = 0;
    size_t n;

    require(out != NULL && whole != NULL);
    mime_reader_init(&reader, part, body);
    while ((n = mime_reader_read(&reader, out, piece)) > 0) {
        require(n <= piece && used + n <= part->decoded_bytes);
        memcpy(whole + used, out, n);
        used += n;
    }
    require(used == part->decoded_bytes);
    require(part->encoding != MIME_IDENTITY || memcmp(whole, body + part->offset, used) == 0);
    mime_reader_init(&reader, part, body);
    for (used = 0; used < part->decoded_bytes; used += n) { /* and once more, as it likes best */
        char large[4096];

        n = mime_reader_read(&reader, large, sizeof(large));
        require(n > 0 && memcmp(large, whole + used, n) == 0);
    }
    free(out);
    free(whole);
}

static void check_parts(const struct mime_parts *parts, const char *body, size_t bytes,
                        size_t piece)
{
    uint64_t end = 0;

    require(parts->count <= limits.max_parts + 1);
    for (size_t i = 0; i < parts->count; i++) {
        const struct mime_part *part = &parts->parts[i];

        require(part->offset >= end && part->offset + part->bytes <= bytes);
        if (part->kind != MIME_MESSAGE) /* what is in a message comes behind it */
            end = part->offset + part->bytes;
        check_name(part->name);
        check_type(part->type);
        check_content(part, body, piece);
        require(part->md5_count == (part->decoded_bytes + 63) / 64);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mime_parts *parts = NULL;
    struct reason why = { "" };
    const char *body = (const char *)data + 1;

    if (size < 1)
        return 0;
    if (mime_scan(body, size - 1, &limits, 64, NULL, &parts, &why) == 0)
        check_parts(parts, body, size - 1, (size_t)data[0] % 80 + 1);
    else
        require(parts == NULL && why.text[0] != '\0');
    mime_parts_free(&parts);
    return 0;
}
