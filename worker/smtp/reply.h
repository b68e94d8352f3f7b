/* worker/smtp/reply.h: replies of an SMTP server, as they lie in the input. Pure.
 *
 * A reply is one or more lines with the same code; the last has a blank (or nothing) after it, the
 * others a hyphen. What breaks that form, a line beyond SMTP_REPLY_LINE_MAX or a reply of more than
 * SMTP_REPLY_LINES_MAX lines, is a protocol error: the connection is of no further use.
 *
 * Only as much text is kept as a person wants to read; bytes that are not printable ASCII show as a
 * question mark, so that the text may go into logs and JSON as it is. */
#ifndef WORKER_SMTP_REPLY_H
#define WORKER_SMTP_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct evbuffer;

#define SMTP_REPLY_LINE_MAX  2048 /* bytes, without the line's end */
#define SMTP_REPLY_LINES_MAX 100
#define SMTP_REPLY_TEXT_SIZE 512

struct smtp_reply {
    uint16_t code;            /* 200 to 599 */
    uint16_t subject, detail; /* of the enhanced code (RFC 3463) */
    uint8_t class_;           /* the same: 2, 4 or 5; 0: none was given */
    uint8_t lines;
    bool is_open; /* more lines must come */
    uint16_t text_bytes;
    char text[SMTP_REPLY_TEXT_SIZE]; /* without the code; lines are joined by a blank */
};

/* Each line's text after its code, borrowed for the call; `number` counts from 0. */
typedef void smtp_reply_line_cb(const char *text, size_t bytes, unsigned number, void *arg);

void smtp_reply_clear(struct smtp_reply *reply);

/* Takes lines off `input` until the reply is complete: 1. 0: more must come; call again with the
 * same `reply`. -EPROTO. `on_line` may be NULL. A complete reply is cleared by the next call. */
int smtp_reply_take(struct evbuffer *input, struct smtp_reply *reply, smtp_reply_line_cb *on_line,
                    void *arg);

/* The same for one line without its end. */
int smtp_reply_add_line(struct smtp_reply *reply, const char *line, size_t bytes,
                        smtp_reply_line_cb *on_line, void *arg);

/* "4.5.3" of whatever class. */
static inline bool smtp_reply_is(const struct smtp_reply *reply, unsigned subject, unsigned detail)
{
    return reply->class_ != 0 && reply->subject == subject && reply->detail == detail;
}

/* "5.1.1"; "" if there is none. */
#define SMTP_ENHANCED_SIZE 16
const char *smtp_reply_enhanced(const struct smtp_reply *reply, char out[SMTP_ENHANCED_SIZE]);

#endif
