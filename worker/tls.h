/* worker/tls.h: what a TLS session is made with (SP30 to SP32): trusted CAs, our own certificate,
 * and for sessions with servers what may be resumed.
 *
 * Contexts are for the loop's thread only. worker/stream_tls.c is who talks with them. TLS 1.2 is
 * the floor; no renegotiation, no compression. */
#ifndef WORKER_TLS_H
#define WORKER_TLS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/reason.h"

struct tls_context; /* counted; made by one of the two below */

struct tls_trust {
    const char *ca_file;  /* the configuration's, "": the system's CAs */
    const char *ca_extra; /* PEM: trusted as well, NULL: none */
};

struct tls_identity {        /* files in PEM; "": none */
    const char *certificate; /* the chain, our own first */
    const char *key;
};

/* For sessions with the servers of one profile version; `servers`: how many, sessions are kept for
 * each. 0, -EINVAL (what is in the files or the PEM is not right), another negative errno, with the
 * reason. */
int tls_client_new(const struct tls_trust *trust, const struct tls_identity *identity,
                   unsigned servers, struct tls_context **ret_context, struct reason *reterr_why);

/* For sessions with clients. */
int tls_server_new(const struct tls_identity *identity, struct tls_context **ret_context,
                   struct reason *reterr_why);

/* Unix time at which its own certificate ends, 0: it has none. */
int64_t tls_ends_s(const struct tls_context *context);

struct tls_context *tls_hold(struct tls_context *context);
void tls_release(struct tls_context *context); /* NULL is allowed */

/* Whom a session is to be with. */
struct tls_server {
    const char *host; /* the name, or the address, that the certificate should be for */
    unsigned index;   /* in the profile: whose sessions are resumed */
};

/* What stands in the way of a session, as far as it can be told apart: for advice. */
enum tls_fault {
    TLS_NO_FAULT, /* or none of these */
    TLS_NOT_SPOKEN,
    TLS_WANTS_CLIENT_CERTIFICATE,
    TLS_NO_COMMON_WAY, /* version, cipher */
    TLS_UNKNOWN_ISSUER,
    TLS_SELF_SIGNED,
    TLS_WRONG_NAME,
    TLS_EXPIRED,
    TLS_NOT_YET_VALID,
};

#define TLS_WHY_SIZE 240

/* What is known of a session, for people: good for as long as the stream is. */
struct tls_facts {
    const char *version; /* "TLSv1.3" */
    const char *cipher;
    bool is_resumed;
    bool is_verified;           /* the chain is trusted and the name is right */
    char why_not[TLS_WHY_SIZE]; /* "": it is */
    enum tls_fault fault;       /* the same for advice */
    char subject[TLS_WHY_SIZE]; /* names in the peer's certificate, "": it has shown none */
    int64_t ends_s;             /* Unix time at which that certificate ends, 0: none */
};

/* ---- for a library that makes its own sessions (libcurl) ---- */

struct tls_lent;

/* Makes `ssl_ctx`, that library's SSL_CTX, insist on what ours do for a session with `host`: the
 * floor, the context's trust, chain and name verified. NULL: no memory. */
struct tls_lent *tls_lend(const struct tls_context *context, void *ssl_ctx, const char *host);
/* What is wrong with the certificate it was shown; NULL: nothing so far. */
const char *tls_lent_why(const struct tls_lent *lent);
/* The library's context may live on. NULL inside is allowed. */
void tls_lent_free(struct tls_lent **lent);

/* In words: an error code of OpenSSL's that ended a handshake, 0: the peer just closed. */
const char *tls_explain(unsigned long code);

#endif
