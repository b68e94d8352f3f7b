/* master/control/cookie.h: the cookie that holds a session's token.
 *
 * With TLS its name begins with __Host-, so that no other host, no other path and no page in clear
 * can set it; in clear (console.plain_http) a browser would not take that name. */
#ifndef MASTER_CONTROL_COOKIE_H
#define MASTER_CONTROL_COOKIE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/random_token.h"

#define COOKIE_SIZE 160

/* The token in a Cookie header (NULL: there is none). False: none, more than one, or one that
 * cannot be ours. */
bool cookie_token(const char *header, bool is_plain, char out_token[RANDOM_TOKEN_SIZE]);

/* For Set-Cookie; `token` NULL: the browser forgets it. */
void cookie_text(const char *token, bool is_plain, char out[COOKIE_SIZE]);

#endif
