#include "master/control/first_code.h"

#include <ctype.h>
#include <string.h>

#include "common/secret.h"

#define CHARS 20
#define GROUP 5

static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

int first_code_make(struct first_code *code, char out[FIRST_CODE_TEXT_SIZE])
{
    unsigned char random[CHARS];
    char plain[CHARS + 1] = "";
    int err = random_bytes(random, sizeof(random));

    *code = (struct first_code){ 0 };
    if (err < 0)
        return err;
    for (unsigned i = 0; i < CHARS; i++) {
        plain[i] = alphabet[random[i] % 32]; /* 256 is a multiple: none comes up more often */
        if (i > 0 && i % GROUP == 0)
            *out++ = '-';
        *out++ = plain[i];
    }
    *out = '\0';
    err = token_digest(plain, &code->digest);
    code->is_set = err == 0;
    secret_wipe(plain, sizeof(plain));
    secret_wipe(random, sizeof(random));
    return err;
}

void first_code_clear(struct first_code *code)
{
    secret_wipe(code, sizeof(*code));
}

static char plain_char(char c)
{
    switch (toupper((unsigned char)c)) {
    case 'O': return '0';
    case 'I':
    case 'L': return '1';
    default: return (char)toupper((unsigned char)c);
    }
}

bool first_code_is(const struct first_code *code, const char *typed)
{
    char plain[CHARS + 2] = ""; /* one more: what is too long is not cut to the right length */
    struct token_digest digest;
    unsigned count = 0;
    bool is_equal;

    for (; *typed != '\0' && count <= CHARS; typed++) {
        if (*typed != '-' && *typed != ' ')
            plain[count++] = plain_char(*typed);
    }
    is_equal = token_digest(plain, &digest) == 0 && token_digest_equal(&digest, &code->digest);
    secret_wipe(plain, sizeof(plain));
    return is_equal && code->is_set;
}
