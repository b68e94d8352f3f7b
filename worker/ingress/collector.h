/* worker/ingress/collector.h: from the bytes after 354 to a message's body. Pure: chunks in, one
 * buffer out.
 *
 * The end of the data is CRLF.CRLF and nothing else (MQ04). Dots are unstuffed while the bytes are
 * copied, once, into `out`. Content that has to be refused is read to its real end all the same,
 * but no longer kept: what follows the end is the next command, never a second message.
 *
 * When the header section is complete it is looked over in place: Received lines are counted, and
 * lines that only we may write (VA05) are taken out. */
#ifndef WORKER_INGRESS_COLLECTOR_H
#define WORKER_INGRESS_COLLECTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum collector_result {
    COLLECTOR_MORE, /* everything was taken; more must come */
    COLLECTOR_FULL, /* `out` has no room left: enlarge or empty it */
    COLLECTOR_END,  /* the end of the data was taken; what is left of the chunk is not content */
};

enum collector_fault { /* the first that was seen */
                       COLLECTOR_FINE,
                       COLLECTOR_BARE_CR_LF,
                       COLLECTOR_NUL,
                       COLLECTOR_TOO_BIG,
                       COLLECTOR_HEADER_TOO_BIG, /* set by the owner, who knows how large `out` may
                                                    become */
                       COLLECTOR_HOPS,
                       COLLECTOR_NO_ROOM, /* set by the owner */
                       COLLECTOR_FAULT_COUNT
};

enum collector_position { /* between two chunks */
                          AT_LINE_START,
                          AT_DOT,    /* a line's first byte was a dot */
                          AT_DOT_CR, /* ... and a CR followed: one LF from the end */
                          AT_LINE,
};

struct collector {
    char *out;        /* the owner's; filled up to `room` */
    size_t out_bytes; /* the owner may begin with a Received line, and empty it after the header */
    size_t out_room;
    size_t header_at; /* where the content begins in `out` */
    uint64_t bytes;   /* of content, unstuffed */
    uint64_t bytes_max;
    unsigned hops; /* Received lines */
    unsigned hops_max;
    unsigned flags; /* BODY_LEADING_DOT, BODY_8BIT */
    uint32_t longest_line;
    uint32_t line_bytes; /* of the line under way */
    enum collector_fault fault;
    enum collector_position at;
    char last; /* byte before the next chunk */
    bool is_past_header;
};

void collector_init(struct collector *collector, uint64_t bytes_max, unsigned hops_max);

/* Takes bytes from `data`; *ret_taken says how many. */
enum collector_result collector_feed(struct collector *collector, const char *data, size_t bytes,
                                     size_t *ret_taken);

/* From here on nothing is kept; `out` is not looked at again. */
void collector_refuse(struct collector *collector, enum collector_fault fault);

/* collector_header.c: what happens when the header section is complete. */
void collector_end_header(struct collector *collector);

/* collector_scan.c: whether a piece of content has a CR without LF, an LF without CR, a NUL, or a
 * byte above 127. `before` is the byte in front of it. */
struct collector_scan {
    bool has_bare, has_nul, has_8bit;
};
struct collector_scan collector_scan(const char *data, size_t bytes, char before);

#endif
