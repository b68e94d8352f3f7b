/* The three JSON forms, and what comes back from them. */
#include "tests/unit/profile_helper.h"

#include <errno.h>

#include "common/feature.h"
#include "common/probe_step.h"
#include "common/property.h"

#define OAUTH                                                                           \
    "'oauth': {'grant': 'refresh_token', 'client_id': 'c', 'client_secret': 'hunter1'," \
    "'refresh_token': 'hunter2', 'token_url': 'https://t/', 'user': 'u'}"

static const struct {
    const char *type, *more;
} profiles[] = {
    { "smtp", "" },
    { "smtp", "'username': 'u', 'password': 'hunter2', 'pool': {'enabled': true, 'size': 5},"
              "'servers': ['smtps://b\xc3\xbc"
              "cher.example', '[::1]:26'], 'preference': 'round_robin',"
              "'encryption': 'starttls_required', 'client_certificate': true,"
              "'retry': {'factor': 1.5}, 'source_address': '::1', 'ehlo_name': 'gw'" },
    { "smtp", OAUTH },
    { "core", "'link_base': 'https://core/', 'api_key': 'hunter2'" },
    { "vault", "'api_key': 'hunter2', 'verify_certificate': false" },
};

static char *dump(json_t *json)
{
    char *text = json_dumps(json, JSON_SORT_KEYS);

    cr_assert_not_null(text);
    json_decref(json);
    return text;
}

Test(profile_json, SP60_only_the_workers_form_holds_secrets)
{
    for (size_t i = 0; i < ARRAY_LEN(profiles); i++) {
        struct profile *p =
            accept_profile(input_of(profiles[i].type, profiles[i].more), NULL, NULL);
        char *shown = dump(profile_to_json(p, PROFILE_FORM_SHOWN));
        char *record = dump(profile_to_json(p, PROFILE_FORM_RECORD));
        char *worker = dump(profile_to_json(p, PROFILE_FORM_WORKER));

        cr_expect_null(strstr(shown, "hunter"), "%s", shown);
        cr_expect_null(strstr(record, "hunter"), "%s", record);
        cr_expect_eq(strstr(worker, "hunter2") != NULL, i > 0);
        free(shown);
        free(record);
        free(worker);
        profile_free(&p);
    }
}

Test(profile_json, SP60_reading_shows_that_a_secret_is_set)
{
    struct profile *p =
        accept_profile(input_of("smtp", "'username': 'u', 'password': 'p'"), NULL, NULL);
    json_t *shown = profile_to_json(p, PROFILE_FORM_SHOWN);

    cr_expect(json_is_true(json_object_get(shown, "password_set")));
    cr_expect_null(json_object_get(shown, "api_key_set"));
    cr_expect(json_is_null(json_object_get(shown, "oauth")));
    json_decref(shown);
    profile_free(&p);
    p = accept_profile(input_of("smtp", OAUTH), NULL, NULL);
    shown = profile_to_json(p, PROFILE_FORM_SHOWN);
    cr_expect(json_is_false(json_object_get(shown, "password_set")));
    cr_expect(json_is_true(property_value(shown, "oauth.client_secret_set")));
    cr_expect(json_is_true(property_value(shown, "oauth.refresh_token_set")));
    json_decref(shown);
    profile_free(&p);
}

Test(profile_json, SP16_servers_are_shown_normalised_and_names_as_typed)
{
    struct profile *p = accept_profile(input_of("smtp", "'servers': ['B\xc3\x9c"
                                                        "cher.example', '10.0.0.10']"),
                                       NULL, NULL);
    json_t *shown = profile_to_json(p, PROFILE_FORM_SHOWN), *list;

    list = json_object_get(shown, "servers");
    cr_expect_str_eq(json_string_value(json_array_get(list, 0)), "smtp://b\xc3\xbc"
                                                                 "cher.example:25");
    cr_expect_str_eq(json_string_value(json_array_get(list, 1)), "smtp://10.0.0.10:25");
    cr_expect_str_eq(p->servers[0].text, "smtp://xn--bcher-kva.example:25");
    json_decref(shown);
    profile_free(&p);
}

Test(profile_json, design7_what_is_shown_can_be_put_again)
{
    for (size_t i = 0; i < ARRAY_LEN(profiles); i++) {
        struct profile *p =
            accept_profile(input_of(profiles[i].type, profiles[i].more), NULL, NULL);
        struct profile *again;
        char *before, *after;

        p->id = 7;
        p->version = 3;
        again = accept_profile(profile_to_json(p, PROFILE_FORM_SHOWN), p, NULL);
        before = dump(profile_to_json(p, PROFILE_FORM_WORKER));
        after = dump(profile_to_json(again, PROFILE_FORM_WORKER));
        cr_expect_str_eq(before, after);
        free(before);
        free(after);
        profile_free(&p);
        profile_free(&again);
    }
}

Test(profile_json, records_come_back_as_they_went)
{
    static const enum profile_form forms[] = { PROFILE_FORM_RECORD, PROFILE_FORM_WORKER };

    for (size_t i = 0; i < ARRAY_LEN(profiles) * 2; i++) {
        struct profile *p =
            accept_profile(input_of(profiles[i / 2].type, profiles[i / 2].more), NULL, NULL);
        struct profile *again = NULL;
        struct reason why = { "" };
        json_t *record;
        char *before, *after;

        p->id = 4000000000U;
        p->version = 123456789012ULL;
        p->incomplete = i % 4 == 0;
        record = profile_to_json(p, forms[i % 2]);
        json_object_set_new(record, "sealed", json_object());
        cr_assert_eq(profile_from_record(record, &again, &why), 0, "%s", why.text);
        json_decref(record);
        before = dump(profile_to_json(p, forms[i % 2]));
        after = dump(profile_to_json(again, forms[i % 2]));
        cr_expect_str_eq(before, after);
        cr_expect_arr_eq(p->secret_set, again->secret_set, sizeof(p->secret_set));
        cr_expect_eq(p->max_connections, again->max_connections);
        free(before);
        free(after);
        profile_free(&p);
        profile_free(&again);
    }
}

static void expect_bad_record(const char *change, const char *words)
{
    struct profile *p = accept_profile(input_of("smtp", ""), NULL, NULL), *again = NULL;
    json_t *record = profile_to_json(p, PROFILE_FORM_RECORD), *changed = json_of(change);
    struct reason why = { "" };
    const char *key;
    json_t *value;

    json_object_foreach (changed, key, value) {
        if (json_is_string(value) && strcmp(json_string_value(value), "-") == 0)
            json_object_del(record, key);
        else
            json_object_set(record, key, value);
    }
    cr_expect_eq(profile_from_record(record, &again, &why), -EBADMSG, "%s", change);
    cr_expect_null(again);
    cr_expect(strstr(why.text, words) != NULL, "%s: \"%s\" lacks \"%s\"", change, why.text, words);
    json_decref(record);
    json_decref(changed);
    profile_free(&p);
}

Test(profile_json, OP09_a_record_of_another_format_is_refused)
{
    expect_bad_record("{'v': 2}", "format 2");
    expect_bad_record("{'v': '-'}", "format");
    expect_bad_record("{'v': '1'}", "format");
    expect_bad_record("{'encryption': '-'}", "encryption is missing");
    expect_bad_record("{'encryption': 'quantum'}", "encryption");
    expect_bad_record("{'pool': '-'}", "pool");
    expect_bad_record("{'pool': {'enabled': true, 'size': 1}}", "pool.expiry is missing");
    expect_bad_record("{'dane': true}", "dane");
    expect_bad_record("{'servers': []}", "servers");
    expect_bad_record("{'servers': ['smtp://a']}", "servers[0]");
    expect_bad_record("{'servers': [{'uri': 'http://a', 'host_shown': 'a'}]}", "servers[0]");
    expect_bad_record("{'id': -1}", "id");
    expect_bad_record("{'id': 4294967296}", "id");
    expect_bad_record("{'name': '-'}", "name");
    expect_bad_record("{'type': 'lmtp'}", "type");
    expect_bad_record("{'password_set': '-'}", "password_set");
    expect_bad_record("{'password': 'p'}", "password");
}

/* ---- OP09 ---- */

static bool lists(const json_t *names, const char *name)
{
    for (size_t i = 0; i < json_array_size(names); i++) {
        if (strcmp(json_string_value(json_array_get(names, i)), name) == 0)
            return true;
    }
    return false;
}

Test(profile_json, OP09_what_is_not_in_effect_is_listed)
{
    static const struct {
        const char *type, *more, *name;
        enum feature feature;
    } rows[] = {
        { "smtp", "'encryption': 'starttls_optional'", "encryption", FEATURE_STARTTLS },
        { "smtp", "'encryption': 'starttls_required'", "encryption", FEATURE_STARTTLS },
        { "smtp", "'servers': ['a', 'smtps://b']", "servers[1]", FEATURE_SMTPS },
        { "smtp", "'username': 'u', 'password': 'p'", "username", FEATURE_CREDENTIALS },
        { "smtp", OAUTH, "oauth.grant", FEATURE_OAUTH },
        { "smtp", "'client_certificate': true", "client_certificate", FEATURE_CLIENT_CERTIFICATE },
        { "smtp", "'verify_certificate': false", "verify_certificate", FEATURE_STARTTLS },
        { "smtp", "", "max_connections", FEATURE_MAX_CONNECTIONS },
        { "smtp", "'max_lifetime': 270", "max_lifetime", FEATURE_MAX_LIFETIME },
        { "smtp", "'max_messages': 9", "max_messages", FEATURE_MAX_MESSAGES },
        { "smtp", "'pool': {'enabled': true}", "pool.enabled", FEATURE_POOL },
        { "smtp", "", "retry.warn", FEATURE_RETRY_WARN },
        { "core", "", "type", FEATURE_CORE },
        { "vault", "", "type", FEATURE_VAULT },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct profile *p = accept_profile(input_of(rows[i].type, rows[i].more), NULL, NULL);
        json_t *shown = profile_to_json(p, PROFILE_FORM_SHOWN);

        cr_expect_eq(lists(json_object_get(shown, "not_in_effect"), rows[i].name),
                     !features[rows[i].feature].is_built, "row %zu: %s", i, rows[i].name);
        json_decref(shown);
        profile_free(&p);
    }
    {
        struct profile *p = accept_profile(
            input_of("smtp", "'max_connections': 0, 'retry': {'warn': 0}"), NULL, NULL);
        json_t *shown = profile_to_json(p, PROFILE_FORM_SHOWN);

        cr_expect_eq(json_array_size(json_object_get(shown, "not_in_effect")), 0);
        json_decref(shown);
        profile_free(&p);
    }
}

Test(profile_json, OP09_what_protects_is_never_ignored)
{
    static const struct {
        const char *type, *more;
        size_t server;
        const char *protection;
        enum feature feature;
    } rows[] = {
        { "smtp", "", 0, NULL, FEATURE_COUNT },
        { "smtp", "'encryption': 'starttls_optional'", 0, NULL, FEATURE_COUNT },
        { "smtp", "'encryption': 'starttls_required'", 0, "starttls_required", FEATURE_STARTTLS },
        { "smtp", "'servers': ['a', 'smtps://b']", 0, NULL, FEATURE_COUNT },
        { "smtp", "'servers': ['a', 'smtps://b']", 1, "smtps", FEATURE_SMTPS },
        { "smtp", "'username': 'u', 'password': 'p'", 0, "credentials", FEATURE_CREDENTIALS },
        { "smtp", OAUTH, 0, "oauth", FEATURE_OAUTH },
        { "smtp", "'client_certificate': true", 0, "client_certificate",
          FEATURE_CLIENT_CERTIFICATE },
        { "core", "", 0, "core", FEATURE_CORE },
        { "vault", "", 0, "vault", FEATURE_VAULT },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct profile *p = accept_profile(input_of(rows[i].type, rows[i].more), NULL, NULL);
        const char *got = profile_unbuilt_protection(p, rows[i].server);

        if (rows[i].protection == NULL || features[rows[i].feature].is_built)
            cr_expect_null(got, "row %zu: %s", i, got);
        else
            cr_expect(got != NULL && strcmp(got, rows[i].protection) == 0, "row %zu: %s", i,
                      got != NULL ? got : "nothing");
        p->incomplete = true;
        cr_expect_str_eq(profile_unbuilt_protection(p, rows[i].server), "incomplete");
        profile_free(&p);
    }
}

Test(profile_json, names_of_secrets_and_steps)
{
    cr_expect_str_eq(profile_secret_name(SECRET_PASSWORD), "password");
    cr_expect_str_eq(profile_secret_name(SECRET_API_KEY), "api_key");
    cr_expect_str_eq(profile_secret_name(SECRET_OAUTH_CLIENT_SECRET), "oauth.client_secret");
    cr_expect_str_eq(profile_secret_name(SECRET_OAUTH_REFRESH_TOKEN), "oauth.refresh_token");
    for (unsigned i = 0; i < PROBE_STEP_COUNT; i++)
        cr_expect_str_neq(probe_step_name(i), "unknown");
    cr_expect_str_eq(probe_step_name(99), "unknown");
    cr_expect_str_eq(probe_result_name(PROBE_NOT_TESTED), "not tested");
    cr_expect_str_eq(probe_result_name(99), "unknown");
    for (unsigned i = 0; i < FEATURE_COUNT; i++)
        cr_expect_not_null(features[i].name, "%u", i);
}
