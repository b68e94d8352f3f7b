#include "registry_helper.h"

#include "master/registry_private.h"

TestSuite(registry_rule, .init = start_registry, .fini = stop_registry, .timeout = 60);

static struct told rule_named(const char *name, const char *more)
{
    return put_rule(json_of("{'name': '%s', 'relay': 'a', 'match': {'recipients': "
                            "['*@example.net']} %s}",
                            name, more),
                    0, 0);
}

Test(registry_rule, SP54_what_was_answered_is_there_after_a_restart_in_order)
{
    uint32_t first;

    have_smtp("a");
    first = have_rule("one", "a");
    have_rule("two", "a");
    have_rule("three", "a");
    EXPECT(move_rule(first, 3), REGISTRY_OK);
    for (unsigned round = 0; round < 2; round++) {
        expect_rules("two three one");
        cr_assert_eq(registry_rules(registry)->enabled_count, 3);
        cr_assert_str_eq(registry_rule(registry, first)->recipients[0].domain, "example.net");
        reopen_registry();
    }
}

Test(registry_rule, a_changed_one_keeps_its_place_and_id)
{
    struct told before, after;

    have_smtp("a");
    before = rule_named("one", "");
    have_rule("two", "a");
    after = rule_named("ONE", ", 'enabled': false");
    EXPECT(after, REGISTRY_OK);
    cr_assert_eq(after.id, before.id);
    cr_assert_gt(after.version, before.version);
    for (unsigned round = 0; round < 2; round++) {
        expect_rules("ONE two");
        cr_assert_eq(registry_rules(registry)->enabled_count, 1);
        reopen_registry();
    }
}

Test(registry_rule, moves_to_every_position_and_no_other)
{
    uint32_t ids[4];
    struct told told;
    uint64_t version;

    have_smtp("a");
    ids[0] = have_rule("1", "a");
    ids[1] = have_rule("2", "a");
    ids[2] = have_rule("3", "a");
    ids[3] = have_rule("4", "a");
    EXPECT(move_rule(ids[3], 1), REGISTRY_OK);
    expect_rules("4 1 2 3");
    EXPECT(move_rule(ids[0], 3), REGISTRY_OK);
    expect_rules("4 2 1 3");
    version = registry_rules(registry)->version;
    EXPECT(move_rule(ids[2], 4), REGISTRY_OK); /* it is there: nothing changes */
    cr_assert_eq(registry_rules(registry)->version, version);
    told = move_rule(ids[0], 5);
    EXPECT(told, REGISTRY_INVALID);
    cr_assert_not_null(strstr(told.errors, "1 to 4"), "%s", told.errors);
    EXPECT(move_rule(ids[0], 0), REGISTRY_INVALID);
    EXPECT(move_rule(99, 1), REGISTRY_NOT_FOUND);
    expect_rules("4 2 1 3");
}

Test(registry_rule, the_list_s_version_grows_with_every_change_of_it)
{
    uint64_t version = registry_rules(registry)->version, now;
    uint32_t id;

    have_smtp("a");
    cr_assert_eq(registry_rules(registry)->version, version, "a profile is none of the list");
#define GREW                                 \
    now = registry_rules(registry)->version; \
    cr_assert_gt(now, version);              \
    version = now
    id = have_rule("one", "a");
    GREW;
    have_rule("two", "a");
    GREW;
    EXPECT(move_rule(id, 2), REGISTRY_OK);
    GREW;
    EXPECT(put_settings(json_of("{'postmaster': {'mailbox': 'a@b.example', 'profile': 'a'}}"), 0),
           REGISTRY_OK);
    GREW;
    EXPECT(delete_rule(id, 0), REGISTRY_OK);
    GREW;
#undef GREW
    reopen_registry();
    cr_assert_eq(registry_rules(registry)->version, version);
}

Test(registry_rule, SP02_a_name_is_unique_among_rules)
{
    struct told told;
    uint32_t id;

    have_smtp("a");
    have_rule("Inbound", "a");
    id = have_rule("Outbound", "a");
    told = put_rule(json_of("{'id': %u, 'name': 'INBOUND', 'relay': 'a', 'match': {'recipients': "
                            "['*@example.net']}}",
                            id),
                    0, 0);
    EXPECT(told, REGISTRY_INVALID);
    cr_assert_not_null(strstr(told.errors, "\"property\": \"name\""), "%s", told.errors);
    EXPECT(rule_named("a", ""), REGISTRY_OK); /* a profile's name is another matter */
    expect_rules("Inbound Outbound a");
}

Test(registry_rule, SP02_a_new_one_by_its_null_id_changes_no_namesake)
{
    struct told told;

    have_smtp("a");
    have_rule("Inbound", "a");
    told = rule_named("inbound", ", 'id': null");
    EXPECT(told, REGISTRY_INVALID);
    cr_assert_not_null(strstr(told.errors, "\"property\": \"name\""), "%s", told.errors);
    EXPECT(rule_named("Outbound", ", 'id': null"), REGISTRY_OK);
    expect_rules("Inbound Outbound");
}

Test(registry_rule, references_are_names_and_must_be_there)
{
    struct told told;

    have_smtp("a");
    told = put_rule(
        json_of("{'name': 'r', 'relay': 'nowhere', 'match': {'recipients': ['*@a.b']}}"), 0, 0);
    EXPECT(told, REGISTRY_INVALID);
    cr_assert_not_null(strstr(told.errors, "relay"), "%s", told.errors);
    EXPECT(rule_named("r", ", 'core': 'a'"), REGISTRY_INVALID); /* of another type */
    EXPECT(rule_named("r", ", 'nonsense': 1"), REGISTRY_INVALID);
    expect_rules("");
    reopen_registry();
    expect_rules("");
}

Test(registry_rule, SP54_the_second_of_two_concurrent_edits_is_refused)
{
    struct told told, first = { 0 }, second = { 0 };
    json_t *input;

    have_smtp("a");
    told = rule_named("r", "");
    input = json_of("{'name': 'r', 'relay': 'a', 'enabled': false, 'match': {'recipients': "
                    "['*@example.net']}}");
    registry_rule_put(registry, input, told.id, told.version, &actor, on_told, &first);
    registry_rule_put(registry, input, told.id, told.version, &actor, on_told, &second);
    json_decref(input);
    wait_for(&first);
    if (!second.is_there)
        wait_for(&second);
    EXPECT(first, REGISTRY_OK);
    EXPECT(second, REGISTRY_STALE);
}

Test(registry_rule, SP54_versions_and_ids_in_the_input_are_minded)
{
    struct told told;

    have_smtp("a");
    told = rule_named("r", "");
    EXPECT(rule_named("r", ", 'version': 999"), REGISTRY_STALE);
    EXPECT(rule_named("r", ", 'version': -1"), REGISTRY_INVALID);
    EXPECT(rule_named("r", ", 'id': 'x'"), REGISTRY_INVALID);
    EXPECT(rule_named("r", ", 'id': 99"), REGISTRY_NOT_FOUND);
    EXPECT(rule_named("new", ", 'version': 1"), REGISTRY_STALE);
    EXPECT(delete_rule(told.id, told.version + 1), REGISTRY_STALE);
    EXPECT(delete_rule(told.id, told.version), REGISTRY_OK);
    EXPECT(delete_rule(told.id, 0), REGISTRY_NOT_FOUND);
    EXPECT(put_rule(json_of("{'name': 'r', 'relay': 'a', 'match': {'recipients': ['*@a.b']}}"),
                    told.id, 0),
           REGISTRY_NOT_FOUND);
}

Test(registry_rule, ids_are_never_given_again)
{
    uint32_t first, second;

    have_smtp("a");
    first = have_rule("r", "a");
    EXPECT(delete_rule(first, 0), REGISTRY_OK);
    registry->session_ms = 0;
    registry_on_forget(registry);
    reopen_registry();
    second = have_rule("r", "a");
    cr_assert_gt(second, first);
}

Test(registry_rule, there_is_a_maximum_of_rules)
{
    json_t *list = json_array();
    struct told told;
    char name[16];

    have_smtp("a");
    for (unsigned i = 0; i < RULE_MAX_RULES; i++) {
        (void)snprintf(name, sizeof(name), "r%u", i);
        json_array_append_new(list, json_of("{'name': '%s', 'relay': 'a', 'match': {'recipients': "
                                            "['*@example.net']}}",
                                            name));
    }
    EXPECT(take_in(json_pack("{so}", "rules", list)), REGISTRY_OK);
    EXPECT(rule_named("more", ""), REGISTRY_INVALID);
    EXPECT(rule_named("r5", ", 'enabled': false"), REGISTRY_OK);
    EXPECT(delete_rule(registry_rule_named(registry, "r6")->id, 0), REGISTRY_OK);
    told = rule_named("more", ""); /* the deleted one still counts */
    EXPECT(told, REGISTRY_INVALID);
    cr_assert_not_null(strstr(told.errors, "1 of them deleted"), "%s", told.errors);
}

/* ---- SP53: deleted rules that mail needs ---- */

static uint64_t mail;

static uint64_t count_mail(uint32_t profile, uint32_t rule, void *arg)
{
    (void)arg;
    (void)rule;
    return profile != 0 ? 0 : mail;
}

/* As a worker gets them: names, "!" behind hidden ones. */
static void expect_workers_rules(const char *names)
{
    json_t *json = read_memfd(registry_rules_memfd(registry));
    struct rule_set *set = NULL;
    struct reason why;
    char text[256] = "";

    cr_assert_eq(rule_set_from_json(json, &set, &why), 0, "%s", why.text);
    cr_assert_eq(set->version, registry_rules(registry)->version);
    for (size_t i = 0; i < set->count; i++)
        (void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s%s", i > 0 ? " " : "",
                       set->rules[i]->name, set->rules[i]->hidden ? "!" : "");
    cr_assert_str_eq(text, names);
    rule_set_free(&set);
    json_decref(json);
}

/* Until no change waits and none is being written. */
static void turn_until_idle(void)
{
    loop_turn(loop, 10);
    TURN_UNTIL(registry->running == NULL && registry->waiting_count == 0);
}

static void forget(void)
{
    registry_on_forget(registry);
    turn_until_idle();
}

Test(registry_rule, SP53_a_deleted_one_that_mail_needs_is_hidden_until_the_mail_is_gone)
{
    uint32_t id;

    registry_set_mail_count(registry, count_mail, NULL);
    registry->session_ms = 0;
    have_smtp("a");
    id = have_rule("old", "a");
    have_rule("other", "a");
    mail = 5;
    EXPECT(delete_rule(id, 0), REGISTRY_OK);
    for (unsigned round = 0; round < 2; round++) {
        expect_rules("other");
        cr_assert_null(registry_rule_named(registry, "old"));
        cr_assert_str_eq(registry_rule(registry, id)->name, "old");
        cr_assert(registry_rule(registry, id)->hidden);
        cr_assert_not(registry_rule(registry, id)->enabled);
        expect_workers_rules("other old!");
        forget();
        cr_assert_not_null(registry_rule(registry, id));
        reopen_registry();
        registry_set_mail_count(registry, count_mail, NULL);
        registry->session_ms = 0;
    }
    mail = REGISTRY_MAIL_UNKNOWN; /* the queue is being read after a restart */
    forget();
    cr_assert_not_null(registry_rule(registry, id));
    mail = 0;
    forget();
    for (unsigned round = 0; round < 2; round++) {
        cr_assert_null(registry_rule(registry, id));
        expect_workers_rules("other");
        reopen_registry();
    }
}

Test(registry_rule, SP53_it_stays_while_a_session_may_still_bring_mail_that_it_matched)
{
    uint32_t id;

    registry_set_mail_count(registry, count_mail, NULL);
    have_smtp("a");
    id = have_rule("old", "a");
    EXPECT(delete_rule(id, 0), REGISTRY_OK);
    cr_assert_geq(registry->session_ms, conf->smtp_session_timeout * 1000);
    forget(); /* there is no mail, but the time is not over */
    cr_assert_not_null(registry_rule(registry, id));
    registry->session_ms = 0;
    forget();
    cr_assert_null(registry_rule(registry, id));
}

Test(registry_rule, SP53_the_timer_looks_after_hidden_rules)
{
    uint32_t id;

    registry_set_mail_count(registry, count_mail, NULL);
    registry->session_ms = 0;
    have_smtp("a");
    id = have_rule("old", "a");
    mail = 1;
    EXPECT(delete_rule(id, 0), REGISTRY_OK);
    cr_assert(loop_timer_is_set(registry->forget));
    turn_until_idle();
    mail = 0;
    TURN_UNTIL(registry_rule(registry, id) == NULL);
    cr_assert_not(loop_timer_is_set(registry->forget));
}

Test(registry_rule, SP53_the_name_of_a_hidden_one_is_free)
{
    uint32_t id, again;

    registry_set_mail_count(registry, count_mail, NULL);
    have_smtp("a");
    id = have_rule("r", "a");
    mail = 1;
    EXPECT(delete_rule(id, 0), REGISTRY_OK);
    again = have_rule("r", "a");
    cr_assert_neq(again, id);
    EXPECT(
        put_rule(json_of("{'name': 'x', 'relay': 'a', 'match': {'recipients': ['*@a.b']}}"), id, 0),
        REGISTRY_NOT_FOUND); /* it cannot be brought back by an edit */
    expect_workers_rules("r r!");
    EXPECT(delete_rule(again, 0), REGISTRY_OK);
    reopen_registry();
    expect_workers_rules("r! r!");
}

Test(registry_rule, workers_get_rules_and_settings)
{
    uint32_t id = have_smtp("a");
    struct rule_set *set = NULL;
    struct reason why;
    json_t *json;

    have_rule("r", "a");
    EXPECT(
        put_settings(json_of("{'postmaster': {'mailbox': 'it@example.net', 'profile': 'a'}}"), 0),
        REGISTRY_OK);
    for (unsigned i = 0; i < 2; i++) { /* every worker gets its own descriptor of the same */
        json = read_memfd(registry_rules_memfd(registry));
        cr_assert_eq(rule_set_from_json(json, &set, &why), 0, "%s", why.text);
        cr_assert_eq(set->count, 1);
        cr_assert_eq(set->enabled_count, 1);
        cr_assert_str_eq(set->postmaster, "it@example.net");
        cr_assert_eq(set->postmaster_profile, id);
        rule_set_free(&set);
        json_decref(json);
    }
}

/* ---- settings ---- */

Test(registry_rule, SR03_settings_survive_and_have_a_version)
{
    static const char text[] = "{'postmaster': {'mailbox': 'it@example.net', 'profile': 'A'}}";
    uint64_t fresh = registry_settings_version(registry);
    struct told told;
    json_t *shown;

    cr_assert_neq(fresh, 0, "0 stands for any version");
    have_smtp("a");
    told = put_settings(json_of(text), fresh);
    EXPECT(told, REGISTRY_OK);
    cr_assert_gt(told.version, fresh);
    EXPECT(put_settings(json_of(text), fresh), REGISTRY_STALE);
    for (unsigned round = 0; round < 2; round++) {
        cr_assert_eq(registry_settings_version(registry), told.version);
        shown = registry_settings_shown(registry);
        cr_assert(json_has_text(shown, "it@example.net"));
        cr_assert(json_has_text(shown, "\"profile\": \"a\""));
        cr_assert_str_eq(registry_rules(registry)->postmaster, "it@example.net");
        json_decref(shown);
        reopen_registry();
    }
    EXPECT(put_settings(registry_settings_shown(registry), 0), REGISTRY_OK); /* as it was shown */
    EXPECT(put_settings(json_of("{'version': %llu}", (unsigned long long)told.version), 0),
           REGISTRY_STALE);
    EXPECT(put_settings(json_of("{}"), 0), REGISTRY_OK); /* left out: the default */
    for (unsigned round = 0; round < 2; round++) {
        cr_assert_null(registry_rules(registry)->postmaster);
        reopen_registry();
    }
}

Test(registry_rule, SR03_every_mistake_in_settings_at_once)
{
    struct told told;

    have_profile(json_of("{'name': 'c', 'type': 'core', 'servers': ['1.1.1.1']}"));
    told = put_settings(json_of("{'postmaster': {'mailbox': 'no mailbox', 'profile': 'c', "
                                "'more': 1}, 'other': 2, 'version': 0}"),
                        0);
    EXPECT(told, REGISTRY_INVALID);
    cr_assert_not_null(strstr(told.errors, "\"postmaster.mailbox\""), "%s", told.errors);
    cr_assert_not_null(strstr(told.errors, "\"postmaster.profile\""), "%s", told.errors);
    cr_assert_not_null(strstr(told.errors, "not of type smtp"), "%s", told.errors);
    cr_assert_not_null(strstr(told.errors, "\"postmaster.more\""), "%s", told.errors);
    cr_assert_not_null(strstr(told.errors, "\"other\""), "%s", told.errors);
    EXPECT(put_settings(json_of("{'postmaster': 'it@example.net'}"), 0), REGISTRY_INVALID);
    EXPECT(put_settings(json_of("{'postmaster': {}}"), 0), REGISTRY_INVALID);
    EXPECT(put_settings(json_of("{'postmaster': {'mailbox': '*@example.net', 'profile': 'c'}}"), 0),
           REGISTRY_INVALID);
    cr_assert_null(registry_rules(registry)->postmaster);
}

static void expect_warning(const char *text, bool is_there)
{
    json_t *list = registry_warnings(registry);

    cr_assert_eq(json_has_text(list, text), is_there, "%s", text);
    json_decref(list);
}

Test(registry_rule, SR03_standing_warnings_come_and_go)
{
    uint32_t id;

    expect_warning("no rule is enabled", true);
    expect_warning("postmaster is unset", true);
    have_smtp("a");
    id = have_rule("r", "a");
    expect_warning("no rule is enabled", false);
    EXPECT(put_settings(json_of("{'postmaster': {'mailbox': 'a@b.example', 'profile': 'a'}}"), 0),
           REGISTRY_OK);
    expect_warning("postmaster is unset", false);
    EXPECT(rule_named("r", ", 'enabled': false"), REGISTRY_OK);
    expect_warning("no rule is enabled", true);
    EXPECT(delete_rule(id, 0), REGISTRY_OK);
    expect_warning("no rule is enabled", true);
}
