/* worker/composition.h: mail of the appliance's own (alerts, reports, forwards, tests), as bytes.
 *
 * What the master asks for with COMPOSE:
 *
 *   { "sender": "" or an address,                  in the envelope
 *     "recipients": [address, ...],                in the envelope and in To:
 *     "from": address, "profile": id,              of the relay
 *     "rule": id,                                  whose mail it is to be; not there, 0: nobody's
 *     "subject": text, "text": text,               UTF-8; lines end with \n
 *     "file": {"name": text, "text": text} }       attached, not there: none; the name is letters,
 *                                                  digits, "-", "_" and "." only
 *
 * Header fields and text are 7 bit: RFC 2047 and quoted-printable where they must be. No byte of
 * what is asked for can begin a line of the header: addresses are visible ASCII, or nothing is
 * composed, and control characters of subject and text become '?'. A stored message that goes with
 * it is a part of type message/rfc822, as it is; it is not copied here, but stands between head and
 * tail. It goes without a file. Pure. */
#ifndef WORKER_COMPOSITION_H
#define WORKER_COMPOSITION_H

#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "common/reason.h"

#define COMPOSITION_MAX_RECIPIENTS 100U /* all are one group: CELL_RECIPIENTS */
#define COMPOSITION_MAX_ADDRESS    254U
#define COMPOSITION_MAX_SUBJECT    200U /* bytes; what is longer is cut */
#define COMPOSITION_MAX_FILE_NAME  100U
#define COMPOSITION_MAX_TEXT       (256U << 10)

struct composition {
    const char *sender, *from, *subject, *text;
    const char *recipients[COMPOSITION_MAX_RECIPIENTS];
    size_t recipient_count;
    uint32_t profile, rule;
    const char *file_name, *file_text; /* NULL: there is none */
};

/* What belongs to the message rather than to who asked for it. */
struct composition_stamp {
    uint64_t id;
    int64_t wall_ms;
    const char *hostname; /* right of the @ of its Message-ID */
};

struct composition_bytes {
    char *head, *tail; /* malloc'd; `tail` is NULL if nothing is attached */
    size_t head_bytes, tail_bytes;
    uint32_t longest_line; /* of both */
};

/* The texts are borrowed from `json`. -EINVAL with the reason. */
int composition_read(const json_t *json, struct composition *ret_mail, struct reason *reterr_why);

enum composition_attached {
    COMPOSITION_ALONE,
    COMPOSITION_WITH_7BIT, /* what the attached message needs */
    COMPOSITION_WITH_8BIT,
};

/* 0 or -ENOMEM. */
int composition_write(const struct composition *mail, const struct composition_stamp *stamp,
                      enum composition_attached attached, struct composition_bytes *ret_bytes);
void composition_bytes_done(struct composition_bytes *bytes);

#endif
