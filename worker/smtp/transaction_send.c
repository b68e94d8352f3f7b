#include "worker/smtp/transaction_send.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <event2/buffer.h>

#include "worker/smtp/connection.h"
#include "worker/smtp/transaction.h"
#include "worker/spooler.h"

/* A piece shorter than this is copied: a reference costs more memory than it saves. Thereby a
 * content made of dots cannot make more references than its bytes / REFERENCE_LEAST. */
#define REFERENCE_LEAST 512U
#define BLOCK_BYTES     (128U << 10)

/* ---- commands, gathered so that they take few buffers ---- */

struct commands {
    struct smtp_connection *to;
    size_t used;
    char text[4096];
};

static void put(struct commands *commands, const char *text, size_t bytes)
{
    if (commands->used + bytes > sizeof(commands->text)) {
        smtp_connection_add(commands->to, commands->text, commands->used);
        commands->used = 0;
    }
    if (bytes > sizeof(commands->text)) {
        smtp_connection_add(commands->to, text, bytes);
        return;
    }
    memcpy(commands->text + commands->used, text, bytes);
    commands->used += bytes;
}

static void put_text(struct commands *commands, const char *text)
{
    put(commands, text, strlen(text));
}

static void put_mail(struct commands *commands, const struct smtp_transaction *t)
{
    unsigned flags = smtp_connection_extensions(t->connection)->flags;
    char size[40];

    put_text(commands, "MAIL FROM:<");
    put_text(commands, t->sender);
    put_text(commands, ">");
    if ((flags & SMTP_HAS_SIZE) != 0) {
        (void)snprintf(size, sizeof(size), " SIZE=%zu", smtp_body_bytes(&t->body));
        put_text(commands, size);
    }
    if ((t->body.flags & BODY_8BIT) != 0 && (flags & SMTP_HAS_8BITMIME) != 0)
        put_text(commands, " BODY=8BITMIME");
    if ((t->body.flags & BODY_UTF8_ENVELOPE) != 0 && (flags & SMTP_HAS_SMTPUTF8) != 0)
        put_text(commands, " SMTPUTF8");
    put_text(commands, "\r\n");
}

static void put_rcpt(struct commands *commands, const struct smtp_transaction *t, unsigned index)
{
    put_text(commands, "RCPT TO:<");
    put_text(commands, t->rcpts[index].address);
    put_text(commands, ">\r\n");
}

static void send_commands(struct commands *commands, const struct smtp_transaction *t)
{
    smtp_connection_add(commands->to, commands->text, commands->used);
    smtp_connection_send(t->connection);
}

static void begin(struct commands *commands, const struct smtp_transaction *t)
{
    commands->to = t->connection;
    commands->used = 0;
}

void smtp_send_ahead(struct smtp_transaction *t, bool with_rset)
{
    struct commands commands;

    begin(&commands, t);
    if (with_rset)
        put_text(&commands, "RSET\r\n");
    put_mail(&commands, t);
    for (unsigned i = 0; i < t->rcpt_count; i++)
        put_rcpt(&commands, t, i);
    put_text(&commands, "DATA\r\n");
    send_commands(&commands, t);
}

static void send_text(struct smtp_transaction *t, const char *text)
{
    smtp_connection_add(t->connection, text, strlen(text));
    smtp_connection_send(t->connection);
}

void smtp_send_rset(struct smtp_transaction *t)
{
    send_text(t, "RSET\r\n");
}

void smtp_send_mail(struct smtp_transaction *t)
{
    struct commands commands;

    begin(&commands, t);
    put_mail(&commands, t);
    send_commands(&commands, t);
}

void smtp_send_rcpt(struct smtp_transaction *t, unsigned index)
{
    struct commands commands;

    begin(&commands, t);
    put_rcpt(&commands, t, index);
    send_commands(&commands, t);
}

void smtp_send_data(struct smtp_transaction *t)
{
    send_text(t, "DATA\r\n");
}

void smtp_send_end(struct smtp_transaction *t)
{
    send_text(t, ".\r\n");
}

/* ---- content ---- */

/* `body` NULL: it is copied. */
static int put_piece(struct evbuffer *out, const struct smtp_body *body, const char *data,
                     size_t bytes)
{
    void *held;

    if (body == NULL || bytes < REFERENCE_LEAST)
        return evbuffer_add(out, data, bytes) == 0 ? 0 : -ENOMEM;
    held = body->hold(body->arg);
    if (held == NULL)
        return -ENOMEM;
    if (evbuffer_add_reference(out, data, bytes, body->release, held) == 0)
        return 0;
    body->release(data, bytes, held);
    return -ENOMEM;
}

/* RFC 5321 4.5.2: a line that begins with a dot gets another one. */
static int put_stuffed(struct evbuffer *out, const struct smtp_body *body, const char *data,
                       size_t bytes, bool is_at_line_start)
{
    const char *end = data + bytes, *line;
    int err = 0;

    if (is_at_line_start && *data == '.')
        err = evbuffer_add(out, ".", 1);
    while (err == 0 && (line = memmem(data, (size_t)(end - data), "\n.", 2)) != NULL) {
        line++;
        err = put_piece(out, body, data, (size_t)(line - data));
        if (err == 0)
            err = evbuffer_add(out, ".", 1);
        data = line;
    }
    return err == 0 ? put_piece(out, body, data, (size_t)(end - data)) : -ENOMEM;
}

struct stretch { /* of a body, from one place to the end of its head, itself or its tail */
    const char *data;
    size_t bytes;
    bool is_copied, is_at_line_start, needs_stuffing;
};

static struct stretch stretch_at(const struct smtp_body *body, size_t at)
{
    const char *start = body->head;
    struct stretch stretch = { .bytes = body->head_bytes, .is_copied = true };

    stretch.needs_stuffing = true;
    if (at >= body->head_bytes) {
        at -= body->head_bytes;
        start = body->data;
        stretch = (struct stretch){ .bytes = body->bytes };
        stretch.needs_stuffing = (body->flags & BODY_LEADING_DOT) != 0;
        if (at >= body->bytes) {
            at -= body->bytes;
            start = body->tail;
            stretch = (struct stretch){ .bytes = body->tail_bytes, .is_copied = true };
            stretch.needs_stuffing = true;
        }
    }
    stretch.is_at_line_start = at == 0 || start[at - 1] == '\n';
    stretch.data = start + at;
    stretch.bytes -= at;
    return stretch;
}

static bool ends_with_line(const struct smtp_body *body)
{
    if (body->tail_bytes > 0)
        return body->tail[body->tail_bytes - 1] == '\n';
    return body->bytes == 0 || body->data[body->bytes - 1] == '\n';
}

int smtp_send_body(struct smtp_transaction *t)
{
    struct evbuffer *out = smtp_connection_output(t->connection);
    const struct smtp_body *body = &t->body;
    const size_t all = smtp_body_bytes(body);
    int err = 0;

    while (err == 0 && t->body_at < all && !smtp_connection_is_choked(t->connection)) {
        struct stretch now = stretch_at(body, t->body_at);
        size_t bytes = now.bytes < BLOCK_BYTES ? now.bytes : BLOCK_BYTES;

        err = now.needs_stuffing ? put_stuffed(out, now.is_copied ? NULL : body, now.data, bytes,
                                               now.is_at_line_start)
                                 : put_piece(out, body, now.data, bytes);
        t->body_at += bytes;
    }
    if (err == 0 && t->body_at == all)
        err = ends_with_line(body) ? evbuffer_add(out, ".\r\n", 3)
                                   : evbuffer_add(out, "\r\n.\r\n", 5);
    smtp_connection_send(t->connection);
    return err != 0 ? -ENOMEM : t->body_at == all;
}
