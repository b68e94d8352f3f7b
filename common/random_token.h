/* common/random_token.h: random tokens that open something, and what may be kept of them.
 *
 * A token has 256 random bits, written in base64url. Whoever gives tokens out keeps digests only,
 * so that what is read in its memory opens nothing; a token has too many bits for its digest to
 * need a salt. Comparing takes the same time wherever two differ. */
#ifndef COMMON_RANDOM_TOKEN_H
#define COMMON_RANDOM_TOKEN_H

#include <stdbool.h>
#include <stddef.h>

#define RANDOM_TOKEN_SIZE 44 /* 43 characters and the NUL */
#define TOKEN_DIGEST_SIZE 32 /* SHA-256 */

struct token_digest {
    unsigned char bytes[TOKEN_DIGEST_SIZE];
};

/* From the system's generator. 0 or -EIO. */
int random_bytes(void *out, size_t count);
int random_token(char out[RANDOM_TOKEN_SIZE]);

/* 0 or -EIO. */
int token_digest(const char *token, struct token_digest *ret_digest);

bool token_digest_equal(const struct token_digest *a, const struct token_digest *b);

/* Of two texts; how long they are may show. */
bool text_equal_constant_time(const char *a, const char *b);

#endif
