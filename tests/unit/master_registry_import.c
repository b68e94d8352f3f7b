#include "registry_helper.h"

TestSuite(registry_import, .init = start_registry, .fini = stop_registry, .timeout = 60);

/* Takes `input` over. */
static struct registry_import *check(json_t *input, char *errors, char *warnings)
{
    struct told told = check_import(input);

    if (errors != NULL)
        strcpy(errors, told.errors);
    if (warnings != NULL)
        strcpy(warnings, told.warnings);
    return told.import;
}

static json_t *fill(void)
{
    have_profile(json_of("{'name': 'Exchange', 'type': 'smtp', 'servers': ['1.1.1.1'], "
                         "'username': 'u', 'password': 'hunter2'}"));
    have_profile(json_of("{'name': 'Archive', 'type': 'vault', 'servers': ['1.1.1.2'], 'api_key': "
                         "'k'}"));
    have_smtp("Plain");
    have_rule("one", "Exchange");
    EXPECT(put_rule(json_of("{'name': 'two', 'relay': 'Plain', 'vault': 'Archive', 'match': "
                            "{'recipients': ['*@example.org']}}"),
                    0, 0),
           REGISTRY_OK);
    EXPECT(put_settings(json_of("{'postmaster': {'mailbox': 'it@example.net', 'profile': "
                                "'Plain'}}"),
                        0),
           REGISTRY_OK);
    return registry_export(registry);
}

/* Another machine: a new directory, with a store and a key of its own. */
static void move_to_another_machine(void)
{
    stop_registry();
    start_registry();
}

Test(registry_import, OP07_an_export_goes_into_the_same_machine_and_keeps_the_secrets)
{
    json_t *all = fill(), *again;
    uint32_t id = registry_profile_named(registry, "Exchange")->id;

    cr_assert_not(json_has_text(all, "hunter2"));
    EXPECT(take_in(json_incref(all)), REGISTRY_OK);
    reopen_registry();
    cr_assert_eq(registry_profile_named(registry, "Exchange")->id, id);
    cr_assert_not(registry_profile_named(registry, "Exchange")->incomplete);
    expect_secret(id, "password", "hunter2");
    expect_rules("one two");
    cr_assert_str_eq(registry_rules(registry)->postmaster, "it@example.net");
    again = registry_export(registry);
    cr_assert_eq(json_array_size(json_object_get(again, "profiles")), 3);
    json_decref(again);
    json_decref(all);
}

Test(registry_import, OP07_on_another_machine_what_lacks_its_secret_is_incomplete)
{
    json_t *all = fill();
    char warnings[4096];
    struct registry_import *import;
    const struct rule *rule;

    move_to_another_machine();
    have_smtp("something"); /* so that ids differ */
    import = check(all, NULL, warnings);
    cr_assert_not_null(strstr(warnings, "profiles["), "%s", warnings);
    /* Only what is complete can be tested. */
    cr_assert_eq(registry_import_count(import), 1);
    cr_assert_str_eq(registry_import_profile(import, 0)->name, "Plain");
    cr_assert_null(registry_import_profile(import, 1));
    EXPECT(store_import(import), REGISTRY_OK);
    for (unsigned round = 0; round < 2; round++) {
        cr_assert(registry_profile_named(registry, "Exchange")->incomplete);
        cr_assert(registry_profile_named(registry, "Archive")->incomplete);
        cr_assert_not(registry_profile_named(registry, "Plain")->incomplete);
        expect_rules("one two");
        rule = registry_rule_named(registry, "two");
        cr_assert_eq(rule->relay, registry_profile_named(registry, "Plain")->id);
        cr_assert_eq(rule->vault, registry_profile_named(registry, "Archive")->id);
        cr_assert_eq(registry_rules(registry)->postmaster_profile,
                     registry_profile_named(registry, "Plain")->id);
        reopen_registry();
    }
    /* Entering the secret completes it. */
    EXPECT(put_profile(json_of("{'name': 'Archive', 'type': 'vault', 'servers': ['1.1.1.2'], "
                               "'api_key': 'k'}"),
                       0),
           REGISTRY_OK);
    reopen_registry();
    cr_assert_not(registry_profile_named(registry, "Archive")->incomplete);
}

/* A core profile works without a key; one that had one does not. */
Test(registry_import, OP07_a_marked_secret_that_is_absent_is_needed)
{
    json_t *all;

    have_profile(json_of("{'name': 'c', 'type': 'core', 'servers': ['1.1.1.1'], 'api_key': 'k'}"));
    have_profile(json_of("{'name': 'd', 'type': 'core', 'servers': ['1.1.1.1']}"));
    all = registry_export(registry);
    move_to_another_machine();
    EXPECT(take_in(all), REGISTRY_OK);
    cr_assert(registry_profile_named(registry, "c")->incomplete);
    cr_assert_not(registry_profile_named(registry, "d")->incomplete);
}

Test(registry_import, OP07_a_secret_is_kept_by_name_only_where_its_binding_holds)
{
    uint32_t id = have_profile(json_of("{'name': 'a', 'type': 'core', 'servers': ['1.1.1.1'], "
                                       "'api_key': 'first-key'}"));
    uint32_t other = have_profile(json_of("{'name': 'v', 'type': 'vault', 'servers': "
                                          "['1.1.1.1'], 'api_key': 'second-key'}"));

    EXPECT(take_in(json_of("{'profiles': [{'name': 'A', 'type': 'core', 'servers': ['1.1.1.1']}, "
                           "{'name': 'V', 'type': 'vault', 'servers': ['6.6.6.6']}]}")),
           REGISTRY_OK);
    expect_secret(id, "api_key", "first-key");
    expect_secret(other, "api_key", NULL);
    cr_assert(registry_profile(registry, other)->incomplete);
    cr_assert_str_eq(registry_profile(registry, id)->name, "A");
}

Test(registry_import, OP07_secrets_that_are_given_are_taken_and_tested_in_clear)
{
    struct registry_import *import =
        check(json_of("{'profiles': [{'name': 'a', 'type': 'vault', 'servers': ['1.1.1.1'], "
                      "'api_key': 'given-key'}]}"),
              NULL, NULL);

    cr_assert_eq(registry_import_count(import), 1);
    cr_assert_str_eq(registry_import_profile(import, 0)->secrets[SECRET_API_KEY], "given-key");
    EXPECT(store_import(import), REGISTRY_OK);
    expect_secret(registry_profile_named(registry, "a")->id, "api_key", "given-key");
}

Test(registry_import, OP07_ids_and_versions_of_another_machine_mean_nothing_here)
{
    uint32_t a = have_smtp("a"), b = have_smtp("b");
    struct told told = take_in(json_of("{'profiles': [{'id': %u, 'version': 12345, 'name': 'a', "
                                       "'type': 'smtp', 'servers': ['2.2.2.2']}, {'id': 4000000, "
                                       "'name': 'c', 'type': 'smtp', 'servers': ['3.3.3.3']}], "
                                       "'rules': [{'id': 77, 'version': 8, 'name': 'r', 'relay': "
                                       "'c', 'match': {'recipients': ['*@example.net']}}], "
                                       "'settings': {'version': 4711, 'postmaster': null}}",
                                       b));

    EXPECT(told, REGISTRY_OK);
    cr_assert_str_eq(registry_profile(registry, a)->servers[0].text, "smtp://2.2.2.2:25");
    cr_assert_str_eq(registry_profile(registry, b)->servers[0].text, "smtp://10.0.0.1:25");
    cr_assert_eq(registry_profile_named(registry, "c")->id, b + 1);
    cr_assert_eq(registry_rule_named(registry, "r")->id, 1);
}

static void expect_unchanged(const json_t *before)
{
    for (unsigned round = 0; round < 2; round++) {
        json_t *now = registry_export(registry);

        cr_assert(json_equal(now, before));
        json_decref(now);
        reopen_registry();
    }
}

Test(registry_import, OP07_one_mistake_and_nothing_is_stored)
{
    static const struct {
        const char *input, *property;
    } wrong[] = {
        { "[]", "import" },
        { "{'profiles': {}}", "profiles" },
        { "{'rules': 7}", "rules" },
        { "{'other': []}", "other" },
        { "{'profiles': [7]}", "profiles[0]." },
        { "{'profiles': [{'name': 'n', 'type': 'smtp', 'servers': ['1.1.1.1']}, {'name': 'm', "
          "'type': 'smtp', 'servers': ['1.1.1.1'], 'pool': {'size': 1000}}]}",
          "profiles[1].pool.size" },
        { "{'profiles': [{'name': 'n', 'type': 'smtp', 'servers': ['1.1.1.1']}, {'name': 'N', "
          "'type': 'core', 'servers': ['1.1.1.1']}]}",
          "profiles[1].name" },
        { "{'profiles': [{'name': 'Plain', 'type': 'core', 'servers': ['1.1.1.1']}]}",
          "profiles[0].type" },
        { "{'profiles': [{'name': 'n', 'type': 'smtp', 'servers': ['1.1.1.1'], "
          "'client_certificate': true}]}",
          "profiles[0].client_certificate" },
        { "{'rules': [{'name': 'n', 'relay': 'nowhere', 'match': {'recipients': ['*@a.b']}}]}",
          "rules[0].relay" },
        { "{'rules': [{'name': 'n', 'relay': 'Plain', 'match': {'recipients': ['*@a.b']}}, "
          "{'name': 'n', 'relay': 'Plain', 'match': {'recipients': ['*@a.b']}}]}",
          "rules[1].name" },
        { "{'settings': {'postmaster': {'mailbox': 'a@b.example', 'profile': 'nowhere'}}}",
          "settings.postmaster.profile" },
        { "{'settings': 1}", "settings.settings" },
        { "{'settings': {'more': 1}}", "settings.more" },
    };
    json_t *before = fill();
    char errors[4096], quoted[80];

    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        cr_assert_null(check(json_of("%s", wrong[i].input), errors, NULL), "%s", wrong[i].input);
        (void)snprintf(quoted, sizeof(quoted), "\"property\": \"%s", wrong[i].property);
        cr_assert_not_null(strstr(errors, quoted), "%s: %s", wrong[i].property, errors);
    }
    expect_unchanged(before);
    json_decref(before);
}

Test(registry_import, OP07_every_mistake_at_once)
{
    char errors[4096];

    cr_assert_null(check(json_of("{'profiles': [{'name': 'a', 'type': 'smtp', 'servers': []}, "
                                 "{'name': '', 'type': 'x'}], 'rules': [{'name': 'r'}], "
                                 "'settings': {'postmaster': 1}}"),
                         errors, NULL));
    cr_assert_not_null(strstr(errors, "profiles[0].servers"), "%s", errors);
    cr_assert_not_null(strstr(errors, "profiles[1].name"), "%s", errors);
    cr_assert_not_null(strstr(errors, "profiles[1].type"), "%s", errors);
    cr_assert_not_null(strstr(errors, "rules[0].relay"), "%s", errors);
    cr_assert_not_null(strstr(errors, "rules[0].match.recipients"), "%s", errors);
    cr_assert_not_null(strstr(errors, "settings.postmaster"), "%s", errors);
}

Test(registry_import, OP07_what_the_file_does_not_name_stays)
{
    json_t *before = fill();

    json_decref(before);
    EXPECT(take_in(json_of("{'profiles': [{'name': 'New', 'type': 'smtp', 'servers': "
                           "['1.1.1.1']}], 'rules': [{'name': 'three', 'relay': 'New', 'match': "
                           "{'recipients': ['*@a.b']}}]}")),
           REGISTRY_OK);
    for (unsigned round = 0; round < 2; round++) {
        cr_assert_eq(registry_profile_count(registry), 4);
        expect_rules("one two three"); /* new ones go last */
        cr_assert_str_eq(registry_rules(registry)->postmaster, "it@example.net");
        reopen_registry();
    }
    EXPECT(take_in(json_of("{}")), REGISTRY_OK);
    EXPECT(take_in(json_of("{'settings': {}}")), REGISTRY_OK); /* named: left out is the default */
    cr_assert_null(registry_rules(registry)->postmaster);
}

static json_t *rules_of(const char *first, const char *second, const char *third)
{
    const char *const names[] = { first, second, third };
    json_t *list = json_array();

    for (unsigned i = 0; i < 3 && names[i] != NULL; i++)
        json_array_append_new(list, json_of("{'name': '%s', 'relay': 'a', 'match': {'recipients': "
                                            "['*@a.b']}}",
                                            names[i]));
    return json_pack("{so}", "rules", list);
}

Test(registry_import, OP07_a_file_with_every_rule_sets_their_order)
{
    have_smtp("a");
    EXPECT(take_in(rules_of("1", "2", "3")), REGISTRY_OK);
    expect_rules("1 2 3");
    EXPECT(take_in(rules_of("3", "1", "2")), REGISTRY_OK);
    expect_rules("3 1 2");
    EXPECT(take_in(rules_of("2", "3", NULL)), REGISTRY_OK); /* not all: each keeps its place */
    expect_rules("3 1 2");
    EXPECT(take_in(rules_of("1", "4", NULL)), REGISTRY_OK);
    expect_rules("3 1 2 4");
    reopen_registry();
    expect_rules("3 1 2 4");
}

Test(registry_import, SP54_a_change_after_the_check_makes_it_stale)
{
    struct registry_import *import;
    json_t *before;

    have_smtp("a");
    import = check(json_of("{'profiles': [{'name': 'b', 'type': 'smtp', 'servers': ['1.1.1.1']}]}"),
                   NULL, NULL);
    have_smtp("c");
    before = registry_export(registry);
    EXPECT(store_import(import), REGISTRY_STALE);
    expect_unchanged(before);
    json_decref(before);
    import = check(json_of("{'profiles': [{'name': 'b', 'type': 'core', 'servers': ['1.1.1.1'], "
                           "'api_key': 'k'}]}"),
                   NULL, NULL);
    EXPECT(rotate_key(), REGISTRY_OK); /* it was sealed with a key that is gone */
    EXPECT(store_import(import), REGISTRY_STALE);
}

Test(registry_import, what_changes_nothing_does_not_make_it_stale)
{
    struct registry_import *import =
        check(json_of("{'profiles': [{'name': 'b', 'type': 'smtp', 'servers': ['1.1.1.1']}]}"),
              NULL, NULL);

    registry_audit_add(registry, &actor, "queue retried", "06AB", NULL);
    EXPECT(delete_profile(99, 0), REGISTRY_NOT_FOUND);
    EXPECT(store_import(import), REGISTRY_OK);
}

Test(registry_import, a_check_that_is_thrown_away_leaves_nothing)
{
    json_t *before = fill(), *input = json_deep_copy(before);
    struct registry_import *import = check(input, NULL, NULL);

    registry_import_free(&import);
    cr_assert_null(import);
    registry_import_free(&import);
    expect_unchanged(before);
    json_decref(before);
}

Test(registry_import, SP52_everything_in_it_is_audited)
{
    json_t *audit;

    EXPECT(take_in(json_of("{'profiles': [{'name': 'b', 'type': 'smtp', 'servers': ['1.1.1.1']}, "
                           "{'name': 'v', 'type': 'vault', 'servers': ['1.1.1.1']}], 'rules': "
                           "[{'name': 'r', 'relay': 'b', 'match': {'recipients': ['*@a.b']}}], "
                           "'settings': {'postmaster': {'mailbox': 'a@b.example', 'profile': "
                           "'b'}}}")),
           REGISTRY_OK);
    audit = registry_audit(registry, 0, 10);
    cr_assert_eq(json_array_size(audit), 4);
    cr_assert(json_has_text(audit, "not tested"));
    cr_assert(json_has_text(audit, "incomplete"));
    cr_assert(json_has_text(audit, "rule imported"));
    cr_assert(json_has_text(audit, "settings imported"));
    json_decref(audit);
}

/* ---- many at once ---- */

#define MANY 100

static json_t *many(void)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < MANY; i++)
        json_array_append_new(list, json_of("{'name': 'p%u', 'type': 'core', 'servers': "
                                            "['1.1.1.1'], 'api_key': 'k%u'}",
                                            i, i));
    return json_pack("{so, so}", "profiles", list, "rules",
                     json_pack("[o]", json_of("{'name': 'r', 'relay': 'relay', 'core': 'p7', "
                                              "'match': {'recipients': ['*@a.b']}}")));
}

static struct {
    unsigned profiles, rules, in_turn, most_in_turn;
    struct told *told;
} heard;

/* As slow as with many workers. */
static void hear_slowly(uint32_t profile, bool gone, void *arg)
{
    int64_t began_us = clock_mono_us();

    (void)arg;
    cr_assert_not(gone);
    cr_assert(!heard.told->is_there || profile == 0, "the answer comes after everybody was told");
    heard.profiles += profile != 0;
    if (profile == 0) {
        heard.rules++;
        cr_assert_eq(heard.profiles, MANY, "before the rules that name them");
    }
    heard.in_turn++;
    heard.most_in_turn = heard.in_turn > heard.most_in_turn ? heard.in_turn : heard.most_in_turn;
    while (clock_mono_us() - began_us < 1000)
        ;
}

static void begin_many(struct told *told)
{
    struct registry_import *import;

    have_smtp("relay");
    import = check(many(), NULL, NULL);
    heard.told = told;
    registry_watch(registry, hear_slowly, NULL);
    registry_import_store(registry, import, "not tested", &actor, on_told, told);
}

static void turn_once(void)
{
    heard.in_turn = 0;
    loop_turn(loop, 100);
}

Test(registry_import, OP07_many_profiles_are_told_over_several_turns)
{
    struct told told = { 0 }, next = { 0 };
    uint32_t id;

    begin_many(&told);
    while (heard.profiles == 0)
        turn_once();
    cr_assert_not(told.is_there);
    id = registry_profile_named(registry, "p99")->id; /* what is told is current as a whole */
    expect_secret(id, "api_key", "k99");
    registry_profile_delete(registry, 77777, 0, &actor, on_told, &next);
    while (!told.is_there)
        turn_once();
    EXPECT(told, REGISTRY_OK);
    cr_assert_eq(heard.rules, 1);
    cr_assert_leq(heard.most_in_turn, 2, "%u in one turn, of 1 ms each", heard.most_in_turn);
    wait_for(&next); /* its turn came after all was told */
    EXPECT(next, REGISTRY_NOT_FOUND);
}

Test(registry_import, OP07_what_is_being_told_is_told_to_the_end_at_the_end)
{
    struct told told = { 0 };

    begin_many(&told);
    while (heard.profiles == 0)
        turn_once();
    cr_assert_not(told.is_there);
    registry_stop(registry);
    cr_assert(told.is_there);
    EXPECT(told, REGISTRY_OK);
    cr_assert_eq(heard.profiles, MANY);
    cr_assert_eq(heard.rules, 1);
}

Test(registry_import, OP07_who_needs_everything_now_has_the_rest_told_at_once)
{
    struct told told = { 0 };

    begin_many(&told);
    while (heard.profiles == 0)
        turn_once();
    cr_assert_not(told.is_there);
    registry_announce_rest(registry);
    cr_assert(told.is_there);
    cr_assert_eq(heard.profiles, MANY);
    registry_announce_rest(registry); /* there is none */
    cr_assert_eq(heard.rules, 1);
    EXPECT(delete_rule(registry_rule_named(registry, "r")->id, 0), REGISTRY_OK);
}
