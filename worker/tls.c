#include "worker/tls_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

/* ---- errors ---- */

void tls_take_error(const char *otherwise, struct reason *ret_why)
{
    const char *text = NULL;
    unsigned long code;

    while ((code = ERR_get_error()) != 0) {
        const char *reason = ERR_reason_error_string(code);

        text = reason != NULL ? reason : text;
    }
    reason_format(ret_why, "%s", text != NULL ? text : otherwise);
}

static int fail(int err, const char *what, const char *name, struct reason *reterr_why)
{
    struct reason why;

    tls_take_error(err == -ENOMEM ? "out of memory" : "unknown error", &why);
    return reason_set(reterr_why, err, "%s%s%s: %s", what, name[0] != '\0' ? " " : "", name,
                      why.text);
}

/* ---- trust ---- */

static int add_pem(X509_STORE *store, const char *pem, struct reason *reterr_why)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    unsigned count = 0;
    bool is_good = true;
    X509 *ca;

    if (bio == NULL)
        return fail(-ENOMEM, "the profile's ca", "", reterr_why);
    while (is_good && (ca = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
        is_good = X509_STORE_add_cert(store, ca) == 1;
        X509_free(ca);
        count++;
    }
    BIO_free(bio);
    if (!is_good || count == 0)
        return fail(-EINVAL, "the profile's ca", "", reterr_why);
    ERR_clear_error(); /* the end of the text is told as an error */
    return 0;
}

static int set_trust(SSL_CTX *ctx, const struct tls_trust *trust, struct reason *reterr_why)
{
    X509_STORE *store = SSL_CTX_get_cert_store(ctx);

    if (trust->ca_file[0] == '\0') {
        if (X509_STORE_set_default_paths(store) != 1)
            return fail(-EINVAL, "the system's CAs", "", reterr_why);
    } else if (X509_STORE_load_file(store, trust->ca_file) != 1) {
        return fail(-EINVAL, "the CAs in", trust->ca_file, reterr_why);
    }
    return trust->ca_extra != NULL ? add_pem(store, trust->ca_extra, reterr_why) : 0;
}

int tls_expect(X509_VERIFY_PARAM *param, const char *host)
{
    if (X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1)
        return 0;
    ERR_clear_error();
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return X509_VERIFY_PARAM_set1_host(param, host, 0) == 1 ? 1 : -ENOMEM;
}

/* ---- our own certificate ---- */

static int set_identity(SSL_CTX *ctx, const struct tls_identity *identity,
                        struct reason *reterr_why)
{
    if (identity->certificate[0] == '\0')
        return 0;
    if (SSL_CTX_use_certificate_chain_file(ctx, identity->certificate) != 1)
        return fail(-EINVAL, "the certificate in", identity->certificate, reterr_why);
    if (SSL_CTX_use_PrivateKey_file(ctx, identity->key, SSL_FILETYPE_PEM) != 1)
        return fail(-EINVAL, "the key in", identity->key, reterr_why);
    if (SSL_CTX_check_private_key(ctx) != 1)
        return fail(-EINVAL, "the key does not belong to the certificate in", identity->certificate,
                    reterr_why);
    return 0;
}

/* ---- contexts ---- */

static struct tls_context *context_new(const SSL_METHOD *method)
{
    struct tls_context *context = calloc(1, sizeof(*context));

    if (context == NULL)
        return NULL;
    context->holders = 1;
    context->ssl_ctx = SSL_CTX_new(method);
    if (context->ssl_ctx == NULL ||
        SSL_CTX_set_min_proto_version(context->ssl_ctx, TLS1_2_VERSION) != 1) {
        tls_release(context);
        return NULL;
    }
    /* SMTP says itself where something ends; a peer that closes without a farewell is no news. */
    (void)SSL_CTX_set_options(context->ssl_ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                                    SSL_OP_IGNORE_UNEXPECTED_EOF);
    (void)SSL_CTX_set_mode(context->ssl_ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                                 SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                                 SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(context->ssl_ctx, 1); /* one read for a record, not two */
    return context;
}

int tls_client_new(const struct tls_trust *trust, const struct tls_identity *identity,
                   unsigned servers, struct tls_context **ret_context, struct reason *reterr_why)
{
    struct tls_context *context = context_new(TLS_client_method());
    int err;

    if (context == NULL)
        return fail(-ENOMEM, "TLS", "", reterr_why);
    context->servers = servers;
    context->tickets = calloc(servers, sizeof(*context->tickets));
    if (context->tickets == NULL) {
        tls_release(context);
        return reason_set(reterr_why, -ENOMEM, "out of memory");
    }
    tls_watch_sessions(context);
    err = set_trust(context->ssl_ctx, trust, reterr_why);
    if (err == 0)
        err = set_identity(context->ssl_ctx, identity, reterr_why);
    if (err < 0) {
        tls_release(context);
        return err;
    }
    *ret_context = context;
    return 0;
}

int tls_server_new(const struct tls_identity *identity, struct tls_context **ret_context,
                   struct reason *reterr_why)
{
    struct tls_context *context = context_new(TLS_server_method());
    int err;

    if (context == NULL)
        return fail(-ENOMEM, "TLS", "", reterr_why);
    (void)SSL_CTX_set_options(context->ssl_ctx, SSL_OP_CIPHER_SERVER_PREFERENCE);
    err = set_identity(context->ssl_ctx, identity, reterr_why);
    if (err < 0) {
        tls_release(context);
        return err;
    }
    *ret_context = context;
    return 0;
}

int64_t tls_ends_s(const struct tls_context *context)
{
    const X509 *certificate = SSL_CTX_get0_certificate(context->ssl_ctx);

    return certificate != NULL ? tls_certificate_ends_s(certificate) : 0;
}

struct tls_context *tls_hold(struct tls_context *context)
{
    context->holders++;
    return context;
}

void tls_release(struct tls_context *context)
{
    if (context == NULL || --context->holders > 0)
        return;
    for (unsigned i = 0; context->tickets != NULL && i < context->servers; i++)
        tls_forget_sessions(context, i);
    free(context->tickets);
    SSL_CTX_free(context->ssl_ctx);
    free(context);
}
