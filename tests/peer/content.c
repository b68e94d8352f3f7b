#include "content.h"

#include <string.h>
#include <strings.h>

#include <xxhash.h>

static const char end_of_data[] = "\r\n.\r\n";
#define END_BYTES (sizeof(end_of_data) - 1)

void content_begin(struct content *content)
{
    *content = (struct content){ .matched = 2 }; /* what came before it ended in CRLF */
}

static bool is_field(const struct content *content, const char *name)
{
    size_t length = strlen(name);

    return content->line_bytes > length && strncasecmp(content->line, name, length) == 0;
}

static void end_header_line(struct content *content)
{
    if (content->line_bytes > 0 && content->line[content->line_bytes - 1] == '\r')
        content->line_bytes--;
    if (content->line_bytes == 0)
        content->is_in_body = true;
    else if (is_field(content, "Message-ID:"))
        content->has_message_id = true;
    else if (!is_field(content, "Subject:") || content->has_message_id)
        content->line_bytes = 0;
    if (content->line_bytes > 0)
        content->name = XXH3_64bits(content->line, content->line_bytes) | 1;
    content->line_bytes = 0;
}

static void read_header(struct content *content, const char *octets, size_t count)
{
    for (size_t i = 0; i < count && !content->is_in_body; i++) {
        if (octets[i] == '\n')
            end_header_line(content);
        else if (content->line_bytes < sizeof(content->line))
            content->line[content->line_bytes++] = octets[i];
    }
}

/* How many octets go by up to the end of data, if it is among them. */
static size_t find_end(struct content *content, const char *octets, size_t count)
{
    const char *at = octets, *end = octets + count;

    while (at < end) {
        if (content->matched == 0) {
            at = memchr(at, '\r', (size_t)(end - at));
            if (at == NULL)
                return count;
        }
        if (*at == end_of_data[content->matched])
            content->matched++;
        else
            content->matched = *at == '\r';
        at++;
        if (content->matched == END_BYTES) {
            content->is_over = true;
            break;
        }
    }
    return (size_t)(at - octets);
}

size_t content_take(struct content *content, const char *octets, size_t count, size_t up_to)
{
    size_t taken;

    if (count > up_to - content->octets)
        count = up_to - content->octets;
    taken = find_end(content, octets, count);
    read_header(content, octets, taken);
    content->octets += taken;
    return taken;
}
