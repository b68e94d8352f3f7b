/* tests/unit/profile_helper.h: JSON with single quotes in, a profile or its problems out. */
#ifndef TESTS_PROFILE_HELPER_H
#define TESTS_PROFILE_HELPER_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "common/auto.h"
#include "common/feature.h"
#include "common/profile.h"

/* {'a': 'b'} reads better in C than {\"a\": \"b\"}. */
static inline json_t *json_of(const char *quoted)
{
    char *text = strdup(quoted);
    json_error_t error;
    json_t *json;

    for (char *p = text; *p != '\0'; p++)
        *p = *p == '\'' ? '"' : *p;
    json = json_loads(text, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    cr_assert_not_null(json, "%s: %s", text, error.text);
    free(text);
    return json;
}

/* The smallest profile of each type, with further properties. */
static inline json_t *input_of(const char *type, const char *more)
{
    char text[4096];
    const char *base = strcmp(type, "smtp") == 0   ? "'servers': ['10.0.0.1']"
                       : strcmp(type, "core") == 0 ? "'servers': ['10.0.0.1']"
                                                   : "'servers': ['10.0.0.1'], 'api_key': 'k'";
    json_t *input, *extra;

    (void)snprintf(text, sizeof(text), "{'name': 'p', 'type': '%s', %s}", type, base);
    input = json_of(text);
    (void)snprintf(text, sizeof(text), "{%s}", more);
    extra = json_of(text);
    json_object_update(input, extra);
    json_decref(extra);
    return input;
}

static inline void print_list(const char *what, const json_t *list)
{
    char *text = json_dumps(list, 0);

    fprintf(stderr, "%s: %s\n", what, text);
    free(text);
}

/* Takes over `input`; a profile is expected. The warnings go to *ret_warnings if not NULL. */
static inline struct profile *accept_profile(json_t *input, const struct profile *stored,
                                             json_t **ret_warnings)
{
    struct problems problems;
    struct profile *profile;

    cr_assert_eq(problems_init(&problems), 0);
    profile = profile_from_input(input, stored, &problems);
    if (profile == NULL) {
        print_list("input", input);
        print_list("errors", problems.errors);
        cr_assert_fail("refused");
    }
    if (ret_warnings != NULL)
        *ret_warnings = json_incref(problems.warnings);
    problems_done(&problems);
    json_decref(input);
    return profile;
}

static inline const json_t *find_entry(const json_t *list, const char *property)
{
    const json_t *entry;
    size_t i;

    json_array_foreach ((json_t *)list, i, entry) {
        if (strcmp(json_string_value(json_object_get(entry, "property")), property) == 0)
            return entry;
    }
    return NULL;
}

static inline const char *entry_text(const json_t *entry, const char *key)
{
    const char *text = json_string_value(json_object_get(entry, key));

    return text != NULL ? text : "";
}

/* Takes over `input`. Exactly one error: for `property`, whose `allowed` and `problem` hold these
 * words (NULL: not looked at). */
static inline void refuse_profile(json_t *input, const struct profile *stored, const char *property,
                                  const char *allowed, const char *problem)
{
    struct problems problems;
    struct profile *profile;
    const json_t *entry;

    cr_assert_eq(problems_init(&problems), 0);
    profile = profile_from_input(input, stored, &problems);
    entry = find_entry(problems.errors, property);
    if (profile != NULL || entry == NULL || json_array_size(problems.errors) != 1 ||
        (allowed != NULL && strstr(entry_text(entry, "allowed"), allowed) == NULL) ||
        (problem != NULL && strstr(entry_text(entry, "problem"), problem) == NULL)) {
        print_list("input", input);
        print_list("errors", problems.errors);
        cr_expect_fail("expected one error for %s (allowed \"%s\", problem \"%s\")", property,
                       allowed != NULL ? allowed : "", problem != NULL ? problem : "");
    }
    profile_free(&profile);
    problems_done(&problems);
    json_decref(input);
}

#endif
