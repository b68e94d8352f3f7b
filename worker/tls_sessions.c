/* worker/tls_sessions.c: which session with a server is resumed.
 *
 * One per server of a profile version, the newest: what was verified then was verified with the
 * same CAs and for the same name. A ticket is used once. */
#include <stdlib.h>

#include "worker/tls_private.h"

/* Where the ticket of an SSL belongs: which context (by its SSL_CTX), and which server, plus 1. */
static int context_index(void)
{
    static int index = -1;

    if (index < 0)
        index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL);
    return index;
}

static int server_index(void)
{
    static int index = -1;

    if (index < 0)
        index = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
    return index;
}

/* 1: it is ours now. */
static int on_ticket(SSL *ssl, SSL_SESSION *session)
{
    struct tls_context *context = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), context_index());
    uintptr_t server = (uintptr_t)SSL_get_ex_data(ssl, server_index());

    if (context == NULL || server == 0 || server > context->servers ||
        SSL_SESSION_is_resumable(session) != 1)
        return 0;
    tls_forget_session(context, (unsigned)server - 1);
    context->sessions[server - 1] = session;
    return 1;
}

void tls_watch_sessions(struct tls_context *context)
{
    (void)SSL_CTX_set_ex_data(context->ssl_ctx, context_index(), context);
    (void)SSL_CTX_set_session_cache_mode(context->ssl_ctx,
                                         SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context->ssl_ctx, on_ticket);
}

int tls_keep_sessions(struct tls_context *context, SSL *ssl, unsigned server)
{
    if (server >= context->servers)
        return 0;
    return SSL_set_ex_data(ssl, server_index(), (void *)((uintptr_t)server + 1)) == 1 ? 0 : -1;
}

void tls_offer_session(struct tls_context *context, SSL *ssl, unsigned server)
{
    if (server >= context->servers || context->sessions[server] == NULL)
        return;
    (void)SSL_set_session(ssl, context->sessions[server]);
    if (SSL_SESSION_get_protocol_version(context->sessions[server]) >= TLS1_3_VERSION)
        tls_forget_session(context, server);
}

void tls_forget_session(struct tls_context *context, unsigned server)
{
    if (server >= context->servers)
        return;
    SSL_SESSION_free(context->sessions[server]);
    context->sessions[server] = NULL;
}
