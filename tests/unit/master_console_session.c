/* What ends a session of the console, and what does not keep it. */
#include "tests/unit/console_client.h"

#include "master/control/access.h"
#include "master/control/control_private.h"

TestSuite(console_session, .init = start_console, .fini = stop_console, .timeout = 60);

/* When the one session was used last; turns until the clock has gone on. */
static int64_t used_ms(void)
{
    int64_t used = sessions_at(control->access->sessions, 0)->used_ms;

    TURN_UNTIL(loop_now_ms(loop) > used);
    return used;
}

Test(console_session, OP04_unused_a_session_ends_and_polling_is_no_use)
{
    const struct session_rules over = { .idle_ms = 1, .max_ms = 3600000 };
    int64_t before;

    have_account("alice", "admin");
    log_in(&alice, "alice");
    before = used_ms();
    ASSERT_STATUS(browse(&alice, "GET", "/alerts", NULL), 200);
    cr_assert_gt(used_ms(), before);
    alice.is_polling = true;
    before = used_ms();
    ASSERT_STATUS(browse(&alice, "GET", "/alerts", NULL), 200);
    cr_assert_eq(used_ms(), before);
    sessions_set_rules(control->access->sessions, &over);
    (void)browse(&alice, "GET", "/alerts", NULL);
    expect_refused(401, "session");
}

Test(console_session, OP04_a_request_that_is_refused_is_no_use)
{
    int64_t before;

    have_account("vera", "viewer");
    log_in(&alice, "vera");
    before = used_ms();
    (void)browse(&alice, "POST", "/alerts/test", NULL);
    expect_refused(403, "role");
    cr_assert_eq(used_ms(), before);
}

Test(console_session, OP04_a_new_password_ends_the_others)
{
    struct browser other;

    have_account("alice", "viewer");
    log_in(&alice, "alice");
    browser_open(&other);
    log_in(&other, "alice");
    (void)browse(&alice, "POST", "/sessions/current/password",
                 "{\"old\":\"" PASSWORD "\",\"new\":\"short\"}");
    expect_refused(422, "invalid");
    ASSERT_AT("errors.0.property", "new");
    (void)browse(&alice, "POST", "/sessions/current/password",
                 "{\"old\":\"wrong horse battery\",\"new\":\"another horse battery\"}");
    expect_refused(422, "invalid");
    ASSERT_AT("errors.0.property", "old");
    ASSERT_STATUS(browse(&other, "GET", "/status", NULL), 200);
    ASSERT_STATUS(browse(&alice, "POST", "/sessions/current/password",
                         "{\"old\":\"" PASSWORD "\",\"new\":\"another horse battery\"}"),
                  204);
    ASSERT_STATUS(browse(&other, "GET", "/status", NULL), 401);
    ASSERT_STATUS(browse(&alice, "GET", "/status", NULL), 200);
    ASSERT_STATUS(try_log_in(&other, "alice", PASSWORD), 401);
    ASSERT_STATUS(try_log_in(&other, "alice", "another horse battery"), 201);
    browser_close(&other);
}

Test(console_session, OP04_wrong_old_passwords_are_counted_as_failed_log_ins)
{
    have_account("alice", "viewer");
    log_in(&alice, "alice");
    for (unsigned i = 0; i < 10; i++)
        ASSERT_STATUS(browse(&alice, "POST", "/sessions/current/password",
                             "{\"old\":\"x\",\"new\":\"another horse battery\"}"),
                      422);
    ASSERT_STATUS(browse(&alice, "POST", "/sessions/current/password",
                         "{\"old\":\"" PASSWORD "\",\"new\":\"another horse battery\"}"),
                  429);
}

Test(console_session, OP04_another_s_new_password_and_another_role_end_sessions)
{
    long long vera = have_account("vera", "viewer");
    char target[64];

    have_account("alice", "admin");
    log_in(&alice, "alice");
    log_in(&bob, "vera");
    snprintf(target, sizeof(target), "/accounts/%lld/password", vera);
    ASSERT_STATUS(browse(&alice, "POST", target, "{\"password\":\"another horse battery\"}"), 204);
    ASSERT_STATUS(browse(&bob, "GET", "/status", NULL), 401);
    ASSERT_STATUS(try_log_in(&bob, "vera", "another horse battery"), 201);
    snprintf(target, sizeof(target), "/accounts/%lld", vera);
    ASSERT_STATUS(browse(&alice, "GET", target, NULL), 200);
    alice.more = "If-Match: *\r\n";
    ASSERT_STATUS(browse(&alice, "PUT", target, "{\"name\":\"Vera\",\"role\":\"viewer\"}"), 200);
    ASSERT_STATUS(browse(&bob, "GET", "/status", NULL), 200);
    ASSERT_STATUS(browse(&alice, "PUT", target, "{\"name\":\"Vera\",\"role\":\"admin\"}"), 200);
    ASSERT_STATUS(browse(&bob, "GET", "/status", NULL), 401);
}

Test(console_session, OP04_a_deleted_account_has_no_session)
{
    long long vera = have_account("vera", "viewer");
    char target[64];

    have_account("alice", "admin");
    log_in(&bob, "vera");
    snprintf(target, sizeof(target), "/accounts/%lld", vera);
    ASSERT_STATUS(ask("DELETE", target, NULL), 204);
    cr_assert_eq(sessions_count(control->access->sessions), 0);
    ASSERT_STATUS(browse(&bob, "GET", "/status", NULL), 401);
    ASSERT_STATUS(try_log_in(&bob, "vera", PASSWORD), 401);
}

Test(console_session, OP04_an_administrator_sees_and_ends_sessions)
{
    char target[64];

    have_account("alice", "admin");
    have_account("vera", "viewer");
    log_in(&bob, "vera");
    log_in(&alice, "alice");
    ASSERT_STATUS(browse(&alice, "GET", "/sessions", NULL), 200);
    cr_assert_eq(json_array_size(at("sessions")), 2);
    ASSERT_AT("sessions.0.account", "vera");
    ASSERT_AT("sessions.0.role", "viewer");
    ASSERT_AT("sessions.0.client", "10.0.0.1");
    cr_assert(json_is_false(at("sessions.0.current")));
    cr_assert(json_is_true(at("sessions.1.current")));
    cr_assert_null(strstr(last.body, bob.cookie + 15));
    cr_assert_null(strstr(last.body, bob.csrf));
    snprintf(target, sizeof(target), "/sessions/%s", text_at("sessions.0.id"));
    ASSERT_STATUS(browse(&alice, "DELETE", target, NULL), 204);
    ASSERT_STATUS(browse(&bob, "GET", "/status", NULL), 401);
    ASSERT_STATUS(browse(&alice, "DELETE", target, NULL), 404);
}
