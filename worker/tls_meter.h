/* worker/tls_meter.h: what one call into OpenSSL may take from the socket.
 *
 * By itself OpenSSL reads on until there is data or the socket is empty: a peer that sends key
 * updates (TLS 1.3) or asks for a renegotiation (TLS 1.2) faster than they are answered would keep
 * the loop for ever, past every deadline. So only two reads are let through per call, after which
 * the socket looks empty; it is still ready, and the next turn goes on. And what goes on for too
 * long without data is told, so that it can be ended. */
#ifndef WORKER_TLS_METER_H
#define WORKER_TLS_METER_H

#include <stdbool.h>
#include <stddef.h>

#include <openssl/ssl.h>

struct tls_meter { /* lives as long as the session */
    unsigned reads_left;
    size_t chatter; /* bytes since there was data */
};

void tls_meter_attach(struct tls_meter *meter, SSL *ssl); /* after SSL_set_fd() */

/* Before each call that reads: a new allowance. */
void tls_meter_begin(struct tls_meter *meter);
/* Data came, or the handshake is done. */
void tls_meter_got_data(struct tls_meter *meter);
/* More came than any record holds, and no data. */
bool tls_meter_is_chatter(const struct tls_meter *meter);

#endif
