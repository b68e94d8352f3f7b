/* HTTPS: whom a request is willing to talk with (SP30, SP32). */
#include "http_stage.h"
#include "tls_helper.h"
#include "worker/tls_private.h"

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

static struct asked *get_with(const char *host, const char *pem, bool is_unverified)
{
    struct asked *asked = asked_new("https", host, "/");

    asked->request.ca = pem;
    asked->request.is_unverified = is_unverified;
    asked_run(asked);
    return asked;
}

static void expect_good(struct asked *asked)
{
    cr_expect_eq(asked->event, HTTP_ANSWERED, "%s", asked->why);
    cr_expect_str_eq(asked->body, "ok");
    asked_free(&asked);
}

static void expect_bad(struct asked *asked, const char *why)
{
    expect_event(asked, HTTP_TLS_FAILED, why);
    asked_free(&asked);
}

Test(http_tls, SP30_https_is_tls_from_the_first_byte)
{
    expect_good(get_secure("web.test"));
    expect_good(get_secure("WEB.test"));
    expect_good(get_secure("web.test"));
    cr_expect_leq(web->connections, 2u, "it is used again");
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

Test(http_tls, SP32_an_address_is_looked_for_among_addresses)
{
    struct tls_paper *named = tls_issue("named", "DNS:127.0.0.1, DNS:web.test", ca, false, 20);

    expect_good(get_secure("127.0.0.1"));
    serve(named);
    expect_bad(get_secure("127.0.0.1"),
               "the certificate is for 127.0.0.1, web.test, not for 127.0.0.1");
    tls_paper_free(&named);
}

Test(http_tls, SP32_a_requests_own_ca_is_trusted_beside_the_configurations)
{
    struct tls_paper *own = tls_issue("own-ca", NULL, NULL, true, 30);
    struct tls_paper *inside = tls_issue("inside", "DNS:web.test", own, false, 20);
    char *pem = tls_pem_of(own);

    expect_good(get_with("web.test", pem, false));
    serve(inside);
    expect_good(get_with("web.test", pem, false));
    tls_paper_free(&inside);
    tls_paper_free(&own);
    free(pem);
}

/* Who trusts less does not speak on the connection of one who trusts more. */
Test(http_tls, SP32_connections_are_for_those_with_the_same_trust)
{
    struct tls_paper *own = tls_issue("own-ca", NULL, NULL, true, 30);
    struct tls_paper *other = tls_issue("other-ca", NULL, NULL, true, 30);
    struct tls_paper *inside = tls_issue("inside", "DNS:web.test", own, false, 20);
    char *pem = tls_pem_of(own), *other_pem = tls_pem_of(other);

    serve(inside);
    expect_good(get_with("web.test", pem, false));
    expect_bad(get_with("web.test", NULL, false), "unable to get local issuer certificate");
    expect_bad(get_with("web.test", other_pem, false), "unable to get local issuer certificate");
    expect_good(get_with("web.test", NULL, true));
    expect_bad(get_with("web.test", NULL, false), "unable to get local issuer certificate");
    expect_bad(get_with("web.test", other_pem, false), "unable to get local issuer certificate");
    cr_expect_eq(web->requests, 2u);
    expect_good(get_with("web.test", pem, false));
    cr_expect_eq(web->connections, 6u, "the last one was one that was kept");
    tls_paper_free(&inside);
    tls_paper_free(&other);
    tls_paper_free(&own);
    free(other_pem);
    free(pem);
}

Test(http_tls, SP32_verification_is_off_only_where_that_was_said)
{
    struct tls_paper *nobody = tls_issue("nobody", "DNS:a.test", NULL, false, -1);

    serve(nobody);
    expect_good(get_with("web.test", NULL, true));
    expect_bad(get_with("web.test", NULL, false), "");
    tls_paper_free(&nobody);
}

Test(http_tls, the_configurations_cas_may_change)
{
    struct tls_paper *later = tls_issue("later-ca", NULL, NULL, true, 30);
    struct tls_paper *paper = tls_issue("later", "DNS:web.test", later, false, 20);

    serve(paper);
    expect_bad(get_secure("web.test"), "unable to get local issuer certificate");
    cr_assert_eq(http_configure(http, later->certificate_file), 0);
    expect_good(get_secure("web.test"));
    serve(good);
    expect_bad(get_secure("web.test"), "unable to get local issuer certificate");
    cr_assert_eq(http_configure(http, NULL), 0);
    expect_bad(get_secure("web.test"), "unable to get local issuer certificate");
    tls_paper_free(&paper);
    tls_paper_free(&later);
}

/* More of them than are remembered. */
Test(http_tls, each_of_many_cas_is_the_right_one)
{
    struct tls_paper *cas[12];
    char *pems[12];

    for (unsigned i = 0; i < 12; i++) {
        char name[16];

        snprintf(name, sizeof(name), "ca-%u", i);
        cas[i] = tls_issue(name, NULL, NULL, true, 30);
        pems[i] = tls_pem_of(cas[i]);
    }
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < 12; i++) {
            struct tls_paper *paper = tls_issue("one", "DNS:web.test", cas[i], false, 20);

            serve(paper);
            expect_bad(get_with("web.test", pems[(i + 1) % 12], false), "local issuer");
            expect_good(get_with("web.test", pems[i], false));
            tls_paper_free(&paper);
        }
    }
    for (unsigned i = 0; i < 12; i++) {
        tls_paper_free(&cas[i]);
        free(pems[i]);
    }
}

/* ---- no session at all ---- */

Test(http_tls, a_server_without_tls_is_told_as_that)
{
    web_free(&web);
    web = web_new(loop, NULL);
    web_on(web, "(connected)", "220 mail.test ESMTP\r\n", -1);
    expect_bad(get_secure("web.test"), "what came is not TLS");
    web->rule_count = 0;
    web_on(web, "(connected)", "!close", -1);
    expect_bad(get_secure("web.test"), "the connection was closed during the handshake");
}

Test(http_tls, SP32_a_server_with_an_old_tls_only_is_refused)
{
    struct tls_context *context = make_server(good);

    SSL_CTX_set_security_level(context->ssl_ctx, 0);
    SSL_CTX_set_min_proto_version(context->ssl_ctx, TLS1_VERSION);
    SSL_CTX_set_max_proto_version(context->ssl_ctx, TLS1_1_VERSION);
    web_free(&web);
    web = web_new(loop, context);
    tls_release(context);
    expect_bad(get_secure("web.test"), "tlsv1 alert protocol version");
    expect_bad(get_with("web.test", NULL, true), "tlsv1 alert protocol version");
}

Test(http_tls, a_connection_that_was_closed_meanwhile_costs_nothing)
{
    expect_good(get_secure("web.test"));
    web_hang_up_all(web);
    expect_good(get_secure("web.test"));
    cr_expect_eq(web->connections, 2u);
}

Test(http_tls, keys_are_written_down_for_nobody)
{
    char path[] = "/tmp/postern-keys-XXXXXX";
    struct reason why = { "" };
    FILE *file;
    int fd = mkstemp(path);

    http_free(&http);
    setenv("SSLKEYLOGFILE", path, 1);
    cr_assert_eq(http_new(loop, resolver, ca->certificate_file, &http, &why), 0);
    expect_good(get_secure("web.test"));
    http_free(&http);
    file = fdopen(fd, "r");
    fseek(file, 0, SEEK_END);
    cr_expect_eq(ftell(file), 0);
    fclose(file);
    unlink(path);
}
