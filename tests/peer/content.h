/* tests/peer/content.h: the content of a message as it passes: where it ends, and its name. */
#ifndef TESTS_PEER_CONTENT_H
#define TESTS_PEER_CONTENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct content {
    size_t octets; /* so far, as they came, with the end of data */
    unsigned matched;
    bool is_over, is_in_body;
    bool has_message_id;
    uint64_t name;  /* hash of its Message-ID, else of its Subject; 0: neither */
    char line[512]; /* of the header, cut */
    size_t line_bytes;
};

void content_begin(struct content *content);

/* Takes octets up to the end of data (CRLF . CRLF, exactly) or until so many have been taken in
 * all; returns how many. */
size_t content_take(struct content *content, const char *octets, size_t count, size_t up_to);

#endif
