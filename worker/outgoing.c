#include "worker/outgoing.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/id.h"
#include "common/rule.h"
#include "worker/message.h"
#include "worker/smtp/transaction.h"
#include "worker/spooler.h"

#define LINE_MAX_BYTES 900 /* of a header line of ours */
#define TEXT_LINE      57  /* bytes that make a line of base64 */
#define BOUNDARY_SIZE  64

/* ---- header lines ---- */

/* Visible ASCII, and blanks inside: nothing that begins another line or another value. */
static void put_clean(FILE *out, const char *text)
{
    for (size_t bytes = 0; *text != '\0' && bytes < LINE_MAX_BYTES; text++, bytes++)
        fputc(*text >= ' ' && *text <= '~' && *text != '"' && *text != ';' ? *text : '?', out);
}

static void put_member(FILE *out, const json_t *object, const char *member, const char *name,
                       const char *quote)
{
    const char *text = json_string_value(json_object_get(object, member));

    if (text == NULL || text[0] == '\0')
        return;
    fprintf(out, "; %s=%s", name, quote);
    put_clean(out, text);
    fputs(quote, out);
}

static void put_scan(FILE *out, const json_t *scan, const struct rule *rule)
{
    const char *verdict = json_string_value(json_object_get(scan, "verdict"));
    const size_t files = json_array_size(json_object_get(scan, "files"));

    if (verdict == NULL || (!rule->scan.add_headers && strcmp(verdict, "allowed") == 0))
        return;
    fputs("X-Postern-Scan: ", out);
    put_clean(out, verdict);
    if (files > 0)
        fprintf(out, "; files=%zu", files);
    put_member(out, scan, "server", "core", "");
    put_member(out, scan, "reason", "reason", "\"");
    fputs("\r\n", out);
}

static void put_links(FILE *out, const json_t *upload)
{
    const json_t *file;
    size_t i;

    json_array_foreach (json_object_get(upload, "files"), i, file) {
        const char *url = json_string_value(json_object_get(file, "url"));

        if (url == NULL || url[0] == '\0')
            continue;
        fputs("X-Postern-Link: ", out);
        for (size_t at = 0; at < LINE_MAX_BYTES && url[at] != '\0'; at++)
            fputc(url[at] > ' ' && url[at] <= '~' ? url[at] : '?', out);
        fputs("\r\n", out);
    }
}

/* ---- the message as a part ---- */

static size_t header_bytes(const struct message *message)
{
    const char *end = memmem(message->body, message->body_bytes, "\r\n\r\n", 4);

    if (message->body_bytes >= 2 && memcmp(message->body, "\r\n", 2) == 0)
        return 0;
    return end != NULL ? (size_t)(end - message->body) + 2 : message->body_bytes;
}

static const char *line_end(const char *line, const char *end)
{
    const char *lf = memchr(line, '\n', (size_t)(end - line));

    return lf != NULL ? lf + 1 : end;
}

static bool belongs_to_part(const char *line, const char *end)
{
    return end - line > 8 && strncasecmp(line, "Content-", 8) == 0;
}

static bool is_mime_version(const char *line, const char *end)
{
    return end - line > 12 && strncasecmp(line, "MIME-Version", 12) == 0;
}

/* Those lines of the header that go with the part, or those that stay. */
static void put_header(FILE *out, const struct message *message, size_t bytes, bool of_part)
{
    const char *line = message->body, *all_end = line + bytes;
    bool is_taken = false;

    while (line < all_end) {
        const char *end = line_end(line, all_end);

        if (*line != ' ' && *line != '\t')
            is_taken = !is_mime_version(line, end) && belongs_to_part(line, end) == of_part;
        if (is_taken)
            fwrite(line, 1, (size_t)(end - line), out);
        line = end;
    }
}

static void boundary_of(const struct message *message, char out[BOUNDARY_SIZE])
{
    char id[ID_TEXT_SIZE];

    (void)snprintf(out, BOUNDARY_SIZE, "=_postern_%s_%u_links", id_text(message->place.id, id),
                   message->place.group);
}

static void put_base64(FILE *out, const unsigned char *text, size_t bytes)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t at = 0; at < bytes; at += 3) {
        const unsigned left = bytes - at < 3 ? (unsigned)(bytes - at) : 3;
        const unsigned group = (unsigned)text[at] << 16 |
                               (left > 1 ? (unsigned)text[at + 1] << 8 : 0) |
                               (left > 2 ? (unsigned)text[at + 2] : 0);

        fputc(digits[group >> 18 & 63], out);
        fputc(digits[group >> 12 & 63], out);
        fputc(left > 1 ? digits[group >> 6 & 63] : '=', out);
        fputc(left > 2 ? digits[group & 63] : '=', out);
        if ((at / 3 + 1) % (TEXT_LINE / 3) == 0)
            fputs("\r\n", out);
    }
    fputs("\r\n", out);
}

static void put_text_of(FILE *out, const json_t *upload)
{
    const json_t *file;
    size_t i;

    fputs("Attachments of this message in the vault:\r\n\r\n", out);
    json_array_foreach (json_object_get(upload, "files"), i, file) {
        const char *name = json_string_value(json_object_get(file, "name"));
        const char *url = json_string_value(json_object_get(file, "url"));

        if (url != NULL && url[0] != '\0')
            fprintf(out, "%s\r\n%s\r\n\r\n", name != NULL ? name : "", url);
    }
}

static char *text_of(const json_t *upload, size_t *ret_bytes)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, ret_bytes);

    if (out == NULL)
        return NULL;
    put_text_of(out, upload);
    if (fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}

static void put_wrapped_head(FILE *out, const struct message *message, size_t header,
                             const char *boundary)
{
    put_header(out, message, header, false);
    fprintf(out, "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"%s\"\r\n",
            boundary);
    if ((message->body_flags & BODY_8BIT) != 0)
        fputs("Content-Transfer-Encoding: 8bit\r\n", out);
    fprintf(out, "\r\n--%s\r\n", boundary);
    put_header(out, message, header, true);
}

static int make_tail(struct outgoing *outgoing, const json_t *upload, const char *boundary)
{
    size_t bytes = 0;
    char *text = text_of(upload, &bytes);
    FILE *out = text != NULL ? open_memstream(&outgoing->tail, &outgoing->tail_bytes) : NULL;

    if (out != NULL) {
        fprintf(out,
                "\r\n--%s\r\nContent-Type: text/plain; charset=utf-8\r\n"
                "Content-Transfer-Encoding: base64\r\nContent-Disposition: inline\r\n\r\n",
                boundary);
        put_base64(out, (const unsigned char *)text, bytes);
        fprintf(out, "\r\n--%s--\r\n", boundary);
    }
    free(text);
    return out != NULL && fclose(out) == 0 ? 0 : -ENOMEM;
}

/* ---- the whole ---- */

static bool has_links(const json_t *upload)
{
    const json_t *file;
    size_t i;

    json_array_foreach (json_object_get(upload, "files"), i, file) {
        const char *url = json_string_value(json_object_get(file, "url"));

        if (url != NULL && url[0] != '\0')
            return true;
    }
    return false;
}

int outgoing_make(struct outgoing *outgoing, const struct message *message, json_t *const told[2],
                  const struct rule *rule)
{
    const bool is_wrapped =
        rule != NULL && rule->upload.links == LINKS_TEXT_PART && has_links(told[STAGE_UPLOAD]);
    const size_t header = is_wrapped ? header_bytes(message) : 0;
    char boundary[BOUNDARY_SIZE];
    int err = 0;
    FILE *out;

    if (rule == NULL || (told[STAGE_SCAN] == NULL && told[STAGE_UPLOAD] == NULL))
        return 0;
    out = open_memstream(&outgoing->head, &outgoing->head_bytes);
    if (out == NULL)
        return -ENOMEM;
    boundary_of(message, boundary);
    put_scan(out, told[STAGE_SCAN], rule);
    if (rule->upload.links == LINKS_HEADER)
        put_links(out, told[STAGE_UPLOAD]);
    if (is_wrapped) {
        put_wrapped_head(out, message, header, boundary);
        err = make_tail(outgoing, told[STAGE_UPLOAD], boundary);
    }
    outgoing->skipped = header;
    if (fclose(out) != 0 || err < 0) {
        outgoing_clear(outgoing);
        return -ENOMEM;
    }
    return 0;
}

void outgoing_apply(const struct outgoing *outgoing, struct smtp_body *body)
{
    body->head = outgoing->head;
    body->head_bytes = outgoing->head_bytes;
    body->data += outgoing->skipped;
    body->bytes -= outgoing->skipped;
    body->tail = outgoing->tail;
    body->tail_bytes = outgoing->tail_bytes;
}

void outgoing_clear(struct outgoing *outgoing)
{
    free(outgoing->head);
    free(outgoing->tail);
    *outgoing = (struct outgoing){ 0 };
}
