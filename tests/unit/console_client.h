/* tests/unit/console_client.h: the API as the console's process asks it, over console.sock: two
 * browsers with their cookies and CSRF tokens. Behind control_fixture.h. */
#ifndef TESTS_UNIT_CONSOLE_CLIENT_H
#define TESTS_UNIT_CONSOLE_CLIENT_H

#include "tests/unit/control_fixture.h"

#define PASSWORD "correct horse battery"

struct browser {
    struct unix_client client;
    char cookie[160]; /* "name=token", "" before the log-in */
    char csrf[64];
    const char *address; /* that the console speaks for; NULL: 10.0.0.1 */
    const char *more;    /* header lines beside the usual ones, or NULL */
    bool is_polling;
};

/* Behind another, when the socket has changed hands. */
static void browser_open(struct browser *browser)
{
    char socket[96];

    *browser = (struct browser){ .address = "10.0.0.1" };
    snprintf(socket, sizeof(socket), "%s/console.sock", dir);
    client_open(&browser->client, loop, socket);
}

__attribute__((unused)) static void browser_close(struct browser *browser)
{
    client_close(&browser->client);
}

/* Takes the cookie that an answer sets. */
static void take_cookie(struct browser *browser)
{
    const char *cookie = strstr(last.head, "Set-Cookie: ");

    if (cookie) {
        cookie += strlen("Set-Cookie: ");
        snprintf(browser->cookie, sizeof(browser->cookie), "%.*s", (int)strcspn(cookie, ";\r"),
                 cookie);
    }
}

/* As the page would: with its cookie, its token and its origin. */
static int browse(struct browser *browser, const char *method, const char *target, const char *body)
{
    char headers[1024];

    snprintf(
        headers, sizeof(headers),
        "X-Postern-Client: %s\r\n%s%s%s%s%s%s%s%s"
        "Origin: https://postern\r\nSec-Fetch-Site: same-origin\r\n%s",
        browser->address, *browser->cookie ? "Cookie: " : "", browser->cookie,
        *browser->cookie ? "\r\n" : "", *browser->csrf ? "X-Postern-CSRF: " : "", browser->csrf,
        *browser->csrf ? "\r\n" : "", body ? "Content-Type: application/json\r\n" : "",
        browser->is_polling ? "X-Postern-Poll: 1\r\n" : "", browser->more ? browser->more : "");
    {
        char full[512];

        snprintf(full, sizeof(full), "/api/v1%s", target);
        client_ask(&browser->client, method, full, headers, body);
    }
    take_reply(&browser->client);
    take_cookie(browser);
    return last.status;
}

/* By the control socket; returns its id. */
__attribute__((unused)) static long long have_account(const char *name, const char *role)
{
    char body[256];

    snprintf(body, sizeof(body), "{\"name\":\"%s\",\"role\":\"%s\",\"password\":\"" PASSWORD "\"}",
             name, role);
    ASSERT_STATUS(ask("POST", "/accounts", body), 201);
    return number_at("id");
}

static int try_log_in(struct browser *browser, const char *name, const char *password)
{
    char body[512];

    snprintf(body, sizeof(body), "{\"name\":\"%s\",\"password\":\"%s\"}", name, password);
    return browse(browser, "POST", "/sessions", body);
}

__attribute__((unused)) static void log_in(struct browser *browser, const char *name)
{
    ASSERT_STATUS(try_log_in(browser, name, PASSWORD), 201);
    snprintf(browser->csrf, sizeof(browser->csrf), "%s", text_at("csrf"));
}

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

/* What the last answer was. */
__attribute__((unused)) static void expect_refused(int status, const char *code)
{
    ASSERT_STATUS(last.status, status);
    ASSERT_AT("code", code);
}

#endif
