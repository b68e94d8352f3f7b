#include "registry_helper.h"

TestSuite(registry_profile, .init = start_registry, .fini = stop_registry, .timeout = 60);

static const struct profile *named(const char *name)
{
    return registry_profile_named(registry, name);
}

Test(registry_profile, SP54_what_was_answered_is_there_after_a_restart)
{
    uint32_t id = have_profile(json_of("{'name': 'Exchange', 'type': 'smtp', 'servers': "
                                       "['mx1.example.net', 'smtps://mx2.example.net'], "
                                       "'preference': 'round_robin', 'pool': {'enabled': true, "
                                       "'size': 7}}"));
    uint64_t version = registry_profile(registry, id)->version;
    const struct profile *profile;

    reopen_registry();
    profile = registry_profile(registry, id);
    cr_assert_not_null(profile);
    cr_assert_str_eq(profile->name, "Exchange");
    cr_assert_eq(profile->version, version);
    cr_assert_eq(profile->server_count, 2);
    cr_assert_str_eq(profile->servers[1].text, "smtps://mx2.example.net:465");
    cr_assert_eq(profile->preference, PREFERENCE_ROUND_ROBIN);
    cr_assert_eq(profile->pool.size, 7);
}

Test(registry_profile, ids_are_never_given_again)
{
    uint32_t first = have_smtp("one"), second = have_smtp("two"), third;

    EXPECT(delete_profile(second, 0), REGISTRY_OK);
    reopen_registry();
    third = have_smtp("two");
    cr_assert_lt(first, second);
    cr_assert_lt(second, third);
}

Test(registry_profile, versions_only_grow_over_everything)
{
    struct told a =
        put_profile(json_of("{'name': 'a', 'type': 'smtp', 'servers': ['1.1.1.1']}"), 0);
    struct told b =
        put_profile(json_of("{'name': 'b', 'type': 'smtp', 'servers': ['1.1.1.1']}"), 0);
    struct told again;

    reopen_registry();
    again = put_profile(json_of("{'name': 'a', 'type': 'smtp', 'servers': ['1.1.1.2']}"), 0);
    EXPECT(again, REGISTRY_OK);
    cr_assert_eq(again.id, a.id);
    cr_assert_lt(a.version, b.version);
    cr_assert_lt(b.version, again.version);
}

Test(registry_profile, in_order_of_names_without_regard_to_case)
{
    static const char *const names[] = { "delta", "Alpha", "charlie", "Bravo" };
    static const char *const order[] = { "Alpha", "Bravo", "charlie", "delta" };

    for (unsigned i = 0; i < 4; i++)
        have_smtp(names[i]);
    for (unsigned round = 0; round < 2; round++) {
        cr_assert_eq(registry_profile_count(registry), 4);
        for (unsigned i = 0; i < 4; i++)
            cr_assert_str_eq(registry_profile_at(registry, i)->name, order[i]);
        cr_assert_null(registry_profile_at(registry, 4));
        reopen_registry();
    }
}

Test(registry_profile, SP02_a_name_is_unique_over_all_types_in_any_case_and_form)
{
    char errors[4096];
    uint32_t cafe = have_smtp("Caf\xc3\xa9");

    have_smtp("other");
    /* With a combining accent, in capitals, of another type: it is the same name. It then means the
     * stored one, whose type cannot change. */
    cr_assert_null(check_profile(json_of("{'name': 'CAFE\xcc\x81', 'type': 'core', 'servers': "
                                         "['10.0.0.1']}"),
                                 0, errors, sizeof(errors)));
    cr_assert_not_null(strstr(errors, "type"), "%s", errors);
    cr_assert_eq(registry_profile_named(registry, "cAfE\xcc\x81")->id, cafe);
    /* Another profile cannot take it. */
    cr_assert_null(check_profile(json_of("{'name': ' caf\xc3\xa9 ', 'type': 'smtp', 'servers': "
                                         "['10.0.0.1']}"),
                                 named("other")->id, errors, sizeof(errors)));
    cr_assert_not_null(strstr(errors, "\"property\": \"name\""), "%s", errors);
    cr_assert_not_null(strstr(errors, "another profile"), "%s", errors);
}

Test(registry_profile, SP02_renaming_keeps_the_id_and_every_reference)
{
    uint32_t id = have_smtp("old"), rule = have_rule("r", "old");

    EXPECT(put_profile(
               json_of("{'id': %u, 'name': 'new', 'type': 'smtp', 'servers': ['1.1.1.1']}", id), 0),
           REGISTRY_OK);
    reopen_registry();
    cr_assert_null(named("old"));
    cr_assert_eq(named("new")->id, id);
    cr_assert_eq(registry_rule(registry, rule)->relay, id);
    have_smtp("old"); /* the name is free */
}

Test(registry_profile, SP02_renaming_in_case_only_is_no_conflict_with_itself)
{
    uint32_t id = have_smtp("exchange");

    EXPECT(put_profile(json_of("{'name': 'EXCHANGE', 'type': 'smtp', 'servers': ['1.1.1.1']}"), 0),
           REGISTRY_OK);
    cr_assert_eq(named("exchange")->id, id);
    cr_assert_str_eq(named("exchange")->name, "EXCHANGE");
    cr_assert_eq(registry_profile_count(registry), 1);
}

Test(registry_profile, the_id_must_be_one_of_ours)
{
    static const char *const wrong[] = { "99", "-1", "4294967297", "'1'", "1.0", "[]" };
    char errors[4096];

    have_smtp("a");
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        cr_assert_null(check_profile(json_of("{'id': %s, 'name': 'a', 'type': 'smtp', 'servers': "
                                             "['1.1.1.1']}",
                                             wrong[i]),
                                     0, errors, sizeof(errors)),
                       "%s", wrong[i]);
        cr_assert_not_null(strstr(errors, "\"property\": \"id\""), "%s", errors);
    }
    cr_assert_null(check_profile(json_of("{'id': 2, 'name': 'a', 'type': 'smtp', 'servers': "
                                         "['1.1.1.1']}"),
                                 1, errors, sizeof(errors)));
    cr_assert_not_null(strstr(errors, "\"property\": \"id\""), "%s", errors);
}

Test(registry_profile, SP54_the_second_of_two_concurrent_edits_is_refused)
{
    uint32_t id = have_smtp("a");
    struct profile *one = check_profile(json_of("{'name': 'a', 'type': 'smtp', 'servers': "
                                                "['1.1.1.1']}"),
                                        0, NULL, 0);
    struct profile *two = check_profile(json_of("{'name': 'a', 'type': 'smtp', 'servers': "
                                                "['2.2.2.2']}"),
                                        0, NULL, 0);
    struct told first = { 0 }, second = { 0 };

    registry_profile_put(registry, one, 0, "tested", &actor, on_told, &first);
    registry_profile_put(registry, two, 0, "tested", &actor, on_told, &second);
    wait_for(&first);
    if (!second.is_there)
        wait_for(&second);
    EXPECT(first, REGISTRY_OK);
    EXPECT(second, REGISTRY_STALE);
    for (unsigned round = 0; round < 2; round++) {
        cr_assert_str_eq(registry_profile(registry, id)->servers[0].text, "smtp://1.1.1.1:25");
        cr_assert_eq(registry_profile(registry, id)->version, first.version);
        reopen_registry();
    }
}

Test(registry_profile, SP54_the_second_of_two_new_ones_of_a_name_is_refused)
{
    struct profile *one = check_profile(json_of("{'name': 'a', 'type': 'smtp', 'servers': "
                                                "['1.1.1.1']}"),
                                        0, NULL, 0);
    struct profile *two = check_profile(json_of("{'name': 'A', 'type': 'core', 'servers': "
                                                "['2.2.2.2']}"),
                                        0, NULL, 0);

    EXPECT(store_profile(one, 0), REGISTRY_OK);
    EXPECT(store_profile(two, 0), REGISTRY_STALE);
    cr_assert_eq(registry_profile_count(registry), 1);
}

Test(registry_profile, SP54_a_rename_to_a_name_taken_meanwhile_is_refused)
{
    struct profile *renamed;
    uint32_t id = have_smtp("a");

    renamed = check_profile(json_of("{'id': %u, 'name': 'b', 'type': 'smtp', 'servers': "
                                    "['1.1.1.1']}",
                                    id),
                            0, NULL, 0);
    have_smtp("B");
    EXPECT(store_profile(renamed, 0), REGISTRY_STALE);
    cr_assert_str_eq(registry_profile(registry, id)->name, "a");
}

Test(registry_profile, SP54_if_match_and_a_version_in_the_input_must_be_the_present_one)
{
    static const char text[] = "{'name': 'a', 'type': 'smtp', 'servers': ['1.1.1.1'] %s}";
    struct told first = put_profile(json_of(text, ""), 0), second;
    char version[64];

    EXPECT(put_profile(json_of(text, ""), first.version + 1), REGISTRY_STALE);
    EXPECT(put_profile(json_of(text, ", 'version': 77"), 0), REGISTRY_STALE);
    EXPECT(put_profile(json_of(text, ", 'version': 'x'"), 0), REGISTRY_INVALID);
    second = put_profile(json_of(text, ""), first.version);
    EXPECT(second, REGISTRY_OK);
    (void)snprintf(version, sizeof(version), ", 'version': %llu",
                   (unsigned long long)first.version);
    EXPECT(put_profile(json_of(text, version), 0), REGISTRY_STALE);
    (void)snprintf(version, sizeof(version), ", 'version': %llu",
                   (unsigned long long)second.version);
    EXPECT(put_profile(json_of(text, version), second.version), REGISTRY_OK);
    EXPECT(put_profile(json_of("{'name': 'new', 'type': 'smtp', 'servers': ['1.1.1.1']}"), 5),
           REGISTRY_STALE);
}

Test(registry_profile, what_is_shown_can_be_put_again)
{
    uint32_t id = have_profile(json_of("{'name': 'a', 'type': 'smtp', 'servers': ['1.1.1.1'], "
                                       "'username': 'u', 'password': 'hunter2'}"));
    json_t *shown = profile_to_json(registry_profile(registry, id), PROFILE_FORM_SHOWN);

    EXPECT(put_profile(shown, 0), REGISTRY_OK);
    expect_secret(id, "password", "hunter2");
}

Test(registry_profile, SP54_a_deleted_one_is_not_brought_back_by_an_edit)
{
    uint32_t id = have_smtp("a");
    struct profile *edit = check_profile(json_of("{'name': 'a', 'type': 'smtp', 'servers': "
                                                 "['1.1.1.1']}"),
                                         0, NULL, 0);

    EXPECT(delete_profile(id, 0), REGISTRY_OK);
    EXPECT(store_profile(edit, 0), REGISTRY_NOT_FOUND);
    cr_assert_eq(registry_profile_count(registry), 0);
}

/* ---- SP60 ---- */

Test(registry_profile, SP60_nothing_but_the_worker_s_form_has_a_secret)
{
    uint32_t id = have_profile(json_of("{'name': 'a', 'type': 'smtp', 'servers': ['1.1.1.1'], "
                                       "'username': 'u', 'password': 'hunter2'}"));
    const struct profile *profile = registry_profile(registry, id);
    json_t *shown = profile_to_json(profile, PROFILE_FORM_SHOWN), *all, *audit;
    size_t bytes;
    char *file;

    for (unsigned i = 0; i < SECRET_COUNT; i++)
        cr_assert_null(profile->secrets[i]);
    cr_assert(profile->secret_set[SECRET_PASSWORD]);
    cr_assert(json_is_true(json_object_get(shown, "password_set")));
    cr_assert_not(json_has_text(shown, "hunter2"));
    json_decref(shown);
    all = registry_export(registry);
    audit = registry_audit(registry, 0, 100);
    cr_assert_not(json_has_text(all, "hunter2"));
    cr_assert_not(json_has_text(audit, "hunter2"));
    json_decref(all);
    json_decref(audit);
    expect_secret(id, "password", "hunter2");
    file = read_store(&bytes);
    cr_assert_not_null(memmem(file, bytes, "password", 8), "this is the right file");
    cr_assert_null(memmem(file, bytes, "hunter2", 7));
    free(file);
}

Test(registry_profile, SP60_left_out_keeps_it_null_removes_it)
{
    uint32_t id = have_profile(json_of("{'name': 'a', 'type': 'core', 'servers': ['1.1.1.1'], "
                                       "'api_key': 'k1'}"));
    struct profile *checked;

    checked =
        check_profile(json_of("{'name': 'a', 'type': 'core', 'servers': ['1.1.1.1']}"), 0, NULL, 0);
    cr_assert_str_eq(checked->secrets[SECRET_API_KEY], "k1", "the test of the connection needs it");
    EXPECT(store_profile(checked, 0), REGISTRY_OK);
    reopen_registry();
    expect_secret(id, "api_key", "k1");
    EXPECT(put_profile(json_of("{'name': 'a', 'type': 'core', 'servers': ['1.1.1.1'], 'api_key': "
                               "'k2'}"),
                       0),
           REGISTRY_OK);
    expect_secret(id, "api_key", "k2");
    EXPECT(put_profile(json_of("{'name': 'a', 'type': 'core', 'servers': ['1.1.1.1'], 'api_key': "
                               "null}"),
                       0),
           REGISTRY_OK);
    reopen_registry();
    expect_secret(id, "api_key", NULL);
    cr_assert_not(registry_profile(registry, id)->secret_set[SECRET_API_KEY]);
}

Test(registry_profile, SP60_a_kept_secret_does_not_follow_to_another_host)
{
    uint32_t id = have_profile(json_of("{'name': 'a', 'type': 'smtp', 'servers': ['1.1.1.1'], "
                                       "'username': 'u', 'password': 'hunter2'}"));
    struct told told = put_profile(json_of("{'name': 'a', 'type': 'smtp', 'servers': ['6.6.6.6'], "
                                           "'username': 'u'}"),
                                   0);

    EXPECT(told, REGISTRY_INVALID);
    cr_assert_not_null(strstr(told.errors, "password"), "%s", told.errors);
    cr_assert_null(strstr(told.errors, "hunter2"));
    cr_assert_str_eq(registry_profile(registry, id)->servers[0].text, "smtp://1.1.1.1:25");
    expect_secret(id, "password", "hunter2");
}

Test(registry_profile, SP07_a_client_certificate_needs_a_digital_id)
{
    static const char text[] = "{'name': 'a', 'type': 'smtp', 'servers': ['1.1.1.1'], "
                               "'client_certificate': true}";
    struct told told = put_profile(json_of(text), 0);

    EXPECT(told, REGISTRY_INVALID);
    cr_assert_not_null(strstr(told.errors, "tls.certificate"), "%s", told.errors);
    free(conf->tls_certificate);
    free(conf->tls_key);
    conf->tls_certificate = strdup("/etc/x.pem");
    conf->tls_key = strdup("/etc/x.key");
    registry_reload(registry, conf);
    EXPECT(put_profile(json_of(text), 0), REGISTRY_OK);
}

/* ---- SP53 ---- */

static uint64_t mail_of_profile, mail_of_rule;

static uint64_t count_mail(uint32_t profile, uint32_t rule, void *arg)
{
    (void)arg;
    cr_assert((profile == 0) != (rule == 0));
    return profile != 0 ? mail_of_profile : mail_of_rule;
}

Test(registry_profile, SP53_one_that_rules_use_is_not_deleted_and_they_are_listed)
{
    uint32_t id = have_smtp("a"), rule = have_rule("Inbound", "a");
    struct told told;

    have_smtp("c");
    have_rule("Elsewhere", "c");
    have_rule("Partners", "a");
    told = delete_profile(id, 0);
    EXPECT(told, REGISTRY_IN_USE);
    cr_assert_not_null(strstr(told.errors, "Inbound"), "%s", told.errors);
    cr_assert_not_null(strstr(told.errors, "Partners"), "%s", told.errors);
    cr_assert_null(strstr(told.errors, "Elsewhere"), "%s", told.errors);
    cr_assert_not_null(registry_profile(registry, id));
    EXPECT(delete_rule(rule, 0), REGISTRY_OK);
    EXPECT(delete_profile(id, 0), REGISTRY_IN_USE);
    EXPECT(delete_rule(registry_rule_named(registry, "Partners")->id, 0), REGISTRY_OK);
    EXPECT(delete_profile(id, 0), REGISTRY_OK);
    reopen_registry();
    cr_assert_null(registry_profile(registry, id));
}

Test(registry_profile, SP53_core_and_vault_of_a_rule_are_uses_too)
{
    uint32_t core, vault;
    struct told told;

    have_smtp("a");
    core = have_profile(json_of("{'name': 'c', 'type': 'core', 'servers': ['1.1.1.1']}"));
    vault = have_profile(json_of("{'name': 'v', 'type': 'vault', 'servers': ['1.1.1.1'], "
                                 "'api_key': 'k'}"));
    EXPECT(put_rule(json_of("{'name': 'r', 'relay': 'a', 'core': 'c', 'vault': 'v', 'match': "
                            "{'recipients': ['*@example.net']}}"),
                    0, 0),
           REGISTRY_OK);
    told = delete_profile(core, 0);
    EXPECT(told, REGISTRY_IN_USE);
    cr_assert_not_null(strstr(told.errors, "uses it as core"), "%s", told.errors);
    told = delete_profile(vault, 0);
    EXPECT(told, REGISTRY_IN_USE);
    cr_assert_not_null(strstr(told.errors, "uses it as vault"), "%s", told.errors);
}

Test(registry_profile, SP53_one_that_mail_needs_is_not_deleted_and_it_is_counted)
{
    uint32_t id = have_smtp("a");
    struct told told;

    registry_set_mail_count(registry, count_mail, NULL);
    mail_of_profile = 42;
    told = delete_profile(id, 0);
    EXPECT(told, REGISTRY_IN_USE);
    cr_assert_not_null(strstr(told.errors, "42"), "%s", told.errors);
    cr_assert_not_null(strstr(told.why, "42"), "%s", told.why);
    mail_of_profile = REGISTRY_MAIL_UNKNOWN;
    told = delete_profile(id, 0);
    EXPECT(told, REGISTRY_IN_USE);
    cr_assert_not_null(strstr(told.errors, "still being read"), "%s", told.errors);
    mail_of_profile = 0;
    EXPECT(delete_profile(id, 0), REGISTRY_OK);
}

Test(registry_profile, SP53_mail_of_a_deleted_rule_still_needs_its_core_and_vault)
{
    uint32_t core, rule;

    have_smtp("a");
    core = have_profile(json_of("{'name': 'c', 'type': 'core', 'servers': ['1.1.1.1']}"));
    rule = put_rule(json_of("{'name': 'r', 'relay': 'a', 'core': 'c', 'match': {'recipients': "
                            "['*@example.net']}}"),
                    0, 0)
               .id;
    registry_set_mail_count(registry, count_mail, NULL);
    mail_of_rule = 3;
    EXPECT(delete_rule(rule, 0), REGISTRY_OK);
    EXPECT(delete_profile(core, 0), REGISTRY_IN_USE);
    mail_of_rule = 0;
    EXPECT(delete_profile(core, 0), REGISTRY_OK);
}

Test(registry_profile, SP53_the_postmaster_s_profile_is_not_deleted)
{
    uint32_t id = have_smtp("a");
    struct told told;

    EXPECT(
        put_settings(json_of("{'postmaster': {'mailbox': 'it@example.net', 'profile': 'a'}}"), 0),
        REGISTRY_OK);
    told = delete_profile(id, 0);
    EXPECT(told, REGISTRY_IN_USE);
    cr_assert_not_null(strstr(told.errors, "postmaster"), "%s", told.errors);
    EXPECT(put_settings(json_of("{'postmaster': null}"), 0), REGISTRY_OK);
    EXPECT(delete_profile(id, 0), REGISTRY_OK);
}

Test(registry_profile, SP54_a_delete_minds_the_version)
{
    struct told told =
        put_profile(json_of("{'name': 'a', 'type': 'smtp', 'servers': ['1.1.1.1']}"), 0);

    EXPECT(delete_profile(told.id, told.version + 1), REGISTRY_STALE);
    EXPECT(delete_profile(told.id + 1, 0), REGISTRY_NOT_FOUND);
    EXPECT(delete_profile(told.id, told.version), REGISTRY_OK);
    EXPECT(delete_profile(told.id, 0), REGISTRY_NOT_FOUND);
}

/* ---- watchers, pointers, memfds ---- */

static char heard[256];

static void on_change(uint32_t profile, bool gone, void *arg)
{
    (void)arg;
    (void)snprintf(heard + strlen(heard), sizeof(heard) - strlen(heard), "%u%s ", profile,
                   gone ? "!" : "");
    cr_assert_eq(registry_profile(registry, profile) == NULL, profile == 0 || gone,
                 "it is current when it is told");
}

Test(registry_profile, SP54_watchers_hear_of_what_became_current)
{
    char wanted[64];
    uint32_t id, rule;

    registry_watch(registry, on_change, NULL);
    id = have_smtp("a");
    rule = have_rule("r", "a");
    EXPECT(delete_profile(id, 0), REGISTRY_IN_USE);
    EXPECT(delete_rule(rule, 0), REGISTRY_OK);
    EXPECT(delete_profile(id, 0), REGISTRY_OK);
    (void)snprintf(wanted, sizeof(wanted), "%u 0 0 %u! ", id, id);
    cr_assert_str_eq(heard, wanted);
}

static const struct profile *before_change;

static void on_replaced(uint32_t profile, bool gone, void *arg)
{
    (void)profile;
    (void)gone;
    (void)arg;
    /* Under the sanitizers this proves that it is still there in this turn. */
    cr_assert_str_eq(before_change->servers[0].text, "smtp://10.0.0.1:25");
}

Test(registry_profile, a_pointer_is_good_in_the_turn_that_replaces_it)
{
    uint32_t id = have_smtp("a");

    before_change = registry_profile(registry, id);
    registry_watch(registry, on_replaced, NULL);
    EXPECT(put_profile(json_of("{'name': 'a', 'type': 'smtp', 'servers': ['2.2.2.2']}"), 0),
           REGISTRY_OK);
    cr_assert_neq(registry_profile(registry, id), before_change);
}

Test(registry_profile, the_worker_s_form_reads_back_as_the_same_profile)
{
    uint32_t id = have_profile(json_of("{'name': 'a', 'type': 'vault', 'servers': ['1.1.1.1'], "
                                       "'api_key': 'k'}"));
    json_t *json = read_memfd(registry_profile_memfd(registry, id));
    struct profile *profile = NULL;
    struct reason why;

    cr_assert_eq(profile_from_record(json, &profile, &why), 0, "%s", why.text);
    cr_assert_eq(profile->version, registry_profile(registry, id)->version);
    cr_assert_str_eq(profile->secrets[SECRET_API_KEY], "k");
    profile_free(&profile);
    json_decref(json);
    cr_assert_eq(registry_profile_memfd(registry, id + 1), -ENOENT);
}

/* ---- the end ---- */

Test(registry_profile, at_the_end_everybody_is_answered)
{
    struct told told[3] = { { 0 } }, late = { 0 };

    for (unsigned i = 0; i < 3; i++)
        registry_profile_delete(registry, 77, 0, &actor, on_told, &told[i]);
    registry_stop(registry);
    for (unsigned i = 0; i < 3; i++) {
        cr_assert(told[i].is_there);
        cr_assert_eq(told[i].result, REGISTRY_STORE);
    }
    registry_profile_delete(registry, 77, 0, &actor, on_told, &late);
    wait_for(&late);
    cr_assert_eq(late.result, REGISTRY_STORE);
    cr_assert_not_null(strstr(late.why, "stopping"), "%s", late.why);
}

Test(registry_profile, at_the_end_what_is_with_the_disk_is_finished_and_told)
{
    struct told told = { 0 };
    struct profile *profile = check_profile(json_of("{'name': 'a', 'type': 'smtp', 'servers': "
                                                    "['1.1.1.1']}"),
                                            0, NULL, 0);

    registry_profile_put(registry, profile, 0, "tested", &actor, on_told, &told);
    loop_turn(loop, 100); /* the kick: it is with the I/O thread now */
    close_registry();
    cr_assert(told.is_there);
    cr_assert_eq(told.result, REGISTRY_OK);
    open_registry();
    cr_assert_not_null(named("a"));
}

Test(registry_profile, there_is_a_maximum_of_waiting_changes)
{
    static struct told told[1100];
    unsigned refused = 0;

    for (unsigned i = 0; i < 1100; i++)
        registry_profile_delete(registry, 77, 0, &actor, on_told, &told[i]);
    for (unsigned i = 0; i < 1100; i++) {
        if (!told[i].is_there)
            wait_for(&told[i]);
        refused += told[i].result == REGISTRY_STORE;
    }
    cr_assert_eq(refused, 100);
    cr_assert_eq(told[0].result, REGISTRY_NOT_FOUND);
}

Test(registry_profile, there_is_a_maximum_of_profiles)
{
    char name[32];
    struct told told;

    for (unsigned i = 0; i < REGISTRY_MAX_PROFILES; i += 250) {
        json_t *list = json_array();

        for (unsigned k = 0; k < 250; k++) {
            (void)snprintf(name, sizeof(name), "p%u", i + k);
            json_array_append_new(list, json_of("{'name': '%s', 'type': 'smtp', 'servers': "
                                                "['1.1.1.1']}",
                                                name));
        }
        EXPECT(take_in(json_pack("{so}", "profiles", list)), REGISTRY_OK);
    }
    cr_assert_eq(registry_profile_count(registry), REGISTRY_MAX_PROFILES);
    told = put_profile(json_of("{'name': 'more', 'type': 'smtp', 'servers': ['1.1.1.1']}"), 0);
    EXPECT(told, REGISTRY_INVALID);
    cr_assert_not_null(strstr(told.errors, "at most 1000"), "%s", told.errors);
    EXPECT(put_profile(json_of("{'name': 'p7', 'type': 'smtp', 'servers': ['1.1.1.2']}"), 0),
           REGISTRY_OK);
}
