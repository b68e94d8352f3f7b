/* The control API beside profiles: routes, rules, queue, operation; and its description. */
#include "tests/unit/control_fixture.h"

#include "common/clock.h"
#include "master/control/routes.h"

TestSuite(control_api, .init = start, .fini = stop, .timeout = 30);

/* ---- routes ---- */

Test(control_api, unknown_paths_methods_and_parameters)
{
    ASSERT_STATUS(ask("GET", "/nothing", NULL), 404);
    ASSERT_STATUS(ask("GET", "/profiles/", NULL), 404);
    ASSERT_STATUS(ask("GET", "/profiles/1/2", NULL), 404);
    ASSERT_STATUS(ask("GET", "/../../etc/passwd", NULL), 404);
    ASSERT_STATUS(ask("DELETE", "/profiles", NULL), 405);
    cr_assert(strstr(last.head, "Allow: GET, POST"), "%s", last.head);
    ASSERT_STATUS(ask("PATCH", "/profiles", "{}"), 405);
    ASSERT_STATUS(ask("GET", "/profiles?nmae=x", NULL), 400);
    client_ask(&client, "GET", "/elsewhere", "", NULL);
    take_reply(&client);
    ASSERT_STATUS(last.status, 404);
}

Test(control_api, bodies_that_are_no_json_object)
{
    ASSERT_STATUS(ask("POST", "/profiles", "{\n\"name\": oops}"), 400);
    cr_assert(strstr(text_at("detail"), "line 2"), "%s", text_at("detail"));
    cr_assert_null(strstr(text_at("detail"), "oops"), "it might be a password");
    ASSERT_STATUS(ask("POST", "/profiles", ""), 400);
    ASSERT_STATUS(ask("POST", "/profiles", "[]"), 400);
    ASSERT_STATUS(ask("POST", "/profiles", "{\"a\":1,\"a\":2}"), 400);
    ASSERT_STATUS(ask_with("POST", "/profiles", "Content-Type: text/plain\r\n", EXCHANGE), 415);
    ASSERT_STATUS(ask_with("POST", "/profiles", "Content-Type: application/json; charset=utf-8\r\n",
                           EXCHANGE),
                  201);
}

Test(control_api, OP03_every_route_is_described_and_every_description_is_a_route)
{
    char file[512], line[1024], described[80] = "";
    const char *const methods[] = { "get", "post", "put", "delete" };
    unsigned found = 0, routes = 0;
    FILE *in;

    snprintf(file, sizeof(file), "%s", __FILE__);
    *strstr(file, "tests/unit/") = '\0';
    strcat(file, "docs/openapi.yaml");
    in = fopen(file, "r");
    cr_assert(in, "%s", file);
    while (fgets(line, sizeof(line), in)) {
        char word[64];

        if (sscanf(line, "  /%62[^: ]:", word) == 1 && strncmp(line, "  /", 3) == 0) {
            snprintf(described, sizeof(described), "/%s", word);
            continue;
        }
        if (strncmp(line, "    ", 4) != 0 || line[4] == ' ' || !*described ||
            sscanf(line, "    %62[a-z]:", word) != 1)
            continue;
        for (unsigned m = 0; m < 4; m++) {
            bool is_route = false;
            size_t routes_seen = 0;

            if (strcmp(word, methods[m]) != 0)
                continue;
            for (const struct route *route; (route = routes_at(routes_seen)); routes_seen++)
                is_route = is_route || (route->method == m && strcmp(route->path, described) == 0);
            cr_assert(is_route, "%s %s is described but no route", word, described);
            found++;
        }
    }
    fclose(in);
    while (routes_at(routes))
        routes++;
    cr_assert_eq(found, routes, "%u described, %u routes", found, routes);
}

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

Test(control_api, SR01_rules_keep_their_order_and_move)
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

Test(control_api, SR03_an_open_relay_is_refused)
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

Test(control_api, SR06_which_rule_and_why)
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

/* ---- queue ---- */

#define ID 0x123456789abcdULL

static void fill_queue(uint32_t profile)
{
    for (unsigned i = 0; i < 2; i++)
        fake.views[i] = (struct queue_view){ .place = { .id = ID, .group = (uint16_t)i },
                                             .body_bytes = 1234,
                                             .profile = profile,
                                             .rule = 4711,
                                             .recipients = 3,
                                             .received_s = 1000,
                                             .next_attempt_s = 2000,
                                             .attempts = 2,
                                             .state = i ? QUEUE_HELD : QUEUE_WAITING,
                                             .worker = -1 };
    fake.view_count = 2;
    fake.rows = json_pack("[{s:s, s:[s]}, n]", "sender", "a@b", "recipients", "c@d");
}

static const char *shown_id(void)
{
    static char text[ID_TEXT_SIZE];

    return id_text(ID, text);
}

Test(control_api, MQ06_list_shows_names_states_and_what_is_in_the_message)
{
    char next[64];

    fill_queue((uint32_t)put_profile(EXCHANGE));
    fake.more = true;
    ASSERT_STATUS(ask("GET", "/queue", NULL), 200);
    ASSERT_AT("messages.0.id", shown_id());
    ASSERT_AT("messages.0.state", queue_state_name(QUEUE_WAITING));
    ASSERT_AT("messages.0.profile", "Exchange");
    ASSERT_AT("messages.0.message.sender", "a@b");
    cr_assert(strncmp(text_at("messages.0.next_attempt"), "2026-01-01T00:33:20", 19) == 0, "%s",
              text_at("messages.0.next_attempt"));
    cr_assert(json_is_null(at("messages.1.message")));
    cr_assert(json_is_null(at("messages.1.next_attempt")), "what is held has no next attempt");
    cr_assert(json_is_null(at("messages.0.held")));
    ASSERT_AT("messages.1.held", "by an operator");
    cr_assert(json_is_null(at("messages.1.rule")), "there is no such rule (any more)");
    snprintf(next, sizeof(next), "%s.1", shown_id());
    ASSERT_AT("next", next);
    cr_assert_eq(number_at("total"), 1000000);
    cr_assert_eq(fake.limit, 100);
    cr_assert_eq(fake.filter.states, 0);
    cr_assert_not(fake.detail);
}

Test(control_api, MQ09_what_killed_workers_is_held_for_that_reason)
{
    fill_queue(1);
    fake.views[1].crashes = QUEUE_CRASHES_TO_HOLD;
    ASSERT_STATUS(ask("GET", "/queue", NULL), 200);
    ASSERT_AT("messages.1.held", "2 workers died while they had it");
}

Test(control_api, MQ06_list_without_a_worker_says_what_the_master_knows)
{
    fill_queue(1);
    fake.query_err = -EAGAIN;
    ASSERT_STATUS(ask("GET", "/queue", NULL), 200);
    cr_assert_eq(json_array_size(at("messages")), 2);
    cr_assert(json_is_null(at("messages.0.message")));
    fake.query_err = 0;
    fake.rows_err = -ETIMEDOUT;
    ASSERT_STATUS(ask("GET", "/queue", NULL), 200);
    cr_assert(json_is_null(at("messages.0.message")));
    fake.view_count = 0;
    ASSERT_STATUS(ask("GET", "/queue", NULL), 200);
    cr_assert_eq(json_array_size(at("messages")), 0);
    cr_assert(json_is_null(at("next")));
}

Test(control_api, MQ06_list_filters)
{
    char target[128];
    long long profile = put_profile(EXCHANGE);

    snprintf(target, sizeof(target), "/queue?state=held&profile=Exchange&limit=7&after=%s.3",
             shown_id());
    ASSERT_STATUS(ask("GET", target, NULL), 200);
    cr_assert_eq(fake.filter.states, 1U << QUEUE_HELD);
    cr_assert_eq(fake.filter.profile, (uint32_t)profile);
    cr_assert_eq(fake.limit, 7);
    cr_assert_eq(fake.after_id, ID);
    cr_assert_eq(fake.after_group, 3);
    ASSERT_STATUS(ask("GET", "/queue?state=deferred%2Cheld,ready", NULL), 200);
    cr_assert_eq(fake.filter.states, 1U << QUEUE_WAITING | 1U << QUEUE_HELD | 1U << QUEUE_READY);
    ASSERT_STATUS(ask("GET", "/queue?state=sleeping", NULL), 422);
    ASSERT_STATUS(ask("GET", "/queue?state=held,sleeping", NULL), 422);
    ASSERT_STATUS(ask("GET", "/queue?state=held,", NULL), 422);
    ASSERT_STATUS(ask("GET", "/queue?state=quarantinedquarantined", NULL), 422);
    ASSERT_STATUS(ask("GET", "/queue?profile=nobody", NULL), 422);
    ASSERT_STATUS(ask("GET", "/queue?rule=nobody", NULL), 422);
    ASSERT_STATUS(ask("GET", "/queue?limit=0", NULL), 400);
    ASSERT_STATUS(ask("GET", "/queue?limit=1001", NULL), 400);
    ASSERT_STATUS(ask("GET", "/queue?limit=-1", NULL), 400);
    ASSERT_STATUS(ask("GET", "/queue?limit=1x", NULL), 400);
    ASSERT_STATUS(ask("GET", "/queue?after=U", NULL), 422);
}

Test(control_api, MQ06_show_has_every_group)
{
    char target[64];

    fill_queue((uint32_t)put_profile(EXCHANGE));
    snprintf(target, sizeof(target), "/queue/%s", shown_id());
    ASSERT_STATUS(ask("GET", target, NULL), 200);
    ASSERT_AT("id", shown_id());
    cr_assert_eq(number_at("bytes"), 1234);
    cr_assert_eq(json_array_size(at("groups")), 2);
    ASSERT_AT("groups.0.message.sender", "a@b");
    cr_assert(fake.detail);
    json_array_append_new(fake.rows, json_pack("[{s:i, s:s}]", "group", 2, "state", "delivered"));
    ASSERT_STATUS(ask("GET", target, NULL), 200);
    cr_assert_eq(json_array_size(at("groups")), 3, "those that are finished come last");
    ASSERT_AT("groups.2.state", "delivered");
    ASSERT_STATUS(ask("GET", "/queue/0000000000001", NULL), 404);
    ASSERT_STATUS(ask("GET", "/queue/short", NULL), 404);
}

Test(control_api, MQ06_orders_are_passed_on_and_audited)
{
    static const struct {
        const char *method, *behind;
        enum queue_verb verb;
    } orders[] = { { "POST", "/retry", QUEUE_RETRY },
                   { "POST", "/hold", QUEUE_HOLD },
                   { "POST", "/release", QUEUE_RELEASE },
                   { "DELETE", "", QUEUE_DELETE } };
    char target[64];

    fake.order_answer.done_count = 2;
    for (size_t i = 0; i < sizeof(orders) / sizeof(*orders); i++) {
        snprintf(target, sizeof(target), "/queue/%s%s", shown_id(), orders[i].behind);
        ASSERT_STATUS(ask(orders[i].method, target, NULL), 200);
        cr_assert_eq(fake.order.verb, orders[i].verb);
        cr_assert_eq(fake.order.id, ID);
        cr_assert_eq(fake.order.group, -1);
        cr_assert_eq(number_at("done"), 2);
    }
    snprintf(target, sizeof(target), "/queue/%s/hold?group=1", shown_id());
    ASSERT_STATUS(ask("POST", target, NULL), 200);
    cr_assert_eq(fake.order.group, 1);
    TURN_UNTIL(ask("GET", "/audit", NULL) == 200 && strstr(last.body, "queue delete") &&
               strstr(last.body, shown_id()));
    ASSERT_STATUS(ask("POST", "/queue/short/hold", NULL), 404);
}

Test(control_api, MQ06_refused_orders_say_why)
{
    static const struct {
        enum queue_order_result result;
        int status;
        const char *code;
    } cases[] = { { QUEUE_NOT_FOUND, 404, "not_found" },
                  { QUEUE_TOO_LATE, 409, "too_late" },
                  { QUEUE_NOT_IN_STATE, 409, "state" },
                  { QUEUE_BUSY, 503, "busy" },
                  { QUEUE_DISK, 507, "store" } };
    char target[64];

    snprintf(target, sizeof(target), "/queue/%s/hold", shown_id());
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        fake.order_answer = (struct queue_order_answer){ .result = cases[i].result };
        ASSERT_STATUS(ask("POST", target, NULL), cases[i].status);
        ASSERT_AT("code", cases[i].code);
        cr_assert(strstr(text_at("detail"), queue_order_result_text(cases[i].result)));
    }
    fake.order_answer =
        (struct queue_order_answer){ .result = QUEUE_TOO_LATE, .done_count = 1, .other_count = 2 };
    ASSERT_STATUS(ask("POST", target, NULL), 409);
    cr_assert(strstr(text_at("detail"), "2 of 3"), "%s", text_at("detail"));
    cr_assert_eq(number_at("done"), 1);
}

Test(control_api, MQ06_reroute_only_to_an_smtp_profile)
{
    char target[64];
    long long profile = put_profile(EXCHANGE);

    put_profile("{\"name\":\"Scanner\",\"type\":\"core\",\"servers\":[\"10.0.0.5\"]}");
    fake.order_answer.done_count = 1;
    snprintf(target, sizeof(target), "/queue/%s/reroute", shown_id());
    ASSERT_STATUS(ask("POST", target, "{\"profile\":\"Exchange\"}"), 200);
    cr_assert_eq(fake.order.verb, QUEUE_REROUTE);
    cr_assert_eq(fake.order.profile, (uint32_t)profile);
    ASSERT_STATUS(ask("POST", target, "{\"profile\":\"Scanner\"}"), 422);
    cr_assert(strstr(text_at("detail"), "core"), "%s", text_at("detail"));
    ASSERT_STATUS(ask("POST", target, "{\"profile\":\"nobody\"}"), 422);
    ASSERT_STATUS(ask("POST", target, "{}"), 422);
}

/* ---- operation ---- */

Test(control_api, OP05_status)
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

/* ---- servers ---- */

Test(control_api, SP49_connections_of_all_profiles_or_of_one)
{
    put_profile(EXCHANGE);
    ASSERT_STATUS(ask("GET", "/pool", NULL), 200);
    ASSERT_AT("servers.0.server", "smtp://10.0.0.1:25");
    cr_assert_eq(fake.server.profile, 0u);
    ASSERT_STATUS(ask("GET", "/pool?profile=exchange", NULL), 200);
    cr_assert_eq(fake.server.profile, 1u);
    ASSERT_STATUS(ask("GET", "/pool?profile=nobody", NULL), 404);
}

Test(control_api, SP23_servers_of_all_profiles_or_of_one)
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

Test(control_api, SP23_a_server_is_drained_and_enabled_and_both_are_audited)
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

Test(control_api, SP23_cores_and_vaults_are_drained_and_enabled_as_well)
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

Test(control_api, SP23_what_cannot_be_drained)
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

Test(control_api, SP54_workers_show_what_they_do_not_run_yet)
{
    put_profile(EXCHANGE);
    ASSERT_STATUS(ask("GET", "/workers", NULL), 200);
    ASSERT_AT("workers.0.behind.0", "Exchange");
    ASSERT_STATUS(ask("GET", "/alerts", NULL), 200);
    ASSERT_AT("alerts.0.text", "disk");
}

Test(control_api, OP04_figures_of_the_last_hour_or_day)
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

Test(control_api, SP22_what_may_have_arrived_twice_is_listed)
{
    ASSERT_STATUS(ask("GET", "/ambiguous", NULL), 200);
    ASSERT_AT("losses.0.id", "06AB");
    ASSERT_STATUS(ask("GET", "/ambiguous?limit=1000", NULL), 200);
    cr_assert_not_null(strstr(last.body, "\"limit\":1000"), "%s", last.body);
    ASSERT_STATUS(ask("GET", "/ambiguous?limit=1001", NULL), 400);
    ASSERT_STATUS(ask("GET", "/ambiguous?limit=0", NULL), 400);
}

Test(control_api, settings_have_versions)
{
    char *etag, header[64];

    put_profile(EXCHANGE);
    ASSERT_STATUS(ask("GET", "/settings", NULL), 200);
    etag = strstr(last.head, "ETag: ");
    cr_assert(etag);
    snprintf(header, sizeof(header), "If-Match: %.*s\r\n", (int)strcspn(etag + 6, "\r"), etag + 6);
    const char *body =
        "{\"postmaster\":{\"mailbox\":\"admin@example.net\",\"profile\":\"Exchange\"}}";

    ASSERT_STATUS(ask("PUT", "/settings", body), 428);
    ASSERT_STATUS(ask_with("PUT", "/settings", header, body), 200);
    ASSERT_AT("postmaster.mailbox", "admin@example.net");
    ASSERT_STATUS(ask_with("PUT", "/settings", header, body), 412);
    ASSERT_STATUS(ask("GET", "/rules/which?client=10.1.2.3&from=&to=postmaster", NULL), 200);
    ASSERT_AT("verdict", "postmaster");
    ASSERT_AT("profile", "Exchange");
}

Test(control_api, OP08_a_test_alert_is_sent_or_says_why_not)
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

Test(control_api, audit_pages_and_names_who)
{
    char by[32];

    for (int i = 0; i < 3; i++)
        put_profile(EXCHANGE);
    ASSERT_STATUS(ask("GET", "/audit?limit=2", NULL), 200);
    cr_assert_eq(json_array_size(at("entries")), 2);
    snprintf(by, sizeof(by), "uid=%u", getuid());
    cr_assert(strstr(last.body, by), "%s", last.body);
    ASSERT_STATUS(ask("GET", "/audit?limit=0", NULL), 400);
    ASSERT_STATUS(ask("GET", "/audit?before=x", NULL), 400);
}

Test(control_api, SP61_key_rotation)
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

Test(control_api, OP07_what_was_exported_can_be_imported_elsewhere)
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

Test(control_api, OP07_a_missing_secret_makes_it_incomplete_and_untested)
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

Test(control_api, OP07_import_streams_and_can_skip_the_tests)
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
