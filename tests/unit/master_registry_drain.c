/* Servers that an operator has drained: durable, audited, and of servers that there are (SP23). */
#include "registry_helper.h"

#include "master/registry_private.h"

TestSuite(registry_drain, .init = start_registry, .fini = stop_registry, .timeout = 60);

#define A "smtp://10.0.0.1:25"
#define B "smtp://10.0.0.2:25"

static uint32_t have_two(const char *name)
{
    return have_profile(json_of("{'name': '%s', 'type': 'smtp', 'servers': ['10.0.0.1', "
                                "'10.0.0.2']}",
                                name));
}

static struct told drain(uint32_t profile, const char *uri, bool is_drained)
{
    struct told told = { 0 };

    registry_server_drain(registry, profile, uri, is_drained, &actor, on_told, &told);
    wait_for(&told);
    return told;
}

Test(registry_drain, SP23_a_drain_outlives_a_restart_until_the_server_is_enabled)
{
    uint32_t one = have_two("one"), two = have_two("two");

    EXPECT(drain(one, A, true), REGISTRY_OK);
    EXPECT(drain(two, B, true), REGISTRY_OK);
    EXPECT(drain(two, B, true), REGISTRY_OK); /* once more is no mistake */
    for (unsigned i = 0; i < 2; i++) {
        cr_assert(registry_is_drained(registry, one, A));
        cr_assert_not(registry_is_drained(registry, one, B));
        cr_assert_not(registry_is_drained(registry, two, A));
        cr_assert(registry_is_drained(registry, two, B));
        cr_assert_eq(json_array_size(registry->drained), 2u);
        reopen_registry();
    }
    EXPECT(drain(one, A, false), REGISTRY_OK);
    reopen_registry();
    cr_assert_not(registry_is_drained(registry, one, A));
    cr_assert(registry_is_drained(registry, two, B));
}

Test(registry_drain, SP23_only_servers_that_there_are)
{
    uint32_t one = have_two("one");

    EXPECT(drain(one, "smtp://10.0.0.3:25", true), REGISTRY_NOT_FOUND);
    EXPECT(drain(one + 1, A, true), REGISTRY_NOT_FOUND);
    cr_assert_null(registry->drained);
}

Test(registry_drain, SP23_what_has_left_its_profile_is_forgotten_with_the_next_order)
{
    uint32_t one = have_two("one"), two = have_two("two");

    EXPECT(drain(one, A, true), REGISTRY_OK);
    EXPECT(drain(two, A, true), REGISTRY_OK);
    EXPECT(put_profile(json_of("{'name': 'one', 'type': 'smtp', 'servers': ['10.0.0.2']}"), 0),
           REGISTRY_OK);
    EXPECT(delete_profile(two, 0), REGISTRY_OK);
    EXPECT(drain(one, B, true), REGISTRY_OK);
    cr_assert_eq(json_array_size(registry->drained), 1u);
    cr_assert(registry_is_drained(registry, one, B));
}

Test(registry_drain, SP23_who_drained_what_and_when)
{
    uint32_t one = have_two("one");
    json_t *entries;

    EXPECT(drain(one, A, true), REGISTRY_OK);
    EXPECT(drain(one, A, false), REGISTRY_OK);
    entries = registry_audit(registry, 0, 2);
    cr_assert(json_has_text(json_array_get(entries, 0), "server enabled"));
    cr_assert(json_has_text(json_array_get(entries, 1), "server drained"));
    cr_assert(json_has_text(json_array_get(entries, 1), "uid=7"));
    cr_assert(json_has_text(json_array_get(entries, 1), A));
    json_decref(entries);
}

Test(registry_drain, SP23_a_record_that_is_not_ours_is_not_believed)
{
    static const char *const records[] = {
        "{'v': 1}",
        "{'v': 1, 'servers': {}}",
        "{'v': 1, 'servers': [1]}",
        "{'v': 1, 'servers': [{'profile': 1}]}",
        "{'v': 1, 'servers': [{'profile': '1', 'server': 's'}]}",
        "{'v': 1, 'servers': [{'profile': 1, 'server': 's', 'more': 1}]}",
        "{'v': 1, 'servers': [], 'more': 1}",
    };
    json_t *drained = NULL;

    for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++) {
        json_t *record = json_of("%s", records[i]);

        cr_expect_not(registry_read_drained(record, &drained), "%s", records[i]);
        json_decref(record);
    }
    cr_assert_null(drained);
}
