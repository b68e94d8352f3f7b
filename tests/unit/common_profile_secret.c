/* SP60: secrets are kept, removed, or must be given again; and what an import does without them. */
#include "tests/unit/profile_helper.h"

#define SERVERS "'servers': ['smtp://a:25', 'smtps://b:465']"
#define USER    "'username': 'u'"
#define CA      "'ca': '-----BEGIN CERTIFICATE-----\\nMIIB\\n-----END CERTIFICATE-----'"

static struct profile *stored_smtp(void)
{
    struct profile *stored =
        accept_profile(input_of("smtp", SERVERS ", " USER ", 'password': 'old', " CA
                                                ", 'encryption': 'starttls_optional'"),
                       NULL, NULL);

    stored->id = 7;
    stored->version = 3;
    return stored;
}

static void expect_kept(const char *more)
{
    struct profile *stored = stored_smtp(), *profile;

    profile = accept_profile(input_of("smtp", more), stored, NULL);
    cr_expect(profile->secret_set[SECRET_PASSWORD], "%s", more);
    cr_expect_str_eq(profile->secrets[SECRET_PASSWORD], "old", "%s", more);
    cr_expect_eq(profile->id, 7);
    cr_expect_eq(profile->version, 3);
    profile_free(&profile);
    free(stored->secrets[SECRET_PASSWORD]); /* as when it is sealed */
    stored->secrets[SECRET_PASSWORD] = NULL;
    profile = accept_profile(input_of("smtp", more), stored, NULL);
    cr_expect(profile->secret_set[SECRET_PASSWORD], "%s", more);
    cr_expect_null(profile->secrets[SECRET_PASSWORD]);
    profile_free(&profile);
    profile_free(&stored);
}

static void expect_again(const char *more, const char *why)
{
    struct profile *stored = stored_smtp(), *profile;
    char text[1024];

    refuse_profile(input_of("smtp", more), stored, "password", "the secret again", why);
    (void)snprintf(text, sizeof(text), "%s, 'password': 'new'", more);
    profile = accept_profile(input_of("smtp", text), stored, NULL);
    cr_expect_str_eq(profile->secrets[SECRET_PASSWORD], "new");
    profile_free(&profile);
    profile_free(&stored);
}

#define REST USER ", " CA ", 'encryption': 'starttls_optional'"
#define SAME SERVERS ", " REST

Test(profile_secret, SP60_left_out_is_kept)
{
    expect_kept(SAME);
    expect_kept(SAME ", 'name': 'renamed', 'max_recipients': 5, 'ehlo_name': 'x'");
    expect_kept("'servers': ['smtps://b:465', 'smtp://a:25'], " REST);
    expect_kept("'servers': ['a'], " REST);
    expect_kept(SERVERS ", 'username': 'other', " CA ", 'encryption': 'starttls_optional'");
    expect_kept(SERVERS ", " USER ", " CA ", 'encryption': 'starttls_required'");
    expect_kept(SAME ", 'password_set': true");
}

Test(profile_secret, SP60_must_be_given_again)
{
    expect_again("'servers': ['a', 'smtps://b', 'c'], " REST, "smtp://c:25 is new");
    expect_again("'servers': ['evil'], " REST, "smtp://evil:25");
    expect_again("'servers': ['smtps://a:25'], " REST, "smtps://a:25");
    expect_again("'servers': ['a:26'], " REST, "smtp://a:26");
    expect_again("'servers': ['b:465'], " REST, "smtp://b:465");
    expect_again(SERVERS ", " USER ", 'encryption': 'starttls_optional'", "ca changes");
    expect_again(SERVERS ", " USER ", " CA, "encryption is lowered");
    expect_again(SAME ", 'verify_certificate': false", "verify_certificate");
}

Test(profile_secret, SP60_verification_that_is_off_already)
{
    struct profile *stored = stored_smtp(), *profile;

    stored->verify_certificate = false;
    profile = accept_profile(input_of("smtp", SAME ", 'verify_certificate': false"), stored, NULL);
    profile_free(&profile);
    profile = accept_profile(input_of("smtp", SAME), stored, NULL); /* turned on */
    profile_free(&profile);
    profile_free(&stored);
}

Test(profile_secret, SP60_null_removes)
{
    struct profile *stored = stored_smtp(), *profile;

    profile =
        accept_profile(input_of("smtp", "'servers': ['new'], 'password': null"), stored, NULL);
    cr_expect_not(profile->secret_set[SECRET_PASSWORD]);
    cr_expect_null(profile->secrets[SECRET_PASSWORD]);
    profile_free(&profile);
    /* The user name alone left out: the password is not dropped without a word. */
    refuse_profile(input_of("smtp", SERVERS ", " CA ", 'encryption': 'starttls_optional'"), stored,
                   "password", "null to remove", "username is not given");
    profile_free(&stored);
}

#define TOKEN(url, grant, more) \
    "'oauth': {'grant': '" grant "', 'client_id': 'c', 'user': 'u', 'token_url': '" url "'" more "}"

Test(profile_secret, SP60_oauth)
{
    struct profile *stored =
        accept_profile(input_of("smtp", TOKEN("https://t/1", "refresh_token",
                                              ", 'client_secret': 's', 'refresh_token': 'r'")),
                       NULL, NULL);
    struct profile *profile;
    struct problems problems;
    json_t *input;

    profile =
        accept_profile(input_of("smtp", TOKEN("https://t/1", "refresh_token", "")), stored, NULL);
    cr_expect_str_eq(profile->secrets[SECRET_OAUTH_CLIENT_SECRET], "s");
    cr_expect_str_eq(profile->secrets[SECRET_OAUTH_REFRESH_TOKEN], "r");
    profile_free(&profile);

    input = input_of("smtp", TOKEN("https://t/2", "refresh_token", ""));
    cr_assert_eq(problems_init(&problems), 0);
    cr_expect_null(profile_from_input(input, stored, &problems));
    cr_expect_eq(json_array_size(problems.errors), 2);
    cr_expect_not_null(find_entry(problems.errors, "oauth.client_secret"));
    cr_expect_not_null(find_entry(problems.errors, "oauth.refresh_token"));
    problems_done(&problems);
    json_decref(input);

    refuse_profile(input_of("smtp", TOKEN("https://t/1", "client_credentials", "")), stored,
                   "oauth.refresh_token", "null", "is kept");
    profile = accept_profile(
        input_of("smtp", TOKEN("https://t/1", "client_credentials", ", 'refresh_token': null")),
        stored, NULL);
    cr_expect_not(profile->secret_set[SECRET_OAUTH_REFRESH_TOKEN]);
    profile_free(&profile);
    profile = accept_profile(input_of("smtp", "'oauth': null"), stored, NULL);
    cr_expect_not(profile->secret_set[SECRET_OAUTH_CLIENT_SECRET]);
    profile_free(&profile);
    profile_free(&stored);
}

Test(profile_secret, SP60_api_key)
{
    struct profile *stored =
        accept_profile(input_of("vault", "'servers': ['https://v/x']"), NULL, NULL);
    struct profile *profile;

    profile = accept_profile(json_of("{'name': 'p', 'type': 'mft', 'servers': ['https://v/y']}"),
                             stored, NULL);
    cr_expect_str_eq(profile->secrets[SECRET_API_KEY], "k", "a path is not in SP60's list");
    profile_free(&profile);
    refuse_profile(json_of("{'name': 'p', 'type': 'vault', 'servers': ['http://v/x']}"), stored,
                   "api_key", "the secret again", "http://v:8010/x");
    profile_free(&stored);
}

Test(profile_secret, OP07_an_import_without_a_needed_secret_is_incomplete)
{
    static const struct {
        const char *type, *more, *property;
    } rows[] = {
        { "smtp", "'username': 'u', 'password_set': true", "password" },
        { "vault", "'api_key': null", "api_key" },
        { "core", "'api_key_set': true", "api_key" },
        { "smtp", TOKEN("https://t", "refresh_token", ""), "oauth.refresh_token" },
        { "smtp", TOKEN("https://t", "client_credentials", ""), "oauth.client_secret" },
        { "smtp",
          TOKEN("https://t", "refresh_token", ", 'client_secret_set': true, 'refresh_token': 'r'"),
          "oauth.client_secret" },
    };
    struct problems problems;
    struct profile *profile, *stored = stored_smtp();
    json_t *input;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        input = input_of(rows[i].type, rows[i].more);
        cr_assert_eq(problems_init(&problems), 0);
        profile = profile_from_import(input, NULL, &problems);
        cr_assert_not_null(profile, "row %zu", i);
        cr_expect(profile->incomplete, "row %zu", i);
        cr_expect_not_null(find_entry(problems.warnings, rows[i].property), "row %zu", i);
        cr_expect_str_eq(profile_unbuilt_protection(profile, 0), "incomplete");
        profile_free(&profile);
        problems_done(&problems);
        json_decref(input);
    }
    cr_assert_eq(problems_init(&problems), 0);
    input = input_of("smtp", SAME ", 'password_set': true");
    profile = profile_from_import(input, stored, &problems);
    cr_assert_not_null(profile);
    cr_expect_not(profile->incomplete, "the binding holds: kept");
    profile_free(&profile);
    json_decref(input);
    input = input_of("smtp", "'servers': ['new'], " REST);
    profile = profile_from_import(input, stored, &problems);
    cr_assert_not_null(profile);
    cr_expect(profile->incomplete, "the binding does not hold: entered again later");
    cr_expect_not(profile->secret_set[SECRET_PASSWORD]);
    profile_free(&profile);
    json_decref(input);
    problems_done(&problems);
    profile_free(&stored);
}
