/* What the control API tells of the running system, and what it orders its servers. */
#include "tests/unit/control_fixture.h"

TestSuite(control_operation, .init = start, .fini = stop, .timeout = 60);

Test(control_operation, OP05_status)
{
    ASSERT_STATUS(ask("GET", "/status", NULL), 200);
    ASSERT_AT("version", POSTERN_VERSION);
    cr_assert_eq(number_at("workers.running"), 1);
    cr_assert_eq(number_at("workers.wanted"), 2);
    cr_assert_eq(number_at("queue.deferred"), 5);
    cr_assert_eq(number_at("longest_turn_us"), 77);
    ASSERT_AT("alerts.0.text", "disk");
    cr_assert(json_array_size(at("warnings")) > 0, "no rule, no postmaster: %s", last.body);
    cr_assert(strstr(last.body, "no server of profile \\\"p\\\" takes mail"), "%s", last.body);
}

Test(control_operation, OP04_figures_of_the_last_hour_or_day)
{
    ASSERT_STATUS(ask("GET", "/stats", NULL), 200);
    cr_assert_eq(number_at("minutes"), 60);
    cr_assert_eq(number_at("step_s"), 60);
    ASSERT_STATUS(ask("GET", "/stats?minutes=1440&step=15", NULL), 200);
    cr_assert_eq(number_at("minutes"), 1440);
    cr_assert_eq(number_at("step_s"), 900);
    ASSERT_STATUS(ask("GET", "/stats?minutes=0", NULL), 400);
    ASSERT_STATUS(ask("GET", "/stats?minutes=1441", NULL), 400);
    ASSERT_STATUS(ask("GET", "/stats?step=0", NULL), 400);
    ASSERT_STATUS(ask("GET", "/stats?step=61", NULL), 400);
    ASSERT_STATUS(ask("GET", "/stats?step=7", NULL), 422);
}

Test(control_operation, SP22_what_may_have_arrived_twice_is_listed)
{
    ASSERT_STATUS(ask("GET", "/ambiguous", NULL), 200);
    ASSERT_AT("losses.0.id", "06AB");
    ASSERT_STATUS(ask("GET", "/ambiguous?limit=1000", NULL), 200);
    cr_assert_not_null(strstr(last.body, "\"limit\":1000"), "%s", last.body);
    ASSERT_STATUS(ask("GET", "/ambiguous?limit=1001", NULL), 400);
    ASSERT_STATUS(ask("GET", "/ambiguous?limit=0", NULL), 400);
}

Test(control_operation, OP08_a_test_alert_is_sent_or_says_why_not)
{
    fake.alert_err = -ENOENT;
    ASSERT_STATUS(ask("POST", "/alerts/test", NULL), 409);
    ASSERT_AT("code", "unset");
    fake.alert_err = -EAGAIN;
    ASSERT_STATUS(ask("POST", "/alerts/test", NULL), 503);
    fake.alert_err = 0;
    ASSERT_STATUS(ask("POST", "/alerts/test", NULL), 202);
    ASSERT_AT("id", "000000000002D");
    fake.alert_late_err = -ENOSPC;
    ASSERT_STATUS(ask("POST", "/alerts/test", NULL), 503);
}

/* ---- servers ---- */

Test(control_operation, SP49_connections_of_all_profiles_or_of_one)
{
    put_profile(EXCHANGE);
    ASSERT_STATUS(ask("GET", "/pool", NULL), 200);
    ASSERT_AT("servers.0.server", "smtp://10.0.0.1:25");
    cr_assert_eq(fake.server.profile, 0u);
    ASSERT_STATUS(ask("GET", "/pool?profile=exchange", NULL), 200);
    cr_assert_eq(fake.server.profile, 1u);
    ASSERT_STATUS(ask("GET", "/pool?profile=nobody", NULL), 404);
}

Test(control_operation, SP23_servers_of_all_profiles_or_of_one)
{
    put_profile(EXCHANGE);
    ASSERT_STATUS(ask("GET", "/servers", NULL), 200);
    ASSERT_AT("servers.0.state", "down");
    cr_assert_eq(fake.server.profile, 0);
    ASSERT_STATUS(ask("GET", "/servers?profile=exchange", NULL), 200);
    cr_assert_eq(fake.server.profile, 1);
    ASSERT_STATUS(ask("GET", "/servers?profile=nobody", NULL), 404);
}

static int order_server(const char *verb, const char *body)
{
    char target[64];

    snprintf(target, sizeof(target), "/servers/%s", verb);
    return ask("POST", target, body);
}

Test(control_operation, SP23_a_server_is_drained_and_enabled_and_both_are_audited)
{
    char body[128];

    put_profile(EXCHANGE);
    snprintf(body, sizeof(body), "{\"profile\":\"Exchange\",\"server\":\"10.0.0.1:25\"}");
    ASSERT_STATUS(order_server("drain", body), 200);
    ASSERT_AT("server", "smtp://10.0.0.1:25");
    cr_assert_eq(fake.server.profile, 1);
    cr_assert_str_eq(fake.server.uri, "smtp://10.0.0.1:25");
    cr_assert(fake.server.is_drain);
    cr_assert(registry_is_drained(registry, 1, "smtp://10.0.0.1:25"), "before it was answered");
    ASSERT_STATUS(order_server("enable", body), 200);
    cr_assert_not(fake.server.is_drain);
    cr_assert_eq(fake.server.orders, 2);
    ASSERT_STATUS(ask("GET", "/audit?limit=2", NULL), 200);
    ASSERT_AT("entries.0.what", "server enabled");
    ASSERT_AT("entries.1.what", "server drained");
    ASSERT_AT("entries.1.object", "Exchange");
    ASSERT_AT("entries.1.detail", "smtp://10.0.0.1:25");
}

Test(control_operation, SP23_cores_and_vaults_are_drained_and_enabled_as_well)
{
    static const struct {
        const char *profile, *order, *server;
    } rows[] = {
        { "{\"name\":\"Scan\",\"type\":\"core\",\"servers\":[\"10.0.0.5\"]}",
          "{\"profile\":\"Scan\",\"server\":\"10.0.0.5\"}", "http://10.0.0.5:8008" },
        { "{\"name\":\"Archive\",\"type\":\"vault\",\"servers\":[\"https://10.0.0.6\"],"
          "\"api_key\":\"a-key\"}",
          "{\"profile\":\"Archive\",\"server\":\"https://10.0.0.6:8010/vault_rest/\"}",
          "https://10.0.0.6:8010/vault_rest" },
    };

    for (uint32_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        put_profile(rows[i].profile);
        ASSERT_STATUS(order_server("drain", rows[i].order), 200);
        cr_assert_str_eq(fake.server.uri, rows[i].server);
        cr_assert(fake.server.is_drain);
        cr_assert(registry_is_drained(registry, i + 1, rows[i].server));
        ASSERT_STATUS(order_server("enable", rows[i].order), 200);
        cr_assert_not(registry_is_drained(registry, i + 1, rows[i].server));
    }
}

Test(control_operation, SP23_what_cannot_be_drained)
{
    static const struct {
        int status;
        const char *body;
    } rows[] = {
        { 422, "{}" },
        { 422, "{\"profile\":\"Exchange\"}" },
        { 422, "{\"profile\":\"Exchange\",\"server\":1}" },
        { 422, "{\"profile\":\"Exchange\",\"server\":\"10.0.0.1\",\"more\":1}" },
        { 422, "{\"profile\":\"Exchange\",\"server\":\"http://10.0.0.1\"}" },
        { 404, "{\"profile\":\"Exchange\",\"server\":\"10.9.9.9\"}" },
        { 404, "{\"profile\":\"nobody\",\"server\":\"10.0.0.1\"}" },
    };

    put_profile(EXCHANGE);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        cr_expect_eq(order_server("drain", rows[i].body), rows[i].status, "%s: %s", rows[i].body,
                     last.body);
    cr_assert_eq(fake.server.orders, 0);
}

Test(control_operation, SP54_workers_show_what_they_do_not_run_yet)
{
    put_profile(EXCHANGE);
    ASSERT_STATUS(ask("GET", "/workers", NULL), 200);
    ASSERT_AT("workers.0.behind.0", "Exchange");
    ASSERT_STATUS(ask("GET", "/alerts", NULL), 200);
    ASSERT_AT("alerts.0.text", "disk");
}
