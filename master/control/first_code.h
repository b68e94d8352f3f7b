/* master/control/first_code.h: the code with which the first account is made in the console.
 *
 * While there is no account, whoever can read the log may make one: 20 characters of Crockford's
 * base32 (100 random bits), new at each start, in memory as a digest only, gone with the first
 * account. */
#ifndef MASTER_CONTROL_FIRST_CODE_H
#define MASTER_CONTROL_FIRST_CODE_H

#include <stdbool.h>

#include "common/random_token.h"

#define FIRST_CODE_TEXT_SIZE 24 /* "XXXXX-XXXXX-XXXXX-XXXXX" and the NUL */

struct first_code {
    bool is_set;
    struct token_digest digest;
};

/* A new one takes the place of the old. 0 or -EIO: then there is none. */
int first_code_make(struct first_code *code, char out[FIRST_CODE_TEXT_SIZE]);
void first_code_clear(struct first_code *code);

/* In any case, with or without hyphens and blanks, and with the letters that are taken for digits
 * (O for 0, I and L for 1). In constant time. */
bool first_code_is(const struct first_code *code, const char *typed);

#endif
