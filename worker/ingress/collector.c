/* worker/ingress/collector.c: the hot path of every message.
 *
 * Bytes are looked at three times while they are in the first-level cache, each time many at once:
 * memchr for line ends (which finds dots and the end), one scan for what must not be there, one
 * memcpy. A run ends only at a stuffed dot, at the end of the header, or where the chunk does. */
#include "worker/ingress/collector.h"

#include <string.h>

#include "worker/spooler.h"

void collector_init(struct collector *c, uint64_t bytes_max, unsigned hops_max)
{
    *c = (struct collector){ .bytes_max = bytes_max, .hops_max = hops_max, .last = '\n' };
}

void collector_refuse(struct collector *c, enum collector_fault fault)
{
    if (c->fault == COLLECTOR_FINE)
        c->fault = fault;
}

/* Keeps a run of content that needs no change. */
static void keep(struct collector *c, const char *data, size_t bytes)
{
    if (bytes == 0)
        return;
    c->bytes += bytes;
    if (c->bytes > c->bytes_max)
        collector_refuse(c, COLLECTOR_TOO_BIG);
    if (c->fault == COLLECTOR_FINE) {
        struct collector_scan scan = collector_scan(data, bytes, c->last);

        if (scan.has_bare)
            collector_refuse(c, COLLECTOR_BARE_CR_LF);
        else if (scan.has_nul)
            collector_refuse(c, COLLECTOR_NUL);
        if (scan.has_8bit)
            c->flags |= BODY_8BIT;
        memcpy(c->out + c->out_bytes, data, bytes);
        c->out_bytes += bytes;
    }
    c->last = data[bytes - 1];
}

static void end_line(struct collector *c)
{
    uint32_t length = c->line_bytes - 2; /* without CRLF */

    if (length > c->longest_line)
        c->longest_line = length;
    c->line_bytes = 0;
}

static uint32_t add_capped(uint32_t a, size_t b)
{
    return b > UINT32_MAX - a ? UINT32_MAX : a + (uint32_t)b;
}

static void end_header(struct collector *c)
{
    c->is_past_header = true;
    if (c->fault == COLLECTOR_FINE)
        collector_end_header(c);
}

/* From inside or at the beginning of a line to the next place where more than copying is to be
 * done. Returns where it stopped; c->at says why. */
static const char *take_run(struct collector *c, const char *begin, const char *end)
{
    const char *p = begin;

    c->at = AT_LINE;
    while (p < end) {
        const char *lf = memchr(p, '\n', (size_t)(end - p));
        char before;

        if (lf == NULL) {
            c->line_bytes = add_capped(c->line_bytes, (size_t)(end - p));
            p = end;
            break;
        }
        before = lf > begin ? lf[-1] : c->last;
        c->line_bytes = add_capped(c->line_bytes, (size_t)(lf - p) + 1);
        p = lf + 1;
        if (before != '\r')
            continue; /* a bare LF ends no line; keep() sees it */
        c->at = AT_LINE_START;
        if (c->line_bytes == 2 && !c->is_past_header) {
            keep(c, begin, (size_t)(p - begin));
            end_line(c);
            end_header(c);
            return p;
        }
        end_line(c);
        if (p == end || *p == '.')
            break;
        c->at = AT_LINE;
    }
    keep(c, begin, (size_t)(p - begin));
    return p;
}

/* ".\r" was no end of the data: the dot was stuffing, the CR is content, and a bare one. */
static void give_back_cr(struct collector *c)
{
    c->line_bytes = 1;
    c->bytes++;
    c->last = '\r';
    collector_refuse(c, COLLECTOR_BARE_CR_LF);
    c->at = AT_LINE;
}

/* One step over `p`. */
static const char *take_step(struct collector *c, const char *p, const char *end)
{
    switch (c->at) {
    case AT_LINE_START:
        if (*p != '.')
            return take_run(c, p, end);
        c->at = AT_DOT;
        return p + 1;
    case AT_DOT:
        if (*p == '\r') {
            c->at = AT_DOT_CR;
            return p + 1;
        }
        c->last = '.';
        if (*p == '.')
            c->flags |= BODY_LEADING_DOT;
        return take_run(c, p, end);
    case AT_DOT_CR: give_back_cr(c); return p;
    case AT_LINE: return take_run(c, p, end);
    }
    return p;
}

enum collector_result collector_feed(struct collector *c, const char *data, size_t bytes,
                                     size_t *ret_taken)
{
    const char *p = data, *end = data + bytes;

    while (p < end) {
        const char *limit = end;

        if (c->at == AT_DOT_CR && *p == '\n') {
            if (!c->is_past_header)
                end_header(c);
            *ret_taken = (size_t)(p + 1 - data);
            return COLLECTOR_END;
        }
        if (c->fault == COLLECTOR_FINE && (size_t)(end - p) > c->out_room - c->out_bytes) {
            limit = p + (c->out_room - c->out_bytes);
            if (limit == p) {
                *ret_taken = (size_t)(p - data);
                return COLLECTOR_FULL;
            }
        }
        p = take_step(c, p, limit);
    }
    *ret_taken = bytes;
    return COLLECTOR_MORE;
}
