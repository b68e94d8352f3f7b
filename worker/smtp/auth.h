/* worker/smtp/auth.h: logging in at a server (SP34): which mechanism, and what is said in it.
 *
 * GNU SASL does the mechanisms. Strongest first: SCRAM-SHA-256, CRAM-MD5, PLAIN, LOGIN. With an
 * OAuth token there is XOAUTH2 only, which that library lacks: one line, and a server that refuses
 * it sends its reasons as a challenge, which is answered with an empty line. Whether a password may
 * be sent at all is not decided here (SP33). What is written holds secrets: whoever gets it wipes
 * it. */
#ifndef WORKER_SMTP_AUTH_H
#define WORKER_SMTP_AUTH_H

#include <stdbool.h>
#include <stddef.h>

#include "common/reason.h"

enum smtp_mechanism { /* the strongest first */
                      SMTP_AUTH_SCRAM_SHA_256,
                      SMTP_AUTH_CRAM_MD5,
                      SMTP_AUTH_PLAIN,
                      SMTP_AUTH_LOGIN,
                      SMTP_AUTH_XOAUTH2, /* with a token in the place of the password */
                      SMTP_MECHANISM_COUNT
};

const char *smtp_mechanism_name(enum smtp_mechanism mechanism); /* "PLAIN" */
/* The one that an EHLO line names, SMTP_MECHANISM_COUNT: none of these. */
enum smtp_mechanism smtp_mechanism_of(const char *name, size_t bytes);

struct smtp_auth;

/* SCRAM has the client hash the password as often as the server likes: more often than this is
 * refused, as the loop would stand still meanwhile. */
#define SMTP_SCRAM_ROUNDS_MAX 20000U

/* Those that do not do with this kind of secret. */
#define SMTP_AUTH_NOT_WITH_PASSWORD (1U << SMTP_AUTH_XOAUTH2)
#define SMTP_AUTH_NOT_WITH_TOKEN    (SMTP_AUTH_NOT_WITH_PASSWORD - 1)

/* The strongest of those offered (bit = mechanism) that are not refused yet. COUNT: none is left.
 */
enum smtp_mechanism smtp_auth_choose(unsigned offered, unsigned refused);

/* 0, or -ENOMEM. Both texts are borrowed until smtp_auth_free(). */
int smtp_auth_new(enum smtp_mechanism mechanism, const char *username, const char *password,
                  struct smtp_auth **ret_auth);
void smtp_auth_free(struct smtp_auth **auth); /* NULL inside is allowed */

/* What goes along with the AUTH command, in base64; NULL: nothing does. free(), wiped. 0, -ENOMEM
 * or another negative errno with the reason. */
int smtp_auth_begin(struct smtp_auth *auth, char **ret_text, struct reason *reterr_why);
/* The answer to a challenge (the text of a 334), in base64. free(), wiped. The same. */
int smtp_auth_answer(struct smtp_auth *auth, const char *challenge, char **ret_text,
                     struct reason *reterr_why);
/* The server says that we are in. False: it has not shown that it knows the password, although this
 * mechanism would have it do so. */
bool smtp_auth_is_complete(const struct smtp_auth *auth);

/* Overwritten before it is freed. NULL is allowed. */
void smtp_auth_wipe(char *text);

#endif
