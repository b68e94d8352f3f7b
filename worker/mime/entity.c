#include "worker/mime/entity.h"

#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <gmime/gmime.h>

#include "common/auto.h"
#include "worker/mime/header.h"
#include "worker/mime/name.h"
#include "worker/mime/params.h"
#include "worker/mime/words.h"

#define SUBJECT_MAX 4096 /* of it makes a name */

static pthread_once_t once = PTHREAD_ONCE_INIT;

/* A field in one line, of valid UTF-8. NULL: no memory. */
static char *unfolded(const struct mime_span *field, size_t max)
{
    const size_t bytes = field->bytes < max ? field->bytes : max;
    AUTO(free) char *text = malloc(bytes + 1);
    size_t used = 0;

    if (text == NULL)
        return NULL;
    for (size_t i = 0; i < bytes; i++)
        if (field->at[i] != '\r' && field->at[i] != '\n' && field->at[i] != '\0')
            text[used++] = field->at[i];
    text[used] = '\0';
    return mime_name_utf8(text);
}

static bool is_token(char c)
{
    return isalnum((unsigned char)c) || (c != '\0' && strchr("!#$&^_.+-", c) != NULL);
}

/* False: it is longer, or of other bytes, than a type has. */
static bool take_type(const char *major, const char *minor, char *ret_type)
{
    const size_t first = strlen(major), second = strlen(minor);

    if (first == 0 || second == 0 || first + 1 + second > MIME_TYPE_MAX)
        return false;
    memcpy(ret_type, major, first);
    ret_type[first] = '/';
    memcpy(ret_type + first + 1, minor, second + 1);
    for (size_t i = 0; ret_type[i] != '\0'; i++) {
        if (i != first && !is_token(ret_type[i]))
            return false;
        ret_type[i] = (char)tolower((unsigned char)ret_type[i]);
    }
    return true;
}

static void swap_bytes(char *text, char from, char to)
{
    for (; *text != '\0'; text++)
        if (*text == from)
            *text = to;
}

/* A boundary counts byte by byte, but GMime decodes what looks like RFC 2047 in any parameter. Such
 * words begin with "=?"; so there is no question mark while GMime looks. */
static int take_boundary(const char *field, char **ret_boundary)
{
    AUTO(free) char *masked = strdup(field);
    AUTO(free) char *boundary = NULL;
    GMimeContentType *type;
    const char *found;
    size_t bytes;

    if (masked == NULL)
        return -ENOMEM;
    swap_bytes(masked, '?', '\1');
    type = g_mime_content_type_parse(NULL, masked);
    found = g_mime_content_type_get_parameter(type, "boundary");
    boundary = strdup(found != NULL ? found : "");
    g_object_unref(type);
    if (boundary == NULL)
        return -ENOMEM;
    swap_bytes(boundary, '\1', '?');
    bytes = strlen(boundary);
    while (bytes > 0 && isspace((unsigned char)boundary[bytes - 1]))
        boundary[--bytes] = '\0';
    if (bytes > 0)
        *ret_boundary = TAKE_PTR(boundary);
    return 0;
}

static int take_name(const char *found, char **ret_name)
{
    if (found == NULL || found[0] == '\0' || *ret_name != NULL)
        return 0;
    *ret_name = strdup(found);
    return *ret_name != NULL ? 0 : -ENOMEM;
}

static int read_disposition(const char *field, struct mime_entity *entity)
{
    AUTO(free) char *quoted = mime_words_quoted(field);
    GMimeContentDisposition *disposition;
    const char *word;
    int err;

    if (quoted == NULL)
        return -ENOMEM;
    disposition = g_mime_content_disposition_parse(NULL, quoted);
    word = g_mime_content_disposition_get_disposition(disposition);
    err =
        take_name(g_mime_content_disposition_get_parameter(disposition, "filename"), &entity->name);
    /* What nobody knows is an attachment (RFC 2183, 2.8). */
    if (word != NULL && word[0] != '\0')
        entity->disposition = strcasecmp(word, "inline") == 0 ? MIME_INLINE : MIME_ATTACHED;
    g_object_unref(disposition);
    return err;
}

/* Whether there is a type at all. What is none GMime calls application/octet-stream, but RFC 2045,
 * 5.2 calls it text. */
static bool has_type(const char *field)
{
    return field[strcspn(field, "/;")] == '/';
}

static int read_type(const char *field, struct mime_entity *entity)
{
    AUTO(free) char *quoted = mime_words_quoted(field);
    GMimeContentType *type;
    int err;

    if (quoted == NULL)
        return -ENOMEM;
    if (!has_type(field))
        return 0;
    type = g_mime_content_type_parse(NULL, quoted);
    if (!take_type(g_mime_content_type_get_media_type(type),
                   g_mime_content_type_get_media_subtype(type), entity->type))
        memcpy(entity->type, "application/octet-stream", sizeof("application/octet-stream"));
    err = take_name(g_mime_content_type_get_parameter(type, "name"), &entity->name);
    g_object_unref(type);
    if (err == 0 && strncmp(entity->type, "multipart/", 10) == 0)
        err = take_boundary(field, &entity->boundary);
    return err;
}

static enum mime_encoding encoding_of(const char *field)
{
    switch (g_mime_content_encoding_from_string(field)) {
    case GMIME_CONTENT_ENCODING_BASE64: return MIME_BASE64;
    case GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE: return MIME_QUOTED_PRINTABLE;
    case GMIME_CONTENT_ENCODING_UUENCODE: return MIME_UUENCODE;
    case GMIME_CONTENT_ENCODING_DEFAULT:
    case GMIME_CONTENT_ENCODING_7BIT:
    case GMIME_CONTENT_ENCODING_8BIT:
    case GMIME_CONTENT_ENCODING_BINARY: break;
    }
    return MIME_IDENTITY;
}

static int read_field(enum mime_field which, const char *text, struct mime_entity *entity)
{
    switch (which) {
    case MIME_FIELD_DISPOSITION: return read_disposition(text, entity);
    case MIME_FIELD_TYPE: return read_type(text, entity);
    case MIME_FIELD_ENCODING: entity->encoding = encoding_of(text); return 0;
    case MIME_FIELD_ID:
    case MIME_FIELD_SUBJECT:
    case MIME_FIELD_COUNT: break;
    }
    return 0;
}

int mime_entity_read(const struct mime_header *header, struct mime_entity *ret_entity,
                     struct reason *reterr_why)
{
    /* A file name is looked for in the disposition first. */
    static const enum mime_field order[] = { MIME_FIELD_DISPOSITION, MIME_FIELD_TYPE,
                                             MIME_FIELD_ENCODING };
    int err = 0;

    pthread_once(&once, g_mime_init);
    *ret_entity = (struct mime_entity){ .type = "text/plain" };
    ret_entity->has_type = header->fields[MIME_FIELD_TYPE].at != NULL;
    ret_entity->has_id = header->fields[MIME_FIELD_ID].at != NULL;
    for (size_t i = 0; i < ARRAY_LEN(order) && err == 0; i++) {
        const struct mime_span *field = &header->fields[order[i]];
        AUTO(free) char *text = NULL;
        AUTO(free) char *tidy = NULL;

        if (field->at == NULL)
            continue;
        if (field->bytes > MIME_FIELD_MAX)
            return reason_set(reterr_why, -E2BIG, "a header field of more than %d KiB",
                              MIME_FIELD_MAX >> 10);
        text = unfolded(field, MIME_FIELD_MAX);
        tidy = text != NULL ? mime_params_tidy(text) : NULL;
        err = tidy != NULL ? read_field(order[i], tidy, ret_entity) : -ENOMEM;
    }
    return err < 0 ? reason_set(reterr_why, err, "out of memory") : 0;
}

void mime_entity_done(struct mime_entity *entity)
{
    free(entity->boundary);
    free(entity->name);
    *entity = (struct mime_entity){ 0 };
}

int mime_entity_subject(const struct mime_header *header, char **ret_subject)
{
    const struct mime_span *field = &header->fields[MIME_FIELD_SUBJECT];
    AUTO(free) char *text = NULL;
    AUTO(free) char *quoted = NULL;
    char *decoded;

    if (field->at == NULL)
        return -ENOENT;
    pthread_once(&once, g_mime_init);
    text = unfolded(field, SUBJECT_MAX);
    quoted = text != NULL ? mime_words_quoted(text) : NULL;
    if (quoted == NULL)
        return -ENOMEM;
    decoded = g_mime_utils_header_decode_text(NULL, quoted);
    *ret_subject = strdup(decoded);
    g_free(decoded);
    return *ret_subject != NULL ? 0 : -ENOMEM;
}
