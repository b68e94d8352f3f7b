/* HTTPS: whom a request is willing to talk with (SP30, SP32). */
#include "http_stage.h"
#include "tls_helper.h"

static struct tls_paper *ca, *good;

static struct tls_context *make_server(const struct tls_paper *paper)
{
    const struct tls_identity identity = { paper->certificate_file, paper->key_file };
    struct tls_context *context = NULL;
    struct reason why = { "" };

    cr_assert_eq(tls_server_new(&identity, &context, &why), 0, "%s", why.text);
    return context;
}

static void serve(const struct tls_paper *paper)
{
    struct tls_context *context = make_server(paper);

    web_free(&web);
    web = web_new(loop, context);
    tls_release(context);
}

static void setup(void)
{
    ca = tls_issue("ca", NULL, NULL, true, 30);
    good = tls_issue("good", "DNS:web.test, IP:127.0.0.1", ca, false, 20);
    http_stage_begin(ca->certificate_file);
    serve(good);
}

static void teardown(void)
{
    http_stage_end();
    tls_paper_free(&good);
    tls_paper_free(&ca);
}

TestSuite(http_tls, .init = setup, .fini = teardown, .timeout = 60);

static struct asked *get_secure(const char *host)
{
    struct asked *asked = asked_new("https", host, "/");

    asked_run(asked);
    return asked;
}

Test(http_tls, SP30_https_is_tls_from_the_first_byte)
{
    struct asked *asked = get_secure("web.test");

    cr_expect_eq(asked->event, HTTP_ANSWERED, "%s", asked->why);
    cr_expect_str_eq(asked->body, "ok");
    asked_free(&asked);
}

static void expect_refused(const struct tls_paper *paper, const char *why)
{
    struct asked *asked;

    serve(paper);
    asked = get_secure("web.test");
    expect_event(asked, HTTP_TLS_FAILED, why);
    cr_expect_eq(web->requests, 0u, "nothing is said to it");
    asked_free(&asked);
}

Test(http_tls, SP32_what_is_wrong_with_a_certificate_is_said_in_words)
{
    struct tls_paper *other_ca = tls_issue("other-ca", NULL, NULL, true, 30);
    struct tls_paper *unknown = tls_issue("unknown", "DNS:web.test", other_ca, false, 20);
    struct tls_paper *wrong = tls_issue("wrong", "DNS:a.test, DNS:b.test", ca, false, 20);
    struct tls_paper *expired = tls_issue("expired", "DNS:web.test", ca, false, -1);
    struct tls_paper *self_signed = tls_issue("selfsigned", "DNS:web.test", NULL, false, 20);

    expect_refused(wrong, "the certificate is for a.test, b.test, not for web.test");
    expect_refused(expired, "certificate has expired");
    expect_refused(self_signed, "self-signed certificate");
    expect_refused(unknown, "unable to get local issuer certificate");
    tls_paper_free(&self_signed);
    tls_paper_free(&expired);
    tls_paper_free(&wrong);
    tls_paper_free(&unknown);
    tls_paper_free(&other_ca);
}
