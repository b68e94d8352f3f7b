/* Logging in: the mechanisms against known answers, and a server that does not know the password.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>
#include <gsasl.h>

#include "worker/smtp/auth.h"

static struct smtp_auth *begin(enum smtp_mechanism mechanism, const char *expected)
{
    struct smtp_auth *auth = NULL;
    struct reason why = { "" };
    char *text = NULL;

    cr_assert_eq(smtp_auth_new(mechanism, "tim", "tanstaaftanstaaf", &auth), 0);
    cr_assert_eq(smtp_auth_begin(auth, &text, &why), 0, "%s", why.text);
    if (expected == NULL)
        cr_assert_null(text);
    else if (expected[0] != '*')
        cr_assert_str_eq(text, expected);
    smtp_auth_wipe(text);
    return auth;
}

static void expect_answer(struct smtp_auth *auth, const char *challenge, const char *expected)
{
    struct reason why = { "" };
    char *text = NULL;

    cr_assert_eq(smtp_auth_answer(auth, challenge, &text, &why), 0, "%s", why.text);
    cr_expect_str_eq(text, expected);
    smtp_auth_wipe(text);
}

Test(auth, SP34_PLAIN_says_all_at_once)
{
    struct smtp_auth *auth = begin(SMTP_AUTH_PLAIN, "AHRpbQB0YW5zdGFhZnRhbnN0YWFm");

    cr_expect(smtp_auth_is_complete(auth));
    smtp_auth_free(&auth);
    cr_expect_null(auth);
}

Test(auth, SP34_LOGIN_answers_two_questions)
{
    struct smtp_auth *auth = begin(SMTP_AUTH_LOGIN, NULL);

    expect_answer(auth, "VXNlcm5hbWU6", "dGlt");
    expect_answer(auth, "UGFzc3dvcmQ6", "dGFuc3RhYWZ0YW5zdGFhZg==");
    cr_expect(smtp_auth_is_complete(auth));
    smtp_auth_free(&auth);
}

/* RFC 2195's example. */
Test(auth, SP34_CRAM_MD5_as_its_specification_has_it)
{
    struct smtp_auth *auth = begin(SMTP_AUTH_CRAM_MD5, NULL);

    expect_answer(auth, "PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+",
                  "dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw");
    smtp_auth_free(&auth);
}

/* ---- SCRAM, against the library's other side ---- */

static const char *server_password;

static int on_property(Gsasl *library, Gsasl_session *session, Gsasl_property property)
{
    (void)library;
    if (property == GSASL_PASSWORD)
        return gsasl_property_set(session, property, server_password);
    return GSASL_NO_CALLBACK;
}

/* How far it gets: the answer to the server's last word. */
static int scram(const char *password, bool *ret_complete)
{
    struct smtp_auth *auth = NULL;
    struct reason why = { "" };
    char *ours = NULL, *theirs = NULL;
    Gsasl_session *server;
    Gsasl *library;
    int rc, err;

    server_password = password;
    gsasl_init(&library);
    gsasl_callback_set(library, on_property);
    cr_assert_eq(gsasl_server_start(library, "SCRAM-SHA-256", &server), GSASL_OK);
    cr_assert_eq(smtp_auth_new(SMTP_AUTH_SCRAM_SHA_256, "tim", "tanstaaftanstaaf", &auth), 0);
    err = smtp_auth_begin(auth, &ours, &why);
    *ret_complete = smtp_auth_is_complete(auth);
    cr_assert_not(*ret_complete, "the server has shown nothing yet");
    do {
        rc = gsasl_step64(server, ours, &theirs);
        smtp_auth_wipe(ours);
        ours = NULL;
        if (rc != GSASL_OK && rc != GSASL_NEEDS_MORE)
            break;
        err = smtp_auth_answer(auth, theirs, &ours, &why);
        gsasl_free(theirs);
    } while (err == 0 && rc == GSASL_NEEDS_MORE);
    *ret_complete = smtp_auth_is_complete(auth);
    smtp_auth_wipe(ours);
    smtp_auth_free(&auth);
    gsasl_finish(server);
    gsasl_done(library);
    return rc == GSASL_OK ? err : -EACCES;
}

Test(auth, SP34_SCRAM_lets_each_know_that_the_other_knows)
{
    bool is_complete;

    cr_expect_eq(scram("tanstaaftanstaaf", &is_complete), 0);
    cr_expect(is_complete);
    cr_expect_neq(scram("another", &is_complete), 0);
    cr_expect_not(is_complete);
}

Test(auth, SP34_a_challenge_that_makes_no_sense_is_an_error_with_the_mechanisms_name)
{
    struct smtp_auth *auth = begin(SMTP_AUTH_SCRAM_SHA_256, "*");
    struct reason why = { "" };
    char *text = NULL;

    cr_expect_eq(smtp_auth_answer(auth, "bm9uc2Vuc2U=", &text, &why), -EBADMSG);
    cr_expect_null(text);
    cr_expect_not_null(strstr(why.text, "SCRAM-SHA-256: "), "%s", why.text);
    smtp_auth_free(&auth);
    auth = begin(SMTP_AUTH_SCRAM_SHA_256, "*");
    cr_expect_eq(smtp_auth_answer(auth, "%%%", &text, &why), -EBADMSG, "no base64");
    smtp_auth_free(&auth);
}

/* r=<what we said>, s=c2FsdA==, i=2147483647 */
Test(auth, SP34_no_server_makes_us_hash_for_hours)
{
    struct smtp_auth *auth = NULL;
    struct reason why = { "" };
    char *ours = NULL, *text = NULL, *plain = NULL, *challenge = NULL, first[300];
    size_t bytes;

    cr_assert_eq(smtp_auth_new(SMTP_AUTH_SCRAM_SHA_256, "tim", "tanstaaftanstaaf", &auth), 0);
    cr_assert_eq(smtp_auth_begin(auth, &ours, &why), 0);
    cr_assert_eq(gsasl_base64_from(ours, strlen(ours), &plain, &bytes), GSASL_OK);
    snprintf(first, sizeof(first), "r=%.*sx,s=c2FsdA==,i=2147483647",
             (int)(bytes - (size_t)(strstr(plain, "r=") + 2 - plain)), strstr(plain, "r=") + 2);
    cr_assert_eq(gsasl_base64_to(first, strlen(first), &challenge, &bytes), GSASL_OK);
    cr_expect_eq(smtp_auth_answer(auth, challenge, &text, &why), -EBADMSG);
    cr_expect_not_null(strstr(why.text, "2147483647 rounds"), "%s", why.text);
    gsasl_free(plain);
    gsasl_free(challenge);
    smtp_auth_wipe(ours);
    smtp_auth_free(&auth);
}

Test(auth, SP34_the_strongest_that_is_offered_and_not_refused)
{
    static const unsigned all = (1U << SMTP_MECHANISM_COUNT) - 1;
    unsigned refused = 0;

    for (unsigned i = 0; i < SMTP_MECHANISM_COUNT; i++) {
        cr_expect_eq(smtp_auth_choose(all, refused), i);
        refused |= 1U << i;
    }
    cr_expect_eq(smtp_auth_choose(all, refused), SMTP_MECHANISM_COUNT);
    cr_expect_eq(smtp_auth_choose(0, 0), SMTP_MECHANISM_COUNT);
    cr_expect_eq(smtp_mechanism_of("scram-sha-256", 13), SMTP_AUTH_SCRAM_SHA_256);
    cr_expect_eq(smtp_mechanism_of("SCRAM-SHA-256-PLUS", 18), SMTP_MECHANISM_COUNT);
    cr_expect_eq(smtp_mechanism_of("PLAINER", 5), SMTP_AUTH_PLAIN, "as many bytes as it has");
}

Test(auth, SP34_XOAUTH2_says_all_at_once_and_nothing_to_a_refusal)
{
    struct smtp_auth *auth = begin(SMTP_AUTH_XOAUTH2, "dXNlcj10aW0BYXV0aD1CZWFyZXIgdGFuc3RhYWZ0"
                                                      "YW5zdGFhZgEB");
    struct reason why = { "" };
    char *text = NULL;

    cr_assert_eq(smtp_auth_answer(auth, "eyJzdGF0dXMiOiI0MDEifQ==", &text, &why), 0);
    cr_assert_null(text, "an empty line");
    cr_expect(smtp_auth_is_complete(auth));
    smtp_auth_free(&auth);
}

Test(auth, SP34_a_token_is_for_XOAUTH2_only)
{
    const unsigned all = (1U << SMTP_MECHANISM_COUNT) - 1;

    cr_expect_eq(smtp_auth_choose(all, SMTP_AUTH_NOT_WITH_TOKEN), SMTP_AUTH_XOAUTH2);
    cr_expect_eq(smtp_auth_choose(1U << SMTP_AUTH_XOAUTH2, SMTP_AUTH_NOT_WITH_PASSWORD),
                 SMTP_MECHANISM_COUNT);
}
