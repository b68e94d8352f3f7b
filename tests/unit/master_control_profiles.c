/* Saving, testing, reading and deleting server profiles through the control API. */
#include "tests/unit/control_fixture.h"

TestSuite(control_profiles, .init = start, .fini = stop, .timeout = 30);

/* ---- saving ---- */

Test(control_profiles, SP50_stored_after_a_passed_test)
{
    ASSERT_STATUS(ask("POST", "/profiles", EXCHANGE), 201);
    cr_assert_eq(fake.probes, 1);
    ASSERT_AT("profile.name", "Exchange");
    cr_assert(json_is_true(at("created")));
    cr_assert(json_is_true(at("test.passed")));
    ASSERT_AT("test.servers.1.server", "smtp://10.0.0.2:25");
    ASSERT_AT("test.servers.1.steps.1.step", "connect");
    ASSERT_AT("test.servers.1.steps.1.result", "ok");
    cr_assert_eq(number_at("test.servers.0.steps.0.ms"), 12);
    cr_assert(json_is_array(at("warnings")));
    cr_assert(strstr(last.head, "Location: /api/v1/profiles/"));
    cr_assert(strstr(last.head, "ETag: \""));
    ASSERT_STATUS(ask("GET", "/audit", NULL), 200);
    cr_assert(strstr(last.body, "tested") && !strstr(last.body, "not tested"), "%s", last.body);
}

Test(control_profiles, SP50_every_mistake_at_once_and_no_test)
{
    ASSERT_STATUS(ask("POST", "/profiles",
                      "{\"name\":\"\",\"type\":\"smtp\",\"servers\":[\"ftp://x\"],"
                      "\"pool\":{\"size\":1000},\"colour\":1}"),
                  422);
    ASSERT_AT("code", "invalid");
    ASSERT_AT("type", "about:blank");
    cr_assert_eq(number_at("status"), 422);
    cr_assert_eq(json_array_size(at("errors")), 4, "%s", last.body);
    cr_assert(strstr(last.body, "pool.size") && strstr(last.body, "1 to 999"), "%s", last.body);
    cr_assert_eq(fake.probes, 0);
    cr_assert_eq(registry_profile_count(registry), 0);
    cr_assert(strstr(last.head, "application/problem+json"));
}

Test(control_profiles, SP52_nothing_is_stored_after_a_failed_test)
{
    fake.failing = 1U << 1;
    ASSERT_STATUS(ask("POST", "/profiles", EXCHANGE), 422);
    ASSERT_AT("code", "test_failed");
    cr_assert(strstr(text_at("detail"), "1 of 2"), "%s", text_at("detail"));
    cr_assert(json_is_true(at("test.servers.0.passed")));
    cr_assert(json_is_false(at("test.servers.1.passed")));
    ASSERT_AT("test.servers.1.steps.1.text", "connection refused");
    cr_assert_eq(registry_profile_count(registry), 0);
    /* What is stored stays. */
    put_profile(EXCHANGE);
    ASSERT_STATUS(ask("POST", "/profiles",
                      "{\"name\":\"Exchange\",\"type\":\"smtp\",\"servers\":[\"smtp://a:1\","
                      "\"smtp://b:1\"]}"),
                  422);
    ASSERT_STATUS(ask("GET", "/profiles", NULL), 200);
    ASSERT_AT("profiles.0.servers.0", "smtp://10.0.0.1:25");
}

Test(control_profiles, SP52_skipping_the_test_is_audited)
{
    ASSERT_STATUS(ask("POST", "/profiles?test=skip", EXCHANGE), 201);
    cr_assert_eq(fake.probes, 0);
    cr_assert(json_is_null(at("test")));
    ASSERT_STATUS(ask("GET", "/audit", NULL), 200);
    cr_assert(strstr(last.body, "not tested"), "%s", last.body);
    ASSERT_STATUS(ask("POST", "/profiles?test=no", EXCHANGE), 400);
}

Test(control_profiles, SP50_test_stores_nothing)
{
    ASSERT_STATUS(ask("POST", "/profiles/test", EXCHANGE), 200);
    cr_assert(json_is_true(at("passed")));
    fake.failing = 3;
    ASSERT_STATUS(ask("POST", "/profiles/test", EXCHANGE), 422);
    ASSERT_AT("code", "test_failed");
    cr_assert_eq(registry_profile_count(registry), 0);
}

Test(control_profiles, a_test_that_cannot_be_run_is_local_trouble)
{
    fake.probe_err = -EAGAIN;
    ASSERT_STATUS(ask("POST", "/profiles", EXCHANGE), 503);
    ASSERT_AT("code", "test_not_run");
    cr_assert(strstr(text_at("detail"), "no worker"), "%s", text_at("detail"));
    fake.probe_err = 0;
    fake.done_err = -EPIPE;
    ASSERT_STATUS(ask("POST", "/profiles", EXCHANGE), 503);
    cr_assert(strstr(text_at("detail"), "died"), "%s", text_at("detail"));
    cr_assert_eq(registry_profile_count(registry), 0);
}

Test(control_profiles, a_server_without_any_step_has_not_passed)
{
    fake.is_manual = true;
    client_ask(&client, "POST", "/api/v1/profiles", "", EXCHANGE);
    TURN_UNTIL(fake.probes == 1);
    fake_step(0, PROBE_CONNECT, PROBE_OK, "");
    fake_step(9, PROBE_CONNECT, PROBE_OK, "there is no such server");
    fake_done(0, true);
    take_reply(&client);
    ASSERT_STATUS(last.status, 422);
    cr_assert(json_is_false(at("test.servers.1.passed")));
}

Test(control_profiles, OP09_what_is_not_tested_yet_does_not_block)
{
    fake.is_manual = true;
    client_ask(&client, "POST", "/api/v1/profiles", "", EXCHANGE);
    TURN_UNTIL(fake.probes == 1);
    fake_step(0, PROBE_CONNECT, PROBE_OK, "");
    fake_step(0, PROBE_STARTTLS, PROBE_NOT_TESTED, "not built yet");
    fake_step(1, PROBE_CONNECT, PROBE_OK, "");
    fake_done(0, true);
    take_reply(&client);
    ASSERT_STATUS(last.status, 201);
    ASSERT_AT("test.servers.0.steps.1.result", "not tested");
}

/* ---- the stream ---- */

Test(control_profiles, SP51_each_step_is_streamed_when_it_is_done)
{
    fake.is_manual = true;
    client_ask(&client, "POST", "/api/v1/profiles", "Accept: application/x-ndjson\r\n", EXCHANGE);
    TURN_UNTIL(fake.probes == 1);
    fake_step(0, PROBE_CONNECT, PROBE_OK, "first");
    cr_assert(client_wait_text(&client, "first"));
    fake_step(1, PROBE_CONNECT, PROBE_OK, "second");
    cr_assert(client_wait_text(&client, "second"));
    fake_done(0, true);
    take_reply(&client);
    cr_assert(strstr(last.head, "application/x-ndjson"));
    cr_assert_eq(number_at("status"), 201, "the last line is the answer: %s", last.body);
    ASSERT_AT("profile.name", "Exchange");
    cr_assert(strstr(last.body, "{\"server\":\"smtp://10.0.0.1:25\",\"step\":\"connect\""), "%s",
              last.body);
}

Test(control_profiles, a_stream_that_fails_ends_with_the_problem)
{
    fake.failing = 1;
    client_ask(&client, "POST", "/api/v1/profiles", "Accept: application/x-ndjson\r\n", EXCHANGE);
    take_reply(&client);
    cr_assert_eq(number_at("status"), 422, "%s", last.body);
    ASSERT_AT("code", "test_failed");
    cr_assert_eq(registry_profile_count(registry), 0);
}

Test(control_profiles, mistakes_are_no_stream_and_keep_their_status)
{
    ASSERT_STATUS(ask_with("POST", "/profiles", "Accept: application/x-ndjson\r\n", "{}"), 422);
    cr_assert(strstr(last.head, "application/problem+json"));
}

Test(control_profiles, a_client_that_leaves_during_the_test_changes_nothing)
{
    struct unix_client gone;

    fake.is_manual = true;
    client_open(&gone, loop, path);
    client_ask(&gone, "POST", "/api/v1/profiles", "Accept: application/x-ndjson\r\n", EXCHANGE);
    TURN_UNTIL(fake.probes == 1);
    client_close(&gone);
    for (int i = 0; i < 3; i++)
        loop_turn(loop, 1);
    fake_step(0, PROBE_CONNECT, PROBE_OK, "nobody reads this");
    loop_turn(loop, 1);
    fake_step(1, PROBE_CONNECT, PROBE_OK, "nor this");
    fake_done(0, true);
    TURN_UNTIL(registry_profile_count(registry) == 1);
    ASSERT_STATUS(ask("GET", "/profiles", NULL), 200);
}

Test(control_profiles, stopping_gives_tests_up_and_answers)
{
    fake.is_manual = true;
    client_ask(&client, "POST", "/api/v1/profiles", "", EXCHANGE);
    TURN_UNTIL(fake.probes == 1);
    control_stop(control);
    cr_assert_eq(fake.forgotten, 1);
    take_reply(&client);
    ASSERT_STATUS(last.status, 503);
    cr_assert_neq(access(path, F_OK), 0, "the socket is gone");
}

/* ---- versions ---- */

Test(control_profiles, SP54_put_needs_the_version_that_is_there)
{
    char target[64], header[64], body[256];
    long long id = put_profile(EXCHANGE), version = number_at("profile.version");

    snprintf(target, sizeof(target), "/profiles/%lld?test=skip", id);
    ASSERT_STATUS(ask("PUT", target, EXCHANGE), 428);
    ASSERT_AT("code", "precondition");
    snprintf(header, sizeof(header), "If-Match: \"%lld\"\r\n", version);
    ASSERT_STATUS(ask_with("PUT", target, header, EXCHANGE), 200);
    cr_assert_gt(number_at("profile.version"), version);
    ASSERT_STATUS(ask_with("PUT", target, header, EXCHANGE), 412);
    ASSERT_AT("code", "stale");
    ASSERT_STATUS(ask_with("PUT", target, "If-Match: W/\"x\"\r\n", EXCHANGE), 412);
    snprintf(body, sizeof(body),
             "{\"name\":\"Exchange\",\"type\":\"smtp\",\"servers\":[\"a:25\"],\"version\":%lld}",
             version);
    ASSERT_STATUS(ask("PUT", target, body), 412);
    ASSERT_STATUS(ask("POST", "/profiles?test=skip", body), 412);
    ASSERT_STATUS(ask_with("PUT", target, "If-Match: *\r\n", EXCHANGE), 200);
    ASSERT_STATUS(ask_with("PUT", "/profiles/4000000", "If-Match: *\r\n", EXCHANGE), 404);
}

Test(control_profiles, SP54_the_etag_of_reading_is_the_version)
{
    char target[64], etag[64];
    long long id = put_profile(EXCHANGE), version = number_at("profile.version");

    snprintf(target, sizeof(target), "/profiles/%lld", id);
    ASSERT_STATUS(ask("GET", target, NULL), 200);
    snprintf(etag, sizeof(etag), "ETag: \"%lld\"", version);
    cr_assert(strstr(last.head, etag), "%s", last.head);
    cr_assert_eq(number_at("version"), version);
}

Test(control_profiles, post_updates_by_name_and_by_id)
{
    char body[256];
    long long id = put_profile(EXCHANGE);

    ASSERT_STATUS(ask("POST", "/profiles", EXCHANGE), 200);
    cr_assert(json_is_false(at("created")));
    cr_assert_eq(number_at("profile.id"), id);
    snprintf(body, sizeof(body),
             "{\"id\":%lld,\"name\":\"Renamed\",\"type\":\"smtp\",\"servers\":[\"a:25\"]}", id);
    ASSERT_STATUS(ask("POST", "/profiles", body), 200);
    cr_assert_eq(number_at("profile.id"), id);
    ASSERT_AT("profile.name", "Renamed");
    cr_assert_eq(registry_profile_count(registry), 1);
}

Test(control_profiles, what_is_shown_can_be_put_again)
{
    char *shown;

    put_profile(EXCHANGE);
    ASSERT_STATUS(ask("GET", "/profiles?name=Exchange", NULL), 200);
    shown = json_dumps(at("profiles.0"), 0);
    ASSERT_STATUS(ask("POST", "/profiles", shown), 200);
    free(shown);
}

/* ---- secrets ---- */

Test(control_profiles, SP60_no_answer_holds_a_secret)
{
    const char *with = "{\"name\":\"Exchange\",\"type\":\"smtp\",\"servers\":[\"10.0.0.1:25\"],"
                       "\"username\":\"gw\",\"password\":\"correct-horse\"}";
    char target[64];
    long long id;

    ASSERT_STATUS(ask("POST", "/profiles", with), 201);
    cr_assert_not(strstr(last.body, "correct-horse"));
    cr_assert(json_is_true(at("profile.password_set")));
    cr_assert_str_eq(fake.password, "correct-horse", "the test gets it");
    id = number_at("profile.id");
    snprintf(target, sizeof(target), "/profiles/%lld", id);
    const char *const targets[] = { target, "/profiles", "/export", "/audit", "/status" };

    for (size_t i = 0; i < sizeof(targets) / sizeof(*targets); i++) {
        ASSERT_STATUS(ask("GET", targets[i], NULL), 200);
        cr_assert_not(strstr(last.body, "correct-horse"), "%s", targets[i]);
    }
    ASSERT_STATUS(ask("POST", "/profiles",
                      "{\"name\":\"Exchange\",\"type\":\"smtp\",\"servers\":[\"10.0.0.9:25\"],"
                      "\"username\":\"gw\",\"password\":\"correct-horse\",\"pool\":7}"),
                  422);
    cr_assert_not(strstr(last.body, "correct-horse"));
}

#define TEST_OF                                                                  \
    "{\"id\":%lld,\"name\":\"Exchange\",\"type\":\"smtp\",\"servers\":[\"%s\"]," \
    "\"username\":\"gw\"}"

Test(control_profiles, SP60_a_test_uses_the_kept_secret_only_where_it_belongs)
{
    char body[256];
    long long id = put_profile("{\"name\":\"Exchange\",\"type\":\"smtp\",\"servers\":[\"10.0.0.1:"
                               "25\"],\"username\":\"gw\",\"password\":\"correct-horse\"}");

    snprintf(body, sizeof(body), TEST_OF, id, "10.0.0.1:25");
    ASSERT_STATUS(ask("POST", "/profiles/test", body), 200);
    cr_assert_str_eq(fake.password, "correct-horse");
    snprintf(body, sizeof(body), TEST_OF, id, "10.6.6.6:25");
    ASSERT_STATUS(ask("POST", "/profiles/test", body), 422);
    ASSERT_AT("code", "invalid");
    cr_assert_eq(fake.probes, 1, "nobody else gets it");
}

/* ---- checking while it is written ---- */

Test(control_profiles, SP16_a_check_shows_what_would_be_stored_and_stores_nothing)
{
    ASSERT_STATUS(ask("POST", "/profiles/check",
                      "{\"name\":\"Out\",\"type\":\"smtp\",\"servers\":[\"Mail.Example.NET\","
                      "\"smtps://10.0.0.1/\"]}"),
                  200);
    cr_assert(json_is_true(at("valid")), "%s", last.body);
    cr_assert_eq(json_array_size(at("errors")), 0);
    ASSERT_AT("servers.0", "smtp://mail.example.net:25");
    ASSERT_AT("servers.1", "smtps://10.0.0.1:465");
    ASSERT_AT("warnings.0.property", "servers[1]"); /* 465 was assumed (SP14) */
    cr_assert_eq(fake.probes, 0);
    cr_assert_eq(registry_profile_count(registry), 0);
    ASSERT_STATUS(ask("GET", "/audit", NULL), 200);
    cr_assert_eq(json_array_size(at("entries")), 0, "%s", last.body);
}

Test(control_profiles, SP50_a_check_tells_every_mistake_and_the_forms_beside_them)
{
    ASSERT_STATUS(ask("POST", "/profiles/check",
                      "{\"name\":\"\",\"type\":\"vault\",\"servers\":[\"vault.example.net\","
                      "\"ftp://x\",7],\"pool\":{}}"),
                  200);
    cr_assert(json_is_false(at("valid")), "%s", last.body);
    cr_assert(strstr(last.body, "\"property\":\"name\"") &&
                  strstr(last.body, "\"property\":\"servers[1]\"") &&
                  strstr(last.body, "\"property\":\"pool\""),
              "%s", last.body);
    ASSERT_AT("servers.0", "http://vault.example.net:8010/vault_rest");
    cr_assert(json_is_null(at("servers.1")) && json_is_null(at("servers.2")), "%s", last.body);
}

Test(control_profiles, SP50_a_check_without_a_type_shows_no_forms)
{
    ASSERT_STATUS(ask("POST", "/profiles/check", "{\"name\":\"x\",\"servers\":[\"a\"]}"), 200);
    cr_assert(json_is_array(at("servers")) && json_array_size(at("servers")) == 0);
    ASSERT_AT("errors.0.property", "type");
}

Test(control_profiles, SP02_a_new_one_by_its_null_id_changes_no_namesake)
{
    static const char again[] = "{\"id\":null,\"name\":\"exchange\",\"type\":\"smtp\","
                                "\"servers\":[\"10.6.6.6\"]}";

    put_profile(EXCHANGE);
    ASSERT_STATUS(ask("POST", "/profiles/check", again), 200);
    ASSERT_AT("errors.0.property", "name");
    ASSERT_STATUS(ask("POST", "/profiles", again), 422);
    ASSERT_AT("errors.0.property", "name");
    ASSERT_STATUS(ask("GET", "/profiles", NULL), 200);
    ASSERT_AT("profiles.0.servers.0", "smtp://10.0.0.1:25");
    cr_assert_eq(fake.probes, 0);
}

/* ---- reading and deleting ---- */

Test(control_profiles, by_name_or_id_or_not_at_all)
{
    put_profile(EXCHANGE);
    ASSERT_STATUS(ask("GET", "/profiles?name=Exchange", NULL), 200);
    cr_assert_eq(json_array_size(at("profiles")), 1);
    ASSERT_STATUS(ask("GET", "/profiles?name=nobody", NULL), 200);
    cr_assert_eq(json_array_size(at("profiles")), 0);
    ASSERT_STATUS(ask("GET", "/profiles/99", NULL), 404);
    ASSERT_STATUS(ask("GET", "/profiles/abc", NULL), 404);
    ASSERT_STATUS(ask("GET", "/profiles/99999999999999999999", NULL), 404);
    ASSERT_STATUS(ask("GET", "/profiles/0", NULL), 404);
}

Test(control_profiles, SP53_in_use_is_not_deleted_and_says_by_whom)
{
    char target[64];
    long long id = put_profile(EXCHANGE);

    ASSERT_STATUS(ask("POST", "/rules",
                      "{\"name\":\"Inbound\",\"match\":{\"recipients\":[\"*@example.net\"]},"
                      "\"relay\":\"Exchange\"}"),
                  201);
    snprintf(target, sizeof(target), "/profiles/%lld", id);
    ASSERT_STATUS(ask("DELETE", target, NULL), 409);
    ASSERT_AT("code", "in_use");
    cr_assert(strstr(last.body, "Inbound"), "%s", last.body);
    ASSERT_STATUS(ask("GET", "/rules?name=Inbound", NULL), 200);
    snprintf(target, sizeof(target), "/rules/%lld", number_at("rules.0.id"));
    ASSERT_STATUS(ask("DELETE", target, NULL), 204);
    snprintf(target, sizeof(target), "/profiles/%lld", id);
    ASSERT_STATUS(ask_with("DELETE", target, "If-Match: \"999999\"\r\n", NULL), 412);
    ASSERT_STATUS(ask("DELETE", target, NULL), 204);
    ASSERT_STATUS(ask("DELETE", target, NULL), 404);
}
