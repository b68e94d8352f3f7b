/* The audit log; and a store that cannot be written: what is refused leaves everything as it was.
 */
#include "registry_helper.h"

#include <signal.h>
#include <sys/resource.h>

#include "master/registry_private.h"

TestSuite(registry_audit, .init = start_registry, .fini = stop_registry, .timeout = 60);

static const char *text_of(const json_t *entries, size_t index, const char *member)
{
    const char *text = json_string_value(json_object_get(json_array_get(entries, index), member));

    return text != NULL ? text : "";
}

Test(registry_audit, SP52_who_changed_what_and_how)
{
    uint32_t id = have_smtp("Exchange");
    json_t *entries;

    EXPECT(put_profile(json_of("{'name': 'Exchange', 'type': 'smtp', 'servers': ['1.1.1.1'], "
                               "'preference': 'round_robin'}"),
                       0),
           REGISTRY_OK);
    have_rule("r", "Exchange");
    EXPECT(delete_profile(id, 0), REGISTRY_IN_USE); /* refused: no entry */
    reopen_registry();
    entries = registry_audit(registry, 0, 100);
    cr_assert_eq(json_array_size(entries), 3);
    cr_assert_str_eq(text_of(entries, 0, "what"), "rule created");
    cr_assert_str_eq(text_of(entries, 0, "object"), "r");
    cr_assert_str_eq(text_of(entries, 1, "what"), "profile changed");
    cr_assert_str_eq(text_of(entries, 1, "detail"), "not tested; changed: servers, preference");
    cr_assert_str_eq(text_of(entries, 2, "what"), "profile created");
    cr_assert_str_eq(text_of(entries, 2, "who"), "uid=7");
    cr_assert_str_eq(text_of(entries, 2, "object"), "Exchange");
    cr_assert_str_eq(text_of(entries, 2, "detail"), "not tested");
    cr_assert_eq(text_of(entries, 2, "time")[10], 'T');
    cr_assert_eq(json_integer_value(json_object_get(json_array_get(entries, 2), "number")), 1);
    json_decref(entries);
}

Test(registry_audit, SP60_another_secret_shows_by_its_name_only)
{
    json_t *entries;

    have_profile(json_of("{'name': 'a', 'type': 'core', 'servers': ['1.1.1.1'], 'api_key': "
                         "'first-key'}"));
    EXPECT(put_profile(json_of("{'name': 'a', 'type': 'core', 'servers': ['1.1.1.1'], 'api_key': "
                               "'other-key'}"),
                       0),
           REGISTRY_OK);
    entries = registry_audit(registry, 0, 1);
    cr_assert_not_null(strstr(text_of(entries, 0, "detail"), "changed: api_key"), "%s",
                       text_of(entries, 0, "detail"));
    cr_assert_not(json_has_text(entries, "other-key"));
    json_decref(entries);
}

/* Until no change waits and none is being written. */
static void turn_until_idle(void)
{
    loop_turn(loop, 10);
    TURN_UNTIL(registry->running == NULL && registry->waiting_count == 0);
}

Test(registry_audit, entries_of_others_and_pages)
{
    char object[16];
    json_t *page;
    uint64_t before = 0, expected = 25;

    for (unsigned i = 1; i <= 25; i++) {
        (void)snprintf(object, sizeof(object), "m%u", i);
        registry_audit_add(registry, &actor, "queue retried", object, NULL);
    }
    turn_until_idle();
    cr_assert_eq(registry->last_audit, 25);
    for (unsigned pages = 0; pages < 3; pages++) {
        page = registry_audit(registry, before, 10);
        cr_assert_eq(json_array_size(page), pages < 2 ? 10 : 5);
        for (size_t i = 0; i < json_array_size(page); i++) {
            before =
                (uint64_t)json_integer_value(json_object_get(json_array_get(page, i), "number"));
            cr_assert_eq(before, expected--);
        }
        json_decref(page);
    }
    page = registry_audit(registry, before, 10);
    cr_assert_eq(json_array_size(page), 0);
    json_decref(page);
}

Test(registry_audit, numbers_go_on_after_a_restart)
{
    json_t *entries;

    have_smtp("a");
    reopen_registry();
    have_smtp("b");
    entries = registry_audit(registry, 0, 10);
    cr_assert_eq(json_integer_value(json_object_get(json_array_get(entries, 0), "number")), 2);
    json_decref(entries);
}

Test(registry_audit, beyond_the_maximum_the_oldest_leave)
{
    json_t *entries;

    have_smtp("a");
    have_smtp("b");
    registry->last_audit = REGISTRY_MAX_AUDIT; /* as if there were so many between */
    have_smtp("c");                            /* number MAX + 1 pushes out number 1 */
    entries = registry_audit(registry, 0, 10);
    cr_assert_eq(json_array_size(entries), 2);
    cr_assert_str_eq(text_of(entries, 0, "object"), "c");
    cr_assert_str_eq(text_of(entries, 1, "object"), "b");
    json_decref(entries);
}

Test(registry_audit, what_was_done_is_written_even_at_the_very_end)
{
    json_t *entries;

    registry_audit_add(registry, &actor, "queue deleted", "first", NULL);
    registry_audit_add(registry, &actor, "queue deleted", "second", "two groups");
    reopen_registry(); /* no turn of the loop in between */
    entries = registry_audit(registry, 0, 10);
    cr_assert_eq(json_array_size(entries), 2);
    cr_assert_str_eq(text_of(entries, 0, "detail"), "two groups");
    json_decref(entries);
}

Test(registry_audit, it_can_be_read_while_a_change_is_being_written)
{
    struct told told[50] = { { 0 } };
    unsigned done = 0;

    for (unsigned i = 0; i < 50; i++) {
        char name[8];

        (void)snprintf(name, sizeof(name), "p%u", i);
        registry_profile_put(registry,
                             check_profile(json_of("{'name': '%s', 'type': 'smtp', 'servers': "
                                                   "['1.1.1.1']}",
                                                   name),
                                           0, NULL, 0),
                             0, "tested", &actor, on_told, &told[i]);
    }
    while (done < 50) {
        json_t *entries = registry_audit(registry, 0, 100);

        cr_assert_not_null(entries);
        cr_assert_geq(json_array_size(entries), done);
        json_decref(entries);
        loop_turn(loop, 10);
        for (done = 0; done < 50 && told[done].is_there; done++)
            EXPECT(told[done], REGISTRY_OK);
    }
}

/* ---- a store that cannot be written ---- */

static void limit_files_to(rlim_t bytes)
{
    struct rlimit limit;

    signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static unsigned changes_heard;

static void on_change(uint32_t profile, bool gone, void *arg)
{
    (void)profile;
    (void)gone;
    (void)arg;
    changes_heard++;
}

/* Of a size that no free page of the file can take. */
static json_t *large_profile(const char *name)
{
    json_t *input = json_of("{'name': '%s', 'type': 'smtp', 'servers': []}", name);
    json_t *servers = json_object_get(input, "servers");

    for (unsigned i = 0; i < PROFILE_MAX_SERVERS; i++)
        json_array_append_new(servers,
                              json_sprintf("smtp://%060u.%060u.%060u.example.net", i, i, i));
    return input;
}

Test(registry_audit, SP54_a_full_disk_refuses_the_save_and_keeps_the_old_version)
{
    struct told told;
    json_t *before, *now;
    uint64_t generation;
    size_t bytes;
    uint32_t id;

    have_profile(json_of("{'name': 'a', 'type': 'core', 'servers': ['1.1.1.1'], 'api_key': 'k'}"));
    have_smtp("b");
    id = have_rule("r", "b");
    before = registry_export(registry);
    generation = registry->generation;
    registry_watch(registry, on_change, NULL);
    free(read_store(&bytes));
    limit_files_to(bytes); /* what is there may be written again, but nothing may be added */
    for (unsigned i = 0; i < 20; i++) { /* each one takes free pages, if there are any */
        char name[8];

        (void)snprintf(name, sizeof(name), "n%u", i);
        told = put_profile(large_profile(name), 0);
        if (told.result == REGISTRY_STORE)
            break;
        EXPECT(told, REGISTRY_OK);
        EXPECT(delete_profile(told.id, 0), REGISTRY_OK);
    }
    EXPECT(told, REGISTRY_STORE);
    cr_assert_not_null(strstr(told.why, "cannot save"), "%s", told.why);
    changes_heard = 0;
    generation = registry->generation;
    told = put_profile(large_profile("b"), 0);
    EXPECT(told, REGISTRY_STORE);
    cr_assert_eq(registry->generation, generation);
    cr_assert_eq(changes_heard, 0);
    now = registry_export(registry);
    cr_assert(json_equal(before, now), "in memory");
    json_decref(now);
    limit_files_to(RLIM_INFINITY);
    reopen_registry();
    now = registry_export(registry);
    cr_assert(json_equal(before, now), "on disk");
    json_decref(now);
    json_decref(before);
    EXPECT(put_profile(large_profile("b"), 0), REGISTRY_OK); /* room again */
    EXPECT(delete_rule(id, 0), REGISTRY_OK);
}

static bool fails_sync;

int fdatasync(int fd)
{
    if (fails_sync) {
        errno = EIO;
        return -1;
    }
    return fsync(fd);
}

Test(registry_audit, SP54_every_kind_of_change_is_refused_whole)
{
    uint32_t profile = have_smtp("a"), rule = have_rule("r", "a");
    uint64_t audit;
    json_t *before, *now, *input;

    have_rule("s", "a");
    have_smtp("c");
    before = registry_export(registry);
    audit = registry->last_audit;
    fails_sync = true;
    EXPECT(put_profile(json_of("{'name': 'a', 'type': 'smtp', 'servers': ['9.9.9.9']}"), 0),
           REGISTRY_STORE);
    EXPECT(put_profile(json_of("{'name': 'z', 'type': 'smtp', 'servers': ['9.9.9.9']}"), 0),
           REGISTRY_STORE);
    EXPECT(delete_profile(registry_profile_named(registry, "c")->id, 0), REGISTRY_STORE);
    EXPECT(
        put_rule(json_of("{'name': 'r', 'relay': 'c', 'match': {'recipients': ['*@a.b']}}"), 0, 0),
        REGISTRY_STORE);
    EXPECT(
        put_rule(json_of("{'name': 't', 'relay': 'c', 'match': {'recipients': ['*@a.b']}}"), 0, 0),
        REGISTRY_STORE);
    EXPECT(move_rule(rule, 2), REGISTRY_STORE);
    EXPECT(delete_rule(rule, 0), REGISTRY_STORE);
    EXPECT(put_settings(json_of("{'postmaster': {'mailbox': 'a@b.example', 'profile': 'a'}}"), 0),
           REGISTRY_STORE);
    input = json_of("{'profiles': [{'name': 'y', 'type': 'smtp', 'servers': ['1.1.1.1']}]}");
    EXPECT(take_in(input), REGISTRY_STORE);
    fails_sync = false;
    cr_assert_eq(registry->last_audit, audit);
    for (unsigned round = 0; round < 2; round++) {
        now = registry_export(registry);
        cr_assert(json_equal(before, now));
        cr_assert_not_null(registry_profile(registry, profile));
        json_decref(now);
        reopen_registry();
    }
    json_decref(before);
    /* Ids that were meant for what was refused are the next ones'. */
    cr_assert_eq(have_smtp("z"), profile + 2);
}

Test(registry_audit, an_entry_that_cannot_be_written_is_no_end)
{
    json_t *entries;

    fails_sync = true;
    registry_audit_add(registry, &actor, "queue held", "06AB", NULL);
    turn_until_idle();
    fails_sync = false;
    have_smtp("a");
    entries = registry_audit(registry, 0, 10);
    cr_assert_eq(json_array_size(entries), 1);
    cr_assert_eq(json_integer_value(json_object_get(json_array_get(entries, 0), "number")), 1);
    json_decref(entries);
}

/* ---- what a store of another version holds ---- */

static void write_behind(enum store_table table, const char *key, const char *value)
{
    struct store_change change = { .table = table, .value = (char *)value };
    struct store *store = NULL;
    char path[128];

    close_registry();
    (void)snprintf(path, sizeof(path), "%s/state/store", directory);
    strcpy(change.key, key);
    cr_assert_eq(store_open(path, STORE_LIMITS, &store, NULL), 0);
    cr_assert_eq(store_commit(store, &change, 1, NULL), 0);
    store_close(&store);
}

Test(registry_audit, OP09_what_this_version_does_not_know_refuses_the_start)
{
    static const struct {
        enum store_table table;
        const char *key, *value;
    } unknown[] = {
        { STORE_PROFILES, "0000000000000007", "{\"v\": 2, \"id\": 7}" },
        { STORE_PROFILES, "0000000000000007", "not JSON" },
        { STORE_PROFILES, "0000000000000007", "{\"v\": 1, \"id\": 7}" },
        { STORE_RULES, "0000000000000007", "{\"v\": 2}" },
        { STORE_RULES, "0000000000000007", "{\"v\": 1}" },
        { STORE_SETTINGS, "general", "{\"v\": 9}" },
        { STORE_SETTINGS, "more", "{\"v\": 1, \"version\": 1, \"postmaster\": null}" },
        { STORE_META, "more", "{\"v\": 1}" },
        { STORE_META, "counters", "{\"v\": 1, \"profile\": 4294967296}" },
        { STORE_META, "rule_order", "{\"v\": 1, \"ids\": [77]}" },
        { STORE_META, "rule_order", "{\"v\": 1, \"ids\": []}" },
    };

    have_smtp("a");
    have_rule("r", "a");
    for (unsigned i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
        size_t bytes;
        char *good = read_store(&bytes), path[128];
        struct reason why = { "" };

        write_behind(unknown[i].table, unknown[i].key, unknown[i].value);
        cr_assert_eq(try_open(&why), -EBADMSG, "%u: %s", i, why.text);
        cr_assert_not_null(strstr(why.text, unknown[i].key), "%s", why.text);
        (void)snprintf(path, sizeof(path), "%s/state/store/data.mdb", directory);
        write_whole(path, good, bytes);
        free(good);
        open_registry();
    }
}
