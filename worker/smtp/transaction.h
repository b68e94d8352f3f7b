/* worker/smtp/transaction.h: one message to some recipients over a session that is ready.
 *
 * Embedded in its owner, which fills the first part and calls smtp_transaction_start(). Each
 * recipient's verdict stands in its smtp_rcpt as soon as its reply was read; on_done ends the
 * transaction, exactly once, in the handler that read the final reply, never from inside a call.
 *
 * With PIPELINING everything up to DATA leaves in one write; the replies come in the order of the
 * states, so that the state machine is the queue of expected replies. The content never leaves
 * before DATA's 354, which comes after MAIL's reply and an accepted recipient (SP22's last rule).
 */
#ifndef WORKER_SMTP_TRANSACTION_H
#define WORKER_SMTP_TRANSACTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "worker/smtp/outcome.h"
#include "worker/smtp/reply.h"

struct smtp_connection;
struct smtp_extensions;
struct smtp_transaction;

struct smtp_body {
    const char *data; /* as received: unstuffed, CRLF line ends; sent by reference */
    size_t bytes;
    unsigned flags; /* enum spooler_body_flag */
    /* Keeps the memory for an output buffer that refers to it: what hold() returns is given to
     * release() once, when the buffer is done with it. NULL from hold(): no memory. */
    void *(*hold)(void *arg);
    void (*release)(const void *data, size_t bytes, void *held);
    void *arg;
    /* What is written before and behind it, copied as it leaves; the head ends with CRLF, the tail
     * begins and ends with one. */
    const char *head, *tail;
    size_t head_bytes, tail_bytes;
};

/* All of it. */
static inline size_t smtp_body_bytes(const struct smtp_body *body)
{
    return body->head_bytes + body->bytes + body->tail_bytes;
}

struct smtp_rcpt {
    const char *address;
    enum smtp_verdict verdict; /* GO_ON: accepted, or not asked */
};

struct smtp_result { /* good until the transaction is started again */
    /* For the accepted recipients: DELIVERED, REFUSED, DEFERRED, LOST; for those not settled by a
     * verdict of their own: FAILED, RESTART, NO_ROOM. GO_ON: nobody was accepted, all have their
     * own verdict. */
    enum smtp_verdict verdict;
    enum smtp_point point;
    enum smtp_event event;
    const struct smtp_reply *reply; /* NULL: none led to this */
    bool is_usable;                 /* the connection is ready for another transaction */
};

struct smtp_transaction_ops {
    /* rcpts[index].verdict was set, not to GO_ON. */
    void (*on_rcpt)(unsigned index, const struct smtp_reply *reply, void *owner);
    /* May start the transaction again, on this connection if is_usable. */
    void (*on_done)(const struct smtp_result *result, void *owner);
};

struct smtp_transaction {
    const char *sender; /* "": the null sender */
    struct smtp_body body;
    struct smtp_rcpt *rcpts;
    unsigned rcpt_count; /* at least 1 */
    bool is_crowded;     /* see struct smtp_situation */
    const struct smtp_transaction_ops *ops;
    void *owner;

    /* Private from here on. */
    struct smtp_connection *connection; /* NULL: not under way */
    unsigned state;
    bool is_reused;
    bool is_ahead;      /* everything up to DATA has been sent */
    bool is_mail_taken; /* the server has a transaction open */
    bool has_verdict;   /* MAIL or all RCPTs decided; what is left is only read */
    bool is_cut;        /* the session is of no use any more */
    unsigned asked;     /* recipients whose reply was read */
    struct smtp_rcpt_counts counts;
    int64_t content_ms; /* when the content was asked for (loop time), 0: not yet; for people */
    struct smtp_result result;
    struct smtp_reply decided_by;
    size_t body_at;
};

/* What a server must offer for this message and does not: "8BITMIME", "SMTPUTF8"; NULL: nothing. */
const char *smtp_transaction_lacks(const struct smtp_extensions *extensions, unsigned body_flags);

void smtp_transaction_start(struct smtp_transaction *transaction,
                            struct smtp_connection *connection);

/* The end of the data has left, or may have: what happens now is not undone by cutting. */
bool smtp_transaction_is_past_end(const struct smtp_transaction *transaction);

/* ---- for the connection ---- */

void smtp_transaction_reply(struct smtp_transaction *transaction, const struct smtp_reply *reply);
void smtp_transaction_loss(struct smtp_transaction *transaction, enum smtp_event event);
void smtp_transaction_drained(struct smtp_transaction *transaction);

#endif
