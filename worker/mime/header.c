#include "worker/mime/header.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "worker/mime/frames.h"

static const char *const field_names[MIME_FIELD_COUNT] = {
    [MIME_FIELD_TYPE] = "Content-Type",
    [MIME_FIELD_DISPOSITION] = "Content-Disposition",
    [MIME_FIELD_ENCODING] = "Content-Transfer-Encoding",
    [MIME_FIELD_ID] = "Content-ID",
    [MIME_FIELD_SUBJECT] = "Subject",
};

/* The bytes of a field's name, 0 if this line is none. Blanks before the colon were allowed once
 * (RFC 5322, 4.5). */
static size_t name_bytes(const char *line, const char *next)
{
    const char *p = line;
    size_t bytes;

    while (p<next && * p> ' ' && *p != ':' && *p != 127)
        p++;
    bytes = (size_t)(p - line);
    while (p < next && (*p == ' ' || *p == '\t'))
        p++;
    return p < next && *p == ':' ? bytes : 0;
}

int mime_header_is_field(const char *at, const char *end)
{
    return name_bytes(at, mime_next_line(at, end)) > 0;
}

static bool is_blank_line(const char *line, const char *next)
{
    const size_t bytes = (size_t)(next - line);

    return (bytes == 1 && line[0] == '\n') || (bytes == 2 && line[0] == '\r' && line[1] == '\n');
}

static struct mime_span *field_of(struct mime_header *header, const char *line, size_t bytes)
{
    for (size_t i = 0; i < MIME_FIELD_COUNT; i++) {
        if (strlen(field_names[i]) != bytes || strncasecmp(line, field_names[i], bytes) != 0)
            continue;
        if (header->fields[i].at == NULL)
            return &header->fields[i];
        header->is_odd |= i == MIME_FIELD_TYPE || i == MIME_FIELD_ENCODING;
        break;
    }
    return NULL;
}

void mime_header_read(const char *at, const char *end, size_t max_bytes,
                      const struct mime_frames *frames, struct mime_header *ret_header)
{
    struct mime_span *field = NULL; /* the one that the next line may go on with */
    bool is_first = true;
    struct mime_mark mark;

    *ret_header = (struct mime_header){ .content = end };
    for (const char *line = at, *next; line < end; line = next, is_first = false) {
        size_t bytes;
        bool is_mark;

        if ((size_t)(line - at) > max_bytes) {
            ret_header->content = line;
            return;
        }
        next = mime_next_line(line, end);
        if (!is_first && (*line == ' ' || *line == '\t')) {
            if (field != NULL)
                field->bytes = (size_t)(next - field->at);
            continue;
        }
        bytes = name_bytes(line, next);
        if (is_blank_line(line, next)) {
            ret_header->content = next;
            return;
        }
        /* What old mail boxes put before a message. */
        if (bytes == 0 && is_first && next - line > 5 && memcmp(line, "From ", 5) == 0)
            continue;
        is_mark = *line == '-' && mime_frames_match(frames, line, next, &mark);
        if (bytes == 0 || is_mark) {
            ret_header->is_odd |= !is_mark;
            ret_header->content = line;
            return;
        }
        field = field_of(ret_header, line, bytes);
        if (field != NULL) {
            field->at = (const char *)memchr(line, ':', (size_t)(next - line)) + 1;
            field->bytes = (size_t)(next - field->at);
        }
    }
}
