/* Who may do what: every route by every door, role and kind of request. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <string.h>

#include "master/control/gate.h"
#include "master/control/routes.h"
#include "master/control/sessions.h"

#define CSRF "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNO-_"

static const struct session session = { .csrf = CSRF };

/* What is the same as the page, what is of another, and what says nothing. */
static const struct {
    const char *origin, *fetch_site;
    bool is_good;
} origins[] = {
    { NULL, NULL, true },
    { "https://gw.test:8443", NULL, true },
    { "https://GW.test:8443", "same-origin", true },
    { NULL, "same-origin", true },
    { NULL, "none", true },
    { "https://evil.test", NULL, false },
    { "https://gw.test", NULL, false },       /* another port */
    { "http://gw.test:8443", NULL, false },   /* in clear */
    { "https://gw.test:8443/", NULL, false }, /* no origin has a path */
    { "https://gw.test:84430", NULL, false },
    { "null", NULL, false }, /* a sandboxed frame, a file */
    { "", NULL, false },
    { NULL, "cross-site", false },
    { NULL, "same-site", false }, /* a host beside ours */
    { NULL, "", false },
    { "https://gw.test:8443", "cross-site", false },
    { "https://evil.test", "same-origin", false },
};

static const struct {
    size_t bytes;
    const char *type;
    bool is_good;
} bodies[] = {
    { 0, NULL, true },
    { 0, "text/plain", true },
    { 100, "application/json", true },
    { 100, "application/json; charset=utf-8", true },
    { GATE_OPEN_BODY_MAX, "application/json", true },
    { GATE_OPEN_BODY_MAX + 1, "application/json", true },
    { 100, NULL, false },
    { 100, "text/plain", false },
    { 100, "application/x-www-form-urlencoded", false },
    { 100, "multipart/form-data; boundary=x", false },
    { 100, "application/jsonx", false },
};

static const char *const csrfs[] = {
    CSRF, NULL, "", "abc", CSRF "x", "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNO-0"
};

enum who_asks { NOBODY, VIEWER, ADMIN, WHO_ASKS_COUNT };

/* What must come out, written the other way round: what a request lacks, most telling first. */
static enum gate_verdict expected(const struct route *route, enum who_asks who, size_t origin,
                                  size_t body, size_t csrf)
{
    bool is_open = strcmp(route->path, "/first") == 0 ||
                   (strcmp(route->path, "/sessions") == 0 && route->method == HTTP_METHOD_POST);
    bool is_own = strncmp(route->path, "/sessions/current", 17) == 0;
    bool is_of_admins =
        strncmp(route->path, "/accounts", 9) == 0 || strncmp(route->path, "/sessions", 9) == 0;
    bool is_get = route->method == HTTP_METHOD_GET;

    if (!origins[origin].is_good)
        return GATE_ORIGIN;
    if (!bodies[body].is_good)
        return GATE_MEDIA_TYPE;
    if (is_open)
        return bodies[body].bytes > 16384 ? GATE_TOO_LARGE : GATE_PASSED;
    if (who == NOBODY)
        return GATE_NO_SESSION;
    if (!is_get && csrf != 0)
        return GATE_CSRF;
    if (who == VIEWER && !is_own && (!is_get || is_of_admins))
        return GATE_ROLE;
    return GATE_PASSED;
}

Test(gate, OP03_every_route_by_the_console_needs_all_that_it_must_bring)
{
    const struct route *route;
    unsigned count = 0, passed = 0;

    for (size_t r = 0; (route = routes_at(r)) != NULL; r++)
        for (unsigned who = 0; who < WHO_ASKS_COUNT; who++)
            for (size_t o = 0; o < sizeof(origins) / sizeof(origins[0]); o++)
                for (size_t b = 0; b < sizeof(bodies) / sizeof(bodies[0]); b++)
                    for (size_t c = 0; c < sizeof(csrfs) / sizeof(csrfs[0]); c++) {
                        const struct gate_facts facts = {
                            .door = DOOR_CONSOLE,
                            .is_read = route->method == HTTP_METHOD_GET,
                            .body_bytes = bodies[b].bytes,
                            .host = "gw.test:8443",
                            .origin = origins[o].origin,
                            .fetch_site = origins[o].fetch_site,
                            .content_type = bodies[b].type,
                            .csrf = csrfs[c],
                            .session = who == NOBODY ? NULL : &session,
                            .role = who == ADMIN ? ACCOUNT_ADMIN : ACCOUNT_VIEWER,
                        };
                        enum gate_verdict verdict = gate_decide(&facts, route->who);

                        cr_assert_eq(verdict, expected(route, who, o, b, c),
                                     "%d %s: who %u, origin %s (%s), type %s, csrf %s: %d",
                                     route->method, route->path, who, origins[o].origin,
                                     origins[o].fetch_site, bodies[b].type, csrfs[c], verdict);
                        count++;
                        passed += verdict == GATE_PASSED;
                    }
    cr_assert_gt(count, 100000);
    cr_assert_gt(passed, 1000);
}

Test(gate, OP03_by_the_control_socket_everything_is_done_but_to_log_in)
{
    const struct gate_facts facts = { .door = DOOR_CONTROL, .body_bytes = 1 };
    const struct route *route;
    unsigned not_here = 0;

    for (size_t r = 0; (route = routes_at(r)) != NULL; r++) {
        bool is_of_a_session = route->who == GATE_OPEN || route->who == GATE_OWN;

        cr_assert_eq(gate_decide(&facts, route->who), is_of_a_session ? GATE_NOT_HERE : GATE_PASSED,
                     "%s", route->path);
        not_here += is_of_a_session;
    }
    cr_assert_eq(not_here, 6);
}

Test(gate, OP03_an_origin_needs_a_host_to_be_compared_with)
{
    struct gate_facts facts = { .door = DOOR_CONSOLE, .origin = "https://" };

    cr_assert_eq(gate_decide(&facts, GATE_OPEN), GATE_ORIGIN);
    facts.host = "";
    facts.origin = "https://gw.test";
    cr_assert_eq(gate_decide(&facts, GATE_OPEN), GATE_ORIGIN);
}

Test(gate, SP62_in_clear_the_page_s_own_origin_is_http)
{
    struct gate_facts facts = {
        .door = DOOR_CONSOLE, .is_plain = true, .host = "gw.test", .origin = "http://gw.test"
    };

    cr_assert_eq(gate_decide(&facts, GATE_OPEN), GATE_PASSED);
    facts.origin = "https://gw.test";
    cr_assert_eq(gate_decide(&facts, GATE_OPEN), GATE_ORIGIN);
}
