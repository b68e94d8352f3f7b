/* worker/rest/vault_upload.h: a message's attachments to a Vault (VA01 to VA04).
 *
 *   GROUP -> for each file: FILE -> CHUNK ... -> WHOLE -> CLOSE
 *
 * A group is what Vault calls one transfer, here of one message. Its id and those of its files are
 * Vault's; they are told to the owner as they come, who keeps them before a byte of the file
 * leaves, so that whoever takes over, after a failure or a crash, asks for the state of what was
 * begun (CHECK) and sends only what is missing. That CLOSE is about to be asked is kept likewise:
 * only of a group whose CLOSE may have come before does a refusal leave open whether it is closed.
 * A group that Vault does not know any more, or that belongs to another key, is begun anew, once.
 *
 * What is not confirmed of the API is decided here and nowhere else (vault_upload.c, above the
 * table). The upload knows nothing of jobs and logs nothing. */
#ifndef WORKER_REST_VAULT_UPLOAD_H
#define WORKER_REST_VAULT_UPLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "common/reason.h"
#include "worker/rest/client.h"

struct mime_part;
struct vault_upload;

#define VAULT_ID_SIZE  128
#define VAULT_URL_SIZE 512

struct vault_file {
    const struct mime_part *part; /* the owner's */
    char id[VAULT_ID_SIZE];       /* "": not begun */
    char url[VAULT_URL_SIZE];     /* where people find it, "": not known */
    bool is_whole;                /* Vault has it, and has said so */
};

struct vault_plan {
    const char *body; /* of the message, that the parts lie in */
    struct vault_file *files;
    size_t count;              /* at least one */
    uint64_t chunk_bytes;      /* of each but the last; a part has a checksum for each, or none */
    char group[VAULT_ID_SIZE]; /* "": not begun */
    bool is_closing;           /* it was asked to, and it is not known whether it did */
    bool is_closed;            /* and nothing is left to do */
    const char *expires;       /* "dd:hh:mm:ss", NULL: Vault's default */
    const char *share_with;    /* users, with commas, NULL: nobody */
};

struct vault_result {
    enum rest_word word; /* REST_OK: all of it is there */
    long status;
    const char *why; /* for people */
};

struct vault_upload_ops {
    /* The plan has a new id, or is_closing: keep it, then vault_upload_go_on(); or free the upload,
     * if it cannot be kept. */
    void (*on_begun)(void *owner);
    /* Last: it may free the upload. Never from inside a call. */
    void (*on_done)(const struct vault_result *result, void *owner);
};

/* Borrows all of it, and writes into the plan. The client is its own until it is done. NULL: no
 * memory. */
struct vault_upload *vault_upload_new(struct rest_client *client, struct vault_plan *plan,
                                      const struct vault_upload_ops *ops, void *owner);
/* Also in the middle; before the client goes. NULL inside is allowed. */
void vault_upload_free(struct vault_upload **upload);

/* 0, or a negative errno with the reason: it could not even begin. */
int vault_upload_start(struct vault_upload *upload, struct reason *reterr_why);
void vault_upload_go_on(struct vault_upload *upload);

#endif
