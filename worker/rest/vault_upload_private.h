/* worker/rest/vault_upload_private.h: an upload, and the heads of its calls (vault_headers.c). */
#ifndef WORKER_REST_VAULT_UPLOAD_PRIVATE_H
#define WORKER_REST_VAULT_UPLOAD_PRIVATE_H

#include "worker/mime/reader.h"
#include "worker/rest/vault_upload.h"

enum vault_state {
    STATE_GROUP,
    STATE_DROP,  /* the group that cannot be gone on with, now that there is another */
    STATE_CHECK, /* a file that was begun before: is it whole? */
    STATE_FILE,
    STATE_CHUNK,
    STATE_WHOLE,
    STATE_CLOSE,
    STATE_VERIFY, /* a group that cannot be closed: is it for being closed already? */
    STATE_SAVING, /* waits for vault_upload_go_on() */
    STATE_DONE,
    STATE_COUNT
};

struct vault_upload {
    struct rest_client *client;
    struct vault_plan *plan;
    const struct vault_upload_ops *ops;
    void *owner;
    enum vault_state state, after_saving;
    size_t at;                     /* the file at hand */
    bool is_resumed;               /* the group was begun earlier: it may be begun anew, once */
    bool was_closing;              /* and it was asked to close then */
    char old_group[VAULT_ID_SIZE]; /* to be dropped */
    bool is_by_status;             /* only the file's status says that it may be whole */
    bool is_refused;               /* and it cannot be completed once more */
    uint64_t sent;                 /* bytes of it */
    size_t chunk;                  /* number of the one under way */
    struct mime_reader reader, chunk_start;
    uint64_t chunk_bytes, chunk_left;
    struct vault_result result;
    struct reason why;
};

static inline struct vault_file *vault_file_at_hand(const struct vault_upload *upload)
{
    return &upload->plan->files[upload->at];
}

#define VAULT_HEADERS_MAX 8

struct vault_text { /* what headers point to */
    char size[24], offset[24], checksum[33];
};

/* Up to the first without a name. */
typedef void vault_headers(const struct vault_upload *upload, struct vault_text *text,
                           struct rest_header out[VAULT_HEADERS_MAX]);

vault_headers vault_group_headers, vault_drop_headers, vault_file_headers, vault_chunk_headers,
    vault_whole_headers, vault_close_headers, vault_no_headers;

#endif
