/* worker/tls_meter.c: how much a session may read before somebody else has a turn. */
#include <openssl/bio.h>

#include "worker/tls_meter.h"

#define READS_MOST   2
#define CHATTER_MOST (64U << 10) /* a record is 16 KiB, tickets are less */

/* OpenSSL asks before each read of the socket, and tells after it. */
static long on_bio(BIO *bio, int what, const char *data, size_t room, int argi, long argl, int ret,
                   size_t *bytes)
{
    struct tls_meter *meter = (struct tls_meter *)BIO_get_callback_arg(bio);

    (void)data;
    (void)room;
    (void)argi;
    (void)argl;
    if (what == BIO_CB_READ && meter->reads_left == 0) {
        BIO_set_retry_read(bio);
        return -1; /* as if there were nothing */
    }
    if (what == BIO_CB_READ)
        meter->reads_left--;
    else if (what == (BIO_CB_READ | BIO_CB_RETURN) && ret > 0 && bytes != NULL)
        meter->chatter += *bytes;
    return ret;
}

void tls_meter_attach(struct tls_meter *meter, SSL *ssl)
{
    BIO *bio = SSL_get_rbio(ssl);

    BIO_set_callback_arg(bio, (char *)meter);
    BIO_set_callback_ex(bio, on_bio);
}

void tls_meter_begin(struct tls_meter *meter)
{
    meter->reads_left = READS_MOST;
}

void tls_meter_got_data(struct tls_meter *meter)
{
    meter->chatter = 0;
}

bool tls_meter_is_chatter(const struct tls_meter *meter)
{
    return meter->chatter > CHATTER_MOST;
}
