#include "worker/rest/vault_upload_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "worker/http.h"
#include "worker/mime/part.h"

/* What the pages that are known do not say, and what is done about it:
 *
 * - file_name is percent-encoded UTF-8, as the same maker's scanner wants it.
 * - share_with is a list with commas.
 * - Chunks are sent with their offset (method Chunk), one after the other: one that is sent again
 *   lands where it was.
 * - A file is whole if its status is known (200), tells its right size, or none, and the state
 *   "Available", or none. In another state it may be one that was never completed: it is completed
 *   once more, and if Vault refuses that, and does not say now that it is available, sent again.
 *   Better twice there than not at all.
 * - DELETE on the path that made it deletes a group.
 * - A yes with a page for people is none: something that stands in between wants a login, and Vault
 *   has heard of nothing.
 * - A file whose end is answered with another result than "success" is not complete; without a
 *   result it is.
 * - Identifiers are text or numbers, under the names that the known answers have.
 */

static void go(struct vault_upload *upload, enum vault_state next);

/* ---- chunks ---- */

static ssize_t read_chunk(char *out, size_t max, void *arg)
{
    struct vault_upload *upload = arg;
    size_t bytes = mime_reader_read(&upload->reader, out,
                                    max < upload->chunk_left ? max : (size_t)upload->chunk_left);

    upload->chunk_left -= bytes;
    return (ssize_t)bytes;
}

static int rewind_chunk(void *arg)
{
    struct vault_upload *upload = arg;

    upload->reader = upload->chunk_start;
    upload->chunk_left = upload->chunk_bytes;
    return 0;
}

static void begin_chunk(struct vault_upload *upload)
{
    const uint64_t left = vault_file_at_hand(upload)->part->decoded_bytes - upload->sent;

    upload->chunk_start = upload->reader;
    upload->chunk_bytes = upload->chunk_left =
        left < upload->plan->chunk_bytes ? left : upload->plan->chunk_bytes;
}

static void begin_file(struct vault_upload *upload)
{
    upload->is_by_status = upload->is_refused = false;
    upload->sent = 0;
    upload->chunk = 0;
    mime_reader_init(&upload->reader, vault_file_at_hand(upload)->part, upload->plan->body);
}

/* ---- what the next step is ---- */

static enum vault_state save_then(struct vault_upload *upload, enum vault_state next)
{
    upload->after_saving = next;
    return STATE_SAVING;
}

static enum vault_state close_group(struct vault_upload *upload)
{
    if (upload->plan->is_closing)
        return STATE_CLOSE;
    upload->plan->is_closing = true;
    return save_then(upload, STATE_CLOSE);
}

/* The first file that is not whole, or the end. */
static enum vault_state next_file(struct vault_upload *upload)
{
    while (upload->at < upload->plan->count && vault_file_at_hand(upload)->is_whole)
        upload->at++;
    if (upload->at == upload->plan->count)
        return close_group(upload);
    begin_file(upload);
    return vault_file_at_hand(upload)->id[0] != '\0' ? STATE_CHECK : STATE_FILE;
}

static enum vault_state next_chunk(const struct vault_upload *upload)
{
    return upload->sent < vault_file_at_hand(upload)->part->decoded_bytes ? STATE_CHUNK
                                                                          : STATE_WHOLE;
}

static enum vault_state fail(struct vault_upload *upload, const struct rest_answer *answer,
                             const char *what)
{
    upload->result = (struct vault_result){ .word = answer->word, .status = answer->status };
    reason_format(&upload->why, "%s%s%s", what, answer->why[0] != '\0' ? ": " : "", answer->why);
    return STATE_DONE;
}

static enum vault_state fail_odd(struct vault_upload *upload, const char *what)
{
    static const struct rest_answer odd = { .word = REST_FAILED, .why = "" };

    return fail(upload, &odd, what);
}

/* What was begun earlier is refused now: it is gone, or another key's. Other refusals are about
 * what was asked. */
static bool is_stale(const struct vault_upload *upload, const struct rest_answer *answer)
{
    switch (answer->status) {
    case 400:
    case 401:
    case 403:
    case 404:
    case 409:
    case 410: return upload->is_resumed;
    default: return false;
    }
}

/* What was begun is forgotten when there is another group: it may as well be our key that is
 * refused, and what Vault has is not to be sent twice. */
static enum vault_state begin_anew(struct vault_upload *upload)
{
    upload->is_resumed = upload->was_closing = false;
    return STATE_GROUP;
}

static enum vault_state refuse(struct vault_upload *upload, const struct rest_answer *answer,
                               const char *what)
{
    return is_stale(upload, answer) ? begin_anew(upload) : fail(upload, answer, what);
}

static void forget_begun(struct vault_upload *upload)
{
    memcpy(upload->old_group, upload->plan->group, VAULT_ID_SIZE);
    for (size_t i = 0; i < upload->plan->count; i++) {
        upload->plan->files[i].id[0] = upload->plan->files[i].url[0] = '\0';
        upload->plan->files[i].is_whole = false;
    }
    upload->plan->is_closing = false;
    upload->at = 0;
}

/* An id goes into paths and lines; "." and ".." lead elsewhere. */
static bool take_id(const json_t *answer, const char *name, char out[VAULT_ID_SIZE])
{
    char id[VAULT_ID_SIZE];

    if (!rest_member(answer, name, id, sizeof(id)) || id[0] == '.' ||
        id[strspn(id, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_.")] != '\0')
        return false;
    memcpy(out, id, sizeof(id));
    return true;
}

/* ---- answers ---- */

static enum vault_state on_dropped(struct vault_upload *upload, const struct rest_answer *answer)
{
    (void)answer; /* best effort: an open group that nobody closes is Vault's to clear away */
    return next_file(upload);
}

static enum vault_state on_group(struct vault_upload *upload, const struct rest_answer *answer)
{
    char group[VAULT_ID_SIZE];

    if (answer->word != REST_OK)
        return fail(upload, answer, "a new group");
    if (!take_id(answer->body, "group_id", group))
        return fail_odd(upload, "a new group: the answer has no group_id");
    forget_begun(upload);
    memcpy(upload->plan->group, group, sizeof(group));
    return upload->old_group[0] != '\0' ? STATE_DROP : next_file(upload);
}

/* What is no object tells nothing of a file. */
static bool is_whole_by(const struct vault_upload *upload, const json_t *status)
{
    const json_t *size = json_object_get(status, "size");

    if (!json_is_object(status))
        return false;
    return !json_is_integer(size) ||
           (uint64_t)json_integer_value(size) == vault_file_at_hand(upload)->part->decoded_bytes;
}

/* Not one of which no more is known than that all its bytes came. */
static bool is_available(const json_t *status)
{
    const char *state = json_string_value(json_object_get(status, "processing_state"));

    return state == NULL || strcasecmp(state, "Available") == 0;
}

static enum vault_state on_checked(struct vault_upload *upload, const struct rest_answer *answer)
{
    if (answer->word == REST_OK && is_whole_by(upload, answer->body)) {
        const bool is_open = !is_available(answer->body);

        upload->is_by_status = is_open && !upload->is_refused;
        if (is_open)
            return upload->is_by_status ? STATE_WHOLE : next_chunk(upload);
        vault_file_at_hand(upload)->is_whole = true;
        return next_file(upload);
    }
    if (answer->word == REST_OK || answer->word == REST_NO)
        return next_chunk(upload);
    return refuse(upload, answer, "the state of a file");
}

static enum vault_state on_file(struct vault_upload *upload, const struct rest_answer *answer)
{
    struct vault_file *file = vault_file_at_hand(upload);

    if (answer->word != REST_OK)
        return refuse(upload, answer, "a new file");
    if (!take_id(answer->body, "file_id", file->id))
        return fail_odd(upload, "a new file: the answer has no file_id");
    return save_then(upload, next_chunk(upload));
}

static enum vault_state on_chunk(struct vault_upload *upload, const struct rest_answer *answer)
{
    if (answer->word != REST_OK)
        return refuse(upload, answer, "a file's content");
    upload->sent += upload->chunk_bytes;
    upload->chunk++;
    return next_chunk(upload);
}

static bool is_success(const json_t *answer)
{
    const char *result = json_string_value(json_object_get(answer, "result"));

    return result == NULL || strcasecmp(result, "success") == 0;
}

static enum vault_state on_whole(struct vault_upload *upload, const struct rest_answer *answer)
{
    const bool is_by_status = upload->is_by_status;

    upload->is_by_status = false;
    if (is_by_status && answer->word == REST_NO) {
        upload->is_refused = true; /* it may have been completed just now by who had it before us */
        return STATE_CHECK;
    }
    if (answer->word != REST_OK)
        return refuse(upload, answer, "the end of a file");
    if (!is_success(answer->body))
        return fail_odd(upload, "the end of a file: its result is no success");
    vault_file_at_hand(upload)->is_whole = true; /* should this be lost, its status tells */
    return next_file(upload);
}

static void take_links(struct vault_upload *upload, const json_t *answer)
{
    const json_t *list = json_object_get(answer, "files"), *entry;
    size_t at;

    json_array_foreach (list, at, entry) {
        char id[VAULT_ID_SIZE];

        if (!rest_member(entry, "file_id", id, sizeof(id)))
            continue;
        for (size_t i = 0; i < upload->plan->count; i++) {
            struct vault_file *file = &upload->plan->files[i];

            if (strcmp(file->id, id) == 0 &&
                !rest_member(entry, "file_url", file->url, VAULT_URL_SIZE))
                file->url[0] = '\0';
        }
    }
}

static enum vault_state succeed(struct vault_upload *upload, const struct rest_answer *answer)
{
    upload->plan->is_closed = true;
    upload->plan->is_closing = false;
    upload->result = (struct vault_result){ .word = REST_OK, .status = answer->status };
    return STATE_DONE;
}

static enum vault_state on_closed(struct vault_upload *upload, const struct rest_answer *answer)
{
    if (answer->word == REST_NO && (upload->was_closing || answer->http->is_on_fresh)) {
        upload->at = upload->plan->count - 1;
        return STATE_VERIFY;
    }
    if (answer->word == REST_NO || answer->word == REST_REFUSED)
        upload->plan->is_closing = false; /* it did not */
    if (answer->word != REST_OK)
        return refuse(upload, answer, "the end of the group");
    if (!json_is_object(answer->body)) /* it may be closed all the same: the next attempt asks */
        return fail_odd(upload, "the end of the group: the answer tells of no files");
    take_links(upload, answer->body);
    return succeed(upload, answer);
}

/* That it was closed already is as good: its links are lost, not its files. */
static enum vault_state on_verified(struct vault_upload *upload, const struct rest_answer *answer)
{
    if (answer->word != REST_OK)
        return refuse(upload, answer, "the end of the group");
    if (!json_is_object(answer->body))
        return fail_odd(upload, "the end of the group: the answer tells no state of a file");
    return is_available(answer->body) ? succeed(upload, answer) : begin_anew(upload);
}

/* ---- the table ---- */

static const struct row {
    const char *method, *path; /* NULL: nothing is asked */
    vault_headers *headers;
    enum vault_state (*answer)(struct vault_upload *, const struct rest_answer *);
} rows[STATE_COUNT] = {
    [STATE_GROUP] = { "GET", "/transfer", vault_group_headers, on_group },
    [STATE_DROP] = { "DELETE", "/transfer", vault_drop_headers, on_dropped },
    [STATE_CHECK] = { "GET", "/file/status/", vault_no_headers, on_checked },
    [STATE_FILE] = { "GET", "/transfer_file", vault_file_headers, on_file },
    [STATE_CHUNK] = { "PATCH", "/transfer_file", vault_chunk_headers, on_chunk },
    [STATE_WHOLE] = { "POST", "/transfer_file", vault_whole_headers, on_whole },
    [STATE_CLOSE] = { "POST", "/transfer", vault_close_headers, on_closed },
    [STATE_VERIFY] = { "GET", "/file/status/", vault_no_headers, on_verified },
    [STATE_SAVING] = { 0 },
    [STATE_DONE] = { 0 },
};

static void on_answer(const struct rest_answer *answer, void *arg)
{
    struct vault_upload *upload = arg;
    struct rest_answer page;

    if (answer->word == REST_OK && rest_is_page(answer->http)) {
        page = *answer;
        page.word = REST_FAILED;
        page.why = "it answered with a page for people";
        answer = &page;
    }
    if (answer->word == REST_SHORT)
        go(upload, fail(upload, answer, "our own trouble"));
    else
        go(upload, rows[upload->state].answer(upload, answer));
}

static int ask(struct vault_upload *upload, struct reason *why)
{
    const struct row *row = &rows[upload->state];
    const bool is_chunk = upload->state == STATE_CHUNK;
    struct rest_header headers[VAULT_HEADERS_MAX] = { { NULL, NULL, false } };
    struct vault_text text;
    char path[VAULT_ID_SIZE + 32];
    const struct http_source source = {
        .bytes = is_chunk ? upload->chunk_bytes : 0,
        .read = read_chunk,
        .rewind = rewind_chunk,
        .arg = upload,
    };
    const struct rest_call call = {
        .method = row->method,
        .path = path,
        .headers = headers,
        .source = is_chunk ? &source : NULL,
    };

    row->headers(upload, &text, headers);
    (void)snprintf(path, sizeof(path), "%s%s", row->path,
                   upload->state == STATE_CHECK || upload->state == STATE_VERIFY
                       ? vault_file_at_hand(upload)->id
                       : "");
    return rest_call(upload->client, &call, on_answer, upload, why);
}

static void go(struct vault_upload *upload, enum vault_state next)
{
    struct reason why = { "" };
    int err;

    upload->state = next;
    if (next == STATE_SAVING) {
        upload->ops->on_begun(upload->owner);
        return;
    }
    if (next == STATE_CHUNK)
        begin_chunk(upload);
    err = next != STATE_DONE ? ask(upload, &why) : 0;
    if (err < 0) {
        upload->state = STATE_DONE;
        upload->result = (struct vault_result){ .word = REST_SHORT };
        reason_format(&upload->why, "%s", why.text);
    }
    if (upload->state != STATE_DONE)
        return;
    upload->result.why = upload->why.text;
    upload->ops->on_done(&upload->result, upload->owner); /* last: it may free the upload */
}

/* ---- the whole ---- */

struct vault_upload *vault_upload_new(struct rest_client *client, struct vault_plan *plan,
                                      const struct vault_upload_ops *ops, void *owner)
{
    struct vault_upload *upload = calloc(1, sizeof(*upload));

    if (upload == NULL)
        return NULL;
    *upload = (struct vault_upload){ .client = client, .plan = plan, .ops = ops, .owner = owner };
    return upload;
}

void vault_upload_free(struct vault_upload **upload)
{
    free(*upload);
    *upload = NULL;
}

/* Something is asked first: nothing is told from inside the start. */
static enum vault_state resume(struct vault_upload *upload)
{
    size_t whole = 0;

    while (whole < upload->plan->count && upload->plan->files[whole].is_whole)
        whole++;
    if (whole == upload->plan->count && !upload->plan->is_closing)
        upload->plan->files[whole - 1].is_whole = false;
    return next_file(upload);
}

int vault_upload_start(struct vault_upload *upload, struct reason *reterr_why)
{
    upload->is_resumed = upload->plan->group[0] != '\0';
    upload->was_closing = upload->is_resumed && upload->plan->is_closing;
    upload->state = upload->is_resumed ? resume(upload) : STATE_GROUP;
    return ask(upload, reterr_why);
}

void vault_upload_go_on(struct vault_upload *upload)
{
    go(upload, upload->after_saving);
}
