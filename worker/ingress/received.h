/* worker/ingress/received.h: the trace line that leads every message (RFC 5321, 4.4). */
#ifndef WORKER_INGRESS_RECEIVED_H
#define WORKER_INGRESS_RECEIVED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RECEIVED_MAX      1536
#define RECEIVED_PART_MAX 256 /* of each part, well below the limit of a line */

struct received {
    const char *helo;   /* as the client called itself: checked, not believed */
    const char *client; /* its address, without port */
    const char *hostname;
    const char *recipient; /* NULL: more than one (none of the others' business), or a long one */
    bool is_esmtp;
    bool is_secured; /* in TLS */
    uint64_t id;
    int64_t wall_ms;
};

/* Writes the line with its folds and final CRLF into `out`, which holds RECEIVED_MAX bytes, without
 * a NUL; returns its length. */
size_t received_write(const struct received *received, char *out);

#endif
