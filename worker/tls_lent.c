/* worker/tls_lent.c: sessions that another library makes, by our rules. */
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509_vfy.h>

#include "worker/tls_private.h"

struct tls_lent {
    SSL_CTX *ssl_ctx; /* the library's, held: it is told when we go */
    char *host;
    struct tls_facts facts;
};

/* Where a library's context keeps its struct tls_lent; no other thread is here. */
static int place(void)
{
    static int index = -1;

    if (index < 0)
        index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL);
    return index;
}

/* Runs for each certificate of the chain, and once more for each thing that is wrong. */
static int on_verify(int is_good, X509_STORE_CTX *store_ctx)
{
    const SSL *ssl = X509_STORE_CTX_get_ex_data(store_ctx, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct tls_lent *lent = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), place());
    const X509 *certificate = X509_STORE_CTX_get0_cert(store_ctx);

    if (is_good || lent == NULL)
        return is_good;
    lent->facts.subject[0] = '\0';
    if (certificate != NULL)
        tls_read_subject(certificate, lent->facts.subject);
    tls_write_fault(X509_STORE_CTX_get_error(store_ctx), lent->host, &lent->facts);
    return is_good;
}

/* The store for verifying stands before the context's usual one, which the library fills, shares
 * and keeps as it likes. */
static bool set_up(struct tls_lent *lent, const struct tls_context *context)
{
    SSL_CTX *ssl_ctx = lent->ssl_ctx;

    if (place() < 0 || SSL_CTX_set_ex_data(ssl_ctx, place(), lent) != 1 ||
        SSL_CTX_set_min_proto_version(ssl_ctx, TLS1_2_VERSION) != 1 ||
        tls_expect(SSL_CTX_get0_param(ssl_ctx), lent->host) < 0)
        return false;
    if (SSL_CTX_set1_verify_cert_store(ssl_ctx, SSL_CTX_get_cert_store(context->ssl_ctx)) != 1)
        return false;
    (void)SSL_CTX_set_options(ssl_ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                           SSL_OP_CLEANSE_PLAINTEXT);
    SSL_CTX_set_verify(ssl_ctx, SSL_VERIFY_PEER, on_verify);
    return true;
}

struct tls_lent *tls_lend(const struct tls_context *context, void *ssl_ctx, const char *host)
{
    struct tls_lent *lent = calloc(1, sizeof(*lent));

    if (lent == NULL)
        return NULL;
    lent->host = strdup(host);
    lent->ssl_ctx = ssl_ctx;
    (void)SSL_CTX_up_ref(ssl_ctx);
    if (lent->host == NULL || !set_up(lent, context)) {
        tls_lent_free(&lent);
        ERR_clear_error();
    }
    return lent;
}

const char *tls_lent_why(const struct tls_lent *lent)
{
    return lent->facts.why_not[0] != '\0' ? lent->facts.why_not : NULL;
}

void tls_lent_free(struct tls_lent **lent)
{
    if (*lent == NULL)
        return;
    (void)SSL_CTX_set_ex_data((*lent)->ssl_ctx, place(), NULL);
    SSL_CTX_free((*lent)->ssl_ctx);
    free((*lent)->host);
    free(*lent);
    *lent = NULL;
}

const char *tls_explain(unsigned long code)
{
    const char *words = code != 0 ? ERR_reason_error_string(code) : TLS_WORDS_CLOSED;

    if (code != 0 && tls_error_fault(code) == TLS_NOT_SPOKEN)
        words = TLS_WORDS_NOT_SPOKEN;
    return words != NULL ? words : "TLS failed";
}
