#include "worker/composition.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cell.h"
#include "common/clock.h"
#include "common/id.h"
#include "worker/composition_text.h"

_Static_assert(COMPOSITION_MAX_RECIPIENTS <= CELL_RECIPIENTS, "they are one group");

#define BOUNDARY_SIZE 48

/* ---- what is asked for ---- */

/* Nothing that ends a line, or stands for a list or a name. */
static bool is_address(const char *text)
{
    const size_t bytes = strlen(text);

    if (bytes == 0 || bytes > COMPOSITION_MAX_ADDRESS)
        return false;
    for (; *text != '\0'; text++) {
        if (*text <= ' ' || *text > '~' || strchr("<>,;()", *text) != NULL)
            return false;
    }
    return true;
}

static const char *text_of(const json_t *value)
{
    const char *text = json_string_value(value);

    return text != NULL && strlen(text) == json_string_length(value) ? text : NULL;
}

static int read_recipients(const json_t *list, struct composition *mail, struct reason *why)
{
    const size_t count = json_array_size(list);

    if (count == 0 || count > COMPOSITION_MAX_RECIPIENTS)
        return reason_set(why, -EINVAL, "%zu recipients", count);
    for (size_t i = 0; i < count; i++) {
        const char *address = text_of(json_array_get(list, i));

        if (address == NULL || !is_address(address))
            return reason_set(why, -EINVAL, "recipient %zu is no address", i + 1);
        mail->recipients[i] = address;
    }
    mail->recipient_count = count;
    return 0;
}

/* It stands between quotes in two fields of the header. */
static bool is_file_name(const char *text)
{
    const size_t bytes = strlen(text);

    return bytes > 0 && bytes <= COMPOSITION_MAX_FILE_NAME &&
           strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") ==
               bytes;
}

static int read_file(const json_t *file, struct composition *mail, struct reason *why)
{
    if (file == NULL)
        return 0;
    mail->file_name = text_of(json_object_get(file, "name"));
    mail->file_text = text_of(json_object_get(file, "text"));
    if (mail->file_name == NULL || !is_file_name(mail->file_name))
        return reason_set(why, -EINVAL, "the file's name is none");
    if (mail->file_text == NULL || strlen(mail->file_text) > COMPOSITION_MAX_TEXT)
        return reason_set(why, -EINVAL, "the file's text is missing or too long");
    return 0;
}

int composition_read(const json_t *json, struct composition *ret_mail, struct reason *reterr_why)
{
    const json_t *profile = json_object_get(json, "profile");
    const json_t *rule = json_object_get(json, "rule");
    int err;

    *ret_mail = (struct composition){ .sender = text_of(json_object_get(json, "sender")),
                                      .from = text_of(json_object_get(json, "from")),
                                      .subject = text_of(json_object_get(json, "subject")),
                                      .text = text_of(json_object_get(json, "text")),
                                      .profile = (uint32_t)json_integer_value(profile),
                                      .rule = (uint32_t)json_integer_value(rule) };
    if (ret_mail->sender == NULL || (ret_mail->sender[0] != '\0' && !is_address(ret_mail->sender)))
        return reason_set(reterr_why, -EINVAL, "the sender is no address");
    if (ret_mail->from == NULL || !is_address(ret_mail->from))
        return reason_set(reterr_why, -EINVAL, "from is no address");
    if (ret_mail->subject == NULL || ret_mail->text == NULL ||
        strlen(ret_mail->text) > COMPOSITION_MAX_TEXT)
        return reason_set(reterr_why, -EINVAL, "subject or text is missing or too long");
    if (ret_mail->profile == 0)
        return reason_set(reterr_why, -EINVAL, "there is no profile");
    err = read_recipients(json_object_get(json, "recipients"), ret_mail, reterr_why);
    return err < 0 ? err : read_file(json_object_get(json, "file"), ret_mail, reterr_why);
}

/* ---- what becomes of it ---- */

static void put_to(FILE *out, const struct composition *mail)
{
    for (size_t i = 0; i < mail->recipient_count; i++)
        fprintf(out, "%s%s", i == 0 ? "To: " : ",\r\n ", mail->recipients[i]);
    fputs("\r\n", out);
}

static void put_header(FILE *out, const struct composition *mail,
                       const struct composition_stamp *stamp)
{
    char date[CLOCK_TEXT_SIZE], id[ID_TEXT_SIZE];

    fprintf(out, "Date: %s\r\n", clock_text_mail(stamp->wall_ms, date));
    fprintf(out, "From: %s\r\n", mail->from);
    put_to(out, mail);
    composition_put_field(out, "Subject", mail->subject, COMPOSITION_MAX_SUBJECT);
    fprintf(out, "Message-ID: <%s@%s>\r\n", id_text(stamp->id, id), stamp->hostname);
    fputs("Auto-Submitted: auto-generated\r\n" /* RFC 3834: nobody's machine answers it */
          "X-Auto-Response-Suppress: All\r\n"  /* the same for Exchange */
          "MIME-Version: 1.0\r\n",
          out);
}

/* The last fields of its header, and the text. */
static void put_encoded(FILE *out, const char *text)
{
    const bool is_plain = composition_is_plain(text);

    fprintf(out, "Content-Transfer-Encoding: %s\r\n\r\n", is_plain ? "7bit" : "quoted-printable");
    if (is_plain)
        composition_put_plain(out, text);
    else
        composition_put_quoted(out, text);
}

static void put_text_part(FILE *out, const char *text)
{
    fputs("Content-Type: text/plain; charset=utf-8\r\n", out);
    put_encoded(out, text);
}

static void put_file(FILE *out, const struct composition *mail, const char *boundary)
{
    fprintf(out,
            "\r\n--%s\r\nContent-Type: text/plain; charset=utf-8; name=\"%s\"\r\n"
            "Content-Disposition: attachment; filename=\"%s\"\r\n",
            boundary, mail->file_name, mail->file_name);
    put_encoded(out, mail->file_text);
    fprintf(out, "\r\n--%s--\r\n", boundary);
}

/* The id is newer than any message that could be attached. */
static void boundary_of(uint64_t id, char out[BOUNDARY_SIZE])
{
    char text[ID_TEXT_SIZE];

    (void)snprintf(out, BOUNDARY_SIZE, "=_postern_%s", id_text(id, text));
}

static void put_head(FILE *out, const struct composition *mail,
                     const struct composition_stamp *stamp, enum composition_attached attached)
{
    const char *encoding = attached == COMPOSITION_WITH_8BIT ? "8bit" : "7bit";
    char boundary[BOUNDARY_SIZE];

    put_header(out, mail, stamp);
    if (attached == COMPOSITION_ALONE && mail->file_text == NULL) {
        put_text_part(out, mail->text);
        return;
    }
    boundary_of(stamp->id, boundary);
    fprintf(out,
            "Content-Type: multipart/mixed; boundary=\"%s\"\r\n"
            "Content-Transfer-Encoding: %s\r\n\r\n--%s\r\n",
            boundary, encoding, boundary);
    put_text_part(out, mail->text);
    if (attached == COMPOSITION_ALONE) {
        put_file(out, mail, boundary);
        return;
    }
    fprintf(out,
            "\r\n--%s\r\nContent-Type: message/rfc822\r\n"
            "Content-Transfer-Encoding: %s\r\nContent-Disposition: attachment\r\n\r\n",
            boundary, encoding);
}

static uint32_t longest_line(const char *text, size_t bytes)
{
    const char *end = text + bytes;
    size_t longest = 0;

    while (text < end) {
        const char *lf = memchr(text, '\n', (size_t)(end - text));
        const size_t line = (size_t)((lf != NULL ? lf - 1 : end) - text); /* CRLF, always */

        longest = line > longest ? line : longest;
        text = lf != NULL ? lf + 1 : end;
    }
    return (uint32_t)longest;
}

static int write_tail(uint64_t id, struct composition_bytes *bytes)
{
    char boundary[BOUNDARY_SIZE];
    int length;

    boundary_of(id, boundary);
    length = asprintf(&bytes->tail, "\r\n--%s--\r\n", boundary);
    if (length < 0) {
        bytes->tail = NULL;
        return -ENOMEM;
    }
    bytes->tail_bytes = (size_t)length;
    return 0;
}

int composition_write(const struct composition *mail, const struct composition_stamp *stamp,
                      enum composition_attached attached, struct composition_bytes *ret_bytes)
{
    FILE *out;
    int err = 0;

    *ret_bytes = (struct composition_bytes){ 0 };
    out = open_memstream(&ret_bytes->head, &ret_bytes->head_bytes);
    if (out == NULL)
        return -ENOMEM;
    put_head(out, mail, stamp, attached);
    if (fclose(out) != 0)
        err = -ENOMEM;
    if (err == 0 && attached != COMPOSITION_ALONE)
        err = write_tail(stamp->id, ret_bytes);
    if (err < 0) {
        composition_bytes_done(ret_bytes);
        return err;
    }
    ret_bytes->longest_line = longest_line(ret_bytes->head, ret_bytes->head_bytes);
    return 0;
}

void composition_bytes_done(struct composition_bytes *bytes)
{
    free(bytes->head);
    free(bytes->tail);
    *bytes = (struct composition_bytes){ 0 };
}
