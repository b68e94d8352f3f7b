/* worker/tls_private.h: what tls.c (contexts), tls_sessions.c (resumption), tls_facts.c (who it is)
 * tls_lent.c (another library's sessions) and stream_tls.c (bytes) share. */
#ifndef WORKER_TLS_PRIVATE_H
#define WORKER_TLS_PRIVATE_H

#include <openssl/ssl.h>

#include "worker/tls.h"

#define TLS_TICKETS_KEPT 8 /* as many connections may begin side by side and resume */

struct tls_tickets { /* sessions that may be resumed, the newest last */
    SSL_SESSION *kept[TLS_TICKETS_KEPT];
    unsigned count;
};

struct tls_context {
    SSL_CTX *ssl_ctx;
    unsigned holders;
    unsigned servers;            /* 0: it is for sessions with clients */
    struct tls_tickets *tickets; /* of each server */
};

/* "reason of the last error", the error queue is empty afterwards. */
void tls_take_error(const char *otherwise, struct reason *ret_why);

/* A session to begin with, or NULL; it is used once (TLS 1.3 tickets are not to be used twice). */
void tls_offer_session(struct tls_context *context, SSL *ssl, unsigned server);
void tls_forget_sessions(struct tls_context *context, unsigned server);
/* New tickets of sessions made with `ssl` are kept for this server. */
int tls_keep_sessions(struct tls_context *context, SSL *ssl, unsigned server);
int64_t tls_certificate_ends_s(const X509 *certificate);
/* Who the certificate has to be for: 1 a name, 0 an address, which is looked for among addresses,
 * or -ENOMEM. */
int tls_expect(X509_VERIFY_PARAM *param, const char *host);
/* The names in it. */
void tls_read_subject(const X509 *certificate, char out[TLS_WHY_SIZE]);
/* Why it was not verified; `result` is OpenSSL's, the subject is filled in. */
void tls_write_fault(long result, const char *host, struct tls_facts *facts);
/* What an error of OpenSSL's means for a handshake. */
enum tls_fault tls_error_fault(unsigned long code);
#define TLS_WORDS_NOT_SPOKEN "what came is not TLS"
#define TLS_WORDS_CLOSED     "the connection was closed during the handshake"
/* What the session turned out to be. */
void tls_read_facts(const SSL *ssl, const struct tls_server *server, struct tls_facts *ret_facts);
/* Once, when a context is made. */
void tls_watch_sessions(struct tls_context *context);

#endif
