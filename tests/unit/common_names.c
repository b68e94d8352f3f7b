#include "common/names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "common/auto.h"

static void expect_clean(const char *typed, const char *clean)
{
    struct reason why = { "" };
    char *name = names_clean(typed, &why);

    if (clean == NULL) {
        cr_expect_null(name, "\"%s\" passed", typed);
        cr_expect_neq(why.text[0], '\0');
    } else {
        cr_expect(name != NULL && strcmp(name, clean) == 0, "\"%s\" became \"%s\": %s", typed,
                  name != NULL ? name : "(refused)", why.text);
    }
    free(name);
}

Test(names, SP02_blanks_controls_and_form)
{
    expect_clean("Exchange", "Exchange");
    expect_clean("  two words  ", "two words");
    expect_clean("\xc2\xa0no-break\xe3\x80\x80", "no-break");
    expect_clean("", NULL);
    expect_clean("   ", NULL);
    expect_clean("\xc2\xa0", NULL);
    expect_clean("a\tb", NULL);
    expect_clean("a\n", NULL);
    expect_clean("a\x7f", NULL);
    expect_clean("a\xc2\x85", NULL);           /* C1 */
    expect_clean("a\xe2\x80\xa8", NULL);       /* line separator */
    expect_clean("\xe2\x80\xaegnp.exe", NULL); /* overrides the direction of writing */
    expect_clean("a\xe2\x81\xa6z", NULL);      /* isolates */
    expect_clean("\xd7\xa9\xd7\x9c\xe2\x80\x8f a", "\xd7\xa9\xd7\x9c\xe2\x80\x8f a"); /* a mark */
    expect_clean("a\xff", NULL);
    expect_clean("a\xc3", NULL);
    expect_clean("Bu\xcc\x88ro", "B\xc3\xbcro"); /* decomposed becomes NFC */
}

Test(names, SP02_length_counts_characters)
{
    char text[2 * 129 + 3] = "";

    for (int i = 0; i < 128; i++)
        strcat(text, "\xc3\xa4");
    expect_clean(text, text);
    strcat(text, "x");
    expect_clean(text, NULL);
    text[256] = ' '; /* the 129th is a blank, and goes */
    {
        char *clean = names_clean(text, NULL);

        cr_assert_not_null(clean);
        cr_expect_eq(strlen(clean), 256);
        free(clean);
    }
}

Test(names, SP02_compared_in_nfc_and_case_folded)
{
    static const char *const alike[][2] = {
        { "Exchange", "eXCHANGE" },
        { "B\xc3\xbcro", "BU\xcc\x88RO" },
        { "stra\xc3\x9f"
          "e",
          "STRASSE" },
        { "\xce\xa3\xce\xaf\xcf\x83\xcf\x85\xcf\x86\xce\xbf\xcf\x82",
          "\xce\xa3\xce\x8a\xce\xa3\xce\xa5\xce\xa6\xce\x9f\xce\xa3" },
        { " a ", "a" },
    };
    char *a, *b;

    for (size_t i = 0; i < ARRAY_LEN(alike); i++) {
        a = names_key(alike[i][0]);
        b = names_key(alike[i][1]);
        cr_expect_str_eq(a, b, "\"%s\" and \"%s\"", alike[i][0], alike[i][1]);
        free(a);
        free(b);
    }
    a = names_key("a");
    b = names_key("\xc3\xa4");
    cr_expect_str_neq(a, b);
    free(a);
    free(b);
    cr_expect_null(names_key("\xff"));
}

Test(names, a_secret_is_composed_and_its_characters_are_counted)
{
    char out[16];

    cr_assert_eq(names_compose("Bu\xcc\x88ro", false, out, sizeof(out)), 4);
    cr_assert_str_eq(out, "B\xc3\xbcro");
    cr_assert_eq(names_compose("  a B ", false, out, sizeof(out)), 6);
    cr_assert_str_eq(out, "  a B ");
    cr_assert_eq(names_compose("STRA\xc3\x9f"
                               "E",
                               true, out, sizeof(out)),
                 7);
    cr_assert_str_eq(out, "strasse");
    cr_assert_eq(names_compose("", false, out, sizeof(out)), 0);
    cr_assert_str_eq(out, "");
    cr_assert_eq(names_compose("a\xff", false, out, sizeof(out)), -EINVAL);
    cr_assert_eq(names_compose("123456789012345", false, out, sizeof(out)), 15);
    cr_assert_eq(names_compose("1234567890123456", false, out, sizeof(out)), -E2BIG);
}

Test(names, a_secret_longer_than_any_is_none)
{
    char *text = malloc(1 << 20), out[16];

    memset(text, 'a', (1 << 20) - 1);
    text[(1 << 20) - 1] = '\0';
    cr_assert_eq(names_compose(text, false, out, sizeof(out)), -E2BIG);
    free(text);
}
