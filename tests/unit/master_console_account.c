/* The console's accounts, from the first, which the code of the first start makes. */
#include "tests/unit/console_client.h"

#include "master/control/access.h"
#include "master/control/control_private.h"

TestSuite(console_account, .init = start_console, .fini = stop_console, .timeout = 60);

/* ---- accounts ---- */

Test(console_account, OP04_accounts_are_made_shown_changed_and_deleted)
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

Test(console_account, SP50_every_mistake_of_an_account_at_once)
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

Test(console_account, OP04_the_console_keeps_the_last_administrator)
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

Test(console_account, OP04_the_code_of_the_first_start_makes_an_administrator)
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

Test(console_account, OP04_the_code_dies_with_an_account_from_the_command_line)
{
    char code[FIRST_CODE_TEXT_SIZE];

    take_code(code);
    have_account("alice", "admin");
    cr_assert_not(control->access->first.is_set);
    (void)enter(code, "mallory", PASSWORD);
    expect_refused(409, "not_needed");
}

Test(console_account, OP04_codes_cannot_be_tried_without_end)
{
    char code[FIRST_CODE_TEXT_SIZE];

    take_code(code);
    for (unsigned i = 0; i < 10; i++)
        ASSERT_STATUS(enter("x", "alice", PASSWORD), 401);
    ASSERT_STATUS(enter(code, "alice", PASSWORD), 429);
    cr_assert_eq(registry_account_count(registry), 0);
}

Test(console_account, OP04_a_right_code_is_no_failure_whatever_comes_with_it)
{
    char code[FIRST_CODE_TEXT_SIZE];

    take_code(code);
    for (unsigned i = 0; i < 12; i++)
        ASSERT_STATUS(enter(code, "alice", "short"), 422);
    ASSERT_STATUS(enter(code, "alice", PASSWORD), 201);
}

Test(console_account, OP04_the_code_makes_one_account_also_when_two_enter_it_at_once)
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

Test(console_account, OP04_when_the_last_account_is_deleted_there_is_a_new_code)
{
    long long id = have_account("alice", "admin");
    char target[64];

    snprintf(target, sizeof(target), "/accounts/%lld", id);
    ASSERT_STATUS(ask("DELETE", target, NULL), 204);
    cr_assert(control->access->first.is_set);
}
