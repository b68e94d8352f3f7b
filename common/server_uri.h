/* common/server_uri.h: one server of a profile, written as an RFC 3986 URI (SP12 to SP16).
 *
 * Pure: text in, normalised parts out. Syntax is uriparser's; which parts may be there, and what is
 * assumed for those that are not, is decided here. */
#ifndef COMMON_SERVER_URI_H
#define COMMON_SERVER_URI_H

#include <stdbool.h>
#include <stdint.h>

#include "common/reason.h"

enum profile_type { PROFILE_SMTP, PROFILE_CORE, PROFILE_VAULT, PROFILE_TYPE_COUNT };

enum server_scheme { SERVER_SMTP, SERVER_SMTPS, SERVER_HTTP, SERVER_HTTPS, SERVER_SCHEME_COUNT };

enum server_host_kind { SERVER_HOST_NAME, SERVER_HOST_IPV4, SERVER_HOST_IPV6 };

#define SERVER_URI_MAX 1024 /* bytes of input and of every part of the result */

struct server_uri {
    enum server_scheme scheme;
    enum server_host_kind host_kind;
    uint16_t port;
    bool port_assumed;    /* not in the input: for the warning of SP14 */
    char host[256];       /* A-labels, lower case; IPv6 without brackets */
    char host_shown[768]; /* for people: U-labels where they were typed, otherwise equal to host */
    char path[512];       /* vault only, "" otherwise; never ends in a slash */
    char text[SERVER_URI_MAX]; /* the normalised form: what is stored and compared */
};

/* 0, or -EINVAL with `reterr_component` naming what offends ("scheme", "host", "port", "user info",
 * "path", "query", "fragment", "uri") and `reterr_why` saying what would be right. */
int server_uri_parse(const char *text, enum profile_type type, struct server_uri *ret_uri,
                     const char **reterr_component, struct reason *reterr_why);

/* The same server for people: `text` with the host as typed. */
const char *server_uri_shown(const struct server_uri *uri, char ret_shown[SERVER_URI_MAX]);

/* An address of the web (link_base, token_url): http or https, with a host, without user info and
 * fragment; a query only where `allow_query`. 0 or -EINVAL. */
int server_uri_check_web(const char *text, bool https_only, bool allow_query,
                         struct reason *reterr_why);

/* The host can only be reached from this machine, or this link. */
bool server_uri_is_local(const struct server_uri *uri);

/* What a server is known by between processes and through edits of its profile: made from the
 * normalised form, never 0. */
uint64_t server_uri_identity(const char *text);

const char *server_scheme_name(enum server_scheme scheme);
bool server_uri_is_tls(const struct server_uri *uri); /* TLS from the first byte */

#endif
