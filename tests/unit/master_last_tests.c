/* What the last connection test saw, beside what this one sees (SP51). */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "master/control/last_tests.h"

static json_t *kept;

static void set_up(void)
{
    kept = json_object();
}

static void tear_down(void)
{
    json_decref(kept);
}

TestSuite(last_tests, .init = set_up, .fini = tear_down);

static json_t *server(const char *uri, int passed, const char *steps)
{
    json_error_t error;
    json_t *list = json_loads(steps, 0, &error);

    cr_assert_not_null(list, "%s", error.text);
    return json_pack("{s:s, s:b, s:o}", "server", uri, "passed", passed, "steps", list);
}

static json_t *take(uint32_t profile, const char *uri, int passed, const char *steps)
{
    json_t *one = server(uri, passed, steps);

    last_tests_take(kept, profile, one, 1764115200000);
    return one;
}

static void expect_changes(json_t *one, const char *expected)
{
    char *text = json_dumps(json_object_get(one, "changes"), JSON_COMPACT | JSON_SORT_KEYS);

    cr_expect_str_eq(text != NULL ? text : "none", expected);
    free(text);
    json_decref(one);
}

#define GREETED                                                        \
    "[{\"step\":\"connect\",\"result\":\"ok\",\"text\":\"10.0.0.1\"}," \
    "{\"step\":\"greeting\",\"result\":\"ok\",\"text\":\"id 17\"},"    \
    "{\"step\":\"ehlo\",\"result\":\"ok\",\"text\":\"offers SIZE\"}]"

Test(last_tests, SP51_the_first_is_compared_with_nothing)
{
    json_t *one = take(1, "smtp://a:25", 1, GREETED);

    cr_assert_null(json_object_get(one, "last"));
    expect_changes(one, "none");
}

Test(last_tests, SP51_ids_in_a_greeting_are_no_change_and_what_is_offered_is)
{
    json_t *one;

    json_decref(take(1, "smtp://a:25", 1, GREETED));
    one = take(1, "smtp://a:25", 1,
               "[{\"step\":\"connect\",\"result\":\"ok\",\"text\":\"10.0.0.2\"},"
               "{\"step\":\"greeting\",\"result\":\"ok\",\"text\":\"id 18\"},"
               "{\"step\":\"ehlo\",\"result\":\"ok\",\"text\":\"offers SIZE AUTH\"},"
               "{\"step\":\"ehlo\",\"result\":\"ok\",\"text\":\"offers SIZE\"}]");
    cr_assert_str_eq(json_string_value(json_object_get(json_object_get(one, "last"), "time")),
                     "2025-11-26T00:00:00.000Z");
    cr_assert(json_is_true(json_object_get(json_object_get(one, "last"), "passed")));
    expect_changes(one, "[{\"step\":\"ehlo\",\"was\":\"ok\",\"was_text\":\"offers SIZE\"},"
                        "{\"step\":\"ehlo\",\"was\":null}]");
}

Test(last_tests, SP51_a_step_that_fails_now_is_a_change)
{
    json_decref(take(1, "smtp://a:25", 1, GREETED));
    expect_changes(take(1, "smtp://a:25", 0,
                        "[{\"step\":\"connect\",\"result\":\"failed\",\"text\":\"refused\"}]"),
                   "[{\"step\":\"connect\",\"was\":\"ok\",\"was_text\":\"10.0.0.1\"}]");
    expect_changes(take(1, "smtp://a:25", 1, GREETED),
                   "[{\"step\":\"connect\",\"was\":\"failed\",\"was_text\":\"refused\"},"
                   "{\"step\":\"greeting\",\"was\":null},{\"step\":\"ehlo\",\"was\":null}]");
}

Test(last_tests, SP51_another_profile_or_server_has_its_own)
{
    json_decref(take(1, "smtp://a:25", 1, GREETED));
    expect_changes(take(2, "smtp://a:25", 0, "[]"), "none");
    expect_changes(take(1, "smtp://b:25", 0, "[]"), "none");
}

Test(last_tests, SP51_the_oldest_go_when_there_are_too_many)
{
    char uri[32];

    for (unsigned i = 0; i <= LAST_TESTS_MAX; i++) {
        (void)snprintf(uri, sizeof(uri), "smtp://s%u:25", i);
        json_decref(take(1, uri, 1, "[]"));
        if (i == 1)
            json_decref(take(1, "smtp://s0:25", 1, "[]")); /* not the oldest any more */
    }
    cr_assert_eq(json_object_size(kept), LAST_TESTS_MAX);
    cr_assert_not_null(json_object_get(kept, "1 smtp://s0:25"));
    cr_assert_null(json_object_get(kept, "1 smtp://s1:25"));
}
