#include "master/console/tls.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include <event2/bufferevent_ssl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

struct tls {
    SSL_CTX *context;
};

static int failed(struct reason *reterr_why, const char *what)
{
    unsigned long code = ERR_peek_last_error();
    const char *why = code != 0 ? ERR_reason_error_string(code) : NULL;

    ERR_clear_error();
    return reason_set(reterr_why, -EINVAL, "%s: %s", what, why ? why : "not in order");
}

/* The first is its own, the others lead to the authority. */
static bool use_chain(SSL_CTX *context, BIO *pem)
{
    X509 *certificate = PEM_read_bio_X509(pem, NULL, NULL, NULL);
    bool is_done = certificate && SSL_CTX_use_certificate(context, certificate) == 1;

    X509_free(certificate);
    while (is_done && (certificate = PEM_read_bio_X509(pem, NULL, NULL, NULL)) != NULL)
        if (SSL_CTX_add0_chain_cert(context, certificate) != 1) {
            X509_free(certificate);
            is_done = false;
        }
    if (is_done)
        ERR_clear_error(); /* the end of the text is one */
    return is_done;
}

static bool use_key(SSL_CTX *context, BIO *pem)
{
    EVP_PKEY *key = PEM_read_bio_PrivateKey(pem, NULL, NULL, (void *)"");
    bool is_done =
        key && SSL_CTX_use_PrivateKey(context, key) == 1 && SSL_CTX_check_private_key(context) == 1;

    EVP_PKEY_free(key);
    return is_done;
}

/* Browsers speak HTTP/1.1 over TLS unless they are told of more: nobody is. */
static bool set_rules(SSL_CTX *context)
{
    SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                                     SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    return SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
           SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1;
}

int tls_new(const char *certificate, const char *key, struct tls **ret_tls,
            struct reason *reterr_why)
{
    struct tls *tls = calloc(1, sizeof(*tls));
    BIO *chain_pem = BIO_new_mem_buf(certificate, -1), *key_pem = BIO_new_mem_buf(key, -1);
    int err = 0;

    if (tls)
        tls->context = SSL_CTX_new(TLS_server_method());
    if (!tls || !tls->context || !chain_pem || !key_pem || !set_rules(tls->context))
        err = failed(reterr_why, "TLS");
    else if (!use_chain(tls->context, chain_pem))
        err = failed(reterr_why, "the console's certificate");
    else if (!use_key(tls->context, key_pem))
        err = failed(reterr_why, "the console's private key");
    BIO_free(chain_pem);
    BIO_free(key_pem);
    if (err < 0)
        tls_free(&tls);
    else
        *ret_tls = tls;
    return err;
}

void tls_free(struct tls **tls)
{
    if (*tls)
        SSL_CTX_free((*tls)->context);
    free(*tls);
    *tls = NULL;
}

struct bufferevent *tls_transport(struct tls *tls, struct event_base *base)
{
    SSL *ssl = SSL_new(tls->context);
    struct bufferevent *bev;

    if (!ssl)
        return NULL;
    bev = bufferevent_openssl_socket_new(base, -1, ssl, BUFFEREVENT_SSL_ACCEPTING,
                                         BEV_OPT_CLOSE_ON_FREE);
    /* Browsers cut connections without a word; requests have lengths of their own. */
    if (bev)
        bufferevent_openssl_set_allow_dirty_shutdown(bev, 1);
    return bev; /* on failure the SSL is freed with it */
}
