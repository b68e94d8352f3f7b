/* What a request by the console's door must bring, and whose it is in the audit log. */
#include "tests/unit/console_client.h"

#include "master/control/access.h"
#include "master/control/control_private.h"

TestSuite(console_request, .init = start_console, .fini = stop_console, .timeout = 60);

Test(console_request, OP03_forged_cookies_are_nobody_s)
{
    char good[sizeof(alice.cookie)];

    have_account("alice", "admin");
    log_in(&alice, "alice");
    strcpy(good, alice.cookie);
    alice.cookie[20] = alice.cookie[20] == 'A' ? 'B' : 'A';
    ASSERT_STATUS(browse(&alice, "GET", "/status", NULL), 401);
    snprintf(alice.cookie, sizeof(alice.cookie), "postern=%s", good + 15);
    ASSERT_STATUS(browse(&alice, "GET", "/status", NULL), 401);
    snprintf(alice.cookie, sizeof(alice.cookie), "__Host-postern=");
    ASSERT_STATUS(browse(&alice, "GET", "/status", NULL), 401);
    snprintf(alice.cookie, sizeof(alice.cookie), "%.70s; %.70s", good, good);
    ASSERT_STATUS(browse(&alice, "GET", "/status", NULL), 401);
    strcpy(alice.cookie, good);
    ASSERT_STATUS(browse(&alice, "GET", "/status", NULL), 200);
}

Test(console_request, OP03_a_change_needs_the_csrf_token)
{
    have_account("alice", "admin");
    log_in(&alice, "alice");
    ASSERT_STATUS(browse(&alice, "POST", "/profiles?test=skip", EXCHANGE), 201);
    alice.csrf[0] = alice.csrf[0] == 'A' ? 'B' : 'A';
    (void)browse(&alice, "DELETE", "/profiles/1", NULL);
    expect_refused(403, "csrf");
    *alice.csrf = '\0';
    (void)browse(&alice, "DELETE", "/profiles/1", NULL);
    expect_refused(403, "csrf");
    (void)browse(&alice, "DELETE", "/sessions/current", NULL);
    expect_refused(403, "csrf");
    ASSERT_STATUS(browse(&alice, "GET", "/profiles/1", NULL), 200);
}

Test(console_request, OP03_another_s_csrf_token_is_none)
{
    have_account("alice", "admin");
    log_in(&alice, "alice");
    log_in(&bob, "alice");
    strcpy(alice.csrf, bob.csrf);
    (void)browse(&alice, "POST", "/alerts/test", NULL);
    expect_refused(403, "csrf");
}

static int ask_from(struct browser *browser, const char *headers, const char *body)
{
    client_ask(&browser->client, "POST", "/api/v1/sessions", headers, body);
    take_reply(&browser->client);
    return last.status;
}

Test(console_request, OP03_pages_of_others_are_refused)
{
    static const char body[] = "{\"name\":\"alice\",\"password\":\"" PASSWORD "\"}";

    have_account("alice", "admin");
    ASSERT_STATUS(
        ask_from(&alice, "Content-Type: application/json\r\nOrigin: https://evil.test\r\n", body),
        403);
    ASSERT_AT("code", "origin");
    ASSERT_STATUS(
        ask_from(&alice, "Content-Type: application/json\r\nSec-Fetch-Site: cross-site\r\n", body),
        403);
    ASSERT_STATUS(ask_from(&alice, "Content-Type: text/plain\r\n", body), 415);
    ASSERT_STATUS(ask_from(&alice, "", body), 415);
    cr_assert_eq(sessions_count(control->access->sessions), 0);
    ASSERT_STATUS(ask_from(&alice, "Content-Type: application/json\r\n", body), 201);
}

Test(console_request, OP04_a_viewer_sees_and_changes_nothing)
{
    put_profile(EXCHANGE);
    have_account("vera", "viewer");
    log_in(&bob, "vera");
    ASSERT_STATUS(browse(&bob, "GET", "/profiles", NULL), 200);
    ASSERT_STATUS(browse(&bob, "GET", "/audit", NULL), 200);
    (void)browse(&bob, "DELETE", "/profiles/1", NULL);
    expect_refused(403, "role");
    (void)browse(&bob, "POST", "/profiles/test", EXCHANGE);
    expect_refused(403, "role");
    (void)browse(&bob, "PUT", "/settings", "{}");
    expect_refused(403, "role");
    (void)browse(&bob, "GET", "/accounts", NULL);
    expect_refused(403, "role");
    (void)browse(&bob, "GET", "/sessions", NULL);
    expect_refused(403, "role");
    ASSERT_STATUS(browse(&bob, "GET", "/profiles/1", NULL), 200);
    cr_assert_eq(fake.probes, 0);
}

Test(console_request, OP04_the_audit_log_names_the_account)
{
    have_account("alice", "admin");
    log_in(&alice, "alice");
    ASSERT_STATUS(browse(&alice, "POST", "/profiles?test=skip", EXCHANGE), 201);
    ASSERT_STATUS(ask("GET", "/audit", NULL), 200);
    ASSERT_AT("entries.0.what", "profile created");
    ASSERT_AT("entries.0.who", "account=alice");
    ASSERT_AT("entries.1.what", "logged in");
    ASSERT_AT("entries.1.who", "account=alice");
    ASSERT_AT("entries.1.detail", "from 10.0.0.1");
    ASSERT_STATUS(browse(&alice, "DELETE", "/sessions/current", NULL), 204);
    TURN_UNTIL(ask("GET", "/audit", NULL) == 200 &&
               strcmp(text_at("entries.0.what"), "logged out") == 0);
    ASSERT_AT("entries.0.who", "account=alice");
}
