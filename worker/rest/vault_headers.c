/* What is said in the head of each call. */
#include <inttypes.h>
#include <stdio.h>

#include "worker/mime/part.h"
#include "worker/rest/vault_upload_private.h"

static const char *checksum_text(const struct vault_upload *upload, char out[33])
{
    const struct mime_part *part = vault_file_at_hand(upload)->part;

    out[0] = '\0';
    for (unsigned i = 0; upload->chunk < part->md5_count && i < 16; i++)
        (void)snprintf(out + (size_t)i * 2, 3, "%02x", part->md5[upload->chunk][i]);
    return out;
}

void vault_group_headers(const struct vault_upload *upload, struct vault_text *text,
                         struct rest_header out[VAULT_HEADERS_MAX])
{
    (void)text;
    out[0] = (struct rest_header){ "share_with", upload->plan->share_with, false };
}

void vault_drop_headers(const struct vault_upload *upload, struct vault_text *text,
                        struct rest_header out[VAULT_HEADERS_MAX])
{
    (void)text;
    out[0] = (struct rest_header){ "group_id", upload->old_group, false };
}

void vault_file_headers(const struct vault_upload *upload, struct vault_text *text,
                        struct rest_header out[VAULT_HEADERS_MAX])
{
    const struct mime_part *part = vault_file_at_hand(upload)->part;

    (void)snprintf(text->size, sizeof(text->size), "%" PRIu64, part->decoded_bytes);
    out[0] = (struct rest_header){ "transfer_method", "Chunk", false };
    out[1] = (struct rest_header){ "group_id", upload->plan->group, false };
    out[2] = (struct rest_header){ "file_size", text->size, false };
    out[3] = (struct rest_header){ "file_name", part->name, true };
}

void vault_chunk_headers(const struct vault_upload *upload, struct vault_text *text,
                         struct rest_header out[VAULT_HEADERS_MAX])
{
    (void)snprintf(text->offset, sizeof(text->offset), "%" PRIu64, upload->sent);
    out[0] = (struct rest_header){ "group_id", upload->plan->group, false };
    out[1] = (struct rest_header){ "file_id", vault_file_at_hand(upload)->id, false };
    out[2] = (struct rest_header){ "chunk_offset", text->offset, false };
    out[3] = (struct rest_header){ "chunk_checksum", checksum_text(upload, text->checksum), false };
}

void vault_whole_headers(const struct vault_upload *upload, struct vault_text *text,
                         struct rest_header out[VAULT_HEADERS_MAX])
{
    (void)text;
    out[0] = (struct rest_header){ "group_id", upload->plan->group, false };
    out[1] = (struct rest_header){ "file_id", vault_file_at_hand(upload)->id, false };
}

void vault_close_headers(const struct vault_upload *upload, struct vault_text *text,
                         struct rest_header out[VAULT_HEADERS_MAX])
{
    (void)text;
    out[0] = (struct rest_header){ "group_id", upload->plan->group, false };
    out[1] = (struct rest_header){ "expires_after", upload->plan->expires, false };
}

void vault_no_headers(const struct vault_upload *upload, struct vault_text *text,
                      struct rest_header out[VAULT_HEADERS_MAX])
{
    (void)upload;
    (void)text;
    (void)out;
}
