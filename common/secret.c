#include "common/secret.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include "common/auto.h"

enum {
    NONCE = 12,
    TAG = 16,
    OVERHEAD = NONCE + TAG,
    BLOB_MAX = OVERHEAD + SECRET_MAX_BYTES,
    BASE64_MAX = (BLOB_MAX + 2) / 3 * 4 + 1,
    HEAD = 3 + 8 + 1, /* "v1:", the key's id in hex, ":" */
};

static void auto_cipher(EVP_CIPHER_CTX **cipher)
{
    EVP_CIPHER_CTX_free(*cipher);
}

int secret_key_make(struct secret_key *ret_key)
{
    do {
        if (RAND_bytes((unsigned char *)&ret_key->id, sizeof(ret_key->id)) != 1 ||
            RAND_bytes(ret_key->bytes, sizeof(ret_key->bytes)) != 1)
            return -EIO;
    } while (ret_key->id == 0);
    return 0;
}

static int encrypt(const struct secret_key *key, const char *place, const char *clear, size_t bytes,
                   unsigned char *blob)
{
    AUTO(cipher) EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    unsigned char *body = blob + NONCE, *tag = body + bytes;
    int n;

    if (cipher == NULL)
        return -ENOMEM;
    if (RAND_bytes(blob, NONCE) != 1 ||
        EVP_EncryptInit_ex(cipher, EVP_aes_256_gcm(), NULL, key->bytes, blob) != 1 ||
        EVP_EncryptUpdate(cipher, NULL, &n, (const unsigned char *)place, (int)strlen(place)) !=
            1 ||
        EVP_EncryptUpdate(cipher, body, &n, (const unsigned char *)clear, (int)bytes) != 1 ||
        EVP_EncryptFinal_ex(cipher, body + n, &n) != 1 ||
        EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_GCM_GET_TAG, TAG, tag) != 1)
        return -EIO;
    return 0;
}

int secret_seal(const struct secret_keys *keys, const char *place, const char *clear,
                char **ret_sealed)
{
    unsigned char blob[BLOB_MAX];
    char text[BASE64_MAX];
    size_t bytes = strlen(clear);
    int err;

    if (keys->count == 0)
        return -ENOKEY;
    if (bytes > SECRET_MAX_BYTES)
        return -E2BIG;
    err = encrypt(&keys->keys[0], place, clear, bytes, blob);
    if (err < 0)
        return err;
    (void)EVP_EncodeBlock((unsigned char *)text, blob, (int)(bytes + OVERHEAD));
    if (asprintf(ret_sealed, "v1:%08x:%s", keys->keys[0].id, text) < 0)
        return -ENOMEM;
    return 0;
}

uint32_t secret_key_id(const char *sealed)
{
    char digits[9];

    if (strlen(sealed) < HEAD || strncmp(sealed, "v1:", 3) != 0 || sealed[HEAD - 1] != ':')
        return 0;
    memcpy(digits, sealed + 3, 8);
    digits[8] = '\0';
    return strspn(digits, "0123456789abcdef") == 8 ? (uint32_t)strtoul(digits, NULL, 16) : 0;
}

static int decrypt(const struct secret_key *key, const char *place, unsigned char *blob,
                   size_t bytes, char *clear)
{
    AUTO(cipher) EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    size_t body = bytes - OVERHEAD;
    int n, last;

    if (cipher == NULL)
        return -ENOMEM;
    if (EVP_DecryptInit_ex(cipher, EVP_aes_256_gcm(), NULL, key->bytes, blob) != 1 ||
        EVP_DecryptUpdate(cipher, NULL, &n, (const unsigned char *)place, (int)strlen(place)) !=
            1 ||
        EVP_DecryptUpdate(cipher, (unsigned char *)clear, &n, blob + NONCE, (int)body) != 1 ||
        EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_GCM_SET_TAG, TAG, blob + NONCE + body) != 1 ||
        EVP_DecryptFinal_ex(cipher, (unsigned char *)clear + n, &last) != 1)
        return -EBADMSG;
    clear[n + last] = '\0';
    return 0;
}

/* EVP_DecodeBlock counts the padding as bytes; it is taken off here. */
static int decode(const char *text, unsigned char *blob, size_t *ret_bytes)
{
    size_t length = strlen(text);
    int n;

    if (length == 0 || length % 4 != 0 || length >= BASE64_MAX)
        return -EBADMSG;
    n = EVP_DecodeBlock(blob, (const unsigned char *)text, (int)length);
    if (n < 0)
        return -EBADMSG;
    n -= (text[length - 1] == '=') + (text[length - 2] == '=');
    if (n < OVERHEAD)
        return -EBADMSG;
    *ret_bytes = (size_t)n;
    return 0;
}

int secret_open(const struct secret_keys *keys, const char *place, const char *sealed,
                char **ret_clear, struct reason *reterr_why)
{
    unsigned char blob[BASE64_MAX];
    uint32_t id = secret_key_id(sealed);
    char *clear;
    size_t bytes;
    int err = -ENOKEY;

    if (id == 0 || decode(sealed + HEAD, blob, &bytes) < 0)
        return reason_set(reterr_why, -EBADMSG, "%s: not a sealed value", place);
    clear = calloc(1, SECRET_MAX_BYTES + 1);
    if (clear == NULL)
        return -ENOMEM;
    for (unsigned i = 0; i < keys->count && err == -ENOKEY; i++) {
        if (keys->keys[i].id == id)
            err = decrypt(&keys->keys[i], place, blob, bytes, clear);
    }
    if (err < 0) {
        /* What was decrypted and did not prove to be genuine is wiped like what did. */
        explicit_bzero(clear, SECRET_MAX_BYTES + 1);
        free(clear);
        return reason_set(reterr_why, err, "%s: sealed with key %08x, which %s", place, id,
                          err == -ENOKEY ? "is not in the key file" : "does not open it");
    }
    *ret_clear = clear;
    return 0;
}

void secret_free(char **clear)
{
    if (*clear == NULL)
        return;
    explicit_bzero(*clear, strlen(*clear));
    free(*clear);
    *clear = NULL;
}

void secret_wipe(void *bytes, size_t count)
{
    explicit_bzero(bytes, count);
}

void *secret_block_new(size_t bytes)
{
    return malloc(bytes);
}

void secret_block_free(void *block)
{
    if (block == NULL)
        return;
    explicit_bzero(block, malloc_usable_size(block));
    free(block);
}

/* Never in place: realloc() would leave a copy where it moved from. */
void *secret_block_resize(void *block, size_t bytes)
{
    size_t held = block != NULL ? malloc_usable_size(block) : 0;
    void *moved = malloc(bytes);

    if (moved == NULL)
        return NULL;
    if (held > 0)
        memcpy(moved, block, held < bytes ? held : bytes);
    secret_block_free(block);
    return moved;
}

void secret_guard_json(void)
{
    json_set_alloc_funcs(secret_block_new, secret_block_free);
}
