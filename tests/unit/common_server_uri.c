/* One row per sentence of spec 1.1: what is typed, for which type, what is stored. */
#include "common/server_uri.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include "common/auto.h"

static void expect(enum profile_type type, const char *typed, const char *stored)
{
    struct server_uri uri, again;
    const char *component = NULL;
    struct reason why = { "" };

    cr_expect_eq(server_uri_parse(typed, type, &uri, &component, &why), 0, "\"%s\": %s: %s", typed,
                 component, why.text);
    if (strcmp(uri.text, stored) != 0)
        cr_expect_fail("\"%s\" became \"%s\", not \"%s\"", typed, uri.text, stored);
    cr_expect_eq(server_uri_parse(uri.text, type, &again, &component, &why), 0, "%s", uri.text);
    cr_expect_str_eq(again.text, uri.text, "normalised again: %s", again.text);
}

static void refuse(enum profile_type type, const char *typed, const char *component)
{
    struct server_uri uri = { .port = 4711 };
    const char *named = "nothing";
    struct reason why = { "" };

    cr_expect_eq(server_uri_parse(typed, type, &uri, &named, &why), -EINVAL, "\"%s\" passed as %s",
                 typed, uri.text);
    cr_expect_str_eq(named, component, "\"%s\": named \"%s\" (%s), not \"%s\"", typed, named,
                     why.text, component);
    cr_expect_neq(why.text[0], '\0', "\"%s\": no reason", typed);
    cr_expect_eq(uri.port, 4711, "\"%s\": the result was touched", typed);
}

Test(server_uri, SP12_only_scheme_host_port_are_used)
{
    static const struct {
        enum profile_type type;
        const char *typed, *component;
    } rows[] = {
        { PROFILE_SMTP, "smtp://user@10.0.0.10:25", "user info" },
        { PROFILE_SMTP, "smtp://user:secret@10.0.0.10:25", "user info" },
        { PROFILE_SMTP, "smtp://@10.0.0.10", "user info" },
        { PROFILE_SMTP, "user@10.0.0.10", "user info" },
        { PROFILE_CORE, "http://u:p@core:8008", "user info" },
        { PROFILE_VAULT, "https://u@vault:8010/vault_rest", "user info" },
        { PROFILE_SMTP, "smtp://h:25?a=b", "query" },
        { PROFILE_SMTP, "smtp://h?", "query" },
        { PROFILE_CORE, "http://h/?x", "query" },
        { PROFILE_VAULT, "http://h/vault_rest?x", "query" },
        { PROFILE_SMTP, "smtp://h#f", "fragment" },
        { PROFILE_SMTP, "smtp://h#", "fragment" },
        { PROFILE_CORE, "http://h/#f", "fragment" },
        { PROFILE_VAULT, "http://h/vault_rest#f", "fragment" },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        refuse(rows[i].type, rows[i].typed, rows[i].component);
}

Test(server_uri, SP12_smtp_and_core_reject_a_path)
{
    expect(PROFILE_SMTP, "smtp://h:25/", "smtp://h:25");
    expect(PROFILE_CORE, "http://h:8008/", "http://h:8008");
    refuse(PROFILE_SMTP, "smtp://h:25/x", "path");
    refuse(PROFILE_SMTP, "h/x", "path");
    refuse(PROFILE_SMTP, "smtp://h//", "path");
    refuse(PROFILE_SMTP, "smtp://h/.", "path");
    refuse(PROFILE_CORE, "http://h:8008/metadefender", "path");
}

Test(server_uri, SP12_vault_path)
{
    expect(PROFILE_VAULT, "http://h:8010/vault_rest/", "http://h:8010/vault_rest");
    expect(PROFILE_VAULT, "http://h:8010/", "http://h:8010/vault_rest");
    expect(PROFILE_VAULT, "http://h:8010", "http://h:8010/vault_rest");
    expect(PROFILE_VAULT, "http://h/a/b/", "http://h:8010/a/b");
    expect(PROFILE_VAULT, "http://h/Mixed", "http://h:8010/Mixed");
    expect(PROFILE_VAULT, "http://h/%7euser/%c3%a4", "http://h:8010/~user/%C3%A4");
    expect(PROFILE_VAULT, "http://h/\xc3\xa4", "http://h:8010/%C3%A4");
    expect(PROFILE_VAULT, "http://h/a...b", "http://h:8010/a...b");
    refuse(PROFILE_VAULT, "http://h/a/../b", "path");
    refuse(PROFILE_VAULT, "http://h/./b", "path");
    refuse(PROFILE_VAULT, "http://h/..", "path");
    refuse(PROFILE_VAULT, "http://h/a/%2e%2E/b", "path");
    refuse(PROFILE_VAULT, "http://h/a//b", "path");
    refuse(PROFILE_VAULT, "http://h/a//", "path");
    refuse(PROFILE_VAULT, "http://h/a%00b", "path");
    refuse(PROFILE_VAULT, "http://h/a%0d%0aX: y", "uri");
    refuse(PROFILE_VAULT, "http://h/a%0d%0ab", "path");
}

Test(server_uri, SP13_schemes)
{
    static const char *const known[] = { "smtp", "smtps", "http", "https" };

    for (unsigned type = 0; type < PROFILE_TYPE_COUNT; type++) {
        for (size_t i = 0; i < ARRAY_LEN(known); i++) {
            char typed[64];
            struct server_uri uri;
            const char *component = "";
            struct reason why = { "" };
            bool allowed = (i < 2) == (type == PROFILE_SMTP);
            int err;

            (void)snprintf(typed, sizeof(typed), "%s://h:1", known[i]);
            err = server_uri_parse(typed, type, &uri, &component, &why);
            cr_expect_eq(err, allowed ? 0 : -EINVAL, "%s for type %u", typed, type);
            if (allowed) {
                cr_expect_eq(uri.scheme, i);
                cr_expect_str_eq(server_scheme_name(uri.scheme), known[i]);
                cr_expect_eq(server_uri_is_tls(&uri), i % 2 == 1, "%s", typed);
            } else {
                cr_expect_str_eq(component, "scheme");
                cr_expect(strstr(why.text, type == PROFILE_SMTP ? "smtps://" : "https://") != NULL,
                          "the allowed ones are not listed: %s", why.text);
            }
        }
    }
    refuse(PROFILE_SMTP, "lmtp://h", "scheme");
    refuse(PROFILE_SMTP, "ftp://h", "scheme");
    refuse(PROFILE_SMTP, "://h", "scheme");
    refuse(PROFILE_SMTP, "//h", "scheme");
    refuse(PROFILE_SMTP, "smtpx://h", "scheme");
    refuse(PROFILE_SMTP, "smt://h", "scheme");
}

Test(server_uri, SP14_defaults)
{
    static const struct {
        enum profile_type type;
        const char *typed, *stored;
        bool assumed;
    } rows[] = {
        { PROFILE_SMTP, "10.0.0.10:25", "smtp://10.0.0.10:25", false },
        { PROFILE_SMTP, "mail.example.net", "smtp://mail.example.net:25", true },
        { PROFILE_SMTP, "mail.example.net:2525", "smtp://mail.example.net:2525", false },
        { PROFILE_SMTP, "smtp:25", "smtp://smtp:25", false },
        { PROFILE_SMTP, "mail", "smtp://mail:25", true },
        { PROFILE_SMTP, "[::1]", "smtp://[::1]:25", true },
        { PROFILE_SMTP, "[::1]:26", "smtp://[::1]:26", false },
        { PROFILE_SMTP, "smtp://10.0.0.10", "smtp://10.0.0.10:25", true },
        { PROFILE_SMTP, "smtp://10.0.0.10:", "smtp://10.0.0.10:25", true },
        { PROFILE_SMTP, "smtps://10.0.0.10", "smtps://10.0.0.10:465", true },
        { PROFILE_SMTP, "smtps://10.0.0.10:25", "smtps://10.0.0.10:25", false },
        { PROFILE_CORE, "127.0.0.1", "http://127.0.0.1:8008", true },
        { PROFILE_CORE, "https://core", "https://core:8008", true },
        { PROFILE_CORE, "https://core:443", "https://core:443", false },
        { PROFILE_VAULT, "127.0.0.1", "http://127.0.0.1:8010/vault_rest", true },
        { PROFILE_VAULT, "vault/rest", "http://vault:8010/rest", true },
        { PROFILE_VAULT, "https://vault", "https://vault:8010/vault_rest", true },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct server_uri uri;

        expect(rows[i].type, rows[i].typed, rows[i].stored);
        cr_assert_eq(server_uri_parse(rows[i].typed, rows[i].type, &uri, NULL, NULL), 0);
        cr_expect_eq(uri.port_assumed, rows[i].assumed, "%s", rows[i].typed);
    }
}

Test(server_uri, SP15_names)
{
    char label[80], typed[600];

    expect(PROFILE_SMTP, "MAIL.Example.NET", "smtp://mail.example.net:25");
    expect(PROFILE_SMTP, "mail.example.net.", "smtp://mail.example.net:25");
    expect(PROFILE_SMTP, "mail_1.local", "smtp://mail_1.local:25");
    expect(PROFILE_SMTP, "3com.com", "smtp://3com.com:25");
    expect(PROFILE_SMTP, "r3---sn.example", "smtp://r3---sn.example:25");
    refuse(PROFILE_SMTP, "", "uri");
    refuse(PROFILE_SMTP, "smtp://", "host");
    refuse(PROFILE_SMTP, "smtp://:25", "host");
    refuse(PROFILE_SMTP, "a..b", "host");
    refuse(PROFILE_SMTP, ".b", "host");
    refuse(PROFILE_SMTP, ".", "host");
    refuse(PROFILE_SMTP, "-a.b", "host");
    refuse(PROFILE_SMTP, "a-.b", "host");
    refuse(PROFILE_SMTP, "a!b", "host");
    refuse(PROFILE_SMTP, "a%20b", "host");
    refuse(PROFILE_SMTP, "a%0d%0ab", "host");
    refuse(PROFILE_SMTP, "a b", "uri");
    refuse(PROFILE_SMTP, " a", "uri");
    refuse(PROFILE_SMTP, "a\r\nb", "uri");
    refuse(PROFILE_SMTP, "a\"b", "uri");
    refuse(PROFILE_SMTP, "a%zz", "uri");

    memset(label, 'a', sizeof(label));
    label[63] = '\0';
    (void)snprintf(typed, sizeof(typed), "smtp://%s.example:25", label);
    expect(PROFILE_SMTP, typed, typed);
    label[63] = 'a', label[64] = '\0';
    refuse(PROFILE_SMTP, label, "host");
    label[63] = '\0'; /* 63 + 1 + 63 + 1 + 63 + 1 + 61 = 253 */
    (void)snprintf(typed, sizeof(typed), "smtp://%s.%s.%s.%.61s:25", label, label, label, label);
    expect(PROFILE_SMTP, typed, typed);
    (void)snprintf(typed, sizeof(typed), "%s.%s.%s.%.62s", label, label, label, label);
    refuse(PROFILE_SMTP, typed, "host");
}

Test(server_uri, SP15_idna_names_are_stored_as_a_labels_and_shown_as_typed)
{
    static const struct {
        const char *typed, *host, *shown;
    } rows[] = {
        { "b\xc3\xbc"
          "cher.example",
          "xn--bcher-kva.example",
          "smtp://b\xc3\xbc"
          "cher.example:25" },
        { "BU\xcc\x88"
          "CHER.Example", /* decomposed, upper case */
          "xn--bcher-kva.example",
          "smtp://b\xc3\xbc"
          "cher.example:25" },
        { "smtp://b%C3%BCcher.example", "xn--bcher-kva.example",
          "smtp://b\xc3\xbc"
          "cher.example:25" },
        { "xn--bcher-kva.example", "xn--bcher-kva.example", "smtp://xn--bcher-kva.example:25" },
        { "stra\xc3\x9f"
          "e.example",
          "xn--strae-oqa.example",
          "smtp://stra\xc3\x9f"
          "e.example:25" },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct server_uri uri;
        struct reason why = { "" };
        char shown[SERVER_URI_MAX];

        cr_assert_eq(server_uri_parse(rows[i].typed, PROFILE_SMTP, &uri, NULL, &why), 0, "%s: %s",
                     rows[i].typed, why.text);
        cr_expect_str_eq(uri.host, rows[i].host);
        cr_expect_str_eq(server_uri_shown(&uri, shown), rows[i].shown);
        cr_expect_eq(uri.host_kind, SERVER_HOST_NAME);
    }
    refuse(PROFILE_SMTP, "\xe2\x98\x83.example", "host"); /* a snowman is not IDNA 2008 */
    refuse(PROFILE_SMTP, "xn--a.example", "host");
    refuse(PROFILE_SMTP, "a%FF.example", "host");
    refuse(PROFILE_SMTP, "a\xff.example", "uri");
}

Test(server_uri, SP15_addresses)
{
    expect(PROFILE_SMTP, "smtp://127.0.0.1:25", "smtp://127.0.0.1:25");
    expect(PROFILE_SMTP, "smtp://255.255.255.255", "smtp://255.255.255.255:25");
    expect(PROFILE_SMTP, "[2001:DB8:0:0:0:0:0:1]:25", "smtp://[2001:db8::1]:25");
    expect(PROFILE_SMTP, "[::ffff:10.0.0.1]", "smtp://[::ffff:10.0.0.1]:25");
    expect(PROFILE_VAULT, "https://[::1]/x", "https://[::1]:8010/x");
    refuse(PROFILE_SMTP, "256.0.0.1", "host");
    refuse(PROFILE_SMTP, "10.0.0.256", "host");
    refuse(PROFILE_SMTP, "10.0.0", "host");
    refuse(PROFILE_SMTP, "010.0.0.1", "host");
    refuse(PROFILE_SMTP, "0x7f000001", "host");
    refuse(PROFILE_SMTP, "2130706433", "host");
    refuse(PROFILE_SMTP, "::1", "host");
    refuse(PROFILE_SMTP, "2001:db8::1", "host");
    refuse(PROFILE_SMTP, "[::1", "host");
    refuse(PROFILE_SMTP, "[::1]x", "host");
    refuse(PROFILE_SMTP, "[fe80::1%25eth0]:25", "host");
    refuse(PROFILE_SMTP, "[fe80::1%eth0]", "host");
    refuse(PROFILE_SMTP, "[v1.fe]", "host");
    refuse(PROFILE_SMTP, "[10.0.0.1]", "uri");
    refuse(PROFILE_SMTP, "[1:2:3]", "uri");
}

Test(server_uri, SP15_ports)
{
    expect(PROFILE_SMTP, "h:1", "smtp://h:1");
    expect(PROFILE_SMTP, "h:65535", "smtp://h:65535");
    expect(PROFILE_SMTP, "h:0025", "smtp://h:25");
    refuse(PROFILE_SMTP, "h:0", "port");
    refuse(PROFILE_SMTP, "h:65536", "port");
    refuse(PROFILE_SMTP, "h:99999999999999999999", "port");
    refuse(PROFILE_SMTP, "h:-1", "port");
    refuse(PROFILE_SMTP, "h:25x", "port");
    refuse(PROFILE_SMTP, "h:smtp", "port");
    refuse(PROFILE_SMTP, "[::1]:x", "port");
    refuse(PROFILE_SMTP, "smtp:mail.example", "port");
}

Test(server_uri, SP16_stored_is_the_normalised_form)
{
    expect(PROFILE_SMTP, "SMTP://127.0.0.1", "smtp://127.0.0.1:25");
    expect(PROFILE_SMTP, "SmtpS://Mail.Example.NET/", "smtps://mail.example.net:465");
    expect(PROFILE_CORE, "HTTP://127.0.0.1:8008", "http://127.0.0.1:8008");
    expect(PROFILE_VAULT, "Http://127.0.0.1", "http://127.0.0.1:8010/vault_rest");
}

Test(server_uri, SP12_lengths_are_bounded)
{
    char typed[2 * SERVER_URI_MAX];

    memset(typed, 'a', sizeof(typed));
    typed[SERVER_URI_MAX] = '\0';
    refuse(PROFILE_SMTP, typed, "uri");
    memcpy(typed, "http://h/", 9); /* a path that is too long for its field */
    typed[9 + 511] = '\0';
    refuse(PROFILE_VAULT, typed, "path");
    typed[9 + 510] = '\0';
    {
        struct server_uri uri;

        cr_expect_eq(server_uri_parse(typed, PROFILE_VAULT, &uri, NULL, NULL), 0);
        cr_expect_eq(strlen(uri.path), 511);
    }
}

Test(server_uri, CO02_local_hosts)
{
    static const struct {
        const char *typed;
        bool is_local;
    } rows[] = {
        { "127.0.0.1", true },     { "127.255.0.1", true },    { "128.0.0.1", false },
        { "169.254.1.1", true },   { "169.255.1.1", false },   { "10.0.0.1", false },
        { "[::1]", true },         { "[fe80::1]", true },      { "[febf::1]", true },
        { "[fec0::1]", false },    { "[2001:db8::1]", false }, { "[::ffff:127.0.0.1]", true },
        { "localhost", true },     { "core.localhost", true }, { "localhost.example", false },
        { "notlocalhost", false },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct server_uri uri;

        cr_assert_eq(server_uri_parse(rows[i].typed, PROFILE_CORE, &uri, NULL, NULL), 0);
        cr_expect_eq(server_uri_is_local(&uri), rows[i].is_local, "%s", rows[i].typed);
    }
}

Test(server_uri, SP11_web_addresses)
{
    static const struct {
        const char *text;
        bool https_only, allow_query;
        int result;
    } rows[] = {
        { "https://core.example", false, false, 0 },
        { "http://core.example:8008/x/", false, false, 0 },
        { "http://core.example", true, false, -EINVAL },
        { "https://login.example/t/token?v=2", true, true, 0 },
        { "https://login.example/t/token?v=2", true, false, -EINVAL },
        { "https://login.example/t?a=\xc3\xa4", true, true, -EINVAL },
        { "https://login.example/t?a b", true, true, -EINVAL },
        { "https://login.example/#x", false, true, -EINVAL },
        { "https://u:p@login.example/", false, true, -EINVAL },
        { "ftp://core.example", false, false, -EINVAL },
        { "core.example", false, false, -EINVAL },
        { "https://", false, false, -EINVAL },
        { "https://a\r\nb", false, false, -EINVAL },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct reason why;

        cr_expect_eq(
            server_uri_check_web(rows[i].text, rows[i].https_only, rows[i].allow_query, &why),
            rows[i].result, "%s", rows[i].text);
    }
}

Test(server_uri, SP21_identity_is_of_the_whole_uri)
{
    cr_assert_neq(server_uri_identity("smtp://a:25"), server_uri_identity("smtps://a:25"));
    cr_assert_eq(server_uri_identity("smtp://a:25"), server_uri_identity("smtp://a:25"));
}
