#include "worker/smtp/reply.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <event2/buffer.h>

void smtp_reply_clear(struct smtp_reply *reply)
{
    memset(reply, 0, offsetof(struct smtp_reply, text));
    reply->text[0] = '\0';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Up to three digits; returns how many bytes they are, 0 if it is no such number. */
static size_t read_number(const char *text, size_t bytes, uint16_t *ret_number)
{
    unsigned number = 0;
    size_t i = 0;

    while (i < bytes && i < 3 && is_digit(text[i]))
        number = number * 10 + (unsigned)(text[i++] - '0');
    if (i < bytes && is_digit(text[i]))
        return 0;
    *ret_number = (uint16_t)number;
    return i;
}

/* A code whose class contradicts the reply's is none. 552 may carry a 4: servers mean "too many
 * recipients" by it, which is not final (RFC 5321 4.5.3.1.10). */
static void read_enhanced(struct smtp_reply *reply, const char *text, size_t bytes)
{
    uint16_t subject, detail;
    size_t at = 2, used;

    if (bytes < 5 || text[1] != '.')
        return;
    if (text[0] != (char)('0' + reply->code / 100) && !(reply->code == 552 && text[0] == '4'))
        return;
    if ((used = read_number(text + at, bytes - at, &subject)) == 0)
        return;
    at += used;
    if (at >= bytes || text[at++] != '.')
        return;
    if ((used = read_number(text + at, bytes - at, &detail)) == 0)
        return;
    at += used;
    if (at < bytes && text[at] != ' ')
        return;
    reply->class_ = (uint8_t)(text[0] - '0');
    reply->subject = subject;
    reply->detail = detail;
}

static void keep_text(struct smtp_reply *reply, const char *text, size_t bytes)
{
    size_t room = SMTP_REPLY_TEXT_SIZE - 1 - (size_t)reply->text_bytes;
    char *out = reply->text + reply->text_bytes;
    size_t i;

    if (reply->text_bytes > 0 && bytes > 0 && room > 0) {
        *out++ = ' ';
        room--;
    }
    for (i = 0; i < bytes && i < room; i++)
        out[i] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
    out[i] = '\0';
    reply->text_bytes = (uint16_t)(out + i - reply->text);
}

int smtp_reply_add_line(struct smtp_reply *reply, const char *line, size_t bytes,
                        smtp_reply_line_cb *on_line, void *arg)
{
    unsigned code;

    if (!reply->is_open)
        smtp_reply_clear(reply);
    if (bytes > SMTP_REPLY_LINE_MAX || bytes < 3 || line[0] < '2' || line[0] > '5' ||
        !is_digit(line[1]) || !is_digit(line[2]))
        return -EPROTO;
    if (bytes > 3 && line[3] != ' ' && line[3] != '-')
        return -EPROTO;
    code = (unsigned)(line[0] - '0') * 100 + (unsigned)(line[1] - '0') * 10 +
           (unsigned)(line[2] - '0');
    if (reply->lines > 0 && code != reply->code)
        return -EPROTO;
    if (reply->lines == SMTP_REPLY_LINES_MAX)
        return -EPROTO;

    reply->code = (uint16_t)code;
    reply->is_open = bytes > 3 && line[3] == '-';
    line += bytes > 3 ? 4 : 3;
    bytes -= bytes > 3 ? 4 : 3;
    if (reply->class_ == 0)
        read_enhanced(reply, line, bytes);
    keep_text(reply, line, bytes);
    if (on_line != NULL)
        on_line(line, bytes, reply->lines, arg);
    reply->lines++;
    return reply->is_open ? 0 : 1;
}

int smtp_reply_take(struct evbuffer *input, struct smtp_reply *reply, smtp_reply_line_cb *on_line,
                    void *arg)
{
    for (;;) {
        /* A bare LF ends a line too: here it can fool nobody, and some servers write it. */
        size_t eol_bytes, line_bytes;
        struct evbuffer_ptr eol = evbuffer_search_eol(input, NULL, &eol_bytes, EVBUFFER_EOL_CRLF);
        const char *line;
        int done;

        if (eol.pos < 0)
            return evbuffer_get_length(input) > SMTP_REPLY_LINE_MAX ? -EPROTO : 0;
        line_bytes = (size_t)eol.pos;
        if (line_bytes > SMTP_REPLY_LINE_MAX)
            return -EPROTO;
        line = (const char *)evbuffer_pullup(input, (ev_ssize_t)(line_bytes + eol_bytes));
        if (line == NULL)
            return -EPROTO;
        done = smtp_reply_add_line(reply, line, line_bytes, on_line, arg);
        if (done < 0)
            return done;
        evbuffer_drain(input, line_bytes + eol_bytes);
        if (done == 1)
            return 1;
    }
}

const char *smtp_reply_enhanced(const struct smtp_reply *reply, char out[SMTP_ENHANCED_SIZE])
{
    if (reply->class_ == 0)
        out[0] = '\0';
    else
        (void)snprintf(out, SMTP_ENHANCED_SIZE, "%u.%u.%u", reply->class_, reply->subject,
                       reply->detail);
    return out;
}
