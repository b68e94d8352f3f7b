/* worker/tls_sessions.c: which session with a server is resumed.
 *
 * Some per server of a profile version, the newest first: what was verified then was verified with
 * the same CAs and for the same name. A ticket is used once. */
#include <stdlib.h>
#include <string.h>

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

static void keep(struct tls_tickets *tickets, SSL_SESSION *session)
{
    if (tickets->count == TLS_TICKETS_KEPT) {
        SSL_SESSION_free(tickets->kept[0]);
        tickets->count--;
        memmove(&tickets->kept[0], &tickets->kept[1], tickets->count * sizeof(tickets->kept[0]));
    }
    tickets->kept[tickets->count++] = session;
}

/* 1: it is ours now. */
static int on_ticket(SSL *ssl, SSL_SESSION *session)
{
    struct tls_context *context = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), context_index());
    uintptr_t server = (uintptr_t)SSL_get_ex_data(ssl, server_index());

    if (context == NULL || server == 0 || server > context->servers ||
        SSL_SESSION_is_resumable(session) != 1)
        return 0;
    keep(&context->tickets[server - 1], session);
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
    struct tls_tickets *tickets = server < context->servers ? &context->tickets[server] : NULL;
    SSL_SESSION *newest;

    if (tickets == NULL || tickets->count == 0)
        return;
    newest = tickets->kept[tickets->count - 1];
    (void)SSL_set_session(ssl, newest);
    if (SSL_SESSION_get_protocol_version(newest) < TLS1_3_VERSION)
        return; /* that one may serve again */
    SSL_SESSION_free(newest);
    tickets->count--;
}

void tls_forget_sessions(struct tls_context *context, unsigned server)
{
    struct tls_tickets *tickets = server < context->servers ? &context->tickets[server] : NULL;

    while (tickets != NULL && tickets->count > 0)
        SSL_SESSION_free(tickets->kept[--tickets->count]);
}
