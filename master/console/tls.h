/* master/console/tls.h: TLS for the console's connections: 1.2 and above, with one certificate. */
#ifndef MASTER_CONSOLE_TLS_H
#define MASTER_CONSOLE_TLS_H

#include "common/reason.h"

struct bufferevent;
struct event_base;
struct tls;

/* From PEM text: a chain, its own certificate first, and its key. 0 or a negative errno. */
int tls_new(const char *certificate, const char *key, struct tls **ret_tls,
            struct reason *reterr_why);
void tls_free(struct tls **tls);

/* What a new connection's octets go through; NULL: memory is short. */
struct bufferevent *tls_transport(struct tls *tls, struct event_base *base);

#endif
