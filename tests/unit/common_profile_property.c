/* SP01 to SP11 as tables: every default, both ends of every range, one past each, and who has it.
 */
#include "tests/unit/profile_helper.h"

enum { SMTP = 1, CORE = 2, VAULT = 4, ALL = 7 };

static const char *const types[] = { "smtp", "core", "vault" };

/* name, types, default, least, greatest; -1 as `below`: no number below it exists as a test. */
static const struct number {
    const char *name;
    unsigned types;
    double fallback, min, max;
} numbers[] = {
    { "pool.size", SMTP, 20, 1, 999 },
    { "pool.expiry", SMTP, 180, 1, 60000 },
    { "max_connections", SMTP | CORE, 20, 0, 9999 },
    { "max_lifetime", SMTP, 0, 0, 86400 },
    { "max_messages", SMTP, 0, 0, 100000 },
    { "max_recipients", SMTP, 100, 1, 1000 },
    { "max_in_flight", SMTP, 20, 1, 10000 }, /* one server */
    { "timeouts.connect", ALL, 30, 1, 3600 },
    { "timeouts.greeting", SMTP, 60, 1, 3600 },
    { "timeouts.handshake", ALL, 60, 1, 3600 },
    { "timeouts.command", SMTP, 300, 1, 3600 },
    { "timeouts.data_block", SMTP, 180, 1, 3600 },
    { "timeouts.end_of_data", SMTP, 600, 1, 3600 },
    { "timeouts.transfer", CORE | VAULT, 300, 1, 3600 },
    { "timeouts.result", CORE | VAULT, 1800, 1, 3600 },
    { "retry.first", SMTP, 60, 1, 86400 },
    { "retry.factor", SMTP, 2, 1, 10 },
    { "retry.lifetime", SMTP, 432000, 60, 2592000 },
};

static const struct other {
    const char *name;
    unsigned types;
    const char *fallback; /* JSON */
    const char *good[4], *bad[6];
    const char *allowed;
} others[] = {
    { "preference",
      SMTP | CORE,
      "'failover'",
      { "'failover'", "'round_robin'" },
      { "'random'", "''", "1", "'Failover'" },
      "failover or round_robin" },
    { "encryption",
      SMTP,
      "'none'",
      { "'none'", "'starttls_optional'", "'starttls_required'" },
      { "'starttls'", "'NONE'", "false", "[]" },
      "none, starttls_optional or starttls_required" },
    { "client_certificate",
      SMTP | CORE,
      "false",
      { "true", "false" },
      { "1", "'yes'" },
      "true or false" },
    { "verify_certificate", ALL, "true", { "true", "false" }, { "0", "'no'" }, "true or false" },
    { "pool.enabled", SMTP, "false", { "true", "false" }, { "1", "'on'" }, "true or false" },
    { "source_address",
      SMTP,
      "null",
      { "'10.0.0.1'", "'2001:db8::1'" },
      { "'host.example'", "'10.0.0.1:25'", "'[::1]'", "''", "'10.0.0.1\\r\\n'", "1" },
      "an IPv4 or IPv6 address" },
    { "ehlo_name",
      SMTP,
      "null",
      { "'gw1.example.net'", "'[10.0.0.1]'", "'[IPv6:2001:db8::1]'" },
      { "'a b'", "'a\\r\\nMAIL'", "''", "'[10.0.0.1'", "'[::1]'", "'-a.example'" },
      "a host name or an address literal" },
    { "link_base",
      CORE,
      "null",
      { "'https://core.example'", "'http://core.example:8008/x'" },
      { "'core.example'", "'ftp://core'", "'https://a/?q'", "'https://a/#f'", "'https://u@a/'",
        "1" },
      "http or https URI" },
};

static char *dotted(const char *name, const char *value)
{
    const char *dot = strchr(name, '.');
    char *text = NULL;

    cr_assert_gt(dot == NULL ? asprintf(&text, "'%s': %s", name, value)
                             : asprintf(&text, "'%.*s': {'%s': %s}", (int)(dot - name), name,
                                        dot + 1, value),
                 0);
    return text;
}

static json_t *shown_value(const struct profile *profile, const char *name, json_t **ret_shown)
{
    json_t *shown = profile_to_json(profile, PROFILE_FORM_SHOWN), *at = shown;
    const char *dot = strchr(name, '.');
    char group[32] = "";

    *ret_shown = shown;
    if (dot != NULL) {
        (void)snprintf(group, sizeof(group), "%.*s", (int)(dot - name), name);
        at = json_object_get(shown, group);
    }
    return json_object_get(at, dot != NULL ? dot + 1 : name);
}

static void expect_value(const char *type, const char *more, const char *name, const char *value)
{
    struct profile *profile = accept_profile(input_of(type, more), NULL, NULL);
    char list[512];
    json_t *shown, *got = shown_value(profile, name, &shown), *wanted;

    (void)snprintf(list, sizeof(list), "[%s]", value);
    wanted = json_of(list);
    if (json_is_number(got))
        cr_expect_float_eq(json_number_value(got), json_number_value(json_array_get(wanted, 0)),
                           1e-9, "%s {%s}: %s is %g, not %s", type, more, name,
                           json_number_value(got), value);
    else
        cr_expect(json_equal(got, json_array_get(wanted, 0)), "%s {%s}: %s is not %s", type, more,
                  name, value);
    json_decref(wanted);
    json_decref(shown);
    profile_free(&profile);
}

static void expect_default(const char *name, unsigned owners, const char *value)
{
    for (unsigned t = 0; t < 3; t++) {
        if ((owners & 1U << t) != 0) {
            char *null = dotted(name, "null");

            expect_value(types[t], "", name, value);
            expect_value(types[t], null, name, value);
            free(null);
        }
    }
}

Test(profile_property, SP09_SP11_defaults_of_numbers)
{
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        char value[32];

        (void)snprintf(value, sizeof(value), "%g", numbers[i].fallback);
        expect_default(numbers[i].name, numbers[i].types, value);
    }
    expect_default("retry.max", SMTP, "3600");
    expect_default("retry.warn", SMTP, "14400");
}

Test(profile_property, SP04_SP05_SP07_SP11_defaults_of_the_others)
{
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        expect_default(others[i].name, others[i].types, others[i].fallback);
    expect_default("username", SMTP, "null");
    expect_default("oauth", SMTP, "null");
    expect_default("ca", ALL, "null");
}

static void try_number(const struct number *row, double number, bool is_good)
{
    char value[64], allowed[64];
    char *text;

    (void)snprintf(value, sizeof(value), "%.10g", number);
    (void)snprintf(allowed, sizeof(allowed), "%.0f %s %.0f", row->min, "to", row->max);
    text = dotted(row->name, value);
    for (unsigned t = 0; t < 3; t++) {
        if ((row->types & 1U << t) == 0)
            continue;
        if (is_good)
            expect_value(types[t], text, row->name, value);
        else
            refuse_profile(input_of(types[t], text), NULL, row->name, allowed, NULL);
    }
    free(text);
}

Test(profile_property, SP09_SP11_both_ends_of_every_range_and_one_past_each)
{
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        const struct number *row = &numbers[i];

        try_number(row, row->min, true);
        try_number(row, row->max, true);
        try_number(row, row->min - 1, false);
        try_number(row, row->max + 1, false);
        try_number(row, -9007199254740993.0, false);
        try_number(row, 4294967296.0 + row->min, false); /* not modulo 2^32 */
    }
}

Test(profile_property, SP09_a_number_is_a_number)
{
    static const char *const wrong[] = { "'20'", "true", "[]", "{}", "1.5" };

    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        for (size_t k = 0; k < ARRAY_LEN(wrong); k++) {
            bool is_real = strcmp(numbers[i].name, "retry.factor") == 0;
            char *text = dotted(numbers[i].name, wrong[k]);
            unsigned t = (numbers[i].types & SMTP) != 0 ? 0 : 1;

            if (is_real && k == 4)
                expect_value("smtp", text, "retry.factor", "1.5");
            else
                refuse_profile(input_of(types[t], text), NULL, numbers[i].name, "to", "number");
            free(text);
        }
    }
}

Test(profile_property, SP04_SP05_SP07_SP11_values_of_the_others)
{
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        const struct other *row = &others[i];

        for (unsigned t = 0; t < 3; t++) {
            if ((row->types & 1U << t) == 0)
                continue;
            for (size_t k = 0; k < ARRAY_LEN(row->good) && row->good[k] != NULL; k++) {
                char *text = dotted(row->name, row->good[k]);

                expect_value(types[t], text, row->name, row->good[k]);
                free(text);
            }
            for (size_t k = 0; k < ARRAY_LEN(row->bad) && row->bad[k] != NULL; k++) {
                char *text = dotted(row->name, row->bad[k]);

                refuse_profile(input_of(types[t], text), NULL, row->name, row->allowed, NULL);
                free(text);
            }
        }
    }
}

Test(profile_property, SP11_values_are_kept_in_normal_form)
{
    expect_value("smtp", "'source_address': '2001:DB8:0:0::1'", "source_address", "'2001:db8::1'");
    expect_value("smtp", "'ehlo_name': 'GW1.Example.NET.'", "ehlo_name", "'gw1.example.net'");
    expect_value("smtp",
                 "'ehlo_name': 'b\xc3\xbc"
                 "cher.example'",
                 "ehlo_name", "'xn--bcher-kva.example'");
    expect_value("core", "'link_base': 'https://core.example/x/'", "link_base",
                 "'https://core.example/x'");
}

Test(profile_property, SP05_tls_says_what_to_write)
{
    refuse_profile(input_of("smtp", "'encryption': 'tls'"), NULL, "encryption", "starttls_required",
                   "smtps://");
}

/* SP10: by name, for each property and each type that does not have it. */
Test(profile_property, SP10_a_property_that_the_type_does_not_have)
{
    static const struct {
        const char *text, *name, *owners;
        unsigned types;
    } rows[] = {
        { "'preference': 'failover'", "preference", "smtp and core", SMTP | CORE },
        { "'encryption': 'none'", "encryption", "a property of smtp", SMTP },
        { "'username': 'u'", "username", "a property of smtp", SMTP },
        { "'password': 'p'", "password", "a property of smtp", SMTP },
        { "'oauth': {}", "oauth", "a property of smtp", SMTP },
        { "'client_certificate': false", "client_certificate", "smtp and core", SMTP | CORE },
        { "'api_key': 'k'", "api_key", "core and vault", CORE | VAULT },
        { "'pool': {}", "pool", "a property of smtp", SMTP },
        { "'max_connections': 1", "max_connections", "smtp and core", SMTP | CORE },
        { "'max_lifetime': 1", "max_lifetime", "a property of smtp", SMTP },
        { "'max_messages': 1", "max_messages", "a property of smtp", SMTP },
        { "'max_recipients': 1", "max_recipients", "a property of smtp", SMTP },
        { "'max_in_flight': 1", "max_in_flight", "a property of smtp", SMTP },
        { "'timeouts': {'greeting': 1}", "timeouts.greeting", "a property of smtp", SMTP },
        { "'timeouts': {'command': 1}", "timeouts.command", "a property of smtp", SMTP },
        { "'timeouts': {'data_block': 1}", "timeouts.data_block", "a property of smtp", SMTP },
        { "'timeouts': {'end_of_data': 1}", "timeouts.end_of_data", "a property of smtp", SMTP },
        { "'timeouts': {'transfer': 1}", "timeouts.transfer", "core and vault", CORE | VAULT },
        { "'timeouts': {'result': 1}", "timeouts.result", "core and vault", CORE | VAULT },
        { "'retry': {}", "retry", "a property of smtp", SMTP },
        { "'source_address': '::1'", "source_address", "a property of smtp", SMTP },
        { "'ehlo_name': 'a.b'", "ehlo_name", "a property of smtp", SMTP },
        { "'link_base': 'http://a'", "link_base", "a property of core", CORE },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        for (unsigned t = 0; t < 3; t++) {
            if ((rows[i].types & 1U << t) == 0)
                refuse_profile(input_of(types[t], rows[i].text), NULL, rows[i].name, rows[i].owners,
                               "does not have it");
        }
    }
}

Test(profile_property, SP10_unknown_properties)
{
    for (unsigned t = 0; t < 3; t++) {
        refuse_profile(input_of(types[t], "'encrytion': 'none'"), NULL, "encrytion", "servers",
                       "unknown");
        refuse_profile(input_of(types[t], "'timeouts': {'conect': 1}"), NULL, "timeouts.conect",
                       "timeouts.connect", "unknown");
        refuse_profile(input_of(types[t], "'timeouts.connect': 1"), NULL, "timeouts.connect", NULL,
                       "unknown");
    }
    refuse_profile(input_of("smtp", "'pool': {'size.x': 1}"), NULL, "pool.size.x", NULL, "unknown");
    refuse_profile(input_of("smtp", "'pool': 20"), NULL, "pool", "an object", "must be an object");
    refuse_profile(input_of("smtp", "'v': 1"), NULL, "v", NULL, "unknown");
}

Test(profile_property, design7_read_only_members_are_accepted)
{
    struct profile *profile = accept_profile(
        input_of("smtp", "'id': 7, 'version': 3, 'password_set': false, 'api_key_set': false,"
                         "'not_in_effect': ['x'], 'incomplete': true"),
        NULL, NULL);

    cr_expect_eq(profile->id, 0, "it is the caller's to look at");
    cr_expect_eq(profile->version, 0);
    cr_expect_not(profile->incomplete);
    profile_free(&profile);
}

Test(profile_property, SP11_retry_cross_checks)
{
    expect_value("smtp", "'retry': {'first': 100, 'max': 100}", "retry.max", "100");
    expect_value("smtp", "'retry': {'max': 86400}", "retry.max", "86400");
    refuse_profile(input_of("smtp", "'retry': {'first': 100, 'max': 99}"), NULL, "retry.max",
                   "100 (retry.first) to 86400", "out of range");
    refuse_profile(input_of("smtp", "'retry': {'max': 59}"), NULL, "retry.max", "60 (retry.first)",
                   NULL);
    refuse_profile(input_of("smtp", "'retry': {'max': 86401}"), NULL, "retry.max", "86400", NULL);
    expect_value("smtp", "'retry': {'warn': 0}", "retry.warn", "0");
    expect_value("smtp", "'retry': {'warn': 432000}", "retry.warn", "432000");
    refuse_profile(input_of("smtp", "'retry': {'warn': 432001}"), NULL, "retry.warn",
                   "0 to 432000 (retry.lifetime)", "out of range");
    refuse_profile(input_of("smtp", "'retry': {'warn': -1}"), NULL, "retry.warn", "0 to", NULL);
    /* A default gives way to what was given. */
    expect_value("smtp", "'retry': {'first': 86400}", "retry.max", "86400");
    expect_value("smtp", "'retry': {'lifetime': 60}", "retry.warn", "60");
}

Test(profile_property, SP11_max_in_flight_is_20_for_each_server)
{
    expect_value("smtp", "'servers': ['a', 'b', 'c']", "max_in_flight", "60");
    expect_value("smtp", "'servers': ['a', 'b', 'c'], 'max_in_flight': 1", "max_in_flight", "1");
}

/* "Strings: 1 to 512 bytes", and none may end a protocol line. */
Test(profile_property, SP11_strings)
{
    static const struct {
        const char *name, *before, *after;
    } rows[] = {
        { "username", "'password': 'p', 'username': ", "" },
        { "password", "'username': 'u', 'password': ", "" },
        { "api_key", NULL, NULL },
        { "oauth.client_id",
          "'oauth': {'grant': 'client_credentials', 'client_secret': 's', 'user': 'u',"
          "'token_url': 'https://t/', 'client_id': ",
          "}" },
        { "oauth.client_secret",
          "'oauth': {'grant': 'client_credentials', 'client_id': 's', 'user': 'u',"
          "'token_url': 'https://t/', 'client_secret': ",
          "}" },
        { "oauth.refresh_token",
          "'oauth': {'grant': 'refresh_token', 'client_id': 's', 'user': 'u',"
          "'token_url': 'https://t/', 'refresh_token': ",
          "}" },
        { "oauth.scope",
          "'oauth': {'grant': 'client_credentials', 'client_secret': 's', 'user': 'u',"
          "'token_url': 'https://t/', 'client_id': 'c', 'scope': ",
          "}" },
        { "oauth.user",
          "'oauth': {'grant': 'client_credentials', 'client_secret': 's', 'client_id': 'u',"
          "'token_url': 'https://t/', 'user': ",
          "}" },
    };
    static const char *const bad[] = { "''",        "'a\\u0000b'", "'a\\r\\nb'", "'a\\u007f'",
                                       "'\\u0001'", "1",           "{}" };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        bool is_key = strcmp(rows[i].name, "api_key") == 0;
        const char *before = is_key ? "'api_key': " : rows[i].before;
        const char *after = is_key ? "" : rows[i].after, *type = is_key ? "vault" : "smtp";
        char text[2048], filler[514];
        struct profile *profile;

        memset(filler, 'a', sizeof(filler));
        filler[512] = '\0';
        (void)snprintf(text, sizeof(text), "%s'%s'%s", before, filler, after);
        profile = accept_profile(input_of(type, text), NULL, NULL);
        profile_free(&profile);
        filler[512] = 'a', filler[513] = '\0';
        (void)snprintf(text, sizeof(text), "%s'%s'%s", before, filler, after);
        refuse_profile(input_of(type, text), NULL, rows[i].name, "1 to 512 bytes", "too long");
        for (size_t k = 0; k < ARRAY_LEN(bad); k++) {
            (void)snprintf(text, sizeof(text), "%s%s%s", before, bad[k], after);
            refuse_profile(input_of(type, text), NULL, rows[i].name, "1 to 512 bytes", NULL);
        }
    }
}

Test(profile_property, SP11_ca)
{
    static const char pem[] = "-----BEGIN CERTIFICATE-----\\nMIIBszCCAVmgAwIBAgIUe\\n"
                              "-----END CERTIFICATE-----\\n";
    static const char *const bad[] = {
        "",
        "hello",
        "-----BEGIN CERTIFICATE-----\\nMIIB",
        "-----BEGIN CERTIFICATE-----\\nMI!B\\n-----END CERTIFICATE-----",
        "-----BEGIN CERTIFICATE-----\\nAAAA\\n-----END CERTIFICATE-----",
    };
    char text[1024];
    char *large = malloc(262200);
    json_t *input;
    struct profile *profile;

    for (unsigned t = 0; t < 3; t++) {
        (void)snprintf(text, sizeof(text), "'ca': '%s'", pem);
        expect_value(types[t], text, "ca", text + 6);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        (void)snprintf(text, sizeof(text), "'ca': '%s'", bad[i]);
        refuse_profile(input_of("smtp", text), NULL, "ca", "PEM form", NULL);
    }
    for (int extra = 0; extra < 2; extra++) { /* 256 KiB, and one more */
        size_t length = 262144 + (size_t)extra;

        memset(large, '\n', length);
        memcpy(large, "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----", 58);
        input = input_of("smtp", "");
        json_object_set_new(input, "ca", json_stringn(large, length));
        if (extra == 0) {
            profile = accept_profile(input, NULL, NULL);
            profile_free(&profile);
        } else {
            refuse_profile(input, NULL, "ca", "262144", "too long");
        }
    }
    free(large);
}
