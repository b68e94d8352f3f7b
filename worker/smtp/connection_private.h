/* worker/smtp/connection_private.h: what connection.c (the state machine), connection_dial.c (from
 * the addresses to a socket) and connection_parts.c (what others may see and use) share. */
#ifndef WORKER_SMTP_CONNECTION_PRIVATE_H
#define WORKER_SMTP_CONNECTION_PRIVATE_H

#include "common/reason.h"
#include "worker/smtp/connection.h"
#include "worker/smtp/reply.h"
#include "worker/stream.h"
#include "worker/tokens.h"

struct smtp_transaction;

/*                 +--- next address, or the same in clear (SP31) ---+
 *                 v                                                 |
 *            CONNECTING --> GREETING --> EHLO -(5xx)-> HELO         |
 *                 |             ^         ^ |           |           |
 *       (smtps)   +-> SECURING -+---------+ +- STARTTLS +           |
 *                        ^  |_______________________|___|___________|
 *                        +--------------------------+   |
 *                      ((TOKEN ->) AUTH ->) READY <-----+      lend() / return()
 *                                              |  ^--------------> LENT
 *                          CLOSED <- QUITTING <+ */
enum smtp_connection_state {
    CONNECTING,
    GREETING,
    EHLO,
    HELO,
    STARTTLS,
    SECURING,
    TOKEN,
    AUTH,
    READY,
    LENT,
    QUITTING,
    CLOSED,
    STATE_COUNT
};

struct smtp_connection {
    enum smtp_connection_state state;
    unsigned depth; /* callbacks on the stack, see leave() */
    struct stream *stream;
    struct smtp_dial dial;
    const struct smtp_connection_ops *ops;
    void *owner;
    struct smtp_transaction *borrower;
    struct smtp_reply reply;
    struct smtp_extensions extensions;
    unsigned address; /* index of the one in use */
    unsigned address_count;
    unsigned transactions;
    bool needs_rset;
    bool is_open_told;
    bool is_greeted;
    bool is_proven;          /* the server has said something in TLS */
    bool is_clear;           /* TLS was tried with this address, and failed */
    struct reason downgrade; /* "": none */
    enum tls_fault fault;    /* of the address at hand */
    struct smtp_auth *auth;  /* under way */
    char *said;              /* in it last, NULL: nothing: no reply that repeats it is shown */
    char *first;             /* of it: what the server has yet to ask for */
    struct token_wish wish;
    char *token;           /* OAuth's, while logging in */
    uint64_t token_serial; /* of that */
    bool is_token_new;     /* no other would do any better */
    enum smtp_mechanism mechanism;
    unsigned refused; /* mechanisms (bits) */
    enum smtp_login_trouble login;
    bool is_logged_in;
    int64_t began_ms, connected_ms, ready_ms;
    struct reason failures; /* of the addresses so far */
    struct smtp_failure failure;
};

/* connection.c */
extern const struct stream_callbacks smtp_connection_callbacks;
void smtp_connection_go(struct smtp_connection *connection, enum smtp_connection_state next);
void smtp_connection_close(struct smtp_connection *connection);
void smtp_connection_leave(struct smtp_connection *connection); /* ends what depth++ began */

/* connection_secure.c */

/* After EHLO or HELO was accepted: STARTTLS, READY, or where it is now because it cannot go on. */
enum smtp_connection_state smtp_connection_after_hello(struct smtp_connection *connection);
enum smtp_connection_state smtp_connection_on_starttls(struct smtp_connection *connection);
void smtp_connection_begin_tls(struct smtp_connection *connection);
void smtp_connection_on_secured(void *owner);
/* smtp_connection_fail() for want of TLS, or of trust. */
void smtp_connection_unsafe(struct smtp_connection *connection, enum smtp_point point,
                            enum tls_fault fault, const char *what);
/* TLS broke before the server said a word in it: with TLS 1.3 that is how it refuses a handshake
 * which looked complete from here, for want of a client certificate for example. */
bool smtp_connection_is_shaking(const struct smtp_connection *connection);
/* The handshake failed. True: the talk goes on in clear, over another connection (SP31). */
bool smtp_connection_goes_on_in_clear(struct smtp_connection *connection, const char *what);

/* connection_login.c */

/* All that TLS is to bring is there, or not wanted: TOKEN, AUTH, READY, or where it is because it
 * cannot go on. */
enum smtp_connection_state smtp_connection_before_ready(struct smtp_connection *connection);
void smtp_connection_begin_login(struct smtp_connection *connection);
enum smtp_connection_state smtp_connection_on_auth(struct smtp_connection *connection);
/* What is under way of it goes, overwritten. */
void smtp_connection_forget_login(struct smtp_connection *connection);
void smtp_connection_forget_token(struct smtp_connection *connection); /* or the wish for one */

/* connection.c: the talk ends here, because of what was found, not of a reply. */
void smtp_connection_fail(struct smtp_connection *connection, enum smtp_point point,
                          enum smtp_event event, const char *what);

/* connection_dial.c: the same address once more. */
void smtp_connection_again(struct smtp_connection *connection);

/* connection_dial.c: the address in use failed: goes on with the next, or fails. */
void smtp_connection_next_address(struct smtp_connection *connection, enum smtp_point point,
                                  enum smtp_event event, const char *what);

#endif
