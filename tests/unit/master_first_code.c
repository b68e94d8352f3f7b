/* The code of the first start, and the cookie of a session: texts from outside. */
#include <criterion/criterion.h>

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "master/control/cookie.h"
#include "master/control/first_code.h"

/* ---- the code ---- */

Test(first_code, OP04_has_20_characters_that_are_not_mistaken_for_each_other)
{
    struct first_code code, other;
    char text[FIRST_CODE_TEXT_SIZE], next[FIRST_CODE_TEXT_SIZE];

    cr_assert_eq(first_code_make(&code, text), 0);
    cr_assert_eq(strlen(text), 23);
    for (unsigned i = 0; i < 23; i++) {
        if (i % 6 == 5)
            cr_assert_eq(text[i], '-');
        else
            cr_assert_not_null(strchr("0123456789ABCDEFGHJKMNPQRSTVWXYZ", text[i]), "%s", text);
    }
    cr_assert_eq(first_code_make(&other, next), 0);
    cr_assert_str_neq(text, next);
    cr_assert(first_code_is(&code, text));
    cr_assert_not(first_code_is(&code, next));
    cr_assert_not(first_code_is(&other, text));
}

Test(first_code, OP04_is_taken_as_people_type_it)
{
    struct first_code code = { .is_set = true };
    cr_assert_eq(token_digest("0123456789ABCDEFGHJK", &code.digest), 0);
    cr_assert(first_code_is(&code, "01234-56789-ABCDE-FGHJK"));
    cr_assert(first_code_is(&code, " o1234 56789 abcde-fghjk "));
    cr_assert(first_code_is(&code, "0l23456789abcdefghjk"));
    cr_assert(first_code_is(&code, "OI23456789abcdefghjk"));
    cr_assert_not(first_code_is(&code, "01234-56789-ABCDE-FGHJ"));
    cr_assert_not(first_code_is(&code, "01234-56789-ABCDE-FGHJKK"));
    cr_assert_not(first_code_is(&code, "01234-56789-ABCDE-FGHJK0123456789"));
    cr_assert_not(first_code_is(&code, "01234.56789-ABCDE-FGHJK"));
    cr_assert_not(first_code_is(&code, ""));
}

Test(first_code, OP04_none_is_none)
{
    struct first_code code;
    char text[FIRST_CODE_TEXT_SIZE];

    cr_assert_eq(first_code_make(&code, text), 0);
    code.is_set = false;
    cr_assert_not(first_code_is(&code, text));
    first_code_clear(&code);
    cr_assert_not(first_code_is(&code, text));
    cr_assert_not(first_code_is(&code, ""));
}

/* ---- the cookie ---- */

#define TOKEN "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNO-_"

static void expect(const char *header, bool is_plain, const char *wanted)
{
    char token[RANDOM_TOKEN_SIZE];
    bool is_there = cookie_token(header, is_plain, token);

    cr_assert_eq(is_there, wanted != NULL, "%s", header);
    if (wanted != NULL)
        cr_assert_str_eq(token, wanted);
}

Test(cookie, OP04_is_found_between_others)
{
    expect("__Host-postern=" TOKEN, false, TOKEN);
    expect("a=b; __Host-postern=" TOKEN "; c=d", false, TOKEN);
    expect("a=b;__Host-postern=" TOKEN ";", false, TOKEN);
    expect("postern=" TOKEN, true, TOKEN);
    expect("postern=x; __Host-postern=" TOKEN, false, TOKEN);
}

Test(cookie, OP04_what_is_not_ours_is_none)
{
    expect(NULL, false, NULL);
    expect("", false, NULL);
    expect(";;; ;", false, NULL);
    expect("__Host-postern", false, NULL);
    expect("__Host-postern=", false, NULL);
    expect("__Host-postern=short", false, NULL);
    expect("__Host-postern=" TOKEN "x", false, NULL);
    expect("__Host-postern=\"" TOKEN "\"", false, NULL);
    expect("x__Host-postern=" TOKEN, false, NULL);
    expect("__Host-postern2=" TOKEN, false, NULL);
    expect("__host-postern=" TOKEN, false, NULL);
    expect("a=__Host-postern=" TOKEN, false, NULL);
    /* A host beside ours, or a page in clear, may set this one: with TLS it is nobody's. */
    expect("postern=" TOKEN, false, NULL);
    expect("__Host-postern=" TOKEN, true, NULL);
}

Test(cookie, OP04_two_are_none)
{
    expect("__Host-postern=" TOKEN "; __Host-postern=" TOKEN, false, NULL);
    expect("__Host-postern=x; __Host-postern=" TOKEN, false, NULL);
}

Test(cookie, OP04_is_set_so_that_no_script_and_no_other_site_has_it)
{
    char text[COOKIE_SIZE];

    cookie_text(TOKEN, false, text);
    cr_assert_str_eq(text, "__Host-postern=" TOKEN "; Path=/; Secure; HttpOnly; SameSite=Strict");
    cookie_text(TOKEN, true, text);
    cr_assert_str_eq(text, "postern=" TOKEN "; Path=/; HttpOnly; SameSite=Strict");
    cookie_text(NULL, false, text);
    cr_assert_str_eq(text, "__Host-postern=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0");
}
