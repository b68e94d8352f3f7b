/* worker/token_fetch.h: an OAuth 2.0 access token from a profile's token server (SP34).
 *
 * Grants: client_credentials (RFC 6749 4.4) and refresh_token (6). The client says who it is in the
 * request's body. The server's certificate is always verified, against the system's CAs and the
 * profile's; with `client_certificate` it is shown the digital ID when it asks (RFC 8705). */
#ifndef WORKER_TOKEN_FETCH_H
#define WORKER_TOKEN_FETCH_H

#include "common/reason.h"

struct http;
struct profile;
struct token_fetch;

#define TOKEN_FETCH_LIMIT_MS 10000
#define TOKEN_MAX_BYTES      8192
#define TOKEN_LIFE_UNSAID_S  300 /* of one whose server does not say how long it lives */
#define TOKEN_LIFE_MAX_S     86400

/* The token and for how many seconds it lives, or NULL and why there is none: words for people,
 * with no secret in them. All is borrowed. The fetch is over: not to be cancelled any more. */
typedef void token_fetched_cb(const char *token, unsigned lives_s, const char *why, void *arg);

/* 0: `done` runs once, not from inside the call, unless it is cancelled before. Otherwise a
 * negative errno with the reason. `profile` is not needed after the call. */
int token_fetch_begin(struct http *http, const struct profile *profile, token_fetched_cb *done,
                      void *arg, struct token_fetch **ret_fetch, struct reason *reterr_why);
void token_fetch_cancel(struct token_fetch **fetch); /* NULL inside is allowed */

#endif
