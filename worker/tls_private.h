/* worker/tls_private.h: what tls.c (contexts), tls_sessions.c (resumption), tls_facts.c (who it is)
 * and stream_tls.c (bytes) share. */
#ifndef WORKER_TLS_PRIVATE_H
#define WORKER_TLS_PRIVATE_H

#include <openssl/ssl.h>

#include "worker/tls.h"

struct tls_context {
    SSL_CTX *ssl_ctx;
    unsigned holders;
    unsigned servers;       /* 0: it is for sessions with clients */
    SSL_SESSION **sessions; /* the last one of each server that may be resumed, NULL: none */
};

/* "reason of the last error", the error queue is empty afterwards. */
void tls_take_error(const char *otherwise, struct reason *ret_why);

/* A session to begin with, or NULL; it is used once (TLS 1.3 tickets are not to be used twice). */
void tls_offer_session(struct tls_context *context, SSL *ssl, unsigned server);
void tls_forget_session(struct tls_context *context, unsigned server);
/* New tickets of sessions made with `ssl` are kept for this server. */
int tls_keep_sessions(struct tls_context *context, SSL *ssl, unsigned server);
int64_t tls_certificate_ends_s(const X509 *certificate);
/* What the session turned out to be. */
void tls_read_facts(const SSL *ssl, const struct tls_server *server, struct tls_facts *ret_facts);
/* Once, when a context is made. */
void tls_watch_sessions(struct tls_context *context);

#endif
