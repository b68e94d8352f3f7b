/* The registry through the control API, beside profiles: rules, its key, export and import. */
#include "tests/unit/control_fixture.h"

TestSuite(control_registry, .init = start, .fini = stop, .timeout = 60);

/* ---- rules ---- */

static long long put_rule(const char *name, const char *recipient, const char *relay)
{
    char body[512];

    snprintf(body, sizeof(body),
             "{\"name\":\"%s\",\"match\":{\"recipients\":[\"%s\"],\"clients\":[\"10.0.0.0/8\"]},"
             "\"relay\":\"%s\"}",
             name, recipient, relay);
    ask("POST", "/rules", body);
    cr_assert(last.status == 200 || last.status == 201, "%s", last.body);
    return number_at("rule.id");
}

Test(control_registry, SR01_rules_keep_their_order_and_move)
{
    char target[64];
    long long second;

    put_profile(EXCHANGE);
    put_rule("A", "a@example.net", "Exchange");
    second = put_rule("B", "*@example.net", "Exchange");
    cr_assert(json_is_true(at("created")));
    put_rule("B", "b@example.net", "Exchange");
    cr_assert(json_is_false(at("created")));
    ASSERT_STATUS(ask("GET", "/rules", NULL), 200);
    ASSERT_AT("rules.0.name", "A");
    ASSERT_AT("rules.1.relay", "Exchange");
    cr_assert(strstr(last.head, "ETag: \""));
    snprintf(target, sizeof(target), "/rules/%lld/move", second);
    ASSERT_STATUS(ask("POST", target, "{\"position\":1}"), 200);
    ASSERT_STATUS(ask("GET", "/rules", NULL), 200);
    ASSERT_AT("rules.0.name", "B");
    ASSERT_STATUS(ask("POST", target, "{\"position\":0}"), 422);
    ASSERT_STATUS(ask("POST", target, "{}"), 422);
    snprintf(target, sizeof(target), "/rules/%lld", second);
    ASSERT_STATUS(ask("PUT", target, "{}"), 428);
    ASSERT_STATUS(ask("GET", target, NULL), 200);
    ASSERT_STATUS(ask("DELETE", target, NULL), 204);
    ASSERT_STATUS(ask("GET", target, NULL), 404);
}

Test(control_registry, SR03_an_open_relay_is_refused)
{
    put_profile(EXCHANGE);
    ASSERT_STATUS(ask("POST", "/rules",
                      "{\"name\":\"r\",\"match\":{\"recipients\":[\"*\"]},\"relay\":\"Exchange\"}"),
                  422);
    cr_assert(strstr(last.body, "allow_open_relay"), "%s", last.body);
    ASSERT_STATUS(ask("POST", "/rules",
                      "{\"name\":\"r\",\"match\":{\"recipients\":[\"*@a.b\"]},\"relay\":\"no\"}"),
                  422);
    cr_assert(strstr(last.body, "\"relay\""), "%s", last.body);
}

Test(control_registry, SR06_which_rule_and_why)
{
    put_profile(EXCHANGE);
    put_rule("A", "a@example.net", "Exchange");
    put_rule("B", "*@example.net", "Exchange");
    fake.next_start = 1;
    ASSERT_STATUS(
        ask("GET", "/rules/which?client=10.1.2.3&from=x%40y.z&to=%3Cb%40example.net%3E", NULL),
        200);
    ASSERT_AT("verdict", "match");
    ASSERT_AT("rule", "B");
    cr_assert_eq(number_at("position"), 2);
    ASSERT_AT("profile", "Exchange");
    ASSERT_AT("server", "smtp://10.0.0.2:25");
    ASSERT_AT("passed_over.0.rule", "A");
    ASSERT_AT("passed_over.0.because", "the recipient does not match");
    ASSERT_STATUS(ask("GET", "/rules/which?client=192.0.2.1&from=&to=b%40example.net", NULL), 200);
    ASSERT_AT("verdict", "refused");
    ASSERT_AT("reply", "550 5.7.1");
    ASSERT_AT("passed_over.1.because", "the client does not match");
    ASSERT_STATUS(ask("GET", "/rules/which?client=10.1.2.3&from=&to=postmaster", NULL), 200);
    ASSERT_AT("reply", "451 4.3.5");
    ASSERT_STATUS(ask("GET", "/rules/which?client=ten&from=&to=b%40example.net", NULL), 422);
    ASSERT_STATUS(ask("GET", "/rules/which?client=10.1.2.3&from=", NULL), 400);
}

/* ---- secrets ---- */

Test(control_registry, SP61_key_rotation)
{
    put_profile("{\"name\":\"Exchange\",\"type\":\"smtp\",\"servers\":[\"10.0.0.1:25\"],"
                "\"username\":\"gw\",\"password\":\"correct-horse\"}");
    ASSERT_STATUS(ask("POST", "/key/rotate", NULL), 200);
    cr_assert(json_is_true(at("rotated")));
    ASSERT_STATUS(ask("GET", "/profiles?name=Exchange", NULL), 200);
    cr_assert(json_is_true(at("profiles.0.password_set")));
}

/* ---- export, import ---- */

static char *exported(void)
{
    ASSERT_STATUS(ask("GET", "/export", NULL), 200);
    return json_dumps(last.json, 0);
}

/* Begins anew with an empty store. */
static void start_over(void)
{
    stop();
    memset(&fake, 0, sizeof(fake));
    start();
}

Test(control_registry, OP07_what_was_exported_can_be_imported_elsewhere)
{
    char *all;

    put_profile(EXCHANGE);
    put_rule("A", "*@example.net", "Exchange");
    all = exported();
    start_over();
    fake.failing = 1;
    ASSERT_STATUS(ask("POST", "/import", all), 422);
    ASSERT_AT("code", "test_failed");
    ASSERT_AT("tests.0.profile", "Exchange");
    cr_assert_eq(registry_profile_count(registry), 0, "all or nothing");
    cr_assert_eq(registry_rules(registry)->count, 0);
    fake.failing = 0;
    ASSERT_STATUS(ask("POST", "/import", all), 200);
    cr_assert_eq(number_at("profiles"), 1);
    cr_assert_eq(number_at("rules"), 1);
    cr_assert(json_is_true(at("tests.0.test.passed")));
    cr_assert_eq(registry_profile_count(registry), 1);
    ASSERT_STATUS(ask("GET", "/rules", NULL), 200);
    ASSERT_AT("rules.0.relay", "Exchange");
    free(all);
}

Test(control_registry, OP07_a_missing_secret_makes_it_incomplete_and_untested)
{
    char *all;

    put_profile("{\"name\":\"Secret\",\"type\":\"smtp\",\"servers\":[\"10.0.0.1:25\"],"
                "\"username\":\"gw\",\"password\":\"correct-horse\"}");
    put_profile(EXCHANGE);
    all = exported();
    ASSERT_STATUS(ask("POST", "/import", all), 200);
    cr_assert_eq(json_array_size(at("incomplete")), 0, "here it is kept: %s", last.body);
    start_over();
    ASSERT_STATUS(ask("POST", "/import", all), 200);
    ASSERT_AT("incomplete.0", "Secret");
    cr_assert_eq(fake.probes, 1, "only the other one was tested");
    free(all);
}

Test(control_registry, OP07_import_streams_and_can_skip_the_tests)
{
    char *all;

    put_profile(EXCHANGE);
    all = exported();
    start_over();
    ASSERT_STATUS(ask_with("POST", "/import", "Accept: application/x-ndjson\r\n", all), 200);
    cr_assert(strstr(last.body, "{\"profile\":\"Exchange\",\"server\":"), "%s", last.body);
    cr_assert_eq(number_at("status"), 200);
    start_over();
    fake.probe_err = -EAGAIN;
    ASSERT_STATUS(ask("POST", "/import", all), 503);
    ASSERT_AT("code", "test_not_run");
    ASSERT_STATUS(ask("POST", "/import?test=skip", all), 200);
    cr_assert_eq(registry_profile_count(registry), 1);
    ASSERT_STATUS(ask("POST", "/import", "{\"profiles\":[{\"name\":\"x\"}],\"rules\":7}"), 422);
    free(all);
}
