/* posternctl as a whole, against a socket that answers as told: what it asks, prints, exits with.
 */
#include "tests/unit/scripted_api.h"

#include <sys/stat.h>

static void write_file(const char *name, const char *text)
{
    FILE *file = fopen(name, "w");

    cr_assert(file);
    fputs(text, file);
    fclose(file);
}

TestSuite(ctl, .timeout = 20, .fini = ctl_forget);

/* ---- usage ---- */

Test(ctl, nothing_asked_is_a_usage_error)
{
    RUN(NULL, "--json");
    cr_assert_eq(ran.code, CTL_USAGE);
    ASSERT_HAS(ran.err, "usage: posternctl");
}

Test(ctl, help_lists_every_command)
{
    RUN(NULL, "--help");
    cr_assert_eq(ran.code, CTL_DONE);
    ASSERT_HAS(ran.out, "profile put FILE");
    ASSERT_HAS(ran.out, "queue reroute ID PROFILE");
    ASSERT_HAS(ran.out, "key rotate");
    RUN(NULL, "queue", "--help");
    ASSERT_HAS(ran.out, "queue hold");
    ASSERT_LACKS(ran.out, "profile put FILE");
}

Test(ctl, wrong_usage_exits_2_without_asking_the_daemon)
{
    static const char *const wrong[][6] = {
        { "nonsense" },
        { "profile" },
        { "profile", "nonsense" },
        { "profile", "show" },
        { "profile", "show", "a", "b" },
        { "profile", "list", "--no-test" },
        { "queue", "list", "--client", "10.0.0.1" },
        { "rule", "move", "a", "0" },
        { "rule", "move", "a", "x" },
        { "rule", "move", "a", "-1" },
        { "rule", "which", "--client", "10.0.0.1" },
        { "status", "--nonsense" },
        { "queue", "list", "--limit" },
        { "server", "list", "a", "b" },
        { "server", "drain", "a" },
    };

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        ctl_run_words("/nowhere/at/all", wrong[i]);
        cr_assert_eq(ran.code, CTL_USAGE, "%s %s: %d %s", wrong[i][0],
                     wrong[i][1] ? wrong[i][1] : "", ran.code, ran.err);
        cr_assert(*ran.err);
    }
}

/* ---- reaching the daemon ---- */

Test(ctl, no_socket_exits_3_and_names_it)
{
    RUN("/nowhere/control.sock", "status");
    cr_assert_eq(ran.code, CTL_UNREACHABLE);
    ASSERT_HAS(ran.err, "/nowhere/control.sock");
    ASSERT_HAS(ran.err, "posternd");
}

Test(ctl, a_stale_socket_exits_3)
{
    struct api_answer none = { 0 };

    api_start(0, &none);
    shutdown(api.listen_fd, SHUT_RDWR);
    close(api.listen_fd);
    RUN(api.path, "status");
    cr_assert_eq(ran.code, CTL_UNREACHABLE);
    ASSERT_HAS(ran.err, "not running");
    api_stop();
}

Test(ctl, being_cut_exits_3_and_says_who_may)
{
    struct api_answer cut = { 0 };

    api_start(1, &cut);
    RUN(api.path, "status");
    cr_assert_eq(ran.code, CTL_UNREACHABLE);
    ASSERT_HAS(ran.err, "control group");
    api_stop();
}

Test(ctl, an_answer_that_is_no_json_exits_3)
{
    struct api_answer answer = { .status = 200, .body = "{\"profiles\": [" };

    api_start(1, &answer);
    RUN(api.path, "profile", "list");
    cr_assert_eq(ran.code, CTL_UNREACHABLE);
    ASSERT_HAS(ran.err, "no JSON");
    api_stop();
}

Test(ctl, environment_names_the_socket_and_no_proxy_is_used)
{
    struct api_answer answer = { .status = 200, .body = "{\"version\":\"1\"}" };

    api_start(1, &answer);
    setenv("POSTERN_SOCKET", api.path, 1);
    setenv("http_proxy", "http://127.0.0.1:9", 1);
    setenv("ALL_PROXY", "http://127.0.0.1:9", 1);
    RUN(NULL, "status");
    cr_assert_eq(ran.code, CTL_DONE, "%s", ran.err);
    ASSERT_HAS(ran.out, "version  1");
    ASSERT_HAS(api.requests[0], "GET /api/v1/status HTTP/1.1\r\n");
    api_stop();
}

/* ---- servers ---- */

Test(ctl, SP23_server_list)
{
    struct api_answer answers[] = {
        { .status = 200,
          .body = "{\"servers\":[{\"profile\":\"Ex change\",\"server\":\"smtp://10.0.0.10:25\","
                  "\"state\":\"down\",\"drained\":true,\"since\":\"2026-01-02T03:04:05.000Z\","
                  "\"reason\":\"421 \\u001b[2Jno\",\"failures\":4,\"next_probe\":null,"
                  "\"in_flight\":7}]}" },
        { .status = 200, .body = "{\"servers\":[]}" },
    };

    api_start(2, answers);
    RUN(api.path, "server", "list", "Ex change");
    cr_assert_eq(ran.code, CTL_DONE, "%s", ran.err);
    ASSERT_HAS(api.requests[0], "GET /api/v1/servers?profile=Ex%20change HTTP/1.1\r\n");
    ASSERT_HAS(ran.out, "drained (down)");
    ASSERT_HAS(ran.out, "smtp://10.0.0.10:25");
    ASSERT_HAS(ran.out, "2026-01-02T03:04:05.000Z");
    ASSERT_HAS(ran.out, "421 ");
    ASSERT_LACKS(ran.out, "\033[2J");
    RUN(api.path, "server", "list");
    ASSERT_HAS(api.requests[1], "GET /api/v1/servers HTTP/1.1\r\n");
    api_stop();
}

static const char pool_body[] =
    "{\"servers\":[{\"profile\":\"Exchange\",\"server\":\"smtp://10.0.0.10:25\",\"open\":5,"
    "\"idle\":3,\"idle_slots\":4,\"leases\":6,\"max_connections\":20,\"using\":7,\"learnt\":7,"
    "\"learnt_life\":{\"idle\":118.0,\"age\":0.0,\"messages\":7},"
    "\"using_life\":{\"idle\":100.3,\"age\":0.0,\"messages\":7},"
    "\"handshakes_saved\":4711,\"misses\":8,\"misses_off\":0,\"secured\":8,\"resumed\":6,"
    "\"downgraded\":1,\"expired\":1,\"lost\":2,"
    "\"stale\":0,\"full\":3,\"retired\":9,\"workers\":[{\"slot\":1,\"open\":5,\"idle\":3,"
    "\"leases\":6,\"idle_slots\":4}]}]}";

Test(ctl, SP49_pool)
{
    struct api_answer answers[] = { { .status = 200, .body = pool_body } };

    api_start(1, answers);
    RUN(api.path, "pool", "Exchange");
    cr_assert_eq(ran.code, CTL_DONE, "%s", ran.err);
    ASSERT_HAS(api.requests[0], "GET /api/v1/pool?profile=Exchange HTTP/1.1\r\n");
    ASSERT_HAS(ran.out, "7 (learnt)");
    ASSERT_HAS(ran.out, "4711");
    ASSERT_HAS(ran.out, "smtp://10.0.0.10:25: idle time: learnt 118 s, using 100.3 s\n");
    ASSERT_HAS(ran.out, "smtp://10.0.0.10:25: messages on one connection: learnt 7, using 7\n");
    ASSERT_HAS(ran.out, "smtp://10.0.0.10:25: 8 connections in TLS, 6 of them resumed\n");
    ASSERT_HAS(ran.out, "smtp://10.0.0.10:25: 1 connections in clear for want of TLS\n");
    ASSERT_LACKS(ran.out, "age: learnt");
    ASSERT_HAS(strstr(ran.out, "7 (learnt)"), "5     3      4       6"); /* the worker's row */
    api_stop();
}

Test(ctl, SP49_pool_watch_goes_on_until_there_is_no_answer)
{
    struct api_answer answers[] = { { .status = 200, .body = pool_body },
                                    { .status = 200, .body = pool_body },
                                    { .status = 507, .body = "{\"detail\":\"no memory\"}" } };

    api_start(3, answers);
    RUN(api.path, "pool", "--watch");
    cr_assert_eq(ran.code, CTL_REFUSED, "%d %s", ran.code, ran.err);
    ASSERT_HAS(strstr(ran.out, "PROFILE") + 1, "PROFILE");
    RUN(NULL, "status", "--watch");
    cr_assert_eq(ran.code, CTL_USAGE, "%d %s", ran.code, ran.err);
    api_stop();
}

Test(ctl, SP23_server_drain_and_enable)
{
    struct api_answer answers[] = {
        { .status = 200, .body = "{\"server\":\"smtp://10.0.0.10:25\",\"drained\":true}" },
        { .status = 200, .body = "{\"server\":\"smtp://10.0.0.10:25\",\"drained\":false}" },
        { .status = 404,
          .type = "application/problem+json",
          .body = "{\"status\":404,\"title\":\"x\",\"detail\":\"no such server\"}" },
    };

    api_start(3, answers);
    RUN(api.path, "server", "drain", "Exchange", "10.0.0.10");
    cr_assert_eq(ran.code, CTL_DONE, "%s", ran.err);
    ASSERT_HAS(api.requests[0], "POST /api/v1/servers/drain HTTP/1.1\r\n");
    ASSERT_HAS(api.requests[0], "\"profile\":\"Exchange\"");
    ASSERT_HAS(api.requests[0], "\"server\":\"10.0.0.10\"");
    ASSERT_HAS(ran.out, "smtp://10.0.0.10:25: drained");
    RUN(api.path, "server", "enable", "Exchange", "10.0.0.10");
    ASSERT_HAS(api.requests[1], "POST /api/v1/servers/enable HTTP/1.1\r\n");
    ASSERT_HAS(ran.out, "smtp://10.0.0.10:25: enabled");
    RUN(api.path, "server", "enable", "Exchange", "10.0.0.99");
    cr_assert_eq(ran.code, CTL_REFUSED);
    ASSERT_HAS(ran.err, "no such server");
    api_stop();
}

/* ---- profiles ---- */

#define PROFILE                                                          \
    "{\"id\":3,\"version\":7,\"name\":\"Exchange\",\"type\":\"smtp\","   \
    "\"servers\":[\"smtp://10.0.0.10:25\"],\"preference\":\"failover\"," \
    "\"encryption\":\"none\",\"password_set\":true}"

Test(ctl, profile_list)
{
    struct api_answer answer = { .status = 200, .body = "{\"profiles\":[" PROFILE "]}" };

    api_start(1, &answer);
    RUN(api.path, "profile", "list");
    cr_assert_eq(ran.code, CTL_DONE);
    cr_assert_str_eq(
        ran.out,
        "NAME      TYPE  PREFERENCE  ENCRYPTION  VERSION  STATE     SERVERS\n"
        "Exchange  smtp  failover    none              7  complete  smtp://10.0.0.10:25\n",
        "got:\n%s", ran.out);
    api_stop();
}

Test(ctl, profile_show_asks_by_name_and_prints_json_that_can_be_put_again)
{
    struct api_answer answers[] = { { .status = 200, .body = "{\"profiles\":[" PROFILE "]}" },
                                    { .status = 200, .body = "{\"profiles\":[]}" } };
    json_t *printed, *want = json_loads(PROFILE, 0, NULL);

    api_start(2, answers);
    RUN(api.path, "--json", "profile", "show", "Ex change");
    cr_assert_eq(ran.code, CTL_DONE);
    ASSERT_HAS(api.requests[0], "GET /api/v1/profiles?name=Ex%20change HTTP/1.1");
    printed = json_loads(ran.out, 0, NULL);
    cr_assert(json_equal(printed, want));
    json_decref(printed);
    json_decref(want);
    RUN(api.path, "profile", "show", "Other");
    cr_assert_eq(ran.code, CTL_REFUSED);
    ASSERT_HAS(ran.err, "there is no profile \"Other\"");
    api_stop();
}

Test(ctl, profile_put_streams_the_test_and_says_what_was_stored)
{
    struct api_answer answer = {
        .status = 200,
        .type = "application/x-ndjson",
        .body = "{\"server\":\"smtp://10.0.0.10:25\",\"step\":\"connect\",\"result\":\"ok\","
                "\"ms\":12,\"text\":\"hello \\u001b[31m\"}\n"
                "{\"status\":201,\"created\":true,\"profile\":" PROFILE ","
                "\"warnings\":[{\"property\":\"pool.expiry\",\"problem\":\"long\"}]}\n"
    };

    api_start(1, &answer);
    write_file("/tmp/postern-ctl-put.json", "{\"name\": \"Exchange\"}");
    RUN(api.path, "profile", "put", "/tmp/postern-ctl-put.json");
    cr_assert_eq(ran.code, CTL_DONE, "%s", ran.err);
    ASSERT_HAS(api.requests[0], "POST /api/v1/profiles HTTP/1.1");
    ASSERT_HAS(api.requests[0], "Accept: application/x-ndjson");
    ASSERT_HAS(api.requests[0], "{\"name\":\"Exchange\"}");
    ASSERT_HAS(ran.out, "connect");
    ASSERT_HAS(ran.out, "12 ms");
    ASSERT_LACKS(ran.out, "\033");
    ASSERT_HAS(ran.out, "created profile \"Exchange\", version 7\n");
    ASSERT_HAS(ran.err, "warning: pool.expiry: long");
    unlink("/tmp/postern-ctl-put.json");
    api_stop();
}

Test(ctl, profile_put_refused_in_the_stream_exits_1)
{
    struct api_answer answer = {
        .status = 200,
        .type = "application/x-ndjson",
        .body = "{\"server\":\"smtp://10.0.0.10:25\",\"step\":\"connect\",\"result\":\"failed\","
                "\"ms\":12,\"text\":\"refused\"}\n"
                "{\"status\":422,\"title\":\"x\",\"detail\":\"the connection test failed\"}\n"
    };

    api_start(1, &answer);
    write_file("/tmp/postern-ctl-put2.json", "{\"name\": \"Exchange\"}");
    RUN(api.path, "profile", "put", "/tmp/postern-ctl-put2.json");
    cr_assert_eq(ran.code, CTL_REFUSED);
    ASSERT_HAS(ran.out, "refused");
    ASSERT_HAS(ran.err, "posternctl: the connection test failed");
    unlink("/tmp/postern-ctl-put2.json");
    api_stop();
}

Test(ctl, mistakes_name_property_value_and_what_is_allowed)
{
    struct api_answer answer = {
        .status = 422,
        .type = "application/problem+json",
        .body = "{\"status\":422,\"title\":\"Invalid\",\"detail\":\"2 mistakes\",\"errors\":["
                "{\"property\":\"pool.size\",\"value\":1000,\"problem\":\"out of range\","
                "\"allowed\":\"1 to 999\"},"
                "{\"property\":\"servers[1]\",\"value\":\"ftp://x\",\"problem\":\"wrong scheme\","
                "\"allowed\":\"smtp, smtps\"}]}"
    };

    api_start(1, &answer);
    write_file("/tmp/postern-ctl-put3.json", "{\"name\": \"Exchange\"}");
    RUN(api.path, "profile", "put", "--no-test", "/tmp/postern-ctl-put3.json");
    cr_assert_eq(ran.code, CTL_REFUSED);
    ASSERT_HAS(api.requests[0], "POST /api/v1/profiles?test=skip HTTP/1.1");
    cr_assert_str_eq(ran.err,
                     "posternctl: 2 mistakes\n"
                     "  pool.size: out of range (given: 1000) (allowed: 1 to 999)\n"
                     "  servers[1]: wrong scheme (given: ftp://x) (allowed: smtp, smtps)\n",
                     "got:\n%s", ran.err);
    unlink("/tmp/postern-ctl-put3.json");
    api_stop();
}

Test(ctl, a_problem_with_json_goes_to_the_output)
{
    struct api_answer answer = { .status = 409,
                                 .type = "application/problem+json",
                                 .body = "{\"status\":409,\"detail\":\"in use\"}" };
    json_t *printed;

    api_start(1, &answer);
    RUN(api.path, "--json", "key", "rotate");
    cr_assert_eq(ran.code, CTL_REFUSED);
    printed = json_loads(ran.out, 0, NULL);
    cr_assert_eq(json_integer_value(json_object_get(printed, "status")), 409);
    json_decref(printed);
    api_stop();
}

Test(ctl, a_file_that_is_no_json_names_the_line)
{
    write_file("/tmp/postern-ctl-bad.json", "{\n  \"name\": \"x\",\n  oops\n}\n");
    RUN("/nowhere", "profile", "put", "/tmp/postern-ctl-bad.json");
    cr_assert_eq(ran.code, CTL_REFUSED);
    ASSERT_HAS(ran.err, "/tmp/postern-ctl-bad.json:3:");
    cr_assert_null(strstr(ran.err, "oops"), "it might be a password");
    write_file("/tmp/postern-ctl-bad.json", "{\"a\":1,\"a\":2}");
    RUN("/nowhere", "profile", "put", "/tmp/postern-ctl-bad.json");
    cr_assert_eq(ran.code, CTL_REFUSED, "the same key twice");
    write_file("/tmp/postern-ctl-bad.json", "[]");
    RUN("/nowhere", "profile", "put", "/tmp/postern-ctl-bad.json");
    cr_assert_eq(ran.code, CTL_REFUSED);
    ASSERT_HAS(ran.err, "JSON object");
    unlink("/tmp/postern-ctl-bad.json");
    RUN("/nowhere", "profile", "put", "/tmp/postern-ctl-bad.json");
    cr_assert_eq(ran.code, CTL_REFUSED);
    ASSERT_HAS(ran.err, "No such file");
}

Test(ctl, profile_delete_finds_the_id_first)
{
    struct api_answer answers[] = { { .status = 200, .body = "{\"profiles\":[" PROFILE "]}" },
                                    { .status = 204 } };

    api_start(2, answers);
    RUN(api.path, "profile", "delete", "Exchange");
    cr_assert_eq(ran.code, CTL_DONE, "%s", ran.err);
    ASSERT_HAS(api.requests[1], "DELETE /api/v1/profiles/3 HTTP/1.1");
    ASSERT_HAS(ran.out, "deleted profile \"Exchange\"");
    api_stop();
}

Test(ctl, OP04_stats_is_a_line_for_each_minute_and_the_sums)
{
    struct api_answer answer = {
        .status = 200,
        .body =
            "{\"since\":\"2026-11-26T10:00:00Z\",\"step_s\":60,\"time\":[1800000000,1800000060],"
            "\"series\":{\"in\":[11,12],\"out\":[13,14],\"deferred\":[15,16],"
            "\"failed\":[17,18],\"quarantined\":[19,20],\"refused\":[21,22],"
            "\"put_off\":[23,24],\"queue_length\":[25,26]},"
            "\"totals\":{\"in\":31,\"out\":32,\"deferred\":33,\"failed\":34,"
            "\"quarantined\":35,\"refused\":36,\"put_off\":37},"
            "\"queue\":{\"length\":38,\"oldest_age_s\":null,\"oldest\":null}}"
    };

    api_start(1, &answer);
    RUN(api.path, "stats", "--limit", "2");
    cr_assert_eq(ran.code, CTL_DONE, "%s", ran.err);
    ASSERT_HAS(api.requests[0], "GET /api/v1/stats?minutes=2 ");
    ASSERT_HAS(ran.out, "2027-01-15T08:00:00.000Z");
    ASSERT_HAS(ran.out, "11   13        15      17           19       21       23     25\n");
    ASSERT_HAS(ran.out, "12   14        16      18           20       22       24     26\n");
    ASSERT_HAS(ran.out, "since 2026-11-26T10:00:00Z");
    ASSERT_HAS(ran.out, "31   32        33      34           35       36       37     38\n");
    api_stop();
}

Test(ctl, test_message_says_where_it_goes_and_how_to_follow_it)
{
    struct api_answer answer = { .status = 202,
                                 .body = "{\"id\":\"06AB\",\"to\":\"a@b.test\","
                                         "\"rule\":\"Inbound\",\"profile\":\"Exchange\"}" };

    RUN("/nowhere", "test-message");
    cr_assert_eq(ran.code, CTL_USAGE);
    api_start(1, &answer);
    RUN(api.path, "test-message", "--to", "a@b.test", "--from", "");
    cr_assert_eq(ran.code, CTL_DONE, "%s", ran.err);
    ASSERT_HAS(api.requests[0], "POST /api/v1/test-message HTTP/1.1");
    ASSERT_HAS(api.requests[0], "\"to\":\"a@b.test\"");
    ASSERT_HAS(api.requests[0], "\"from\":\"\"");
    ASSERT_LACKS(api.requests[0], "client");
    ASSERT_HAS(ran.out, "06AB");
    ASSERT_HAS(ran.out, "to a@b.test by rule \"Inbound\", profile \"Exchange\"");
    api_stop();
}

/* ---- rules, queue, settings ---- */

Test(ctl, rule_which_escapes_addresses)
{
    struct api_answer answer = { .status = 200,
                                 .body = "{\"verdict\":\"match\",\"rule\":\"Inbound\"}" };

    api_start(1, &answer);
    RUN(api.path, "rule", "which", "--client", "2001:db8::1", "--from", "", "--to",
        "a+b@example.net");
    cr_assert_eq(ran.code, CTL_DONE, "%s", ran.err);
    ASSERT_HAS(api.requests[0],
               "GET /api/v1/rules/which?client=2001%3Adb8%3A%3A1&from=&to=a%2Bb%40example.net ");
    ASSERT_HAS(ran.out, "rule     Inbound");
    api_stop();
}

Test(ctl, rule_move_sends_the_position)
{
    struct api_answer answers[] = { { .status = 200,
                                      .body = "{\"rules\":[{\"id\":9,\"name\":\"Inbound\"}]}" },
                                    { .status = 200, .body = "{}" } };

    api_start(2, answers);
    RUN(api.path, "rule", "move", "Inbound", "2");
    cr_assert_eq(ran.code, CTL_DONE, "%s", ran.err);
    ASSERT_HAS(api.requests[1], "POST /api/v1/rules/9/move HTTP/1.1");
    ASSERT_HAS(api.requests[1], "{\"position\":2}");
    api_stop();
}

Test(ctl, queue_list_filters_and_shows_the_null_sender)
{
    struct api_answer answer = {
        .status = 200,
        .body = "{\"messages\":[{\"id\":\"06AB\",\"group\":0,\"state\":\"waiting\","
                "\"profile\":\"Exchange\",\"attempts\":2,\"next_attempt\":null,\"bytes\":1234,"
                "\"message\":{\"sender\":\"\",\"recipients\":[\"a@b\",\"c@d\"]}},"
                "{\"id\":\"06AC\",\"group\":0,\"state\":\"ready\",\"message\":null}],"
                "\"next\":\"06AC.0\"}"
    };

    api_start(1, &answer);
    RUN(api.path, "queue", "list", "--state", "waiting", "--profile", "A&B", "--limit", "2");
    cr_assert_eq(ran.code, CTL_DONE, "%s", ran.err);
    ASSERT_HAS(api.requests[0], "GET /api/v1/queue?state=waiting&profile=A%26B&limit=2 ");
    ASSERT_HAS(ran.out, "<>");
    ASSERT_HAS(ran.out, "a@b, c@d");
    ASSERT_HAS(ran.out, "06AC");
    ASSERT_HAS(ran.err, "--after 06AC.0");
    api_stop();
}

Test(ctl, queue_orders_go_on_after_a_refusal_and_exit_1)
{
    struct api_answer answers[] = {
        { .status = 409, .type = "application/problem+json", .body = "{\"detail\":\"too late\"}" },
        { .status = 200, .body = "{}" }
    };

    api_start(2, answers);
    RUN(api.path, "queue", "hold", "06AB", "06AC", "--group", "1");
    cr_assert_eq(ran.code, CTL_REFUSED);
    ASSERT_HAS(api.requests[0], "POST /api/v1/queue/06AB/hold?group=1 ");
    ASSERT_HAS(api.requests[1], "POST /api/v1/queue/06AC/hold?group=1 ");
    ASSERT_HAS(ran.err, "too late");
    ASSERT_HAS(ran.out, "06AC: held");
    api_stop();
}

Test(ctl, queue_show_tells_the_way)
{
    struct api_answer answer = {
        .status = 200,
        .body = "{\"id\":\"06AB\",\"groups\":[{\"group\":0,\"state\":\"waiting\",\"rule\":\"R\","
                "\"message\":{\"attempts\":[{\"number\":2,\"time\":\"T1\",\"ms\":1234,"
                "\"outcome\":\"deferred\",\"next\":\"T2\",\"trial\":true,\"tried\":["
                "{\"server\":\"smtp://a:25\",\"result\":\"passed over: down\"},"
                "{\"server\":\"smtp://b:25\",\"result\":\"deferred\",\"code\":450,"
                "\"text\":\"450 \\u001b[31mbusy\",\"ms\":31,\"pool\":\"hit\",\"data_ms\":12345,"
                "\"colour\":\"red\"}]}]}},{\"group\":1,\"message\":null}]}"
    };

    api_start(1, &answer);
    RUN(api.path, "queue", "show", "06AB");
    cr_assert_eq(ran.code, CTL_DONE, "%s", ran.err);
    ASSERT_HAS(ran.out, "rule     R");
    ASSERT_HAS(ran.out, "attempt 2 at T1: deferred after 1.2 s; next T2; a trial");
    ASSERT_HAS(ran.out, "smtp://a:25  passed over: down\n");
    ASSERT_HAS(ran.out, "smtp://b:25  deferred: 450 \\u{1B}[31mbusy "
                        "(31 ms; an idle connection; data 12.3 s; colour red)\n");
    api_stop();
}

Test(ctl, SP22_queue_ambiguous_lists_what_may_have_arrived_twice)
{
    struct api_answer answer = {
        .status = 200,
        .body = "{\"losses\":[{\"time\":\"T\",\"id\":\"06AB\",\"group\":0,\"attempt\":2,"
                "\"profile\":\"Exchange\",\"server\":\"smtp://a:25\",\"state\":null}]}"
    };

    api_start(1, &answer);
    RUN(api.path, "queue", "ambiguous", "--limit", "7");
    cr_assert_eq(ran.code, CTL_DONE, "%s", ran.err);
    ASSERT_HAS(api.requests[0], "GET /api/v1/ambiguous?limit=7 ");
    ASSERT_HAS(ran.out, "T     06AB      0        2  Exchange  smtp://a:25  -");
    api_stop();
}

Test(ctl, settings_put_replaces_what_is_there_now)
{
    struct api_answer answers[] = { { .status = 200, .body = "{}", .etag = "\"12\"" },
                                    { .status = 200, .body = "{}" },
                                    { .status = 200, .body = "{}" } };

    api_start(3, answers);
    write_file("/tmp/postern-ctl-set.json", "{\"postmaster\": null}");
    RUN(api.path, "settings", "put", "/tmp/postern-ctl-set.json");
    cr_assert_eq(ran.code, CTL_DONE, "%s", ran.err);
    ASSERT_HAS(api.requests[1], "PUT /api/v1/settings HTTP/1.1");
    ASSERT_HAS(api.requests[1], "If-Match: \"12\"");
    write_file("/tmp/postern-ctl-set.json", "{\"postmaster\": null, \"version\": 11}");
    RUN(api.path, "settings", "put", "/tmp/postern-ctl-set.json");
    ASSERT_HAS(api.requests[2], "If-Match: \"11\"");
    unlink("/tmp/postern-ctl-set.json");
    api_stop();
}

Test(ctl, export_is_json_and_import_reports_what_is_incomplete)
{
    struct api_answer answers[] = {
        { .status = 200, .body = "{\"profiles\":[]}" },
        { .status = 200,
          .type = "application/x-ndjson",
          .body = "{\"profile\":\"A\",\"server\":\"smtp://a:25\",\"step\":\"quit\","
                  "\"result\":\"ok\",\"ms\":1}\n"
                  "{\"status\":200,\"profiles\":2,\"rules\":1,\"incomplete\":[\"B\"]}\n" }
    };
    json_t *printed;

    api_start(2, answers);
    RUN(api.path, "export");
    printed = json_loads(ran.out, 0, NULL);
    cr_assert(printed);
    json_decref(printed);
    write_file("/tmp/postern-ctl-imp.json", "{\"profiles\":[]}");
    RUN(api.path, "import", "/tmp/postern-ctl-imp.json");
    cr_assert_eq(ran.code, CTL_DONE, "%s", ran.err);
    ASSERT_HAS(ran.out, "A  smtp://a:25");
    ASSERT_HAS(ran.out, "imported 2 profiles and 1 rules");
    ASSERT_HAS(ran.out, "profile \"B\" is incomplete");
    unlink("/tmp/postern-ctl-imp.json");
    api_stop();
}
