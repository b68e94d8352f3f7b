/* What operators see and set of the console: warnings, what a reload changes, the log. */
#include "tests/unit/console_client.h"

#include <fcntl.h>

#include "common/log.h"
#include "master/control/access.h"
#include "master/control/control_private.h"

TestSuite(console_operation, .init = start_console, .fini = stop_console, .timeout = 60);

static bool status_warns_of(const char *text)
{
    ASSERT_STATUS(ask("GET", "/status", NULL), 200);
    return strstr(last.body, text) != NULL;
}

Test(console_operation, OP08_status_warns_while_nobody_can_log_in)
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

Test(console_operation, SP62_status_warns_of_a_console_in_clear_beyond_this_machine)
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

Test(console_operation, OP02_a_reload_changes_the_limits_of_sessions_and_log_ins)
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
Test(console_operation, OP04_a_reload_that_brings_a_console_brings_the_code)
{
    reload_with("listen = \"\"");
    first_code_clear(&control->access->first);
    reload_with("listen = \"\"");
    cr_assert_not(control->access->first.is_set);
    reload_with("listen = \"127.0.0.1:1\"");
    cr_assert(control->access->first.is_set);
}

Test(console_operation, SP62_in_clear_the_cookie_has_another_name)
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

static int64_t lines_with(const char *text, const char *word)
{
    int64_t count = 0;

    for (; (text = strstr(text, word)) != NULL; text += strlen(word))
        count++;
    return count;
}

/* Ten seconds lie between two such lines. */
Test(console_operation, OP05_failures_are_logged_but_not_each_and_no_name_that_there_is_not)
{
    char *text = calloc(1, 65536);
    int64_t began_ms = clock_mono_ms(), spans;
    int fds[2];
    ssize_t got;

    cr_assert_eq(pipe2(fds, O_NONBLOCK), 0);
    log_open("test", fds[1]);
    have_account("alice", "admin");
    for (unsigned i = 0; i < 5; i++)
        ASSERT_STATUS(try_log_in(&alice, PASSWORD, "alice"), 401);
    ASSERT_STATUS(try_log_in(&alice, "alice", "wrong horse battery"), 401);
    spans = 1 + (clock_mono_ms() - began_ms) / 10000;
    log_in(&bob, "alice");
    log_flush();
    got = read(fds[0], text, 65535);
    cr_assert_gt(got, 0);
    cr_assert_geq(lines_with(text, "log-in failed"), 1, "%s", text);
    cr_assert_leq(lines_with(text, "log-in failed"), spans, "%s", text);
    cr_assert_not_null(strstr(text, "logged in"), "%s", text);
    cr_assert_null(strstr(text, "horse"), "%s", text);
    cr_assert_null(strstr(text, bob.cookie + 15), "%s", text);
    log_open("test", STDERR_FILENO);
    close(fds[0]);
    close(fds[1]);
    free(text);
}
