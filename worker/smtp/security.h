/* worker/smtp/security.h: how a session with a server is protected, and who we say we are (SP05,
 * SP06, SP30 to SP33). */
#ifndef WORKER_SMTP_SECURITY_H
#define WORKER_SMTP_SECURITY_H

#include <stdbool.h>

#include "worker/tls.h"

struct profile;
struct tls_keeper;
struct tokens;
struct worker_profile;

enum smtp_tls {
    SMTP_TLS_NEVER,
    SMTP_TLS_IF_OFFERED, /* and in clear when there is none, or it fails */
    SMTP_TLS_REQUIRED,   /* with STARTTLS */
    SMTP_TLS_AT_ONCE,    /* smtps:// */
};

struct smtp_security {
    enum smtp_tls tls;
    bool must_verify;            /* a certificate that does not check out is a failure */
    struct tls_context *context; /* a connection holds it; NULL: none is needed */
    struct tls_server server;    /* its host, too */
    const char *username;        /* borrowed while the session is opened, as the next; NULL: none */
    const char *password;
    bool may_be_anyone; /* the password may go to a certificate that does not check out */
    /* In the place of the password an OAuth token of this profile, NULL: none. */
    const struct profile *token_of;
    struct tokens *tokens;
    bool is_token_own; /* not the one that all workers share */
};

/* What the profile asks for at this server; without the context, and where tokens are. */
struct smtp_security smtp_security_of(const struct profile *profile, unsigned server);
/* With it, if one is needed. 0 or a negative errno with the reason (worker/tls.h). */
int smtp_security_get(const struct tls_keeper *keeper, struct worker_profile *profile,
                      unsigned server, struct smtp_security *ret_security,
                      struct reason *reterr_why);

#endif
