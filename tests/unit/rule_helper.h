/* tests/unit/rule_helper.h: rules from JSON, against three made-up profiles. */
#ifndef TESTS_RULE_HELPER_H
#define TESTS_RULE_HELPER_H

#include <errno.h>

#include "common/feature.h"
#include "common/rule.h"
#include "tests/unit/profile_helper.h"

static const struct {
    const char *name;
    uint32_t id;
    int type;
} known_profiles[] = {
    { "Exchange", 3, PROFILE_SMTP },
    { "Scanner", 5, PROFILE_CORE },
    { "Archive", 9, PROFILE_VAULT },
};

static char known_arg[] = "arg";

static inline int find_known(const char *name, uint32_t *ret_id, int *ret_type, void *arg)
{
    cr_assert_eq(arg, (void *)known_arg);
    for (size_t i = 0; i < ARRAY_LEN(known_profiles); i++) {
        if (strcmp(known_profiles[i].name, name) == 0) {
            *ret_id = known_profiles[i].id;
            *ret_type = known_profiles[i].type;
            return 0;
        }
    }
    return -ENOENT;
}

static inline const char *name_known(uint32_t id, void *arg)
{
    cr_assert_eq(arg, (void *)known_arg);
    for (size_t i = 0; i < ARRAY_LEN(known_profiles); i++) {
        if (known_profiles[i].id == id)
            return known_profiles[i].name;
    }
    return NULL;
}

/* The smallest rule, with further or other members. */
static inline json_t *rule_input(const char *more)
{
    json_t *input = json_of("{'name': 'r', 'relay': 'Exchange',"
                            "'match': {'recipients': ['*@example.net']}}");
    char text[4096];
    json_t *extra;

    cr_assert_lt(snprintf(text, sizeof(text), "{%.4000s}", more), 4000);
    extra = json_of(text);
    json_object_update(input, extra);
    json_decref(extra);
    return input;
}

static inline json_t *match_input(const char *match)
{
    char text[4096];

    cr_assert_lt(snprintf(text, sizeof(text), "'match': {%.3900s}", match), 3900);
    return rule_input(text);
}

/* Takes over `input`. */
static inline struct rule *accept_rule(json_t *input, json_t **ret_warnings)
{
    struct problems problems;
    struct rule *rule;

    cr_assert_eq(problems_init(&problems), 0);
    rule = rule_from_input(input, find_known, known_arg, &problems);
    if (rule == NULL) {
        print_list("input", input);
        print_list("errors", problems.errors);
        cr_assert_fail("refused");
    }
    if (ret_warnings != NULL)
        *ret_warnings = json_incref(problems.warnings);
    problems_done(&problems);
    json_decref(input);
    return rule;
}

/* Takes over `input`. Exactly one error. */
static inline void refuse_rule(json_t *input, const char *property, const char *allowed,
                               const char *problem)
{
    struct problems problems;
    struct rule *rule;
    const json_t *entry;

    cr_assert_eq(problems_init(&problems), 0);
    rule = rule_from_input(input, find_known, known_arg, &problems);
    entry = find_entry(problems.errors, property);
    if (rule != NULL || entry == NULL || json_array_size(problems.errors) != 1 ||
        (allowed != NULL && strstr(entry_text(entry, "allowed"), allowed) == NULL) ||
        (problem != NULL && strstr(entry_text(entry, "problem"), problem) == NULL)) {
        print_list("input", input);
        print_list("errors", problems.errors);
        cr_expect_fail("expected one error for %s (allowed \"%s\", problem \"%s\")", property,
                       allowed != NULL ? allowed : "", problem != NULL ? problem : "");
    }
    rule_free(&rule);
    problems_done(&problems);
    json_decref(input);
}

#endif
