/* The API by the console's door: logging in, sessions, roles, accounts, the first of them. */
#include "tests/unit/console_client.h"

#include <fcntl.h>

#include "common/log.h"
#include "master/control/access.h"
#include "master/control/control_private.h"

static struct browser alice, bob;

static void start_console(void)
{
    start();
    browser_open(&alice);
    browser_open(&bob);
}

static void stop_console(void)
{
    browser_close(&alice);
    browser_close(&bob);
    stop();
}

TestSuite(console_api, .init = start_console, .fini = stop_console, .timeout = 60);

static void expect_refused(int status, const char *code)
{
    ASSERT_STATUS(last.status, status);
    ASSERT_AT("code", code);
}

/* ---- log-ins ---- */

Test(console_api, OP04_logging_in_gives_a_session)
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

Test(console_api, OP04_a_wrong_name_and_a_wrong_password_are_answered_the_same)
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

Test(console_api, OP04_a_password_longer_than_any_is_only_wrong)
{
    have_account("alice", "admin");
    ASSERT_STATUS(log_in_with_long(512), 401);
    ASSERT_STATUS(log_in_with_long(16000), 401);
    ASSERT_AT("code", "login");
}

Test(console_api, OP03_nobody_makes_the_master_read_much_before_he_is_somebody)
{
    have_account("alice", "admin");
    ASSERT_STATUS(log_in_with_long(17000), 413);
    ASSERT_STATUS(browse(&alice, "POST", "/profiles", "{ this is not even looked at"), 401);
}

Test(console_api, OP04_a_password_is_the_same_however_it_is_composed)
{
    ASSERT_STATUS(
        ask("POST", "/accounts",
            "{\"name\":\"a\",\"role\":\"viewer\",\"password\":\"Bu\xcc\x88roklammer 77\"}"),
        201);
    ASSERT_STATUS(try_log_in(&alice, "a", "B\xc3\xbcroklammer 77"), 201);
}

Test(console_api, OP04_too_many_failures_and_the_address_must_wait)
{
    have_account("alice", "admin");
    for (unsigned i = 0; i < 10; i++)
        ASSERT_STATUS(try_log_in(&alice, "alice", "x"), 401);
    ASSERT_STATUS(try_log_in(&alice, "alice", PASSWORD), 429);
    ASSERT_AT("code", "rate");
    cr_assert_not_null(strstr(last.head, "Retry-After: 900\r\n")
                           ?: strstr(last.head, "Retry-After: 89"),
                       "%s", last.head);
    ASSERT_STATUS(try_log_in(&alice, "other", "x"), 429);
    bob.address = "10.0.0.2";
    ASSERT_STATUS(try_log_in(&bob, "alice", PASSWORD), 201);
}

Test(console_api, OP04_a_right_password_is_no_failure)
{
    have_account("alice", "admin");
    for (unsigned i = 0; i < 12; i++)
        ASSERT_STATUS(try_log_in(&alice, "alice", PASSWORD), 201);
}

Test(console_api, OP04_logging_in_again_ends_the_session_before)
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

Test(console_api, OP04_logging_out)
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

Test(console_api, OP04_nobody_logs_in_by_the_control_socket)
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

/* ---- what a request must bring ---- */

Test(console_api, OP03_forged_cookies_are_nobody_s)
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

Test(console_api, OP03_a_change_needs_the_csrf_token)
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

Test(console_api, OP03_another_s_csrf_token_is_none)
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

Test(console_api, OP03_pages_of_others_are_refused)
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

Test(console_api, OP04_a_viewer_sees_and_changes_nothing)
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

Test(console_api, OP04_the_audit_log_names_the_account)
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

/* ---- sessions end ---- */

/* When the one session was used last; turns until the clock has gone on. */
static int64_t used_ms(void)
{
    int64_t used = sessions_at(control->access->sessions, 0)->used_ms;

    TURN_UNTIL(loop_now_ms(loop) > used);
    return used;
}

Test(console_api, OP04_unused_a_session_ends_and_polling_is_no_use)
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

Test(console_api, OP04_a_request_that_is_refused_is_no_use)
{
    int64_t before;

    have_account("vera", "viewer");
    log_in(&alice, "vera");
    before = used_ms();
    (void)browse(&alice, "POST", "/alerts/test", NULL);
    expect_refused(403, "role");
    cr_assert_eq(used_ms(), before);
}

Test(console_api, OP04_a_new_password_ends_the_others)
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

Test(console_api, OP04_wrong_old_passwords_are_counted_as_failed_log_ins)
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

Test(console_api, OP04_another_s_new_password_and_another_role_end_sessions)
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

Test(console_api, OP04_a_deleted_account_has_no_session)
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

/* Alice's log-in, whose password is being checked. */
static void begin_log_in(void)
{
    client_ask(&bob.client, "POST", "/api/v1/sessions",
               "Content-Type: application/json\r\nX-Postern-Client: 10.0.0.9\r\n",
               "{\"name\":\"alice\",\"password\":\"" PASSWORD "\"}");
    TURN_UNTIL(!LIST_EMPTY(&control->calls));
}

Test(console_api, OP04_a_password_that_changes_while_it_is_checked_opens_nothing)
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
Test(console_api, OP04_an_account_that_goes_while_its_password_is_checked_opens_nothing)
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
Test(console_api, OP02_the_end_answers_log_ins_under_way)
{
    have_account("alice", "admin");
    begin_log_in();
    control_stop(control);
    cr_assert(LIST_EMPTY(&control->calls), "they are answered before it returns");
    take_reply(&bob.client);
    cr_assert(last.status == 201 || last.status == 503, "%s", last.body);
}

Test(console_api, OP04_an_administrator_sees_and_ends_sessions)
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

/* ---- accounts ---- */

Test(console_api, OP04_accounts_are_made_shown_changed_and_deleted)
{
    char target[64];
    long long version;

    have_account("alice", "admin");
    log_in(&alice, "alice");
    ASSERT_STATUS(browse(&alice, "POST", "/accounts",
                         "{\"name\":\"Vera\",\"role\":\"viewer\",\"password\":\"" PASSWORD "\"}"),
                  201);
    cr_assert_not_null(strstr(last.head, "ETag: \""));
    snprintf(target, sizeof(target), "/accounts/%lld", number_at("id"));
    version = number_at("version");
    cr_assert(json_is_null(at("last_login")));
    ASSERT_STATUS(browse(&alice, "GET", "/accounts", NULL), 200);
    ASSERT_AT("accounts.0.name", "alice");
    ASSERT_AT("accounts.1.name", "Vera");
    cr_assert_null(strstr(last.body, "$y$"));
    ASSERT_STATUS(browse(&alice, "GET", "/accounts?name=vERA", NULL), 200);
    cr_assert_eq(json_array_size(at("accounts")), 1);
    ASSERT_STATUS(browse(&alice, "PUT", target, "{\"name\":\"Vera\",\"role\":\"admin\"}"), 428);
    {
        char body[128];

        snprintf(body, sizeof(body), "{\"name\":\"V\",\"role\":\"admin\",\"version\":%lld}",
                 version);
        ASSERT_STATUS(browse(&alice, "PUT", target, body), 200);
        ASSERT_AT("name", "V");
        ASSERT_AT("role", "admin");
        ASSERT_STATUS(browse(&alice, "PUT", target, body), 412);
    }
    ASSERT_STATUS(browse(&alice, "DELETE", target, NULL), 204);
    ASSERT_STATUS(browse(&alice, "GET", target, NULL), 404);
    ASSERT_STATUS(browse(&alice, "DELETE", target, NULL), 404);
    ASSERT_STATUS(browse(&alice, "GET", "/accounts/x", NULL), 404);
}

Test(console_api, SP50_every_mistake_of_an_account_at_once)
{
    have_account("alice", "admin");
    ASSERT_STATUS(ask("POST", "/accounts",
                      "{\"name\":\"\",\"role\":\"owner\",\"password\":\"x\",\"colour\":\"red\"}"),
                  422);
    cr_assert_eq(json_array_size(at("errors")), 4, "%s", last.body);
    ASSERT_STATUS(ask("POST", "/accounts",
                      "{\"name\":\"ALICE\",\"role\":\"admin\",\"password\":\"" PASSWORD "\"}"),
                  422);
    ASSERT_AT("errors.0.property", "name");
}

Test(console_api, OP04_the_console_keeps_the_last_administrator)
{
    long long id = have_account("alice", "admin");
    char target[64];

    have_account("vera", "viewer");
    log_in(&alice, "alice");
    snprintf(target, sizeof(target), "/accounts/%lld", id);
    alice.more = "If-Match: *\r\n";
    (void)browse(&alice, "PUT", target, "{\"name\":\"alice\",\"role\":\"viewer\"}");
    expect_refused(409, "last_admin");
    (void)browse(&alice, "DELETE", target, NULL);
    expect_refused(409, "last_admin");
    ASSERT_STATUS(browse(&alice, "GET", "/status", NULL), 200);
    ASSERT_STATUS(ask("DELETE", target, NULL), 204);
}

/* ---- the first account ---- */

/* Its code, as the log had it. */
static void take_code(char out[FIRST_CODE_TEXT_SIZE])
{
    cr_assert_eq(first_code_make(&control->access->first, out), 0);
}

static int enter(const char *code, const char *name, const char *password)
{
    char body[512];

    snprintf(body, sizeof(body), "{\"code\":\"%s\",\"name\":\"%s\",\"password\":\"%s\"}", code,
             name, password);
    return browse(&alice, "POST", "/first", body);
}

Test(console_api, OP04_the_code_of_the_first_start_makes_an_administrator)
{
    char code[FIRST_CODE_TEXT_SIZE];

    cr_assert(control->access->first.is_set, "made at the start");
    take_code(code);
    ASSERT_STATUS(browse(&alice, "GET", "/first", NULL), 200);
    cr_assert(json_is_true(at("needed")));
    (void)enter("00000-00000-00000-00000", "alice", PASSWORD);
    expect_refused(401, "code");
    (void)enter(code, "", "short");
    expect_refused(422, "invalid");
    cr_assert_eq(json_array_size(at("errors")), 2);
    ASSERT_STATUS(enter(code, "alice", PASSWORD), 201);
    ASSERT_AT("role", "admin");
    snprintf(alice.csrf, sizeof(alice.csrf), "%s", text_at("csrf"));
    ASSERT_STATUS(browse(&alice, "GET", "/accounts", NULL), 200);
    cr_assert_not(control->access->first.is_set, "it dies with the first account");
    ASSERT_STATUS(browse(&alice, "GET", "/first", NULL), 200);
    cr_assert(json_is_false(at("needed")));
    (void)enter(code, "mallory", PASSWORD);
    expect_refused(409, "not_needed");
    ASSERT_STATUS(browse(&alice, "GET", "/accounts", NULL), 200);
    cr_assert_eq(json_array_size(at("accounts")), 1);
}

Test(console_api, OP04_the_code_dies_with_an_account_from_the_command_line)
{
    char code[FIRST_CODE_TEXT_SIZE];

    take_code(code);
    have_account("alice", "admin");
    cr_assert_not(control->access->first.is_set);
    (void)enter(code, "mallory", PASSWORD);
    expect_refused(409, "not_needed");
}

Test(console_api, OP04_codes_cannot_be_tried_without_end)
{
    char code[FIRST_CODE_TEXT_SIZE];

    take_code(code);
    for (unsigned i = 0; i < 10; i++)
        ASSERT_STATUS(enter("x", "alice", PASSWORD), 401);
    ASSERT_STATUS(enter(code, "alice", PASSWORD), 429);
    cr_assert_eq(registry_account_count(registry), 0);
}

Test(console_api, OP04_a_right_code_is_no_failure_whatever_comes_with_it)
{
    char code[FIRST_CODE_TEXT_SIZE];

    take_code(code);
    for (unsigned i = 0; i < 12; i++)
        ASSERT_STATUS(enter(code, "alice", "short"), 422);
    ASSERT_STATUS(enter(code, "alice", PASSWORD), 201);
}

Test(console_api, OP04_the_code_makes_one_account_also_when_two_enter_it_at_once)
{
    char code[FIRST_CODE_TEXT_SIZE], body[256];
    int first;

    take_code(code);
    snprintf(body, sizeof(body),
             "{\"code\":\"%s\",\"name\":\"mallory\",\"password\":\"" PASSWORD "\"}", code);
    client_ask(&bob.client, "POST", "/api/v1/first", "Content-Type: application/json\r\n", body);
    first = enter(code, "alice", PASSWORD);
    take_reply(&bob.client);
    cr_assert((first == 201 && last.status == 409) || (first == 409 && last.status == 201),
              "%d and %d", first, last.status);
    cr_assert_eq(registry_account_count(registry), 1);
}

Test(console_api, OP04_when_the_last_account_is_deleted_there_is_a_new_code)
{
    long long id = have_account("alice", "admin");
    char target[64];

    snprintf(target, sizeof(target), "/accounts/%lld", id);
    ASSERT_STATUS(ask("DELETE", target, NULL), 204);
    cr_assert(control->access->first.is_set);
}

static bool status_warns_of(const char *text)
{
    ASSERT_STATUS(ask("GET", "/status", NULL), 200);
    return strstr(last.body, text) != NULL;
}

Test(console_api, OP08_status_warns_while_nobody_can_log_in)
{
    cr_assert(status_warns_of("the console has no account yet"));
    have_account("vera", "viewer");
    cr_assert_not(status_warns_of("the console has no account yet"));
    cr_assert(status_warns_of("no account is an administrator"));
    have_account("alice", "admin");
    cr_assert_not(status_warns_of("no account"));
}

static struct conf *conf_with(const char *console)
{
    struct reason why = { "" };
    struct conf *other = NULL;
    char text[256];

    snprintf(text, sizeof(text), "control_group = \"\"\nconsole { %s }\n", console);
    cr_assert_eq(conf_parse(text, "test", &other, &why), 0, "%s", why.text);
    return other;
}

static void reload_with(const char *console)
{
    struct conf *other = conf_with(console);

    control_reload(control, other);
    conf_free(&other);
}

Test(console_api, SP62_status_warns_of_a_console_in_clear_beyond_this_machine)
{
    static const char warning[] = "cross the network in clear";

    cr_assert_not(status_warns_of(warning));
    reload_with("listen = \"127.0.0.1:1\"\nplain_http = true");
    cr_assert_not(status_warns_of(warning));
    reload_with("listen = \"[::1]:1\"\nplain_http = true");
    cr_assert_not(status_warns_of(warning));
    reload_with("listen = \"0.0.0.0:1\"\nplain_http = true");
    cr_assert(status_warns_of(warning));
    reload_with("listen = \"\"\nplain_http = true");
    cr_assert_not(status_warns_of(warning));
    cr_assert_not(status_warns_of("no account"), "there is no console to log in at");
}

Test(console_api, OP02_a_reload_changes_the_limits_of_sessions_and_log_ins)
{
    have_account("alice", "admin");
    log_in(&alice, "alice");
    reload_with("session_idle = 90s\nsession_max = 1h\nlogin_tries = 2\nlogin_window = 1m");
    ASSERT_STATUS(browse(&alice, "GET", "/sessions/current", NULL), 200);
    cr_assert_eq(number_at("idle_seconds"), 90);
    ASSERT_STATUS(try_log_in(&bob, "alice", "x"), 401);
    ASSERT_STATUS(try_log_in(&bob, "alice", "x"), 401);
    ASSERT_STATUS(try_log_in(&bob, "alice", "x"), 429);
}

/* A console that is switched on later needs its first account, too. */
Test(console_api, OP04_a_reload_that_brings_a_console_brings_the_code)
{
    reload_with("listen = \"\"");
    first_code_clear(&control->access->first);
    reload_with("listen = \"\"");
    cr_assert_not(control->access->first.is_set);
    reload_with("listen = \"127.0.0.1:1\"");
    cr_assert(control->access->first.is_set);
}

Test(console_api, SP62_in_clear_the_cookie_has_another_name)
{
    have_account("alice", "admin");
    reload_with("listen = \"127.0.0.1:1\"\nplain_http = true");
    client_ask(&alice.client, "POST", "/api/v1/sessions",
               "Content-Type: application/json\r\nOrigin: http://postern\r\n",
               "{\"name\":\"alice\",\"password\":\"" PASSWORD "\"}");
    take_reply(&alice.client);
    ASSERT_STATUS(last.status, 201);
    cr_assert_not_null(strstr(last.head, "Set-Cookie: postern="), "%s", last.head);
    cr_assert_null(strstr(last.head, "Secure"));
}

/* ---- the log ---- */

Test(console_api, OP05_failures_are_logged_but_not_each_and_no_name_that_there_is_not)
{
    char *text = calloc(1, 65536);
    int fds[2];
    ssize_t got;

    cr_assert_eq(pipe2(fds, O_NONBLOCK), 0);
    log_open("test", fds[1]);
    have_account("alice", "admin");
    for (unsigned i = 0; i < 5; i++)
        ASSERT_STATUS(try_log_in(&alice, PASSWORD, "alice"), 401);
    ASSERT_STATUS(try_log_in(&alice, "alice", "wrong horse battery"), 401);
    log_in(&bob, "alice");
    log_flush();
    got = read(fds[0], text, 65535);
    cr_assert_gt(got, 0);
    cr_assert_not_null(strstr(text, "log-in failed"), "%s", text);
    cr_assert_null(strstr(strstr(text, "log-in failed") + 1, "log-in failed"), "%s", text);
    cr_assert_not_null(strstr(text, "logged in"), "%s", text);
    cr_assert_null(strstr(text, "horse"), "%s", text);
    cr_assert_null(strstr(text, bob.cookie + 15), "%s", text);
    log_open("test", STDERR_FILENO);
    close(fds[0]);
    close(fds[1]);
    free(text);
}
