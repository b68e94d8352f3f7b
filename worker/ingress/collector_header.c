/* worker/ingress/collector_header.c: one look over a complete header section, in place. */
#include <string.h>
#include <strings.h>

#include "worker/ingress/collector.h"

static bool line_is(const char *line, const char *end, const char *name)
{
    size_t bytes = strlen(name);

    if ((size_t)(end - line) <= bytes || strncasecmp(line, name, bytes) != 0)
        return false;
    for (line += bytes; line < end && (*line == ' ' || *line == '\t'); line++)
        ;
    return line < end && *line == ':'; /* blanks before the colon are the obsolete form */
}

static bool is_ours(const char *line, const char *end)
{
    return line_is(line, end, "X-Postern-Scan") || line_is(line, end, "X-Postern-Link");
}

void collector_end_header(struct collector *c)
{
    const char *line = c->out + c->header_at, *all_end = c->out + c->out_bytes;
    char *kept = c->out + c->header_at;
    bool is_dropping = false;

    while (line < all_end) {
        const char *lf = memchr(line, '\n', (size_t)(all_end - line));
        const char *end = lf != NULL ? lf + 1 : all_end;

        if (*line != ' ' && *line != '\t') { /* else it goes the way of the line it continues */
            is_dropping = (*line == 'X' || *line == 'x') && is_ours(line, end);
            if ((*line == 'R' || *line == 'r') && line_is(line, end, "Received"))
                c->hops++;
        }
        if (!is_dropping) {
            if (kept != line)
                memmove(kept, line, (size_t)(end - line));
            kept += end - line;
        }
        line = end;
    }
    c->bytes -= (size_t)(all_end - kept);
    c->out_bytes = (size_t)(kept - c->out);
    if (c->hops > c->hops_max)
        collector_refuse(c, COLLECTOR_HOPS);
}
