/* Text is read as JSON and taken for a profile, a rule, a record of each and a set of rules. What
 * is accepted must survive its record, and what is shown must be accepted again. What is no JSON is
 * taken for two addresses, a line each, and matched against a set. */
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/profile.h"
#include "common/rule.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int find_profile(const char *name, uint32_t *ret_id, int *ret_type, void *arg)
{
    (void)arg;
    *ret_id = 1 + (unsigned char)name[0] % 3U;
    *ret_type = (unsigned char)name[0] % 3;
    return name[0] == '\0' ? -1 : 0;
}

static const char *name_profile(uint32_t id, void *arg)
{
    static const char *const names[] = { "c", "a", "b" }; /* 'c' % 3 is 0 */

    (void)arg;
    return names[(id - 1) % 3];
}

static void expect(int holds)
{
    if (!holds)
        abort();
}

static void try_profile(const json_t *json, const struct profile *stored)
{
    struct problems problems;
    struct profile *profile, *again = NULL;
    json_t *record, *shown, *second;

    expect(problems_init(&problems) == 0);
    profile = profile_from_input(json, stored, &problems);
    expect((profile == NULL) == problems_any(&problems));
    if (profile != NULL) {
        record = profile_to_json(profile, PROFILE_FORM_WORKER);
        expect(profile_from_record(record, &again, NULL) == 0);
        second = profile_to_json(again, PROFILE_FORM_WORKER);
        expect(json_equal(record, second));
        profile_free(&again);
        shown = profile_to_json(profile, PROFILE_FORM_SHOWN);
        again = profile_from_input(shown, profile, &problems);
        expect(again != NULL);
        profile_free(&again);
        json_decref(record);
        json_decref(second);
        json_decref(shown);
    }
    profile_free(&profile);
    problems_done(&problems);
}

static void try_rule(const json_t *json)
{
    struct problems problems;
    struct rule *rule, *again = NULL;
    json_t *record, *second, *shown;

    expect(problems_init(&problems) == 0);
    rule = rule_from_input(json, find_profile, NULL, &problems);
    expect((rule == NULL) == problems_any(&problems));
    if (rule != NULL) {
        record = rule_to_record(rule);
        expect(rule_from_record(record, &again, NULL) == 0);
        second = rule_to_record(again);
        expect(json_equal(record, second));
        rule_free(&again);
        shown = rule_to_shown(rule, name_profile, NULL);
        again = rule_from_input(shown, find_profile, NULL, &problems);
        expect(again != NULL);
        rule_free(&again);
        json_decref(record);
        json_decref(second);
        json_decref(shown);
    }
    rule_free(&rule);
    problems_done(&problems);
}

static struct profile *make_stored(void)
{
    struct problems problems;
    struct profile *stored;
    json_t *json =
        json_pack("{s:s, s:s, s:[s], s:s, s:s, s:s}", "name", "p", "type", "smtp", "servers", "a",
                  "username", "u", "password", "secret", "encryption", "starttls_optional");

    expect(problems_init(&problems) == 0);
    stored = profile_from_input(json, NULL, &problems);
    problems_done(&problems);
    json_decref(json);
    return stored;
}

static void try_record(const json_t *json)
{
    struct profile *profile;
    struct rule *rule;
    struct rule_set *set;
    struct reason why;

    if (profile_from_record(json, &profile, &why) == 0)
        profile_free(&profile);
    if (rule_from_record(json, &rule, &why) == 0)
        rule_free(&rule);
    if (rule_set_from_json(json, &set, &why) == 0)
        rule_set_free(&set);
}

static void try_match(const uint8_t *data, size_t size)
{
    struct rule_pattern patterns[] = { { .local = (char *)(uintptr_t) "user" },
                                       { .domain = (char *)(uintptr_t) "example.net" },
                                       { .is_null_sender = true } };
    struct rule_network everybody = { .prefix = 0 };
    struct rule rule = { .id = 1,
                         .enabled = true,
                         .clients = &everybody,
                         .client_count = 1,
                         .senders = patterns,
                         .sender_count = 3,
                         .recipients = patterns,
                         .recipient_count = 2 };
    struct rule *rules[] = { &rule };
    struct rule_set set = { .rules = rules, .count = 1, .enabled_count = 1 };
    struct sockaddr_in6 client = { .sin6_family = AF_INET6 };
    const struct rule *found = NULL;
    char *text = malloc(size + 1), *second;

    expect(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    second = strchr(text, '\n');
    if (second != NULL)
        *second++ = '\0';
    (void)rule_set_match(&set, (struct sockaddr *)(void *)&client, text,
                         second != NULL ? second : "user@x", &found);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct profile *stored;
    json_t *json = json_loadb((const char *)data, size, JSON_ALLOW_NUL | JSON_DECODE_ANY, NULL);

    if (stored == NULL)
        stored = make_stored();
    if (json == NULL) {
        try_match(data, size);
        return 0;
    }
    try_profile(json, NULL);
    try_profile(json, stored);
    try_rule(json);
    try_record(json);
    json_decref(json);
    return 0;
}
