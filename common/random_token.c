#include "common/random_token.h"

#include <errno.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#define TOKEN_BYTES 32

int random_bytes(void *out, size_t count)
{
    return RAND_bytes(out, (int)count) == 1 ? 0 : -EIO;
}

/* Base64url without padding (RFC 4648, section 5). */
static void encode(const unsigned char *bytes, size_t count, char *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    unsigned held = 0, bits = 0;

    for (size_t i = 0; i < count; i++) {
        held = held << 8 | bytes[i];
        for (bits += 8; bits >= 6; bits -= 6)
            *out++ = digits[held >> (bits - 6) & 63];
    }
    if (bits > 0)
        *out++ = digits[held << (6 - bits) & 63];
    *out = '\0';
}

int random_token(char out[RANDOM_TOKEN_SIZE])
{
    unsigned char bytes[TOKEN_BYTES];
    int err = random_bytes(bytes, sizeof(bytes));

    if (err == 0)
        encode(bytes, sizeof(bytes), out);
    OPENSSL_cleanse(bytes, sizeof(bytes));
    return err;
}

int token_digest(const char *token, struct token_digest *ret_digest)
{
    size_t bytes = sizeof(ret_digest->bytes);

    return EVP_Q_digest(NULL, "SHA256", NULL, token, strlen(token), ret_digest->bytes, &bytes) == 1
               ? 0
               : -EIO;
}

bool token_digest_equal(const struct token_digest *a, const struct token_digest *b)
{
    return CRYPTO_memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

bool text_equal_constant_time(const char *a, const char *b)
{
    size_t length = strlen(a);

    return length == strlen(b) && CRYPTO_memcmp(a, b, length) == 0;
}
