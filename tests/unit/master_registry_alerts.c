/* The setting `alerts`: checked with all mistakes at once, kept, carried, and it holds its profile.
 */
#include "registry_helper.h"

TestSuite(registry_alerts, .init = start_registry, .fini = stop_registry, .timeout = 60);

#define GOOD                                                                        \
    "{'alerts': {'profile': 'desk', 'to': ['a@b.example', 'c@b.example'], 'from': " \
    "'gw@b.example', 'queue_age': 60}}"

static struct told put(json_t *input)
{
    struct told told = { 0 };

    registry_settings_put(registry, input, 0, &actor, on_told, &told);
    wait_for(&told);
    json_decref(input);
    return told;
}

static const char *shown(void)
{
    static char out[1024];
    json_t *settings = registry_settings_shown(registry);

    print_list(json_object_get(settings, "alerts"), out, sizeof(out));
    json_decref(settings);
    return out;
}

static void expect_good(void)
{
    struct alert_settings settings;

    registry_alerts(registry, &settings);
    cr_assert_eq(settings.profile, registry_profile_named(registry, "desk")->id);
    cr_assert_eq(settings.to_count, 2u);
    cr_assert_str_eq(settings.to[1], "c@b.example");
    cr_assert_str_eq(settings.from, "gw@b.example");
    cr_assert_eq(settings.queue_age, 60u);
    cr_assert_eq(settings.queue_length, 1000u);
    cr_assert_eq(settings.disk_free_percent, 10u);
    cr_assert_eq(settings.certificate_days, 30u);
    cr_assert_not_null(strstr(shown(), "\"profile\": \"desk\""), "%s", shown());
}

Test(registry_alerts, OP08_is_kept_and_has_defaults)
{
    struct alert_settings settings;

    registry_alerts(registry, &settings);
    cr_assert_eq(settings.profile, 0u);
    cr_assert_eq(settings.queue_age, 3600u);
    have_smtp("desk");
    cr_assert_eq(put(json_of(GOOD)).result, REGISTRY_OK);
    expect_good();
    reopen_registry();
    expect_good();
    cr_assert_eq(put(json_of("{'alerts': null}")).result, REGISTRY_OK);
    reopen_registry();
    registry_alerts(registry, &settings);
    cr_assert_eq(settings.profile, 0u);
    cr_assert_str_eq(shown(), "");
}

Test(registry_alerts, OP08_a_change_of_something_else_keeps_it)
{
    have_smtp("desk");
    cr_assert_eq(put(json_of(GOOD)).result, REGISTRY_OK);
    have_smtp("other");
    have_rule("r", "other");
    expect_good();
    reopen_registry();
    expect_good();
}

Test(registry_alerts, SP53_its_profile_cannot_be_deleted)
{
    const uint32_t id = have_smtp("desk");
    struct told told;

    cr_assert_eq(put(json_of(GOOD)).result, REGISTRY_OK);
    told = delete_profile(id, 0);
    cr_assert_eq(told.result, REGISTRY_IN_USE);
    cr_assert_not_null(strstr(told.errors, "\"alerts\""), "%s", told.errors);
    cr_assert_eq(put(json_of("{}")).result, REGISTRY_OK);
    cr_assert_eq(delete_profile(id, 0).result, REGISTRY_OK);
}

Test(registry_alerts, SP50_every_mistake_is_named)
{
    static const char *const parts[] = {
        "alerts.profile",  "there is no such profile",
        "alerts.to[0]",    "alerts.to[2]",
        "alerts.to[3]",    "alerts.to[4]",
        "alerts.from",     "alerts.queue_age",
        "is out of range", "alerts.whom",
        "0 (never) to 90",
    };
    struct told told =
        put(json_of("{'alerts': {'profile': 'none', 'to': ['*@b.example', 'a@b.example', "
                    "'\\u00e4@b.example', 'a@b.example\\r\\nBcc: c', "
                    "'\\\"a,b\\\"@b.example'], 'from': 7, 'queue_age': 2592001, "
                    "'disk_free_percent': '5', 'whom': 1}}"));

    cr_assert_eq(told.result, REGISTRY_INVALID);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        cr_assert_not_null(strstr(told.errors, parts[i]), "no %s in %s", parts[i], told.errors);
    cr_assert_null(strstr(told.errors, "to[1]"), "%s", told.errors);
    cr_assert_str_eq(shown(), "", "nothing was changed");
}

Test(registry_alerts, SP50_what_is_no_list_of_mailboxes)
{
    static const char *const lists[] = { "[]", "'a@b.example'", "null", "{}" };
    json_t *many = json_of(GOOD), *to = json_array();

    have_smtp("desk");
    for (size_t i = 0; i < 4; i++) {
        struct told told = put(json_of("{'alerts': {'profile': 'desk', 'from': 'a@b.example', "
                                       "'to': %s}}",
                                       lists[i]));

        cr_assert_eq(told.result, REGISTRY_INVALID, "%s", lists[i]);
        cr_assert_not_null(strstr(told.errors, "alerts.to"), "%s", told.errors);
    }
    for (unsigned i = 0; i <= ALERT_MAX_TO; i++)
        json_array_append_new(to, json_string("a@b.example"));
    json_object_set_new(json_object_get(many, "alerts"), "to", to);
    cr_assert_eq(put(many).result, REGISTRY_INVALID);
}

/* By a file from another machine, where ids are others. */
Test(registry_alerts, OP07_export_and_import_carry_it)
{
    json_t *exported;
    struct told checked = { 0 }, stored = { 0 };

    have_smtp("first");
    have_smtp("desk");
    cr_assert_eq(put(json_of(GOOD)).result, REGISTRY_OK);
    exported = registry_export(registry);
    stop_registry();
    start_registry();
    registry_import_check(registry, exported, on_told, &checked);
    wait_for(&checked);
    cr_assert_eq(checked.result, REGISTRY_OK, "%s", checked.errors);
    registry_import_store(registry, checked.import, "not tested", &actor, on_told, &stored);
    wait_for(&stored);
    cr_assert_eq(stored.result, REGISTRY_OK, "%s", stored.errors);
    json_decref(exported);
    expect_good();
}

Test(registry_alerts, OP05_the_audit_says_when_it_changes)
{
    json_t *audit;

    have_smtp("desk");
    cr_assert_eq(put(json_of(GOOD)).result, REGISTRY_OK);
    cr_assert_eq(put(json_of(GOOD)).result, REGISTRY_OK);
    audit = registry_audit(registry, 0, 100);
    cr_assert(json_has_text(audit, "\"alerts\""));
    json_decref(audit);
}
