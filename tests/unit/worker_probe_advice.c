/* What a failed step of a connection test means, and who "ourselves" is. */
#include <ifaddrs.h>
#include <string.h>

#include <criterion/criterion.h>

#include "common/address.h"
#include "common/auto.h"
#include "worker/probe_advice.h"

Test(probe_advice, SP51_every_point_of_the_client_belongs_to_a_step)
{
    static const enum probe_step steps[SMTP_POINT_COUNT] = {
        [SMTP_AT_CONNECT] = PROBE_CONNECT,
        [SMTP_AT_GREETING] = PROBE_GREETING,
        [SMTP_AT_EHLO] = PROBE_EHLO,
        [SMTP_AT_HELO] = PROBE_EHLO,
        [SMTP_AT_STARTTLS] = PROBE_STARTTLS,
        [SMTP_AT_TLS] = PROBE_STARTTLS,
        [SMTP_AT_CERTIFICATE] = PROBE_CERTIFICATE,
        [SMTP_AT_AUTH] = PROBE_AUTH,
        [SMTP_AT_RSET] = PROBE_QUIT,
        [SMTP_AT_MAIL] = PROBE_QUIT,
        [SMTP_AT_RCPT] = PROBE_QUIT,
        [SMTP_AT_DATA] = PROBE_QUIT,
        [SMTP_AT_BODY] = PROBE_QUIT,
        [SMTP_AT_END] = PROBE_QUIT,
    };

    for (unsigned point = 0; point < SMTP_POINT_COUNT; point++)
        cr_expect_eq(probe_step_of(point, false), steps[point], "%s", smtp_point_name(point));
    cr_expect_eq(probe_step_of(SMTP_AT_TLS, true), PROBE_TLS);
}

static const struct {
    enum smtp_point point;
    enum smtp_event event;
    unsigned code;
    uint16_t port;
    const char *advice;
} rows[] = {
    { SMTP_AT_CONNECT, SMTP_TIMED_OUT, 0, 25,
      "nothing answers there: is the address right, and does a firewall let us pass?" },
    { SMTP_AT_CONNECT, SMTP_UNREACHABLE, 0, 25,
      "is the address right, and does the server listen on this port?" },
    { SMTP_AT_CONNECT, SMTP_CUT, 0, 465,
      "is the address right, and does the server listen on this port?" },
    { SMTP_AT_GREETING, SMTP_GARBAGE, 0, 25,
      "if this port speaks TLS from the first byte, write smtps://; else it is no SMTP server" },
    { SMTP_AT_GREETING, SMTP_CUT, 0, 465,
      "if this port speaks TLS from the first byte, write smtps://; else it is no SMTP server" },
    { SMTP_AT_GREETING, SMTP_TIMED_OUT, 0, 465,
      "if this port speaks TLS from the first byte, write smtps://; else it is no SMTP server" },
    { SMTP_AT_GREETING, SMTP_TIMED_OUT, 0, 25,
      "the server sent no greeting: if the port speaks TLS from the first byte, write smtps://; it "
      "may also check our address slowly, or be overloaded" },
    { SMTP_AT_GREETING, SMTP_CUT, 0, 25,
      "the server sent no greeting: if the port speaks TLS from the first byte, write smtps://; it "
      "may also check our address slowly, or be overloaded" },
    { SMTP_AT_GREETING, SMTP_SAID_NO, 554, 25,
      "the server does not want this gateway: let its administrator allow our address" },
    /* Who answers in clear does not speak TLS, whatever the port. */
    { SMTP_AT_GREETING, SMTP_SAID_NO, 554, 465,
      "the server does not want this gateway: let its administrator allow our address" },
    { SMTP_AT_GREETING, SMTP_SAID_CLOSING, 421, 25,
      "the server is not ready: try again, or ask its administrator" },
    { SMTP_AT_GREETING, SMTP_SAID_LATER_BARE, 450, 465,
      "the server is not ready: try again, or ask its administrator" },
    { SMTP_AT_EHLO, SMTP_GARBAGE, 0, 25, "it is no SMTP server" },
    { SMTP_AT_EHLO, SMTP_SAID_NO, 550, 25,
      "the server refuses our name: set `ehlo_name` to one that it accepts" },
    { SMTP_AT_HELO, SMTP_SAID_NO, 501, 465,
      "the server refuses our name: set `ehlo_name` to one that it accepts" },
    { SMTP_AT_EHLO, SMTP_SAID_LATER, 450, 25,
      "the server is not ready: try again, or ask its administrator" },
    { SMTP_AT_EHLO, SMTP_CUT, 0, 25,
      "the server is not ready: try again, or ask its administrator" },
    { SMTP_AT_EHLO, SMTP_TIMED_OUT, 0, 25,
      "the server is not ready: try again, or ask its administrator" },
};

Test(probe_advice, SP51_says_what_happened_and_what_to_do)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct server_uri server = { .port = rows[i].port };
        struct smtp_failure failure = {
            .point = rows[i].point,
            .event = rows[i].event,
            .code = rows[i].code,
            .text = "it happened",
        };
        char wanted[512], text[512];

        (void)snprintf(wanted, sizeof(wanted), "it happened; %s", rows[i].advice);
        probe_advise(&server, &failure, text, sizeof(text));
        cr_expect_str_eq(text, wanted, "row %zu: %s", i, text);
    }
}

static const struct {
    enum smtp_point point;
    enum tls_fault fault;
    enum smtp_event event;
    bool is_smtps;
    const char *advice;
} tls_rows[] = {
    { SMTP_AT_TLS, TLS_NOT_SPOKEN, SMTP_UNSAFE, true, "write smtp://" },
    { SMTP_AT_STARTTLS, TLS_NOT_SPOKEN, SMTP_UNSAFE, false, "write smtps://" },
    { SMTP_AT_TLS, TLS_WANTS_CLIENT_CERTIFICATE, SMTP_UNSAFE, true, "`client_certificate`" },
    { SMTP_AT_TLS, TLS_NO_COMMON_WAY, SMTP_UNSAFE, false, "TLS 1.2" },
    { SMTP_AT_TLS, TLS_NO_FAULT, SMTP_TIMED_OUT, true, "write smtp://" },
    { SMTP_AT_TLS, TLS_NO_FAULT, SMTP_UNSAFE, false, "`client_certificate`" },
    { SMTP_AT_STARTTLS, TLS_NO_FAULT, SMTP_GARBAGE, false, "does not come from the server alone" },
    { SMTP_AT_CERTIFICATE, TLS_SELF_SIGNED, SMTP_UNSAFE, false, "into `ca`" },
    { SMTP_AT_CERTIFICATE, TLS_UNKNOWN_ISSUER, SMTP_UNSAFE, false, "into `ca`" },
    { SMTP_AT_CERTIFICATE, TLS_WRONG_NAME, SMTP_UNSAFE, false, "by a name that its certificate" },
    { SMTP_AT_CERTIFICATE, TLS_EXPIRED, SMTP_UNSAFE, false, "renew" },
    { SMTP_AT_CERTIFICATE, TLS_NOT_YET_VALID, SMTP_UNSAFE, false, "clock" },
};

Test(probe_advice, SP51_says_what_to_do_about_TLS)
{
    for (size_t i = 0; i < ARRAY_LEN(tls_rows); i++) {
        struct server_uri server = { .scheme = tls_rows[i].is_smtps ? SERVER_SMTPS : SERVER_SMTP };
        struct smtp_failure failure = { .point = tls_rows[i].point,
                                        .event = tls_rows[i].event,
                                        .fault = tls_rows[i].fault,
                                        .text = "it happened" };
        char text[512];

        probe_advise(&server, &failure, text, sizeof(text));
        cr_expect_not_null(strstr(text, tls_rows[i].advice), "row %zu: %s", i, text);
        cr_expect_not_null(strstr(text, "it happened; "), "row %zu: %s", i, text);
    }
}

Test(probe_advice, what_happened_may_be_unknown_or_long)
{
    struct server_uri server = { .port = 25 };
    char seen[1000], text[490];
    struct smtp_failure failure = { .point = SMTP_AT_CONNECT, .event = SMTP_UNREACHABLE };

    probe_advise(&server, &failure, text, sizeof(text));
    cr_assert_str_eq(text,
                     "failed; is the address right, and does the server listen on this port?");
    memset(seen, 'x', sizeof(seen));
    seen[sizeof(seen) - 1] = '\0';
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        failure = (struct smtp_failure){
            .point = rows[i].point, .event = rows[i].event, .code = rows[i].code, .text = seen
        };
        server.port = rows[i].port;
        probe_advise(&server, &failure, text, sizeof(text));
        cr_expect_eq(strspn(text, "x"), (size_t)PROBE_SEEN_MAX);
        cr_expect_str_eq(text + PROBE_SEEN_MAX + 2, rows[i].advice);
    }
}

Test(probe_advice, SP51_what_took_too_long_is_told_by_its_step)
{
    static const struct {
        enum probe_step step;
        const char *text;
    } late[] = {
        { PROBE_RESOLVE, "not through within 10 s; the name servers are slow or do not answer" },
        { PROBE_CONNECT, "not through within 10 s; nothing answers there: is the address right" },
        { PROBE_GREETING, "not through within 10 s; the server sent no greeting: if the port" },
        { PROBE_EHLO, "not through within 10 s; the server is not ready" },
    };
    struct server_uri server = { .port = 25 };

    for (size_t i = 0; i < ARRAY_LEN(late); i++) {
        char text[490];

        probe_advise_late(&server, late[i].step, 10, text, sizeof(text));
        cr_expect_eq(strncmp(text, late[i].text, strlen(late[i].text)), 0, "%s", text);
    }
}

/* ---- SP17: ourselves ---- */

static bool is_ourselves(const char *listen, const char *peer)
{
    struct conf *conf = NULL;
    struct reason why = { "" };
    struct address address;
    char text[256];
    bool is_it;

    (void)snprintf(text, sizeof(text), "smtp { listen = {%s} }", listen);
    cr_assert_eq(conf_parse(text, "test", &conf, &why), 0, "%s", why.text);
    cr_assert_eq(address_parse(peer, 0, &address), 0, "%s", peer);
    is_it = probe_is_ourselves(conf, &address.sa);
    conf_free(&conf);
    return is_it;
}

Test(probe_advice, SP17_a_door_of_this_gateway_is_recognised)
{
    static const struct {
        const char *listen, *peer;
        bool is_it;
    } doors[] = {
        { "\"10.0.0.1:25\"", "10.0.0.1:25", true },
        { "\"10.0.0.1:25\"", "10.0.0.1:26", false },
        { "\"10.0.0.1:25\"", "10.0.0.2:25", false },
        { "\"10.0.0.9:25\", \"10.0.0.1:2525\"", "10.0.0.1:2525", true },
        { "\"127.0.0.1:25\"", "127.0.0.2:25", false }, /* somebody else may listen there */
        { "\"[2001:db8::1]:25\"", "[2001:db8::1]:25", true },
        { "\"[2001:db8::1]:25\"", "[2001:db8::2]:25", false },
        { "\"10.0.0.1:25\"", "[::ffff:10.0.0.1]:25", true },
        /* All addresses of this machine, of one family. */
        { "\"0.0.0.0:25\"", "127.0.0.1:25", true },
        { "\"0.0.0.0:25\"", "127.1.2.3:25", true },
        { "\"0.0.0.0:25\"", "[::ffff:127.0.0.1]:25", true },
        { "\"0.0.0.0:25\"", "127.0.0.1:465", false },
        { "\"0.0.0.0:25\"", "192.0.2.77:25", false },
        { "\"0.0.0.0:25\"", "[::1]:25", false },
        { "\"[::]:25\"", "[::1]:25", true },
        { "\"[::]:25\"", "[2001:db8::77]:25", false },
        { "\"[::]:25\"", "127.0.0.1:25", false },
        { "\"0.0.0.0:25\", \"[::]:25\"", "[::1]:25", true },
        { "\"0.0.0.0:25\", \"[::]:25\"", "127.0.0.1:25", true },
    };

    for (size_t i = 0; i < ARRAY_LEN(doors); i++)
        cr_expect_eq(is_ourselves(doors[i].listen, doors[i].peer), doors[i].is_it, "{%s} %s",
                     doors[i].listen, doors[i].peer);
}

Test(probe_advice, SP17_every_address_of_this_machine_is_ours)
{
    struct ifaddrs *all = NULL;
    unsigned looked_at = 0;

    cr_assert_eq(getifaddrs(&all), 0);
    for (const struct ifaddrs *i = all; i != NULL; i = i->ifa_next) {
        char host[ADDRESS_TEXT_SIZE], peer[ADDRESS_TEXT_SIZE + 8];
        bool is_v6;

        if (i->ifa_addr == NULL ||
            (i->ifa_addr->sa_family != AF_INET && i->ifa_addr->sa_family != AF_INET6))
            continue;
        is_v6 = i->ifa_addr->sa_family == AF_INET6;
        (void)address_host_text(i->ifa_addr, host);
        (void)snprintf(peer, sizeof(peer), is_v6 ? "[%s]:25" : "%s:25", host);
        cr_expect(is_ourselves(is_v6 ? "\"[::]:25\"" : "\"0.0.0.0:25\"", peer), "%s", peer);
        looked_at++;
    }
    freeifaddrs(all);
    cr_assert_gt(looked_at, 0u);
}
