/* worker/probe_advice_rest.c: what to do about a Core or a Vault that does not answer as it should.
 */
#include <stdio.h>

#include "worker/probe_advice.h"

static const char *advice_on_key(enum profile_type type, bool has_key)
{
    if (!has_key)
        return "it asks for a key: set `api_key`";
    if (type == PROFILE_VAULT)
        return "the key is wrong or has ended, or its user is disabled: make one in the Vault's "
               "settings (API Keys) and set `api_key`";
    return "the key is wrong, or its user may not do this: ask the Core's administrator, and set "
           "`api_key`";
}

static const char *advice_on_loss(bool is_tls)
{
    return is_tls
               ? "does it want a client certificate (`client_certificate`), or is it another "
                 "service, or broken?"
               : "if this port speaks TLS, write https://; else it is another service, or broken";
}

static const char *advice_for(const struct server_uri *server, enum profile_type type, bool has_key,
                              enum rest_trouble trouble)
{
    const bool is_vault = type == PROFILE_VAULT, is_tls = server_uri_is_tls(server);

    switch (trouble) {
    case REST_KEY: return advice_on_key(type, has_key);
    case REST_PLACE:
        return is_vault ? "is it a Vault, and is the path right? Its API is at /vault_rest, if "
                          "nobody has moved it"
                        : "is it a Core? Check host and port";
    case REST_ELSEWHERE:
        return is_tls
                   ? "it sends us elsewhere, where we do not follow: write the server as what it "
                     "leads to"
                   : "it sends us elsewhere, where we do not follow: write https://, or the "
                     "server as what it leads to";
    case REST_OTHER_KIND:
        return is_vault ? "another service is there: check host, port and path (/vault_rest)"
                        : "another service is there: check host and port";
    case REST_SPEAKS_TLS: return "this port speaks TLS: write https://";
    case REST_NOT_READY:
        return "it is there and takes nothing now: is it starting, overloaded, or short of engines "
               "or disk space?";
    case REST_BROKEN: return "it is in trouble itself: look into its log, or try again";
    case REST_SILENT:
        return is_tls ? "it does not answer: is it overloaded, or another service?"
                      : "it does not answer: is it overloaded, or another service? If this port "
                        "speaks TLS, write https://";
    case REST_LOST:
    case REST_UNTRUSTED: return advice_on_loss(is_tls);
    case REST_NO_TROUBLE:
    case REST_OURS: break;
    }
    return "test again; if it stays so, look into this gateway's log";
}

void probe_advise_rest(const struct server_uri *server, enum profile_type type, bool has_key,
                       const struct rest_found *found, char *out, size_t bytes)
{
    (void)snprintf(out, bytes, "%.*s; %s", PROBE_SEEN_MAX, found->text,
                   advice_for(server, type, has_key, found->trouble));
}
