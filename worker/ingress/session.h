/* worker/ingress/session.h: one client's connection; shared by the files of worker/ingress only.
 *
 *                                     MAIL          RCPT            DATA
 *   NEW --> START --EHLO--> READY <---------> MAIL -------> RCPT ----------> BODY
 *    |                        ^  \____RSET, EHLO____________/                 |
 *    | spoke too early        |                                               | CRLF.CRLF
 *    v                        +----------- stored, or not <------------- STORING
 *  START <-- handshake -- SECURING <-- STARTTLS -- READY
 *  CLOSED <--- QUIT, end of file, deadline, too many errors: from anywhere
 *
 * What a state waits for and for how long is in one table (session.c), what a verb may do where in
 * another (verbs.c). Handlers reply and return the next state; session_go() alone moves. */
#ifndef WORKER_INGRESS_SESSION_H
#define WORKER_INGRESS_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sys/queue.h>

#include "common/address.h"
#include "worker/ingress/transaction.h"

struct client;
struct content;
struct ingress;
struct stream;

enum session_state {
    SESSION_NEW,      /* not greeted yet: who speaks now is no mail server (early talker) */
    SESSION_START,    /* greeted, or secured: not introduced */
    SESSION_READY,    /* introduced, between transactions */
    SESSION_MAIL,     /* a sender */
    SESSION_RCPT,     /* and at least one recipient */
    SESSION_BODY,     /* 354 was sent */
    SESSION_STORING,  /* the spooler has the message; its word is waited for */
    SESSION_SECURING, /* 220 was said to STARTTLS: not a word in clear any more */
    SESSION_CLOSED,
    SESSION_STATE_COUNT
};

struct session {
    LIST_ENTRY(session) all;    /* of the ingress */
    TAILQ_ENTRY(session) fresh; /* in SESSION_NEW */
    struct ingress *ingress;    /* NULL: it is gone, the spooler's word is still to come */
    struct stream *stream;      /* NULL once closed */
    struct client *client;
    struct content *content; /* the message under way, BODY and STORING */
    enum session_state state;
    unsigned depth; /* callbacks on the stack, see leave() in session.c */
    unsigned errors, messages;
    bool is_esmtp;    /* EHLO, not HELO */
    bool is_secured;  /* in TLS */
    bool is_skipping; /* the rest of a line that was too long */
    bool is_waiting;  /* the spooler has no room for more of the content just now */
    bool is_storing;  /* the spooler will call: the session must not go before */
    int64_t transaction_limit_ms;
    struct transaction transaction;
    char client_text[ADDRESS_TEXT_SIZE]; /* without port */
    char helo[256];
};

/* ---- session.c ---- */

/* A session on an accepted socket, which it owns; it is greeted in the next turn of the loop. NULL:
 * no memory, or the client has gone already; the socket is closed. */
struct session *session_new(struct ingress *ingress, int fd);

/* Sends the greeting, unless the client spoke first. */
void session_greet(struct session *session);

/* Sends it away with this reply, if it may be interrupted (not while storing). */
void session_dismiss(struct session *session, const char *reply);

/* Cuts it without a word; it may live on until the spooler has called. */
void session_cut(struct session *session);

/* For callbacks that are not the stream's: moves, then takes the input that waited meanwhile. A
 * closed session is freed when nothing holds it any more. */
void session_move_on(struct session *session, enum session_state next);

/* ---- reply.c ---- */

/* "250 2.0.0 Ok": one line, without CRLF. */
void session_reply(struct session *session, const char *line);
void session_replyf(struct session *session, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The same for a 4xx or 5xx: it is logged, and a 5xx counts as an error of the client. `subject` is
 * what it was about (an address, a line), NULL: nothing. */
void session_refuse(struct session *session, const char *subject, const char *line);

/* The same for what is, or would have been, mail: a sender, a recipient, a message, a connection
 * that is sent away. It is counted. */
void session_refuse_mail(struct session *session, const char *subject, const char *line);

/* ---- verbs.c ---- */

/* Takes one command off the input; returns whether there was one, and where it leads. */
bool session_take_command(struct session *session, enum session_state *ret_next);

/* ---- verb_*.c: one per verb; `argument` as command_parse() left it ---- */

typedef enum session_state session_verb(struct session *session, const char *argument);
session_verb do_ehlo, do_helo, do_mail, do_rcpt, do_data, do_rset, do_noop, do_quit, do_vrfy,
    do_starttls;

/* ---- content.c: the message under way ---- */

/* Reserves room and makes s->content. Replies and returns false if there is none. */
bool session_begin_content(struct session *session);

/* Takes content off the input; returns whether it came to an end, and where that leads. */
bool session_take_content(struct session *session, enum session_state *ret_next);

/* Forgets it, whatever became of it. */
void session_drop_content(struct session *session);

#endif
