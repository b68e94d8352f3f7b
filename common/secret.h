/* common/secret.h: sealing of secrets at rest (SP61).
 *
 * AES-256-GCM with a fresh nonce; what the secret is for (profile id and property) is bound in as
 * associated data, so that a sealed value moved to another place does not open. The text form is
 * "v1:<key id>:<base64 of nonce, ciphertext, tag>". */
#ifndef COMMON_SECRET_H
#define COMMON_SECRET_H

#include <stddef.h>
#include <stdint.h>

#include "common/reason.h"

#define SECRET_KEY_BYTES 32
#define SECRET_MAX_BYTES 512 /* of a secret in clear */
#define SECRET_KEYS_MAX  2   /* two while a rotation is under way */

struct secret_key {
    uint32_t id; /* never 0 */
    unsigned char bytes[SECRET_KEY_BYTES];
};

/* The first seals; each opens what names it. */
struct secret_keys {
    struct secret_key keys[SECRET_KEYS_MAX];
    unsigned count;
};

/* A fresh key with a random id. 0 or -EIO. */
int secret_key_make(struct secret_key *ret_key);

/* `place` is "<profile id>/<property>". The result is free()d by the caller. */
int secret_seal(const struct secret_keys *keys, const char *place, const char *clear,
                char **ret_sealed);

/* -ENOKEY: sealed with a key that is not among these; -EBADMSG: not a sealed value, or not of this
 * place. The result goes to secret_free(). */
int secret_open(const struct secret_keys *keys, const char *place, const char *sealed,
                char **ret_clear, struct reason *reterr_why);

/* The id of the key a sealed value names; 0 if it is none. */
uint32_t secret_key_id(const char *sealed);

/* malloc() and its kin, but what is given back is wiped: for libraries that secrets pass through.
 */
void *secret_block_new(size_t bytes);
void *secret_block_resize(void *block, size_t bytes);
void secret_block_free(void *block);

/* From now on jansson wipes what it frees: requests and records hold secrets for a while. What it
 * gave out (json_dumps) is still free()d as before. For the start of a process. */
void secret_guard_json(void);

/* Wipes, then frees; NULL inside is allowed. */
void secret_free(char **clear);
void secret_wipe(void *bytes, size_t count);

#endif
