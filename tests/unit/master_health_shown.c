/* What is shown of servers, and what `status` warns of (SP23). */
#include "health_stage.h"

#include "master/health_shown.h"

TestSuite(health_shown, .init = set_up_health, .fini = tear_down, .timeout = 60);

static const json_t *member(const json_t *list, size_t index, const char *name)
{
    const json_t *value = json_object_get(json_array_get(list, index), name);

    cr_assert_not_null(value, "%s of %zu", name, index);
    return value;
}

static void expect_text(const json_t *list, size_t index, const char *name, const char *wanted)
{
    const char *text = json_string_value(member(list, index, name));

    cr_expect(text != NULL && strcmp(text, wanted) == 0, "%s: %s", name, text);
}

static void expect_null(const json_t *list, size_t index, const char *name)
{
    cr_expect(json_is_null(member(list, index, name)), "%s", name);
}

static size_t warnings_with(const char *text)
{
    json_t *list = health_warnings(queue);
    size_t count = 0;

    for (size_t i = 0; i < json_array_size(list); i++)
        count += strstr(json_string_value(json_array_get(list, i)), text) != NULL ? 1 : 0;
    json_decref(list);
    return count;
}

Test(health_shown, SP23_servers_with_their_state_reason_and_times)
{
    json_t *list;

    set_servers(2, 100);
    open_first(1);
    queue_mail(1, 0, 4, 0);
    turns();
    list = health_shown(queue, 0);
    cr_assert_eq(json_array_size(list), 2u);
    expect_text(list, 0, "profile", "p1");
    expect_text(list, 0, "server", "smtp://a:25");
    expect_text(list, 0, "state", "down");
    expect_text(list, 0, "reason", "connection refused");
    cr_expect(json_is_false(member(list, 0, "drained")));
    cr_expect_eq(json_integer_value(member(list, 0, "failures")), 3);
    cr_expect(json_is_string(member(list, 0, "since")));
    cr_expect(json_is_string(member(list, 0, "next_probe")));
    expect_text(list, 1, "state", "up");
    expect_null(list, 1, "since");
    expect_null(list, 1, "reason");
    expect_null(list, 1, "next_probe");
    cr_expect_eq(json_integer_value(member(list, 1, "in_flight")), 4);
    json_decref(list);
}

Test(health_shown, SP23_of_one_profile)
{
    json_t *list;

    set_servers(2, 100);
    set_profile_of(2, 1, PREFERENCE_FAILOVER, 100, three, 3);
    list = health_shown(queue, 2);
    cr_assert_eq(json_array_size(list), 3u);
    expect_text(list, 0, "profile", "p2");
    json_decref(list);
    list = health_shown(queue, 0);
    cr_assert_eq(json_array_size(list), 5u);
    json_decref(list);
}

Test(health_shown, a_reason_that_is_no_utf8_is_shown_all_the_same)
{
    struct ipc_server_failed failed;
    json_t *list;

    set_servers(1, 100);
    queue_mail(1, 0, 1, 0);
    turns();
    failed = failure_of(last_job(), 0);
    strcpy(failed.text, "554 gr\xfc\xdf");
    cr_assert_eq(dispatch_server_failed(dispatch, workers.slots[0], &failed), 0);
    list = health_shown(queue, 0);
    expect_text(list, 0, "reason", "554 gr??");
    expect_text(list, 0, "state", "doubted");
    json_decref(list);
}

Test(health_shown, SP23_warnings_stand_as_long_as_they_are_true)
{
    set_servers(2, 100);
    cr_assert_eq(warnings_with(""), 0u);
    open_first(1);
    cr_assert_eq(warnings_with(""), 0u, "another is up");
    for (unsigned i = 0; i < 3; i++)
        fail_one(1, -1);
    cr_assert_eq(warnings_with("no server of profile \"p1\" takes mail since 20"), 1u);
    cr_assert_eq(dispatch_enable(dispatch, 1, "smtp://a:25"), 0);
    cr_assert_eq(warnings_with(""), 0u);
}

Test(health_shown, SP23_drains_and_refused_passwords_are_warned_of)
{
    struct ipc_server_failed failed;
    json_t *list;

    set_servers(3, 100);
    queue_mail(1, 0, 1, 0);
    turns();
    failed = failure_of(last_job(), 0);
    failed.word = IPC_WORD_REFUSES_LOGIN;
    cr_assert_eq(dispatch_server_failed(dispatch, workers.slots[0], &failed), 0);
    cr_assert_eq(dispatch_drain(dispatch, 1, "smtp://b:25"), 0);
    cr_assert_eq(warnings_with("smtp://a:25 of profile \"p1\" refuses our login"), 1u);
    cr_assert_eq(warnings_with("smtp://b:25 of profile \"p1\" is drained"), 1u);
    cr_assert_eq(warnings_with(""), 2u);
    list = health_shown(queue, 1);
    expect_text(list, 0, "state", "login refused");
    expect_null(list, 0, "next_probe");
    cr_expect(json_is_true(member(list, 1, "drained")));
    json_decref(list);
}

Test(health_shown, SP23_alerts_when_the_last_server_goes_and_when_one_is_back)
{
    set_servers(1, 100);
    cr_assert_eq(route()->down_wall_ms, 0);
    open_first(-1);
    cr_assert_neq(route()->down_wall_ms, 0);
    cr_assert_eq(alerts_heard, 1u);
    cr_assert_eq(dispatch_enable(dispatch, 1, "smtp://a:25"), 0);
    cr_assert_eq(route()->down_wall_ms, 0);
    cr_assert_eq(alerts_heard, 2u);
}
