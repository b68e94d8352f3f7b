#include <criterion/criterion.h>

#include <string.h>

#include "common/random_token.h"

Test(random_token, has_43_characters_of_base64url_and_is_another_each_time)
{
    char token[RANDOM_TOKEN_SIZE], before[RANDOM_TOKEN_SIZE] = "";
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    unsigned seen[64] = { 0 };

    for (unsigned i = 0; i < 1000; i++) {
        cr_assert_eq(random_token(token), 0);
        cr_assert_eq(strlen(token), 43);
        cr_assert_eq(strspn(token, digits), 43, "%s", token);
        cr_assert_str_neq(token, before);
        /* 256 bits fill 42 characters and four bits of the last. */
        cr_assert_eq((strchr(digits, token[42]) - digits) % 4, 0, "%s", token);
        for (unsigned c = 0; c < 42; c++)
            seen[strchr(digits, token[c]) - digits]++;
        strcpy(before, token);
    }
    for (unsigned i = 0; i < 64; i++) /* 656 on average; 10 sigma are 250 */
        cr_assert(seen[i] > 400 && seen[i] < 912, "%c came %u times", digits[i], seen[i]);
}

Test(random_token, a_digest_is_that_of_its_token)
{
    struct token_digest a, b;
    /* FIPS 180-2, B.1 */
    static const unsigned char abc[] = { 0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea };

    cr_assert_eq(token_digest("abc", &a), 0);
    cr_assert_arr_eq(a.bytes, abc, sizeof(abc));
    cr_assert_eq(token_digest("abc", &b), 0);
    cr_assert(token_digest_equal(&a, &b));
    b.bytes[TOKEN_DIGEST_SIZE - 1] ^= 1;
    cr_assert_not(token_digest_equal(&a, &b));
    cr_assert_eq(token_digest("abd", &b), 0);
    cr_assert_not(token_digest_equal(&a, &b));
}

Test(random_token, texts_are_equal_when_every_byte_is)
{
    cr_assert(text_equal_constant_time("abc", "abc"));
    cr_assert(text_equal_constant_time("", ""));
    cr_assert_not(text_equal_constant_time("abc", "abd"));
    cr_assert_not(text_equal_constant_time("abc", "ab"));
    cr_assert_not(text_equal_constant_time("ab", "abc"));
}
