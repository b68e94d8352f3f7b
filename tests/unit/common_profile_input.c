/* What an editor sends: type, name, servers, credentials (SP01 to SP03, SP06 to SP08), everything
 * at once (SP50), and the warnings that stand beside. */
#include "tests/unit/profile_helper.h"

static size_t count_errors(json_t *input)
{
    struct problems problems;
    struct profile *profile;
    size_t count;

    cr_assert_eq(problems_init(&problems), 0);
    profile = profile_from_input(input, NULL, &problems);
    count = json_array_size(problems.errors);
    cr_expect_eq(profile == NULL, count > 0);
    profile_free(&profile);
    problems_done(&problems);
    json_decref(input);
    return count;
}

Test(profile_input, SP01_types)
{
    static const struct {
        const char *typed;
        enum profile_type type;
    } rows[] = { { "smtp", PROFILE_SMTP },
                 { "core", PROFILE_CORE },
                 { "vault", PROFILE_VAULT },
                 { "mft", PROFILE_VAULT } };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct profile *profile = accept_profile(input_of(rows[i].typed, ""), NULL, NULL);

        cr_expect_eq(profile->type, rows[i].type);
        profile_free(&profile);
    }
    cr_expect_str_eq(profile_type_name(PROFILE_VAULT), "vault");
    refuse_profile(json_of("{'name': 'p', 'type': 'lmtp'}"), NULL, "type", "smtp, core or vault",
                   NULL);
    refuse_profile(json_of("{'name': 'p', 'type': 'SMTP'}"), NULL, "type", "smtp, core or vault",
                   NULL);
    refuse_profile(json_of("{'name': 'p', 'type': 1}"), NULL, "type", "smtp, core or vault", NULL);
    refuse_profile(json_of("{'name': 'p'}"), NULL, "type", "smtp, core or vault", "missing");
    refuse_profile(json_of("[]"), NULL, "profile", "object", NULL);
}

Test(profile_input, SP01_the_type_cannot_change)
{
    struct profile *stored = accept_profile(input_of("smtp", ""), NULL, NULL), *same;

    refuse_profile(json_of("{'name': 'p', 'type': 'core', 'servers': ['10.0.0.1']}"), stored,
                   "type", "smtp", "cannot change");
    same = accept_profile(json_of("{'name': 'q', 'servers': ['10.0.0.1']}"), stored, NULL);
    cr_expect_eq(same->type, PROFILE_SMTP, "left out, it stays");
    profile_free(&same);
    profile_free(&stored);
}

Test(profile_input, SP02_name)
{
    char text[400];
    struct profile *profile =
        accept_profile(input_of("smtp", "'name': '  Bu\xcc\x88ro 1 '"), NULL, NULL);

    cr_expect_str_eq(profile->name, "B\xc3\xbcro 1");
    profile_free(&profile);
    (void)snprintf(text, sizeof(text), "'name': '%0128d'", 0);
    profile = accept_profile(input_of("smtp", text), NULL, NULL);
    profile_free(&profile);
    (void)snprintf(text, sizeof(text), "'name': '%0129d'", 0);
    refuse_profile(input_of("smtp", text), NULL, "name", "1 to 128 characters", "129");
    refuse_profile(input_of("smtp", "'name': ''"), NULL, "name", "1 to 128 characters", "empty");
    refuse_profile(input_of("smtp", "'name': '  '"), NULL, "name", "1 to 128 characters", "empty");
    refuse_profile(input_of("smtp", "'name': 'a\\nb'"), NULL, "name", "control", NULL);
    refuse_profile(input_of("smtp", "'name': 'a\\u0000b'"), NULL, "name", "control", NULL);
    refuse_profile(input_of("smtp", "'servers': ['a\\u0000b']"), NULL, "servers[0]", "smtp://",
                   NULL);
    refuse_profile(input_of("smtp", "'name': 1"), NULL, "name", "1 to 128 characters", NULL);
    refuse_profile(input_of("smtp", "'name': null"), NULL, "name", "1 to 128 characters",
                   "missing");
}

static json_t *with_servers(const char *type, unsigned count)
{
    json_t *input = input_of(type, ""), *list = json_array();

    for (unsigned i = 0; i < count; i++)
        json_array_append_new(list, json_sprintf("10.0.0.%u", i + 1));
    json_object_set_new(input, "servers", list);
    return input;
}

Test(profile_input, SP03_how_many_servers)
{
    static const struct {
        const char *type;
        unsigned max;
        const char *allowed;
    } rows[] = { { "smtp", 64, "1 to 64" }, { "core", 64, "1 to 64" }, { "vault", 1, "exactly" } };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct profile *profile = accept_profile(with_servers(rows[i].type, 1), NULL, NULL);

        profile_free(&profile);
        profile = accept_profile(with_servers(rows[i].type, rows[i].max), NULL, NULL);
        cr_expect_eq(profile->server_count, rows[i].max);
        profile_free(&profile);
        refuse_profile(with_servers(rows[i].type, 0), NULL, "servers", rows[i].allowed, NULL);
        refuse_profile(with_servers(rows[i].type, rows[i].max + 1), NULL, "servers",
                       rows[i].allowed, NULL);
        refuse_profile(with_servers(rows[i].type, 200), NULL, "servers", rows[i].allowed, "200");
    }
    refuse_profile(input_of("smtp", "'servers': null"), NULL, "servers", "1 to 64", "missing");
    refuse_profile(input_of("smtp", "'servers': 'smtp://h'"), NULL, "servers", "1 to 64", "list");
    refuse_profile(input_of("smtp", "'servers': ['a', 1]"), NULL, "servers[1]", "smtp://", "text");
}

Test(profile_input, SP03_twice_the_same_server)
{
    struct profile *profile =
        accept_profile(input_of("smtp", "'servers': ['a:25', 'smtps://a:25', 'a:26']"), NULL, NULL);

    profile_free(&profile);
    refuse_profile(input_of("smtp", "'servers': ['a', 'b', 'SMTP://A.:25/']"), NULL, "servers[2]",
                   NULL, "same server as smtp://a:25");
    refuse_profile(input_of("smtp", "'servers': ['[::1]', '[0:0::1]:25']"), NULL, "servers[1]",
                   NULL, "same server");
}

Test(profile_input, SP12_a_bad_server_names_the_component)
{
    refuse_profile(input_of("smtp", "'servers': ['http://a']"), NULL, "servers[0]", "smtps://",
                   "scheme");
    refuse_profile(input_of("core", "'servers': ['smtp://a']"), NULL, "servers[0]", "https://",
                   "scheme");
    refuse_profile(input_of("smtp", "'servers': ['a/b']"), NULL, "servers[0]", "smtp://", "path");
    refuse_profile(input_of("smtp", "'servers': ['a', 'a:0']"), NULL, "servers[1]", "smtp://",
                   "port");
}

Test(profile_input, SP60_refused_input_is_shown_without_its_secrets)
{
    static const struct {
        const char *type, *more;
    } rows[] = {
        { "smtp", "'servers': ['smtp://user:hunter2@h']" },
        { "smtp", "'servers': ['hunter2:hunter2@h']" },
        { "core", "'link_base': 'https://user:hunter2@h/'" },
        { "smtp", "'password': 'hunter2'" },
        { "smtp", "'username': 'u', 'password': 'hunter2\\n'" },
        { "smtp", "'api_key': 'hunter2'" },
        { "smtp", "'passwort': 'hunter2'" },
        { "smtp", "'oauth': ['hunter2']" },
        { "smtp", "'oauth': {'secret': 'hunter2'}" },
        { "smtp", "'ca': '-----BEGIN PRIVATE KEY-----hunter2'" },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct problems problems;
        json_t *input = input_of(rows[i].type, rows[i].more);
        char *text;

        cr_assert_eq(problems_init(&problems), 0);
        cr_expect_null(profile_from_input(input, NULL, &problems));
        text = json_dumps(problems.errors, 0);
        cr_expect_null(strstr(text, "hunter2"), "%s", text);
        free(text);
        problems_done(&problems);
        json_decref(input);
    }
}

Test(profile_input, SP06_username_and_password_are_given_together)
{
    struct profile *profile =
        accept_profile(input_of("smtp", "'username': 'u', 'password': 'p'"), NULL, NULL);

    cr_expect_str_eq(profile->username, "u");
    cr_expect_str_eq(profile->secrets[SECRET_PASSWORD], "p");
    cr_expect(profile->secret_set[SECRET_PASSWORD]);
    profile_free(&profile);
    refuse_profile(input_of("smtp", "'username': 'u'"), NULL, "password", "1 to 512", "missing");
    refuse_profile(input_of("smtp", "'username': 'u', 'password': null"), NULL, "password",
                   "1 to 512", "missing");
    refuse_profile(input_of("smtp", "'password': 'p'"), NULL, "username", "1 to 512", "missing");
}

#define CLIENT                                                                         \
    "'oauth': {'grant': 'client_credentials', 'client_id': 'c', 'client_secret': 's'," \
    "'token_url': 'https://t/', 'user': 'u', 'scope': 'x y'}"
#define REFRESH                                                                   \
    "'oauth': {'grant': 'refresh_token', 'client_id': 'c', 'refresh_token': 'r'," \
    "'token_url': 'https://t/', 'user': 'u'}"

Test(profile_input, SP06_oauth)
{
    struct profile *profile = accept_profile(input_of("smtp", CLIENT), NULL, NULL);

    cr_expect_eq(profile->oauth.grant, GRANT_CLIENT_CREDENTIALS);
    cr_expect_str_eq(profile->oauth.client_id, "c");
    cr_expect_str_eq(profile->oauth.token_url, "https://t/");
    cr_expect_str_eq(profile->oauth.scope, "x y");
    cr_expect_str_eq(profile->oauth.user, "u");
    cr_expect_str_eq(profile->secrets[SECRET_OAUTH_CLIENT_SECRET], "s");
    profile_free(&profile);
    profile = accept_profile(input_of("smtp", REFRESH), NULL, NULL);
    cr_expect_eq(profile->oauth.grant, GRANT_REFRESH_TOKEN);
    cr_expect_str_eq(profile->secrets[SECRET_OAUTH_REFRESH_TOKEN], "r");
    cr_expect_not(profile->secret_set[SECRET_OAUTH_CLIENT_SECRET]);
    profile_free(&profile);
    refuse_profile(input_of("smtp", CLIENT ", 'username': 'u', 'password': 'p'"), NULL, "oauth",
                   "either", "together");
}

static json_t *oauth_but(const char *base, const char *member, const char *value)
{
    json_t *input = input_of("smtp", base), *list = NULL;
    char text[128];

    if (value == NULL) {
        json_object_del(json_object_get(input, "oauth"), member);
    } else {
        (void)snprintf(text, sizeof(text), "[%s]", value);
        list = json_of(text);
        json_object_set(json_object_get(input, "oauth"), member, json_array_get(list, 0));
        json_decref(list);
    }
    return input;
}

Test(profile_input, SP06_oauth_members)
{
    static const char *const needed[] = { "client_id", "token_url", "user" };

    for (size_t i = 0; i < ARRAY_LEN(needed); i++) {
        char name[64];

        (void)snprintf(name, sizeof(name), "oauth.%s", needed[i]);
        refuse_profile(oauth_but(CLIENT, needed[i], NULL), NULL, name, "", "missing");
        refuse_profile(oauth_but(CLIENT, needed[i], "null"), NULL, name, "", "missing");
    }
    refuse_profile(oauth_but(CLIENT, "grant", NULL), NULL, "oauth.grant", "client_credentials or",
                   NULL);
    refuse_profile(oauth_but(CLIENT, "grant", "''"), NULL, "oauth.grant", "client_credentials or",
                   NULL);
    refuse_profile(oauth_but(CLIENT, "grant", "'password'"), NULL, "oauth.grant", "refresh_token",
                   NULL);
    refuse_profile(oauth_but(CLIENT, "client_secret", NULL), NULL, "oauth.client_secret",
                   "1 to 512", "client_credentials needs it");
    refuse_profile(oauth_but(REFRESH, "refresh_token", NULL), NULL, "oauth.refresh_token",
                   "1 to 512", "grant refresh_token needs it");
    refuse_profile(oauth_but(CLIENT, "refresh_token", "'r'"), NULL, "oauth.refresh_token",
                   "grant refresh_token", "client_credentials");
    refuse_profile(oauth_but(CLIENT, "token_url", "'http://t/'"), NULL, "oauth.token_url", "https",
                   NULL);
    refuse_profile(oauth_but(CLIENT, "token_url", "'t'"), NULL, "oauth.token_url", "https", NULL);
}

Test(profile_input, SP07_client_certificate_needs_a_digital_id)
{
    json_t *input = input_of("smtp", "'client_certificate': true");
    struct problems problems;
    const json_t *entry;

    cr_assert_eq(problems_init(&problems), 0);
    profile_check_digital_id(input, true, &problems);
    cr_expect_not(problems_any(&problems));
    profile_check_digital_id(input, false, &problems);
    entry = find_entry(problems.errors, "client_certificate");
    cr_assert_not_null(entry);
    cr_expect(strstr(entry_text(entry, "allowed"), "tls.certificate") != NULL);
    cr_expect(strstr(entry_text(entry, "allowed"), "tls.key") != NULL);
    cr_expect_null(profile_from_input(input, NULL, &problems), "the error blocks");
    problems_done(&problems);
    json_decref(input);
}

Test(profile_input, SP08_api_key)
{
    struct profile *profile = accept_profile(input_of("core", "'api_key': 'k'"), NULL, NULL);

    cr_expect_str_eq(profile->secrets[SECRET_API_KEY], "k");
    profile_free(&profile);
    refuse_profile(json_of("{'name': 'p', 'type': 'vault', 'servers': ['a']}"), NULL, "api_key",
                   "1 to 512", "vault");
    refuse_profile(input_of("vault", "'api_key': null"), NULL, "api_key", "1 to 512", "vault");
}

Test(profile_input, SP50_every_mistake_is_reported_at_once)
{
    cr_expect_eq(count_errors(json_of("{}")), 2, "type and name");
    cr_expect_eq(
        count_errors(json_of("{'name': '', 'type': 'smtp', 'servers': ['http://a', 'b', 'b:25'],"
                             "'preference': 'x', 'encryption': 'tls', 'api_key': 'k',"
                             "'username': 'u', 'pool': {'size': 0, 'expiry': 60001, 'age': 1},"
                             "'timeouts': {'connect': 0}, 'retry': {'first': 100, 'max': 5},"
                             "'colour': 'red'}")),
        13);
    /* Even the values of a profile without a type. */
    cr_expect_eq(count_errors(json_of("{'name': 'a', 'pool': {'size': 0}, 'x': 1}")), 3);
}

/* ---- warnings ---- */

static void expect_warning(json_t *input, const char *property, const char *words)
{
    json_t *warnings;
    struct profile *profile = accept_profile(input, NULL, &warnings);
    const json_t *entry = NULL, *each;
    size_t i;

    json_array_foreach (warnings, i, each) {
        if (strcmp(entry_text(each, "property"), property) == 0 &&
            strstr(entry_text(each, "problem"), words) != NULL)
            entry = each;
    }
    if (entry == NULL) {
        print_list("warnings", warnings);
        cr_expect_fail("no warning for %s: %s", property, words);
    }
    json_decref(warnings);
    profile_free(&profile);
}

static void expect_no_warning(json_t *input)
{
    json_t *warnings;
    struct profile *profile = accept_profile(input, NULL, &warnings);

    if (json_array_size(warnings) > 0) {
        print_list("warnings", warnings);
        cr_expect_fail("no warning was expected");
    }
    json_decref(warnings);
    profile_free(&profile);
}

Test(profile_input, SP14_an_assumed_465_is_told)
{
    expect_warning(input_of("smtp", "'servers': ['a', 'smtps://b']"), "servers[1]", "465");
    expect_no_warning(input_of("smtp", "'servers': ['a', 'b:465']"));
}

Test(profile_input, SP33_credentials_in_clear_are_told)
{
    static const char user[] = "'username': 'u', 'password': 'p'";
    char text[200];
    json_t *warnings;
    struct profile *profile;

    expect_warning(input_of("smtp", user), "servers[0]", "in clear");
    expect_warning(input_of("smtp", CLIENT), "servers[0]", "in clear");
    (void)snprintf(text, sizeof(text), "%s, 'servers': ['smtps://a:465', 'b']", user);
    expect_warning(input_of("smtp", text), "servers[1]", "in clear");
    (void)snprintf(text, sizeof(text), "%s, 'encryption': 'starttls_optional'", user);
    profile = accept_profile(input_of("smtp", text), NULL, &warnings);
    for (size_t i = 0; i < json_array_size(warnings); i++)
        cr_expect_null(strstr(entry_text(json_array_get(warnings, i), "problem"), "clear"));
    json_decref(warnings);
    profile_free(&profile);
    expect_warning(input_of("vault", ""), "servers[0]", "in clear");
    expect_warning(input_of("core", "'api_key': 'k', 'servers': ['10.0.0.1']"), "servers[0]",
                   "in clear");
    expect_no_warning(input_of("smtp", "'encryption': 'none'"));
}

Test(profile_input, SP4A_pool_limits)
{
    expect_warning(input_of("smtp", "'pool': {'expiry': 301}"), "pool.expiry", "270");
    expect_no_warning(input_of("smtp", "'pool': {'expiry': 300}"));
    expect_warning(input_of("smtp", "'pool': {'size': 21}"), "pool.size", "no more than 20");
    expect_no_warning(input_of("smtp", "'pool': {'size': 20}"));
    expect_no_warning(input_of("smtp", "'pool': {'size': 40}, 'servers': ['a', 'b']"));
    expect_warning(input_of("smtp", "'pool': {'size': 41}, 'servers': ['a', 'b']"), "pool.size",
                   "no more than 40");
    expect_no_warning(input_of("smtp", "'pool': {'size': 999}, 'max_connections': 0"));
    expect_warning(input_of("smtp", "'max_connections': 19"), "pool.size", "no more than 19");
}

Test(profile_input, CO02_a_local_core_is_told)
{
    static const char *const local[] = { "127.0.0.1", "[::1]", "localhost", "169.254.0.1",
                                         "[fe80::1]" };
    char text[200];

    for (size_t i = 0; i < ARRAY_LEN(local); i++) {
        (void)snprintf(text, sizeof(text), "'servers': ['10.0.0.1', '%s']", local[i]);
        expect_warning(input_of("core", text), "servers[1]", "link");
    }
    {
        json_t *warnings;
        struct profile *profile =
            accept_profile(input_of("core", "'servers': ['127.0.0.1'], 'link_base': 'https://c/'"),
                           NULL, &warnings);

        for (size_t i = 0; i < json_array_size(warnings); i++)
            cr_expect_null(strstr(entry_text(json_array_get(warnings, i), "problem"), "link"));
        json_decref(warnings);
        profile_free(&profile);
    }
}

Test(profile_input, OP09_mail_that_will_wait_is_told)
{
    if (!features[FEATURE_SMTPS].is_built)
        expect_warning(input_of("smtp", "'servers': ['a', 'smtps://b:465']"), "servers[1]",
                       "does not have smtps yet");
    if (!features[FEATURE_STARTTLS].is_built)
        expect_warning(input_of("smtp", "'encryption': 'starttls_required'"), "servers[0]",
                       "starttls_required");
    if (!features[FEATURE_VAULT].is_built)
        expect_warning(input_of("vault", ""), "servers[0]", "vault");
}
