/* What may be in an account: names, roles, passwords. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "master/account.h"

static struct problems problems;

static void start(void)
{
    cr_assert_eq(problems_init(&problems), 0);
}

static void stop(void)
{
    problems_done(&problems);
}

TestSuite(account, .init = start, .fini = stop);

/* The problem with `property`, "" if there is none. */
static const char *problem_with(const char *property)
{
    const json_t *entry;
    size_t i;

    json_array_foreach (problems.errors, i, entry) {
        if (strcmp(json_string_value(json_object_get(entry, "property")), property) == 0)
            return json_string_value(json_object_get(entry, "problem"));
    }
    return "";
}

static bool takes_password(const char *name, const char *password)
{
    char out[ACCOUNT_PASSWORD_SIZE];
    json_t *input = json_pack("{ss}", "new", password);
    bool is_good = account_read_password(input, "new", name, out, &problems);

    cr_assert_eq(is_good, *problem_with("new") == '\0');
    json_array_clear(problems.errors);
    json_decref(input);
    return is_good;
}

Test(account, OP04_a_password_needs_its_length_and_nothing_else)
{
    char text[600] = "";

    cr_assert(takes_password("alice", "correct horse battery"));
    cr_assert(takes_password("alice", "zk4-vbp-9wx-q"));
    cr_assert_not(takes_password("alice", "zk4vbp9wxq7"), "11 characters");
    cr_assert(takes_password("alice", "zk4vbp9wxq7t"));
    cr_assert_not(takes_password("alice", ""));
    /* Characters count, not bytes. */
    cr_assert_not(takes_password("alice", "\xc3\xa4zk4vbp9wxq"));
    cr_assert(takes_password("alice", "\xc3\xa4zk4vbp9wxq7"));
    for (unsigned i = 0; i < 511; i++)
        text[i] = "zk4vbp9wxq7"[i % 11];
    cr_assert(takes_password("alice", text));
    strcat(text, "x");
    cr_assert_not(takes_password("alice", text), "crypt(3) takes no more than 511 bytes");
}

Test(account, OP04_a_password_is_not_one_that_everybody_tries_first)
{
    static const char *const obvious[] = {
        "alicealicealice", "ALICE-alice-1", "password1234", "PasswordPassword", "postern-2026",
        "Administrator1",  "aaaaaaaaaaaa",  "123456789012", "abcdefghijkl",     "qwertyuiop123",
        "letmein123456",   "changeme1234",  "adminadmin12",
    };

    for (size_t i = 0; i < sizeof(obvious) / sizeof(obvious[0]); i++)
        cr_assert_not(takes_password("Alice", obvious[i]), "%s", obvious[i]);
    cr_assert(takes_password("bob", "alice-and-carol"), "another's name is a word like any");
    cr_assert(takes_password("a", "aabacadaeaxa"), "a name of one letter is in every password");
    cr_assert(takes_password(NULL, "correct horse battery"));
}

Test(account, OP04_a_password_that_is_none_is_not_repeated)
{
    char out[ACCOUNT_PASSWORD_SIZE];
    json_t *input = json_pack("{ss si}", "a", "hunter2", "b", 7);
    char *told;

    cr_assert_not(account_read_password(input, "a", "x", out, &problems));
    cr_assert_not(account_read_password(input, "b", "x", out, &problems));
    cr_assert_not(account_read_password(input, "c", "x", out, &problems));
    cr_assert_str_eq(problem_with("a"), "is too short");
    cr_assert_str_eq(problem_with("b"), "must be a text");
    cr_assert_str_eq(problem_with("c"), "is missing");
    told = json_dumps(problems.errors, 0);
    cr_assert_null(strstr(told, "hunter2"));
    free(told);
    json_decref(input);
}

Test(account, a_password_is_the_same_however_it_was_composed)
{
    char a[ACCOUNT_PASSWORD_SIZE], b[ACCOUNT_PASSWORD_SIZE];
    json_t *input =
        json_pack("{ss ss}", "a", "B\xc3\xbcroklammer 77", "b", "Bu\xcc\x88roklammer 77");

    cr_assert(account_read_password(input, "a", "x", a, &problems));
    cr_assert(account_read_password(input, "b", "x", b, &problems));
    cr_assert_str_eq(a, b);
    json_decref(input);
}

static void expect_name(const char *typed, const char *wanted)
{
    json_t *input = json_pack("{ss}", "name", typed);
    char *name = account_read_name(input, &problems);

    if (wanted != NULL)
        cr_assert(name != NULL && strcmp(name, wanted) == 0, "%s: %s", typed, name);
    else
        cr_assert(name == NULL && *problem_with("name") != '\0', "%s", typed);
    json_array_clear(problems.errors);
    json_decref(input);
    free(name);
}

Test(account, names_have_1_to_64_characters)
{
    char text[256] = "";

    expect_name(" Alice  ", "Alice");
    expect_name("", NULL);
    expect_name("a\tb", NULL);
    for (unsigned i = 0; i < 64; i++)
        strcat(text, "\xc3\xa4");
    expect_name(text, text);
    strcat(text, "x");
    expect_name(text, NULL);
}

Test(account, members_that_are_missing_or_unknown)
{
    static const char *const members[] = { "name", NULL };
    json_t *input = json_pack("{ss}", "passwort", "hunter2");
    enum account_role role;
    char *told;

    cr_assert_null(account_read_name(input, &problems));
    cr_assert_not(account_read_role(input, &role, &problems));
    account_refuse_unknown(input, members, &problems);
    cr_assert_str_eq(problem_with("name"), "is missing");
    cr_assert_str_eq(problem_with("role"), "is missing");
    cr_assert_str_eq(problem_with("passwort"), "is not known");
    told = json_dumps(problems.errors, 0);
    cr_assert_null(strstr(told, "hunter2"), "it may be a password under a wrong name");
    free(told);
    json_decref(input);
}

Test(account, a_record_reads_back_and_a_broken_one_is_refused)
{
    struct account *account = account_new("\xc3\x84nne", ACCOUNT_ADMIN, "$y$x"), *again = NULL;
    struct reason why = { "" };
    json_t *record, *shown;

    account->id = 7;
    account->version = 9;
    account->created_ms = 1;
    account->changed_ms = 2;
    account->last_login_ms = 3;
    record = account_to_record(account, 1);
    cr_assert_eq(account_from_record(record, &again, &why), 0, "%s", why.text);
    cr_assert_str_eq(again->name, "\xc3\x84nne");
    cr_assert_str_eq(again->key, "\xc3\xa4nne");
    cr_assert_str_eq(again->hash, "$y$x");
    cr_assert(again->id == 7 && again->version == 9 && again->role == ACCOUNT_ADMIN);
    cr_assert(again->created_ms == 1 && again->changed_ms == 2 && again->last_login_ms == 3);
    shown = account_to_json(again);
    cr_assert_eq(json_object_size(shown), 7);
    cr_assert_null(json_object_get(shown, "hash"));
    json_decref(shown);
    account_free(&again);
    json_object_set_new(record, "role", json_string("owner"));
    cr_assert_lt(account_from_record(record, &again, &why), 0);
    json_object_set_new(record, "role", json_string("admin"));
    json_object_set_new(record, "colour", json_string("red"));
    cr_assert_lt(account_from_record(record, &again, &why), 0);
    json_object_del(record, "colour");
    json_object_set_new(record, "id", json_integer(0));
    cr_assert_lt(account_from_record(record, &again, &why), 0);
    json_decref(record);
    account_free(&account);
}
