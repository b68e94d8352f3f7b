#include "common/problem.h"

#include <string.h>

#include <criterion/criterion.h>

static const char *entry(const json_t *list, size_t i, const char *key)
{
    return json_string_value(json_object_get(json_array_get(list, i), key));
}

Test(problem, SP50_every_mistake_is_kept_with_property_value_problem_allowed)
{
    struct problems problems;
    json_t *value = json_integer(1000);

    cr_assert_eq(problems_init(&problems), 0);
    cr_expect_not(problems_any(&problems));
    warning_add(&problems, "pool.expiry", NULL, NULL, "too %s", "long");
    cr_expect_not(problems_any(&problems), "a warning does not block");
    problem_add(&problems, "pool.size", value, "1 to 999", "is %d too large", 1);
    problem_add(&problems, "nmae", NULL, NULL, "unknown");
    json_decref(value);
    cr_expect(problems_any(&problems));
    cr_expect_eq(json_array_size(problems.errors), 2);
    cr_expect_str_eq(entry(problems.errors, 0, "property"), "pool.size");
    cr_expect_str_eq(entry(problems.errors, 0, "problem"), "is 1 too large");
    cr_expect_str_eq(entry(problems.errors, 0, "allowed"), "1 to 999");
    cr_expect_eq(json_integer_value(json_object_get(json_array_get(problems.errors, 0), "value")),
                 1000);
    cr_expect_null(json_object_get(json_array_get(problems.errors, 1), "value"));
    cr_expect_str_eq(entry(problems.warnings, 0, "problem"), "too long");
    problems_done(&problems);
}

Test(problem, long_values_are_cut_between_characters)
{
    struct problems problems;
    char text[302] = "x";
    json_t *value;

    for (size_t i = 1; i < 301; i += 2)
        memcpy(text + i, "\xc3\xa4", 3);
    value = json_string(text);
    cr_assert_eq(problems_init(&problems), 0);
    problem_add(&problems, text, value, NULL, "%s", text);
    cr_expect_eq(strlen(entry(problems.errors, 0, "value")), 199);
    cr_expect_eq(strlen(entry(problems.errors, 0, "property")), 199);
    json_decref(value);
    problem_add(&problems, "\xff", NULL, NULL, "x");
    cr_expect_str_eq(entry(problems.errors, 1, "property"), "(not UTF-8)");
    problems_done(&problems);
}

/* A quote that is missing in a file lets a password stand where the error is. */
Test(problem, SP60_what_is_no_json_is_not_quoted)
{
    static const struct {
        const char *text, *problem;
    } rows[] = {
        { "{\"password\": \"hunter2", "premature end of input" },
        { "{\"password\": \"hunter2\n\"}", "unexpected newline" },
        { "{\"password\": hunter2}", "invalid token" },
        { "{\"password\": \"\", \"hunter2\"}", "':' expected" },
        { "{\"hunter2\": 1, \"hunter2\": 2}", "duplicate object key" },
        { "", "'[' or '{' expected near end of file" },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        json_error_t error;

        cr_assert_null(json_loads(rows[i].text, JSON_REJECT_DUPLICATES, &error));
        cr_expect_str_eq(problem_of_json(&error), rows[i].problem);
    }
}

Test(problem, SP60_what_lists_and_objects_hold_is_not_shown)
{
    struct problems problems;
    json_t *object = json_pack("{s:s}", "password", "hunter2"), *list = json_pack("[s]", "hunter2");

    cr_assert_eq(problems_init(&problems), 0);
    problem_add(&problems, "a", object, NULL, "x");
    problem_add(&problems, "b", list, NULL, "x");
    cr_expect_str_eq(entry(problems.errors, 0, "value"), "(object)");
    cr_expect_str_eq(entry(problems.errors, 1, "value"), "(list)");
    json_decref(object);
    json_decref(list);
    problems_done(&problems);
}

Test(problem, an_answer_is_bounded)
{
    struct problems problems;

    cr_assert_eq(problems_init(&problems), 0);
    for (int i = 0; i < 1000; i++)
        problem_add(&problems, "x", NULL, NULL, "y");
    cr_expect_eq(json_array_size(problems.errors), 200);
    cr_expect(problems_any(&problems));
    problems_done(&problems);
}
