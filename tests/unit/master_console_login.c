/* Logging in and out by the console's door, also while an account or the daemon goes. */
#include "tests/unit/console_client.h"

#include "master/control/access.h"
#include "master/control/control_private.h"

TestSuite(console_login, .init = start_console, .fini = stop_console, .timeout = 60);

Test(console_login, OP04_logging_in_gives_a_session)
{
    have_account("alice", "admin");
    ASSERT_STATUS(browse(&alice, "GET", "/profiles", NULL), 401);
    ASSERT_AT("code", "session");
    ASSERT_STATUS(browse(&alice, "GET", "/sessions/current", NULL), 401);
    log_in(&alice, " ALICE");
    ASSERT_AT("account", "alice");
    ASSERT_AT("role", "admin");
    cr_assert_eq(number_at("idle_seconds"), 1800);
    cr_assert_eq(text_at("ends")[10], 'T');
    cr_assert_not_null(strstr(last.head, "; Path=/; Secure; HttpOnly; SameSite=Strict\r\n"), "%s",
                       last.head);
    cr_assert_eq(strncmp(alice.cookie, "__Host-postern=", 15), 0, "%s", alice.cookie);
    cr_assert_null(strstr(last.body, alice.cookie + 15), "the token is in the cookie only");
    ASSERT_STATUS(browse(&alice, "GET", "/sessions/current", NULL), 200);
    ASSERT_AT("account", "alice");
    ASSERT_AT("csrf", alice.csrf);
    ASSERT_STATUS(browse(&alice, "GET", "/profiles", NULL), 200);
}

Test(console_login, OP04_a_wrong_name_and_a_wrong_password_are_answered_the_same)
{
    char *first;

    have_account("alice", "admin");
    ASSERT_STATUS(try_log_in(&alice, "alice", "correct horse batterx"), 401);
    ASSERT_AT("code", "login");
    cr_assert_null(strstr(last.head, "Set-Cookie"));
    first = strdup(last.body);
    ASSERT_STATUS(try_log_in(&alice, "nobody", PASSWORD), 401);
    cr_assert_str_eq(last.body, first);
    free(first);
    ASSERT_STATUS(try_log_in(&alice, "alice", ""), 401);
    ASSERT_STATUS(try_log_in(&alice, "", ""), 401);
    ASSERT_STATUS(browse(&alice, "POST", "/sessions", "{\"name\":\"alice\"}"), 422);
    ASSERT_STATUS(browse(&alice, "POST", "/sessions",
                         "{\"name\":\"alice\",\"password\":\"" PASSWORD "\",\"role\":\"admin\"}"),
                  422);
    ASSERT_STATUS(browse(&alice, "POST", "/sessions", "{\"name\":7,\"password\":8}"), 422);
}

/* A body of this password, of so many characters. */
static int log_in_with_long(unsigned length)
{
    char *body = calloc(1, length + 64), *end;

    end = stpcpy(body, "{\"name\":\"alice\",\"password\":\"");
    memset(end, 'a', length);
    strcpy(end + length, "\"}");
    browse(&alice, "POST", "/sessions", body);
    free(body);
    return last.status;
}

Test(console_login, OP04_a_password_longer_than_any_is_only_wrong)
{
    have_account("alice", "admin");
    ASSERT_STATUS(log_in_with_long(512), 401);
    ASSERT_STATUS(log_in_with_long(16000), 401);
    ASSERT_AT("code", "login");
}

Test(console_login, OP03_nobody_makes_the_master_read_much_before_he_is_somebody)
{
    have_account("alice", "admin");
    ASSERT_STATUS(log_in_with_long(17000), 413);
    ASSERT_STATUS(browse(&alice, "POST", "/profiles", "{ this is not even looked at"), 401);
}

Test(console_login, OP04_a_password_is_the_same_however_it_is_composed)
{
    ASSERT_STATUS(
        ask("POST", "/accounts",
            "{\"name\":\"a\",\"role\":\"viewer\",\"password\":\"Bu\xcc\x88roklammer 77\"}"),
        201);
    ASSERT_STATUS(try_log_in(&alice, "a", "B\xc3\xbcroklammer 77"), 201);
}

Test(console_login, OP04_too_many_failures_and_the_address_must_wait)
{
    const char *wait;
    unsigned long seconds;

    have_account("alice", "admin");
    for (unsigned i = 0; i < 10; i++)
        ASSERT_STATUS(try_log_in(&alice, "alice", "x"), 401);
    ASSERT_STATUS(try_log_in(&alice, "alice", PASSWORD), 429);
    ASSERT_AT("code", "rate");
    wait = strstr(last.head, "Retry-After: ");
    cr_assert_not_null(wait, "%s", last.head);
    seconds = strtoul(wait + strlen("Retry-After: "), NULL, 10);
    cr_assert(seconds <= 900 && seconds > 800, "%lu", seconds);
    ASSERT_STATUS(try_log_in(&alice, "other", "x"), 429);
    bob.address = "10.0.0.2";
    ASSERT_STATUS(try_log_in(&bob, "alice", PASSWORD), 201);
}

Test(console_login, OP04_a_right_password_is_no_failure)
{
    have_account("alice", "admin");
    for (unsigned i = 0; i < 12; i++)
        ASSERT_STATUS(try_log_in(&alice, "alice", PASSWORD), 201);
}

Test(console_login, OP04_logging_in_again_ends_the_session_before)
{
    char before[sizeof(alice.cookie)];

    have_account("alice", "admin");
    log_in(&alice, "alice");
    strcpy(before, alice.cookie);
    log_in(&alice, "alice");
    cr_assert_str_neq(alice.cookie, before);
    cr_assert_eq(sessions_count(control->access->sessions), 1);
    strcpy(alice.cookie, before);
    ASSERT_STATUS(browse(&alice, "GET", "/status", NULL), 401);
}

Test(console_login, OP04_logging_out)
{
    char token[sizeof(alice.cookie)];

    have_account("alice", "viewer");
    log_in(&alice, "alice");
    strcpy(token, alice.cookie);
    ASSERT_STATUS(browse(&alice, "DELETE", "/sessions/current", NULL), 204);
    cr_assert_not_null(strstr(last.head, "Set-Cookie: __Host-postern=; "), "%s", last.head);
    cr_assert_not_null(strstr(last.head, "Max-Age=0"), "%s", last.head);
    strcpy(alice.cookie, token);
    ASSERT_STATUS(browse(&alice, "GET", "/status", NULL), 401);
}

Test(console_login, OP04_nobody_logs_in_by_the_control_socket)
{
    have_account("alice", "admin");
    ASSERT_STATUS(ask("POST", "/sessions", "{\"name\":\"alice\",\"password\":\"" PASSWORD "\"}"),
                  404);
    ASSERT_STATUS(ask("GET", "/sessions/current", NULL), 404);
    ASSERT_STATUS(ask("GET", "/first", NULL), 404);
    log_in(&alice, "alice");
    ASSERT_STATUS(ask("GET", "/sessions", NULL), 200);
    ASSERT_AT("sessions.0.account", "alice");
    cr_assert(json_is_false(at("sessions.0.current")));
}

/* ---- while a password is checked ---- */

/* Alice's log-in, whose password is being checked. */
static void begin_log_in(void)
{
    client_ask(&bob.client, "POST", "/api/v1/sessions",
               "Content-Type: application/json\r\nX-Postern-Client: 10.0.0.9\r\n",
               "{\"name\":\"alice\",\"password\":\"" PASSWORD "\"}");
    TURN_UNTIL(!LIST_EMPTY(&control->calls));
}

Test(console_login, OP04_a_password_that_changes_while_it_is_checked_opens_nothing)
{
    struct account *account;

    have_account("alice", "admin");
    begin_log_in();
    /* As if it were stored at this very moment: the answer of the check is not here yet. */
    account = (struct account *)registry_account_named(registry, "alice");
    free(account->hash);
    account->hash = strdup("$y$another");
    take_reply(&bob.client);
    expect_refused(401, "login");
    cr_assert_eq(sessions_count(control->access->sessions), 0);
}

/* Whichever of the two is done first. */
Test(console_login, OP04_an_account_that_goes_while_its_password_is_checked_opens_nothing)
{
    long long id = have_account("alice", "admin");
    char target[64];

    begin_log_in();
    snprintf(target, sizeof(target), "/accounts/%lld", id);
    ASSERT_STATUS(ask("DELETE", target, NULL), 204);
    take_reply(&bob.client);
    take_cookie(&bob);
    cr_assert(last.status == 401 || last.status == 201, "%s", last.body);
    ASSERT_STATUS(browse(&bob, "GET", "/status", NULL), 401);
    cr_assert_eq(sessions_count(control->access->sessions), 0);
}

/* Whoever logs in while the daemon ends is answered, and nothing is left over. */
Test(console_login, OP02_the_end_answers_log_ins_under_way)
{
    have_account("alice", "admin");
    begin_log_in();
    control_stop(control);
    cr_assert(LIST_EMPTY(&control->calls), "they are answered before it returns");
    take_reply(&bob.client);
    cr_assert(last.status == 201 || last.status == 503, "%s", last.body);
}
