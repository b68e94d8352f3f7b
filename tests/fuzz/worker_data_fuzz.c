/* Whatever a client writes after 354.
 *
 * The first two bytes say how the rest is cut and how much room there is at a time. What must hold:
 * cut or whole, it comes to the same; the end of the data is CRLF.CRLF or a dot line right at the
 * beginning; content that is taken has no bare CR, bare LF or NUL and no header of ours. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "worker/ingress/collector.h"
#include "worker/spooler.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define BYTES_MAX 40000
#define HOPS_MAX  5

struct result {
    struct collector collector;
    char *body;
    size_t bytes;
    size_t taken;
    int has_ended;
};

static void require(int condition)
{
    if (!condition)
        abort();
}

/* As content.c does it: room grows until the header is complete, then the window is emptied. */
static void collect(const char *in, size_t size, size_t piece, size_t window, struct result *r)
{
    struct collector *c = &r->collector;

    memset(r, 0, sizeof(*r));
    collector_init(c, BYTES_MAX, HOPS_MAX);
    c->out = malloc(window);
    c->out_room = window;
    r->body = malloc(size + 1);
    while (r->taken < size && !r->has_ended) {
        size_t bytes = size - r->taken < piece ? size - r->taken : piece, taken = 0;
        enum collector_result result = collector_feed(c, in + r->taken, bytes, &taken);

        require(taken <= bytes);
        require(c->fault != COLLECTOR_FINE || c->out_bytes <= c->out_room);
        r->taken += taken;
        r->has_ended = result == COLLECTOR_END;
        require(result != COLLECTOR_MORE || taken == bytes);
        if (result == COLLECTOR_FULL && !c->is_past_header) {
            c->out_room *= 2;
            c->out = realloc(c->out, c->out_room);
        } else if (result == COLLECTOR_FULL) {
            memcpy(r->body + r->bytes, c->out, c->out_bytes);
            r->bytes += c->out_bytes;
            c->out_bytes = 0;
        }
    }
    if (c->fault == COLLECTOR_FINE && c->out_bytes > 0)
        memcpy(r->body + r->bytes, c->out, c->out_bytes);
    r->bytes += c->fault == COLLECTOR_FINE ? c->out_bytes : 0;
    free(c->out);
}

static void check_lines(const struct result *r)
{
    int is_header = 1;
    size_t line = 0;

    require(r->bytes == 0 || r->body[r->bytes - 1] == '\n');
    for (size_t i = 0; i < r->bytes; i++) {
        require(r->body[i] != '\0');
        if (r->body[i] == '\r')
            require(i + 1 < r->bytes && r->body[i + 1] == '\n');
        if (r->body[i] != '\n')
            continue;
        require(i > 0 && r->body[i - 1] == '\r');
        require(i - line - 1 <= r->collector.longest_line);
        require(r->body[line] != '.' || (r->collector.flags & BODY_LEADING_DOT) != 0);
        is_header = is_header && i - line > 1;
        if (is_header && i - line > 15)
            require(strncasecmp(r->body + line, "X-Postern-Scan:", 15) != 0 &&
                    strncasecmp(r->body + line, "X-Postern-Link:", 15) != 0);
        line = i + 1;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct result whole, cut;
    const char *in = (const char *)data + 2;

    if (size < 2)
        return 0;
    size -= 2;
    collect(in, size, size + 1, size + 64, &whole);
    collect(in, size, (size_t)data[0] + 1, (size_t)data[1] + 1, &cut);
    require(whole.has_ended == cut.has_ended && whole.taken == cut.taken);
    if (whole.has_ended) {
        require(whole.taken == 3 || memcmp(in + whole.taken - 5, "\r\n.\r\n", 5) == 0);
        require((whole.collector.fault == COLLECTOR_FINE) ==
                (cut.collector.fault == COLLECTOR_FINE));
    }
    if (whole.has_ended && whole.collector.fault == COLLECTOR_FINE) {
        require(whole.bytes == cut.bytes && memcmp(whole.body, cut.body, whole.bytes) == 0);
        require(whole.bytes == whole.collector.bytes && cut.bytes == cut.collector.bytes);
        require(whole.collector.flags == cut.collector.flags);
        require(whole.collector.longest_line == cut.collector.longest_line);
        check_lines(&whole);
    }
    free(whole.body);
    free(cut.body);
    return 0;
}
