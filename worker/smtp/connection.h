/* worker/smtp/connection.h: one SMTP session with a server: from the first address to QUIT.
 *
 * Opening tries the addresses one after the other until one has greeted and answered EHLO. After
 * that the connection is ready: its owner lends it to one transaction after the other
 * (worker/smtp/transaction.h), watches over it in between (a byte or an end that nobody asked for
 * ends it), and at last has it say QUIT.
 *
 * No callback runs from inside a call of this interface, but for on_gone. After on_failed or
 * on_lost the connection is gone; so it is after smtp_connection_quit() and _free(). */
#ifndef WORKER_SMTP_CONNECTION_H
#define WORKER_SMTP_CONNECTION_H

#include <stdbool.h>
#include <stdint.h>

#include "common/profile.h"
#include "common/reason.h"
#include "worker/smtp/auth.h"
#include "worker/smtp/extension.h"
#include "worker/smtp/outcome.h"
#include "worker/smtp/security.h"

struct evbuffer;
struct loop;
struct resolver_answer;
struct smtp_connection;
struct smtp_reply;
struct smtp_transaction;
struct sockaddr;

struct smtp_dial {
    struct loop *loop;
    struct resolver_answer *answer; /* held by the connection while it opens */
    unsigned first;                 /* address to begin with */
    uint16_t port;
    struct profile_timeouts timeouts;
    const char *ehlo_name;         /* borrowed while it opens, as the next */
    const char *source_address;    /* NULL: the system's choice */
    struct smtp_security security; /* what is borrowed in it, as long as it opens */
    /* Runs once when the socket is closed, whoever closed it: for those who count. */
    void (*on_gone)(struct smtp_connection *connection, void *arg);
    void *on_gone_arg;
};

/* What stands in the way of logging in, as far as it can be told apart: for advice. */
enum smtp_login_trouble {
    SMTP_LOGIN_FINE, /* or refused by the server, which has its own words */
    SMTP_LOGIN_NOT_OFFERED,
    SMTP_LOGIN_ONLY_IN_TLS, /* not offered, but STARTTLS is */
    SMTP_LOGIN_NO_COMMON_WAY,
    SMTP_LOGIN_IN_CLEAR,  /* it would be, and must not (SP33) */
    SMTP_LOGIN_TO_ANYONE, /* the certificate does not check out (SP33) */
    SMTP_LOGIN_UNPROVEN,  /* the server let us in without proof of its own */
    SMTP_LOGIN_NO_TOKEN,  /* the token server gave none */
};

struct smtp_failure {
    enum smtp_point point;
    enum smtp_event event;
    unsigned code;                 /* of the last address's reply, 0: none */
    bool is_too_many;              /* the same: it can mean "too many connections" */
    enum tls_fault fault;          /* where TLS is in the way */
    enum smtp_login_trouble login; /* the same for AUTH */
    bool is_busy;                  /* nothing was tried: no more connections may be open */
    const char *text;              /* what happened at each address */
};

struct smtp_connection_ops {
    /* The point was passed: connected (no reply), TLS and certificate (none), greeted, EHLO or
     * HELO, STARTTLS and AUTH accepted; EHLO comes again in TLS. May be NULL. */
    void (*on_step)(enum smtp_point point, const struct smtp_reply *reply, void *owner);
    void (*on_open)(void *owner);
    /* No address of the answer led to a session. */
    void (*on_failed)(const struct smtp_failure *failure, void *owner);
    /* While ready and not lent: the server closed it, or said something. */
    void (*on_lost)(const char *why, void *owner);
    /* The reply to QUIT, or NULL if none came. May be NULL. With on_gone the socket stays until the
     * server's end of it was seen. */
    void (*on_farewell)(const struct smtp_reply *reply, void *owner);
};

/* 0: one of on_open and on_failed follows. Otherwise, with the reason, -EHOSTUNREACH: there is no
 * address that one could begin with; or a shortage (common/shortage.h). Then on_gone does not run.
 */
int smtp_connection_open(const struct smtp_dial *dial, const struct smtp_connection_ops *ops,
                         void *owner, struct smtp_connection **ret_connection,
                         struct reason *reterr_why);

/* The connection changes hands. */
void smtp_connection_set_owner(struct smtp_connection *connection,
                               const struct smtp_connection_ops *ops, void *owner);

/* Says QUIT and waits for the server's end, at most SMTP_QUIT_WAIT_MS; on_farewell is the owner's
 * last callback. One that is still opening does the same without a word to the owner; one that is
 * connecting or lent is cut. */
#define SMTP_QUIT_WAIT_MS 2000
void smtp_connection_quit(struct smtp_connection *connection);

/* Cuts it at once. NULL inside is allowed. Also for one that is saying QUIT, by who counts. */
void smtp_connection_free(struct smtp_connection **connection);

const struct smtp_extensions *smtp_connection_extensions(const struct smtp_connection *connection);
/* Index of its address in the answer it was opened with, and how many there were. */
unsigned smtp_connection_address(const struct smtp_connection *connection);
unsigned smtp_connection_address_count(const struct smtp_connection *connection);
unsigned smtp_connection_transactions(const struct smtp_connection *connection); /* begun so far */
void *smtp_connection_counted_by(const struct smtp_connection *connection);      /* on_gone_arg */
const char *smtp_connection_peer(const struct smtp_connection *connection);
const struct sockaddr *smtp_connection_peer_address(const struct smtp_connection *connection);
/* The mechanism by which we logged in, NULL: we did not. */
const char *smtp_connection_login(const struct smtp_connection *connection);
/* NULL: it is in clear. */
const struct tls_facts *smtp_connection_tls(const struct smtp_connection *connection);
/* Why it is in clear although TLS would have been liked (SP31), NULL: it is as it should be. */
const char *smtp_connection_downgrade(const struct smtp_connection *connection);
/* All of that in words: "TLSv1.3 TLS_AES_256_GCM_SHA384, verified, resumed, login by PLAIN"; "" of
 * one in clear that is as it should be. */
#define SMTP_PROTECTION_SIZE 320
const char *smtp_connection_protection(const struct smtp_connection *connection,
                                       char out[SMTP_PROTECTION_SIZE]);
/* How long opening took. */
int64_t smtp_connection_connect_ms(const struct smtp_connection *connection);
int64_t smtp_connection_handshake_ms(const struct smtp_connection *connection);

/* ---- for the transaction ---- */

void smtp_connection_lend(struct smtp_connection *connection, struct smtp_transaction *borrower);
/* The transaction is over, and leaves the session: */
enum smtp_leaves {
    SMTP_LEAVES_CLEAN, /* ready for another one */
    SMTP_LEAVES_RSET,  /* the same, after an RSET */
    SMTP_LEAVES_QUIT,  /* in step, but of no further use: it says QUIT and is gone */
    SMTP_LEAVES_CUT,   /* of no use: it is gone */
};
void smtp_connection_return(struct smtp_connection *connection, enum smtp_leaves leaves);
bool smtp_connection_needs_rset(const struct smtp_connection *connection);
struct evbuffer *smtp_connection_output(struct smtp_connection *connection);
/* Appends; without the memory for it the connection is lost (SMTP_SHORT), as with stream_add(). */
void smtp_connection_add(struct smtp_connection *connection, const void *data, size_t bytes);
void smtp_connection_send(struct smtp_connection *connection); /* output was appended */
bool smtp_connection_is_choked(const struct smtp_connection *connection);
int64_t smtp_connection_now_ms(const struct smtp_connection *connection); /* its loop's time */
void smtp_connection_limit_s(struct smtp_connection *connection, unsigned limit_s);
const struct profile_timeouts *smtp_connection_timeouts(const struct smtp_connection *connection);

#endif
